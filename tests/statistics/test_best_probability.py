"""Which level is best at a budget, against enumeration of all winners and Mann & Whitney's U."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hpsearch.statistics.best_probability import prob_best

PROPERTY = settings(deadline=None, max_examples=50)

fifths = st.integers(0, 5).map(lambda i: i / 5)
pools = st.lists(st.tuples(fifths, fifths), min_size=2, max_size=4).map(lambda rows: tuple(np.array(rows).T))
"""`val` and `report` of a few trials, with many ties within and across levels."""


def winners(level, k):
    """Every outcome of a search with k trials, as (report score of the winner, probability)."""
    val, report = level
    subsets = list(combinations(range(len(val)), k))
    for subset in subsets:
        top = [i for i in subset if val[i] == max(val[j] for j in subset)]
        for i in top:
            yield report[i], 1 / (len(subsets) * len(top))


def enumerated(levels, k):
    """Shares of all combinations of outcomes in which each level has the highest score; a tie is split equally."""
    shares = np.zeros(len(levels))
    for outcome in product(*(list(winners(level, k)) for level in levels)):
        scores = np.array([score for score, _ in outcome])
        best = scores == scores.max()
        shares += best / best.sum() * np.prod([probability for _, probability in outcome])
    return shares


@PROPERTY
@given(st.lists(pools, min_size=1, max_size=3), st.integers(1, 2))
def test_the_probability_of_being_best_counts_all_outcomes(levels, k):
    np.testing.assert_allclose(prob_best(levels, k), enumerated(levels, k), atol=1e-12)


def test_five_levels_that_tie_at_one_score_share_it_equally():
    level = (np.array([0.1, 0.2]), np.array([0.5, 0.5]))
    lower = (np.array([0.1, 0.2]), np.array([0.5, 0.4]))
    assert prob_best([level] * 5, 2) == pytest.approx([0.2] * 5)
    assert prob_best([level, level, level, level, lower], 2) == pytest.approx([0.25] * 4 + [0.0])
    assert prob_best([level, level, level, level, lower], 1) == pytest.approx(enumerated([level] * 4 + [lower], 1))


@PROPERTY
@given(st.lists(pools, min_size=2, max_size=7), st.integers(1, 2))
def test_the_probabilities_of_all_levels_sum_to_one(levels, k):
    shares = prob_best(levels, k)
    assert shares.sum() == pytest.approx(1)
    assert (shares >= 0).all()


@PROPERTY
@given(pools, st.integers(1, 2), st.integers(2, 7))
def test_copies_of_a_level_are_equally_good(level, k, copies):
    assert prob_best([level] * copies, k) == pytest.approx([1 / copies] * copies)


@PROPERTY
@given(pools, pools)
def test_with_one_trial_it_is_the_share_of_pairs_won(a, b):
    u = stats.mannwhitneyu(a[1], b[1], method="asymptotic").statistic if len({*a[1], *b[1]}) > 1 else None
    expected = 0.5 if u is None else u / (len(a[1]) * len(b[1]))
    assert prob_best([a, b], 1) == pytest.approx([expected, 1 - expected])


@PROPERTY
@given(pools, pools, pools, st.integers(1, 2), st.randoms(use_true_random=False))
def test_neither_the_order_of_trials_nor_that_of_levels_matters(a, b, c, k, random):
    order = random.sample(range(len(a[0])), len(a[0]))
    shuffled = (a[0][order], a[1][order])
    assert prob_best([c, shuffled, b], k) == pytest.approx(prob_best([a, b, c], k)[[2, 0, 1]])


def test_many_levels_of_many_trials_sum_to_one():
    rng = np.random.default_rng(1)
    levels = [(rng.normal(size=n), rng.normal(size=n).round(digits)) for n, digits in ((300, 1), (200, 9), (250, 2))]
    for k in (1, 10, 40):
        assert prob_best([*levels, *levels[:2], *levels], k).sum() == pytest.approx(1, abs=1e-12)


def test_failed_trials_tie_with_each_other_and_lose_to_all_others():
    failed = (np.array([-np.inf, -np.inf]), np.array([-np.inf, -np.inf]))
    fine = (np.array([0.1, -np.inf]), np.array([0.0, -np.inf]))
    assert prob_best([failed, failed], 1) == pytest.approx([0.5, 0.5])
    assert prob_best([failed, fine], 1) == pytest.approx([0.25, 0.75])
    assert prob_best([failed, fine], 2) == pytest.approx([0, 1])


def test_scores_without_an_order_are_refused():
    fine, broken = np.array([0.1, 0.2]), np.array([0.1, np.nan])
    with pytest.raises(ValueError, match=r"^scores must be numbers"):
        prob_best([(fine, broken), (fine, fine)], 1)
