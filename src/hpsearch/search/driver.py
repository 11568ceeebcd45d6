"""The driver: has trials trained, whoever drew them, and has committed what comes back."""

import contextlib
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
"""Workers that one trial may take down before it counts as failed."""

WAIT_S = 0.2
"""How long the driver listens to workers before it looks at signals."""

SchedulerFactory = Callable[[Mapping[Key, TrialJob]], FleetScheduler]
"""Gives who has these jobs done, by the keys of their trials."""


@dataclass(slots=True)
class _Round:
    """Trials that are trained to the end, or to a rung.

    Attributes:
        trials: By key.
        jobs: What each of them asks for.
        scheduler: Has them trained.
        waiting: Those that nobody was handed yet.
        started: Those in training of which nothing is written down yet, with when that began.
        ended: What workers gave back.
        written: Attempts whose records are whole, and that are not committed yet.
        stopped: Those that have come to the rung.
    """

    trials: Mapping[Key, Trial]
    jobs: Mapping[Key, TrialJob]
    scheduler: FleetScheduler
    waiting: deque[Key]
    started: dict[Key, int] = field(default_factory=dict)
    ended: deque[Done[JobResult]] = field(default_factory=deque)
    written: deque[Finished] = field(default_factory=deque)
    stopped: dict[Key, Rung] = field(default_factory=dict)

    @property
    def behind(self) -> bool:
        """Whether there is anything to write down."""
        return bool(self.ended or self.written or self.started)


@dataclass(slots=True)
class Driver:
    """Has trials trained and commits them: those of a search, or retrainings on fresh seeds.

    Attributes:
        log: Writes them down.
        scheduler_for: Has them trained; not called where nothing is missing.
        signals: End a training.
        on_commit: Called with the record of each trial that is committed.
        on_tick: Called again and again with what is being trained, in words; empty if nothing is.
        records: What is committed, by the keys of the trials.
    """

    log: CommitLog
    scheduler_for: SchedulerFactory
    signals: StopSignals
    on_commit: Callable[[Record], None]
    on_tick: Callable[[str], None]
    records: dict[Key, Record] = field(default_factory=dict, init=False)
    _deaths: dict[Key, int] = field(default_factory=dict, init=False)
    _rung_scores: dict[Key, dict[str, float]] = field(default_factory=dict, init=False)  # as their record names them
    _now: _Round | None = field(default=None, init=False)

    @contextlib.contextmanager
    def resuming(self) -> Iterator[dict[Key, Record]]:
        """A context to train in: adopts what an earlier driver has left; whatever fails in it, nothing stays open.

        Yields:
            `records`, which grow with each commit.
        """
        self.records = self.log.reconcile()
        try:
            yield self.records
        except Exception:
            # What cannot be closed now, because tracking is what failed, is closed by the next start.
            with contextlib.suppress(Exception):
                self._interrupt()
            raise

    def train(self, trials: Mapping[Key, Trial], jobs: Mapping[Key, TrialJob]) -> dict[Key, Rung]:
        """Has jobs done, and commits the trials that come to their end.

        Args:
            trials: By key; all those of `jobs`, at least.
            jobs: What is asked of each, by key.

        Returns:
            Where the others have stopped: their attempts stay open.

        Raises:
            StoppedError: By a signal, after everything open was closed.
            ConfigError: If a configuration turns out not to be trainable.
        """
        if not jobs:
            return {}
        scheduler = self.scheduler_for(jobs)
        waiting = deque(scheduler.order({key: job.config for key, job in jobs.items()}))
        now = self._now = _Round(trials, jobs, scheduler, waiting)
        self.signals.underway = lambda: scheduler.underway
        while now.waiting or scheduler.busy or now.behind:
            if self.signals.number is not None:
                self._interrupt()
                raise StoppedError(self.signals.number)
            self._hand_out(now)
            self._write_down(now)
            if scheduler.busy:
                now.ended.extend(scheduler.wait(0.0 if now.behind else WAIT_S))
            self.on_tick(scheduler.underway)
        return now.stopped

    def commit(self, key: Key, result: TrialResult) -> None:
        """Ends a trial that has stopped, with this result."""
        self._commit(self._write_result(key, result, {}))

    def _hand_out(self, now: _Round) -> None:
        """Gives workers what they take, unless as many results as they train at once have still to be written down.

        Results would pile up otherwise where training takes less time than writing down.
        """
        scheduler = now.scheduler
        if len(now.ended) + len(now.written) <= scheduler.at_once:
            while now.waiting and (scheduler.free or scheduler.wants_more):
                key = now.waiting.popleft()
                scheduler.submit(key, now.jobs[key])
            scheduler.dispatch()
        self._note_started(now)

    def _note_started(self, now: _Round) -> None:
        for started in now.scheduler.started():
            assert isinstance(started, tuple)
            if not self.log.is_open(started):  # unless it goes on from a rung, or its batch is tried again
                now.started.setdefault(started, now_ms())

    def _write_down(self, now: _Round) -> None:
        """Writes down one thing, so that a worker that ends meanwhile gets its next work at once.

        What came back is made safe before what is safe is committed, and that before what is only begun.
        """
        if now.ended:
            self._receive(now.ended.popleft(), now)
        elif now.written:
            self._commit(now.written.popleft())
        elif now.started:
            self._begin(next(iter(now.started)), now)

    def _begin(self, key: Key, now: _Round) -> None:
        self.log.begin(now.trials[key], now.started.pop(key))

    def _receive(self, done: Done[JobResult], now: _Round) -> None:
        assert isinstance(done.key, tuple)
        if done.key in now.started:
            self._begin(done.key, now)
        if isinstance(done.value, Rung):
            rung, score = now.jobs[done.key].stop_after, done.value.result.score
            assert rung is not None, done
            assert score is not None, done
            now.stopped[done.key] = done.value
            self._rung_scores.setdefault(done.key, {})[rung_key(rung)] = score
        elif (finished := self._write(done, now)) is not None:
            now.written.append(finished)

    def _commit(self, finished: Finished) -> None:
        record = self.records[finished.key] = self.log.commit(finished)
        self.on_commit(record)

    def _write(self, done: Done[JobResult], now: _Round) -> Finished | None:
        """Writes the record of what came back; None if the trial is tried again."""
        assert isinstance(done.key, tuple)
        if isinstance(done.failure, Raised) and done.failure.kind == ConfigError.__name__:
            self.log.close(done.key, done.failure.message)
            raise ConfigError(*done.failure.message.splitlines())
        if isinstance(done.failure, WorkerDied):
            deaths = self._deaths[done.key] = self._deaths.get(done.key, 0) + 1
            if deaths < MAX_DEATHS:
                self.log.close(done.key, done.failure.cause)
                now.waiting.appendleft(done.key)
                return None
        result = done.value if isinstance(done.value, TrialResult) else _failed_result(done.failure)
        more = {"traceback": done.failure.traceback} if isinstance(done.failure, Raised) else {}
        return self._write_result(done.key, result, more)

    def _write_result(self, key: Key, result: TrialResult, more: Mapping[str, str]) -> Finished:
        """Writes the record of a result, with the scores of the rungs that the trial has come to."""
        return self.log.write(key, replace(result, summary=result.summary | self._rung_scores.get(key, {})), more)

    def _interrupt(self) -> None:
        """Kills the workers, commits what came back, and closes every other open attempt, to start anew on resume."""
        try:
            if (now := self._now) is not None:
                now.scheduler.stop(now=True)
                self._note_started(now)  # what was handed out and ended within one wait
                now.ended = deque(done for done in now.ended if done.failure is None)
                while now.ended or now.written:
                    self._write_down(now)
        finally:  # what is told of a commit may have failed
            self.log.close_all()


def _failed_result(failure: Raised | WorkerDied | None) -> TrialResult:
    """The result of a trial whose worker gave none: `oom` or `error`, with the cause."""
    assert failure is not None
    status = Status.OOM if failure.out_of_memory else Status.ERROR
    return TrialResult(status, failure.cause, None, None, {}, {}, [], [])
