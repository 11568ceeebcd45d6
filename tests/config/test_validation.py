"""Every range check of every option class, with its message to the letter."""

import math

import pytest

from hpsearch.config import ConfigError
from tests.complete_config import PLAIN

OWN_DATA = ("csv", "npz")
OPTIMIZERS = (
    *("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"),
    *("nadam", "radam", "lion", "lamb"),
)
SCHEDULES = ("constant", "step", "exponential", "linear", "cosine", "warm_restarts", "one_cycle", "plateau")
EVALUATIONS = ("holdout", "kfold", "stratified_kfold", "repeated_kfold", "loocv", "truth_table")
INF, NAN = math.inf, math.nan
FINAL = PLAIN["final"]

REFUSED = [
    *(("data", kind, "limit", 0, "must be >= 1 or null") for kind in ("mnist", "digits", "csv", "npz")),
    ("data", "digits", "task", "regression", "must be one of auto, autoencoder with data=digits"),
    ("data", "xor", "task", "classification", "must be one of auto, autoencoder with data=xor"),
    *(("data", kind, "test", 0.0, "must lie between 0 and 1, both excluded") for kind in OWN_DATA),
    *(("data", kind, "test", 1.0, "must lie between 0 and 1, both excluded") for kind in OWN_DATA),
    *(("data", kind, "target", None, "must name the target unless data.task=autoencoder") for kind in OWN_DATA),
    ("model", "mlp", "depth", -1, "must be >= 0"),
    ("model", "mlp", "width", 0, "must be >= 1"),
    ("model", "mlp", "widths", [16, 0], "must hold integers >= 1"),
    ("model", "cnn", "filters", [], "must hold at least one layer"),
    ("model", "cnn", "filters", [8, 0], "must hold integers >= 1"),
    ("model", "cnn", "dense", [0], "must hold integers >= 1"),
    ("model", "cnn", "kernel", 0, "must be >= 1"),
    ("model", "cnn", "stride", 0, "must be >= 1"),
    ("model", "cnn", "padding", -1, "must be >= 0 or null"),
    ("model", "cnn", "pool_size", 0, "must be >= 1"),
    *(
        ("model", "custom", "import_path", path, "must read as package.module:name")
        for path in ("", "net", "package.module", ":Net", "package.module:", "package..module:Net", "a b:Net", "a:N.et")
    ),
    ("activation", "leaky_relu", "slope", NAN, "must be finite"),
    ("activation", "elu", "alpha", INF, "must be finite"),
    *(("init", kind, "bias", NAN, "must be finite") for kind in ("zeros", "normal", "uniform", "orthogonal", "lsuv")),
    ("init", "lsuv", "rows", 1, "must be >= 2"),
    *(("init", kind, "bias", INF, "must be finite") for kind in ("scaled_normal", "scaled_uniform")),
    *(("init", "normal", "std", value, "must be > 0 and finite") for value in (0.0, -1.0, INF, NAN)),
    *(("init", "uniform", "limit", value, "must be > 0 and finite") for value in (0.0, -1.0, INF)),
    *(
        ("init", kind, "gain", value, "must be > 0 and finite")
        for kind in ("scaled_normal", "scaled_uniform", "orthogonal", "lsuv")
        for value in (0.0, -1.0, INF)
    ),
    *(
        ("norm", kind, "momentum", value, "must lie in (0, 1]")
        for kind in ("before", "after")
        for value in (0.0, 1.5, NAN)
    ),
    *(("norm", kind, "eps", 0.0, "must be > 0 and finite") for kind in ("before", "after")),
    *(
        ("regularization", kind, "weight_decay", value, "must be >= 0 and finite")
        for kind in ("weight_decay", "both")
        for value in (-1e-4, INF, NAN)
    ),
    *(
        ("regularization", kind, "dropout", value, "must lie in [0, 1)")
        for kind in ("dropout", "both")
        for value in (-0.1, 1.0, NAN)
    ),
    *(
        ("regularization", kind, "max_norm", value, "must be > 0 and finite")
        for kind in ("none", "weight_decay", "dropout", "both")
        for value in (0.0, INF)
    ),
    *(("optimizer", kind, "lr", value, "must be > 0 and finite") for kind in OPTIMIZERS for value in (0.0, -1.0, INF)),
    *(
        ("optimizer", kind, "momentum", value, "must lie in [0, 1)")
        for kind in ("momentum", "nesterov")
        for value in (-0.1, 1.0)
    ),
    *(
        ("optimizer", kind, "eps", value, "must be > 0 and finite")
        for kind in ("adagrad", "rmsprop", "adam", "adamw", "nadam", "radam", "lamb")
        for value in (0.0, NAN)
    ),
    ("optimizer", "rmsprop", "alpha", 1.0, "must lie in [0, 1)"),
    *(
        ("optimizer", kind, beta, value, "must lie in [0, 1)")
        for kind in ("adam", "adamw", "nadam", "radam", "lamb", "lion")
        for beta in ("beta1", "beta2")
        for value in (-0.1, 1.0)
    ),
    *(
        ("schedule", kind, "warmup_epochs", value, "must be >= 0 and finite")
        for kind in SCHEDULES
        for value in (-0.5, INF)
    ),
    ("schedule", "step", "every", 0, "must be >= 1"),
    *(
        ("schedule", kind, "gamma", value, "must lie in (0, 1]")
        for kind in ("step", "exponential")
        for value in (0.0, 1.5)
    ),
    *(
        ("schedule", kind, "floor", value, "must lie in [0, 1]")
        for kind in ("linear", "cosine", "warm_restarts")
        for value in (-0.1, 1.1)
    ),
    *(("schedule", "warm_restarts", key, 0, "must be >= 1") for key in ("period", "period_mult")),
    *(("schedule", "one_cycle", "pct_start", value, "must lie between 0 and 1") for value in (0.0, 1.0)),
    *(
        ("schedule", "one_cycle", key, value, "must lie in [1, inf)")
        for key in ("div_factor", "final_div_factor")
        for value in (0.5, INF)
    ),
    *(("schedule", "plateau", "factor", value, "must lie in (0, 1)") for value in (0.0, 1.0)),
    ("schedule", "plateau", "patience", -1, "must be >= 0"),
    *(
        ("loss", kind, "label_smoothing", value, "must lie in [0, 1)")
        for kind in ("cross_entropy", "bce")
        for value in (-0.1, 1.0)
    ),
    ("loss", "custom", "import_path", "loss", "must read as package.module:name"),
    ("training", "default", "epochs", 0, "must be >= 1"),
    ("training", "default", "batch_size", 0, "must be >= 1"),
    ("training", "default", "patience", 0, "must be >= 1 or null"),
    ("training", "default", "clip_norm", 0.0, "must be > 0 and finite"),
    *(("evaluation", kind, "replicates", 0, "must be >= 1") for kind in EVALUATIONS),
    *(
        ("evaluation", "holdout", part, value, "must be a count >= 1 or a share between 0 and 1")
        for part in ("val", "report")
        for value in (0, -3, 0.0, 1.0, 1.5, -0.1)
    ),
    *(("evaluation", kind, "folds", 1, "must be >= 2") for kind in ("kfold", "stratified_kfold", "repeated_kfold")),
    ("evaluation", "repeated_kfold", "repeats", 0, "must be >= 1"),
    *(("search", kind, "trials", value, "must be >= 1") for kind in ("random", "qmc") for value in (0, -5)),
    ("execution", "local", "workers", 0, "must be >= 1 or auto"),
]


@pytest.mark.parametrize(("group", "kind", "key", "value", "rule"), REFUSED)
def test_a_value_out_of_range_is_refused_with_its_key_rule_and_value(make_config, group, kind, key, value, rule):
    with pytest.raises(ConfigError) as refusal:
        make_config(**{group: {"kind": kind, key: value}})
    assert refusal.value.problems == (f"{group}.{key} {rule}, got {'null' if value is None else repr(value)}",)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"seed": -1}, "seed must be >= 0, got -1"),
        ({"confirm": {"seeds": -1}}, "confirm.seeds must be >= 0 or until_decided, got -1"),
        (
            {"final": {**FINAL, "epochs": 0}},
            "final.epochs must be >= 1 or null, got 0",
        ),
        ({"final": {**FINAL, "retrains": -1}}, "final.retrains must be >= 0, got -1"),
        (
            {"model": {"kind": "custom", "kwargs": {"slope": NAN}}},
            "model.kwargs.slope must be finite, got nan",
        ),
    ],
)
def test_a_key_outside_the_groups_is_checked_too(make_config, overrides, message):
    with pytest.raises(ConfigError) as refusal:
        make_config(**overrides)
    assert refusal.value.problems == (message,)


@pytest.mark.parametrize(
    ("group", "kind", "key", "value"),
    [
        ("data", "csv", "test", 0.999),
        ("data", "digits", "limit", 1),
        ("model", "mlp", "depth", 0),
        ("model", "mlp", "widths", []),
        ("model", "cnn", "padding", 0),
        ("model", "cnn", "dense", []),
        ("norm", "before", "momentum", 1.0),
        ("regularization", "weight_decay", "weight_decay", 0.0),
        ("regularization", "dropout", "dropout", 0.0),
        ("optimizer", "momentum", "momentum", 0.0),
        ("schedule", "step", "gamma", 1.0),
        ("schedule", "cosine", "floor", 1.0),
        ("schedule", "plateau", "patience", 0),
        ("schedule", "constant", "warmup_epochs", 0.25),
        ("evaluation", "kfold", "folds", 2),
        ("evaluation", "holdout", "val", 1),
        ("evaluation", "holdout", "val", 0.5),
        ("training", "default", "batch_size", 1),
    ],
)
def test_the_last_value_inside_a_range_is_taken(make_config, group, kind, key, value):
    config = make_config(**{group: {"kind": kind, key: value}})
    assert getattr(getattr(config, group), key) == value


def test_an_autoencoder_needs_no_target(make_config):
    config = make_config(data={"kind": "csv", "task": "autoencoder", "target": None})
    assert config.data.target is None


def test_options_without_a_penalty_have_none(make_config):
    config = make_config(regularization="none")
    assert (config.regularization.weight_decay, config.regularization.dropout) == (0.0, 0.0)


def test_a_list_of_widths_stands_for_depth_and_width(make_config):
    config = make_config(model={"kind": "mlp", "depth": 2, "width": 7, "widths": [5, 4, 3]})
    assert config.model.hidden == [5, 4, 3]


def test_depth_counts_hidden_layers_of_equal_width(make_config):
    assert make_config(model={"kind": "mlp", "depth": 3, "width": 7}).model.hidden == [7, 7, 7]
