"""The driver of a sweep: cohort by cohort and rung by rung, it asks, hands out, and has committed what comes back."""

import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from hpsearch.config import ConfigError
from hpsearch.execution.executor import Done, Raised, WorkerDied
from hpsearch.execution.interrupts import StoppedError, StopSignals
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.jobs import JobResult, Rung, TrialJob
from hpsearch.records import NO_LEVEL, FitResult, Key, Status, Trial, TrialResult, rung_key, rung_scores
from hpsearch.search.commit import CommitLog, Finished
from hpsearch.search.narrowing import Change
from hpsearch.search.plan import Plan
from hpsearch.search.pruning import Judge, judge_of
from hpsearch.store.record_json import Record
from hpsearch.tracking.runs import now_ms

MAX_DEATHS = 3
"""Workers that one trial may take down before it counts as failed."""

WAIT_S = 0.2
"""How long the driver listens to workers before it looks at signals."""

SchedulerFactory = Callable[[Mapping[Key, TrialJob]], FleetScheduler]
"""Gives who has these jobs done, by (level, k)."""


class SweepListener(Protocol):
    """Is told what happens."""

    def trial_done(self, record: Record) -> None:
        """One more trial is committed."""

    def judged(self, rung: int, trials: int, going_on: int) -> None:
        """So many trials have come to a rung, and so many of them go on."""

    def narrowed(self, trials: int, changes: Sequence[Change]) -> None:
        """A round of a search from coarse to fine begins: what the one before has made of each value of the space."""

    def tick(self, underway: str) -> None:
        """Time passes, while this is trained; empty if nothing is."""


@dataclass(slots=True)
class _Round:
    """Trials that are trained to the end, or to a rung.

    Attributes:
        trials: By (level, k).
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
    """Runs the trials of one sweep."""

    plan: Plan
    attempts: CommitLog
    scheduler_for: SchedulerFactory
    watch: SweepListener
    signals: StopSignals
    _deaths: dict[Key, int] = field(default_factory=dict)
    _scores: dict[Key, dict[int, float]] = field(default_factory=dict)  # by rung, of trials that are open
    _now: _Round | None = None

    def finish(self, trials: int) -> list[Record]:
        """Runs what is missing of the first `trials` trials (of each level).

        Returns:
            All records of these trials, in the order of `Plan.keys`.

        Raises:
            StoppedError: By a signal, after everything open was closed.
            ConfigError: If a configuration turns out not to be trainable.
        """
        records = self.attempts.reconcile()
        missing = self.plan.missing(records, trials)
        judge = judge_of(self.plan.search) if missing else None
        try:
            for cohort in self.plan.cohorts(trials) if missing else ():
                within = set(cohort)
                self._run_cohort(cohort, [key for key in missing if key in within], records, judge)
        except Exception:
            # What cannot be closed now, because tracking is what failed, is closed by the next start.
            with contextlib.suppress(Exception):
                self._interrupt()
            raise
        return [records[key] for key in self.plan.keys(trials)]

    def _run_cohort(
        self, cohort: list[Key], wanted: list[Key], records: dict[Key, Record], judge: Judge | None
    ) -> None:
        """Brings the trials of a cohort to their end, rung by rung; those with a record are judged by what it says."""
        past = [] if self.plan.search.compares else [records[NO_LEVEL, k] for k in range(cohort[0][1])]
        trials = {trial.key: trial for trial in self.plan.trials(cohort, wanted, past)} if wanted else {}
        standing: dict[Key, tuple[FitResult, ...]] = dict.fromkeys(trials, ())
        if wanted and (changes := self.plan.narrowing(past)):
            self.watch.narrowed(len(past), changes)
        for rung in [*self.plan.rungs, None]:
            stopped = self._train(trials, standing, rung, records)
            if rung is not None and judge is not None:
                standing = self._judge(judge, rung, cohort, trials, stopped, records)
        if judge is not None:
            judge.close({key[1]: records[key].result for key in cohort})

    def _train(
        self,
        trials: Mapping[Key, Trial],
        standing: Mapping[Key, tuple[FitResult, ...]],
        rung: int | None,
        records: dict[Key, Record],
    ) -> dict[Key, Rung]:
        """Trains to a rung, or to the end, and commits what has come to its end; gives back the others."""
        if not standing:
            return {}
        jobs = {key: _job(trials[key], rung, resume_from) for key, resume_from in standing.items()}
        scheduler = self.scheduler_for(jobs)
        waiting = deque(scheduler.order({key: job.config for key, job in jobs.items()}))
        now = self._now = _Round(trials, jobs, scheduler, waiting)
        self.signals.underway = lambda: scheduler.underway
        while now.waiting or scheduler.busy or now.behind:
            if self.signals.number is not None:
                self._interrupt()
                raise StoppedError(self.signals.number)
            self._hand_out(now)
            self._write_down(now, records)
            if scheduler.busy:
                now.ended.extend(scheduler.wait(0.0 if now.behind else WAIT_S))
            self.watch.tick(scheduler.underway)
        return now.stopped

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
            if not self.attempts.is_open(started):  # unless it goes on from a rung, or its batch is tried again
                now.started.setdefault(started, now_ms())

    def _write_down(self, now: _Round, records: dict[Key, Record]) -> None:
        """Writes down one thing, so that a worker that ends meanwhile gets its next work at once.

        What came back is made safe before what is safe is committed, and that before what is only begun.
        """
        if now.ended:
            self._receive(now.ended.popleft(), now)
        elif now.written:
            self._commit(now.written.popleft(), records)
        elif now.started:
            self._begin(next(iter(now.started)), now)

    def _begin(self, key: Key, now: _Round) -> None:
        self.attempts.begin(now.trials[key], now.started.pop(key))

    def _receive(self, done: Done[JobResult], now: _Round) -> None:
        assert isinstance(done.key, tuple)
        if done.key in now.started:
            self._begin(done.key, now)
        if isinstance(done.value, Rung):
            now.stopped[done.key] = done.value
        elif (finished := self._write(done, now)) is not None:
            now.written.append(finished)

    def _commit(self, finished: Finished, records: dict[Key, Record]) -> None:
        record = self.attempts.log_and_tell(finished)
        records[record.key] = record
        self.watch.trial_done(record)

    def _judge(
        self,
        judge: Judge,
        rung: int,
        cohort: list[Key],
        trials: Mapping[Key, Trial],
        stopped: Mapping[Key, Rung],
        records: dict[Key, Record],
    ) -> dict[Key, tuple[FitResult, ...]]:
        """Ends the trials that fall at a rung; gives back what the others take to go on."""
        recorded = {key: rung_scores(records[key].result) for key in cohort if key in records}
        scores = {key[1]: found[rung] for key, found in recorded.items() if rung in found}
        for key, stop in stopped.items():
            assert stop.result.score is not None, stop.result
            scores[key[1]] = self._scores.setdefault(key, {})[rung] = stop.result.score
        judged_bad = judge.pruned(rung, dict(sorted(scores.items())))
        pruned = [key for key in sorted(stopped) if key[1] in judged_bad]
        if stopped:
            self.watch.judged(rung, len(scores), len(scores) - len(judged_bad))
        for key in pruned:
            result = _pruned(stopped[key].result, rung, trials[key].config.training.epochs)
            self._commit(self._write_result(key, result, {}), records)
        return {key: stopped[key].fits for key in sorted(stopped) if key[1] not in judged_bad}

    def _write(self, done: Done[JobResult], now: _Round) -> Finished | None:
        """Writes the record of what came back; None if the trial is tried again."""
        assert isinstance(done.key, tuple)
        if isinstance(done.failure, Raised) and done.failure.kind == ConfigError.__name__:
            self.attempts.close(done.key, done.failure.message)
            raise ConfigError(*done.failure.message.splitlines())
        if isinstance(done.failure, WorkerDied):
            deaths = self._deaths[done.key] = self._deaths.get(done.key, 0) + 1
            if deaths < MAX_DEATHS:
                self.attempts.close(done.key, done.failure.cause)
                now.waiting.appendleft(done.key)
                return None
        result = done.value if isinstance(done.value, TrialResult) else failed_result(done.failure)
        more = {"traceback": done.failure.traceback} if isinstance(done.failure, Raised) else {}
        return self._write_result(done.key, result, more)

    def _write_result(self, key: Key, result: TrialResult, more: Mapping[str, str]) -> Finished:
        """Writes the record of a result, with the scores that the trial was judged by."""
        scores = {rung_key(rung): score for rung, score in self._scores.get(key, {}).items()}
        return self.attempts.write(key, replace(result, summary=result.summary | scores), more)

    def _interrupt(self) -> None:
        """Kills the workers, commits what came back, and closes every other open attempt, to start anew on resume."""
        if (now := self._now) is not None:
            now.scheduler.stop(now=True)
            self._note_started(now)  # what was handed out and ended within one wait
            now.ended = deque(done for done in now.ended if done.failure is None)
            while now.ended or now.written:
                self._write_down(now, {})
        self.attempts.close_all()


def _job(trial: Trial, rung: int | None, resume_from: tuple[FitResult, ...]) -> TrialJob:
    """Trains a trial on to a rung, or to the end, which may come before the rung."""
    stop_after = None if rung is None else min(rung, trial.config.training.epochs)
    return TrialJob(trial.config, stop_after=stop_after, resume_from=resume_from)


def _pruned(result: TrialResult, rung: int, epochs: int) -> TrialResult:
    """The result of a trial that falls at a rung: what it has learned stays, its score does not count."""
    failure = f"pruned after epoch {rung} (of {epochs})"
    return replace(result, status=Status.PRUNED, failure=failure, score=None, score_se=None)


def failed_result(failure: Raised | WorkerDied | None) -> TrialResult:
    """The result of a trial whose worker gave none: `oom` or `error`, with the cause."""
    assert failure is not None
    status = Status.OOM if failure.out_of_memory else Status.ERROR
    return TrialResult(status, failure.cause, None, None, {}, {}, [], [])
