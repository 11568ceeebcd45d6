"""Optimizers of which one includes another: the general one, tuned well enough, cannot be behind (Choi et al., 2019).

SGD is momentum with a momentum of 0, and Nesterov's with the same; Adam with an epsilon far above its gradients is
momentum with the learning rate lr (1 - beta1) / eps, and RMSprop, which has no momentum here, is SGD with lr / eps.
"""

from collections.abc import Mapping, Sequence

from hpsearch.analysis.evidence import Design, LevelDesign
from hpsearch.analysis.findings import Rule, RuleResult
from hpsearch.formatting import visible

SPECIAL: Mapping[str, Mapping[str, str]] = {
    "momentum": {"sgd": "momentum"},
    "nesterov": {"sgd": "momentum"},
    "rmsprop": {"sgd": "eps"},
    "adam": {"sgd": "eps", "momentum": "eps"},
    "adamw": {"sgd": "eps", "momentum": "eps"},
}
"""General optimizer to each of its special cases, and the value that must be tuned for its space to hold it.

Momentum is no special case of Nesterov's: at equal values the two make different steps. Of RMSprop it would be, had
that a momentum of its own.
"""

SPELLINGS = {"eps": ("eps", "epsilon"), "momentum": ("momentum", "mu")}


def optimizer_of(level: LevelDesign) -> str:
    """The optimizer of a level, or its name where nothing says which one it is."""
    return str(level.settings.get("optimizer", level.name)).casefold()


def tuned(level: LevelDesign) -> list[str]:
    """The last parts of the names that a level draws: `lr`, `eps`."""
    return list(dict.fromkeys(name.rsplit(".", 1)[-1] for name in level.space))


def _needed(design: Design, winner: str, loser: str) -> tuple[str, LevelDesign] | None:
    """What the loser must tune to include the winner, if it is the general one of the two."""
    levels = {level.name: level for level in design.levels}
    special = SPECIAL.get(optimizer_of(levels[loser]), {})
    name = special.get(optimizer_of(levels[winner]))
    return None if name is None else (name, levels[loser])


def _includes(name: str, general: LevelDesign) -> bool:
    return any(spelling in tuned(general) for spelling in SPELLINGS[name])


def tuned_in_part(design: Design, winner: str, loser: str) -> list[str]:
    """The sentence that must follow where the loser would include the winner, had it been tuned in full."""
    found = _needed(design, winner, loser)
    if found is None or _includes(*found):
        return []
    name, general = found
    return [f"{visible(loser)} would include {visible(winner)} if {name} were tuned ({_tuned_names(general)})."]


def _tuned_names(level: LevelDesign) -> str:
    names = [visible(name) for name in tuned(level)]
    if len(names) == 1:
        return f"tuned: {names[0]} only"
    return f"tuned: {', '.join(names) or 'nothing'}"


def inclusion(design: Design, found: Sequence[tuple[str, str]]) -> list[RuleResult]:
    """R18: no optimizer is said to be behind a special case of itself that its space includes.

    It is under-tuned then, whatever else it is behind.

    Args:
        design: With the levels.
        found: (winner, loser) of each difference that was found.
    """
    gates = []
    for winner, loser in found:
        needed = _needed(design, winner, loser)
        if needed is None:
            continue
        between = f"{visible(loser)} behind its special case {visible(winner)}"
        name, general = needed
        if _includes(name, general):
            reason = f"{between} is inconsistent with inclusion, for its space includes that"
            gates.append(Rule.SPECIAL_CASE_INCLUDED.weakens(reason, f"search.trials={2 * design.trials}", loser))
        else:
            reason = f"{between} holds for a space that does not include it ({_tuned_names(general)})"
            gates.append(Rule.SPECIAL_CASE_INCLUDED.warns(reason, f"tune {name} of {visible(loser)}", loser))
    return gates or [Rule.SPECIAL_CASE_INCLUDED.holds("no optimizer was found behind a special case of itself")]
