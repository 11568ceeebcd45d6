"""Options of `execution` and `tracking`."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from hpsearch.config.bounds import AUTO, POSITIVE, at_least
from hpsearch.config.option import Option, OptionGroup


class Device(StrEnum):
    """Device that fits are trained on."""

    AUTO = "auto"  # the first CUDA device, or else the CPU
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(kw_only=True, slots=True)
class Execution(Option):
    """Single-threaded worker processes; null: one per core, at most one per trial, and one on a GPU."""

    group: ClassVar[str] = "execution"
    workers: Annotated[int | None, at_least(1), "worker processes; auto: one a core, one on a GPU", AUTO]
    device: Annotated[Device, "where fits are trained"]
    memory_gib: Annotated[
        float | None, POSITIVE, "what the fleets of one worker may take; auto: its share of half of what is free", AUTO
    ]


@dataclass(kw_only=True, slots=True)
class Tracking(Option):
    """MLflow at `uri`; null: MLFLOW_TRACKING_URI, or else a SQLite file in `directory`."""

    group: ClassVar[str] = "tracking"
    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {"tags": {}}
    uri: Annotated[str | None, "of MLflow; null: MLFLOW_TRACKING_URI, or else a SQLite file in the directory"]
    directory: Annotated[str, "where records and the default MLflow store are kept"]
    tags: Annotated[dict[str, Any], "of the sweep's run in MLflow, such as {team: vision}"]


GROUPS = (
    OptionGroup(name="execution", kinds={"local": Execution}, fingerprinted=False),
    OptionGroup(name="tracking", kinds={"mlflow": Tracking}, fingerprinted=False),
)
