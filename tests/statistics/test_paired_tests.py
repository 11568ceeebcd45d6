"""Frozen recipes on the same seeds: exact tests, intervals of a family, effect sizes, claims."""

import math
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hpsearch.statistics import paired_tests
from hpsearch.statistics.paired_tests import (
    auto_seeds,
    bonferroni_alpha,
    contenders,
    differences,
    holm_levels,
    mean_interval,
    minimum_seeds,
    sign_flip,
    sign_flip_interval,
    signed_ranks,
    step_down,
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
    assert sign_flip(signed_ranks(d)) == pytest.approx(
        stats.wilcoxon(d, zero_method="pratt", method=every).pvalue, abs=1e-12
    )


def test_a_run_that_diverged_counts_like_the_largest_difference():
    assert sign_flip(signed_ranks(np.array([0.1, 0.2, -np.inf, 0.3]))) == sign_flip(
        signed_ranks(np.array([1, 2, -4, 3]))
    )
    assert sign_flip(signed_ranks(np.array([0.1, 0.0, -np.inf]))) == sign_flip(signed_ranks(np.array([2, 0, -3])))


def test_a_difference_of_two_runs_that_diverged_has_to_be_a_tie():
    with pytest.raises(ValueError, match="two runs that diverged are a tie, 0"):
        signed_ranks(np.array([0.1, math.nan]))


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
def test_holm_rejects_what_stepping_down_rejects_by_the_adjusted_p_and_by_the_level(p, alpha):
    rejected, left = set(), sorted(range(len(p)), key=lambda i: p[i])
    while left and p[left[0]] * len(left) <= alpha:
        rejected.add(left.pop(0))
    found = holm_levels(np.array(p), alpha, len(p))
    assert {pair for pair, (adjusted, _) in enumerate(found) if adjusted <= alpha} == rejected
    assert all(p[pair] <= found[pair][1] * (1 + 1e-12) for pair in rejected)


@given(p_values)
def test_holm_lies_between_the_raw_p_and_bonferroni_and_keeps_their_order(p):
    adjusted, raw = np.array([one for one, _ in holm_levels(np.array(p), 0.05, len(p))]), np.array(p)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(1, len(p) * raw)).all()
    assert (np.diff(adjusted[raw.argsort()]) >= 0).all()


def brute_interval(d, level):
    """From the k-th lowest to the k-th highest of the means over all non-empty subsets, in rational numbers."""
    subsets = [[Fraction(int(x)) for x, taken in zip(d, chosen, strict=True) if taken]
               for chosen in product((False, True), repeat=len(d))]  # fmt: skip
    means = sorted(sum(subset) / len(subset) for subset in subsets if subset)
    k = math.floor(Fraction(level) * 2 ** (len(d) - 1))
    return (float(means[k - 1]), float(means[-k])) if k else (-math.inf, math.inf)


@settings(deadline=None)
@given(whole, st.sampled_from([0.0, 1 / 64, 0.05, 0.25]))
def test_the_sign_flip_interval_ends_at_means_of_subsets(d, level):
    assert sign_flip_interval(d, level) == pytest.approx(brute_interval(d, level), rel=1e-12)


@settings(deadline=None)
@given(whole, st.integers(-60, 60), st.sampled_from([1 / 64, 0.05, 0.25]))
def test_the_sign_flip_interval_holds_what_the_test_accepts(d, value, level):
    low, high = sign_flip_interval(d, level)
    assert (low <= value <= high) == (sign_flip(d - value) > level)


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_of_many_seeds_excludes_0_where_their_random_p_is_small(seed):
    d = np.random.default_rng(seed).normal(0.45, 1, 20)
    p = sign_flip(d, seed=2)
    for level, accepted in ((p, False), (p - 1e-5, True)):
        low, high = sign_flip_interval(d, level, seed=2)
        assert (low <= 0 <= high) == accepted


def families(draw, reports):
    """Pairs of 2 to 5 levels on 5 to 18 seeds, some of which a level lacks: normal, heavy-tailed or tied scores."""
    for _ in range(reports):
        levels, n = draw.integers(2, 6), draw.choice([*range(5, 12), 18], p=[*[0.14] * 7, 0.02])
        kinds = (draw.normal(size=(levels, n)), draw.standard_t(2, (levels, n)), draw.binomial(50, 0.9, (levels, n)))
        scores = kinds[draw.integers(3)] + draw.choice([0, 1, 2]) * (np.arange(levels) == 0)[:, None]
        has = draw.random((levels, n)) < 0.95
        both = {(a, b): np.flatnonzero(has[a] & has[b]) for a, b in combinations(range(levels), 2)}
        yield [(keys.tolist(), scores[a, keys] - scores[b, keys]) for (a, b), keys in both.items() if len(keys)]


@pytest.mark.slow
def test_of_10_000_pairs_the_interval_excludes_0_where_the_adjusted_p_is_at_most_alpha():
    claimed = tested = 0
    for pairs in families(np.random.default_rng(3), 2300):
        for (_, d), found in zip(pairs, step_down(pairs, 0.05, len(pairs)), strict=True):
            low, high = found.interval
            assert (found.p_adjusted <= 0.05) == (low > 0 or high < 0) == (found.p <= found.level + 1e-12)
            assert low <= d.mean() <= high or math.isclose(low, high, abs_tol=1e-9)
            claimed, tested = claimed + (found.p_adjusted <= 0.05), tested + 1
    assert tested > 10_000
    assert 500 < claimed < tested - 500


def test_one_pair_is_tested_at_alpha_as_if_it_were_alone():
    d = np.array([3, 1, 4, 1, 5, -2])
    (found,) = step_down([(range(6), d)], 0.1, 1)
    assert (found.p, found.p_adjusted) == (sign_flip(d), sign_flip(d))
    assert found.interval == sign_flip_interval(d, 0.1)


def brute_step_down(columns):
    """Adjusted p of pairs on the same seeds: the smallest p that each sign vector would have given, step by step."""
    signs = np.array(list(product((1, -1), repeat=len(columns[0]))))
    p = [[np.mean(abs(signs @ d) >= abs(vector @ d)) for d in columns] for vector in signs]
    adjusted, largest = {}, 0.0
    order = sorted(range(len(columns)), key=lambda i: sign_flip(columns[i]))
    for step, pair in enumerate(order):
        smallest = [min(row[left] for left in order[step:]) for row in p]
        largest = max(largest, np.mean(np.array(smallest) <= sign_flip(columns[pair])))
        adjusted[pair] = largest
    return [adjusted[pair] for pair in range(len(columns))]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(-30, 30), min_size=6, max_size=6).map(np.array), min_size=1, max_size=4))
def test_the_adjusted_p_is_that_of_westfall_and_youngs_step_down_min_p(columns):
    found = step_down([(range(6), d) for d in columns], 0.05, len(columns))
    assert [one.p_adjusted for one in found] == pytest.approx(brute_step_down(columns))


def test_an_adjusted_p_is_never_above_that_of_holm():
    draw = np.random.default_rng(8)
    for _ in range(50):
        scores = draw.normal(size=(4, 9)) + draw.choice([0, 1], size=4)[:, None]
        pairs = [(range(9), scores[a] - scores[b]) for a, b in combinations(range(4), 2)]
        found = step_down(pairs, 0.05, len(pairs))
        holm = holm_levels(np.array([one.p for one in found]), 0.05, len(pairs))
        assert all(one.p_adjusted <= adjusted + 1e-12 for one, (adjusted, _) in zip(found, holm, strict=True))


def test_a_family_too_large_to_enumerate_is_adjusted_by_holm(monkeypatch):
    monkeypatch.setattr(paired_tests, "MOST_FLIPS", 0)
    d = np.array([5, 3, 4, 1, 5, 2, 7])
    found = step_down([(range(7), d), (range(7), d - 4)], 0.05, 3)
    assert [one.p_adjusted for one in found] == pytest.approx([3 * sign_flip(d), min(1, 2 * sign_flip(d - 4))])
    assert found[0].interval == sign_flip_interval(d, 0.05 / 3)


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
        found = step_down([(range(n), 1000.0 * (i - j) + np.zeros(n)) for i, j in pairs], alpha, len(pairs))
        p = np.array([one.p for one in found])
        assert all(one.p_adjusted <= alpha for one in found) or not passes
        assert (len(pairs) * p <= alpha).all() == passes  # however the pairs depend on each other


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
