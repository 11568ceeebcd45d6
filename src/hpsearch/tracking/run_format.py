"""How sweeps and trials are represented as MLflow runs: roles, endings, tags and metrics."""

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
"""Artifact of a comparison's run that holds its report."""

SUMMARY_STEP = 0
"""Step of metrics that are logged once per trial; epochs are steps from 1."""

OURS = ("key", "sweep", "role", "status", "failure", "pruned", "level", "trial", "attempt", "part")
"""Tags that hpsearch sets on a run."""

DIGEST_LENGTH = 36
"""Maximum length of a data set's digest in MLflow."""

TABLE_VIEW = "trials"
"""Name of the saved view of the runs table that each experiment has."""


class Role(StrEnum):
    """The role of a run."""

    PARENT = "parent"
    SEARCH = "search"
    CONFIRM = "confirm"
    FINAL = "final"


class Ending(StrEnum):
    """MLflow's terminal states of a run."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @classmethod
    def of(cls, status: Status) -> "Ending":
        """Return the terminal state of a run whose trial ended with this status."""
        if status.scored or status is Status.PRUNED:
            return cls.FINISHED
        return cls.KILLED if status is Status.INTERRUPTED else cls.FAILED


@dataclass(frozen=True, slots=True)
class SweepRun:
    """A sweep in MLflow.

    Attributes:
        name: Full name of the sweep.
        identity: Distinguishes sweeps of the same name.
        experiment_id: Its experiment.
        run_id: Its parent run.
        resumed: Whether the parent run existed before.
    """

    name: str
    identity: str
    experiment_id: str
    run_id: str
    resumed: bool


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set that a sweep uses or keeps sealed.

    Attributes:
        name: Name of the data set.
        digest: Digest of the rows.
        context: Its use: `development`, `sealed test`.
        source: Its configuration options.
        profile: Facts about it, such as `{"rows": 1438}`.
    """

    name: str
    digest: str
    context: str
    source: Mapping[str, Any]
    profile: Mapping[str, Any]

    def as_input(self) -> "DatasetInput":
        """Convert to MLflow's type."""
        from mlflow.entities import Dataset as Entity  # noqa: PLC0415  # see `connection`
        from mlflow.entities import DatasetInput, InputTag  # noqa: PLC0415

        source, profile = json.dumps(self.source), json.dumps(self.profile)
        entity = Entity(self.name, self.digest[:DIGEST_LENGTH], "hpsearch", source, profile=profile)
        return DatasetInput(entity, [InputTag("mlflow.data.context", self.context)])


@dataclass(frozen=True, slots=True)
class Attempt:
    """What MLflow stores about one attempt at a trial.

    Attributes:
        run_id: Its run.
        sweep: Name of its sweep.
        role: Role of the run.
        level: Level of its trial.
        k: Number of its trial within the level.
        part: Which of several runs of this role and trial; empty if there is only one.
        attempt: Number of the attempt, from 1.
        running: Whether MLflow marks it as running; its process may be dead.
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
    """Return the digest that identifies a run; unlike a name, it is safe inside MLflow's filter expressions."""
    return digest(json.dumps([identity, role, *(str(part) for part in parts)]))


def run_name(role: Role, level: str, k: int, part: str, attempt: int) -> str:
    """Return the displayed name of a run: `adam · trial 7`, `trial 7 · confirm · seed 3`, `trial 7 · attempt 2`."""
    words = [
        "" if level == NO_LEVEL else level,
        f"trial {k}",
        "" if role is Role.SEARCH else str(role),
        part,
        "" if attempt == 1 else f"attempt {attempt}",
    ]
    return " · ".join(word for word in words if word)


def points(result: TrialResult) -> Iterator[tuple[str, float, int]]:
    """Yield the finite numbers of a result as (metric, value, step).

    Curves have the epoch as step, from 1. Measurements get the prefix `system/`. Values derived from a curve are named
    after it, `val/accuracy_best`, because MLflow groups charts by prefix. A curve's last value is omitted, since MLflow
    shows it anyway.
    """
    for epoch in range(1, 1 + max((len(curve) for curve in result.curves.values()), default=0)):
        yield from finite_points({k: v[epoch - 1] for k, v in result.curves.items() if epoch <= len(v)}, epoch)
    measured = {f"system/{key}": value for key, value in result.measured.items()}
    scores = {"score": result.score, "score_se": result.score_se}
    available = {key: value for key, value in scores.items() if value is not None}
    summary = {_beside_curve(key): value for key, value in result.summary.items() if not key.startswith("last/")}
    yield from finite_points(summary | measured | available, SUMMARY_STEP)


def _beside_curve(key: str) -> str:
    """Map `best/val/accuracy` to `val/accuracy_best`, and `chosen/x`, which has no curve, to `report/x`."""
    which, _, name = key.partition("/")
    if which not in ("best", "chosen"):
        return key
    return f"{name}_{which}" if "/" in name else f"report/{name}"


def finite_points(metrics: Mapping[str, float], step: int) -> Iterator[tuple[str, float, int]]:
    """Yield finite metrics as (metric, value, step); MLflow would store NaN as 0 and infinity as 1.8e308."""
    return ((key_name(key), float(value), step) for key, value in metrics.items() if math.isfinite(value))


def table_view(names: Sequence[str]) -> str:
    """Return the state of MLflow's runs table (3.17) that shows trials by score, as JSON.

    Args:
        names: Params (`optimizer.adam.lr`) and metrics (`report/accuracy`, recognized by the slash) to show as columns.
    """
    kinds = [("metrics", "score"), ("metrics", "score_se")]
    kinds += [("metrics" if "/" in name else "params", key_name(name)) for name in names]
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
    """Return the page of `table_view`, relative to the address of the MLflow UI."""
    return f"/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={TABLE_VIEW}"


def artifact_path(run: SweepRun, file: str) -> str:
    """Return the page of a file of a sweep's own run, relative to the address of the MLflow UI."""
    return f"/#/experiments/{run.experiment_id}/runs/{run.run_id}/artifacts/{file}"


def attempt_of(run: "Run") -> Attempt | None:
    """Read the attempt that a run stands for from its tags; None if they are incomplete, as after manual edits."""
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
    """Return the current time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
