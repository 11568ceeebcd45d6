"""Choices that the next round goes without: what speaks for one, and how often chance alone drops any."""

import math

import numpy as np
import pytest
from scipy.stats import hypergeom

from hpsearch.analysis.exploration.trial_pool import trial_pool
from hpsearch.analysis.next_space import kept_choices
from hpsearch.metrics import MSE
from tests.analysis.searches import of_rows, trial

NAME = "optimizer"


def kept(drawn, scores=None, *, declared=None, inside=(), statuses=None):
    """What remains of the choices that trials drew; the earlier they come, the higher they score, unless given.

    `inside` are the places of trials that ranges are narrowed to; None stands for a trial that draws no choice.
    """
    scores = scores if scores is not None else -np.arange(len(drawn), dtype=float)
    rows = [
        trial(k, float(score), values={} if value is None else {NAME: value}, status=(statuses or {}).get(k, "ok"))
        for k, (value, score) in enumerate(zip(drawn, scores, strict=True))
    ]
    pool = trial_pool(of_rows(*rows, metric=MSE), "adam")
    declared = declared or sorted({value for value in drawn if value is not None})
    return kept_choices(declared, NAME, pool, np.isin(np.arange(len(pool)), inside))


@pytest.mark.parametrize("n", [3, 6, 9, 12])
@pytest.mark.parametrize("total", [18, 40])
def test_a_choice_is_dropped_where_chance_puts_all_of_its_trials_so_low_in_5_percent_of_rounds(n, total):
    for above in range(total - n + 1):
        drawn = ["good"] * above + ["bad"] * n + ["good"] * (total - n - above)
        by_chance = hypergeom.pmf(0, total, n, above)  # none of the n is among the highest
        assert ("bad" not in kept(drawn)) == (2 * by_chance <= 0.05)


def test_of_eighteen_trials_with_three_choices_six_must_lie_below_eight():
    low, high = ["x"] * 6, ["y", "z"] * 6
    assert kept([*high[:8], *low, *high[8:]]) == ["y", "z"]
    assert kept([*high[:7], *low, *high[7:]]) == ["x", "y", "z"]


def test_a_choice_stays_if_one_trial_that_has_it_is_among_those_that_ranges_are_narrowed_to():
    drawn = [*["y"] * 10, *["x"] * 10]
    assert kept(drawn) == ["y"]
    assert kept(drawn, inside=[0, 10]) == ["x", "y"]


def test_a_choice_that_nobody_drew_stays():
    assert kept(["x"] * 10 + ["y"] * 10, declared=["x", "y", "new"]) == ["x", "new"]


def test_trials_that_do_not_draw_the_value_say_nothing_about_it():
    assert kept([*[None] * 30, "x", "x", "x", "y", "y", "y"]) == ["x", "y"]


def test_a_tie_speaks_for_the_choice():
    drawn = [*["y"] * 10, *["x"] * 10]
    assert kept(drawn, [*[1.0] * 10, *[0.0] * 10]) == ["y"]
    assert kept(drawn, [1.0] * 20) == ["x", "y"]
    assert kept(drawn, [*[1.0] * 11, *[0.0] * 9]) == ["x", "y"]


def test_a_choice_that_diverges_is_dropped():
    drawn = [*["x", "y"] * 5]
    assert kept(drawn, [math.nan, 0.0] * 5, statuses=dict.fromkeys(range(0, 10, 2), "diverged")) == ["y"]


def test_where_all_diverged_every_choice_stays():
    assert kept(["x", "y"] * 10, statuses=dict.fromkeys(range(20), "diverged")) == ["x", "y"]


def test_stalled_trials_lie_below_all_others():
    drawn = [*["x"] * 5, *["y"] * 5]
    assert kept(drawn, statuses=dict.fromkeys(range(5), "stalled")) == ["y"]


def orders(sizes):
    """Every way in which the trials of the choices x, y … can be put in order."""
    if not any(sizes.values()):
        return [[]]
    left = [(name, sizes | {name: size - 1}) for name, size in sizes.items() if size]
    return [[name, *rest] for name, others in left for rest in orders(others)]


@pytest.mark.parametrize("sizes", [{"x": 6, "y": 6}, {"x": 8, "y": 4}, {"x": 3, "y": 3, "z": 3}])
def test_of_equally_good_choices_any_is_dropped_in_5_percent_of_all_rounds_at_the_most(sizes):
    every = orders(sizes)
    dropped = sum(len(kept(order)) < len(sizes) for order in every)
    assert 0 < dropped <= 0.05 * len(every)
