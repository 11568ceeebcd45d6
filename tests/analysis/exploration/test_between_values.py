"""Levels against each other in the search: the probability of the highest score, and rankings that turn."""

import math
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from hpsearch.analysis.exploration import summary
from hpsearch.analysis.exploration.summary import best_probability, flips
from hpsearch.metrics import MSE
from tests.analysis.searches import of_rows, search, trial, with_rows

A = [(0.1, 0.2), (0.5, 0.4), (0.5, 0.8), (0.9, 0.6)]
B = [(0.2, 0.6), (0.3, 0.3), (0.7, 0.5), (0.8, 0.4)]


def levels(**pools):
    rows = [trial(k, val, report, name) for name, pairs in pools.items() for k, (val, report) in enumerate(pairs, 1)]
    return of_rows(*rows)


def reported(subset):
    """The report scores that a subset's selected trial may have, each as likely."""
    best = max(val for val, _ in subset)
    return [report for val, report in subset if val == best]


def enumerated(a, b, k):
    """Probability over all pairs of subsets of k trials that A's selected one scores higher, ties by half."""
    shares = []
    for first, second in product(combinations(a, k), combinations(b, k)):
        shares += [np.mean([(x > y) + (x == y) / 2 for x, y in product(reported(first), reported(second))])]
    return float(np.mean(shares))


def test_the_probabilities_are_those_over_all_subsets():
    found = best_probability(levels(a=A, b=B), seed=0)
    assert sorted(found) == [1, 2]
    for k, values in found.items():
        assert values.shape == (3, 2)
        assert values[0] == pytest.approx([enumerated(A, B, k), enumerated(B, A, k)])
        assert np.isnan(values[1:]).all()


def test_identical_levels_are_equally_probable_at_every_budget():
    one = search(n=40).trials
    evidence = of_rows(*one, *(replace(row, level="copy") for row in one))
    for values in best_probability(evidence, seed=0).values():
        assert values[0] == pytest.approx([0.5, 0.5])


def test_probabilities_sum_to_one_and_have_ends_up_to_a_fifth_of_the_smallest_level():
    evidence = search(("a", "b", "c"), n=60, tops=[0.9, 0.88, 0.9])
    fewer = replace(evidence, trials=tuple(row for row in evidence.trials if row.level != "b" or row.k <= 40))
    found = best_probability(fewer, seed=0)
    assert list(found) == [1, 2, 5, 8, 10, 20]
    for k, (estimate, low, high) in found.items():
        assert estimate.sum() == pytest.approx(1)
        if k <= 8:
            assert (low <= estimate).all()
            assert (estimate <= high).all()
        else:
            assert np.isnan([low, high]).all()


def test_without_report_rows_val_scores_judge():
    val_only = levels(a=[(v, math.nan) for v, _ in A], b=[(v, math.nan) for v, _ in B])
    judged = levels(a=[(v, v) for v, _ in A], b=[(v, v) for v, _ in B])
    for k, values in best_probability(val_only, seed=0).items():
        np.testing.assert_allclose(values[0], best_probability(judged, seed=0)[k][0])


def test_a_level_in_which_everything_diverged_is_never_ahead():
    rows = [trial(k, val, report, "a") for k, (val, report) in enumerate(A, 1)]
    rows += [trial(k, -math.inf, level="b", status="diverged") for k in range(1, 5)]
    found = best_probability(of_rows(*rows, metric=MSE, classes=0), seed=0)
    assert found[2][0] == pytest.approx([1, 0])


@pytest.mark.parametrize(
    "evidence",
    [
        levels(a=A),
        replace(levels(a=A, b=B), trials=levels(a=A).trials),
        of_rows(trial(1, 0.0, level="a", status="diverged"), trial(1, 0.0, level="b", status="diverged")),
        search(("a", "b"), sampler="tpe"),
        search(("a", "b"), pruner="halving"),
        with_rows(search(("a", "b")), trial(99, math.nan, level="b", status="pruned")),
    ],
    ids=["one level", "a level without trials", "nothing scored", "adaptive", "pruner", "pruned"],
)
def test_there_is_nothing_to_compare(evidence):
    assert best_probability(evidence, seed=0) == {}
    assert flips(evidence, seed=0) == ()


def turning(n=100, **changes):
    """A steady level and a wild one: at one trial the steady one is ahead, at twenty the wild one."""
    generator = np.random.default_rng(0)
    steady = generator.normal(0.7, 0.01, n)
    wild = generator.uniform(0.0, 0.9, n)
    rows = [
        trial(k, s, s, name)
        for name, scores in (("steady", steady), ("wild", wild))
        for k, s in enumerate(scores.tolist(), 1)
    ]
    return of_rows(*rows, **changes)


def test_a_ranking_that_turns_names_who_is_ahead_at_the_smaller_budget_first():
    (flip,) = flips(turning(), seed=0)
    assert (flip.a, flip.b, flip.small) == ("steady", "wild", 1)
    assert flip.large > 1
    estimate, low, high = flip.at_small
    assert 0 < low < estimate < high
    assert estimate == pytest.approx(0.7 - 0.45, abs=0.05)
    estimate, low, high = flip.at_large
    assert low < estimate < high < 0


def test_the_order_of_the_levels_does_not_turn_a_flip_around():
    evidence = turning()
    mirrored = replace(evidence, design=replace(evidence.design, levels=evidence.design.levels[::-1]))
    (flip,), (other,) = flips(evidence, seed=0), flips(mirrored, seed=0)
    assert (flip.a, flip.small, flip.large, flip.at_small[0]) == (other.a, other.small, other.large, other.at_small[0])


def test_levels_that_keep_their_order_have_no_flip():
    assert flips(search(("a", "b"), n=60, tops=[0.9, 0.7]), seed=0) == ()


def test_too_few_trials_have_no_flip():
    assert flips(turning(n=19), seed=0) == ()


def test_further_levels_make_the_intervals_of_a_flip_wider():
    evidence = turning()
    third = tuple(replace(row, level="low", val=row.val / 9, report=row.report / 9) for row in evidence.trials[:100])
    more = of_rows(*evidence.trials, *third)
    (flip,), (among,) = flips(evidence, seed=0), flips(more, seed=0)
    assert (among.a, among.b) == (flip.a, flip.b)
    assert among.at_small[2] - among.at_small[1] > flip.at_small[2] - flip.at_small[1]


def test_of_many_trials_the_same_flips_are_found(monkeypatch):
    evidence = turning()
    close = tuple(replace(row, level="close", val=row.val + 1e-6) for row in evidence.trials[:100])
    more = of_rows(*evidence.trials, *close)
    every = flips(more, seed=0)
    monkeypatch.setattr(summary, "MANY", 100)
    few = flips(more, seed=0)
    assert [(one.a, one.b, one.small, one.large) for one in few] == [
        (one.a, one.b, one.small, one.large) for one in every
    ]
    assert len(few) == 2


def test_a_regression_that_diverged_takes_no_part_in_flips():
    rows = turning(metric=MSE, classes=0).trials
    lost = replace(rows[0], status="diverged")
    assert flips(of_rows(lost, *rows[1:], metric=MSE, classes=0), seed=0) == ()
