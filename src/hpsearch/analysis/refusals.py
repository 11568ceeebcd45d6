"""Which rules stand against a comparison or a claim, and why, to follow "Not compared: A and B,"."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum, auto

from hpsearch.analysis.evidence import Design
from hpsearch.analysis.findings import Action, Gate
from hpsearch.analysis.measuring import FEWEST_FOLDS, Family
from hpsearch.analysis.paired import auto_seeds
from hpsearch.analysis.pairing import Paired
from hpsearch.analysis.proportions import fisher, newcombe
from hpsearch.wording import number_of, plural, visible


class Withheld(StrEnum):
    """What a rule that does not hold keeps from being said about the levels that it concerns."""

    COMPARISON = auto()
    """With any other level."""
    CLAIM = auto()
    """Of a difference or of equivalence, with any other level."""
    LOSS = auto()
    """A claim that the level is behind another: what it found of the level excuses it, whatever it lost to."""


WITHHELD: Mapping[str, Withheld] = {
    "R06": Withheld.COMPARISON, "R08": Withheld.COMPARISON, "R09": Withheld.COMPARISON, "R10": Withheld.COMPARISON,
    "R11": Withheld.COMPARISON, "R17": Withheld.LOSS, "R18": Withheld.LOSS, "R19": Withheld.CLAIM,
}  # fmt: skip
"""Of each rule that stands against comparisons or claims. R07 is about the common seeds of one pair, R20 is in alpha,
R12 and R15 follow from claims, and the others are about the search, seconds or test rows."""

NO_MEAN = ("R06", "R08")
"""Of these, the ones that leave no mean of a level either: seeds that are not fresh, seeds that diverged."""


def against(gates: Sequence[Gate], what: Withheld, *levels: str) -> Gate | None:
    """The first gate that keeps this from being said of any of the levels, because of one of them or of all."""
    concerned = [gate for gate in gates if gate.level is None or gate.level in levels]
    return next((gate for gate in concerned if _withholds(gate, what)), None)


def closing(gates: Sequence[Gate]) -> list[Gate]:
    """The gates that keep all levels from being compared."""
    return [gate for gate in gates if gate.level is None and _withholds(gate, Withheld.COMPARISON)]


def in_words(fix: str) -> str:
    """What would help where nothing can be trained again by an override, as of foreign results."""
    return "" if "=" in fix else fix


def without_mean(gates: Sequence[Gate], level: str) -> tuple[str, ...]:
    """Codes of the gates that refuse the mean of a level over fresh seeds, by itself or beside others."""
    concerned = [gate for gate in gates if gate.code in NO_MEAN and gate.level in (None, level)]
    return tuple(dict.fromkeys(gate.code for gate in concerned if _withholds(gate, Withheld.COMPARISON)))


def possibly_under_tuned(gates: Sequence[Gate], *levels: str) -> list[str]:
    """A sentence on each of these levels that may not be claimed to be behind another."""
    found = {level: against(gates, Withheld.LOSS, level) for level in levels}
    return [f"{visible(level)} is possibly under-tuned ({gate.code})." for level, gate in found.items() if gate]


def _withholds(gate: Gate, what: Withheld) -> bool:
    return gate.action in (Action.DOWNGRADE, Action.REFUSE) and WITHHELD.get(gate.code) is what


def refuses(gates: Sequence[Gate], *codes: str) -> bool:
    """Whether any gate of these codes refuses something."""
    return any(gate.code in codes and gate.action is Action.REFUSE for gate in gates)


def about_seeds(design: Design, family: Family, paired: Paired) -> tuple[str, str]:
    """What is missing for a claim to be possible at all, and the override that adds it."""
    common, are = number_of(paired.n, "common seed"), plural(paired.n, "is", "are")
    if family.ratio is not None:
        folds = 0 if paired.folds is None else len(paired.folds)
        seeds = max(2, math.ceil(FEWEST_FOLDS / design.folds))
        return (
            f"{common} with {number_of(folds, 'fold')} in all {are} fewer than 2 seeds with {FEWEST_FOLDS} folds",
            f"confirm.seeds={max(seeds, design.confirm_seeds + seeds - paired.n)}",
        )
    lacking = design.confirm_seeds + family.fewest - paired.n
    seeds = max(auto_seeds(family.m, family.alpha), lacking if paired.n else 0)
    return f"{common} {are} fewer than the {family.fewest} that a claim needs", f"confirm.seeds={seeds}"


def shares_diverged(paired: Paired) -> str:
    """How often each of two levels diverged."""
    (a, of_a), (b, of_b) = paired.failed
    low, high = newcombe(a, of_a, b, of_b)
    return (
        f"{a} of {number_of(of_a, 'seed')} of {visible(paired.a)} and {b} of {of_b} of {visible(paired.b)} diverged "
        f"(difference of the shares {a / of_a - b / of_b:+.2f} [{low:.2f}, {high:.2f}] at 95 %, Fisher "
        f"p = {fisher(a, of_a, b, of_b):.2g})"
    )


def about_divergence(paired: Paired, p: float, p_holm: float) -> str:
    """Runs that diverged leave no mean difference: how often they did, and what their ranks say."""
    rates = f"{shares_diverged(paired)}, so that there is no mean difference"
    ranks = "" if math.isnan(p) else f"; sign-flip test on ranks: p = {p:.2g}, after Holm {p_holm:.2g}"
    return rates + ranks


def about_folds(design: Design) -> str:
    """The folds of a K-fold are needed one by one."""
    return (
        f"only means over {design.folds} folds are known, whose naive error is too small: the corrected one (S-10) "
        "needs the score of each fold"
    )
