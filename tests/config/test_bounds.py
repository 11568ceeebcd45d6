"""A bound that stands beside a field makes the check, its message and the words of the help."""

from dataclasses import dataclass
from typing import Annotated

import pytest

from hpsearch.config import ConfigError
from hpsearch.config.bounds import AUTO, POSITIVE, at_least, check_bounds, each_at_least, meaning, within


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        (Annotated[float, POSITIVE, "learning rate"], "learning rate, > 0"),
        (Annotated[int | None, at_least(1), "passes; null: no end", AUTO], "passes, >= 1; null: no end"),
        (Annotated[float, within("[0, 1)"), "a share, {} and more"], "a share, in [0, 1) and more"),
        (Annotated[list[int], each_at_least(1), "units"], "units, each >= 1"),
        (Annotated[str, "the file"], "the file"),
        (Annotated[int, at_least(1)], ""),
        (int, ""),
    ],
)
def test_the_help_says_the_bound_after_what_the_key_means(hint, said):
    assert meaning(hint) == said


@pytest.mark.parametrize(("value", "kept"), [(-0.1, False), (0.0, True), (0.5, True), (1.0, False)])
def test_an_interval_holds_the_ends_that_its_brackets_include(value, kept):
    assert within("[0, 1)").holds(value) is kept


@dataclass
class Walk:
    steps: Annotated[int | None, at_least(1)]
    pace: Annotated[float | None, POSITIVE, AUTO] = None


@pytest.mark.parametrize(
    ("walk", "message"),
    [
        (Walk(steps=0), "walk.steps must be >= 1 or null, got 0"),
        (Walk(steps=None, pace=-1.0), "walk.pace must be > 0 and finite, got -1.0"),
    ],
)
def test_the_message_names_the_key_the_rule_and_the_value(walk, message):
    with pytest.raises(ConfigError) as refusal:
        check_bounds(walk, "walk.")
    assert refusal.value.problems == (message,)


def test_null_keeps_every_bound():
    check_bounds(Walk(steps=None), "walk.")
