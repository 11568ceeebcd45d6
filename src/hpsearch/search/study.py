"""The driver of a sweep: cohort by cohort and rung by rung, it asks, hands out, and has committed what comes back."""

import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from hpsearch.config import ConfigError
from hpsearch.execution.local import Done
from hpsearch.execution.worker import Raised, WorkerDied
from hpsearch.jobs import Answer, Rung, TrialJob
from hpsearch.records import NO_LEVEL, FitResult, Status, Trial, TrialResult, rung_key, rung_scores
from hpsearch.search.attempts import Attempts, Finished
from hpsearch.search.foreman import Foreman
from hpsearch.search.narrowing import Change
from hpsearch.search.plan import Key, Plan
from hpsearch.search.pruning import Judge, judge_of
from hpsearch.search.stop import StoppedError, StopSignals
from hpsearch.search.trial_records import Record

MAX_DEATHS = 3
"""Workers that one trial may take down before it counts as failed."""
WAIT_S = 0.2
"""How long the driver listens to workers before it looks at signals."""


Hire = Callable[[Mapping[Key, TrialJob]], Foreman]
"""Gives who has these jobs done, by (level, k)."""


class Watch(Protocol):
    """Is told what happens."""

    def trial_done(self, record: Record) -> None:
        """One more trial is committed."""

    def judged(self, rung: int, trials: int, going_on: int) -> None:
        """So many trials have come to a rung, and so many of them go on."""

    def narrowed(self, trials: int, changes: Sequence[Change]) -> None:
        """A round of a search from coarse to fine begins: what the one before has made of each value of the space."""

    def tick(self) -> None:
        """Time passes."""


@dataclass(slots=True)
class _Round:
    """Trials that are trained to the end, or to a rung.

    Attributes:
        trials: By (level, k).
        jobs: What each of them asks for.
        foreman: Has them trained.
        waiting: Those that are not begun.
        stopped: Those that have come to the rung.
    """

    trials: Mapping[Key, Trial]
    jobs: Mapping[Key, TrialJob]
    foreman: Foreman
    waiting: deque[Key]
    stopped: dict[Key, Rung] = field(default_factory=dict)


@dataclass(slots=True)
class Driver:
    """Runs the trials of one sweep."""

    plan: Plan
    attempts: Attempts
    hire: Hire
    watch: Watch
    signals: StopSignals
    _deaths: dict[Key, int] = field(default_factory=dict)
    _scores: dict[Key, dict[int, float]] = field(default_factory=dict)  # by rung, of trials that are open
    _foreman: Foreman | None = None

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
        jobs = {key: _job(trials[key], rung, so_far) for key, so_far in standing.items()}
        foreman = self._foreman = self.hire(jobs)
        waiting = deque(foreman.arrange({key: job.config for key, job in jobs.items()}))
        now, ended = _Round(trials, jobs, foreman, waiting), deque[Done[Answer]]()
        while now.waiting or foreman.busy or ended:
            if self.signals.number is not None:
                self._interrupt()
                raise StoppedError(self.signals.number)
            self._hand_out(now)
            ahead = bool(now.waiting) and foreman.wants_more
            if ahead:
                self._submit(now)
            # One result at a time, so that a worker that ends meanwhile gets its next work at once.
            ended.extend(foreman.wait(0.0 if ahead or ended else WAIT_S))
            if ended:
                self._receive(ended.popleft(), now, records)
            self.watch.tick()
        return now.stopped

    def _receive(self, done: Done[Answer], now: _Round, records: dict[Key, Record]) -> None:
        assert isinstance(done.key, tuple)
        if isinstance(done.value, Rung):
            now.stopped[done.key] = done.value
            return
        finished = self._write(done, now)
        # The record is safe; tracking can wait until the worker has its next trial.
        self._hand_out(now)
        if finished is not None:
            self._commit(finished, records)

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
        judged_bad = judge.fallen(rung, dict(sorted(scores.items())))
        fallen = [key for key in sorted(stopped) if key[1] in judged_bad]
        if stopped:
            self.watch.judged(rung, len(scores), len(scores) - len(judged_bad))
        for key in fallen:
            result = _pruned(stopped[key].result, rung, trials[key].config.training.epochs)
            self._commit(self._write_result(key, result, {}), records)
        return {key: stopped[key].fits for key in sorted(stopped) if key[1] not in judged_bad}

    def _hand_out(self, now: _Round) -> None:
        while now.waiting and now.foreman.free:
            self._submit(now)
        now.foreman.deal()

    def _submit(self, now: _Round) -> None:
        """Begins the next trial, unless it is a rung that it has come to, and hands it to the foreman."""
        key = now.waiting.popleft()
        if not self.attempts.is_open(key):
            self.attempts.begin(now.trials[key])
        now.foreman.submit(key, now.jobs[key])

    def _write(self, done: Done[Answer], now: _Round) -> Finished | None:
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
        """Kills the workers and closes every open attempt; the trials start anew on resume."""
        if self._foreman is not None:
            self._foreman.stop(now=True)
        self.attempts.close_all()


def _job(trial: Trial, rung: int | None, so_far: tuple[FitResult, ...]) -> TrialJob:
    """Trains a trial on to a rung, or to the end, which may come before the rung."""
    stop_after = None if rung is None else min(rung, trial.config.training.epochs)
    return TrialJob(trial.config, stop_after=stop_after, so_far=so_far)


def _pruned(result: TrialResult, rung: int, epochs: int) -> TrialResult:
    """The result of a trial that falls at a rung: what it has learned stays, its score does not count."""
    failure = f"pruned after epoch {rung} (of {epochs})"
    return replace(result, status=Status.PRUNED, failure=failure, score=None, score_se=None)


def failed_result(failure: Raised | WorkerDied | None) -> TrialResult:
    """The result of a trial whose worker gave none: `oom` or `error`, with the cause."""
    assert failure is not None
    status = Status.OOM if failure.out_of_memory else Status.ERROR
    return TrialResult(status, failure.cause, None, None, {}, {}, [], [])
