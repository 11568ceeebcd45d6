"""Why a pair of levels is not compared, to follow "Not compared: A and B,"."""

import math
from collections.abc import Sequence

import numpy as np

from hpsearch.analysis.evidence import Design
from hpsearch.analysis.findings import Action, Gate
from hpsearch.analysis.measuring import FEWEST_FOLDS, Family
from hpsearch.analysis.paired import auto_seeds
from hpsearch.analysis.pairing import Paired
from hpsearch.analysis.proportions import fisher, newcombe
from hpsearch.wording import visible

FOR_ALL = ("R06", "R09", "R10")
"""Gates that, where they refuse, leave no pair to compare."""


def closing(gates: Sequence[Gate]) -> list[Gate]:
    """The gates that keep all levels from being compared."""
    return [gate for gate in gates if gate.code in FOR_ALL and gate.action is Action.REFUSE]


def refuses(gates: Sequence[Gate], *codes: str) -> bool:
    """Whether any gate of these codes refuses something."""
    return any(gate.code in codes and gate.action is Action.REFUSE for gate in gates)


def about_seeds(design: Design, family: Family, paired: Paired) -> tuple[str, str]:
    """What is missing for a claim to be possible at all, and the override that adds it."""
    if family.ratio is not None:
        folds = 0 if paired.folds is None else len(paired.folds)
        seeds = max(2, math.ceil(FEWEST_FOLDS / design.folds))
        return (
            f"{paired.n} common seeds with {folds} folds in all are fewer than 2 seeds with {FEWEST_FOLDS} folds",
            f"confirm.seeds={max(seeds, design.confirm_seeds + seeds - paired.n)}",
        )
    lacking = design.confirm_seeds + family.fewest - paired.n
    seeds = max(auto_seeds(family.m, family.alpha), lacking if paired.n else 0)
    common = f"{paired.n} common {'seed is' if paired.n == 1 else 'seeds are'}"
    return f"{common} fewer than the {family.fewest} that a claim needs", f"confirm.seeds={seeds}"


def about_divergence(paired: Paired, p: float, p_holm: float) -> str:
    """Runs that diverged leave no mean difference: how often they did, and what their ranks say."""
    a, b = (int(np.isneginf(scores).sum()) for scores in (paired.scores_a, paired.scores_b))
    n = paired.n
    low, high = newcombe(a, n, b, n)
    rates = (
        f"{a} of {n} seeds of {visible(paired.a)} and {b} of {n} of {visible(paired.b)} diverged (difference of the "
        f"shares {(a - b) / n:+.2f} [{low:.2f}, {high:.2f}] at 95 %, Fisher p = {fisher(a, n, b, n):.2g}), so that "
        "there is no mean difference"
    )
    ranks = "" if math.isnan(p) else f"; sign-flip test on ranks: p = {p:.2g}, after Holm {p_holm:.2g}"
    return rates + ranks


def about_folds(design: Design) -> str:
    """The folds of a K-fold are needed one by one."""
    return (
        f"only means over {design.folds} folds are known, whose naive error is too small: the corrected one (S-10) "
        "needs the score of each fold"
    )
