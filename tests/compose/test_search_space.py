"""Which space a command line asks for."""

from dataclasses import replace

import pytest

from hpsearch.compose.composer import Composer
from hpsearch.search.space import Choices, Range

TUNED = "search.tune=[optimizer]"
CHOSEN = "search.choose.optimizer=[sgd,momentum,adam]"


ACTION = """\
# @package _global_
defaults:
  - override /data: digits
search:
  trials: 20
  choose:
    optimizer: [sgd, adam]
    regularization: [none, dropout]
  tune: [model, optimizer, regularization]
  space:
    model: {mlp: {width: {choices: [200, 400]}}}
    optimizer: {sgd: {lr: {low: 0.03}}, adam: {lr: {low: 0.003}, beta1: {choices: [0.8, 0.9]}}}
    regularization: {dropout: {dropout: {low: 0.1}}}
"""


@pytest.fixture(scope="module")
def acting(tmp_path_factory, planned):
    """The space of an action that chooses options, tunes groups and edits their spaces, with overrides."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "sweep").mkdir()
    (folder / "sweep" / "own.yaml").write_text(ACTION)
    return lambda *overrides: planned("+sweep=own", *overrides, config_dir=folder)


def test_a_bare_command_varies_nothing(planned):
    space = planned()
    assert (space.options, space.dimensions, space.names) == ({}, {}, [])


def test_tuning_a_group_samples_the_space_of_its_option(planned):
    assert planned(TUNED).dimensions == {
        "optimizer.adam": {"lr": Range(low=1e-4, high=0.1, log=True, step=None, whole=False)}
    }


def test_choosing_options_varies_the_group_and_keeps_their_order(planned):
    space = planned("search.choose.optimizer=[sgd,adam]", "search.choose.norm=[none,before]")
    assert space.options == {"optimizer": ("sgd", "adam"), "norm": ("none", "before")}
    assert space.dimensions == {}


def test_choosing_and_tuning_samples_the_space_of_each_option(planned):
    assert planned(TUNED, CHOSEN).names == [
        "optimizer",
        "optimizer.adam.lr",
        "optimizer.momentum.lr",
        "optimizer.momentum.momentum",
        "optimizer.sgd.lr",
    ]


def test_training_can_be_tuned(planned):
    assert planned("search.tune=[training]").dimensions == {
        "training.default": {"batch_size": Choices((32, 64, 100, 128, 256))}
    }


def test_an_option_without_a_space_has_no_dimensions(planned):
    assert planned("search.tune=[activation]").dimensions == {}


@pytest.mark.parametrize("prefix", ["", "+", "++"])
def test_a_given_value_leaves_the_space(planned, prefix):
    assert planned(TUNED, "optimizer=momentum", f"{prefix}optimizer.lr=0.1").names == ["optimizer.momentum.momentum"]


def test_a_given_value_leaves_the_space_of_every_option_that_has_it(planned):
    assert planned(TUNED, CHOSEN, "optimizer.lr=0.1").names == ["optimizer", "optimizer.momentum.momentum"]


def test_a_given_option_no_longer_varies(acting):
    space = acting("optimizer=adam")
    assert set(space.options) == {"regularization"}
    assert "optimizer.adam.lr" in space.names
    assert "optimizer.sgd.lr" not in space.names


def test_an_empty_list_stops_a_group_from_varying(acting):
    assert set(acting("search.choose.regularization=[]").options) == {"optimizer"}


def test_a_list_replaces_that_of_its_group_and_leaves_the_others(acting):
    space = acting("search.choose.optimizer=[rmsprop]")
    assert space.options == {"optimizer": ("rmsprop",), "regularization": ("none", "dropout")}


@pytest.mark.parametrize("given", ["optimizer.lr=0.1", "model.width=300", "regularization.dropout=0.3"])
def test_a_given_value_leaves_a_space_that_an_action_edits(acting, given):
    group, name = given.partition("=")[0].split(".")
    names = acting(given).names
    assert not [known for known in names if known.startswith(f"{group}.") and known.endswith(f".{name}")]


def test_an_action_may_edit_the_space_of_a_group_that_is_not_tuned_any_more(acting):
    assert acting("search.tune=[model]").dimensions.keys() == {"model.mlp"}


def test_a_bound_is_edited_in_every_chosen_option_that_has_it(planned):
    dimensions = planned(TUNED, CHOSEN, "optimizer.space.lr.low=0.01").dimensions
    lows = {option: names["lr"].low for option, names in dimensions.items()}
    highs = {option: names["lr"].high for option, names in dimensions.items()}
    assert lows == {"optimizer.sgd": 0.01, "optimizer.momentum": 0.01, "optimizer.adam": 0.01}
    assert highs == {"optimizer.sgd": 1.0, "optimizer.momentum": 0.3, "optimizer.adam": 0.1}


def test_options_that_lack_an_edited_name_stay_as_they_are(planned):
    dimensions = planned(TUNED, CHOSEN, "optimizer.space.momentum.choices=[0.5,0.9]").dimensions
    assert dimensions["optimizer.momentum"]["momentum"] == Choices((0.5, 0.9))
    assert set(dimensions["optimizer.sgd"]) == set(dimensions["optimizer.adam"]) == {"lr"}


def test_several_bounds_of_one_name_are_edited_together(planned):
    edited = planned(TUNED, "optimizer.space.lr.low=0.2", "optimizer.space.lr.high=0.4", "optimizer.space.lr.log=false")
    assert edited.dimensions["optimizer.adam"]["lr"] == Range(low=0.2, high=0.4, log=False, step=None, whole=False)


def test_a_whole_entry_may_be_given_at_once(planned):
    edited = planned(TUNED, "optimizer.space.lr={low: 0.1, high: 0.2, log: false, step: 0.05}")
    assert edited.dimensions["optimizer.adam"]["lr"] == Range(low=0.1, high=0.2, log=False, step=0.05, whole=False)


def test_choices_replace_a_range(planned):
    edited = planned(TUNED, "optimizer.space.lr.choices=[0.1,0.2]")
    assert edited.dimensions["optimizer.adam"]["lr"] == Choices((0.1, 0.2))


def test_a_range_replaces_choices(planned):
    edited = planned("search.tune=[model]", "model.space.width.low=10", "model.space.width.high=20")
    assert edited.dimensions["model.mlp"]["width"] == Range(low=10, high=20, log=False, step=None, whole=True)


def test_one_option_is_edited_by_its_own_name(planned):
    dimensions = planned(TUNED, CHOSEN, "search.space.optimizer.sgd.lr.high=0.5").dimensions
    assert (dimensions["optimizer.sgd"]["lr"].high, dimensions["optimizer.momentum"]["lr"].high) == (0.5, 0.3)


def test_an_edit_of_one_option_keeps_its_other_bounds(planned):
    dimensions = planned(TUNED, CHOSEN, "search.space.optimizer.sgd.lr.high=0.5").dimensions
    assert dimensions["optimizer.sgd"]["lr"] == Range(low=1e-3, high=0.5, log=True, step=None, whole=False)


def test_the_edit_of_a_group_wins_over_that_of_an_action(acting):
    dimensions = acting("model.space.width.choices=[7]").dimensions
    assert dimensions["model.mlp"]["width"] == Choices((7,))


def test_a_new_name_joins_the_space(planned):
    dimensions = planned(TUNED, "search.space.optimizer.adam.beta1.choices=[0.8,0.9]").dimensions
    assert set(dimensions["optimizer.adam"]) == {"lr", "beta1"}


def test_enum_values_and_lists_may_be_choices(planned):
    edited = planned(
        "search.tune=[model]",
        "model=cnn",
        "search.space.model.cnn.pool.choices=[max,avg]",
        "model.space.filters.choices=[[4],[8,8]]",
    ).dimensions["model.cnn"]
    assert edited["pool"] == Choices(("max", "avg"))
    assert edited["filters"] == Choices(([4], [8, 8]))


OWN_OPTIMIZER = ("optimizer=custom", "optimizer.import_path=users_optimizers:Momentum", "search.tune=[optimizer]")


def test_the_learning_rate_and_the_kwargs_of_a_users_optimizer_are_searched(planned):
    space = planned(*OWN_OPTIMIZER, "search.space.optimizer.custom.mu={low: 0.5, high: 0.9}", "search.trials=3")
    assert space.names == ["optimizer.custom.lr", "optimizer.custom.mu"]
    fixed = planned(*OWN_OPTIMIZER, "optimizer.lr=0.1", "optimizer.space.mu={low: 0.5, high: 0.9}", "search.trials=3")
    assert fixed.names == ["optimizer.custom.mu"]


def test_a_kwarg_of_a_users_optimizer_is_not_both_given_and_searched(planned, problems):
    space = "search.space.optimizer.custom.mu={low: 0.5, high: 0.9}"
    (problem,) = problems(planned, *OWN_OPTIMIZER, "optimizer.kwargs.mu=0.7", space)
    assert problem.startswith("optimizer.kwargs.mu is given a value and search.space.optimizer.custom.mu a space: drop")


def test_the_kwargs_of_a_users_model_are_searched_by_a_space_of_the_same_names(planned):
    dimensions = planned(
        "search.tune=[model]",
        "model=custom",
        "model.import_path=own:Net",
        "search.space.model.custom.heads.low=1",
        "search.space.model.custom.heads.high=4",
    ).dimensions
    assert dimensions["model.custom"]["heads"] == Range(low=1, high=4, log=False, step=None, whole=True)


OWN_MODEL = ("search.tune=[model]", "model=custom", "model.import_path=own:Net")


@pytest.mark.parametrize(
    "edit", [("model.space.heads={low: 1, high: 4}",), ("model.space.heads.low=1", "model.space.heads.high=4")]
)
def test_the_space_of_a_users_model_takes_any_name(planned, edit):
    dimensions = planned(*OWN_MODEL, *edit).dimensions
    assert dimensions == {"model.custom": {"heads": Range(low=1, high=4, log=False, step=None, whole=True)}}


@pytest.mark.parametrize("given", ["model.kwargs.heads=2", "model.kwargs={heads: 2}"])
def test_a_given_keyword_argument_of_a_users_model_leaves_its_space(planned, tmp_path, given):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(
        "kind: custom\nimport_path: own:Net\nkwargs: {}\n"
        "space:\n  heads: {choices: [1, 2]}\n  width: {choices: [3, 4]}\n"
    )
    found = planned("search.tune=[model]", "model=mine", given, config_dir=tmp_path).dimensions
    assert found["model.mine"].keys() == {"width"}


def test_given_widths_take_depth_and_width_out_of_the_space(planned):
    assert planned("search.tune=[model,optimizer]", "model.widths=[8,4]").dimensions.keys() == {"optimizer.adam"}


def test_searched_widths_take_the_place_of_depth_and_width(planned):
    dimensions = planned("search.tune=[model]", "search.space.model.mlp.widths.choices=[[8],[8,4]]").dimensions
    assert dimensions == {"model.mlp": {"widths": Choices(([8], [8, 4]))}}


def test_a_value_for_a_group_that_varies_goes_to_the_options_that_have_it():
    composer = Composer(["search.choose.optimizer=[sgd,momentum]", "optimizer.momentum=0.5", "optimizer.lr=0.2"])
    momentum = composer.compose({"optimizer": "momentum"}).config.optimizer
    sgd = composer.compose({"optimizer": "sgd"}).config.optimizer
    assert (momentum.momentum, momentum.lr, sgd.lr) == (0.5, 0.2, 0.2)
    assert not hasattr(sgd, "momentum")


ADAM_LR = Range(low=1e-6, high=1.0, log=True, step=None, whole=False)


@pytest.mark.parametrize(
    "override",
    ["search.space.optimizer.adam.lr={low: 1e-6, high: 1.0}", "optimizer.space.lr={low: 1e-6, high: 1.0}"],
)
def test_new_bounds_keep_the_logarithm_of_the_range(planned, override):
    assert planned(TUNED, override).dimensions["optimizer.adam"]["lr"] == ADAM_LR


def test_a_range_is_drawn_linearly_where_that_is_said(planned):
    space = planned(TUNED, "optimizer.space.lr={low: 1e-6, high: 1.0, log: false}")
    assert space.dimensions["optimizer.adam"]["lr"] == replace(ADAM_LR, log=False)


def test_the_sweep_of_the_readme_draws_learning_rates_by_their_logarithm(planned):
    rates = [names["lr"] for names in planned("+sweep=mnist").dimensions.values() if "lr" in names]
    assert [rate.log for rate in rates] == [True, True, True]


def test_a_range_takes_the_place_of_choices_that_a_file_has(acting):
    space = acting("search.space.model.mlp.width={low: 100, high: 400}")
    assert space.dimensions["model.mlp"]["width"] == Range(low=100, high=400, log=False, step=None, whole=True)


def test_choices_take_the_place_of_a_range_that_a_file_has(acting):
    space = acting("search.space.optimizer.sgd.lr.choices=[0.1,0.2]")
    assert space.dimensions["optimizer.sgd"]["lr"] == Choices((0.1, 0.2))


def test_a_value_that_no_space_ships_is_searched_by_the_key_of_its_group(planned):
    space = planned(TUNED, "optimizer.space.beta1={low: 0.8, high: 0.95}")
    assert space.dimensions["optimizer.adam"]["beta1"] == Range(low=0.8, high=0.95, log=False, step=None, whole=False)


def test_a_secret_is_not_searched_and_a_number_of_tokens_is(planned, problems):
    (refused,) = problems(planned, *OWN_MODEL, "model.space.api_key.choices=[hunter2, hunter3]")
    assert refused == (
        "search.space.model.custom.api_key looks like a secret and cannot be searched: drawn values are stored"
    )
    space = planned(*OWN_MODEL, "model.space.n_tokens.choices=[8, 16]", "model.space.n_pass.choices=[3, 7]")
    assert set(space.dimensions["model.custom"]) == {"n_tokens", "n_pass"}
