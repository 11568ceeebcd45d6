"""The words of tracking: roles, endings, and how a trial is written as an MLflow run."""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hpsearch.records import NO_LEVEL, Status, TrialResult
from hpsearch.tracking.sanitize import digest, key_name

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run

REPORT_PAGE = "report/report.html"
"""The artifact of a comparison's run that holds its report."""

SUMMARY_STEP = 0
"""Step of what is said once for a trial; epochs are steps from 1."""

OURS = ("key", "sweep", "role", "status", "failure", "pruned", "level", "trial", "attempt", "part")
"""Tags that say what a run is."""

DIGEST_LENGTH = 36
"""Longest digest of a data set that MLflow keeps."""

TABLE_VIEW = "trials"
"""Name of the view of the runs table that each experiment brings along."""


class Role(StrEnum):
    """What a run is."""

    PARENT = "parent"
    SEARCH = "search"
    CONFIRM = "confirm"
    FINAL = "final"


class Ending(StrEnum):
    """How MLflow says that a run ended."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @classmethod
    def of(cls, status: Status) -> "Ending":
        """The ending of a run whose trial ended with this status."""
        if status.scored or status is Status.PRUNED:
            return cls.FINISHED
        return cls.KILLED if status is Status.INTERRUPTED else cls.FAILED


@dataclass(frozen=True, slots=True)
class SweepRun:
    """A sweep in MLflow.

    Attributes:
        name: The full name of the sweep.
        identity: What tells this sweep from another one of the same name.
        experiment_id: Its experiment.
        run_id: Its parent run.
        resumed: Whether the parent run was there before.
    """

    name: str
    identity: str
    experiment_id: str
    run_id: str
    resumed: bool


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows that the trials of a sweep see, or never see.

    Attributes:
        name: Of the data set.
        digest: Of the rows.
        context: What they are for: `development`, `sealed test`.
        source: Where they come from, as keys of the configuration.
        profile: What is known of them: `{"rows": 1438}`.
    """

    name: str
    digest: str
    context: str
    source: Mapping[str, Any]
    profile: Mapping[str, Any]

    def as_input(self) -> "DatasetInput":
        """As MLflow takes it."""
        from mlflow.entities import Dataset as Entity  # noqa: PLC0415  # see `connection`
        from mlflow.entities import DatasetInput, InputTag  # noqa: PLC0415

        source, profile = json.dumps(self.source), json.dumps(self.profile)
        entity = Entity(self.name, self.digest[:DIGEST_LENGTH], "hpsearch", source, profile=profile)
        return DatasetInput(entity, [InputTag("mlflow.data.context", self.context)])


@dataclass(frozen=True, slots=True)
class Attempt:
    """What MLflow knows about one attempt.

    Attributes:
        run_id: Its run.
        sweep: Name of its sweep.
        role: What it is for.
        level: Level of its trial.
        k: Number of its trial within the level.
        part: Which of several runs of this role and trial; empty if there is one.
        attempt: From 1.
        running: Whether MLflow takes it for running, which says nothing about whether it is.
        status: Its `status` tag.
    """

    run_id: str
    sweep: str
    role: Role
    level: str
    k: int
    part: str
    attempt: int
    running: bool
    status: str


def run_key(identity: str, role: Role, *parts: str | int) -> str:
    """The digest by which a run is found again; it stands in filters, where a name could be read as a command."""
    return digest(json.dumps([identity, role, *(str(part) for part in parts)]))


def run_name(role: Role, level: str, k: int, part: str, attempt: int) -> str:
    """What a run is called on a page: `adam · trial 7`, `trial 7 · confirm · seed 3`, `trial 7 · attempt 2`."""
    words = [
        "" if level == NO_LEVEL else level,
        f"trial {k}",
        "" if role is Role.SEARCH else str(role),
        part,
        "" if attempt == 1 else f"attempt {attempt}",
    ]
    return " · ".join(word for word in words if word)


def points(result: TrialResult) -> Iterator[tuple[str, float, int]]:
    """The finite numbers of a result as (metric, value, step).

    Curves have the epoch as step, from 1. What was measured gets the prefix `system/`. What is said once of a curve
    stands beside it, since MLflow shows a section of charts for each prefix: `val/accuracy_best`; its last value, which
    MLflow shows for the curve, is not said again.
    """
    for epoch in range(1, 1 + max((len(curve) for curve in result.curves.values()), default=0)):
        yield from finite_points({k: v[epoch - 1] for k, v in result.curves.items() if epoch <= len(v)}, epoch)
    measured = {f"system/{key}": value for key, value in result.measured.items()}
    scores = {"score": result.score, "score_se": result.score_se}
    known = {key: value for key, value in scores.items() if value is not None}
    summary = {_beside_curve(key): value for key, value in result.summary.items() if not key.startswith("last/")}
    yield from finite_points(summary | measured | known, SUMMARY_STEP)


def _beside_curve(key: str) -> str:
    """`val/accuracy_best` of `best/val/accuracy`; `report/temperature` of `chosen/temperature`, which has no curve."""
    which, _, name = key.partition("/")
    if which not in ("best", "chosen"):
        return key
    return f"{name}_{which}" if "/" in name else f"report/{name}"


def finite_points(metrics: Mapping[str, float], step: int) -> Iterator[tuple[str, float, int]]:
    """The metrics that are finite, as (metric, value, step); MLflow would store NaN as 0 and infinity as 1.8e308."""
    return ((key_name(key), float(value), step) for key, value in metrics.items() if math.isfinite(value))


def table_view(names: Sequence[str]) -> str:
    """The state of MLflow's runs table (3.17) that shows trials by score, as JSON.

    Args:
        names: Params (`optimizer.adam.lr`) and metrics (`report/accuracy`, told by their slash) to show beside it.
    """
    kinds = [("metrics", "score"), ("metrics", "score_se")]
    kinds += [("metrics" if "/" in name else "params", name) for name in names]
    columns = [f"{kind}.`{name}`" for kind, name in kinds]
    state = {
        "searchFilter": "tags.role = 'search'",
        "orderByKey": "metrics.`score`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*columns, "tags.`status`"],
    }
    return json.dumps(state)


def table_path(experiment_id: str) -> str:
    """The page of `table_view`, to be put behind the address of the MLflow UI."""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={TABLE_VIEW}"


def artifact_path(run: SweepRun, file: str) -> str:
    """The page of a file of a sweep's own run, to be put behind the address of the MLflow UI."""
    return f"/#/experiments/{run.experiment_id}/runs/{run.run_id}/artifacts/{file}"


def attempt_of(run: "Run") -> Attempt | None:
    """The attempt that a run stands for, read from its tags; None if they say none, as after edits by people."""
    tags = run.data.tags
    try:
        return Attempt(
            run_id=run.info.run_id,
            sweep=tags["sweep"],
            role=Role(tags["role"]),
            level=tags["level"],
            k=int(tags["trial"]),
            part=tags.get("part", ""),
            attempt=int(tags["attempt"]),
            running=run.info.status in ("RUNNING", "SCHEDULED"),
            status=tags.get("status", ""),
        )
    except (KeyError, ValueError):
        return None


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
