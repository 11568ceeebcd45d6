"""What a command tells while it runs."""

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
    """Is told what a command does, in the order in which it happens; each method does nothing until it is overridden.

    All methods are called in the process and thread of the command. What they raise ends the command, as Ctrl-C does:
    nothing that has finished is lost.

    Examples:
        >>> class Loud(Observer):
        ...     def trial_finished(self, record):
        ...         print(record.name, record.result.score)
    """

    def line(self, text: str) -> None:
        """One line for information."""

    def warn(self, text: str) -> None:
        """One line that must not be missed."""

    def phase(self, text: str) -> AbstractContextManager[None]:
        """What is being done while the context lasts."""
        del text
        return nullcontext()

    def underway(self, text: str) -> None:
        """What is being trained at this moment, a few times a second; empty if nothing is."""

    def sweep_started(
        self, identity: "SweepIdentity", plan: "Plan", score: "Score", finished: int, extra_trials: int
    ) -> None:
        """A sweep was checked, and begins or goes on.

        Args:
            identity: Its name and specification.
            plan: Its levels, spaces and trials.
            score: What trials are scored by.
            finished: Trials that had finished before, of those that are asked for.
            extra_trials: Finished trials beyond those.
        """

    def engines_chosen(self, probe: "ProbeResult") -> None:
        """How the networks are going to be trained."""

    def search_started(self, score: "Score", trials: int, finished: Sequence["Record"]) -> None:
        """The search for so many trials begins; some may have finished before."""

    def trial_finished(self, record: "Record") -> None:
        """One more trial has ended, whatever its status, and is committed.

        Args:
            record: Its number is `record.k`, its level `record.level`, what it drew `record.values`; `record.result`
                has `status`, `score`, `score_se` and `summary`, the metrics beside the score.
        """

    def rung_finished(self, epoch: int, trials: int, remaining: int) -> None:
        """A pruner has judged so many trials after an epoch, and so many go on."""

    def space_narrowed(self, trials: int, changes: Sequence["Change"]) -> None:
        """After so many trials, the next round draws from other ranges."""

    def search_finished(self) -> None:
        """The search has ended, or was stopped."""

    def seed_finished(self, done: int, total: int) -> None:
        """One more retraining of a frozen recipe on a fresh seed has ended."""

    def final_started(self, final: "Final", uri: str, opened: int, *, chosen: bool, retrains: int) -> None:
        """A champion is going to be evaluated.

        Args:
            final: Which one, on which data.
            uri: Of the tracking store whose ledger counts openings.
            opened: Openings of the test set before.
            chosen: Whether the trial was named by the user instead of being the champion.
            retrains: Further refits that are tested in the same opening.
        """

    def champion_confirmed(self, final: "Final", results: Sequence[TrialResult]) -> None:
        """The champion was retrained on fresh seeds."""

    def refit_started(self, final: "Final", jobs: Sequence["RefitJob"]) -> None:
        """The recipe is trained on all development rows."""

    def retrain_finished(self, done: int, total: int) -> None:
        """One more retrained network is stored."""

    def test_evaluated(self, final: "Final", opening: "Opening", evaluated: "Evaluated") -> None:
        """The sealed test set was opened, and its numbers are stored."""

    def model_stored(self, final: "Final", model: "Model", uri: str, address: str | None) -> None:
        """The refitted network is on disk, and at this address in MLflow unless it could not be exported."""


class ObserverGroup(Observer):
    """Tells several observers the same, one after the other."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    @contextmanager
    def phase(self, text: str) -> Iterator[None]:
        """Enters the context of each."""
        with ExitStack() as stack:
            for observer in self._observers:
                stack.enter_context(observer.phase(text))
            yield


def _passed_on(name: str) -> Any:
    def tell(self: ObserverGroup, *arguments: Any, **named: Any) -> None:
        for observer in self._observers:
            getattr(observer, name)(*arguments, **named)

    return tell


for _name in (name for name in vars(Observer) if not name.startswith("_") and name != "phase"):
    setattr(ObserverGroup, _name, _passed_on(_name))
