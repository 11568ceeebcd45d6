"""Prints the events of a command on a terminal."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from hpsearch.commands.observer import Observer
from hpsearch.formatting import number_of, plural
from hpsearch.jobs import ProbeResult, RefitJob
from hpsearch.records import TrialResult
from hpsearch.scoring.score_format import Score
from hpsearch.search.narrowing import Change
from hpsearch.search.plan import Plan
from hpsearch.search.sweep_identity import SweepIdentity
from hpsearch.store.record_json import Record
from hpsearch.terminal import final as final_screens
from hpsearch.terminal import sweep as sweep_screens
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.progress import SearchProgress, show_narrowed
from hpsearch.terminal.trial_table import row_of
from hpsearch.tracking.claim_ledger import Opening

if TYPE_CHECKING:
    from hpsearch.final.evaluation import Evaluated
    from hpsearch.final.frozen_champion import Final
    from hpsearch.final.model import Model


class TerminalObserver(Observer):
    """Prints events as lines, and progress as a bar where output is a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._score: Score | None = None
        self._progress: SearchProgress | None = None
        self._is_final = False

    def line(self, text: str) -> None:
        self.terminal.line(text)

    def warn(self, text: str) -> None:
        self.terminal.warn(text)

    def phase(self, text: str) -> AbstractContextManager[None]:
        return self.terminal.phase(text)

    def underway(self, text: str) -> None:
        (self._progress or self.terminal).underway(text)

    def sweep_started(
        self, identity: SweepIdentity, plan: Plan, score: Score, finished: int, extra_trials: int
    ) -> None:
        sweep_screens.introduce(self.terminal, identity, plan, score, finished, extra_trials)

    def engines_chosen(self, probe: ProbeResult) -> None:
        sweep_screens.show_engines(self.terminal, probe)

    def search_started(self, score: Score, trials: int, finished: Sequence[Record]) -> None:
        self._score = score
        self._progress = SearchProgress(self.terminal, trials, [row_of(score, record) for record in finished])

    def trial_finished(self, record: Record) -> None:
        assert self._score is not None
        assert self._progress is not None
        self._progress.trial_done(row_of(self._score, record))

    def rung_finished(self, epoch: int, trials: int, remaining: int) -> None:
        verb = plural(remaining, "goes", "go")
        self.terminal.line(f"after epoch {epoch}: {remaining} of {number_of(trials, 'trial')} {verb} on")

    def space_narrowed(self, trials: int, changes: Sequence[Change]) -> None:
        show_narrowed(self.terminal, trials, [(sweep_screens.describe_change(each), each.reason) for each in changes])

    def search_finished(self) -> None:
        assert self._progress is not None
        self._progress.end()
        self._progress = None

    def seed_finished(self, done: int, total: int) -> None:
        if self._is_final:
            self.terminal.line(f"  confirm   fresh seed {done} of {total}")
        elif done == total or done % max(1, total // 10) == 0:  # about ten lines in all
            self.terminal.line(f"  fresh seeds  {done}/{total}")

    def final_started(self, final: "Final", uri: str, opened: int, *, chosen: bool, retrains: int) -> None:
        self._is_final = True
        final_screens.introduce(self.terminal, final, uri, opened, chosen=chosen)
        if retrains:
            self.terminal.line(
                f"  retrains  {number_of(retrains, 'more refit')} of the same recipe, with other seeds: "
                f"{retrains + 1} trainings on all development rows instead of 1; all are tested in one opening"
            )

    def champion_confirmed(self, final: "Final", results: Sequence[TrialResult]) -> None:
        final_screens.show_confirmed(self.terminal, final, results)

    def refit_started(self, final: "Final", jobs: Sequence[RefitJob]) -> None:
        job, times = jobs[0], f", {len(jobs)} times" if len(jobs) > 1 else ""
        rows = sweep_screens.describe_limit(job.config, final.development.n, "development row")
        self.terminal.line(f"  refit     {number_of(job.stop_after, 'epoch')} on {rows}{times}")

    def retrain_finished(self, done: int, total: int) -> None:
        self.terminal.line(f"  retrained {done} of {total}")

    def test_evaluated(self, final: "Final", opening: Opening, evaluated: "Evaluated") -> None:
        final_screens.show_test_scores(self.terminal, final, opening, evaluated)

    def model_stored(self, final: "Final", model: "Model", uri: str, address: str | None) -> None:
        final_screens.show_model(self.terminal, final, model, uri, address)
