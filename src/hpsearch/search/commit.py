"""The attempts at the trials of a sweep, in the three places where they are written down: store, MLflow, Optuna.

The commit order of an attempt: a worker begins to train; Optuna is asked; the MLflow run is created; the record is
written; the run gets its results; Optuna is told, which is the commit. Each step can be repeated, so that a driver may
be killed between any two of them. What waits for a worker has no attempt, and leaves nothing behind.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from hpsearch.records import Status, Trial, TrialResult, rung_scores
from hpsearch.search.narrowing import widened_to_hold
from hpsearch.search.plan import Plan
from hpsearch.search.sampler import add_drawn_trial
from hpsearch.store.atomic_files import BrokenFileError
from hpsearch.store.optuna_journal import report_rungs
from hpsearch.store.provenance import Provenance
from hpsearch.store.record_json import Record, decode_record
from hpsearch.store.sweep_store import Attempt, SweepStore
from hpsearch.store.trial_config import config_text, option_params
from hpsearch.tracking.runs import Role, SweepRun, now_ms
from hpsearch.tracking.tracker import Tracker


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt that Optuna and MLflow know of and that is not committed yet."""

    trial: Trial
    number: int
    optuna_number: int
    run_id: str
    started_ms: int


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt whose record is whole; what is left is to log it and to tell Optuna."""

    result: TrialResult
    folder: Path
    run_id: str
    optuna_number: int
    ended_ms: int


@dataclass(slots=True)
class CommitLog:
    """The only writer of a sweep's study, records and runs."""

    plan: Plan
    study: optuna.Study
    store: SweepStore
    tracker: Tracker
    run: SweepRun
    provenance: Provenance
    _open: dict[tuple[str, int], OpenAttempt] = field(default_factory=dict)

    def reconcile(self) -> dict[tuple[str, int], Record]:
        """Adopts every whole record that is not committed, and closes every other open attempt.

        Returns:
            The committed records by (level, k).
        """
        finished, damaged = self.store.survey()
        if damaged:
            self._mark_replaced()
        asked = {_identity(trial): trial for trial in self.study.get_trials(deepcopy=False)}
        for key, attempt in finished.items():
            trial = asked.get((*key, attempt.number))
            if trial is None or not trial.state.is_finished():
                self._tell(self._log(attempt, trial))
            elif not self.run.resumed:  # this tracking store does not have it yet
                self._log(attempt, trial)
        for identity, trial in asked.items():
            adopted = identity[:2] in finished and finished[identity[:2]].number == identity[2]
            if not trial.state.is_finished() and not adopted:
                self.study.tell(trial.number, state=TrialState.FAIL)
        self._close_open_runs(finished)
        return {key: _record(attempt) for key, attempt in finished.items()}

    def _log(self, attempt: Attempt, trial: optuna.trial.FrozenTrial | None) -> Finished:
        """Gives tracking an attempt whose record is whole, without training."""
        record = _record(attempt)
        planned = self.plan.realize(record.key, record.values)
        run = run_facts(self.store, attempt)
        run_id = self._start_run(planned, attempt.number, run["started_ms"], Provenance.read(run))
        number = trial.number if trial is not None else self._ask(planned, attempt.number)
        result = replace(record.result, measured=run["measured"])
        finished = Finished(result, attempt.folder, run_id, number, run["ended_ms"])
        self._finish_run(finished)
        return finished

    def _mark_replaced(self) -> None:
        """The runs of attempts whose record is damaged: they have ended well, and their trials are trained again."""
        for run in self.tracker.attempts(self.run):
            if run.role is Role.SEARCH and run.status != Status.INTERRUPTED:
                for attempt in self.store.attempts(run.level, run.k):
                    if attempt.number == run.attempt and attempt.problem is not None:
                        why = f"replaced by a later attempt: {attempt.problem}"
                        self.tracker.terminate(run.run_id, Status.INTERRUPTED, ended_ms=now_ms(), failure=why)

    def _close_open_runs(self, finished: Mapping[tuple[str, int], Attempt]) -> None:
        for run in self.tracker.attempts(self.run, running=True):
            committed = finished.get((run.level, run.k))
            if run.role is Role.SEARCH and (committed is None or committed.number != run.attempt):
                self.tracker.terminate(run.run_id, Status.INTERRUPTED, ended_ms=now_ms())

    def is_open(self, key: tuple[str, int]) -> bool:
        """Whether an attempt at the trial (level, k) was begun and has not ended."""
        return key in self._open

    def begin(self, trial: Trial, started_ms: int) -> None:
        """A new attempt at a trial whose training has begun: Optuna is asked, and there is a run."""
        number = self.store.begin_attempt(trial.level, trial.k)
        optuna_number = self._ask(trial, number)
        run_id = self._start_run(trial, number, started_ms, self.provenance)
        self._open[trial.key] = OpenAttempt(trial, number, optuna_number, run_id, started_ms)

    def _ask(self, trial: Trial, attempt: int) -> int:
        level = self.plan.level(trial.level)
        # A default recipe draws nothing, and its values may lie outside the space.
        default, space = self.plan.is_default(trial.key), widened_to_hold(level.space, trial.values)
        asked = self.study.ask() if default else add_drawn_trial(self.study, space, trial.values, level.chosen)
        for key, value in (("level", trial.level), ("k", trial.k), ("attempt", attempt)):
            asked.set_user_attr(key, value)
        return asked.number

    def _start_run(self, trial: Trial, attempt: int, started_ms: int, provenance: Provenance | None) -> str:
        return self.tracker.start_attempt(
            self.run,
            trial.level,
            trial.k,
            attempt,
            started_ms=started_ms,
            params=option_params(trial.config),
            tags=None if provenance is None else provenance.tags,
            config=config_text(trial.config),
        )

    def write(self, key: tuple[str, int], result: TrialResult, more: Mapping[str, str]) -> Finished:
        """Writes the record of an open attempt, which is finished by that.

        Args:
            key: (level, k).
            result: What came out.
            more: What else goes to `run.json`.
        """
        running, ended_ms = self._open[key], now_ms()
        times = {"started_ms": running.started_ms, "ended_ms": ended_ms, "run_id": running.run_id}
        run = {**times, **self.provenance.tags, **more}
        folder = self.store.write_attempt(running.number, running.trial, result, run)
        del self._open[key]  # from here on it is adopted, whatever fails
        return Finished(result, folder, running.run_id, running.optuna_number, ended_ms)

    def log_and_tell(self, finished: Finished) -> Record:
        """Tracking gets the results, then Optuna, which is the commit; gives back the record."""
        self._finish_run(finished)
        self._tell(finished)
        return decode_record((finished.folder / "record.json").read_bytes())

    def _finish_run(self, finished: Finished) -> None:
        files = {path.name: path for path in sorted(finished.folder.iterdir()) if path.name != "run.json"}
        self.tracker.finish_attempt(finished.run_id, finished.result, ended_ms=finished.ended_ms, artifacts=files)

    def _tell(self, finished: Finished) -> None:
        result = finished.result
        report_rungs(self.study, finished.optuna_number, rung_scores(result))
        if result.score is not None:
            self.study.tell(finished.optuna_number, result.score)
        else:
            state = TrialState.PRUNED if result.status is Status.PRUNED else TrialState.FAIL
            self.study.tell(finished.optuna_number, state=state)

    def close(self, key: tuple[str, int], failure: str | None) -> None:
        """Gives up an open attempt."""
        running = self._open.pop(key)
        self.tracker.terminate(running.run_id, Status.INTERRUPTED, ended_ms=now_ms(), failure=failure)
        self.study.tell(running.optuna_number, state=TrialState.FAIL)

    def close_all(self) -> None:
        """Gives up everything that is open."""
        for key in list(self._open):
            self.close(key, None)


def _identity(trial: optuna.trial.FrozenTrial) -> tuple[str, int, int]:
    attrs = trial.user_attrs
    return attrs.get("level", ""), attrs.get("k", -1), attrs.get("attempt", -trial.number)


def run_facts(store: SweepStore, attempt: Attempt) -> dict[str, Any]:
    """When and by what a finished attempt was made; with a `run.json` that is damaged, only what is needed, of now."""
    facts = {"started_ms": now_ms(), "ended_ms": now_ms(), "measured": {}}
    record = _record(attempt)
    with contextlib.suppress(BrokenFileError):
        facts |= store.run_file(record.level, record.k, attempt.number)
    return facts


def _record(attempt: Attempt) -> Record:
    assert attempt.record is not None, attempt.folder
    return attempt.record
