"""Factorials: effects over keys and over folds, why there are none, and designs larger than 2 x 2."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.comparison.factorial import effects_of, why_no_effects
from hpsearch.analysis.evidence import Evidence
from hpsearch.metrics import MACRO_F1
from tests.analysis.evidences import design, folded, level, scored, trials

CELLS = [("no", "no"), ("yes", "no"), ("no", "yes"), ("yes", "yes")]
FIVE = {"folds": 5, "evaluation": "kfold", "rows": {"train": 320, "val": 400, "report": 0}}


def crossed_levels(scores, row_of, **changes):
    """Weight decay x dropout, cells in the order of `CELLS`."""
    levels = [level(f"{w}-{d}", factors={"weight_decay": w, "dropout": d}) for w, d in CELLS]
    rows = [row for one, cell in zip(levels, scores, strict=True) for row in row_of(one.name, cell)]
    searched = [row for one in levels for row in trials(one.name, 0.9, 2)]
    return Evidence(design(*levels, **changes), tuple(searched), tuple(rows))


def in_folds(scores, **changes):
    """(4, S, 5) scores of folds."""
    return crossed_levels(scores, folded, **{**FIVE, "metric": MACRO_F1, **changes})


def by_hand():
    """Folds of two seeds on which weight decay adds 0.02 without dropout, and 0.01, 0.02 ... 0.10 more with it."""
    base = np.random.default_rng(0).normal(0.7, 0.03, (2, 5))
    more = np.arange(1, 11).reshape(2, 5) / 100
    return np.stack([base, base + 0.02, base - 0.01, base + 0.01 + more])


def test_under_k_fold_the_interaction_is_over_folds_with_the_corrected_interval():
    # 0.01 ... 0.10: mean 0.055, s 0.0302765; SE = s sqrt(1/10 + 1/4) = 0.0179118, t(9) = 2.262157.
    found = effects_of(in_folds(by_hand()), 0.05)
    assert found.interaction == pytest.approx((0.055, 0.0144807, 0.0955193), abs=1e-6)


def test_under_k_fold_simple_effects_are_corrected_and_hold_together():
    # With dropout weight decay adds 0.02 + 0.01 ... 0.10, mean 0.075; t(9) of 0.05 / 4 is 3.11000.
    found = effects_of(in_folds(by_hand()), 0.05)
    factor, at, mean, (low, high) = found.simple[1]
    half = stats.t.ppf(1 - 0.05 / 8, 9) * 0.0302765 * math.sqrt(0.35)
    assert (factor, at) == ("weight_decay", "yes")
    assert (mean, low, high) == pytest.approx((0.075, 0.075 - half, 0.075 + half), abs=1e-6)
    constant = found.simple[0]
    assert (constant[2], *constant[3]) == pytest.approx((0.02, 0.02, 0.02))


def test_under_k_fold_cell_means_are_those_of_all_folds():
    scores = by_hand()
    found = effects_of(in_folds(scores), 0.05)
    assert found.cells["no", "yes"] == ("no-yes", pytest.approx(scores[2].mean()))


def test_the_overlap_of_folds_makes_intervals_wider_than_those_of_as_many_keys():
    scores = by_hand()
    over_keys = effects_of(crossed_levels(scores.reshape(4, 10), scored, metric=MACRO_F1), 0.05)
    over_folds = effects_of(in_folds(scores), 0.05)
    ratio = np.diff(over_folds.interaction[1:]) / np.diff(over_keys.interaction[1:])
    assert ratio == pytest.approx(math.sqrt((1 / 10 + 1 / 4) / (1 / 10)))


def test_only_keys_that_all_four_levels_have_count_and_each_with_all_of_its_folds():
    evidence = in_folds(np.concatenate([by_hand(), by_hand()[:, :1] + 0.1], axis=1))
    lacking = [row for row in evidence.confirm if (row.level, row.key) != ("yes-yes", 3)]
    found = effects_of(replace(evidence, confirm=tuple(lacking)), 0.05)
    assert found.interaction == pytest.approx(effects_of(in_folds(by_hand()), 0.05).interaction)


def test_main_effects_under_k_fold_need_an_interaction_that_the_corrected_interval_knows_to_be_small():
    # Alternating +- 0.005 on ten folds: SE = 0.00527 sqrt(0.35) = 0.00312, corrected half width 0.00705, naive 0.00377.
    scores = by_hand()
    scores[3] = scores[1] + scores[2] - scores[0] + 0.005 * (-1) ** np.arange(10).reshape(2, 5)
    assert effects_of(in_folds(scores, delta=0.0075), 0.05).main_effects
    assert not effects_of(in_folds(scores, delta=0.006), 0.05).main_effects


# why there are none


def unlike(evidence, name, key, **changes):
    rows = (replace(row, **changes) if (row.level, row.key) == (name, key) else row for row in evidence.confirm)
    return replace(evidence, confirm=tuple(rows))


NO_FOLDS = (
    "only means over 5 folds are known, whose naive error is too small: the corrected one (S-10) needs the score of "
    "each fold"
)
SEEDS = np.full((4, 12), 0.9)
WHY = [
    (unlike(in_folds(by_hand()), "no-yes", 2, folds=()), NO_FOLDS),
    (unlike(in_folds(by_hand()), "no-yes", 2, folds=(0.9,) * 4), NO_FOLDS),
    (unlike(in_folds(by_hand()), "no-yes", 2, folds=(0.9,) * 4 + (math.nan,)), NO_FOLDS),
    (in_folds(by_hand()[:, :1]), "1 seed of all four levels is fewer than the 2 that effects need"),
    (in_folds(by_hand()[:, :, :3]), "6 folds of all common seeds are fewer than the 10 that effects need"),
    (crossed_levels(SEEDS[:, :3], scored), "3 seeds of all four levels are fewer than the 8 that effects need"),
    (crossed_levels(np.where(np.arange(48).reshape(4, 12) == 5, -math.inf, 0.9), scored),
     "a retraining diverged, so that there are no mean effects"),
    (crossed_levels(np.where(np.arange(48).reshape(4, 12) == 5, -math.inf,
                             np.where(np.arange(48).reshape(4, 12) == 17, math.nan, 0.9)), scored),
     "a retraining diverged, so that there are no mean effects"),
    (crossed_levels(np.where(np.arange(48).reshape(4, 12) < 12, math.nan, 0.9), scored),
     "none of the 12 retrainings of no-no has a score"),
]  # fmt: skip


@pytest.mark.parametrize(("evidence", "why"), WHY)
def test_a_two_by_two_design_without_effects_says_why(evidence, why):
    assert effects_of(evidence, 0.05) is None
    assert why_no_effects(evidence, 0.05) == why
    assert analyse(evidence).no_effects == why


@pytest.mark.parametrize(
    "evidence",
    [in_folds(by_hand()), crossed_levels(SEEDS, scored), replace(crossed_levels(SEEDS, scored), confirm=())],
    ids=["folds", "seeds", "nothing retrained"],
)
def test_where_effects_are_shown_or_nothing_was_retrained_there_is_nothing_to_explain(evidence):
    assert why_no_effects(evidence, 0.05) == ""


def test_where_no_level_may_be_compared_no_effect_is_told_either():
    evidence = crossed_levels(SEEDS, scored, commits=("a", "b"))
    findings = analyse(evidence)
    assert (findings.factorial, findings.no_effects) == (None, "")


# larger designs


def larger(*factors):
    """Levels that cross the values of these factors."""
    cells = [{}]
    for name, values in factors:
        cells = [{**cell, name: value} for cell in cells for value in values]
    levels = [level("+".join(cell.values()), factors=cell) for cell in cells]
    rows = [row for one in levels for row in trials(one.name, 0.9, 2)]
    return Evidence(design(*levels), tuple(rows))


NORM, INIT, WD = ("norm", ("none", "before", "after")), ("init", ("he", "xavier")), ("wd", ("no", "yes"))


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ((NORM, INIT), "Values of 2 factors are crossed (3 of norm x 2 of init)"),
        ((INIT, WD, NORM), "Values of 3 factors are crossed (2 of init x 2 of wd x 3 of norm)"),
    ],
)
def test_a_larger_factorial_says_that_its_cells_are_compared_as_levels(factors, said):
    (limit,) = [one for one in analyse(larger(*factors)).limits if "crossed" in one]
    computed = "main effects and interaction are computed for 2 x 2 designs alone"
    assert limit == f"{said}: {computed}, so that these cells are compared as levels."


@pytest.mark.parametrize("factors", [(INIT, WD), (NORM,)])
def test_a_two_by_two_design_and_a_single_factor_do_not(factors):
    assert not [one for one in analyse(larger(*factors)).limits if "crossed" in one]
