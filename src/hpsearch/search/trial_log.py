"""Commit protocol of search trials, whose attempts are also trials of an Optuna study.

Optuna is asked before the run of an attempt is created, and told after the run has its results. `tell` is the commit.
"""

from dataclasses import dataclass, field

import optuna
from optuna.trial import TrialState

from hpsearch.records import Key, Status, Trial, rung_scores
from hpsearch.search.commit_and_resume import CommitLog, Finished, OpenAttempt, Place, record_of
from hpsearch.search.narrowing import widened_to_hold
from hpsearch.search.plan import Plan
from hpsearch.search.sampler import add_drawn_trial
from hpsearch.store.optuna_journal import report_rungs, tell_result
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.run_format import Role

_Identity = tuple[str, int, int]
"""(level, k, attempt)."""


@dataclass
class TrialLog(CommitLog):
    """The only writer of a sweep's Optuna study, and of the records and runs of its trials.

    Attributes:
        plan: The sweep.
        study: Its Optuna study.
        store: Its store.
    """

    plan: Plan
    study: optuna.Study
    store: SweepStore
    _optuna_numbers: dict[_Identity, int] = field(default_factory=dict, init=False)

    def reconcile(self) -> dict[Key, Record]:
        """See `CommitLog`; finished trials of the study are committed."""
        finished, damaged = self.store.survey()
        if damaged:
            self._mark_replaced()
        optuna_trials = {_identity(trial): trial for trial in self.study.get_trials(deepcopy=False)}
        self._optuna_numbers = {identity: trial.number for identity, trial in optuna_trials.items()}
        committed = {identity for identity, trial in optuna_trials.items() if trial.state.is_finished()}
        recorded = {(*key, attempt.number): attempt for key, attempt in finished.items()}
        for identity, attempt in recorded.items():
            if identity in committed and self.run.resumed:
                continue  # if not resumed, this tracking store is new and lacks it
            record = record_of(attempt)
            trial = self.plan.realize(record.key, record.values)
            adopted = self._adopt(trial, attempt)
            if identity not in optuna_trials:
                self._before_run(trial, attempt.number)
            if identity not in committed:
                self._tell(adopted)
        for identity, optuna_trial in optuna_trials.items():
            if identity not in committed and identity not in recorded:
                self.study.tell(optuna_trial.number, state=TrialState.FAIL)
        self._close_runs(Role.SEARCH, recorded)
        return {key: record_of(attempt) for key, attempt in finished.items()}

    def _mark_replaced(self) -> None:
        """Mark the runs of attempts with a damaged record, whose trials are trained again, as interrupted."""
        for run in self.tracker.attempts(self.run):
            if run.role is Role.SEARCH and run.status != Status.INTERRUPTED:
                for attempt in self.store.attempts(run.level, run.k):
                    if attempt.number == run.attempt and attempt.problem is not None:
                        self._interrupt_run(run.run_id, f"replaced by a later attempt: {attempt.problem}")

    def _place(self, trial: Trial) -> Place:
        return Place(self.store, trial, trial, Role.SEARCH)

    def _before_run(self, trial: Trial, number: int) -> None:
        """Ask Optuna for a trial with these values."""
        level = self.plan.level(trial.level)
        # A default recipe draws nothing, and its values may lie outside the space.
        default, space = self.plan.is_default(trial.key), widened_to_hold(level.space, trial.values)
        optuna_trial = self.study.ask() if default else add_drawn_trial(self.study, space, trial.values, level.chosen)
        attrs = {"level": trial.level, "k": trial.k, "attempt": number, **self._tags(trial)}
        for name, value in attrs.items():
            optuna_trial.set_user_attr(name, value)
        self._optuna_numbers[*trial.key, number] = optuna_trial.number

    def _tags(self, trial: Trial) -> dict[str, str]:
        return {"enqueued": "true"} if trial.k < len(self.plan.search.enqueue) else {}

    def commit(self, finished: Finished) -> Record:
        """See `CommitLog`; also tells Optuna."""
        record = super().commit(finished)
        self._tell(finished)
        return record

    def _tell(self, finished: Finished) -> None:
        optuna_number = self._optuna_numbers[*finished.key, finished.number]
        report_rungs(self.study, optuna_number, rung_scores(finished.result))
        tell_result(self.study, optuna_number, finished.result, objectives=self.plan.search.objectives)

    def close(self, key: Key, failure: str | None) -> OpenAttempt:
        """See `CommitLog`; Optuna sees a failed trial."""
        attempt = super().close(key, failure)
        self.study.tell(self._optuna_numbers[*key, attempt.number], state=TrialState.FAIL)
        return attempt


def _identity(trial: optuna.trial.FrozenTrial) -> _Identity:
    attrs = trial.user_attrs
    return attrs.get("level", ""), attrs.get("k", -1), attrs.get("attempt", -trial.number)
