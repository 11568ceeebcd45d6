"""What a sweep is: its trials as functions of k, and its fingerprint."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hpsearch.config import Config
from hpsearch.config.preprocess import Missing
from hpsearch.config.schema import SEARCHABLE
from hpsearch.records import NO_LEVEL, Status, Trial, TrialResult
from hpsearch.search.levels import Level
from hpsearch.search.plan import Plan
from hpsearch.search.space import Choices, Composed, Range, Space
from hpsearch.store.record_json import encode_record
from hpsearch.store.specification import differences, digest
from tests.specifications import single_level_plan

LR = Range(low=0.001, high=0.1, log=True, step=None, whole=False)
CHANGES = {
    "name": "other",
    "description": "why",
    "seed": 1,
    "engine": "reference",
    "trust": True,
    "extend": "device",
    **{
        f"options.{group}": "other"
        for group in (
            *(
                "data",
                "preprocess",
                "augmentation",
                "model",
                "activation",
                "init",
                "norm",
                "regularization",
                "optimizer",
                "schedule",
                "loss",
            ),
            *("training", "evaluation", "search", "execution", "tracking"),
        )
    },
    "data.kind": "fashion",
    "preprocess.kind": "robust",
    "preprocess.missing": "mean",
    "preprocess.fill_value": 1.0,
    "preprocess.indicator": False,
    "preprocess.categories": "ordinal",
    "preprocess.min_frequency": 2,
    "preprocess.max_categories": 3,
    "preprocess.hash_features": 4,
    "preprocess.dates": "cyclic",
    "preprocess.target": "none",
    "augmentation.kind": None,
    "data.limit": 10,
    "data.task": "autoencoder",
    "model.kind": None,
    "model.depth": 2,
    "model.width": 17,
    "model.widths": [4],
    "activation.kind": "tanh",
    "init.kind": "scaled_uniform",
    "init.gain": 1.5,
    "init.fan": "out",
    "init.bias": 0.1,
    "norm.kind": None,
    "regularization.kind": None,
    "regularization.max_norm": 2.0,
    "optimizer.kind": "adamw",
    "optimizer.lr": 0.002,
    "optimizer.beta1": 0.8,
    "optimizer.beta2": 0.99,
    "optimizer.eps": 1e-7,
    "schedule.kind": None,
    "schedule.warmup_epochs": 1.0,
    "loss.kind": "bce",
    "loss.label_smoothing": 0.1,
    "loss.class_weight": "balanced",
    "training.kind": None,
    "training.epochs": 3,
    "training.batch_size": 9,
    "training.patience": 2,
    "training.clip_norm": 1.0,
    "training.precision": "bf16",
    "evaluation.kind": None,
    "evaluation.replicates": 2,
    "evaluation.val": 0.2,
    "evaluation.report": 0.2,
    "evaluation.baseline": ["guess"],
    "search.kind": "qmc",
    "search.trials": 9,
    **{f"search.choose.{group}": ["any"] for group in SEARCHABLE},
    "search.tune": ["model"],
    "search.space": {"model": {}},
    "search.metric": "accuracy",
    "search.metric_options": None,
    "search.direction": None,
    "search.response_method": None,
    "search.cohort": 4,
    "search.pruner": "halving",
    "search.pruner_options": {"reduction_factor": 2},
    "search.rungs": [1],
    "search.timeout": "30m",
    "search.patience": 20,
    "search.objectives": ["parameters"],
    "search.constraints": ["parameters<=100"],
    "search.callbacks": ["own:tell"],
    "search.enqueue": [{"optimizer.lr": 0.01}],
    "search.enqueue_from": "earlier",
    "search.enqueue_best": None,
    "search.compare": "optimizer",
    "search.levels": {"one": {"optimizer": "sgd"}},
    "search.cross": ["norm", "init"],
    "search.datasets": None,
    "search.control": None,
    "search.delta": None,
    "search.alpha": 0.01,
    "execution.kind": None,
    "execution.workers": 7,
    "execution.device": "cuda",
    "execution.memory_gib": 1.5,
    "tracking.kind": None,
    "tracking.uri": "sqlite:///x.db",
    "tracking.tags": {"team": "vision"},
    "tracking.directory": "elsewhere",
    "confirm.seeds": 3,
    "confirm.max_seeds": 30,
    "confirm.budget": 0.5,
    "final.sweep": "x",
    "final.run": "0" * 32,
    "final.started_by": "x",
    "final.epochs": 3,
    "final.dry_run": True,
    "final.retrains": 3,
    "final.reopen.reason": "x",
    "final.reopen.opening": 2,
    "report.sweep": "x",
    "report.run": "0123456789abcdef0123456789abcdef",
    "report.started_by": "x",
    "report.path": "x.csv",
    "report.metric": "mse",
    "report.delta": 0.1,
    "report.alpha": 0.01,
    "report.control": "x",
    "report.data": "x",
    "report.directory": "elsewhere",
}
"""Another value for each key of a configuration; None where no other value stands alone."""
OUTSIDE = (
    "execution.",
    "tracking.",
    "confirm.",
    "final.",
    "report.",
    "engine",
    "name",
    "description",
    "extend",
    "trust",
    "search.trials",
    "search.timeout",
    "search.patience",
    "search.callbacks",
    "evaluation.baseline",
)
"""Keys that are documented not to change what a sweep is."""
CHANGED = {key: value for key, value in CHANGES.items() if value is not None}


def leaves(tree, path=""):
    if isinstance(tree, dict) and tree:
        return [leaf for key, item in tree.items() for leaf in leaves(item, f"{path}.{key}" if path else key)]
    return [path]


def plan_of(config, space=None, data="d" * 64, compose=None):
    return single_level_plan(Composed(config, {}, {}), space or Space({}, {}), compose or (lambda _: None), data)


def with_change(config, path, value):
    tree = config.to_tree()
    node = tree
    *groups, key = path.split(".")
    for group in groups:
        node = node[group]
    node[key] = value
    return Config.from_tree(tree)


def test_the_source_of_an_own_metric_is_part_of_a_sweep_and_that_of_scikit_learn_is_not(make_config):
    def code(metric):
        search = {"metric": metric, "direction": "maximize"}
        composed = Composed(make_config(search=search), {}, {})
        return single_level_plan(composed, Space({}, {}), lambda _: composed, "d" * 64).fingerprinted().code

    source = (Path(__file__).parents[1] / "user_code" / "own_metrics.py").read_bytes()
    assert code("own_metrics:cost") == {"own_metrics:cost": hashlib.sha256(source).hexdigest()}
    assert code("sklearn.metrics:fbeta_score") == {}


def test_the_source_of_an_own_optimizer_is_part_of_a_sweep(make_config):
    composed = Composed(make_config(optimizer="custom"), {}, {})
    found = single_level_plan(composed, Space({}, {}), lambda _: composed, "d" * 64).fingerprinted()
    source = (Path(__file__).parents[1] / "user_code" / "users_optimizers.py").read_bytes()
    assert found.code == {"users_optimizers:Momentum": hashlib.sha256(source).hexdigest()}


def test_the_source_of_torch_is_no_part_of_a_sweep(make_config):
    config = make_config(optimizer={"kind": "custom", "import_path": "torch.optim:ASGD"}, init="custom")
    assert config.own_sources == {}
    assert [option.group for option in config.own_code] == ["optimizer", "init"]


def test_every_key_of_a_configuration_is_tried_below(make_config):
    assert set(CHANGES) == set(leaves(make_config().to_tree()))


@pytest.mark.parametrize("path", [path for path in CHANGED if not path.startswith(OUTSIDE)])
def test_the_fingerprint_covers(make_config, path):
    changed = with_change(make_config(), path, CHANGED[path])
    assert plan_of(changed).fingerprinted().fingerprint != plan_of(make_config()).fingerprinted().fingerprint


@pytest.mark.parametrize("path", [path for path in CHANGED if path.startswith(OUTSIDE)])
def test_the_fingerprint_does_not_cover(make_config, path):
    changed = with_change(make_config(), path, CHANGED[path])
    assert changed != make_config()
    assert plan_of(changed).fingerprinted().fingerprint == plan_of(make_config()).fingerprinted().fingerprint


def test_the_fingerprint_covers_the_data(make_config):
    assert (
        plan_of(make_config(), data="e" * 64).fingerprinted().fingerprint
        != plan_of(make_config()).fingerprinted().fingerprint
    )


def test_the_fingerprint_covers_the_space(make_config):
    spaces = [
        Space({}, {}),
        Space({}, {"optimizer.adam": {"lr": LR}}),
        Space({}, {"optimizer.adam": {"lr": replace(LR, high=0.2)}}),
        Space({}, {"optimizer.adam": {"lr": replace(LR, log=False)}}),
        Space({}, {"optimizer.adam": {"lr": Choices((0.1, 0.2))}}),
        Space({}, {"optimizer.adam": {"lr": Choices((0.2, 0.1))}}),
    ]
    assert len({plan_of(make_config(), space).fingerprinted().fingerprint for space in spaces}) == len(spaces)


def test_the_fingerprint_covers_every_option_that_a_trial_may_take(make_config):
    def plan(lr):
        def compose(options):
            kind = options["optimizer"]
            values = {"kind": kind, "lr": lr} if kind == "sgd" else kind
            return Composed(make_config(optimizer=values), {}, {})

        return plan_of(make_config(), Space({"optimizer": ("adam", "sgd")}, {}), compose=compose)

    assert plan(0.1).fingerprinted().fingerprint != plan(0.2).fingerprinted().fingerprint


def test_the_fingerprint_of_a_sweep_from_before_a_key_came_is_the_same(make_config):
    def compose(options):
        return Composed(make_config(**options), {}, {})

    plan = plan_of(make_config(), Space({"optimizer": ("adam", "sgd"), "training": ("default",)}, {}), compose=compose)
    # computed by the code that first had `preprocess`
    assert plan.fingerprinted().fingerprint == "9edc3eb0548b88a87a8dde7f8656c0861211cf9b9ac135174fc560264f60b43f"


def test_the_fingerprint_covers_a_later_key_of_an_option_that_a_trial_may_take(make_config):
    def plan(precision):
        def compose(_):
            return Composed(make_config(training={"precision": precision}), {}, {})

        return plan_of(make_config(), Space({"training": ("default",)}, {}), compose=compose)

    assert plan("bf16").fingerprinted().fingerprint != plan("float32").fingerprinted().fingerprint


def test_a_record_from_before_a_key_came_has_the_same_bytes(make_config):
    result = TrialResult(Status.ERROR, "x", None, None, {}, {}, [], [])
    record = encode_record(Trial(NO_LEVEL, 0, {}, make_config()), result)
    # computed by the code that first had `preprocess`
    assert hashlib.sha256(record).hexdigest() == "b22867e76dcab21caa3003cadd5e44efbc4fa0c24995974f9e1f3ffe16420516"


def test_a_fingerprint_is_the_digest_of_canonical_json():
    tree = {"b": [1, 2.5, None], "a": {"é": True}}
    text = '{"a":{"\\u00e9":true},"b":[1,2.5,null]}'
    assert json.loads(text) == tree
    assert digest(tree) == hashlib.sha256(text.encode()).hexdigest()


def test_the_fingerprint_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})


def test_a_specification_survives_json(make_config):
    space = Space({}, {"model.cnn": {"filters": Choices(([4], [8, 8])), "kernel": replace(LR, low=1, high=5)}})
    tree = plan_of(make_config(model="cnn"), space).fingerprinted().to_tree()
    assert digest(json.loads(json.dumps(tree))) == digest(tree)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"optimizer": {"lr": 0.1}}, {"optimizer": {"lr": 0.2}}, ["optimizer.lr: 0.1 -> 0.2"]),
        ({"a": 1}, {"a": 1, "b": {"c": 2}}, ["b: new, {'c': 2}"]),
        ({"a": 1, "b": [1]}, {"a": 1}, ["b: gone, was [1]"]),
        ({"a": {"x": 1}}, {"a": None}, ["a: {'x': 1} -> None"]),
        ({"b": 1, "a": 1}, {"a": 2, "b": 2}, ["a: 1 -> 2", "b: 1 -> 2"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["a: [1, 2] -> [1, 3]"]),
    ],
)
def test_differences_are_named_key_by_key(old, new, lines):
    assert differences(old, new) == lines


@pytest.fixture
def searching(make_config):
    """A plan that varies the optimizer and draws its learning rate; counts how often it composes."""

    def plan(kind="random", trials=4):
        config = make_config(search={"kind": kind, "trials": trials}, preprocess={"missing": "mean"})
        space = Space({"optimizer": ("sgd", "adam")}, {"optimizer.sgd": {"lr": LR}, "optimizer.adam": {"lr": LR}})

        def compose(options):
            return Composed(
                make_config(optimizer=options["optimizer"], preprocess=config.to_tree()["preprocess"]), {}, {}
            )

        return plan_of(config, space, compose=compose)

    return plan


def test_a_trial_carries_its_drawn_options_and_values(searching):
    for k in range(8):
        trial = searching().trial((NO_LEVEL, k))
        option = trial.values["optimizer"]
        assert (trial.level, trial.k) == (NO_LEVEL, k)
        assert trial.config.optimizer.kind == option
        assert trial.config.optimizer.lr == trial.values[f"optimizer.{option}.lr"]
        assert trial.values.keys() == {"optimizer", f"optimizer.{option}.lr"}


@pytest.mark.parametrize("kind", ["random", "qmc"])
def test_a_trial_does_not_depend_on_how_many_there_are(searching, kind):
    few, many = searching(kind, 2), searching(kind, 200)
    assert [few.trial((NO_LEVEL, k)).values for k in range(6)] == [many.trial((NO_LEVEL, k)).values for k in range(6)]


def test_values_that_are_not_drawn_are_those_of_the_command(searching):
    assert searching().trial((NO_LEVEL, 0)).config.preprocess.missing is Missing.MEAN


def test_a_trial_of_a_space_of_nothing_is_the_command_itself(make_config):
    trial = plan_of(make_config()).trial((NO_LEVEL, 0))
    assert (trial.values, trial.config) == ({}, make_config())


def finite(config, *spaces):
    """The plan of a comparison whose levels draw from these spaces, or of a search of the only one."""
    base = Composed(config, {}, {})
    names = [NO_LEVEL] if len(spaces) == 1 else [f"level {at}" for at in range(len(spaces))]
    levels = (Level(name, base, space, lambda options: base) for name, space in zip(names, spaces, strict=True))  # noqa: ARG005
    return Plan(base, tuple(levels), "0" * 64)


def test_a_space_of_fewer_points_than_trials_has_each_of_them_once(make_config):
    plan = finite(make_config(), Space({}, {"model.mlp": {"width": Choices((4, 8, 16))}}))
    assert plan.keys(2) == [(NO_LEVEL, 0), (NO_LEVEL, 1)]
    assert plan.keys(9) == [(NO_LEVEL, 0), (NO_LEVEL, 1), (NO_LEVEL, 2)]
    assert {plan.trial(key).config.model.width for key in plan.keys(9)} == {4, 8, 16}


def test_each_level_has_the_default_recipe_and_as_many_draws_as_its_space_has_points(make_config):
    config = make_config(search={"compare": "norm"})
    plan = finite(
        config, Space({}, {"optimizer.adam": {"lr": LR}}), Space({}, {"model.mlp": {"width": Choices((4, 8))}})
    )
    of = [[k for name, k in plan.keys(3) if name == level.name] for level in plan.levels]
    assert of == [[0, 1, 2, 3], [0, 1, 2]]


def test_a_level_that_draws_nothing_is_trained_once(make_config):
    config = make_config(search={"compare": "norm"})
    plan = finite(config, Space({}, {"optimizer.adam": {"lr": LR}}), Space({}, {}))
    assert [key for key in plan.keys(3) if key[0] == "level 1"] == [("level 1", 1)]
    assert plan.trial(("level 1", 1)).config == config
