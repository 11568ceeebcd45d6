"""From a command line to the levels of a comparison: which there are, what each draws, and what is refused."""

import functools

import pytest

from hpsearch.compose.comparison import on_each_data_set, plan_levels
from hpsearch.compose.composer import Composer
from hpsearch.config import ConfigError
from hpsearch.search.plan import Plan

SLOW = pytest.mark.slow
COMPARE = ("search.compare=optimizer", "search.choose.optimizer=[sgd,adam,momentum]", "search.tune=[optimizer]")


def levels_of(*overrides, config_dir=None):
    composer = Composer(overrides, config_dir)
    return plan_levels(composer, composer.compose())


def refusal(*overrides):
    with pytest.raises(ConfigError) as refused:
        levels_of(*overrides)
    return str(refused.value)


def test_a_sweep_that_compares_nothing_has_one_level():
    assert [level.name for level in levels_of("search.tune=[optimizer]")] == ["-"]


def test_the_options_of_a_compared_group_are_levels_with_spaces_of_their_own():
    levels = levels_of(*COMPARE)
    assert [level.name for level in levels] == ["sgd", "adam", "momentum"]
    assert [level.base.config.optimizer.kind for level in levels] == ["sgd", "adam", "momentum"]
    assert levels[0].space.names == ["optimizer.sgd.lr"]
    assert levels[2].space.names == ["optimizer.momentum.lr", "optimizer.momentum.momentum"]


def test_without_a_list_every_option_of_the_group_is_a_level():
    names = [level.name for level in levels_of("search.compare=norm", "search.tune=[optimizer]")]
    assert names == ["after", "before", "none"]


def test_named_levels_set_options_and_values_and_what_they_set_is_not_drawn():
    named = "search.levels={small: {init: normal, init.std: 0.5}, slow: {optimizer: sgd, optimizer.lr: 0.25}}"
    small, slow = levels_of(named, "search.tune=[optimizer,init]")
    assert (small.base.config.init.kind, small.base.config.init.std) == ("normal", 0.5)
    assert small.space.names == ["optimizer.adam.lr"]
    assert (slow.base.config.optimizer.kind, slow.base.config.optimizer.lr) == ("sgd", 0.25)
    assert slow.space.names == ["init.he.gain"]


def test_the_training_rows_may_be_a_level():
    few, many = levels_of("search.levels={few: {data.limit: 300}, many: {data.limit: 1000}}", "search.tune=[optimizer]")
    assert [level.base.config.data.limit for level in (few, many)] == [300, 1000]


def test_crossed_groups_make_a_factorial():
    levels = levels_of(
        "search.cross=[norm,init]",
        "search.choose.norm=[none,before]",
        "search.choose.init=[he,xavier]",
        "search.tune=[optimizer]",
    )
    assert [level.name for level in levels] == ["none+he", "none+xavier", "before+he", "before+xavier"]
    assert levels[3].base.config.norm.kind == "before"
    assert levels[3].base.config.options["init"] == "xavier"


def test_an_edit_of_one_levels_space_leaves_the_others():
    sgd, adam, _ = levels_of(*COMPARE, "search.space.optimizer.sgd.lr.high=0.5")
    assert sgd.space.dimensions["optimizer.sgd"]["lr"].high == 0.5
    assert adam.space.dimensions["optimizer.adam"]["lr"].high == 0.1


def test_an_edit_of_the_compared_groups_space_reaches_every_level_that_has_the_name():
    sgd, _, momentum = levels_of(*COMPARE, "optimizer.space.momentum.choices=[0.5,0.7]")
    assert momentum.space.dimensions["optimizer.momentum"]["momentum"].values == (0.5, 0.7)
    assert sgd.space.names == ["optimizer.sgd.lr"]


def test_an_edit_of_a_name_that_a_level_draws_leaves_those_that_have_it_and_do_not_draw_it():
    shift, noise = levels_of(
        "search.compare=augmentation",
        "search.choose.augmentation=[shift,noise]",
        "search.tune=[augmentation]",
        "augmentation.space.shift.high=0.3",
    )
    assert shift.space.dimensions["augmentation.shift"]["shift"].high == 0.3
    assert noise.space.names == ["augmentation.noise.noise"]


@pytest.mark.parametrize(
    ("overrides", "control"),
    [
        (COMPARE, "adam"),  # the default optimizer
        (("search.compare=optimizer",), "adam"),
        (("search.compare=optimizer", "search.choose.optimizer=[sgd,momentum]"), None),
        ((*COMPARE, "search.control=sgd"), "sgd"),
        ((*COMPARE, "search.control=null"), None),
        (("search.compare=loss", "data=diabetes"), "mse"),  # the data set's own
        (("search.cross=[norm,init]",), None),
        (("search.levels={a: {optimizer: sgd}, adam: {optimizer: adam}}",), None),
        ((), None),
        (("+sweep=optimizers",), "adam"),
        (("+sweep=initializers",), "he"),
        (("+sweep=activations",), "relu_he"),
        (("+sweep=losses",), "cross_entropy"),
        (("+sweep=batchnorm",), None),
        (("+sweep=regularization",), None),
    ],
)
def test_levels_are_compared_with_the_default_option_where_it_is_one_of_them(overrides, control):
    assert Composer(overrides).compose().config.search.control == control


def test_every_level_of_a_sweep_has_the_control_of_the_sweep():
    assert {level.base.config.search.control for level in levels_of(*COMPARE)} == {"adam"}


def test_a_value_that_some_levels_have_goes_to_those():
    sgd, _, momentum = levels_of(*COMPARE, "optimizer.momentum=0.8")
    assert momentum.base.config.optimizer.momentum == 0.8
    assert momentum.space.names == ["optimizer.momentum.lr"]
    assert sgd.space.names == ["optimizer.sgd.lr"]


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ((*COMPARE, "optimizer=adam"), "optimizer=adam contradicts search.compare, which compares optimizer"),
        ((*COMPARE, "optimizer.nix=1"), "optimizer.nix is not a key of any level of optimizer"),
        (("search.compare=optimiser",), "optimiser is no group that can be compared: did you mean optimizer?"),
        (("search.compare=data",), "data is no group that can be compared"),
        ((*COMPARE, "search.cross=[norm,init]"), "search.compare and search.cross both say what is compared"),
        (("search.cross=[norm]",), "search.cross must name two groups or more"),
        (
            ("search.compare=optimizer", "search.choose.optimizer=[sgd,adm]"),
            "adm is not an option: did you mean adam",
        ),
        (("search.compare=optimizer", "search.choose.optimizer=[sgd]"), "needs at least two levels, got 'sgd' alone"),
        (("search.levels={a: {optimizer: sgd}, b: {optimizer: sdg}}",), "optimizer=sdg is not an option: did you mean"),
        (("search.levels={a: 3, b: {optimizer: sgd}}",), "search.levels.a must hold options and values, got 3"),
        (("search.levels={a: {optimizer: sgd}, b: {optimizer: sgd}}",), "a and b are the same configuration"),
        (("search.levels={a: {optimizer.lr: 0.1}, b: {optimizer.lr: fast}}",), "optimizer.lr must be a number"),
        (
            ("search.levels={a: {optimizer.lr: 0.1}, b: {tracking.uri: x}}",),
            "tracking is no group that can be compared",
        ),
        (
            ("search.levels={a: {optimizer.lr: 0.1}, b: {init: he}}", "optimizer.lr=0.2"),
            "optimizer.lr is given a value and search.levels.a another",
        ),
        ((*COMPARE, "search.control=sdg"), "search.control=sdg is not a level: did you mean sgd?"),
        (
            ("search.levels={a: {data.packaged: always}, b: {data.packaged: never}}",),
            "data.packaged changes the rows: of data only data.limit is compared",
        ),
        (("search.control=sgd",), "search.control has no effect where nothing is compared"),
        (("search.delta=0.1",), "search.delta has no effect where nothing is compared"),
        ((*COMPARE, "search.delta=-1"), "search.delta must be > 0 and finite, got -1"),
        ((*COMPARE, "search.alpha=1"), "search.alpha must lie between 0 and 1, got 1"),
        ((*COMPARE, "search.pruner=halving"), "search.compare needs trials that do not depend on each other"),
        ((*COMPARE, "search=tpe"), "search.compare needs trials that do not depend on each other, and search=tpe"),
        ((*COMPARE, "optimizer.space.nix.low=1"), "no chosen option has nix"),
        ((*COMPARE, "search.space.optimizer.rmsprop.lr.low=1e-4"), "no trial takes optimizer=rmsprop"),
        (("search.compare=norm", "model=linear"), "search.compare of norm has no effect on model=linear"),
    ],
)
def test_a_comparison_that_contradicts_itself_is_refused_with_the_key(overrides, sentence):
    assert sentence in refusal(*overrides)


@functools.cache
def planned(*overrides):
    composer = Composer(overrides)
    base = composer.compose()
    return Plan(base, plan_levels(composer, base), "0" * 64)


def test_each_level_has_the_default_recipe_as_trial_0_and_draws_from_1_on():
    plan = planned(*COMPARE)
    assert plan.keys(1) == [("sgd", 0), ("adam", 0), ("momentum", 0), ("sgd", 1), ("adam", 1), ("momentum", 1)]
    default, drawn = plan.trial(("adam", 0)), plan.trial(("adam", 1))
    assert (default.values, default.config.optimizer.lr) == ({}, 0.001)
    assert drawn.values == {"optimizer.adam.lr": drawn.config.optimizer.lr}
    assert drawn.config.optimizer.lr != 0.001


def test_a_levels_trials_do_not_depend_on_which_other_levels_there_are():
    few = planned("search.compare=optimizer", "search.choose.optimizer=[sgd,adam]", "search.tune=[optimizer]")
    draws = [[plan.trial(("adam", k)).values for k in range(1, 6)] for plan in (planned(*COMPARE), few)]
    assert draws[0] == draws[1]


def test_the_first_draw_of_a_quasi_random_level_is_the_first_point_of_its_sequence():
    plan = planned(*COMPARE, "search=qmc")
    alone = planned("search=qmc", "optimizer=adam", "search.tune=[optimizer]")
    rates = [plan.trial(("adam", k)).values["optimizer.adam.lr"] for k in range(1, 5)]
    assert len({*rates}) == 4
    quarters = sorted(rate for rate in rates)
    assert quarters[0] < 10**-3.25 < quarters[1] < 10**-2.5 < quarters[2] < 10**-1.75 < quarters[3]
    assert alone.keys(2) == [("-", 0), ("-", 1)]


def test_the_specification_of_a_comparison_names_its_levels():
    levels = planned(*COMPARE).fingerprinted().levels
    assert [level.name for level in levels] == ["sgd", "adam", "momentum"]
    assert next(level.draws for level in levels) == ["optimizer.sgd.lr"]
    assert "levels" not in planned("search.tune=[optimizer]").fingerprinted().to_tree()


@pytest.mark.parametrize(
    "name",
    [
        *("batchnorm", "losses"),
        *(pytest.param(each, marks=SLOW) for each in ("optimizers", "initializers", "regularization", "activations")),
    ],
)
def test_the_comparisons_that_come_along_can_be_planned(name):
    plan = planned(f"+sweep={name}")
    assert len(plan.levels) >= 3
    assert all(level.space.names for level in plan.levels)


def on_each(*overrides):
    composer = Composer(overrides)
    return on_each_data_set(composer, composer.compose())


def test_a_comparison_on_several_data_sets_is_a_sweep_of_each():
    name, commands = on_each("+sweep=optimizers", "search.datasets=[digits,xor]", "seed=3")
    assert name == "optimizers"
    assert commands["xor"].overrides == (
        "+sweep=optimizers", "seed=3", "search.datasets=[]", "data=xor", "name=optimizers-xor",
    )  # fmt: skip
    assert (
        on_each(*COMPARE, "search.datasets=[digits,xor]", "name=mine")[1]["digits"].overrides[-1] == "name=mine-digits"
    )


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ((*COMPARE, "search.datasets=[digits,mnits]"), "search.datasets: mnits is not an option of data: did you mean"),
        ((*COMPARE, "search.datasets=[digits,xor]", "data=xor"), "data=xor and search.datasets both name data"),
        ((*COMPARE, "search.datasets=[digits]"), "search.datasets must name two data sets or more, each once"),
        ((*COMPARE, "search.datasets=[digits,digits]"), "search.datasets must name two data sets or more, each once"),
        (("search.datasets=[digits,xor]",), "search.datasets has no effect where nothing is compared"),
    ],
)  # fmt: skip
def test_data_sets_that_cannot_be_compared_on_are_refused(overrides, sentence):
    with pytest.raises(ConfigError, match=sentence):
        on_each(*overrides)
