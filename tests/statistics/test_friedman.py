"""Ranks over data sets, beside scipy's test and Demšar's worked example."""

import math

import numpy as np
import pytest
from scipy import stats

from hpsearch.statistics.friedman import friedman, mean_ranks, nemenyi_difference


def test_the_highest_score_has_rank_one_and_ties_share_theirs():
    assert mean_ranks(np.array([[0.9, 0.8, 0.8], [0.7, 0.9, 0.5]])).tolist() == [1.5, 1.75, 2.75]


@pytest.mark.parametrize("digits", [6, 1])
def test_the_statistic_is_the_corrected_chi_square_of_scipy(digits):
    scores = np.random.default_rng(0).normal([0.0, 0.2, 0.4, 0.6], 1, (12, 4)).round(digits)
    chi2 = stats.friedmanchisquare(*scores.T).statistic
    found = friedman(scores)
    assert found.statistic == pytest.approx(11 * chi2 / (12 * 3 - chi2))
    assert found.p == pytest.approx(stats.f.sf(found.statistic, 3, 33))


def test_equal_scores_everywhere_are_no_difference():
    assert friedman(np.ones((10, 3))).p == 1


def test_data_sets_that_agree_on_the_order_leave_no_doubt():
    found = friedman(np.tile([0.3, 0.2, 0.1], (10, 1)))
    assert found.ranks.tolist() == [1, 2, 3]
    assert (found.statistic, found.p) == (math.inf, 0)


def test_the_critical_difference_is_that_of_demsar():
    """JMLR 2006, section 3.2.4: four classifiers on 14 data sets, q = 2.569, CD = 1.25."""
    assert nemenyi_difference(4, 14, 0.05) == pytest.approx(2.569 * math.sqrt(20 / 84), rel=1e-3)


@pytest.mark.parametrize("shape", [(1, 3), (5, 2)])
def test_too_few_ranks_are_refused(shape):
    with pytest.raises(ValueError, match="at least 2 data sets and 3 options"):
        friedman(np.ones(shape))
