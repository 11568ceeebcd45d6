"""Spaces: how many points they hold, what they are called, and what a drawn point makes of a configuration."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.config import ConfigError
from hpsearch.search.space import Choices, Composed, Range, Space, apply_values, option_space

LR = Range(low=0.001, high=0.1, log=True, step=None, whole=False)
DEPTH = Range(low=1, high=3, log=False, step=None, whole=True)


def first_of(name, dimension):
    """A draw that always takes the lower end."""
    del name
    return dimension.values[0] if isinstance(dimension, Choices) else dimension.low


@pytest.mark.parametrize(
    ("dimension", "size"),
    [
        (LR, math.inf),
        (Range(low=0.5, high=0.5, log=False, step=None, whole=False), 1),
        (DEPTH, 3),
        (Range(low=4, high=4, log=True, step=None, whole=True), 1),
        (Range(low=1, high=10, log=False, step=3, whole=True), 4),
        (Range(low=1, high=12, log=False, step=3, whole=True), 4),
        (Range(low=0.0, high=0.3, log=False, step=0.1, whole=False), 4),
        (Choices(("a", "b", None)), 3),
    ],
)
def test_a_dimension_knows_how_many_values_it_holds(dimension, size):
    assert dimension.size == size


@pytest.mark.parametrize(
    ("options", "dimensions", "size"),
    [
        ({}, {}, 1),
        ({}, {"model.mlp": {"depth": DEPTH, "width": Choices((8, 16))}}, 6),
        ({"optimizer": ("sgd", "adam")}, {}, 2),
        ({"optimizer": ("sgd", "adam")}, {"optimizer.sgd": {"lr": Choices((0.1, 0.2, 0.3))}}, 4),
        ({"optimizer": ("sgd", "adam"), "norm": ("none", "before", "after")}, {"model.mlp": {"depth": DEPTH}}, 18),
        ({"optimizer": ("sgd", "adam")}, {"optimizer.adam": {"lr": LR}}, math.inf),
    ],
)
def test_a_space_counts_its_distinct_points(options, dimensions, size):
    assert Space(options, dimensions).size == size


def test_the_names_of_values_carry_their_option():
    space = Space({"optimizer": ("sgd", "adam")}, {"optimizer.sgd": {"lr": LR}, "optimizer.adam": {"lr": LR}})
    assert space.names == ["optimizer", "optimizer.adam.lr", "optimizer.sgd.lr"]


def test_a_point_holds_the_values_of_its_own_options_only():
    space = Space(
        {"optimizer": ("sgd", "adam")},
        {"optimizer.sgd": {"lr": LR}, "optimizer.adam": {"lr": LR}, "model.mlp": {"depth": DEPTH}},
    )
    assert space.draw(first_of, {"model": "mlp"}) == {
        "optimizer": "sgd",
        "model.mlp.depth": 1,
        "optimizer.sgd.lr": 0.001,
    }


def test_a_drawn_value_is_put_into_its_option(make_config):
    config = apply_values(make_config(optimizer="sgd"), {"optimizer": "sgd", "optimizer.sgd.lr": 0.75})
    assert config.optimizer.lr == 0.75


def test_a_drawn_value_leaves_the_rest_as_it_is(make_config):
    before = make_config()
    after = apply_values(before, {"optimizer.adam.lr": 0.75, "model.mlp.depth": 4})
    expected = before.to_tree()
    expected["optimizer"]["lr"], expected["model"]["depth"] = 0.75, 4
    assert after.to_tree() == expected


def test_a_drawn_text_becomes_the_enum_member_of_its_key(make_config):
    config = apply_values(make_config(model="cnn"), {"model.cnn.pool": "avg", "model.cnn.filters": [3, 5]})
    assert (config.model.pool.name, config.model.filters) == ("AVERAGE", [3, 5])


def test_a_drawn_value_may_be_an_argument_of_a_users_model(make_config):
    before = make_config(model={"kind": "custom", "kwargs": {"heads": 2, "mode": "fast"}})
    assert apply_values(before, {"model.custom.heads": 8}).model.kwargs == {"heads": 8, "mode": "fast"}
    assert before.model.kwargs == {"heads": 2, "mode": "fast"}


def composed(config, **spaces):
    return Composed(config, spaces, {})


def test_a_space_is_typed_like_the_keys_that_it_varies(make_config):
    raw = {
        "depth": {"low": 1, "high": 3.0},
        "width": {"choices": [8, 16.0]},
    }
    found = option_space(composed(make_config(), model=raw), "model", {}, {})
    assert found == {"depth": DEPTH, "width": Choices((8, 16))}
    assert [type(value) for value in found["width"].values] == [int, int]


@pytest.mark.parametrize(
    ("bounds", "high"),
    [
        ({"low": 0.0, "high": 0.5, "step": 0.2}, 0.4),
        ({"low": 0.1, "high": 0.4, "step": 0.1}, 0.4),
        ({"low": 0.1, "high": 0.15, "step": 0.1}, 0.1),
    ],
)
def test_a_grid_ends_at_the_last_value_that_whole_steps_reach(make_config, bounds, high):
    config = composed(make_config(regularization="dropout"), regularization={"dropout": bounds})
    assert option_space(config, "regularization", {}, {})["dropout"].high == high


def test_a_grid_of_whole_numbers_ends_at_a_whole_number(make_config):
    raw = {"width": {"low": 16, "high": 100, "step": 16}}
    width = option_space(composed(make_config(), model=raw), "model", {}, {})["width"]
    assert (width.high, type(width.high), width.size) == (96, int, 6)


def test_a_fixed_name_is_not_drawn(make_config):
    raw = {"depth": {"low": 1, "high": 3}, "width": {"choices": [8]}}
    assert option_space(composed(make_config(), model=raw), "model", {}, {"depth": "model.depth"}).keys() == {"width"}


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"low": 1}, "must hold low and high, or choices; got low"),
        ({}, "must hold low and high, or choices; got nothing"),
        ({"low": 1, "high": 3, "log": "yes"}, "log must be true or false, got 'yes'"),
        ({"low": True, "high": 3}, "low must be a whole number, got True"),
        ({"choices": [{"a": 1}]}, "choices must hold single values or lists, got [{'a': 1}]"),
        ({"choices": 3}, "choices must be a list with at least one value, got 3"),
        (
            {"low": 0, "high": 3, "log": True},
            "got 0: raise it, or add search.space.model.mlp.depth.log=false",
        ),
        ({"low": 3, "high": 1}, "low must be <= high, got 3 and 1"),
        ({"low": -2, "high": 1}, "model.depth must be >= 0, got -2"),
        ({"low": 1, "high": 3, "step": -1}, "step must be > 0, got -1"),
        ({"low": 1, "high": 3, "step": 0.5}, "step must be a whole number or null, got 0.5"),
    ],
)
def test_a_wrong_entry_of_a_space_is_refused_by_name(make_config, bounds, message):
    with pytest.raises(ConfigError) as refusal:
        option_space(composed(make_config(), model={"depth": bounds}), "model", {}, {})
    (problem,) = refusal.value.problems
    assert problem.startswith("search.space.model.mlp.depth")
    assert problem.endswith(message)


def test_all_wrong_entries_are_reported_at_once(make_config):
    raw = {"depth": {"low": 3, "high": 1}, "width": {"choices": []}, "widht": {"choices": [1]}}
    with pytest.raises(ConfigError) as refusal:
        option_space(composed(make_config(), model=raw), "model", {}, {})
    assert len(refusal.value.problems) == 3


@given(st.floats(1e-6, 1.0), st.floats(1.0, 1e6), st.integers(1, 20))
def test_the_size_of_a_grid_is_the_number_of_its_points(low, width, points):
    step = width / points
    grid = Range(low=low, high=low + width, log=False, step=step, whole=False)
    assert grid.size == points + 1
