"""The driver of a sweep: asks, hands out, commits, and after a crash finds out what was committed.

The commit order of an attempt: Optuna is asked; the MLflow run is created; the fit trains; the record is written; the
run gets its results; Optuna is told, which is the commit. Each step can be repeated, so that a driver may be killed
between any two of them.
"""

import contextlib
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import optuna
import yaml
from optuna.trial import TrialState

from hpsearch.config import Config, ConfigError
from hpsearch.execution.local import Done
from hpsearch.execution.worker import Raised, WorkerDied
from hpsearch.jobs import Answer, TrialJob
from hpsearch.records import NO_LEVEL, Status, Trial, TrialResult, Value
from hpsearch.search.foreman import Foreman
from hpsearch.search.plan import Plan
from hpsearch.search.stop import StoppedError, StopSignals
from hpsearch.search.store import Attempt, SweepStore
from hpsearch.search.trial_records import Record, decode_record
from hpsearch.tracking.mlflow import Tracker
from hpsearch.tracking.runs import Role, SweepRun

MAX_DEATHS = 3
"""Workers that one trial may take down before it counts as failed."""
WAIT_S = 0.2
"""How long the driver listens to workers before it looks at signals."""


class Watch(Protocol):
    """Is told what happens."""

    def trial_done(self, record: Record) -> None:
        """One more trial is committed."""

    def tick(self) -> None:
        """Time passes."""


@dataclass(frozen=True, slots=True)
class Running:
    """An attempt that Optuna and MLflow know of and that is not committed yet."""

    trial: Trial
    number: int
    optuna_number: int
    run_id: str
    started_ms: int


@dataclass(frozen=True, slots=True)
class _Finished:
    """An attempt whose record is whole; what is left is to log it and to tell Optuna."""

    result: TrialResult
    folder: Path
    run_id: str
    optuna_number: int
    ended_ms: int


@dataclass(slots=True)
class Driver:
    """Runs the trials of one sweep; the only writer of its study, its records and its runs."""

    plan: Plan
    study: optuna.Study
    store: SweepStore
    tracker: Tracker
    run: SweepRun
    foreman: Foreman | None  # None where nothing is missing
    watch: Watch
    signals: StopSignals
    _open: dict[tuple[str, int], Running] = field(default_factory=dict)
    _deaths: dict[tuple[str, int], int] = field(default_factory=dict)

    def finish(self, trials: int) -> list[Record]:
        """Runs what is missing of the first `trials` trials.

        Returns:
            All records of these trials, in the order of k.

        Raises:
            StoppedError: By a signal, after everything open was closed.
            ConfigError: If a configuration turns out not to be trainable.
        """
        records = self.reconcile()
        missing = missing_trials(records, trials)
        if missing:
            assert self.foreman is not None, missing
            turns = self.foreman.arrange({k: self.plan.trial(k).config for k in missing})
            try:
                self._work_off(deque(turns), records, self.foreman)
            except Exception:
                # What cannot be closed now, because tracking is what failed, is closed by the next start.
                with contextlib.suppress(Exception):
                    self._interrupt(self.foreman)
                raise
        return [records[NO_LEVEL, k] for k in range(trials)]

    def _work_off(self, missing: deque[int], records: dict[tuple[str, int], Record], foreman: Foreman) -> None:
        while missing or foreman.busy:
            if self.signals.number is not None:
                self._interrupt(foreman)
                raise StoppedError(self.signals.number)
            self._hand_out(missing, foreman)
            for done in foreman.wait(WAIT_S):
                finished = self._write(done, missing)
                # The record is safe; tracking can wait until the worker has its next trial.
                self._hand_out(missing, foreman)
                if finished is not None:
                    self._log_and_tell(finished)
                    record = decode_record((finished.folder / "record.json").read_bytes())
                    records[record.key] = record
                    self.watch.trial_done(record)
            self.watch.tick()

    def reconcile(self) -> dict[tuple[str, int], Record]:
        """Adopts every whole record that is not committed, and closes every other open attempt.

        Returns:
            The committed records by (level, k).
        """
        finished = self.store.finished()
        asked = {_identity(trial): trial for trial in self.study.get_trials(deepcopy=False)}
        for key, attempt in finished.items():
            trial = asked.get((*key, attempt.number))
            if trial is None or not trial.state.is_finished():
                self._adopt(attempt, trial)
        for identity, trial in asked.items():
            adopted = identity[:2] in finished and finished[identity[:2]].number == identity[2]
            if not trial.state.is_finished() and not adopted:
                self.study.tell(trial.number, state=TrialState.FAIL)
        self._close_open_runs(finished)
        return {key: _record(attempt) for key, attempt in finished.items()}

    def _adopt(self, attempt: Attempt, trial: optuna.trial.FrozenTrial | None) -> None:
        """Finishes the commit of an attempt whose record is whole, without training."""
        record = _record(attempt)
        planned = self.plan.trial(record.k, record.level)
        run = self.store.run_file(record.level, record.k, attempt.number)
        assert run is not None, attempt.folder
        run_id = self._start_run(planned, attempt.number, run["started_ms"])
        number = trial.number if trial is not None else self._ask(planned, attempt.number)
        result = replace(record.result, measured=run["measured"])
        self._log_and_tell(_Finished(result, attempt.folder, run_id, number, run["ended_ms"]))

    def _close_open_runs(self, finished: Mapping[tuple[str, int], Attempt]) -> None:
        for run in self.tracker.attempts(self.run, running=True):
            committed = finished.get((run.level, run.k))
            if run.role is Role.SEARCH and (committed is None or committed.number != run.attempt):
                self.tracker.terminate(run.run_id, Status.INTERRUPTED, ended_ms=now_ms())

    def _hand_out(self, missing: deque[int], foreman: Foreman) -> None:
        while missing and foreman.free:
            running = self._begin(self.plan.trial(missing.popleft()))
            foreman.submit(running.trial.key, TrialJob(running.trial.config))
        foreman.deal()

    def _begin(self, trial: Trial) -> Running:
        number = self.store.begin_attempt(trial.level, trial.k)
        optuna_number = self._ask(trial, number)
        started_ms = now_ms()
        run_id = self._start_run(trial, number, started_ms)
        self._open[trial.key] = Running(trial, number, optuna_number, run_id, started_ms)
        return self._open[trial.key]

    def _ask(self, trial: Trial, attempt: int) -> int:
        asked, values = self.plan.sampler.ask(self.study, trial.level, trial.k, self.plan.chosen)
        assert values == trial.values, (values, trial.values)
        for key, value in (("level", trial.level), ("k", trial.k), ("attempt", attempt)):
            asked.set_user_attr(key, value)
        return asked.number

    def _start_run(self, trial: Trial, attempt: int, started_ms: int) -> str:
        return self.tracker.start_attempt(
            self.run,
            trial.level,
            trial.k,
            attempt,
            started_ms=started_ms,
            params=option_params(trial.config),
            config=config_text(trial.config),
        )

    def _write(self, done: Done[Answer], missing: deque[int]) -> _Finished | None:
        """Writes the record of what came back; None if the trial is tried again."""
        assert isinstance(done.key, tuple)
        running = self._open[done.key]
        if isinstance(done.failure, Raised) and done.failure.kind == ConfigError.__name__:
            self._close(running, done.failure.message)
            raise ConfigError(*done.failure.message.splitlines())
        if isinstance(done.failure, WorkerDied):
            deaths = self._deaths[done.key] = self._deaths.get(done.key, 0) + 1
            if deaths < MAX_DEATHS:
                self._close(running, done.failure.cause)
                missing.appendleft(running.trial.k)
                return None
        result = done.value if isinstance(done.value, TrialResult) else failed_result(done.failure)
        ended_ms = now_ms()
        run = {"started_ms": running.started_ms, "ended_ms": ended_ms, "run_id": running.run_id}
        if isinstance(done.failure, Raised):
            run["traceback"] = done.failure.traceback
        folder = self.store.write_attempt(running.number, running.trial, result, run)
        del self._open[done.key]  # from here on it is adopted, whatever fails
        return _Finished(result, folder, running.run_id, running.optuna_number, ended_ms)

    def _log_and_tell(self, finished: _Finished) -> None:
        files = {path.name: path for path in sorted(finished.folder.iterdir()) if path.name != "run.json"}
        self.tracker.finish_attempt(finished.run_id, finished.result, ended_ms=finished.ended_ms, artifacts=files)
        if finished.result.score is not None:
            self.study.tell(finished.optuna_number, finished.result.score)
        else:
            self.study.tell(finished.optuna_number, state=TrialState.FAIL)

    def _interrupt(self, foreman: Foreman) -> None:
        """Kills the workers and closes every open attempt; the trials start anew on resume."""
        foreman.stop(now=True)
        for running in list(self._open.values()):
            self._close(running, None)

    def _close(self, running: Running, failure: str | None) -> None:
        del self._open[running.trial.key]
        self.tracker.terminate(running.run_id, Status.INTERRUPTED, ended_ms=now_ms(), failure=failure)
        self.study.tell(running.optuna_number, state=TrialState.FAIL)


def missing_trials(records: Mapping[tuple[str, int], Record], trials: int) -> list[int]:
    """The trials that have to be run: those without a record, and those that an error failed."""
    keys = [(NO_LEVEL, k) for k in range(trials)]
    return [k for level, k in keys if (level, k) not in records or records[level, k].result.status.retried]


def option_params(config: Config) -> dict[str, Value]:
    """Every option that was chosen and every value, flat; a value's name carries its option.

    `{"optimizer": "adam", "optimizer.adam.lr": 0.001, …}`. Paths and settings that change no result are left out.
    """
    tree = config.to_tree()
    params: dict[str, Value] = {"seed": config.seed}
    for group, option in sorted(config.options.items()):
        if group in ("execution", "tracking", "search"):
            continue
        params[group] = option
        for name, value in tree[group].items():
            if name not in ("kind", "path"):
                params[f"{group}.{option}.{name}"] = value
    return params


def config_text(config: Config) -> str:
    """The configuration of a trial as YAML, without the keys that change no result."""
    text: str = yaml.dump(config.covered(), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    return text


def failed_result(failure: Raised | WorkerDied | None) -> TrialResult:
    """The result of a trial whose worker gave none: `oom` or `error`, with the cause."""
    assert failure is not None
    status = Status.OOM if failure.out_of_memory else Status.ERROR
    return TrialResult(status, failure.cause, None, None, {}, {}, [], [])


def _identity(trial: optuna.trial.FrozenTrial) -> tuple[str, int, int]:
    attrs = trial.user_attrs
    return attrs.get("level", ""), attrs.get("k", -1), attrs.get("attempt", -trial.number)


def _record(attempt: Attempt) -> Record:
    assert attempt.record is not None, attempt.folder
    return attempt.record


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
