"""Optimizers of which one includes another: the general one, tuned well enough, cannot be behind (Choi et al., 2019).

SGD is momentum with a momentum of 0, and Nesterov's with the same; Adam with an epsilon far above its gradients is
momentum with the learning rate lr (1 - beta1) / eps, and RMSprop, which has no momentum here, is SGD with lr / eps.
"""

from collections.abc import Mapping, Sequence

from hpsearch.analysis.evidence import Design, Evidence, LevelDesign
from hpsearch.analysis.findings import Action, Gate, Pair
from hpsearch.analysis.verdicts import ClaimKind
from hpsearch.wording import visible

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


def violated(design: Design, *, winner: str, loser: str) -> bool:
    """Whether the loser's space includes the winner, so that only too little tuning can have put it behind."""
    found = _needed(design, winner, loser)
    return found is not None and _includes(*found)


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


def inclusion(evidence: Evidence, pairs: Sequence[Pair]) -> list[Gate]:
    """R18: no optimizer is said to be behind a special case of itself that its space includes."""
    design, gates = evidence.design, []
    for pair in pairs:
        winner, loser = (pair.a, pair.b) if pair.diff > 0 else (pair.b, pair.a)
        between = f"{visible(loser)} behind its special case {visible(winner)}"
        if "R18" in pair.refused:
            reason = f"{between} is inconsistent with inclusion: under-tuned"
            gates.append(Gate("R18", Action.DOWNGRADE, reason, f"search.trials={2 * design.trials}", loser))
        elif pair.claim != ClaimKind.NONE and tuned_in_part(design, winner, loser):
            found = _needed(design, winner, loser)
            assert found is not None
            reason = f"{between} holds for a space that does not include it ({_tuned_names(found[1])})"
            gates.append(Gate("R18", Action.WARN, reason, f"tune {found[0]} of {visible(loser)}", loser))
    return gates or [Gate("R18", Action.PASS, "no optimizer is claimed to be behind a special case of itself")]
