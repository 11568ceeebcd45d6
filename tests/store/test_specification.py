"""When two comparisons put the same question, and what a later one judges by something else."""

import copy

import pytest

from hpsearch.config import Config
from hpsearch.store.specification import changes, judgement_of, overlaps, question_of
from tests.complete_config import config_tree

FROZEN = {
    "data": "d1",
    "config": Config.from_tree(config_tree(search={"delta": 0.01, "compare": "optimizer"})).fingerprinted(),
    "levels": [
        {"name": "sgd", "options": {"optimizer": "sgd"}, "values": {}},
        {"name": "adam", "options": {"optimizer": "adam"}, "values": {}},
    ],
    "space": {"optimizer.sgd": {"lr": {"low": 0.01, "high": 1.0}}},
}


def changed(path, value):
    tree = copy.deepcopy(FROZEN)
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return tree


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("config", "search", "delta"), 0.001),
        (("config", "search", "alpha"), 0.1),
        (("config", "search", "metric"), "macro_f1"),
        (("config", "search", "control"), "adam"),
        (("levels",), FROZEN["levels"][:1]),
        (("space",), {}),
        (("config", "optimizer", "lr"), 0.1),
        (("config", "options", "search"), "qmc"),
        (("config", "options", "optimizer"), "sgd"),
    ],
)
def test_judging_by_something_else_or_in_other_spaces_is_the_same_question(path, value):
    assert question_of(changed(path, value)) == question_of(FROZEN)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("data",), "d2"),
        (("config", "seed"), 1),
        (("config", "training", "epochs"), 6),
        (("levels",), [{"name": "he", "options": {"init": "he"}, "values": {}}]),
    ],
)
def test_other_rows_seeds_settings_or_groups_are_another_question(path, value):
    assert question_of(changed(path, value)) != question_of(FROZEN)


def test_what_is_judged_by_something_else_is_told_in_words():
    later = judgement_of(changed(("config", "search", "delta"), None))
    assert changes(judgement_of(FROZEN), later) == ["delta none instead of 0.01"]


def test_a_level_that_is_gone_is_told():
    assert changes(judgement_of(FROZEN), judgement_of(changed(("levels",), FROZEN["levels"][:1]))) == ["other levels"]


def test_the_same_judged_alike_has_no_changes():
    assert changes(judgement_of(FROZEN), judgement_of(changed(("space",), {}))) == []


def test_the_order_of_levels_changes_nothing():
    assert changes(judgement_of(FROZEN), judgement_of(changed(("levels",), FROZEN["levels"][::-1]))) == []


def of_values(key, *values):
    levels = [{"name": f"{value}", "options": {}, "values": {key: value}} for value in values]
    return {**FROZEN, "levels": levels}


def test_two_keys_of_one_group_are_two_questions():
    assert question_of(of_values("training.epochs", 5, 10)) != question_of(of_values("training.batch_size", 50, 100))


def test_what_a_level_sets_is_no_setting_of_the_question():
    later = of_values("training.epochs", 5, 10)
    later = {**later, "config": {**later["config"], "training": {**later["config"]["training"], "epochs": 99}}}
    assert question_of(later) == question_of(of_values("training.epochs", 5, 10))


def test_comparisons_overlap_where_they_share_a_pair():
    three, two, one = (judgement_of(of_values("training.epochs", *values)) for values in ((1, 2, 3), (2, 3), (3, 4)))
    assert overlaps(three, two)
    assert not overlaps(two, one)
