"""Models on the sealed test rows: errors of their numbers, and two shipped models row by row."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.test_set_results import errors_of, repeated, shipped_pairs
from hpsearch.metrics import ACCURACY, CROSS_ENTROPY, MACRO_F1
from tests.analysis.evidences import clear, opened

RIGHT = np.arange(100) < 90


def shipped(opening, correct=RIGHT, weights="", **more):
    return replace(opened(opening), correct=correct, weights=weights or f"w{opening}", **more)


def errors(metric=ACCURACY, **more):
    row = replace(opened(1), value=0.9, n=100, **more)
    (found,) = errors_of(replace(clear(metric=metric), tests=(row,)))
    return found


# Errors


def test_the_error_of_images_is_that_of_a_share():
    assert errors().image_se == pytest.approx(math.sqrt(0.9 * 0.1 / 100))


def test_retrained_networks_have_a_mean_with_the_error_of_retraining_beside_that_of_images():
    found = errors(retrained=(0.88, 0.9, 0.95))
    assert (found.retrains, found.mean) == (3, pytest.approx(0.91))
    assert found.retrain_se == pytest.approx(stats.sem([0.88, 0.9, 0.95]))
    assert found.mean_image_se == pytest.approx(math.sqrt(0.91 * 0.09 / 100))


def test_a_single_retrained_network_has_no_spread():
    found = errors(retrained=(0.88,))
    assert (found.retrains, found.mean) == (1, 0.88)
    assert math.isnan(found.retrain_se)


def test_without_retrained_networks_there_is_no_mean():
    found = errors()
    assert found.retrains == 0
    assert all(math.isnan(value) for value in (found.mean, found.retrain_se, found.mean_image_se))


@pytest.mark.parametrize("missing", [math.nan, math.inf])
def test_a_retrained_network_without_a_value_is_counted_and_leaves_no_mean(missing):
    found = errors(metric=CROSS_ENTROPY, retrained=(0.3, missing, 0.4))
    assert found.retrains == 3
    assert math.isnan(found.mean)
    assert math.isnan(found.retrain_se)


@pytest.mark.parametrize("metric", [MACRO_F1, CROSS_ENTROPY], ids=str)
def test_what_is_no_share_of_rows_has_no_error_of_images(metric):
    found = errors(metric=metric, retrained=(0.3, 0.4))
    assert math.isnan(found.image_se)
    assert math.isnan(found.mean_image_se)
    assert found.mean == pytest.approx(0.35)


# Pairs


def test_two_shipped_models_are_compared_on_the_rows_that_only_one_has_right():
    other = RIGHT.copy()
    other[:7] = False
    other[97:] = True
    (pair,) = shipped_pairs([shipped(1), shipped(2, other)])
    assert (pair.first, pair.second, pair.only_first, pair.only_second, pair.n) == (1, 2, 7, 3, 100)
    assert pair.found.diff == pytest.approx(0.04)
    assert pair.found.p == pytest.approx(stats.binomtest(7, 10).pvalue)
    # Agresti & Min by hand: b' = 7.5, c' = 3.5, n' = 102
    centre, se = 4 / 102, math.sqrt(11 - 16 / 102) / 102
    assert (pair.found.low, pair.found.high) == pytest.approx((centre - 1.959964 * se, centre + 1.959964 * se))


@pytest.mark.slow
def test_the_p_of_two_shipped_models_is_that_of_statsmodels():
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    draw = np.random.default_rng(3)
    a, b = draw.random((2, 400)) < [[0.9], [0.86]]
    (pair,) = shipped_pairs([shipped(1, a), shipped(2, b)])
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    assert pair.found.p == pytest.approx(tables.mcnemar(table, exact=True).pvalue)


def test_pairs_are_in_the_order_of_the_openings():
    pairs = shipped_pairs([shipped(5), shipped(1), shipped(3)])
    assert [(pair.first, pair.second) for pair in pairs] == [(1, 3), (1, 5), (3, 5)]


def test_a_model_without_a_bitmap_is_in_no_pair():
    rows = [shipped(1), shipped(2, None), shipped(3)]
    assert [(pair.first, pair.second) for pair in shipped_pairs(rows)] == [(1, 3)]


def test_a_network_that_was_evaluated_twice_is_one_model():
    rows = [shipped(1, weights="a"), shipped(2, weights="a"), shipped(3, weights="b"), shipped(4, weights="a")]
    assert repeated(rows) == {2: 1, 4: 1}
    assert [(pair.first, pair.second) for pair in shipped_pairs(rows)] == [(1, 3)]


def test_models_whose_weights_are_not_known_are_different_models():
    rows = [replace(shipped(number), weights="") for number in (1, 2)]
    assert repeated(rows) == {}
    assert len(shipped_pairs(rows)) == 1


def test_findings_hold_the_errors_of_every_opening_and_every_pair():
    rows = (shipped(1, retrained=(0.9, 0.92)), shipped(2, ~RIGHT))
    found = analyse(replace(clear(), tests=rows))
    assert [(one.opening, one.retrains) for one in found.tested] == [(1, 2), (2, 0)]
    assert [(pair.only_first, pair.only_second) for pair in found.shipped] == [(90, 10)]
