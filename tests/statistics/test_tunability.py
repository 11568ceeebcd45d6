"""Good regions, isolation points, times to a target, and performance profiles, against worked examples."""

import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import stats

from hpsearch.statistics.bootstrap import curve_bands
from hpsearch.statistics.tunability import good_region, isolation, median_ratio, time_to_target

times = st.one_of(st.floats(0.5, 20), st.just(np.inf))


def test_the_good_region_has_a_share_and_the_range_of_each_parameter():
    report = np.array([0.9, 0.5, 0.88, -np.inf, 0.93])
    values = {
        "log_lr": np.array([-2.0, -5.0, -3.0, 0.0, -2.5]),
        "momentum": np.array([np.nan, 0.9, 0.5, np.nan, 0.7]),
        "never": np.full(5, np.nan),
    }
    found = good_region(report, values, threshold=0.88)
    assert (found.hits, found.n, found.share) == (3, 5, 0.6)
    interval = stats.binomtest(3, 5).proportion_ci(0.95, "wilson")
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.ranges == {"log_lr": (-3.0, -2.0), "momentum": (0.5, 0.7), "never": None}


def test_no_trial_is_good_enough():
    found = good_region(np.array([0.1, 0.2]), {"lr": np.array([1.0, 2.0])}, threshold=0.3)
    assert (found.share, found.low) == (0, 0)
    assert found.high > 0.5
    assert found.ranges == {"lr": None}


def test_isolation_points_give_every_bucket_the_budget_of_the_emptiest():
    val = np.array([0.1, 0.2, 0.3, 0.4, 0.9, 0.5])
    report = np.array([1.0, 2.0, 3.0, 4.0, 9.0, 5.0])
    first, second = isolation(val, report, np.array([3, 3, 3, 3, 7, 7]), seed=0)
    assert (first.bucket, first.n, first.m) == (3, 4, 2)
    assert first.estimate == pytest.approx((2 + 3 + 3 + 4 + 4 + 4) / 6)
    assert (second.bucket, second.n, second.m, second.estimate) == (7, 2, 2, 9.0)
    assert (first.low, first.high, second.low, second.high) == (None, None, None, None)


def test_a_full_bucket_does_not_win_by_its_number_of_trials():
    rng = np.random.default_rng(1)
    bucket = np.repeat([0, 1], [400, 20])
    points = [isolation(val, val, bucket, seed=0) for val in rng.random((40, 420))]
    difference = np.array([crowded.estimate - sparse.estimate for crowded, sparse in points])
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(40)


def test_an_isolation_point_has_an_interval_where_its_bucket_is_five_times_the_budget():
    rng = np.random.default_rng(2)
    val, report, bucket = rng.random(60), rng.random(60), np.repeat([0, 1], [50, 10])
    crowded, sparse = isolation(val, report, bucket, seed=3)
    low, high = curve_bands(val[:50], report[:50], [10], 0.05, seed=3)
    assert (crowded.low, crowded.high) == (low[0], high[0])
    assert (sparse.low, sparse.high) == (None, None)
    assert all(point.low < point.estimate < point.high for point in isolation(val, report, bucket, seed=3, m=2))


def test_a_bucket_that_does_not_hold_the_budget_is_refused():
    val = np.arange(6.0)
    with pytest.raises(ValueError, match=r"^budget k must be between 1 and the number of trials 2, got 3$"):
        isolation(val, val, np.array([0, 0, 0, 0, 1, 1]), seed=0, m=3)


def test_the_time_to_a_target_is_the_first_epoch_that_reaches_it():
    nan = np.nan
    curves = np.array([[0.1, 0.6, 0.4], [0.5, nan, nan], [0.2, nan, nan], [0.1, 0.2, 0.5]])
    found = time_to_target(curves, 0.5)
    assert found.epochs.tolist() == [2, 1, np.inf, 3]
    assert found.median == 2.5
    assert (found.hits, found.hit_rate) == (3, 0.75)
    interval = stats.binomtest(3, 4).proportion_ci(0.95, "wilson")
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_the_median_is_infinite_where_half_of_the_runs_miss():
    assert time_to_target(np.array([[0.9], [0.1]]), 0.5).median == np.inf
    assert time_to_target(np.array([[0.9], [0.1], [0.7]]), 0.5).median == 1


def test_paired_runs_have_a_ratio_of_medians_with_an_interval():
    slow = np.random.default_rng(3).integers(10, 30, size=41).astype(float)
    ratio, low, high = median_ratio(2 * slow, slow, seed=1)
    assert (ratio, low, high) == (2, 2, 2)  # pairs are drawn together
    unpaired = median_ratio(2 * slow, slow[::-1].copy(), seed=1)
    assert unpaired[1] < 2 < unpaired[2]
    assert median_ratio(slow, 2 * slow, seed=1) == (0.5, 0.5, 0.5)


def test_misses_stay_in_the_ratio_of_medians():
    hit, miss = np.full(9, 5.0), np.full(9, np.inf)
    assert median_ratio(miss, hit, seed=0) == (np.inf, np.inf, np.inf)
    assert median_ratio(hit, miss, seed=0) == (0, 0, 0)
    ratio, low, high = median_ratio(miss, miss, seed=0)
    assert np.isnan(ratio)
    assert (low, high) == (0, np.inf)
    with pytest.raises(ValueError, match=r"^times must be paired, got 9 and 4 runs$"):
        median_ratio(hit, miss[:4], seed=0)
