"""The search loop: draws trials cohort by cohort, trains them rung by rung, and prunes them at each rung."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hpsearch.jobs import Rung, TrialJob
from hpsearch.records import NO_LEVEL, FitResult, Key, Status, Trial, rung_scores
from hpsearch.search.driver import Driver
from hpsearch.search.narrowing import Change
from hpsearch.search.plan import Plan
from hpsearch.search.pruning import Judge, judge_of
from hpsearch.store.record_json import Record


class SearchListener(Protocol):
    """Callbacks of the search loop."""

    def judged(self, rung: int, trials: int, going_on: int) -> None:
        """Called after a rung with the number of trials that reached it and of those that continue."""

    def narrowed(self, trials: int, changes: Sequence[Change]) -> None:
        """Called when a round of a coarse-to-fine search begins, with the changes of the space."""


@dataclass(slots=True)
class SearchLoop:
    """Runs the trials of a sweep.

    Attributes:
        plan: The sweep.
        driver: Trains and commits its trials.
        listener: Callbacks.
    """

    plan: Plan
    driver: Driver
    listener: SearchListener

    def finish(self, trials: int) -> list[Record]:
        """Run what is missing of the first `trials` trials (of each level).

        Returns:
            All records of these trials, in the order of `Plan.keys`; not all trials have one if the time was up, or
            the search ended by `search.patience`.

        Raises:
            StoppedError: On a signal, after all open attempts were closed.
            ConfigError: If a configuration turns out not to be trainable.
        """
        with self.driver.resuming() as records:
            missing = self.plan.missing(records, trials)
            judge = judge_of(self.plan.search) if missing else None
            for cohort in self.plan.cohorts(trials) if missing else ():
                if self.driver.time_is_up or self.plan.end_by_patience(records, trials) is not None:
                    break
                members = set(cohort)
                self._run_cohort(cohort, [key for key in missing if key in members], judge)
        return [records[key] for key in self.plan.keys(trials) if key in records]

    def _run_cohort(self, cohort: list[Key], missing: list[Key], judge: Judge | None) -> None:
        """Run the missing trials of a cohort; the others are judged by their records."""
        records = self.driver.records
        past = [] if self.plan.search.compares else [records[NO_LEVEL, k] for k in range(cohort[0][1])]
        trials = {trial.key: trial for trial in self.plan.trials(cohort, missing, past)} if missing else {}
        resume_from: dict[Key, tuple[FitResult, ...]] = dict.fromkeys(trials, ())
        if missing and (changes := self.plan.narrowing(past)):
            self.listener.narrowed(len(past), changes)
        for rung in [*self.plan.rungs, None]:
            jobs = {key: _job(trials[key], rung, fits) for key, fits in resume_from.items()}
            paused = self.driver.train(trials, jobs)
            if self.driver.time_is_up:
                self.driver.close_paused()
                return
            if rung is not None and judge is not None:
                pruned = self._prune(judge, rung, cohort, paused, trials)
                resume_from = {key: paused[key].fits for key in sorted(paused.keys() - pruned)}
        if judge is not None:
            judge.close({key[1]: records[key].result for key in cohort})

    def _prune(
        self, judge: Judge, rung: int, cohort: Iterable[Key], paused: Mapping[Key, Rung], trials: Mapping[Key, Trial]
    ) -> set[Key]:
        """Commit the paused trials that end at this rung as pruned, and return their keys."""
        records = self.driver.records
        recorded = {key: rung_scores(records[key].result) for key in cohort if key in records}
        scores = {key[1]: by_rung[rung] for key, by_rung in recorded.items() if rung in by_rung}
        for key, stop in paused.items():
            assert stop.result.score is not None, stop.result
            scores[key[1]] = stop.result.score
        ended = judge.pruned(rung, dict(sorted(scores.items())))
        if paused:
            self.listener.judged(rung, len(scores), len(scores) - len(ended))
        pruned = {key for key in paused if key[1] in ended}
        for key in sorted(pruned):
            # the curves stay, the score does not count
            failure = f"pruned after epoch {rung} (of {trials[key].config.training.epochs})"
            result = replace(paused[key].result, status=Status.PRUNED, failure=failure, score=None, score_se=None)
            self.driver.commit(key, result)
        return pruned


def _job(trial: Trial, rung: int | None, resume_from: tuple[FitResult, ...]) -> TrialJob:
    """Train a trial up to a rung, or to the end if that comes first."""
    stop_after = None if rung is None else min(rung, trial.config.training.epochs)
    return TrialJob(trial.config, stop_after=stop_after, resume_from=resume_from)
