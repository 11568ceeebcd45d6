"""Frozen recipes on the same seeds: exact tests, intervals of a family, effect sizes, claims."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hpsearch.statistics.paired_tests import (
    auto_seeds,
    bonferroni_alpha,
    contenders,
    differences,
    holm,
    mean_interval,
    minimum_seeds,
    sign_flip,
    sign_flip_ranks,
    superiority,
)

whole = st.lists(st.integers(-60, 60), min_size=1, max_size=9).map(np.array)
varied = st.lists(st.integers(-60, 60), min_size=3, max_size=9).map(np.array).filter(lambda d: np.ptp(d) > 0)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def brute_sign_flip(d):
    """The share of all sign vectors, in rational numbers."""
    sums = [abs(sum(sign * Fraction(int(x)) for sign, x in zip(signs, d, strict=True)))
            for signs in product((1, -1), repeat=len(d))]  # fmt: skip
    return sum(total >= abs(sum(Fraction(int(x)) for x in d)) for total in sums) / len(sums)


@settings(deadline=None)
@given(whole)
def test_the_sign_flip_p_is_the_share_of_all_sign_vectors(d):
    assert sign_flip(d) == brute_sign_flip(d)


@given(whole, st.sampled_from([297, 1797, 10_000]))
def test_differences_of_accuracies_tie_like_the_counts_they_come_from(d, rows):
    b = np.arange(len(d)) + 100
    assert sign_flip((b + d) / rows - b / rows) == sign_flip(d)


@given(whole, st.floats(0.001, 1000))
def test_the_sign_flip_p_has_no_unit_and_no_side(d, scale):
    assert sign_flip(d * scale) == sign_flip(d)
    assert sign_flip(-d) == sign_flip(d)


@given(whole)
def test_the_sign_flip_p_is_a_multiple_of_the_smallest_one_there_is(d):
    steps = sign_flip(d / 7) * 2 ** (len(d) - 1)
    assert steps == int(steps) >= 1


@given(st.lists(st.integers(1, 60), min_size=1, max_size=14))
def test_only_differences_of_one_sign_reach_the_smallest_p(d):
    assert sign_flip(np.array(d)) == 2.0 ** (1 - len(d))
    assert len(d) == 1 or sign_flip(np.array([-1, *d[1:]])) > 2.0 ** (1 - len(d))


def test_the_sign_flip_p_is_that_of_scipy():
    d = np.random.default_rng(1).normal(0.6, 1, 11)
    scipys = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True)
    assert sign_flip(d) == scipys.pvalue


@pytest.mark.parametrize("unit", [1, 0.01])
def test_many_seeds_are_tested_on_random_sign_vectors(unit):
    d = np.repeat([1, -1], [28, 12]) * unit
    exact = stats.binomtest(28, 40).pvalue
    assert sign_flip(d, seed=3) == pytest.approx(exact, abs=4 * math.sqrt(exact / 1e5))
    assert sign_flip(d, seed=3) == sign_flip(d, np.random.default_rng(3)) != sign_flip(d, seed=4)


def test_a_random_p_counts_the_observed_signs_too():
    assert sign_flip(np.arange(1, 61)) == 1 / 100_001


@pytest.mark.parametrize("d", [[], [0.1, math.nan], [0.1, -math.inf]])
def test_differences_that_are_not_finite_are_refused(d):
    with pytest.raises(ValueError, match="at least one finite number"):
        sign_flip(np.array(d))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=2, max_size=7).map(np.array).filter(np.any))
def test_signed_ranks_are_tested_as_wilcoxon_and_pratt_would(d):
    every = stats.PermutationMethod(n_resamples=np.inf)
    assert sign_flip_ranks(d) == pytest.approx(stats.wilcoxon(d, zero_method="pratt", method=every).pvalue, abs=1e-12)


def test_a_run_that_diverged_counts_like_the_largest_difference():
    assert sign_flip_ranks(np.array([0.1, 0.2, -np.inf, 0.3])) == sign_flip_ranks(np.array([1, 2, -4, 3]))
    assert sign_flip_ranks(np.array([0.1, 0.0, -np.inf])) == sign_flip_ranks(np.array([2, 0, -3]))


def test_a_difference_of_two_runs_that_diverged_has_to_be_a_tie():
    with pytest.raises(ValueError, match="two runs that diverged are a tie, 0"):
        sign_flip_ranks(np.array([0.1, math.nan]))


def test_runs_that_both_diverged_are_a_tie_and_one_of_them_is_infinitely_behind():
    worst = -math.inf
    found = differences(np.array([0.9, worst, worst, 0.5]), np.array([0.4, worst, 0.5, worst]))
    assert found.tolist() == [0.5, 0, -math.inf, math.inf]


@pytest.mark.parametrize(("a", "b"), [([1, 2], [1]), ([1.0, math.nan], [1, 1]), ([[1]], [[1]])])
def test_scores_that_make_no_pairs_are_refused(a, b):
    with pytest.raises(ValueError, match="paired scores must"):
        differences(np.array(a), np.array(b))


@given(varied, st.sampled_from([0.05, 0.05 / 3, 0.2]))
def test_the_t_interval_is_that_of_scipy(d, alpha):
    low, high = stats.ttest_1samp(d, 0).confidence_interval(1 - alpha)
    assert mean_interval(d, alpha) == pytest.approx((low, high), rel=1e-9, abs=1e-9)


def test_equal_differences_have_an_interval_without_a_width():
    low, high = mean_interval(np.full(7, 0.1), 0.05)
    assert low == high == pytest.approx(0.1)


def test_one_difference_has_no_interval():
    with pytest.raises(ValueError, match="at least 2 values, got 1"):
        mean_interval(np.array([0.1]), 0.05)


@given(p_values, st.floats(0.001, 0.999))
def test_holm_rejects_what_stepping_down_rejects(p, alpha):
    rejected, left = set(), sorted(range(len(p)), key=lambda i: p[i])
    while left and p[left[0]] * len(left) <= alpha:
        rejected.add(left.pop(0))
    assert set(np.flatnonzero(holm(p) <= alpha)) == rejected


@given(p_values)
def test_holm_lies_between_the_raw_p_and_bonferroni_and_keeps_their_order(p):
    adjusted, raw = holm(p), np.array(p)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(1, len(p) * raw)).all()
    assert (np.diff(adjusted[raw.argsort()]) >= 0).all()


def test_no_comparison_has_no_level():
    with pytest.raises(ValueError, match="comparisons must be >= 1, got 0"):
        bonferroni_alpha(0.05, 0)


@given(whole)
def test_superiority_is_the_share_of_seeds_won_with_half_of_the_ties(d):
    won = sum(1 if x > 0 else 0.5 if x == 0 else 0 for x in d)
    assert superiority(d) == pytest.approx(won / len(d))
    assert superiority(d) + superiority(-d) == pytest.approx(1)


@pytest.mark.parametrize(
    ("levels", "all_pairs", "with_control"), [(2, 6, 6), (3, 7, 7), (4, 8, 7), (5, 9, 8), (6, 10, 8)]
)
def test_the_fewest_seeds_for_so_many_levels(levels, all_pairs, with_control):
    assert minimum_seeds(math.comb(levels, 2)) == all_pairs
    assert minimum_seeds(levels - 1) == with_control


@pytest.mark.parametrize("levels", [2, 3, 4])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 1 / 16])
def test_fewer_seeds_cannot_pass_however_large_the_effect_and_the_fewest_can(levels, alpha):
    pairs = [(i, j) for i in range(levels) for j in range(i)]
    fewest = minimum_seeds(len(pairs), alpha)
    for n, passes in ((fewest, True), (fewest - 1, False)):
        p = holm([sign_flip(1000.0 * (i - j) + np.zeros(n)) for i, j in pairs])
        assert ((p <= alpha) == passes).all()


@pytest.mark.parametrize(("comparisons", "seeds"), [(0, 10), (1, 10), (3, 10), (6, 10), (10, 11), (15, 12)])
def test_auto_takes_two_seeds_more_than_the_fewest_and_at_least_ten(comparisons, seeds):
    assert auto_seeds(comparisons) == seeds


def test_contenders_are_the_levels_that_none_is_claimed_to_beat():
    levels = ("adam", "sgd", "rmsprop")
    assert contenders(levels, set()) == levels
    assert contenders(levels, {("adam", "sgd")}) == ("adam", "rmsprop")
    assert contenders(levels, {("adam", "sgd"), ("rmsprop", "sgd"), ("adam", "rmsprop")}) == ("adam",)


@given(st.permutations("abcde"), st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda t: t[0] < t[1])))
def test_one_contender_at_least_is_left_by_claims_that_follow_an_order(order, claimed):
    left = contenders("abcde", {(order[i], order[j]) for i, j in claimed})
    assert order[0] in left
    assert list(left) == sorted(left)


def test_claims_in_a_circle_cannot_be():
    with pytest.raises(AssertionError, match="circle"):
        contenders("ab", {("a", "b"), ("b", "a")})
