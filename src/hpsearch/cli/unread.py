"""Options that a model does not read: searching them would compare a thing with itself."""

from collections.abc import Callable, Collection, Mapping, Sequence

from hpsearch.space import Composed

DENSE_ONLY = ("activation", "norm")
UNREAD: Mapping[str, Sequence[str]] = {
    "perceptron": DENSE_ONLY,
    "linear": DENSE_ONLY,
    "custom": (*DENSE_ONLY, "init"),
}
"""The groups that do not reach a kind of model: one affine layer has no hidden units, a module of a user its own."""


def without_effect(models: Collection[str], asked: Mapping[str, str]) -> list[str]:
    """One sentence for each thing that was asked for and that no chosen model reads.

    Args:
        models: Kinds of model that a trial may take.
        asked: Group to the words that ask for it, such as `{"norm": "search.choose.norm"}`.
    """
    dead = set.intersection(*(set(UNREAD.get(model, ())) for model in models))
    named = " or ".join(sorted(models))
    return [f"{words} has no effect on model={named}: drop it" for group, words in asked.items() if group in dead]


def drops_nothing(models: Collection[str], regularizations: Collection[str], words: str) -> list[str]:
    """The sentence about dropout where no chosen model has hidden units of ours to drop; none if there is no such."""
    if set(models) <= set(UNREAD) and {"dropout", "both"} & set(regularizations):
        named = " or ".join(sorted(models))
        return [f"{words} has no effect on model={named}, which has no hidden units to drop: choose another option"]
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
