"""Sweeps that share their trials stand in a leaderboard once, so that no claim pays for a copy."""

from dataclasses import replace

import pytest

from hpsearch.analysis.comparison.verdict import State
from hpsearch.analysis.leaderboard.standings import standings
from tests.analysis.leaderboard.test_standings import names, retried, sweep, three, trial


def configured(one, digest=None, **changes):
    """The sweep with a known configuration, its own name by default, as one of the name or design in `changes`."""
    name = changes.pop("name", one.name)
    recipes = {level: replace(recipe, configuration=digest or one.name) for level, recipe in one.recipes.items()}
    plan = replace(one.evidence.design, name=name, **changes)
    return replace(one, name=name, recipes=recipes, evidence=replace(one.evidence, design=plan))


def fewer(one, seeds):
    return replace(one, evidence=replace(one.evidence, confirm=one.evidence.confirm[:seeds]))


ONCE = [configured(one) for one in three()]
AGAIN = [configured(one, name=f"{one.name} again", delta=0.02) for one in three()]


def test_copies_of_all_sweeps_leave_as_many_entries_that_name_both():
    board = standings([*AGAIN, *ONCE])
    assert names(board) == ["high", "same", "low"]
    assert [set(entry.sweeps) for entry in board.entries] == [
        {name, f"{name} again"} for name in ("high", "same", "low")
    ]
    assert board.sweeps == ["high", "high again", "low", "low again", "same", "same again"]


def test_copies_cost_no_claim():
    alone = standings(ONCE)
    both = standings([*ONCE, *[replace(one, name=f"{one.name} again") for one in ONCE]])
    assert len(both.comparisons) == len(alone.comparisons) == 2
    assert [(one.p_adjusted, one.ci_sim, one.ci_images) for one in both.comparisons] == [
        (one.p_adjusted, one.ci_sim, one.ci_images) for one in alone.comparisons
    ]
    assert both.luck == alone.luck


def test_a_delta_that_a_copy_declares_counts():
    only = [configured(one, delta=0.2) for one in three()[:2]]
    assert standings(only).comparisons[0].state is State.EQUIVALENT
    strict = standings([*only, configured(three()[0], name="strict", delta=0.001)])
    assert len(strict.comparisons) == 1
    assert strict.comparisons[0].state is State.INCONCLUSIVE


@pytest.mark.parametrize("seeds", [0, 4])
def test_the_sweep_with_most_retrainings_stands_for_those_that_have_a_part_of_them(seeds):
    board = standings([fewer(configured(three()[0], name="a part"), seeds), *ONCE])
    assert names(board) == ["high", "same", "low"]
    assert (board.entries[0].seeds, board.entries[0].twins) == (10, (("a part", "-"),))


def test_a_sweep_that_was_not_begun_after_a_look_stands_for_one_that_was():
    late = configured(three()[0], name="a", exploratory="it was begun after a look")
    (first, *_) = standings([late, *ONCE]).entries
    assert (first.sweep, first.twins) == ("high", (("a", "-"),))


def other_retraining(one):
    return replace(one, evidence=replace(one.evidence, confirm=(
        replace(one.evidence.confirm[0], report=0.123), *one.evidence.confirm[1:])))  # fmt: skip


def other_rows_right(one):
    first, *rest = one.evidence.confirm
    return replace(one, evidence=replace(one.evidence, confirm=(replace(first, correct=~first.correct), *rest)))


def other_trial(one):
    return replace(one, evidence=replace(one.evidence, trials=(trial(1, 0.9, 0.931),)))


def other_configuration(one):
    return configured(one, "another")


def unknown_configuration(one):
    return replace(one, recipes={level: replace(each, configuration="") for level, each in one.recipes.items()})


@pytest.mark.parametrize(
    "change", [other_retraining, other_rows_right, other_trial, other_configuration, unknown_configuration]
)
def test_what_differs_stays_an_entry_of_its_own(change):
    board = standings([*ONCE, change(configured(three()[0], name="other"))])
    assert len(board.entries) == 4
    assert not any(entry.twins for entry in board.entries)


def test_levels_of_one_sweep_are_never_one_entry():
    one = retried("x", 0.9, three()[0].evidence.confirm[0].correct[None])
    levels = tuple(replace(one.evidence.design.levels[0], name=name) for name in "yz")
    evidence = replace(
        one.evidence,
        design=replace(one.evidence.design, levels=levels),
        trials=tuple(replace(row, level=name) for name in "yz" for row in one.evidence.trials),
        confirm=(),
    )
    recipes = {name: replace(one.recipes["-"], configuration="equal") for name in "yz"}
    assert names(standings([replace(one, evidence=evidence, recipes=recipes)])) == ["x / y", "x / z"]


def test_without_recipes_nothing_is_one():
    stalled = [sweep(name, trial(1, 0.9, 0.9, "stalled"), recipe=None) for name in "ab"]
    assert names(standings(stalled)) == ["a", "b"]
