"""What the design table says of what is fixed, drawn and compared."""

import pytest

from hpsearch.commands.confirm import too_few_seeds
from hpsearch.commands.evidence_levels import groups_in_words, model_in_words
from hpsearch.config import Config
from tests.complete_config import config_tree
from tests.specifications import fingerprinted, stored_level


def config(**overrides):
    return Config.from_tree(config_tree(**overrides))


def frozen(options=(), space=None, **more):
    return fingerprinted(options=dict.fromkeys(options), space=space or {}, **more)


def test_an_option_that_trials_draw_is_no_setting_of_the_sweep():
    told = groups_in_words(config(), frozen(["optimizer.sgd", "optimizer.adam", "init.scaled_normal"]), {"norm"})
    assert told["optimizer"] == "drawn from sgd, adam"
    assert told["activation"] == "relu"
    assert not {"norm", "model", "evaluation"} & told.keys()


@pytest.mark.parametrize(
    ("fan", "expected"),
    [
        ("average", "scaled_normal, standard deviation 1 / sqrt((n_in + n_out) / 2)"),  # Glorot's Xavier
        ("in", "scaled_normal, standard deviation 1 / sqrt(n_in)"),  # the textbooks'
    ],
)
def test_an_initialization_is_told_with_its_formula_where_no_trial_draws_it(fan, expected):
    xavier = config(init={"kind": "scaled_normal", "gain": 1.0, "fan": fan})
    assert groups_in_words(xavier, frozen(["init.scaled_normal"]), set())["init"] == expected
    drawn = frozen(["init.scaled_normal"], {"init.scaled_normal": {"gain": {}}})
    assert groups_in_words(xavier, drawn, set())["init"] == "scaled_normal"


def test_a_network_of_one_size_is_named_by_its_widths():
    assert model_in_words(config(model={"kind": "mlp", "depth": 2, "width": 16}), frozen(["model.mlp"])) == "mlp 16-16"


def test_a_network_whose_size_is_drawn_is_not_named_by_the_size_that_no_trial_has():
    drawn = frozen(["model.mlp"], {"model.mlp": {"width": {}, "depth": {}}, "optimizer.sgd": {"lr": {}}})
    assert model_in_words(config(), drawn) == "mlp, with other depth, width in each trial or level"


def test_a_network_that_is_compared_is_not_named_by_the_depth_of_one_level():
    levels = [stored_level(f"{depth}", values={"model.depth": depth}) for depth in (1, 4)]
    assert model_in_words(config(), frozen(["model.mlp"], levels=levels)) == (
        "mlp, with other depth in each trial or level"
    )


def test_kinds_of_networks_are_all_named():
    assert model_in_words(config(), frozen(["model.mlp", "model.cnn"])) == "mlp or cnn"


def test_seeds_that_cannot_lead_to_a_claim_are_told_before_anything_is_trained():
    said = too_few_seeds(config(confirm={"seeds": 3}, search={"compare": "optimizer"}), 3)
    assert said.startswith("confirm.seeds=3 are too few for any claim about 3 levels, which needs 7 (R07)")


@pytest.mark.parametrize(("seeds", "evaluation"), [(7, "holdout"), (None, "holdout"), (0, "holdout"), (2, "kfold")])
def test_nothing_is_told_of_seeds_that_are_enough_or_not_wanted(seeds, evaluation):
    assert too_few_seeds(config(confirm={"seeds": seeds}, evaluation=evaluation, search={"compare": "init"}), 3) is None
