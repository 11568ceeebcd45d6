"""Options that a model does not read: searching them would compare a thing with itself."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from hpsearch.space import Composed

DENSE_ONLY = ("activation", "norm")
UNREAD: Mapping[str, Sequence[str]] = {
    "perceptron": DENSE_ONLY,
    "linear": DENSE_ONLY,
    "custom": (*DENSE_ONLY, "init"),
}
"""The groups that do not reach a kind of model: one affine layer has no hidden units, a module of a user its own."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a group was asked for.

    Attributes:
        words: What asks for it, such as `search.choose.norm`.
        by: The file that does, such as `+sweep=mnist`; None if it was typed.
    """

    words: str
    by: str | None = None

    def refusal(self, why: str, typed: str, choice: str) -> str:
        """The sentence that it has no effect, with the way out.

        Args:
            why: Where it has none.
            typed: What helps where it was typed.
            choice: The list of options that helps where a file says it: what was not typed cannot be dropped.
        """
        if self.by is None:
            return f"{self.words} has no effect on {why}: {typed}"
        return f"{self.words} of {self.by} has no effect on {why}: add '{self.words}={choice}'"


def without_effect(models: Collection[str], asked: Mapping[str, Asked]) -> list[str]:
    """One sentence for each thing that was asked for and that no chosen model reads.

    Args:
        models: Kinds of model that a trial may take.
        asked: Group to what asks for it.
    """
    dead = set.intersection(*(set(UNREAD.get(model, ())) for model in models))
    named = f"model={' or '.join(sorted(models))}"
    return [found.refusal(named, "drop it", "[]") for group, found in asked.items() if group in dead]


def drops_nothing(models: Collection[str], regularizations: Collection[str], asked: Asked) -> list[str]:
    """The sentence about dropout where no chosen model has hidden units of ours to drop; none if there is no such."""
    if set(models) <= set(UNREAD) and {"dropout", "both"} & set(regularizations):
        named = f"model={' or '.join(sorted(models))}, which has no hidden units to drop"
        return [asked.refusal(named, "choose none or weight_decay", "[none,weight_decay]")]
    return []


def adamw_without_decay(base: Composed, options_of: Callable[[str], list[Composed]]) -> str | None:
    """The sentence about AdamW in a sweep in which no weight decays; None where it says nothing.

    Args:
        base: The configuration with no option varied.
        options_of: Each option of a group that a trial may take, composed.
    """
    tuned = "regularization" in base.config.search.tune
    for found in options_of("regularization"):
        decay = found.config.regularization.weight_decay
        if decay > 0 or (tuned and "weight_decay" in found.spaces["regularization"]):
            return None
    if any(found.config.optimizer.kind == "adamw" for found in options_of("optimizer")):
        return "adamw without weight decay is adam: add regularization=weight_decay"
    return None
