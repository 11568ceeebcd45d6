"""The user's own modules and losses in fleets."""

from dataclasses import replace
from io import StringIO

import numpy as np
import own_models
import pytest
import torch
from rich.console import Console

from hpsearch.config import ConfigError, Engine
from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.grouping import shape_key
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.execution.run_job import WorkerState, check, run_job
from hpsearch.jobs import CheckJob, TrainJob, TrialJob
from hpsearch.seeding import fit_seeds
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.sweep import show_engines
from tests.engine.comparison import worst_difference

TOLERANCE = 1e-9
MODULES = {
    "Plain": {},
    "Normed": {},
    "Convolved": {},
    "Twice": {},
    "Unused": {},
    "Frozen": {},
    "RunningMean": {"in_place": True},
    "Scalars": {},
    "Bare": {},
    "Listed": {},
    "WeightNormed": {},
}
HIDDEN = {"RandomFeatures": {}, "RunningMean": {"in_place": False}}
"""Modules whose fits differ by more than what the state dict holds, or change it by assignment."""


def own(name, **kwargs):
    return {"kind": "custom", "import_path": f"own_models:{name}", "kwargs": kwargs}


def company(make_config, make_fit, **overrides):
    """Members with update rules, rates, folds and seeds of their own; two share their minibatches."""
    fits = []
    for number, (kind, lr) in enumerate([("adam", 0.01), ("momentum", 0.02), ("adamw", 0.005), ("sgd", 0.1)]):
        optimizer = {"kind": kind, "lr": lr} | ({"eps": 1e-6} if kind.startswith("adam") else {})
        config = make_config(**overrides, optimizer=optimizer, training={"epochs": 4, "batch_size": 8})
        fits.append(make_fit(config, 40, fold=number // 2))
    return [*fits[:2], *(replace(fit, seeds=fit_seeds(5, 0, number)) for number, fit in enumerate(fits[2:]))]


def assert_equals_reference(fits, rows):
    data = to_device(rows, dtype=torch.float64)
    alone = [reference.train(fit, data, keep_state=True) for fit in fits]
    differences = list(map(worst_difference, train_fleet(fits, data, keep_state=True), alone))
    assert max(differences) <= TOLERANCE


def pace(config, rows):
    """How a worker says that fits like these train best, if fleets are asked for."""
    return check(WorkerState(to_device(rows)), CheckJob((config,), (config,), Engine.FLEET)).fleet_settings[
        shape_key(config)
    ]


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("module", MODULES)
def test_a_users_module_trains_in_a_fleet_as_alone(module, make_config, make_rows, make_fit):
    rows = make_rows(40, images=module == "Convolved", width=7 if module == "Convolved" else 5)
    model = own(module, **MODULES[module])
    assert_equals_reference(company(make_config, make_fit, model=model), rows)


@pytest.mark.parametrize("module", HIDDEN)
def test_a_module_with_hidden_state_trains_in_a_fleet_as_alone_or_not_at_all(module, make_config, make_rows, make_fit):
    model, rows = own(module, **HIDDEN[module]), make_rows(40)
    if pace(make_config(model=model, evaluation="kfold"), rows).problem is None:
        assert_equals_reference(company(make_config, make_fit, model=model), rows)


@pytest.mark.parametrize("module", ["Normed", "Unused", "Frozen"])
@pytest.mark.parametrize("regularization", ["weight_decay", {"kind": "none", "max_norm": 0.5}], ids=["decay", "norm"])
def test_a_users_module_is_regularized_as_alone(module, regularization, make_config, make_rows, make_fit):
    fits = company(make_config, make_fit, model=own(module), regularization=regularization)
    assert_equals_reference(fits, make_rows(40))


@pytest.mark.parametrize("model", ["mlp", own("Normed")], ids=["our-model", "own-model"])
@pytest.mark.parametrize(("task", "loss"), [("multiclass", "brier"), ("binary", "brier"), ("regression", "pinball")])
def test_a_users_loss_trains_in_a_fleet_as_alone(task, loss, model, make_config, make_rows, make_fit):
    loss = {"kind": "custom", "import_path": f"own_models:{loss}"}
    assert_equals_reference(company(make_config, make_fit, model=model, loss=loss), make_rows(40, task=task))


UNFIT = {
    "control flow in a module": ({"model": own("Branching")}, False),
    "random layer": ({"model": own("SpatialDropout")}, True),
    "random function": ({"model": own("Noisy")}, False),
    "control flow in a loss": ({"loss": {"kind": "custom", "import_path": "own_models:branching_loss"}}, False),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_cannot_be_batched_raises(case, make_config, make_rows, make_fit):
    overrides, images = UNFIT[case]
    data = to_device(make_rows(40, images=images, width=8 if images else 5))
    with pytest.raises(RuntimeError, match="vmap"):
        train_fleet([make_fit(make_config(**overrides), 40, seed=seed) for seed in range(2)], data)


@pytest.mark.parametrize("case", UNFIT)
def test_what_cannot_be_batched_trains_alone_and_says_why(case, make_config, make_rows):
    overrides, images = UNFIT[case]
    found = pace(make_config(**overrides, evaluation="kfold"), make_rows(40, images=images, width=8 if images else 5))
    assert (found.engine, found.width) == (Engine.REFERENCE, 1)
    assert "vmap" in found.problem
    assert len(found.problem.splitlines()) == 1


def test_what_can_be_batched_has_no_problem(make_config, make_rows):
    found = pace(make_config(model=own("Normed"), evaluation="kfold"), make_rows(40))
    assert (found.engine, found.problem) == (Engine.FLEET, None)


def test_what_is_not_measured_is_said_once(make_config, make_rows):
    configs = tuple(make_config(model=own("Token"), evaluation="kfold", optimizer=kind) for kind in ("sgd", "adam"))
    checked = check(WorkerState(to_device(make_rows(40))), CheckJob(configs, configs[:1]))
    assert checked.missing_signals == ("in own_models:Token, no layer that can be measured has token",)
    printed = StringIO()
    show_engines(Terminal(Console(file=printed, width=120)), checked)
    assert "! signals are incomplete, training is not: in own_models:Token, no layer" in printed.getvalue()


def own_loss(name, **kwargs):
    return {"kind": "custom", "import_path": f"own_models:{name}", "kwargs": kwargs}


def test_a_module_that_counts_its_calls_trains_alone_and_says_why(make_config, make_rows):
    found = pace(make_config(model=own("Counting"), evaluation="kfold"), make_rows(40))
    assert found.engine is Engine.REFERENCE
    assert found.problem == (
        "model.import_path own_models:Counting changes schedule as it is called, besides parameters and buffers"
    )


def test_what_a_module_keeps_of_its_last_pass_does_not_count(make_config, make_rows):
    assert pace(make_config(model=own("Looking"), evaluation="kfold"), make_rows(40)).problem is None


REFUSED = {
    "training mode": (
        {"model": own("Misspelt")},
        (
            r"model.import_path own_models:Misspelt fails in a forward pass in training mode, of inputs \(7, 5\): "
            r"AttributeError: 'Tensor' object has no attribute 'bogus' \(.*own_models.py, line \d+\)"
        ),
    ),
    "labels": (
        {"loss": own_loss("of_labels")},
        (
            r"loss.import_path own_models:of_labels fails in the loss of outputs \(7, 3\) float32 and targets \(7,\) "
            r"int64: ValueError: .* \(.*own_models.py, line \d+\); targets are class numbers, and .*one_hot"
        ),
    ),
    "pairs": (
        {"loss": own_loss("all_pairs"), "task": "regression"},
        (
            r"own_models:all_pairs must compare each row's outputs with its own targets, got the same losses whichever "
            r"target belongs to which row: bring outputs \(7, 2\) float32 and targets \(7, 2\) float32 to one shape"
        ),
    ),
    "mean": (
        {"loss": own_loss("whole_mean")},
        r"own_models:whole_mean must return one value a row, shape \(7,\), got \(\): leave the mean over rows",
    ),
    "outputs": (
        {"loss": own_loss("of_outputs"), "task": "regression"},
        r"own_models:of_outputs must return one value a row, shape \(7,\), got \(7, 2\): take .* \.mean\(dim=1\)",
    ),
    "parameters": ({"loss": own_loss("Learned")}, "own_models:Learned must have no parameters, which nothing would tr"),
    "arguments": ({"loss": own_loss("Focal")}, r"loss.kwargs must suit own_models:Focal, got \{\}: missing .* 'gamma'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_faults_of_own_code_are_told_at_the_start(case, make_config, make_rows):
    overrides, message = REFUSED[case]
    rows = make_rows(40, task=overrides.get("task", "multiclass"))
    groups = {group: option for group, option in overrides.items() if group != "task"}
    with pytest.raises(ConfigError, match=message):
        check(WorkerState(to_device(rows)), CheckJob((make_config(**groups),)))


def test_a_module_without_anything_to_train_is_refused(make_config, make_rows, monkeypatch):
    build = own_models.Plain.__init__
    monkeypatch.setattr(own_models.Plain, "__init__", lambda self: (build(self), self.requires_grad_(False), None)[-1])
    with pytest.raises(ConfigError, match="own_models:Plain must have parameters that the loss depends on"):
        check(WorkerState(to_device(make_rows(40))), CheckJob((make_config(model=own("Plain")),)))


@pytest.mark.parametrize("engine", [Engine.REFERENCE, Engine.FLEET])
@pytest.mark.parametrize(("loss", "gamma"), [(own_loss("weighted"), 0.0), (own_loss("Focal", gamma=2.0), 2.0)])
def test_class_weights_are_trained_and_scored_in_one_type(loss, gamma, engine, make_config, make_rows):
    bench = WorkerState(to_device(make_rows(40)))
    config = make_config(loss=loss, training={"epochs": 2, "batch_size": 8}, evaluation="kfold")
    trial = TrialJob(config, confirm_seed=1)
    check(bench, CheckJob((config,)))
    (result,) = run_job(bench, TrainJob((trial,), engine, 4))
    logits, labels = (result.predictions["out_of_fold"], bench.development.targets[result.predictions["rows"]])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    p = p[np.arange(len(p)), labels]
    rows = np.array([1.0, 2.0, 0.5])[labels] * (1 - p) ** gamma * -np.log(p)
    folds = [rows[result.predictions["fold"] == fold].mean() for fold in range(config.evaluation.folds)]
    assert result.curves["val/loss"][-1] == pytest.approx(np.mean(folds), rel=1e-5)
