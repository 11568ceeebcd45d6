"""Every shipped option composes, converts, and carries a space that its own range checks allow."""

from dataclasses import fields

import pytest
import yaml

from hpsearch.compose.composer import Composer, conf_dir
from hpsearch.config import KINDS, Config
from hpsearch.config.schema import TUNABLE
from hpsearch.search.space import Choices, apply_values, option_space

SHIPPED = {group: sorted(path.stem for path in (conf_dir() / group).glob("*.yaml")) for group in KINDS}
OPTIONS = [(group, option) for group, options in SHIPPED.items() for option in options]
NEEDED = {
    **{("data", kind): ["data.path=own", "data.target=y"] for kind in ("csv", "parquet", "excel")},
    ("data", "npz"): ["data.path=own"],
    ("data", "folder"): ["data.path=own"],
    ("preprocess", "custom"): ["preprocess.import_path=own:make"],
    ("model", "custom"): ["model.import_path=own:Net"],
    ("loss", "custom"): ["loss.import_path=own:loss"],
    ("init", "custom"): ["init.import_path=own:fill"],
    ("optimizer", "custom"): ["optimizer.import_path=own:Lion"],
    ("schedule", "custom"): ["schedule.import_path=own:factor"],
}


@pytest.fixture(scope="module")
def with_option():
    """A composed configuration with this option; each composes one more option of every group."""
    rows = {}

    def compose(group, option):
        row = SHIPPED[group].index(option)
        if row not in rows:
            chosen = {name: options[row % len(options)] for name, options in SHIPPED.items()}
            values = [value for pair in chosen.items() for value in NEEDED.get(pair, [])]
            rows[row] = Composer([*(f"{name}={each}" for name, each in chosen.items()), *values]).compose()
        return rows[row]

    return compose


def written(group, option):
    return yaml.safe_load((conf_dir() / group / f"{option}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_a_shipped_option_composes_to_the_kind_that_it_names(with_option, group, option):
    config = with_option(group, option).config
    assert config.options[group] == option
    assert getattr(config, group).kind == written(group, option)["kind"]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_a_shipped_option_writes_each_key_of_its_kind_and_no_other(group, option):
    file = written(group, option)
    keys = {f.name for f in fields(KINDS[group][file["kind"]]) if f.init}
    beside = {"defaults"} if group == "search" else {"defaults", "space"}
    assert file.keys() - beside == keys


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_a_shipped_option_comes_back_from_its_tree(with_option, group, option):
    config = with_option(group, option).config
    assert Config.from_tree(config.to_tree()) == config


@pytest.mark.parametrize(("group", "option"), [pair for pair in OPTIONS if pair[0] in TUNABLE])
def test_the_ends_of_a_shipped_space_are_values_of_the_option(with_option, group, option):
    composed = with_option(group, option)
    dimensions = option_space(composed, group, {}, {})
    assert dimensions.keys() == written(group, option)["space"].keys()
    for name, dimension in dimensions.items():
        ends = dimension.values if isinstance(dimension, Choices) else (dimension.low, dimension.high)
        for end in ends:
            changed = apply_values(composed.config, {f"{group}.{option}.{name}": end})
            assert getattr(getattr(changed, group), name) == end


@pytest.mark.parametrize(("group", "option"), [pair for pair in OPTIONS if pair[0] in TUNABLE])
def test_the_default_of_a_shipped_option_lies_in_its_space(with_option, group, option):
    composed = with_option(group, option)
    for name, dimension in option_space(composed, group, {}, {}).items():
        default = getattr(getattr(composed.config, group), name)
        if isinstance(dimension, Choices):
            assert default in dimension.values
        else:
            assert dimension.low <= default <= dimension.high


def test_every_kind_has_an_option():
    kinds = {group: {written(group, option)["kind"] for option in options} for group, options in SHIPPED.items()}
    assert kinds == {group: set(named) for group, named in KINDS.items()}


@pytest.mark.parametrize(
    ("data", "loss", "evaluation", "training"),
    [
        ("mnist", "cross_entropy", "holdout", "default"),
        ("digits", "cross_entropy", "holdout", "default"),
        ("breast_cancer", "bce", "holdout", "small"),
        ("diabetes", "mse", "holdout", "small"),
        ("xor", "bce", "truth_table", "small"),
    ],
)
def test_a_data_set_brings_its_loss_evaluation_and_training_along(default_composer, data, loss, evaluation, training):
    options = default_composer.compose({"data": data}).config.options
    assert (options["loss"], options["evaluation"], options["training"]) == (loss, evaluation, training)


@pytest.mark.parametrize("data", ["breast_cancer", "diabetes", "xor"])
def test_what_a_data_set_brings_along_suits_models_without_hidden_units(planned, data):
    assert planned(f"data={data}", "model=linear").names == []  # and nothing is refused as without effect


def test_what_is_given_wins_over_what_the_data_set_brings(composed):
    assert composed("data=diabetes", "loss=mae").config.loss.kind == "mae"
    assert composed("data=diabetes", "training=default").config.training.epochs == 20
    assert composed("data=diabetes", "training.epochs=7").config.training.epochs == 7
    assert composed("+sweep=optimizers", "data=diabetes").config.training.epochs == 5  # of the sweep's file


def test_a_bare_command_trains_one_network_with_one_hidden_layer_of_500_units(default_composer):
    config = default_composer.compose().config
    assert (config.model.hidden, config.search.trials, config.data.kind) == ([500], 1, "mnist")
