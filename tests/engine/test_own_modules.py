"""The user's own modules and losses in fleets."""

from dataclasses import replace
from io import StringIO

import pytest
import torch
from comparison import worst_difference
from rich.console import Console

from hpsearch.cli.introduction import tell_engines
from hpsearch.config import Engine
from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet import train_fleet
from hpsearch.engine.muster import shape_key
from hpsearch.fitting import Bench, check
from hpsearch.jobs import CheckJob
from hpsearch.seeding import fit_seeds
from hpsearch.terminal import Terminal

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
    return check(Bench(to_device(rows)), CheckJob((config,), (config,), Engine.FLEET)).paces[shape_key(config)]


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
    checked = check(Bench(to_device(make_rows(40))), CheckJob(configs, configs[:1]))
    assert checked.missing_signals == ("own_models:Token: no layer that can be measured has token",)
    printed = StringIO()
    tell_engines(Terminal(Console(file=printed, width=120)), checked)
    assert "! signals are incomplete, training is not: own_models:Token: no layer" in printed.getvalue()
