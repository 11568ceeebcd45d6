"""The commit order of an attempt at a trial, of whatever kind: how it is written down in the store and in MLflow.

A worker begins to train; the attempt gets a number in the store; the MLflow run is created; the record is written; the
run gets its results. Each step can be repeated, so that a driver may be killed between any two of them. What waits for
a worker has no attempt, and leaves nothing behind.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hpsearch.records import Key, Status, Trial, TrialResult
from hpsearch.store.atomic_files import BrokenFileError
from hpsearch.store.provenance import Provenance
from hpsearch.store.record_json import Record, decode_record
from hpsearch.store.sweep_store import Attempt, SweepStore
from hpsearch.store.trial_config import config_text, option_params
from hpsearch.tracking.run_format import Role, SweepRun, now_ms
from hpsearch.tracking.tracker import Tracker


@dataclass(frozen=True, slots=True)
class Place:
    """Where the attempts at a trial are written down.

    Attributes:
        store: Takes its records.
        recorded: The trial under the name that its records have.
        tracked: The trial under the name that its runs have.
        role: What its runs are for.
        part: Which of several runs of this role and trial they are; see `Tracker.start_attempt`.
    """

    store: SweepStore
    recorded: Trial
    tracked: Trial
    role: Role
    part: str = ""


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt that has a run and no record yet."""

    trial: Trial
    number: int
    run_id: str
    started_ms: int


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt whose record is whole, and which tracking does not have yet."""

    key: Key
    number: int
    result: TrialResult
    folder: Path
    run_id: str
    ended_ms: int


@dataclass
class CommitLog(ABC):
    """The only writer of the records and runs of some trials; a subclass says where they are.

    Attributes:
        tracker: Of the tracking store.
        run: The sweep.
        provenance: What the trials are trained with.
    """

    tracker: Tracker
    run: SweepRun
    provenance: Provenance
    _open: dict[Key, OpenAttempt] = field(default_factory=dict, init=False)

    @abstractmethod
    def reconcile(self) -> dict[Key, Record]:
        """Adopts every whole record that is not committed, and closes every other open attempt.

        Returns:
            The committed records by the keys of their trials.
        """

    @abstractmethod
    def _place(self, trial: Trial) -> Place:
        """Where the attempts at a trial are written down."""

    def is_open(self, key: Key) -> bool:
        """Whether an attempt at a trial was begun and has not ended."""
        return key in self._open

    def begin(self, trial: Trial, started_ms: int) -> None:
        """Opens a new attempt at a trial whose training has begun.

        Args:
            trial: What is trained.
            started_ms: When that began, in milliseconds since 1970.
        """
        self._open_run(trial, self._new_number(trial), started_ms)

    def _new_number(self, trial: Trial) -> int:
        place = self._place(trial)
        return place.store.begin_attempt(place.recorded.level, place.recorded.k)

    def _open_run(self, trial: Trial, number: int, started_ms: int) -> None:
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
            tags=None if provenance is None else provenance.tags,
            config=config_text(trial.config),
        )

    def write(self, key: Key, result: TrialResult, more: Mapping[str, str]) -> Finished:
        """Writes the record of an open attempt, which is finished by that.

        Args:
            key: Of the trial.
            result: What came out.
            more: What else goes to `run.json`.
        """
        attempt, ended_ms = self._open[key], now_ms()
        place = self._place(attempt.trial)
        times = {"started_ms": attempt.started_ms, "ended_ms": ended_ms, "run_id": attempt.run_id}
        run = {**times, **self.provenance.tags, **more}
        folder = place.store.write_attempt(attempt.number, place.recorded, result, run)
        del self._open[key]  # from here on it is adopted, whatever fails
        return Finished(key, attempt.number, result, folder, attempt.run_id, ended_ms)

    def commit(self, finished: Finished) -> Record:
        """Gives tracking the results of an attempt; returns its record."""
        self._finish_run(finished)
        return decode_record((finished.folder / "record.json").read_bytes())

    def _finish_run(self, finished: Finished) -> None:
        files = {path.name: path for path in sorted(finished.folder.iterdir()) if path.name != "run.json"}
        self.tracker.finish_attempt(finished.run_id, finished.result, ended_ms=finished.ended_ms, artifacts=files)

    def _adopt(self, trial: Trial, attempt: Attempt) -> Finished:
        """Gives tracking an attempt whose record is whole, without training."""
        run = run_facts(self._place(trial).store, attempt)
        run_id = self._start_run(trial, attempt.number, run["started_ms"], Provenance.read(run))
        result = replace(record_of(attempt).result, measured=run["measured"])
        finished = Finished(trial.key, attempt.number, result, attempt.folder, run_id, run["ended_ms"])
        self._finish_run(finished)
        return finished

    def close(self, key: Key, failure: str | None) -> OpenAttempt:
        """Gives up an open attempt, which is returned.

        Args:
            key: Of the trial.
            failure: Why; None if it was only interrupted.
        """
        attempt = self._open.pop(key)
        self._interrupt_run(attempt.run_id, failure)
        return attempt

    def close_all(self) -> None:
        """Gives up everything that is open."""
        for key in list(self._open):
            self.close(key, None)

    def _close_runs(self, role: Role, committed: Container[tuple[str, int, int]] = ()) -> None:
        """Ends the runs of a role that MLflow takes for running, except those of (level, k, attempt) committed."""
        for run in self.tracker.attempts(self.run, running=True):
            if run.role is role and (run.level, run.k, run.attempt) not in committed:
                self._interrupt_run(run.run_id)

    def _interrupt_run(self, run_id: str, failure: str | None = None) -> None:
        self.tracker.terminate(run_id, Status.INTERRUPTED, ended_ms=now_ms(), failure=failure)


def run_facts(store: SweepStore, attempt: Attempt) -> dict[str, Any]:
    """When and by what a finished attempt was made; with a `run.json` that is damaged, only what is needed, of now."""
    facts = {"started_ms": now_ms(), "ended_ms": now_ms(), "measured": {}}
    record = record_of(attempt)
    with contextlib.suppress(BrokenFileError):
        facts |= store.run_file(record.level, record.k, attempt.number)
    return facts


def record_of(attempt: Attempt) -> Record:
    """The record of a finished attempt."""
    assert attempt.record is not None, attempt.folder
    return attempt.record
