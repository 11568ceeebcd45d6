"""Two levels without common seeds."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hpsearch.analysis.unpaired import permutation_p, unpaired

runs = st.lists(st.integers(-20, 20), min_size=2, max_size=5).map(np.array)


@pytest.fixture
def two():
    draw = np.random.default_rng(2)
    return draw.normal(0.5, 1, 9), draw.normal(0, 2, 6)


def test_the_difference_of_means_has_the_interval_of_welch(two):
    a, b = two
    scipys = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.9)
    found = unpaired(a, b, 0.1)
    assert found.diff == pytest.approx(a.mean() - b.mean())
    assert found.ci == pytest.approx(tuple(scipys))


def test_the_probability_to_be_ahead_has_the_interval_of_brunner_and_munzel(two):
    a, b = two
    found = unpaired(a, b, 0.1)
    assert found.superiority == pytest.approx(stats.mannwhitneyu(a, b).statistic / 54)
    p = stats.brunnermunzel(a, b).pvalue
    near = unpaired(a, b, p).superiority_ci
    assert min(abs(end - 0.5) for end in near) == pytest.approx(0, abs=1e-9)  # the level at which it reaches 1/2
    assert found.superiority_ci[0] < found.superiority < found.superiority_ci[1]


@given(runs, runs)
def test_the_permutation_p_is_the_share_of_all_ways_to_deal_the_runs(a, b):
    pooled = [*a.tolist(), *b.tolist()]
    scaled = [len(b) * sum(deal) - len(a) * (sum(pooled) - sum(deal)) for deal in combinations(pooled, len(a))]
    observed = len(b) * sum(a.tolist()) - len(a) * sum(b.tolist())
    assert permutation_p(a / 7, b / 7) == sum(abs(x) >= abs(observed) for x in scaled) / len(scaled)


def test_many_runs_are_dealt_at_random():
    a, b = np.repeat([1.0, 0.0], [22, 8]), np.repeat([1.0, 0.0], [12, 13])
    hits = np.arange(9, 31)
    exact = stats.hypergeom.pmf(hits, 55, 34, 30)[abs(hits - 30 * 34 / 55) >= 22 - 30 * 34 / 55].sum()
    assert permutation_p(a, b) == pytest.approx(exact, abs=4 * math.sqrt(exact / 1e5))
    assert permutation_p(a, b, 1) == permutation_p(a, b, 1) != permutation_p(a, b, 2)


def test_a_random_p_counts_the_observed_deal_too():
    assert permutation_p(np.zeros(30), np.ones(30)) == 1 / 100_001


@given(runs, runs)
def test_the_other_way_round_is_the_mirror_image(a, b):
    here, there = unpaired(a, b, 0.05), unpaired(b, a, 0.05)
    assert there.p == here.p
    assert there.ci == pytest.approx((-here.ci[1], -here.ci[0]))
    assert there.superiority == pytest.approx(1 - here.superiority)
    if here.superiority_ci is not None:
        assert there.superiority_ci == pytest.approx((1 - here.superiority_ci[1], 1 - here.superiority_ci[0]))


@pytest.mark.parametrize("b", [[0.1, 0.2, 0.3], [0.9, 0.9, 0.9]])
def test_runs_that_do_not_overlap_say_nothing_about_how_sure_their_order_is(b):
    found = unpaired(np.full(3, 0.9), np.array(b), 0.05)
    assert found.superiority_ci is None
    assert found.superiority == (0.5 if b[0] == 0.9 else 1)


@pytest.mark.parametrize("a", [[0.9], [0.9, math.nan], [0.9, -math.inf]])
def test_too_few_runs_or_runs_without_a_score_are_refused(a):
    with pytest.raises(ValueError, match="at least two finite numbers"):
        unpaired(np.array(a), np.array([0.1, 0.2]), 0.05)
