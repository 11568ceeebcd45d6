"""What a sweep keeps fixed, draws and compares, in the words of its design table."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from hpsearch.config import Config
from hpsearch.nn.deviations import formula

FACTS = ("model", "activation", "init", "norm", "regularization", "optimizer", "schedule", "loss", "evaluation")
"""Groups whose option the design table names, unless they are compared."""
OWN_LINES = frozenset({"model", "evaluation"})
"""Groups that the table says more of."""


def groups_in_words(config: Config, frozen: Mapping[str, Any], compared: AbstractSet[str]) -> dict[str, str]:
    """The option of each group that is not compared, or those that trials draw from: `drawn from sgd, adam`.

    Args:
        config: The configuration with no option varied.
        frozen: See `Plan.specification`.
        compared: Groups that levels differ in.
    """
    told = [group for group in FACTS if group not in compared | OWN_LINES]
    drawn = {group: options_of(frozen, group) for group in told}
    words = {
        group: f"drawn from {', '.join(drawn[group])}" if len(drawn[group]) > 1 else config.options[group]
        for group in told
    }
    if "init" in words and len(drawn["init"]) <= 1 and f"init.{words['init']}" not in frozen["space"]:
        # "Xavier" is another formula in every book
        words["init"] += f", standard deviation {formula(config.init)}"
    return words


def model_in_words(config: Config, frozen: Mapping[str, Any]) -> str:
    """The network: `mlp 100-100`, or what varies of it: `mlp, with other depth, width in each trial or level`."""
    kinds = options_of(frozen, "model") or [config.options["model"]]
    drawn = {name for option in frozen["space"] if option.startswith("model.") for name in frozen["space"][option]}
    set_by_level = {key for level in frozen.get("levels", ()) for key in level["values"]}
    varied = sorted(drawn | {key.partition(".")[2] for key in set_by_level if key.startswith("model.")})
    if varied:
        return f"{' or '.join(kinds)}, with other {', '.join(varied)} in each trial or level"
    hidden = getattr(config.model, "hidden", None)
    return f"{kinds[0]} {'-'.join(map(str, hidden))}" if hidden and len(kinds) == 1 else " or ".join(kinds)


def options_of(frozen: Mapping[str, Any], group: str) -> list[str]:
    """The options of a group that trials or levels take."""
    return [key.partition(".")[2] for key in frozen["options"] if key.startswith(f"{group}.")]
