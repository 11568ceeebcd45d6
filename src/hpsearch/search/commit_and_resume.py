"""Commit protocol of trial attempts: the order of writes to the store and to MLflow.

When a worker starts training, the attempt gets a number in the store and an MLflow run. When it ends, its record is
written, then its results are logged to the run. Every step is idempotent, so the driver may be killed between any two
of them. Trials that are still waiting for a worker have no attempt and leave no trace.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hpsearch.errors import BrokenFileError
from hpsearch.records import Key, Status, Trial, TrialResult
from hpsearch.store.provenance import Provenance
from hpsearch.store.record_json import Record, decode_record
from hpsearch.store.sweep_store import Attempt, SweepStore
from hpsearch.store.trial_config import config_text, option_params
from hpsearch.tracking.run_format import Role, SweepRun, now_ms
from hpsearch.tracking.tracker import Tracker


@dataclass(frozen=True, slots=True)
class Place:
    """Where the attempts at a trial are stored and tracked.

    Attributes:
        store: Store of the records.
        recorded: The trial as the records name it.
        tracked: The trial as the runs name it.
        role: Role of the runs.
        part: Tells apart several runs of this role and trial; see `Tracker.start_attempt`.
    """

    store: SweepStore
    recorded: Trial
    tracked: Trial
    role: Role
    part: str = ""


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt with a run but no record yet."""

    trial: Trial
    number: int
    run_id: str
    started_ms: int


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt with a complete record whose results are not in MLflow yet."""

    key: Key
    number: int
    result: TrialResult
    folder: Path
    run_id: str
    ended_ms: int


@dataclass
class CommitLog(ABC):
    """The only writer of the records and runs of some trials; subclasses define where these are kept.

    Attributes:
        tracker: Writes to MLflow.
        run: The run of the sweep.
        provenance: Device and code that train the trials.
    """

    tracker: Tracker
    run: SweepRun
    provenance: Provenance
    _open: dict[Key, OpenAttempt] = field(default_factory=dict, init=False)

    @abstractmethod
    def reconcile(self) -> dict[Key, Record]:
        """Commit every complete record that is not committed yet, and close all other open attempts.

        Returns:
            The committed records by trial key.
        """

    @abstractmethod
    def _place(self, trial: Trial) -> Place:
        """Where the attempts at a trial are kept."""

    def _before_run(self, trial: Trial, number: int) -> None:  # noqa: B027 (a hook)
        """Called when an attempt has its number, before its run is created."""

    def _tags(self, trial: Trial) -> dict[str, str]:
        """Further tags of the run of an attempt."""
        del trial
        return {}

    def is_open(self, key: Key) -> bool:
        """Whether a trial has an open attempt."""
        return key in self._open

    def begin(self, trial: Trial, started_ms: int) -> None:
        """Open a new attempt at a trial that a worker has started to train, at this time in ms since 1970."""
        place = self._place(trial)
        number = place.store.begin_attempt(place.recorded.level, place.recorded.k)
        self._before_run(trial, number)
        run_id = self._start_run(trial, number, started_ms, self.provenance)
        self._open[trial.key] = OpenAttempt(trial, number, run_id, started_ms)

    def _start_run(self, trial: Trial, number: int, started_ms: int, provenance: Provenance | None) -> str:
        place = self._place(trial)
        return self.tracker.start_attempt(
            self.run,
            place.tracked.level,
            place.tracked.k,
            number,
            started_ms=started_ms,
            role=place.role,
            part=place.part,
            params=option_params(trial.config),
            tags={**({} if provenance is None else provenance.tags), **self._tags(trial)},
            config=config_text(trial.config),
        )

    def write(self, key: Key, result: TrialResult, extra: Mapping[str, str]) -> Finished:
        """Write the record of an open attempt, which finishes it; `extra` are further entries of `run.json`."""
        attempt, ended_ms = self._open[key], now_ms()
        place = self._place(attempt.trial)
        times = {"started_ms": attempt.started_ms, "ended_ms": ended_ms, "run_id": attempt.run_id}
        run = {**times, **self.provenance.tags, **extra}
        folder = place.store.write_attempt(attempt.number, place.recorded, result, run)
        del self._open[key]  # from here on, a failure leaves a record to commit later
        return Finished(key, attempt.number, result, folder, attempt.run_id, ended_ms)

    def commit(self, finished: Finished) -> Record:
        """Log the results of a finished attempt to its run, and return its record."""
        self._finish_run(finished)
        return decode_record((finished.folder / "record.json").read_bytes())

    def _finish_run(self, finished: Finished) -> None:
        files = {path.name: path for path in sorted(finished.folder.iterdir()) if path.name != "run.json"}
        self.tracker.finish_attempt(finished.run_id, finished.result, ended_ms=finished.ended_ms, artifacts=files)

    def _adopt(self, trial: Trial, attempt: Attempt) -> Finished:
        """Log an attempt that an earlier driver finished, without training it again."""
        record, store = record_of(attempt), self._place(trial).store
        run: dict[str, Any] = {"started_ms": now_ms(), "ended_ms": now_ms(), "measured": {}}
        with contextlib.suppress(BrokenFileError):  # no result depends on run.json
            run |= store.run_file(record.level, record.k, attempt.number)
        run_id = self._start_run(trial, attempt.number, run["started_ms"], Provenance.read(run))
        result = replace(record.result, measured=run["measured"])
        finished = Finished(trial.key, attempt.number, result, attempt.folder, run_id, run["ended_ms"])
        self._finish_run(finished)
        return finished

    def close(self, key: Key, failure: str | None) -> OpenAttempt:
        """Give up an open attempt, and return it; `failure` is the cause, None if it was interrupted."""
        attempt = self._open.pop(key)
        self._interrupt_run(attempt.run_id, failure)
        return attempt

    def close_all(self) -> None:
        """Give up all open attempts."""
        for key in list(self._open):
            self.close(key, None)

    def _close_runs(self, role: Role, committed: Container[tuple[str, int, int]] = ()) -> None:
        """End the runs of a role that MLflow shows as running, except the committed (level, k, attempt)."""
        for run in self.tracker.attempts(self.run, running=True):
            if run.role is role and (run.level, run.k, run.attempt) not in committed:
                self._interrupt_run(run.run_id)

    def _interrupt_run(self, run_id: str, failure: str | None = None) -> None:
        self.tracker.terminate(run_id, Status.INTERRUPTED, ended_ms=now_ms(), failure=failure)


def record_of(attempt: Attempt) -> Record:
    """The record of a finished attempt."""
    assert attempt.record is not None, attempt.folder
    return attempt.record
