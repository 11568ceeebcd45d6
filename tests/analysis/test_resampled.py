"""Differences over folds and splits that share training rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlxtend.evaluate import combined_ftest_5x2cv, paired_ttest_5x2cv
from scipy import stats

from hpsearch.analysis.resampled import corrected_interval, corrected_se, five_by_two_f, five_by_two_t, rope

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


@given(differences, st.floats(0, 0.5))
def test_the_posterior_is_a_probability_and_has_no_side(d, delta):
    found, mirrored = rope(d, 0.25, delta), rope(-d, 0.25, delta)
    assert min(found) >= 0
    assert sum(found) == pytest.approx(1)
    assert mirrored == pytest.approx(found[::-1])


def test_the_posterior_is_the_one_that_chance_draws():
    draw, d = np.random.default_rng(1), np.array([0.02, 0.01, 0.03, -0.01, 0.02])
    mean = d.mean() + 1.5 * stats.sem(d) * draw.standard_normal(200_000) / np.sqrt(draw.chisquare(4, 200_000) / 4)
    drawn = (mean < -0.01).mean(), (abs(mean) <= 0.01).mean(), (mean > 0.01).mean()
    assert rope(d, 1 / 4, 0.01) == pytest.approx(drawn, abs=0.005)


@pytest.mark.parametrize(("value", "expected"), [(-0.2, (1, 0, 0)), (0.05, (0, 1, 0)), (0.2, (0, 0, 1))])
def test_folds_that_agree_leave_no_doubt(value, expected):
    assert rope(np.full(5, value), 1 / 4, 0.1) == expected


def test_a_region_narrower_than_nothing_is_refused():
    with pytest.raises(ValueError, match="delta must be >= 0, got -1"):
        rope(np.array([0.1, 0.2]), 0.25, -1)


class Constant:
    """A fitted model that scores whatever is next in its list."""

    def __init__(self, scores):
        self.scores = iter(scores)
        self._estimator_type = "classifier"

    def fit(self, *_):
        return self


def mlxtends(test, d):
    """Statistic and p of mlxtend's test, on models whose scores differ by d."""
    a, b = Constant(d.ravel()), Constant(np.zeros(10))
    x, y = np.zeros((10, 1)), np.arange(10) % 2
    return test(a, b, x, y, scoring=lambda model, *_: next(model.scores), random_seed=1)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(five_by_two_t, paired_ttest_5x2cv), (five_by_two_f, combined_ftest_5x2cv)]
)
def test_five_by_two_is_that_of_mlxtend(ours, theirs):
    d = np.random.default_rng(3).normal(0.02, 0.02, (5, 2))
    assert ours(d) == pytest.approx(mlxtends(theirs, d))


@pytest.mark.parametrize("test", [five_by_two_t, five_by_two_f])
def test_halves_that_agree_leave_no_doubt(test):
    assert test(np.zeros((5, 2))) == (0, 1)
    assert test(np.full((5, 2), 0.1)) == (math.inf, 0)


def test_five_by_two_is_what_it_takes():
    with pytest.raises(ValueError, match=r"shape \(5, 2\), got \(2, 5\)"):
        five_by_two_f(np.zeros((2, 5)))


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
