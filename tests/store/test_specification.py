"""When two comparisons put the same question, and what a later one judges by something else."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hpsearch.config import Config
from hpsearch.store.specification import Fingerprinted, Specification, changes, judgement_of, overlaps, question_of
from tests.complete_config import config_tree
from tests.specifications import DIGITS, fingerprinted, specification, stored_level

FROZEN = fingerprinted(
    data="d1",
    config=Config.from_tree(config_tree(search={"delta": 0.01, "compare": "optimizer"})).fingerprinted(),
    levels=[stored_level(name, options={"optimizer": name}) for name in ("sgd", "adam")],
    space={"optimizer.sgd": {"lr": {"low": 0.01, "high": 1.0}}},
)


def changed(path, value):
    tree = copy.deepcopy(FROZEN.to_tree())
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return Fingerprinted.from_tree(tree)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("config", "search", "delta"), 0.001),
        (("config", "search", "alpha"), 0.1),
        (("config", "search", "metric"), "macro_f1"),
        (("config", "search", "control"), "adam"),
        (("levels",), FROZEN.to_tree()["levels"][:1]),
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
        (("levels",), [{"name": "he", "options": {"init": "he"}, "values": {}, "config": {}, "draws": []}]),
    ],
)
def test_other_rows_seeds_settings_or_groups_are_another_question(path, value):
    assert question_of(changed(path, value)) != question_of(FROZEN)


def test_what_is_judged_by_something_else_is_told_in_words():
    later = judgement_of(changed(("config", "search", "delta"), None))
    assert changes(judgement_of(FROZEN), later) == ["delta none instead of 0.01"]


def test_a_level_that_is_gone_is_told():
    assert changes(judgement_of(FROZEN), judgement_of(replace(FROZEN, levels=FROZEN.levels[:1]))) == ["other levels"]


def test_the_same_judged_alike_has_no_changes():
    assert changes(judgement_of(FROZEN), judgement_of(changed(("space",), {}))) == []


def test_the_order_of_levels_changes_nothing():
    assert changes(judgement_of(FROZEN), judgement_of(replace(FROZEN, levels=FROZEN.levels[::-1]))) == []


def of_values(key, *values):
    return replace(FROZEN, levels=[stored_level(f"{value}", values={key: value}) for value in values])


def test_two_keys_of_one_group_are_two_questions():
    assert question_of(of_values("training.epochs", 5, 10)) != question_of(of_values("training.batch_size", 50, 100))


def test_what_a_level_sets_is_no_setting_of_the_question():
    later = of_values("training.epochs", 5, 10)
    later = replace(later, config={**later.config, "training": {**later.config["training"], "epochs": 99}})
    assert question_of(later) == question_of(of_values("training.epochs", 5, 10))


def test_comparisons_overlap_where_they_share_a_pair():
    three, two, one = (judgement_of(of_values("training.epochs", *values)) for values in ((1, 2, 3), (2, 3), (3, 4)))
    assert overlaps(three, two)
    assert not overlaps(two, one)


GOLDEN = sorted(Path(__file__).parents[1].glob("golden/expected/*/mlruns/sweeps/*/sweep.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_what_a_sweep_json_holds_is_written_as_it_was_read(path):
    body = json.loads(path.read_text())["body"]
    assert json.loads(json.dumps(Specification.from_tree(body).to_tree())) == body


def test_what_says_nothing_is_left_out_but_not_a_zero():
    tree = specification(data=replace(DIGITS, input_second_moment=0.0, outputs=10)).to_tree()
    assert tree["data"] == {
        "name": "digits", "development_rows": 1438, "targets": "10 classes", "test": None,
        "outputs": 10, "input_second_moment": 0.0,
    }  # fmt: skip
    assert not {"levels", "code", "device"} & {*tree, *tree["specification"]}


@pytest.mark.parametrize("key", ["name", "started_by", "specification", "data", "created_ms"])
def test_a_sweep_json_that_lacks_a_key_is_refused_by_its_name(key):
    tree = specification().to_tree()
    del tree[key]
    with pytest.raises(ValueError, match=f"^without {key}$"):
        Specification.from_tree(tree)


def test_keys_of_a_later_version_are_passed_over():
    assert Specification.from_tree({**specification().to_tree(), "later": 1}) == specification()
