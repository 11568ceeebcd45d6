"""Differences over folds and splits that share training rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hpsearch.statistics.corrected_resampling import corrected_interval, corrected_se

differences = st.lists(st.integers(-50, 50), min_size=2, max_size=12).map(lambda d: np.array(d) / 100)
spread_out = differences.filter(lambda d: np.ptp(d) > 0)


@pytest.mark.parametrize(("folds", "ratio"), [(5, 1.5), (10, math.sqrt(1 + 10 / 9)), (10_000, math.sqrt(2))])
def test_the_corrected_error_of_k_folds_exceeds_the_naive_one(folds, ratio):
    d = np.random.default_rng(0).normal(size=folds)
    assert corrected_se(d, 1, folds - 1) / stats.sem(d) == pytest.approx(ratio, rel=1e-4)


@given(spread_out, st.integers(1, 100), st.integers(1, 1000))
def test_no_number_of_splits_makes_the_error_smaller_than_their_overlap_does(d, n_val, n_train):
    for splits in (d, np.tile(d, 500)):
        assert corrected_se(splits, n_val, n_train) > splits.std(ddof=1) * math.sqrt(n_val / n_train)
        assert corrected_se(splits, n_val, n_train) > stats.sem(splits)


@given(spread_out)
def test_the_interval_is_the_naive_one_with_the_error_corrected(d):
    low, high = corrected_interval(d, 20, 80, 0.1)
    naive = stats.ttest_1samp(d, 0).confidence_interval(0.9)
    assert (low + high) / 2 == pytest.approx(d.mean(), abs=1e-12)
    assert (high - low) / (naive.high - naive.low) == pytest.approx(math.sqrt(1 + len(d) / 4))


def test_folds_that_agree_have_no_error():
    assert corrected_interval(np.full(5, 0.1), 1, 4, 0.05) == pytest.approx((0.1, 0.1))
    assert corrected_se(np.full(5, 0.1), 1, 4) == 0


@pytest.mark.parametrize(("d", "n_val"), [([0.1], 1), ([0.1, 0.2], 0)])
def test_one_fold_or_no_rows_are_refused(d, n_val):
    with pytest.raises(ValueError, match="2 differences and positive parts"):
        corrected_se(np.array(d), n_val, 4)


@pytest.mark.slow
@pytest.mark.parametrize("folds", [5, 10])
def test_the_corrected_test_keeps_its_level_under_the_correlation_it_presumes_and_the_naive_one_does_not(folds):
    draw, reports = np.random.default_rng(0), 40_000
    shared = draw.normal(0, math.sqrt(1 / folds), (reports, 1))  # a correlation of 1 / K between folds
    samples = shared + draw.normal(0, math.sqrt(1 - 1 / folds), (reports, folds))
    naive = (stats.ttest_1samp(samples, 0, axis=1).pvalue <= 0.05).mean()
    intervals = np.array([corrected_interval(d, 1, folds - 1, 0.05) for d in samples[:8000]])
    corrected = ((intervals > 0).all(axis=1) | (intervals < 0).all(axis=1)).mean()
    assert naive == pytest.approx({5: 0.138, 10: 0.154}[folds], abs=0.006)
    assert corrected == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 8000))
