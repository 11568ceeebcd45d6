"""95 % intervals of test numbers."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hpsearch.statistics.intervals import bootstrap_interval, wilson

Z = NormalDist().inv_cdf(0.975)


@given(st.integers(1, 2000), st.data())
def test_the_interval_of_a_share_is_wilsons(n, data):
    hits = data.draw(st.integers(0, n))
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_interval_of_eighty_one_in_a_hundred_is_the_one_of_the_textbooks():
    low, high = wilson(81, 100)
    assert (round(low, 3), round(high, 3)) == (0.722, 0.875)


def test_the_bootstrap_of_a_mean_agrees_with_the_normal_interval_where_that_holds():
    values = np.random.default_rng(0).normal(5.0, 2.0, 400)
    found = bootstrap_interval(lambda index: float(values[index].mean()), 400)
    half = Z * values.std(ddof=1) / 20
    assert found == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_the_bootstrap_is_the_percentile_interval_of_scipy():
    x = np.random.default_rng(1).normal(size=60)
    y = x + np.random.default_rng(2).normal(size=60)
    expected = stats.bootstrap(
        (x, y),
        lambda a, b: stats.pearsonr(a, b)[0],
        paired=True,
        vectorized=False,
        n_resamples=1000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    found = bootstrap_interval(lambda index: float(np.corrcoef(x[index], y[index])[0, 1]), 60)
    assert found == pytest.approx((expected.low, expected.high), abs=0.05)


def test_the_interval_of_a_heavy_tail_of_squares_stays_above_zero():
    squares = np.array([0.01] * 29 + [100.0])  # mean - 1.96 SE is -3.2
    low, high = bootstrap_interval(lambda index: float(squares[index].mean()), 30)
    assert 0 < low < squares.mean() < high


def test_the_bootstrap_draws_the_same_rows_each_time():
    values = np.random.default_rng(0).normal(size=30)

    def of(seed):
        return bootstrap_interval(lambda index: float(values[index].mean()), 30, seed)

    assert of(1) == of(1) != of(2)


def test_a_single_row_has_no_interval():
    assert bootstrap_interval(np.mean, 1) == (None, None)
