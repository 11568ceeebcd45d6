"""Params of runs: every value under its own name, and under the one that it shares with those of other options."""

import pytest

from hpsearch.store.trial_config import common_axes, option_params, shared_name, stored_config


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lion"])
def test_the_learning_rate_of_any_optimizer_is_on_one_axis(optimizer, make_config):
    params = option_params(make_config(optimizer={"kind": optimizer, "lr": 0.125}))
    assert params["lr"] == params[f"optimizer.{optimizer}.lr"] == 0.125


def test_what_stands_for_two_things_has_no_shared_name(make_config):
    params = option_params(make_config(optimizer="momentum", norm="before"))
    assert params["optimizer.momentum.momentum"] == 0.9
    assert params["norm.before.momentum"] == 0.1
    assert "momentum" not in params


def test_what_is_null_has_no_shared_name(make_config):
    params = option_params(make_config(regularization="none"))
    assert params["regularization.none.max_norm"] is None
    assert "max_norm" not in params


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("optimizer.adam.lr", "lr"),
        ("optimizer.my_own_file.lr", "lr"),
        ("regularization.both.weight_decay", "weight_decay"),
        ("optimizer.rmsprop.alpha", None),  # ELU's, too
        ("model.mlp.width", None),  # of one model alone
        ("training.default.epochs", None),
        ("optimizer", None),
    ],
)
def test_a_name_is_shared_by_options_of_one_group(name, expected):
    assert shared_name(name) == expected


def test_drawn_values_of_several_options_are_one_column():
    names = ["model.mlp.width", "optimizer", "optimizer.adam.lr", "optimizer.sgd.lr", "regularization.dropout.dropout"]
    assert common_axes(names) == ["model.mlp.width", "optimizer", "lr", "regularization.dropout.dropout"]


def test_a_group_that_a_record_leaves_out_is_neutral_whatever_the_command_says(make_config):
    config, asked = make_config(augmentation="none"), make_config(augmentation={"kind": "shift", "shift": 0.1})
    assert "augmentation" not in config.fingerprinted()
    assert stored_config(config.fingerprinted(), asked) == config
