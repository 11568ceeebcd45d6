"""Reads back what a tracking store holds of a sweep: enough to make its report without its folder."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpsearch.errors import TrackingError
from hpsearch.records import Baseline, Status
from hpsearch.tracking.client import SWEEP, Store
from hpsearch.tracking.run_format import Attempt, Role, SweepRun, attempt_of
from hpsearch.tracking.sanitize import TAG_LENGTH, clip

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"

REQUESTED = "trials_requested"
"""Tag of a sweep's run: total number of requested trials, of all levels and including default recipes."""

LOOKS = "looks_planned"
"""Tag of a sweep's run: numbers of fresh seeds after which its levels are compared, as JSON."""

BASELINES = "baselines"
"""Tag of a sweep's run: what baselines get on its rows, as JSON."""

NAMES_OF_SWEEPS = """
    SELECT name.value FROM tags AS name
    JOIN tags AS role ON role.run_uuid = name.run_uuid AND role.key = 'role' AND role.value = 'parent'
    JOIN runs ON runs.run_uuid = name.run_uuid AND runs.lifecycle_stage = 'active'
    JOIN experiments AS experiment ON experiment.experiment_id = runs.experiment_id
    WHERE name.key = 'sweep' AND experiment.lifecycle_stage = 'active'
"""
"""A query of MLflow's tables."""

_WITHOUT_RECORD = (Status.INTERRUPTED, "running", "")


@dataclass(frozen=True, slots=True)
class Child:
    """A child run of a sweep.

    Attributes:
        attempt: The attempt it stands for.
        tags: Its tags.
        metrics: Last value of each metric.
        times: Its start and end, ms since 1970; both 0 while it runs.
    """

    attempt: Attempt
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    times: tuple[int, int] = (0, 0)

    @property
    def has_record(self) -> bool:
        """Whether it ended with a record."""
        return self.attempt.status not in _WITHOUT_RECORD


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a sweep comes from, to distinguish sweeps of one name.

    Attributes:
        started_ms: Creation time of the sweep's run, milliseconds since 1970.
        user: User who created it.
        fingerprint: Fingerprint of the sweep; empty if the run has none.
    """

    started_ms: int
    user: str
    fingerprint: str


class StoredSweeps:
    """The sweeps of one tracking store, for readers.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, name: str) -> list[SweepRun]:
        """Return the sweeps of this name, oldest first; several if users share the store."""
        return [sweep for sweep in self.all() if sweep.name == clip(name, TAG_LENGTH)]

    def all(self) -> list[SweepRun]:
        """Return all sweeps, oldest first, whatever their experiments and runs are called."""
        parents = self._store.search(self._store.active(), f"tags.role = '{Role.PARENT}'")
        return [_sweep(run) for run in parents if SWEEP in run.data.tags]

    def of_run(self, run_id: str) -> SweepRun:
        """Return the sweep whose parent run this is.

        Raises:
            TrackingError: There is no such run, or it is not the parent run of a sweep.
        """
        run = self._store.run(run_id)
        tags = run.data.tags
        if tags.get("role") != Role.PARENT or "sweep" not in tags:
            above = f": it is one of the runs of {tags[PARENT]}" if PARENT in tags else ""
            raise TrackingError(f"run {run_id} is not the run of a sweep{above}")
        return _sweep(run)

    def requested(self, sweep: SweepRun) -> int:
        """Return the number of trials that a sweep was asked for; 0 if it is not recorded."""
        text = self._store.run(sweep.run_id).data.tags.get(REQUESTED, "")
        return int(text) if text.isdecimal() else 0

    def looks(self, sweep: SweepRun) -> tuple[int, ...]:
        """Return the numbers of fresh seeds after which levels are compared; empty if none are recorded."""
        return tuple(json.loads(self._store.run(sweep.run_id).data.tags.get(LOOKS, "[]")))

    def baselines(self, sweep: SweepRun) -> tuple[Baseline, ...]:
        """Return what baselines get on the rows of a sweep; empty if none are recorded."""
        told = json.loads(self._store.run(sweep.run_id).data.tags.get(BASELINES, "[]"))
        return tuple(Baseline(**each) for each in told)

    def origin(self, sweep: SweepRun) -> Origin:
        """Return when a sweep was started, by whom, and its fingerprint."""
        run = self._store.run(sweep.run_id)
        tags = run.data.tags
        return Origin(int(run.info.start_time), tags.get("mlflow.user", "unknown"), tags.get("fingerprint", ""))

    def names(self) -> list[str]:
        """Return the names of all sweeps, sorted."""
        return sorted({sweep.name for sweep in self.all()})

    def children(self, sweep: SweepRun, *roles: Role) -> list[Child]:
        """Return the runs of a sweep with one of these roles, oldest first; those with incomplete tags are skipped."""
        runs = self._store.search(sweep.experiment_id, f"tags.`{PARENT}` = '{sweep.run_id}'")
        return [child for run in runs if (child := _child(run)) is not None and child.attempt.role in roles]

    def artifact(self, run_id: str, name: str) -> bytes:
        """Return the content of an artifact of a run.

        Raises:
            TrackingError: It does not exist.
        """
        return self._store.read_artifact(run_id, name)


def _sweep(run: "Run") -> SweepRun:
    return SweepRun(run.data.tags[SWEEP], "", str(run.info.experiment_id), str(run.info.run_id), resumed=True)


def _child(run: "Run") -> Child | None:
    attempt = attempt_of(run)
    times = (int(run.info.start_time), int(run.info.end_time)) if run.info.end_time else (0, 0)
    return None if attempt is None else Child(attempt, dict(run.data.tags), dict(run.data.metrics), times)


def names_in_file(uri: str) -> list[str] | None:
    """Return the sorted names of all sweeps in a SQLite store, without the slow import of MLflow.

    Returns:
        The names; None for another kind of store, or a file that cannot be read this way.
    """
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///"):
        return None
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as file:
            return sorted({name for (name,) in file.execute(NAMES_OF_SWEEPS)})
    except sqlite3.Error:
        return None
