"""Which level is ahead at a budget of trials: what bands must show, what is said, and for which budgets."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hpsearch.analysis.exploration.budget_comparison import compare_budgets
from hpsearch.metrics import MSE
from tests.analysis.searches import of_rows, search, trial

STEADY, WILD = 0.8 + 0.001 * np.arange(50), 0.015 * np.arange(50) + 0.2


def level(name, scores, cost=1e9):
    return [trial(k, float(score), float(score), name, cost=cost) for k, score in enumerate(scores, 1)]


def compared(*levels, **changes):
    return compare_budgets(of_rows(*(row for rows in levels for row in rows), **changes), seed=0)


def test_a_level_is_ahead_where_its_band_lies_above_another():
    found = compared(level("steady", STEADY), level("wild", WILD))
    assert [one.trials for one in found.budgets] == [1, 5, 10]
    first = found.budgets[0]
    assert [one.level for one in first.scores] == ["steady", "wild"]
    assert first.scores[0].score == pytest.approx(STEADY.mean())
    assert first.scores[1].score == pytest.approx(WILD.mean())
    assert [(lead.ahead.level, [one.level for one in lead.behind]) for lead in first.leads] == [("steady", ["wild"])]
    for budget in found.budgets:
        high, low = budget.scores
        assert bool(budget.leads) == (high.low > low.high)


def test_the_sentence_has_both_numbers_with_their_bands():
    first = compared(level("steady", STEADY), level("wild", WILD)).budgets[0]
    assert first.sentence.startswith("With 1 trial each, steady is ahead of wild: accuracy 0.8245 [0.8")
    assert " against 0.568 [0." in first.sentence


def test_equal_levels_are_not_told_apart():
    found = compared(level("a", STEADY), level("b", STEADY))
    assert not any(one.leads for one in found.budgets)
    assert found.sentence == (
        "In the search, no two optimizers can be told apart with 1, 5 or 10 trials each: their bands overlap."
    )


def test_of_several_that_are_behind_the_highest_is_told():
    levels = [level(name, STEADY - 0.15 * at) for at, name in enumerate("abcde")]
    found = compared(*levels)
    (lead,) = found.budgets[-1].leads
    assert (lead.ahead.level, [one.level for one in lead.behind]) == ("a", list("bcde"))
    assert ", a is ahead of b, c and 2 more: accuracy 0.8" in found.sentence
    assert "] against at most 0.6" in found.sentence
    assert found.sentence.endswith("] (b).")


def test_a_level_behind_the_second_alone_is_told_of_that_one():
    wide = np.append(np.full(44, 0.2), np.full(6, 1.0))  # its mean is the highest of the best of 10, and hardly known
    levels = level("wide", wide), level("narrow", STEADY - 0.1), level("low", STEADY - 0.3)
    last = compared(*levels).budgets[-1]
    assert last.scores[0].level == "narrow" or last.scores[0].low < last.scores[1].high
    assert [(lead.ahead.level, lead.behind[-1].level) for lead in last.leads][-1][1] == "low"


def test_bands_hold_together_and_so_are_wider_than_one_by_itself():
    two = compared(level("a", STEADY), level("b", STEADY)).budgets[0].scores[0]
    six = compared(*(level(name, STEADY) for name in "abcdef")).budgets[0].scores[0]
    alone = compared(level("a", STEADY)).budgets[0].scores[0]
    assert alone.high - alone.low < two.high - two.low < six.high - six.low


def test_where_costs_differ_budgets_are_equal_costs():
    found = compared(level("dear", STEADY, cost=2e9), level("cheap", WILD, cost=1e9))
    assert found.dearest == "dear"
    assert [[one.trials for one in sorted(budget.scores, key=lambda one: one.level)] for budget in found.budgets] == [
        [2, 1],
        [10, 5],
    ]
    assert found.budgets[0].sentence.startswith("For the cost of 1 trial of dear, ")
    assert " (2 trials)" in found.budgets[0].sentence


def test_a_level_by_itself_is_told_what_it_is_expected_to_score():
    found = compared(level("adam", STEADY))
    assert found.sentence.startswith(
        "In the search, with 10 trials, the selected one is expected to score accuracy 0.84"
    )


def test_too_few_trials_or_too_many_levels_are_not_compared():
    few = compared(level("a", STEADY[:19]), level("b", STEADY))
    assert few.budgets == ()
    assert few.sentence == "Nothing is said of budgets: that takes 20 trials of each option, and there are 19."
    many = compared(*(level(f"l{at}", STEADY) for at in range(13)))
    assert many.budgets == ()
    assert "bands of 13 optimizers that hold at once are too wide" in many.sentence


def test_trials_that_depend_on_each_other_are_no_budget():
    assert compared(level("a", STEADY), level("b", WILD), sampler="tpe") is None
    assert compare_budgets(replace(search(("a", "b")), trials=()), seed=0) is None


def test_losses_are_told_as_losses_and_a_level_that_diverged_takes_no_part():
    low, high = -0.1 - 0.001 * np.arange(50), -0.9 - 0.001 * np.arange(50)
    failed = [*level("failed", low)[1:], trial(99, -math.inf, -math.inf, "failed", status="diverged", cost=1e9)]
    found = compared(level("low", low), level("high", high), failed, metric=MSE, classes=0)
    assert "low is ahead of high: mse 0.1" in found.budgets[0].sentence
    assert " against 0.9" in found.budgets[0].sentence
    assert [one.level for one in found.budgets[0].scores] == ["low", "high"]


def test_scores_that_selected_are_called_optimistic():
    rows = [trial(k, float(score), level="a", cost=1e9) for k, score in enumerate(STEADY, 1)]
    rows += [trial(k, float(score), level="b", cost=1e9) for k, score in enumerate(STEADY - 0.3, 1)]
    assert compare_budgets(of_rows(*rows), seed=0).sentence.endswith(
        " These are scores that selected, which makes them optimistic."
    )
