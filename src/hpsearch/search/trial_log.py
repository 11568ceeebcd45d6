"""The attempts at the trials of a search, which Optuna's study knows of too.

Optuna is asked before the run of an attempt is created, and told after the run has its results: that is the commit.
"""

from dataclasses import dataclass, field

import optuna
from optuna.trial import TrialState

from hpsearch.records import Key, Status, Trial, rung_scores
from hpsearch.search.commit_and_resume import CommitLog, Finished, OpenAttempt, Place, record_of
from hpsearch.search.narrowing import widened_to_hold
from hpsearch.search.plan import Plan
from hpsearch.search.sampler import add_drawn_trial
from hpsearch.store.optuna_journal import report_rungs
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.run_format import Role

_Identity = tuple[str, int, int]
"""(level, k, attempt)."""


@dataclass
class TrialLog(CommitLog):
    """The only writer of a sweep's study, and of the records and runs of its trials.

    Attributes:
        plan: The sweep.
        study: Optuna's study of it.
        store: Takes the records.
    """

    plan: Plan
    study: optuna.Study
    store: SweepStore
    _optuna_numbers: dict[_Identity, int] = field(default_factory=dict, init=False)

    def reconcile(self) -> dict[Key, Record]:
        """See `CommitLog`; what Optuna was told is committed."""
        finished, damaged = self.store.survey()
        if damaged:
            self._mark_replaced()
        optuna_trials = {_identity(trial): trial for trial in self.study.get_trials(deepcopy=False)}
        self._optuna_numbers = {identity: trial.number for identity, trial in optuna_trials.items()}
        committed = {identity for identity, trial in optuna_trials.items() if trial.state.is_finished()}
        recorded = {(*key, attempt.number): attempt for key, attempt in finished.items()}
        for identity, attempt in recorded.items():
            if identity in committed and self.run.resumed:
                continue  # otherwise this tracking store does not have it yet
            record = record_of(attempt)
            trial = self.plan.realize(record.key, record.values)
            adopted = self._adopt(trial, attempt)
            if identity not in optuna_trials:
                self._ask(trial, attempt.number)
            if identity not in committed:
                self._tell(adopted)
        for identity, optuna_trial in optuna_trials.items():
            if identity not in committed and identity not in recorded:
                self.study.tell(optuna_trial.number, state=TrialState.FAIL)
        self._close_runs(Role.SEARCH, recorded)
        return {key: record_of(attempt) for key, attempt in finished.items()}

    def _mark_replaced(self) -> None:
        """The runs of attempts whose record is damaged: they have ended well, and their trials are trained again."""
        for run in self.tracker.attempts(self.run):
            if run.role is Role.SEARCH and run.status != Status.INTERRUPTED:
                for attempt in self.store.attempts(run.level, run.k):
                    if attempt.number == run.attempt and attempt.problem is not None:
                        self._interrupt_run(run.run_id, f"replaced by a later attempt: {attempt.problem}")

    def _place(self, trial: Trial) -> Place:
        return Place(self.store, trial, trial, Role.SEARCH)

    def begin(self, trial: Trial, started_ms: int) -> None:
        """See `CommitLog`; Optuna is asked before there is a run."""
        number = self._new_number(trial)
        self._ask(trial, number)
        self._open_run(trial, number, started_ms)

    def _ask(self, trial: Trial, number: int) -> None:
        level = self.plan.level(trial.level)
        # A default recipe draws nothing, and its values may lie outside the space.
        default, space = self.plan.is_default(trial.key), widened_to_hold(level.space, trial.values)
        optuna_trial = self.study.ask() if default else add_drawn_trial(self.study, space, trial.values, level.chosen)
        for name, value in (("level", trial.level), ("k", trial.k), ("attempt", number)):
            optuna_trial.set_user_attr(name, value)
        self._optuna_numbers[*trial.key, number] = optuna_trial.number

    def commit(self, finished: Finished) -> Record:
        """See `CommitLog`; then Optuna is told."""
        record = super().commit(finished)
        self._tell(finished)
        return record

    def _tell(self, finished: Finished) -> None:
        result, optuna_number = finished.result, self._optuna_numbers[*finished.key, finished.number]
        report_rungs(self.study, optuna_number, rung_scores(result))
        if result.score is not None:
            self.study.tell(optuna_number, result.score)
        else:
            state = TrialState.PRUNED if result.status is Status.PRUNED else TrialState.FAIL
            self.study.tell(optuna_number, state=state)

    def close(self, key: Key, failure: str | None) -> OpenAttempt:
        """See `CommitLog`; to Optuna, the attempt has failed."""
        attempt = super().close(key, failure)
        self.study.tell(self._optuna_numbers[*key, attempt.number], state=TrialState.FAIL)
        return attempt


def _identity(trial: optuna.trial.FrozenTrial) -> _Identity:
    attrs = trial.user_attrs
    return attrs.get("level", ""), attrs.get("k", -1), attrs.get("attempt", -trial.number)
