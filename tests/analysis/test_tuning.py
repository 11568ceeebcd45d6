"""Tuning curves of one level, against enumeration, scipy's quantiles and the laws they must obey."""

import math
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.analysis.tuning import (
    budgets,
    coverage,
    curves,
    dkw_band,
    ecdf,
    efficiency_blocks,
    expected_best,
    expected_report,
    largest_claim,
    median_best,
    median_interval,
    tied_weights,
    trials_needed,
    u_weights,
    v_weights,
)

PROPERTY = settings(deadline=None, max_examples=50)

tenths = st.integers(0, 10).map(lambda i: i / 10)
pools = st.lists(st.tuples(tenths, tenths), min_size=1, max_size=7).map(lambda rows: np.array(rows).T)
"""`val` and `report` of a few trials, with many ties."""


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
    assert v_weights(1000, k).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("k", [0, 6])
def test_a_budget_that_the_trials_do_not_hold_is_refused(k):
    with pytest.raises(ValueError, match=rf"^budget k must be between 1 and the number of trials 5, got {k}$"):
        u_weights(5, k)
    with pytest.raises(ValueError, match=r"^budget k must be"):
        median_best(np.arange(5.0), 9)


def test_the_v_statistic_draws_with_replacement():
    val = np.array([0.3, 0.9, 0.5, 0.4])
    drawn = np.mean([max(sample) for sample in product(val, repeat=3)])
    assert np.sort(val) @ v_weights(4, 3) == pytest.approx(drawn)
    with pytest.raises(ValueError, match=r"^trials and budget k must be >= 1, got 3 and 0$"):
        v_weights(3, 0)


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
def test_a_larger_budget_never_scores_less_and_never_less_than_the_v_statistic(pool):
    val, report = pool
    ks = range(1, len(val) + 1)
    best, _ = curves(val, report, ks)
    assert (np.diff(best) >= -1e-12).all()
    assert all(u >= np.sort(val) @ v_weights(len(val), k) - 1e-12 for u, k in zip(best, ks, strict=True))


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
    with pytest.raises(ValueError, match=message):
        median_interval(scores, 1)


@PROPERTY
@given(pools)
def test_the_median_of_the_best_is_an_empirical_quantile_inside_its_interval(pool):
    val, _ = pool
    for k in range(1, len(val) + 1):
        low, high = median_interval(val, k)
        median = median_best(val, k)
        assert median == np.quantile(val, 0.5 ** (1 / k), method="inverted_cdf")
        assert low <= median <= high


@pytest.mark.parametrize("n", [20, 50, 64, 211])
def test_the_median_has_an_upper_end_up_to_about_a_fifth_of_the_trials(n):
    largest = max(k for k in range(1, n) if median_interval(np.arange(float(n)), k)[1] < np.inf)
    assert largest == math.floor(n * math.log(2) / math.log(2 / 0.05))


@pytest.mark.parametrize(("n", "k"), [(20, 2), (50, 10), (100, 1), (100, 19)])
def test_the_interval_of_the_median_covers_its_level_for_any_distribution(n, k):
    ranks = np.arange(1.0, n + 1)
    low, high = median_interval(ranks, k)  # it covers where low <= trials below the true median < high
    p = 0.5 ** (1 / k)
    below = [math.comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(n + 1)]
    assert 0.95 <= sum(below[int(max(low, 0)) : int(min(high, n + 1))]) < 0.995


def test_the_median_is_finite_while_enough_trials_survive():
    val = np.array([-np.inf] * 8 + [0.1, 0.2])  # 0.8^3 > 1/2 > 0.8^4
    assert median_best(val, 3) == -np.inf
    assert median_best(val, 4) == 0.1


def test_the_band_has_the_half_width_of_massart():
    val = np.array([0.2, 0.1, 0.2, 0.4])
    band = dkw_band(np.tile(val, 25))
    assert band.epsilon == pytest.approx(0.13581015)
    assert band.points.tolist() == [0.1, 0.2, 0.4]
    np.testing.assert_allclose(band.low, [0.25 - band.epsilon, 0.75 - band.epsilon, 1 - band.epsilon])
    np.testing.assert_allclose(band.high, [0.25 + band.epsilon, 0.75 + band.epsilon, 1])


def test_the_distribution_function_counts_ties_and_failures():
    points, share = ecdf(np.array([0.3, -np.inf, 0.3, 0.5]))
    assert points.tolist() == [-np.inf, 0.3, 0.5]
    assert share.tolist() == [0.25, 0.75, 1.0]


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


def test_sixty_trials_find_the_best_twentieth():
    assert trials_needed(0.05) == 59
    assert coverage(60, 0.05) == pytest.approx(1 - 0.95**60)


@PROPERTY
@given(st.floats(0.001, 0.9), st.floats(0.001, 0.5))
def test_the_trials_needed_are_the_fewest_that_cover(share, alpha):
    n = trials_needed(share, alpha)
    assert coverage(n, share) >= 1 - alpha - 1e-9
    assert n == 1 or coverage(n - 1, share) < 1 - alpha + 1e-9


def test_trials_needed_forgives_rounding():
    assert trials_needed(0.25, 0.75**3) == 3
