"""The driver: sends trials to workers through a scheduler, and commits their results."""

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from hpsearch.config import ConfigError
from hpsearch.execution.executor import Done, Raised, WorkerDied
from hpsearch.execution.interrupts import StoppedError, StopSignals
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.jobs import JobResult, Rung, TrialJob
from hpsearch.records import Key, Status, Trial, TrialResult, rung_key
from hpsearch.search.commit_and_resume import CommitLog, Finished
from hpsearch.store.record_json import Record
from hpsearch.tracking.run_format import now_ms

MAX_DEATHS = 3
"""Worker deaths after which a trial counts as failed."""

WAIT_S = 0.2
"""Seconds to wait for workers before signals are checked."""

SchedulerFactory = Callable[[Mapping[Key, TrialJob]], FleetScheduler]
"""Builds the scheduler for jobs, given by trial key."""


@dataclass(slots=True)
class _Progress:
    """State of one call of `Driver.train`.

    Attributes:
        trials: Trials by key.
        jobs: Jobs by trial key.
        scheduler: Trains them.
        waiting: Trials not yet submitted.
        started: Trials in training whose attempt is not open yet, with their start time.
        ended: Results not yet processed.
        written: Attempts with a complete record that are not committed yet.
        paused: Trials that reached the rung.
    """

    trials: Mapping[Key, Trial]
    jobs: Mapping[Key, TrialJob]
    scheduler: FleetScheduler
    waiting: deque[Key]
    started: dict[Key, int] = field(default_factory=dict)
    ended: deque[Done[JobResult]] = field(default_factory=deque)
    written: deque[Finished] = field(default_factory=deque)
    paused: dict[Key, Rung] = field(default_factory=dict)

    @property
    def has_backlog(self) -> bool:
        return bool(self.ended or self.written or self.started)


@dataclass(slots=True)
class Driver:
    """Trains and commits trials: those of a search, or retrainings with fresh seeds.

    Attributes:
        log: Writes attempts to the store and to MLflow.
        scheduler_for: Builds the scheduler; not called if nothing is missing.
        signals: Stop signals.
        on_commit: Called with the record of each committed trial.
        on_tick: Called repeatedly with a description of what is being trained; empty if nothing is.
        deadline_s: Time by `time.monotonic` after which no more jobs are sent to workers; what they have ends.
        records: Committed records by trial key.
    """

    log: CommitLog
    scheduler_for: SchedulerFactory
    signals: StopSignals
    on_commit: Callable[[Record], None]
    on_tick: Callable[[str], None]
    deadline_s: float = math.inf
    records: dict[Key, Record] = field(default_factory=dict, init=False)
    _deaths: dict[Key, int] = field(default_factory=dict, init=False)
    _rung_scores: dict[Key, dict[str, float]] = field(default_factory=dict, init=False)  # by their key in the summary
    _progress: _Progress | None = field(default=None, init=False)

    @contextlib.contextmanager
    def resuming(self) -> Iterator[dict[Key, Record]]:
        """Context for training: first commits what an earlier driver finished; an error closes all open attempts.

        Yields:
            `records`, which grows with each commit.
        """
        self.records = self.log.reconcile()
        try:
            yield self.records
        except Exception:
            # If tracking itself failed, the next start closes what stays open.
            with contextlib.suppress(Exception):
                self._interrupt()
            raise

    def train(self, trials: Mapping[Key, Trial], jobs: Mapping[Key, TrialJob]) -> dict[Key, Rung]:
        """Run jobs, and commit the trials that are trained to the end.

        Args:
            trials: Trials by key, at least those of `jobs`.
            jobs: Jobs by trial key.

        Returns:
            The other trials, which are paused at their rung; their attempts stay open. After `deadline_s`, some of the
            jobs may not have been run.

        Raises:
            StoppedError: On a signal, after all open attempts were closed.
            ConfigError: If a configuration turns out not to be trainable.
        """
        if not jobs:
            return {}
        scheduler = self.scheduler_for(jobs)
        waiting = deque(scheduler.order({key: job.config for key, job in jobs.items()}))
        progress = self._progress = _Progress(trials, jobs, scheduler, waiting)
        self.signals.underway = lambda: scheduler.underway
        while waiting or scheduler.busy or progress.has_backlog:
            if self.signals.number is not None:
                self._interrupt()
                raise StoppedError(self.signals.number)
            self._submit(progress)
            self._process_one(progress)
            if scheduler.busy:
                progress.ended.extend(scheduler.wait(0.0 if progress.has_backlog else WAIT_S))
            self.on_tick(scheduler.underway)
        return progress.paused

    @property
    def time_is_up(self) -> bool:
        """Whether `deadline_s` has passed."""
        return time.monotonic() >= self.deadline_s

    def close_paused(self) -> None:
        """Give up the attempts of all paused trials, which a resume trains anew."""
        self.log.close_all()

    def commit(self, key: Key, result: TrialResult) -> None:
        """Commit this result for a paused trial, which ends it."""
        self._commit(self._write_result(key, result, {}))

    def _submit(self, progress: _Progress) -> None:
        """Submit jobs unless more results wait to be written than workers produce at once.

        Otherwise results pile up whenever training is faster than writing.
        """
        scheduler = progress.scheduler
        if self.time_is_up:
            progress.waiting.clear()
        if len(progress.ended) + len(progress.written) <= scheduler.at_once:
            while progress.waiting and (scheduler.free or scheduler.wants_more):
                key = progress.waiting.popleft()
                scheduler.submit(key, progress.jobs[key])
            scheduler.dispatch()
        self._note_started(progress)

    def _note_started(self, progress: _Progress) -> None:
        for key in progress.scheduler.started():
            assert isinstance(key, tuple)
            if not self.log.is_open(key):  # open: it continues from a rung, or its batch is retried
                progress.started.setdefault(key, now_ms())

    def _process_one(self, progress: _Progress) -> None:
        """Do one pending write, so that idle workers are noticed in between.

        Records come first, then commits, then new attempts.
        """
        if progress.ended:
            self._receive(progress.ended.popleft(), progress)
        elif progress.written:
            self._commit(progress.written.popleft())
        elif progress.started:
            self._begin(next(iter(progress.started)), progress)

    def _begin(self, key: Key, progress: _Progress) -> None:
        self.log.begin(progress.trials[key], progress.started.pop(key))

    def _receive(self, done: Done[JobResult], progress: _Progress) -> None:
        assert isinstance(done.key, tuple)
        if done.key in progress.started:
            self._begin(done.key, progress)
        if isinstance(done.value, Rung):
            rung, score = progress.jobs[done.key].stop_after, done.value.result.score
            assert rung is not None, done
            assert score is not None, done
            progress.paused[done.key] = done.value
            self._rung_scores.setdefault(done.key, {})[rung_key(rung)] = score
        elif (finished := self._write(done, progress)) is not None:
            progress.written.append(finished)

    def _commit(self, finished: Finished) -> None:
        record = self.records[finished.key] = self.log.commit(finished)
        self.on_commit(record)

    def _write(self, done: Done[JobResult], progress: _Progress) -> Finished | None:
        """Write the record of a result; None if the trial is retried."""
        assert isinstance(done.key, tuple)
        if isinstance(done.failure, Raised) and done.failure.kind == ConfigError.__name__:
            self.log.close(done.key, done.failure.message)
            raise ConfigError(*done.failure.message.splitlines())
        if isinstance(done.failure, WorkerDied):
            deaths = self._deaths[done.key] = self._deaths.get(done.key, 0) + 1
            if deaths < MAX_DEATHS:
                self.log.close(done.key, done.failure.cause)
                progress.waiting.appendleft(done.key)
                return None
        result = done.value if isinstance(done.value, TrialResult) else _failed_result(done.failure)
        extra = {"traceback": done.failure.traceback} if isinstance(done.failure, Raised) else {}
        return self._write_result(done.key, result, extra)

    def _write_result(self, key: Key, result: TrialResult, extra: Mapping[str, str]) -> Finished:
        return self.log.write(key, replace(result, summary=result.summary | self._rung_scores.get(key, {})), extra)

    def _interrupt(self) -> None:
        """Kill the workers, commit what has succeeded, and close all other attempts, which a resume starts anew."""
        try:
            if (progress := self._progress) is not None:
                progress.scheduler.stop(now=True)
                self._note_started(progress)  # submitted and ended within one wait
                progress.ended = deque(done for done in progress.ended if done.failure is None)
                while progress.ended or progress.written:
                    self._process_one(progress)
        finally:  # a callback may have raised
            self.log.close_all()


def _failed_result(failure: Raised | WorkerDied | None) -> TrialResult:
    assert failure is not None
    status = Status.OOM if failure.out_of_memory else Status.ERROR
    return TrialResult(status, failure.cause, None, None, {}, {}, [], [])
