"""The trials of a search: drawn cohort by cohort, trained rung by rung, and judged at each rung."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hpsearch.jobs import Rung, TrialJob
from hpsearch.records import NO_LEVEL, FitResult, Key, Status, Trial, TrialResult, rung_scores
from hpsearch.search.driver import Driver
from hpsearch.search.narrowing import Change
from hpsearch.search.plan import Plan
from hpsearch.search.pruning import Judge, judge_of
from hpsearch.store.record_json import Record


class SearchListener(Protocol):
    """Is told what becomes of cohorts."""

    def judged(self, rung: int, trials: int, going_on: int) -> None:
        """So many trials have come to a rung, and so many of them go on."""

    def narrowed(self, trials: int, changes: Sequence[Change]) -> None:
        """A round of a search from coarse to fine begins: what the one before has made of each value of the space."""


@dataclass(slots=True)
class SearchLoop:
    """Brings a sweep to so many trials.

    Attributes:
        plan: The sweep.
        driver: Has its trials trained.
        listener: Is told what becomes of cohorts.
    """

    plan: Plan
    driver: Driver
    listener: SearchListener

    def finish(self, trials: int) -> list[Record]:
        """Runs what is missing of the first `trials` trials (of each level).

        Returns:
            All records of these trials, in the order of `Plan.keys`.

        Raises:
            StoppedError: By a signal, after everything open was closed.
            ConfigError: If a configuration turns out not to be trainable.
        """
        with self.driver.resuming() as records:
            missing = self.plan.missing(records, trials)
            judge = judge_of(self.plan.search) if missing else None
            for cohort in self.plan.cohorts(trials) if missing else ():
                within = set(cohort)
                self._run_cohort(cohort, [key for key in missing if key in within], judge)
        return [records[key] for key in self.plan.keys(trials)]

    def _run_cohort(self, cohort: list[Key], wanted: list[Key], judge: Judge | None) -> None:
        """Brings the trials of a cohort to their end, rung by rung; those with a record are judged by what it says."""
        records = self.driver.records
        past = [] if self.plan.search.compares else [records[NO_LEVEL, k] for k in range(cohort[0][1])]
        trials = {trial.key: trial for trial in self.plan.trials(cohort, wanted, past)} if wanted else {}
        resume_from: dict[Key, tuple[FitResult, ...]] = dict.fromkeys(trials, ())
        if wanted and (changes := self.plan.narrowing(past)):
            self.listener.narrowed(len(past), changes)
        for rung in [*self.plan.rungs, None]:
            jobs = {key: _job(trials[key], rung, fits) for key, fits in resume_from.items()}
            stopped = self.driver.train(trials, jobs)
            if rung is not None and judge is not None:
                pruned = self._prune(judge, rung, cohort, stopped, trials)
                resume_from = {key: stopped[key].fits for key in sorted(stopped.keys() - pruned)}
        if judge is not None:
            judge.close({key[1]: records[key].result for key in cohort})

    def _prune(
        self, judge: Judge, rung: int, cohort: Iterable[Key], stopped: Mapping[Key, Rung], trials: Mapping[Key, Trial]
    ) -> set[Key]:
        """Ends the trials that are judged not worth going on after a rung; returns their keys."""
        records = self.driver.records
        recorded = {key: rung_scores(records[key].result) for key in cohort if key in records}
        scores = {key[1]: by_rung[rung] for key, by_rung in recorded.items() if rung in by_rung}
        for key, stop in stopped.items():
            assert stop.result.score is not None, stop.result
            scores[key[1]] = stop.result.score
        judged_bad = judge.pruned(rung, dict(sorted(scores.items())))
        if stopped:
            self.listener.judged(rung, len(scores), len(scores) - len(judged_bad))
        pruned = {key for key in stopped if key[1] in judged_bad}
        for key in sorted(pruned):
            self.driver.commit(key, _pruned(stopped[key].result, rung, trials[key].config.training.epochs))
        return pruned


def _job(trial: Trial, rung: int | None, resume_from: tuple[FitResult, ...]) -> TrialJob:
    """Trains a trial on to a rung, or to the end, which may come before the rung."""
    stop_after = None if rung is None else min(rung, trial.config.training.epochs)
    return TrialJob(trial.config, stop_after=stop_after, resume_from=resume_from)


def _pruned(result: TrialResult, rung: int, epochs: int) -> TrialResult:
    """The result of a trial that falls at a rung: what it has learned stays, its score does not count."""
    failure = f"pruned after epoch {rung} (of {epochs})"
    return replace(result, status=Status.PRUNED, failure=failure, score=None, score_se=None)
