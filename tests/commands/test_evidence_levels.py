"""What levels differ in besides what is compared."""

from hpsearch.commands.evidence_levels import _factors, confounded
from hpsearch.config import Config
from tests.complete_config import config_tree
from tests.specifications import fingerprinted, stored_level

BASE = Config.from_tree(config_tree(optimizer="adam", training={"epochs": 20})).fingerprinted()


def frozen(**levels):
    """Levels by name, each with what it sets: `optimizer` is an option, `training.epochs` a value."""
    stored = [
        stored_level(
            name,
            options={key: value for key, value in told.items() if "." not in key},
            values={key: value for key, value in told.items() if "." in key},
            config=BASE,
        )
        for name, told in levels.items()
    ]
    return fingerprinted(config=BASE, levels=stored)


def test_levels_of_one_group_are_not_confounded():
    assert confounded(frozen(a={"optimizer": "sgd"}, b={"optimizer": "adam"}, c={"optimizer": "adagrad"})) == ()


def test_epochs_that_go_together_with_the_optimizer_are_named():
    levels = {"a": {"optimizer": "sgd", "training.epochs": 40}, "b": {"optimizer": "adam", "training.epochs": 20}}
    assert confounded(frozen(**levels)) == ("training.epochs",)


def test_epochs_that_a_level_leaves_as_they_are_are_those_of_the_sweep():
    assert confounded(frozen(a={"optimizer": "sgd", "training.epochs": 40}, b={"optimizer": "adam"})) == (
        "training.epochs",
    )
    assert confounded(frozen(a={"optimizer": "sgd", "training.epochs": 20}, b={"optimizer": "adam"})) == ()


def test_epochs_alone_may_be_compared():
    assert confounded(frozen(a={"training.epochs": 10}, b={"training.epochs": 20}, c={"training.epochs": 40})) == ()


def test_rows_that_meet_every_other_value_may_be_compared_as_a_second_factor():
    crossed = {
        f"{optimizer}-{rows}": {"optimizer": optimizer, "data.limit": rows}
        for optimizer in ("sgd", "adam")
        for rows in (300, 1000)
    }
    assert confounded(frozen(**crossed)) == ()
    del crossed["adam-1000"]
    assert confounded(frozen(**crossed)) == ("data.limit",)


def test_what_has_nothing_to_do_with_effort_may_go_together():
    levels = {"a": {"init": "he", "activation": "relu"}, "b": {"init": "xavier", "activation": "tanh"}}
    assert confounded(frozen(**levels)) == ()


def test_a_sweep_without_levels_is_not_confounded():
    assert confounded(frozen()) == ()


def factors_of(**levels):
    asked = frozen(**levels)
    return {level.name: _factors(asked, level) for level in asked.levels}


def test_levels_that_are_every_combination_of_two_settings_are_a_factorial_design():
    crossed = {
        f"{kind}-{rows}": {"regularization": kind, "data.limit": rows}
        for kind in ("none", "dropout")
        for rows in (300, 1000)
    }
    assert factors_of(**crossed) == {
        f"{kind}-{rows}": {"data.limit": rows, "regularization": kind}
        for kind in ("none", "dropout")
        for rows in ("300", "1000")
    }
    del crossed["none-300"]
    assert set(map(len, factors_of(**crossed).values())) == {0}


def test_levels_of_one_setting_have_no_factors():
    assert factors_of(a={"init": "he"}, b={"init": "xavier"}) == {"a": {}, "b": {}}
