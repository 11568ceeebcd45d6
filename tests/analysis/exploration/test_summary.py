"""What is said about the search of one level, against enumeration, scipy and worked examples."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hpsearch.analysis.exploration.summary import explore_level
from hpsearch.metrics import MACRO_F1, MSE, R2
from tests.analysis.searches import confirmed, of_rows, search, trial, with_rows

SCORES = [(0.6, 0.5), (0.8, 0.9), (0.7, 0.6), (0.8, 0.7), (0.1, 0.2), (0.5, 0.4)]
"""`val` and `report` of six trials, two of which tie at the top."""


def explored(evidence, level="adam", *, refused=False):
    return explore_level(evidence, level, refused=refused, seed=3)


def scored(pairs=SCORES, **changes):
    return of_rows(*(trial(k, val, report) for k, (val, report) in enumerate(pairs, 1)), **changes)


def enumerated(pairs, k, part):
    """Mean over all subsets of k trials of a score of the one that `val` selects; ties are averaged."""
    found = []
    for subset in combinations(pairs, k):
        best = max(val for val, _ in subset)
        found.append(np.mean([pair[part] for pair in subset if pair[0] == best]))
    return float(np.mean(found))


def test_the_curves_are_the_means_over_all_subsets_of_the_trials():
    curve = explored(scored()).curve
    assert curve.ks.tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(curve.expected, [enumerated(SCORES, k, 0) for k in range(1, 7)])
    np.testing.assert_allclose(curve.report, [enumerated(SCORES, k, 1) for k in range(1, 7)])


def test_the_median_curve_is_a_quantile_of_the_scores():
    val = np.array([val for val, _ in SCORES])
    expected = [np.quantile(val, 0.5 ** (1 / k), method="inverted_cdf") for k in range(1, 7)]
    np.testing.assert_allclose(explored(scored()).curve.median, expected)


def test_a_band_reaches_to_a_fifth_of_the_trials_and_holds_the_report_curve():
    curve = explored(search(n=40)).curve
    inside = curve.ks <= 8
    assert curve.claim_to == 8
    assert (curve.low[inside] <= curve.report[inside]).all()
    assert (curve.report[inside] <= curve.high[inside]).all()
    assert np.isnan([curve.low[~inside], curve.high[~inside]]).all()
    assert {1, 5, 8} <= set(curve.ks.tolist())


def test_a_band_ends_where_the_metric_does():
    curve = explored(scored([(0.1, 0.1), *[(1.0, 1.0)] * 29])).curve  # mirrored, the band of one trial reaches 1.03
    assert np.nanmax(curve.high) == 1


def test_at_a_budget_of_one_the_band_is_about_that_of_a_mean():
    evidence = search(n=100)
    report = np.array([row.report for row in evidence.trials])
    curve = explored(evidence).curve
    half = stats.norm.ppf(0.975) * report.std() / 10
    assert (curve.low[0], curve.high[0]) == pytest.approx((report.mean() - half, report.mean() + half), abs=0.01)


def test_fewer_than_twenty_trials_have_curves_without_bands():
    curve = explored(search(n=19)).curve
    assert curve.claim_to == 0
    assert np.isnan(curve.low).all()


def test_without_report_rows_the_band_is_that_of_the_expected_val_score():
    with_report = search(n=40)
    without = replace(with_report, trials=tuple(replace(row, report=math.nan) for row in with_report.trials))
    curve = explored(without).curve
    inside = curve.ks <= 8
    assert np.isnan(curve.report).all()
    assert (curve.low[inside] <= curve.expected[inside]).all()
    assert (curve.expected[inside] <= curve.high[inside]).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_one_more_trial_that_is_never_selected_changes_the_number_and_raises_no_budget(pairs):
    pairs = [(val / 8, report / 8) for val, report in pairs]
    before, after = (explored(scored(found)) for found in (pairs, [*pairs, (0.0, 0.0)]))
    assert after.n == before.n + 1
    assert (after.curve.expected[: len(pairs)] <= before.curve.expected + 1e-12).all()
    assert after.recipe == before.recipe


def test_a_worst_trial_never_raises_what_is_reported_at_a_budget():
    pairs = [(0.6, 0.6), (0.7, 0.65), (0.8, 0.7), (0.85, 0.9)]
    before, after = (explored(scored(found)).curve for found in (pairs, [*pairs, (0.0, 0.0)]))
    assert (after.report[:4] < before.report).all()


@settings(max_examples=30, deadline=None)
@given(st.permutations(SCORES))
def test_the_order_of_the_trials_changes_no_curve(pairs):
    expected, found = explored(scored()).curve, explored(scored(pairs)).curve
    for part in ("expected", "report", "median"):
        np.testing.assert_allclose(getattr(found, part), getattr(expected, part))


def test_blocks_are_disjoint_in_the_order_of_drawing():
    blocks = explored(scored()).blocks
    assert {k: block.tolist() for k, block in blocks.items()} == {
        1: [0.5, 0.9, 0.6, 0.7, 0.2, 0.4],
        2: [0.9, 0.7, 0.4],
        4: [pytest.approx(0.8)],  # the two that tie are averaged
    }


def test_the_recipe_is_the_first_of_the_highest_val_scores_and_leads_the_top_five():
    found = explored(scored())
    assert (found.recipe, found.val, found.report) == (2, 0.8, 0.9)
    assert found.top == (2, 4, 3, 1, 6)


def test_a_stalled_trial_is_the_recipe_only_if_no_other_is_ok():
    stalled, fine = trial(1, 0.9, status="stalled"), trial(2, 0.4, values={"optimizer.adam.lr": 0.1})
    assert explored(of_rows(stalled, fine)).recipe == 2
    assert explored(of_rows(stalled, fine)).recipe_values == {"optimizer.adam.lr": 0.1}
    assert explored(of_rows(stalled)).recipe == 1


def test_diverged_and_lost_trials_are_no_recipes():
    found = explored(of_rows(trial(1, 0.0, status="diverged"), trial(2, math.nan, status="oom")))
    assert (found.recipe, found.recipe_values, found.curve, found.good, found.top) == (None, {}, None, None, ())
    assert math.isnan(found.val)


def test_trials_are_counted_by_how_they_ended():
    rows = [trial(k, 0.5, 0.5) for k in range(1, 6)]
    rows += [trial(6, 0.0, status="diverged"), trial(7, 0.1, 0.1, status="stalled")]
    rows += [trial(8 + at, math.nan, status=status) for at, status in enumerate(("oom", "error", "interrupted"))]
    found = explored(of_rows(*rows))
    assert (found.n, found.failed, found.stalled, found.missing) == (7, 1, 1, 3)
    wilson = stats.binomtest(1, 7).proportion_ci(method="wilson")
    assert found.failed_interval == pytest.approx((wilson.low, wilson.high))
    assert found.stalled_interval == pytest.approx((wilson.low, wilson.high))


def test_a_diverged_trial_counts_with_the_worst_score():
    curve = explored(of_rows(trial(1, 0.5, 0.4), trial(2, 0.0, status="diverged"))).curve
    np.testing.assert_allclose(curve.expected, [0.25, 0.5])
    np.testing.assert_allclose(curve.report, [0.2, 0.4])


def test_where_others_have_a_report_score_a_trial_without_one_is_missing():
    found = explored(of_rows(trial(1, 0.5, 0.4), trial(2, 0.6), trial(3, 0.7, 0.6)))
    assert (found.n, found.missing) == (2, 1)
    assert found.curve.ks.tolist() == [1, 2]


def test_the_default_recipe_is_shown_and_not_counted():
    evidence = with_rows(scored(), trial(0, 0.55, 0.45, default=True))
    found = explored(evidence)
    assert (found.n, found.default_val, found.default_report) == (6, 0.55, 0.45)
    assert explored(scored()).curve.expected.tolist() == found.curve.expected.tolist()


def test_a_default_recipe_that_diverges_has_the_worst_score():
    found = explored(with_rows(scored(), trial(0, math.nan, status="diverged", default=True)))
    assert (found.default_val, found.default_report) == (0.0, 0.0)
    assert math.isnan(explored(scored()).default_val)


def test_luck_is_the_expected_maximum_of_equal_trials_above_their_mean():
    val = [0.80, 0.81, 0.82, 0.79]
    found = explored(of_rows(*(trial(k, v) for k, v in enumerate(val, 1)), rows={"val": 200}))
    mean, x = np.mean(val), np.arange(201)  # all four are within five standard errors
    cdf = stats.binom.cdf(x, 200, mean) ** 4
    expected = (x * np.diff(np.append(0.0, cdf))).sum() / 200
    assert found.curse == pytest.approx(expected - mean, abs=1e-9)


def test_the_shrunken_score_keeps_the_share_of_the_spread_that_is_no_noise():
    val = np.array([0.80, 0.84, 0.82, 0.79])
    found = explored(of_rows(*(trial(k, v) for k, v in enumerate(val.tolist(), 1)), rows={"val": 1000}))
    lam = 1 - (val * (1 - val) / 999).mean() / val.var(ddof=1)
    assert found.shrinkage == pytest.approx(lam)
    assert found.shrunken == pytest.approx(val.mean() + lam * (0.84 - val.mean()))


def test_trials_that_all_get_every_row_right_are_not_told_from_noise():
    assert explored(of_rows(*(trial(k, 1.0) for k in range(1, 9)), rows={"val": 50})).shrinkage == 0


@pytest.mark.parametrize("changes", [{"metric": MSE, "classes": 0}, {"rows": {}}])
def test_where_noise_is_not_known_nothing_is_said_about_luck(changes):
    found = explored(of_rows(trial(1, -0.4), trial(2, -0.2), trial(3, -0.3), **changes))
    assert found.contending == 0
    assert np.isnan([found.shrinkage, found.shrunken, found.curse, *found.mixture]).all()


def test_two_trials_share_the_probability_of_being_the_highest_as_normals_do():
    val, report = np.array([0.80, 0.78]), np.array([0.75, 0.79])
    found = explored(scored(list(zip(val.tolist(), report.tolist(), strict=True))))
    noise = val * (1 - val) / 999
    first = stats.norm.cdf(0.02 / np.sqrt(noise.sum()))
    weights = np.array([first, 1 - first])
    mean = weights @ report
    sd = np.sqrt(weights @ (report**2 + report * (1 - report) / 999) - mean**2)
    assert found.mixture == pytest.approx((mean, sd), abs=1e-6)
    assert found.contending == 2


def test_without_report_rows_there_is_no_mixture_of_report_scores():
    found = explored(of_rows(trial(1, 0.8), trial(2, 0.5)))
    assert found.contending == 1
    assert np.isnan(found.mixture).all()


def folded(losses, **changes):
    rows = [trial(k, 1 - one.mean(), losses=one) for k, one in enumerate(losses, 1)]
    return of_rows(*rows, evaluation="kfold", folds=5, rows={"train": 80, "val": 100}, **changes)


def test_the_corrected_score_of_a_lone_configuration_is_its_own():
    losses = (np.arange(100) % 4 == 0).astype(float)
    estimate, low, high = explored(folded([losses])).corrected
    assert estimate == pytest.approx(0.75, abs=0.01)
    assert low < estimate < high


def test_of_pure_noise_the_corrected_score_is_below_the_selected_one():
    losses = np.random.default_rng(0).integers(2, size=(30, 100)).astype(float)
    found = explored(folded(losses))
    assert found.val > 0.57
    assert found.corrected[0] == pytest.approx(0.5, abs=0.03)


def test_a_loss_is_corrected_as_a_negated_score():
    losses = np.random.default_rng(0).exponential(2.0, size=(3, 100))
    rows = [trial(k, -float(one.mean()), losses=one) for k, one in enumerate(losses, 1)]
    estimate, low, high = explored(of_rows(*rows, metric=MSE, classes=0, rows={"val": 100})).corrected
    assert low < estimate < high < 0
    assert estimate == pytest.approx(-losses.mean(axis=1).min(), abs=0.4)


@pytest.mark.parametrize("metric", [MACRO_F1, R2], ids=str)
def test_a_metric_that_is_no_mean_over_rows_has_no_corrected_score(metric):
    assert explored(folded([np.zeros(100)], metric=metric)).corrected is None


def test_the_losses_of_all_scored_trials_are_needed_for_a_corrected_score():
    whole, gone = folded([np.zeros(100), np.ones(100)]), trial(3, 0.0, status="diverged")
    assert explored(with_rows(whole, gone)).corrected is not None
    assert explored(with_rows(whole, trial(3, 0.5))).corrected is None


def test_trials_that_depend_on_each_other_give_counts_and_a_recipe_only():
    found = explored(search(n=60), refused=True)
    assert (found.curve, found.blocks, found.importance, found.isolation, found.good) == (None, {}, (), {}, None)
    assert (found.contending, found.corrected) == (0, None)
    assert found.recipe is not None
    assert found.curse > 0


def test_the_cost_is_the_mean_of_what_is_known():
    rows = [trial(1, 0.5, cost=2.0), trial(2, 0.5, cost=4.0), trial(3, 0.5)]
    assert explored(of_rows(*rows)).mean_cost == 3.0
    assert math.isnan(explored(of_rows(trial(1, 0.5))).mean_cost)


def test_the_good_region_begins_delta_below_the_confirmed_mean():
    evidence = replace(scored(), confirm=confirmed("adam", 0.72, 0.70))
    good = explored(evidence).good
    wilson = stats.binomtest(2, 6).proportion_ci(method="wilson")
    assert good.threshold == pytest.approx(0.70)
    assert good.share == pytest.approx(2 / 6)
    assert good.interval == pytest.approx((wilson.low, wilson.high))


def test_without_retrainings_the_good_region_begins_delta_below_the_recipe():
    assert explored(scored(delta=0.2)).good.threshold == pytest.approx(0.7)


def test_without_delta_the_good_region_begins_one_standard_error_below_the_recipe():
    assert explored(scored(delta=None)).good.threshold == pytest.approx(0.9 - math.sqrt(0.09 / 999))
    assert explored(scored(delta=None, metric=MACRO_F1)).good is None


def test_the_same_evidence_gives_the_same_numbers():
    first, second = (explored(search(n=60)) for _ in range(2))
    np.testing.assert_array_equal(first.curve.low, second.curve.low)
    assert first.importance == second.importance
