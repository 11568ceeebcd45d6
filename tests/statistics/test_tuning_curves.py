"""Tuning curves of one level, against enumeration, scipy's quantiles and the laws they must obey."""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.statistics.tuning_curves import (
    budgets,
    curves,
    efficiency_blocks,
    expected_report,
    largest_claim,
    median_best,
    tied_weights,
    u_weights,
)

PROPERTY = settings(deadline=None, max_examples=50)

tenths = st.integers(0, 10).map(lambda i: i / 10)
pools = st.lists(st.tuples(tenths, tenths), min_size=1, max_size=7).map(lambda rows: np.array(rows).T)
"""`val` and `report` of a few trials, with many ties."""


def expected_best(val, k):
    return curves(val, val, [k])[0][0]


def winners_mean(val, report, subset):
    best = max(val[i] for i in subset)
    return float(np.mean([report[i] for i in subset if val[i] == best]))


def enumerated(val, report, k):
    """The mean over all subsets of k of the report score of the winner, ties broken at random."""
    return float(np.mean([winners_mean(val, report, subset) for subset in combinations(range(len(val)), k)]))


@pytest.mark.parametrize(("n", "k"), [(1, 1), (7, 3), (60, 12), (400, 77)])
def test_the_weights_are_the_ratios_of_binomial_coefficients(n, k):
    exact = [float(Fraction(math.comb(i - 1, k - 1), math.comb(n, k))) for i in range(1, n + 1)]
    np.testing.assert_allclose(u_weights(n, k), exact, rtol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 10, 100, 500, 999, 1000])
def test_the_weights_of_a_thousand_trials_sum_to_one(k):
    assert u_weights(1000, k).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("k", [0, 6])
def test_a_budget_that_the_trials_do_not_hold_is_refused(k):
    with pytest.raises(ValueError, match=rf"^budget k must be between 1 and the number of trials 5, got {k}$"):
        u_weights(5, k)
    with pytest.raises(ValueError, match=r"^budget k must be"):
        median_best(np.arange(5.0), 9)


@PROPERTY
@given(pools, st.data())
def test_both_curves_are_means_over_all_subsets(pool, data):
    val, report = pool
    k = data.draw(st.integers(1, len(val)))
    best, reported = curves(val, report, [k])
    assert best[0] == pytest.approx(enumerated(val, val, k))
    assert reported[0] == pytest.approx(enumerated(val, report, k))


@PROPERTY
@given(pools)
def test_one_trial_scores_the_mean_and_all_trials_the_maximum(pool):
    val, _ = pool
    assert expected_best(val, 1) == pytest.approx(val.mean())
    assert expected_best(val, len(val)) == pytest.approx(val.max())


@PROPERTY
@given(pools)
def test_a_larger_budget_never_scores_less(pool):
    val, report = pool
    ks = range(1, len(val) + 1)
    best, _ = curves(val, report, ks)
    assert (np.diff(best) >= -1e-12).all()


@PROPERTY
@given(pools, st.randoms(use_true_random=False), st.floats(0.1, 9), st.floats(-5, 5))
def test_curves_ignore_the_order_of_trials_and_follow_the_scale_of_scores(pool, random, scale, shift):
    val, report = pool
    order = random.sample(range(len(val)), len(val))
    ks = range(1, len(val) + 1)
    expected = scale * curves(val, report, ks)[1] + shift
    np.testing.assert_allclose(curves(val[order], scale * report[order] + shift, ks)[1], expected, atol=1e-9)


@PROPERTY
@given(pools)
def test_the_report_curve_knows_only_the_ranks_of_val(pool):
    val, report = pool
    for k in range(1, len(val) + 1):
        assert expected_report(val, report, k) == pytest.approx(expected_report(np.exp(3 * val), report, k))


@PROPERTY
@given(pools)
def test_a_worse_trial_never_raises_the_expected_best(pool):
    val, _ = pool
    worse = np.append(val, val.min() - 1)
    for k in range(1, len(val) + 1):
        assert expected_best(worse, k) <= expected_best(val, k) + 1e-12


def test_a_trial_that_is_worse_on_val_may_raise_the_report_curve():
    val, report = np.array([1.0, 2.0]), np.array([10.0, 0.0])  # val chooses the trial that report finds worse
    assert expected_report(val, report, 2) == 0
    assert expected_report(np.append(val, 0.0), np.append(report, -1.0), 2) == pytest.approx(10 / 3)


@PROPERTY
@given(pools)
def test_equal_scores_share_their_weight_equally(pool):
    val, _ = pool
    for k in range(1, len(val) + 1):
        weights = tied_weights(val, k)
        assert weights.sum() == pytest.approx(1)
        assert all(len(set(weights[val == score].tolist())) == 1 for score in val)


def test_a_failed_trial_counts_only_where_it_can_be_chosen():
    val = np.array([0.5, -np.inf, 0.7, 0.6])
    assert expected_best(val, 1) == -np.inf
    assert expected_best(val, 2) == pytest.approx((0.7 * 3 + 0.6 * 2 + 0.5) / 6)
    assert expected_report(np.array([1.0, 2.0, 3.0]), np.array([-np.inf, 5.0, -np.inf]), 2) == -np.inf


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_scores_without_an_order_are_refused(score):
    scores, fine = np.array([0.5, score]), np.array([0.5, 0.6])
    message = rf"^scores must be numbers, or -inf for a failed trial, got {score} in trial 1$"
    for val, report in ((scores, fine), (fine, scores)):
        with pytest.raises(ValueError, match=message):
            curves(val, report, [1])
        with pytest.raises(ValueError, match=message):
            efficiency_blocks(val, report, 1)


@PROPERTY
@given(pools)
def test_the_median_of_the_best_is_an_empirical_quantile(pool):
    val, _ = pool
    for k in range(1, len(val) + 1):
        assert median_best(val, k) == np.quantile(val, 0.5 ** (1 / k), method="inverted_cdf")


def test_the_median_is_finite_while_enough_trials_survive():
    val = np.array([-np.inf] * 8 + [0.1, 0.2])  # 0.8^3 > 1/2 > 0.8^4
    assert median_best(val, 3) == -np.inf
    assert median_best(val, 4) == 0.1


@pytest.mark.parametrize(
    ("n", "declared"), [(19, []), (20, [1, 4]), (25, [1, 5]), (49, [1, 5, 9]), (50, [1, 5, 10]), (100, [1, 5, 10, 20])]
)
def test_declared_budgets_end_at_a_fifth_of_the_trials(n, declared):
    assert budgets(n) == declared
    assert largest_claim(n) == n // 5


@PROPERTY
@given(pools, st.data())
def test_efficiency_blocks_are_complete_searches_in_draw_order(pool, data):
    val, report = pool
    k = data.draw(st.integers(1, len(val)))
    blocks = [range(start, start + k) for start in range(0, len(val) - k + 1, k)]
    expected = [winners_mean(val, report, block) for block in blocks]
    np.testing.assert_allclose(efficiency_blocks(val, report, k), expected)
