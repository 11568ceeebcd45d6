"""Levels compared with copies of themselves: how often any is claimed to be ahead."""

import math
from itertools import combinations

import numpy as np
import pytest

from hpsearch.analysis.comparison.outcomes import Failures
from hpsearch.analysis.comparison.paired_scores import ComparisonFamily, PairedScores, measure
from hpsearch.analysis.comparison.verdict import ClaimKind, claims
from hpsearch.statistics.crossed_effects import crossed

ALPHA = 0.05
FAMILY = ComparisonFamily(3, ALPHA, None, None)


def paired(a, b, scores_a, scores_b):
    keys, whole = tuple(range(len(scores_a))), np.zeros(len(scores_a), dtype=bool)
    none = Failures(len(keys)), Failures(len(keys))
    return PairedScores(a, b, keys, 0, scores_a, scores_b, None, None, (whole, whole), none)


def normal(draw, n):
    seeds = draw.normal(size=n)
    return {level: seeds + draw.normal(size=n) for level in "abc"}


def heavy_tailed(draw, n):
    return {level: draw.standard_t(3, size=n) for level in "abc"}


def accuracy(draw, n):
    return {level: draw.binomial(500, 0.97, size=n) / 500 for level in "abc"}


def share_of_reports_with_a_claim(scores_of, n, reports):
    draw, pairs = np.random.default_rng(7), list(combinations("abc", 2))
    claimed = 0
    for _ in range(reports):
        scores = scores_of(draw, n)
        found = measure([paired(a, b, scores[a], scores[b]) for a, b in pairs], FAMILY)
        kinds = [claims(one.ci_sim, one.wider) for one in found]
        claimed += any(kind is not ClaimKind.NONE for kind in kinds)
    return claimed / reports


def most(share, reports):
    """The share and three of its standard errors."""
    return share + 3 * math.sqrt(share * (1 - share) / reports)


def test_three_equal_levels_are_told_apart_in_no_more_reports_than_alpha():
    assert share_of_reports_with_a_claim(accuracy, 8, 200) <= most(ALPHA, 200)


@pytest.mark.slow
@pytest.mark.parametrize("n", [7, 10, 12])
@pytest.mark.parametrize("scores_of", [normal, heavy_tailed, accuracy])
def test_three_equal_levels_are_told_apart_in_few_of_many_reports(scores_of, n):
    assert 0.002 < share_of_reports_with_a_claim(scores_of, n, 2000) <= most(ALPHA, 2000)


def test_levels_that_differ_are_told_apart():
    def apart(draw, n):
        return {level: draw.normal(5.0 * shift, 1, size=n) for shift, level in enumerate("abc")}

    assert share_of_reports_with_a_claim(apart, 8, 100) == 1


def share_covered(seeds, images, reports, *, seed_sd):
    """How often the crossed interval holds 0, for two levels that are equal over all seeds and images."""
    draw, covered = np.random.default_rng(11), 0
    for _ in range(reports):
        by_seed = draw.normal(0, seed_sd, (2, seeds, 1))
        by_image = 2 + 1.5 * draw.normal(size=images) + draw.normal(0, 0.7, (2, 1, images))
        correct = draw.logistic(size=(2, seeds, images)) < by_seed + by_image
        found = crossed(*correct, ALPHA)
        covered += found.low <= 0 <= found.high
    return covered / reports


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "images", "seed_sd"), [(5, 400, 0.1), (10, 1000, 0.1), (10, 1000, 0.5)])
def test_the_crossed_interval_covers_equal_levels(seeds, images, seed_sd):
    assert 0.91 < share_covered(seeds, images, 3000, seed_sd=seed_sd) < 0.985
