"""Events of a running command."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from hpsearch.records import TrialResult

if TYPE_CHECKING:
    from hpsearch.final.evaluation import Evaluated
    from hpsearch.final.frozen_champion import Final
    from hpsearch.final.model import Model
    from hpsearch.jobs import ProbeResult, RefitJob
    from hpsearch.scoring.score_format import Score
    from hpsearch.search.narrowing import Change
    from hpsearch.search.plan import Plan
    from hpsearch.search.sweep_identity import SweepIdentity
    from hpsearch.store.record_json import Record
    from hpsearch.tracking.claim_ledger import Opening


class Observer:
    """Receives the events of a command in order; each method does nothing unless overridden.

    All methods are called in the process and thread of the command. An exception ends the command, as Ctrl-C does:
    finished trials are kept.

    Examples:
        >>> class Loud(Observer):
        ...     def trial_finished(self, record):
        ...         print(record.name, record.result.score)
    """

    def line(self, text: str) -> None:
        """Receive a line of information."""

    def warn(self, text: str) -> None:
        """Receive a warning of one line."""

    def phase(self, text: str) -> AbstractContextManager[None]:
        """Return a context that lasts as long as the activity that the text describes."""
        del text
        return nullcontext()

    def underway(self, text: str) -> None:
        """Receive, a few times per second, what is being trained; empty if nothing is."""

    def sweep_started(
        self, identity: "SweepIdentity", plan: "Plan", score: "Score", finished: int, extra_trials: int
    ) -> None:
        """Called when a checked sweep starts or resumes.

        Args:
            identity: Its name and specification.
            plan: Its levels, spaces and trials.
            score: The score of trials.
            finished: Number of requested trials finished before.
            extra_trials: Number of finished trials beyond the requested ones.
        """

    def engines_chosen(self, probe: "ProbeResult") -> None:
        """Called when the engines and fleet widths are known."""

    def search_started(self, score: "Score", trials: int, finished: Sequence["Record"]) -> None:
        """Called when the search for this number of trials starts, with those finished before."""

    def trial_finished(self, record: "Record") -> None:
        """Called after each trial is committed, whatever its status.

        Args:
            record: Its record: number `k`, `level`, sampled `values`, and `result` with `status`, `score`, `score_se`
                and `summary`, the metrics beside the score.
        """

    def rung_finished(self, epoch: int, trials: int, remaining: int) -> None:
        """Called when a pruner has judged trials after an epoch, with the number that continue."""

    def space_narrowed(self, trials: int, changes: Sequence["Change"]) -> None:
        """Called when the space is narrowed for the next round, after this number of trials."""

    def search_finished(self) -> None:
        """Called when the search has ended or was stopped."""

    def seed_finished(self, done: int, total: int) -> None:
        """Called after each retraining of a frozen recipe on a fresh seed."""

    def final_started(self, final: "Final", uri: str, opened: int, *, chosen: bool, retrains: int) -> None:
        """Called before a champion is evaluated.

        Args:
            final: The champion and its data.
            uri: Address of the tracking store whose ledger counts openings.
            opened: Number of earlier openings of the test set.
            chosen: Whether the user selected the trial.
            retrains: Number of further refits tested in the same opening.
        """

    def champion_confirmed(self, final: "Final", results: Sequence[TrialResult]) -> None:
        """Called when the champion was retrained on fresh seeds."""

    def refit_started(self, final: "Final", jobs: Sequence["RefitJob"]) -> None:
        """Called before the recipe is trained on all development rows."""

    def retrain_finished(self, done: int, total: int) -> None:
        """Called after each retrained network is stored."""

    def test_evaluated(self, final: "Final", opening: "Opening", evaluated: "Evaluated") -> None:
        """Called when the scores on the sealed test set are stored."""

    def model_stored(self, final: "Final", model: "Model", uri: str, address: str | None) -> None:
        """Called when the refitted network is stored; `address` in MLflow is None if it could not be exported."""


class ObserverGroup(Observer):
    """Passes each event to several observers in turn."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    @contextmanager
    def phase(self, text: str) -> Iterator[None]:
        """Enter the contexts of all."""
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.phase(text))
            yield


def _forwarder(name: str) -> Any:
    def forward(self: ObserverGroup, *arguments: Any, **named: Any) -> None:
        for observer in self._observers:
            getattr(observer, name)(*arguments, **named)

    return forward


for _name in (name for name in vars(Observer) if not name.startswith("_") and name != "phase"):
    setattr(ObserverGroup, _name, _forwarder(_name))
