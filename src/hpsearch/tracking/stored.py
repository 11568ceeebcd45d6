"""What a tracking store keeps of a sweep, read back: enough to make its report where its folder is not."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpsearch.records import Status
from hpsearch.tracking.connection import TrackingError
from hpsearch.tracking.limits import display_name
from hpsearch.tracking.runs import Attempt, Role, SweepRun, attempt_of
from hpsearch.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT = "mlflow.parentRunId"
_WITHOUT_RECORD = (Status.INTERRUPTED, "running", "")


@dataclass(frozen=True, slots=True)
class Child:
    """A run of a sweep.

    Attributes:
        attempt: What it stands for.
        tags: Its tags.
        metrics: Its last metrics.
    """

    attempt: Attempt
    tags: Mapping[str, str]
    metrics: Mapping[str, float]

    @property
    def has_record(self) -> bool:
        """Whether it came to an end that is written down."""
        return self.attempt.status not in _WITHOUT_RECORD


@dataclass(frozen=True, slots=True)
class Origin:
    """What tells sweeps of one name apart.

    Attributes:
        started_ms: When the run of the sweep was made, in milliseconds since 1970.
        user: By whom.
        fingerprint: Of the sweep; empty if the run does not say.
    """

    started_ms: int
    user: str
    fingerprint: str


class StoredSweeps:
    """The sweeps of one tracking store, as a reader finds them.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, name: str) -> list[SweepRun]:
        """The sweeps of this name, oldest first; several where people share a store."""
        found = self._store.call(self._store.client.get_experiment_by_name, display_name(name))
        if found is None or found.lifecycle_stage != "active":
            return []
        experiment_id = str(found.experiment_id)
        parents = self._store.search(experiment_id, f"tags.role = '{Role.PARENT}'")
        return [
            SweepRun(name, "", experiment_id, str(run.info.run_id), resumed=True)
            for run in parents
            if run.data.tags.get("sweep") == name
        ]

    def of_run(self, run_id: str) -> SweepRun:
        """The sweep whose own run this is.

        Raises:
            TrackingError: There is no such run, or it is not that of a sweep.
        """
        run = self._store.run(run_id)
        tags = run.data.tags
        if tags.get("role") != Role.PARENT or "sweep" not in tags:
            above = f": it is one of the runs of {tags[PARENT]}" if PARENT in tags else ""
            raise TrackingError(f"run {run_id} is not the run of a sweep{above}")
        return SweepRun(tags["sweep"], "", str(run.info.experiment_id), run_id, resumed=True)

    def origin(self, sweep: SweepRun) -> Origin:
        """When a sweep was started, by whom, and what it is."""
        run = self._store.run(sweep.run_id)
        tags = run.data.tags
        return Origin(int(run.info.start_time), tags.get("mlflow.user", "unknown"), tags.get("fingerprint", ""))

    def names(self) -> list[str]:
        """The names of all sweeps, sorted."""
        found = self._store.call(self._store.client.search_experiments)
        return sorted({experiment.tags["sweep"] for experiment in found if "sweep" in experiment.tags})

    def children(self, sweep: SweepRun, *roles: Role) -> list[Child]:
        """The runs of a sweep that have one of these roles, oldest first."""
        runs = self._store.search(sweep.experiment_id, f"tags.`{PARENT}` = '{sweep.run_id}'")
        return [_child(run) for run in runs if run.data.tags.get("role") in roles]

    def artifact(self, run_id: str, name: str) -> bytes:
        """A file of a run.

        Raises:
            TrackingError: It is not there.
        """
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  # see `connection`

        with tempfile.TemporaryDirectory() as folder:
            try:
                path = self._store.call(self._store.client.download_artifacts, run_id, name, folder)
                return Path(path).read_bytes()
            except (MlflowException, OSError) as error:
                raise TrackingError(f"run {run_id} has no {name}: {error}") from error


def _child(run: "Run") -> Child:
    return Child(attempt_of(run), dict(run.data.tags), dict(run.data.metrics))
