"""What each recipe scores on fresh seeds, how soon, who is left in contention, and effects of two factors."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.comparison.factorial import effects_of
from hpsearch.analysis.comparison.levels import confirm_levels, contenders_of
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.exploration.summary import explore_level
from hpsearch.metrics import ACCURACY, CROSS_ENTROPY, MSE
from tests.analysis.evidences import (
    bitmaps,
    clear,
    design,
    in_folds,
    level,
    of,
    pairs_of,
    retrained,
    scored,
    trials,
    with_design,
)

A = [0.90, 0.93, 0.91, 0.95, 0.92, 0.94, 0.90, 0.91]
B = [0.88, 0.92, 0.92, 0.90, 0.91, 0.91, 0.87, 0.90]


def test_a_level_has_mean_sd_and_t_interval_over_seeds():
    one = confirm_levels(of(scored("a", A), scored("b", B)), {}, ())["a"]
    exact = stats.ttest_1samp(A, 0).confidence_interval(0.95)
    assert (one.n, one.failed) == (8, 0)
    assert one.mean == pytest.approx(np.mean(A))
    assert one.sd == pytest.approx(np.std(A, ddof=1))
    assert one.interval == pytest.approx((exact.low, exact.high))


def test_optimism_is_the_search_score_of_the_retrained_trial_minus_the_mean():
    evidence = of(scored("a", A, trial=2), scored("b", B))
    searched = next(row.val for row in evidence.trials if (row.level, row.k) == ("a", 2))
    assert confirm_levels(evidence, {}, ())["a"].optimism == pytest.approx(searched - np.mean(A))


def test_without_a_known_trial_optimism_is_that_of_the_selected_one():
    evidence = of(scored("a", A, trial=None), scored("b", B))
    selected = max(row.val for row in evidence.draws("a"))
    assert optimism_of(evidence) == pytest.approx(selected - np.mean(A))


def optimism_of(evidence):
    explored = {"a": explore_level(evidence, "a", refused=False, seed=0)}
    return confirm_levels(evidence, explored, ())["a"].optimism


@pytest.mark.parametrize("numbers", [[99] * 8, [1, 2] * 4], ids=["not in the search", "several"])
def test_optimism_is_not_known_where_no_single_trial_of_the_search_was_retrained(numbers):
    rows = [replace(row, trial=number) for row, number in zip(scored("a", A), numbers, strict=True)]
    assert math.isnan(optimism_of(of(rows, scored("b", B))))


def test_a_retrained_default_recipe_has_the_optimism_of_its_own_score():
    evidence = of(scored("a", A, trial=0), scored("b", B))
    default = replace(evidence.draws("a")[0], k=0, val=0.5, default=True)
    evidence = replace(evidence, trials=(default, *evidence.trials))
    assert optimism_of(evidence) == pytest.approx(0.5 - np.mean(A))


@pytest.mark.parametrize("metric", [ACCURACY, MSE], ids=str)
def test_a_seed_that_diverged_leaves_no_mean(metric):
    evidence = of(scored("a", [-0.9, -0.8, -math.inf]), scored("b", [-0.1, -0.2, -0.3]), metric=metric)
    found = analyse(evidence).confirmed
    assert (found["a"].n, found["a"].failed, found["a"].refused) == (3, 1, ("R08",))
    assert np.isnan([found["a"].mean, found["a"].sd, found["a"].optimism, *found["a"].interval]).all()
    assert found["b"].refused == ()
    assert found["b"].mean == pytest.approx(-0.2)


def test_seeds_of_the_search_leave_no_mean_of_fresh_ones():
    found = analyse(of(scored("a", A), scored("b", B), search_keys=(1,))).confirmed
    assert [(one.refused, math.isnan(one.mean)) for one in found.values()] == [(("R06",), True)] * 2


def test_levels_without_a_score_on_fresh_seeds_are_left_out():
    assert list(confirm_levels(of(scored("a", A), scored("b", [math.nan])), {}, ())) == ["a"]


def test_the_interval_of_a_level_over_folds_is_corrected():
    draw = np.random.default_rng(3)
    a = 0.9 + draw.normal(0, 0.01, (3, 5))
    one = confirm_levels(in_folds(a, a), {}, ())["a"]
    half = stats.t.ppf(0.975, 14) * a.std(ddof=1) * math.sqrt(1 / 15 + 1 / 4)
    assert one.interval == pytest.approx((a.mean() - half, a.mean() + half))


CURVES = {"val/accuracy": [0.3, 0.8, 0.85]}, {"val/accuracy": [0.1, 0.2, 0.3]}, {}


def test_time_to_target_is_that_to_ninety_percent_of_the_way_from_chance_to_the_first_level():
    # 0.1 + 0.9 (0.9 - 0.1) = 0.82: reached in epoch 3, never, never.
    a = [replace(row, curves=curve) for row, curve in zip(scored("a", [0.9, 0.9, 0.9]), CURVES, strict=True)]
    found = confirm_levels(of(a, scored("b", [0.5] * 3)), {}, ())
    assert found["a"].to_target[:2] == (math.inf, 1 / 3)
    assert found["b"].to_target is None


def test_the_target_follows_the_control():
    # 0.1 + 0.9 (0.3 - 0.1) = 0.28: in epoch 1, in epoch 3, never.
    a = [replace(row, curves=curve) for row, curve in zip(scored("a", [0.9, 0.9, 0.9]), CURVES, strict=True)]
    found = confirm_levels(of(a, scored("b", [0.3] * 3), control="b"), {}, ())
    assert found["a"].to_target[:2] == (3.0, 2 / 3)


def test_curves_of_losses_are_negated():
    curves = {"val/cross_entropy": [2.0, 0.5, 0.2]}
    a = [replace(row, curves=curves) for row in scored("a", [-0.1, -0.1, -0.1])]
    # -ln 10 + 0.9 (-0.1 + ln 10) = -0.32
    found = confirm_levels(of(a, scored("b", [-0.3] * 3), metric=CROSS_ENTROPY), {}, ())
    assert found["a"].to_target[:2] == (3.0, 1.0)


@pytest.mark.parametrize("changes", [{"classes": 0}, {"metric": MSE}])
def test_without_a_known_chance_level_there_is_no_target(changes):
    a = [replace(row, curves={"val/accuracy": [0.9], "val/mse": [0.1]}) for row in scored("a", [-0.1, -0.1])]
    assert confirm_levels(of(a, scored("b", [-0.3] * 2), **changes), {}, ())["a"].to_target is None


# contenders and factors


def test_contenders_are_the_levels_that_no_full_claim_puts_behind_by_the_alphabet():
    correct = bitmaps({"b": 0.95, "C": 0.8, "a": 0.95}, 10)
    evidence = of(*(retrained(name, one) for name, one in correct.items()), names=("b", "C", "a"))
    pairs = pairs_of(evidence)
    assert contenders_of(evidence, pairs) == ("a", "b")
    limited = [replace(pair, claim="on_this_report_set_only") for pair in pairs]
    assert contenders_of(evidence, limited) == ("a", "b", "C")


def crossed_levels(scores, **changes):
    values = [("no", "no"), ("yes", "no"), ("no", "yes"), ("yes", "yes")]
    levels = [level(f"{w}-{d}", factors={"weight_decay": w, "dropout": d}) for w, d in values]
    rows = [row for one, cell in zip(levels, scores, strict=True) for row in scored(one.name, cell)]
    return Evidence(design(*levels, **changes), tuple(trials(levels[0].name, 0.9, 2)), tuple(rows))


def test_two_by_two_levels_have_simple_effects_and_an_interaction():
    draw = np.random.default_rng(1)
    cells = draw.normal([[0.90], [0.93], [0.92], [0.93]], 0.003, (4, 12))
    found = effects_of(crossed_levels(cells), 0.05)
    contrast = cells[3] - cells[1] - cells[2] + cells[0]
    exact = stats.ttest_1samp(contrast, 0).confidence_interval(0.95)
    assert found.factors == ("weight_decay", "dropout")
    assert found.cells["yes", "no"] == ("yes-no", pytest.approx(cells[1].mean()))
    assert found.interaction == pytest.approx((contrast.mean(), exact.low, exact.high))
    assert [(factor, at) for factor, at, _, _ in found.simple] == [
        ("weight_decay", "no"), ("weight_decay", "yes"), ("dropout", "no"), ("dropout", "yes"),
    ]  # fmt: skip
    effects = cells[1] - cells[0], cells[3] - cells[2], cells[2] - cells[0], cells[3] - cells[1]
    assert [value for _, _, value, _ in found.simple] == pytest.approx([effect.mean() for effect in effects])
    each = stats.ttest_rel(cells[1], cells[0]).confidence_interval(1 - 0.05 / 4)
    assert found.simple[0][3] == pytest.approx((each.low, each.high))
    assert not found.main_effects


@pytest.mark.parametrize(
    "evidence",
    [
        crossed_levels(np.full((4, 12), 0.9), folds=5),
        crossed_levels(np.full((4, 3), 0.9)),
        crossed_levels(np.where(np.arange(48).reshape(4, 12) == 5, -np.inf, 0.9)),
        clear(),
    ],
    ids=["folds", "few seeds", "diverged", "no factors"],
)
def test_other_designs_have_no_effects(evidence):
    assert effects_of(evidence, 0.05) is None


def test_three_values_of_a_factor_are_no_two_by_two_design():
    evidence = crossed_levels(np.full((4, 12), 0.9))
    odd = tuple(
        replace(one, factors={"weight_decay": str(at), "dropout": "no"})
        for at, one in enumerate(evidence.design.levels)
    )
    assert effects_of(with_design(evidence, levels=odd), 0.05) is None
