"""Trials whose values the user gives: which names and values are taken, and that other trials stay what they are."""

import pytest

from hpsearch.config import ConfigError
from hpsearch.search.checks import check_enqueued
from hpsearch.search.enqueued import given_values
from hpsearch.search.space import Choices, Composed, Range, Space
from tests.specifications import single_level_plan

LR = Range(low=1e-4, high=0.1, log=True, step=None, whole=False)
SPACE = Space(
    {"norm": ("none", "before"), "optimizer": ("sgd", "adam")},
    {
        "optimizer.sgd": {"lr": LR},
        "optimizer.adam": {"lr": LR, "beta1": Choices((0.8, 0.9))},
        "model.mlp": {
            "depth": Range(low=1, high=3, log=False, step=None, whole=True),
            "width": Range(low=16, high=64, log=False, step=16, whole=True),
            "widths": Choices(([4], [8, 8])),
        },
        "regularization.dropout": {"dropout": Range(low=0.0, high=0.5, log=False, step=0.1, whole=False)},
    },
)
CHOSEN = {"model": "mlp", "regularization": "dropout", "training": "default"}


def given(point):
    return given_values(point, SPACE, CHOSEN, "search.enqueue[0]")


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ({"optimizer": "adam", "optimizer.lr": 0.01}, {"optimizer": "adam", "optimizer.adam.lr": 0.01}),
        ({"optimizer": "adam", "optimizer.adam.beta1": 0.8}, {"optimizer": "adam", "optimizer.adam.beta1": 0.8}),
        ({"model.depth": 2}, {"model.mlp.depth": 2}),
        ({"model.mlp.width": 48.0}, {"model.mlp.width": 48}),
        ({"model.widths": [8, 8]}, {"model.mlp.widths": [8, 8]}),
        ({"regularization.dropout": 0.3}, {"regularization.dropout.dropout": 0.1 * 3}),
        ({"norm": "before"}, {"norm": "before"}),
        ({}, {}),
    ],
)
def test_values_are_given_by_short_or_whole_names(point, expected):
    assert given(point) == expected
    assert [type(value) for value in given(point).values()] == [type(value) for value in expected.values()]


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ({"optimizer.lr": 0.01}, "search.enqueue[0]: optimizer.lr needs its option beside it: optimizer: sgd or adam"),
        ({"optimizer.adam.lr": 0.01}, "search.enqueue[0]: optimizer.adam.lr needs optimizer: adam beside it"),
        (
            {"optimizer": "sgd", "optimizer.adam.lr": 0.01},
            "search.enqueue[0]: optimizer.adam.lr needs optimizer: adam beside it",
        ),
        ({"optimizer": "adam", "optimizer.lrr": 0.01}, "no trial draws optimizer.lrr: did you mean optimizer.lr or "),
        ({"training.epochs": 3}, "search.enqueue[0]: no trial draws training.epochs: "),
        (
            {"optimizer": "sgd", "optimizer.lr": 1.0},
            "optimizer.lr must be a number from 0.0001 to 0.1, got 1.0: widen search.space.optimizer.sgd.lr",
        ),
        ({"optimizer": "lion"}, "optimizer must be one of 'sgd', 'adam', got 'lion'"),
        ({"model.depth": 2.5}, "model.depth must be a whole number from 1 to 3, got 2.5"),
        ({"model.depth": True}, "model.depth must be a whole number from 1 to 3, got True"),
        ({"model.width": 20}, "model.width must be a whole number from 16 to 64 in steps of 16, got 20"),
    ],
)
def test_what_no_trial_draws_is_refused_with_the_way_out(point, expected):
    with pytest.raises(ConfigError) as refusal:
        given(point)
    assert expected in str(refusal.value)


def planned(make_config, kind, *enqueue, trials=6, space=SPACE):
    search = {"kind": kind, "trials": trials, "enqueue": list(enqueue)}
    base = Composed(make_config(regularization="dropout", search=search), {}, {})
    return single_level_plan(base, space, lambda _: base, "d" * 64)


def drawn(plan, trials=6):
    return [plan._sampler(plan.levels[0]).draw("-", k, CHOSEN) for k in range(trials)]


@pytest.mark.parametrize("kind", ["random", "qmc"])
def test_given_values_come_first_and_the_rest_is_drawn_as_without_them(make_config, kind):
    plain = drawn(planned(make_config, kind))
    point = {"optimizer": "adam", "optimizer.lr": 0.01}
    found = drawn(planned(make_config, kind, point, {"model.depth": 3}))
    assert (found[0]["optimizer"], found[0]["optimizer.adam.lr"]) == ("adam", 0.01)
    assert found[0].keys() - plain[0].keys() <= {"optimizer.adam.lr", "optimizer.adam.beta1"}
    assert found[1] == {**plain[1], "model.mlp.depth": 3}
    assert found[2:] == plain[2:]


def test_a_given_trial_does_not_depend_on_what_it_leaves_open_elsewhere(make_config):
    first, second = ({"model.depth": 1}, {"model.depth": 3})
    assert (
        drawn(planned(make_config, "random", first, second))[1] == drawn(planned(make_config, "random", {}, second))[1]
    )


def test_no_point_of_a_finite_space_is_drawn_again_that_was_given(make_config):
    space = Space({}, {"model.mlp": {"depth": Range(low=1, high=4, log=False, step=None, whole=True)}})
    for depth in range(1, 5):
        values = drawn(planned(make_config, "random", {"model.depth": depth}, space=space), 4)
        assert values[0] == {"model.mlp.depth": depth}
        assert sorted(value["model.mlp.depth"] for value in values) == [1, 2, 3, 4]


def test_another_list_is_another_sweep(make_config):
    one, other = (planned(make_config, "random", {"model.depth": depth}).fingerprinted() for depth in (1, 2))
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("enqueue", "expected"),
    [
        ([{"model.depth": 1}, {"model.depth": 1}], r"search.enqueue\[1\] must not repeat an earlier one"),
        (
            [{"model.depth": k} for k in (1, 2, 3)],
            "search.enqueue must not have more trials than search.trials=2, got 3",
        ),
        ([{"model.depth": 9}], r"search.enqueue\[0\]: model.depth must be a whole number from 1 to 3"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(make_config, enqueue, expected):
    config = make_config(regularization="dropout", search={"trials": 2, "enqueue": enqueue})
    with pytest.raises(ConfigError, match=expected):
        check_enqueued(config, SPACE)


@pytest.mark.parametrize("kind", ["tpe", "optuna"])
def test_a_search_that_learns_begins_after_the_given_trials(make_config, kind):
    search = {"kind": kind, "startup": 2, "enqueue": [{"model.depth": 1}] * 3}
    assert make_config(search=search).search.begins == 3
    assert make_config(search={"kind": kind, "startup": 2}).search.begins == 2
