"""What may be set about where trials run and where they are logged."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from hpsearch.config.option import AUTO, Option
from hpsearch.config.validation import require, require_positive


class Device(StrEnum):
    """Where fits are trained."""

    AUTO = "auto"  # the first CUDA device, or else the CPU
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(kw_only=True, slots=True)
class Execution(Option):
    """Worker processes of one thread each; null: one a core, at most one a trial, and one on a GPU."""

    group: ClassVar[str] = "execution"
    workers: Annotated[int | None, "worker processes, >= 1; auto: one a core, one on a GPU", AUTO]
    device: Annotated[Device, "where fits are trained"]
    memory_gib: Annotated[
        float | None, "what the fleets of one worker may take, > 0; auto: its share of half of what is free", AUTO
    ]

    def __post_init__(self) -> None:
        require(self.workers is None or self.workers >= 1, "execution.workers", "must be >= 1 or auto", self.workers)
        if self.memory_gib is not None:
            require_positive("execution.memory_gib", self.memory_gib)


@dataclass(kw_only=True, slots=True)
class Tracking(Option):
    """MLflow at `uri`; null: the environment's MLFLOW_TRACKING_URI or else a SQLite file under `directory`."""

    group: ClassVar[str] = "tracking"
    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {"tags": {}}
    uri: Annotated[str | None, "of MLflow; null: MLFLOW_TRACKING_URI, or else a SQLite file in the directory"]
    directory: Annotated[str, "where records and the default MLflow store are kept"]
    tags: Annotated[dict[str, Any], "of the sweep's run in MLflow, such as {team: vision}"]
