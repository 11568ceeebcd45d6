"""Shares of rows and runs."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hpsearch.statistics.intervals import wilson
from hpsearch.statistics.proportions import fisher, mcnemar, newcombe, retrained, reuse_half_width

shares = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(shares, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_interval_of_a_share_has_the_level_asked_for(share, level):
    theirs = stats.binomtest(*share).proportion_ci(level, method="wilson")
    assert wilson(*share, level) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((56, 70, 48, 80), (0.0524, 0.3339)), ((9, 10, 3, 10), (0.1705, 0.8090)), ((10, 10, 0, 10), (0.6075, 1.0))],
)
def test_a_difference_of_shares_has_the_interval_that_newcombe_printed(counts, expected):
    assert newcombe(*counts) == pytest.approx(expected, abs=5e-5)


@given(shares, shares)
def test_the_interval_of_a_difference_of_shares_mirrors_and_stays_within_one(a, b):
    low, high = newcombe(*a, *b)
    assert -1 <= low <= a[0] / a[1] - b[0] / b[1] <= high <= 1
    assert newcombe(*b, *a) == pytest.approx((-high, -low))
    assert high - low > 0


@given(shares, shares)
def test_fishers_p_is_the_share_of_tables_that_are_no_likelier(a, b):
    (hits_a, n_a), (hits_b, n_b) = a, b
    hits = hits_a + hits_b
    ways = {k: math.comb(n_a, k) * math.comb(n_b, hits - k) for k in range(max(0, hits - n_b), min(hits, n_a) + 1)}
    expected = sum(w for w in ways.values() if w <= ways[hits_a]) / sum(ways.values())
    assert fisher(*a, *b) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemars_p_is_that_of_fair_coins(b, c):
    assert mcnemar(b, c, 100).p == pytest.approx(stats.binomtest(b, b + c).pvalue if b + c else 1)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200))
def test_the_interval_of_two_models_is_walds_after_half_a_row_more_in_each_cell(b, c, agreeing):
    n = b + c + agreeing + 1
    table = np.array([agreeing + 1, b, c, 0]) + 0.5
    p = table / table.sum()
    se = math.sqrt((p[1] + p[2] - (p[1] - p[2]) ** 2) / table.sum())
    expected = np.clip([p[1] - p[2] - stats.norm.ppf(0.95) * se, p[1] - p[2] + stats.norm.ppf(0.95) * se], -1, 1)
    found = mcnemar(b, c, n, 0.1)
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert found.diff == pytest.approx((b - c) / n)


def test_two_models_that_agree_on_every_row_may_still_differ():
    found = mcnemar(0, 0, 100)
    assert (found.diff, found.p) == (0, 1)
    assert found.low < 0 < found.high


def test_the_interval_of_two_models_covers_a_true_difference():
    n, only_a, only_b = 30, 0.2, 0.1
    covered = 0.0
    for b, c in product(range(n + 1), repeat=2):
        if b + c <= n:
            found = mcnemar(b, c, n)
            chance = stats.multinomial.pmf([b, c, n - b - c], n, [only_a, only_b, 1 - only_a - only_b])
            covered += chance * (found.low <= only_a - only_b <= found.high)
    assert 0.94 < covered < 0.97


@pytest.mark.parametrize(("b", "c", "n"), [(-1, 0, 5), (3, 3, 5), (0, 0, 0)])
def test_rows_that_do_not_add_up_are_refused(b, c, n):
    with pytest.raises(ValueError, match=r"b \+ c <= n"):
        mcnemar(b, c, n)


@given(st.integers(1, 10**6), st.integers(1, 1000), st.sampled_from([0.05, 0.01]))
def test_a_test_set_used_again_has_the_width_at_which_all_misses_together_are_as_rare_as_alpha(n, m, alpha):
    assert m * 2 * math.exp(-2 * n * reuse_half_width(n, m, alpha) ** 2) == pytest.approx(alpha)


def test_ten_thousand_rows_opened_once_are_known_to_one_and_a_third_points():
    assert reuse_half_width(10_000, 1) == pytest.approx(0.01358, abs=5e-6)


def test_a_test_set_that_was_never_opened_has_no_width():
    with pytest.raises(ValueError, match="at least one row and one opening"):
        reuse_half_width(100, 0)


def test_more_retrained_models_make_one_error_smaller_and_not_the_other():
    few, many = np.array([0.97, 0.98, 0.99]), np.tile([0.97, 0.98, 0.99], 30)
    assert retrained(few, 1000).retrain_se == pytest.approx(0.01 / math.sqrt(3))
    assert retrained(many, 1000).retrain_se < 0.2 * retrained(few, 1000).retrain_se
    assert retrained(few, 1000).image_se == pytest.approx(retrained(many, 1000).image_se)
    assert retrained(few, 1000).image_se == pytest.approx(math.sqrt(0.98 * 0.02 / 1000))


def test_a_single_model_says_nothing_about_retraining():
    found = retrained(np.array([1.0]), 500)
    assert (found.mean, found.retrain_se, found.image_se) == (1, None, 0)
