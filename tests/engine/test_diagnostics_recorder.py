"""When signals are measured, of whom, and that nobody's training notices."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from hpsearch.data.preprocessing import fit_preprocessing
from hpsearch.engine import diagnostics as watch
from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.diagnostics import STATISTICS, missing_signals
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.records import Status
from tests.engine.comparison import assert_signals_near, bits


def by_reference(fits, data, **settings):
    resume = settings.pop("resume", None) or [None] * len(fits)
    return [reference.train(fit, data, resume=one, **settings) for fit, one in zip(fits, resume, strict=True)]


@pytest.fixture(params=["reference", "fleet"])
def train(request):
    return by_reference if request.param == "reference" else train_fleet


def own(name):
    return {"kind": "custom", "import_path": f"own_models:{name}", "kwargs": {}}


@pytest.mark.parametrize(
    ("rows", "epochs", "points"),
    [
        (24, 7, [(0, 0), (1, 0), (3, 1), (6, 2), (10, 3), (12, 4), (21, 7)]),
        (24, 4, [(0, 0), (1, 0), (3, 1), (6, 2), (10, 3), (12, 4)]),
        (8, 3, [(0, 0), (1, 1), (2, 2), (3, 3)]),  # one step an epoch: two points in one
        (16, 6, [(0, 0), (1, 0), (2, 1), (4, 2), (8, 4), (10, 5), (12, 6)]),
        (7, 1, [(0, 0), (1, 1)]),  # a training of a single step
    ],
)
def test_points_are_the_first_steps_powers_of_two_epochs_and_the_last_epoch(
    train, rows, epochs, points, make_config, make_rows, make_fit
):
    fit = make_fit(make_config(training={"epochs": epochs, "batch_size": 8}), 40, train=rows)
    (result,) = train([fit], to_device(make_rows(40)))
    assert list(zip(result.signals.steps, result.signals.epochs, strict=True)) == points
    assert {len(getattr(result.signals, name)) for name in STATISTICS} == {len(points)}
    assert result.signals.update_ratio[0] == [None, None]
    assert all(ratio > 0 for row in result.signals.update_ratio[1:] for ratio in row)


def test_one_fit_of_a_trial_is_probed_and_no_refit(train, make_config, make_rows, make_fit):
    data, config = to_device(make_rows(40)), make_config()
    fits = [make_fit(config, 40, fold=fold, replicate=replicate) for fold in range(2) for replicate in range(2)]
    assert [result.signals is not None for result in train(fits, data)] == [True, False, False, False]
    assert reference.train(fits[0], data, refit=True).signals is None


@pytest.mark.parametrize("images", [False, True])
def test_nobody_notices_that_he_is_watched(train, images, monkeypatch, make_config, make_rows, make_fit):
    data = to_device(make_rows(40, images=images, width=8 if images else 5))
    model = {"kind": "cnn", "filters": [3], "dense": [5]} if images else {"kind": "mlp", "widths": [9, 7]}
    training = {"epochs": 5, "batch_size": 8, "patience": 2}
    configs = [
        make_config(model=model, norm="before", regularization="both", optimizer=kind, training=training)
        for kind in ("sgd", "adam", "rmsprop")
    ]
    fits = [make_fit(config, 40, monitor=4, seed=seed) for seed, config in enumerate(configs)]
    watched = [bits(replace(result, signals=None)) for result in train(fits, data, keep_state=True)]
    monkeypatch.setattr(watch, "probed", lambda _: False)
    assert [bits(result) for result in train(fits, data, keep_state=True)] == watched


@pytest.mark.parametrize("module", ["Noisy", "Forgetful", "Reused", "Normed", "Branching"])
def test_nor_does_a_module_of_the_users_own(module, monkeypatch, make_config, make_rows, make_fit):
    data = to_device(make_rows(40))
    fit = make_fit(make_config(model=own(module), training={"epochs": 5, "batch_size": 8}), 40)
    torch.manual_seed(4)
    watched = reference.train(fit, data, keep_state=True)
    torch.manual_seed(5)
    assert repr(reference.train(fit, data).signals) == repr(watched.signals)
    monkeypatch.setattr(watch, "probed", lambda _: False)
    assert bits(reference.train(fit, data, keep_state=True)) == bits(replace(watched, signals=None))


def test_after_a_rung_the_signals_go_on_as_without_it(train, make_config, make_rows, make_fit):
    data = to_device(make_rows(40))
    config, short = (make_config(training={"epochs": epochs, "batch_size": 8}, norm="after") for epochs in (12, 3))
    fits = [make_fit(config, 40, seed=seed) for seed in range(3)]
    stopped = train(fits, data, stop_after=3)
    assert [result.signals for result in stopped] == [
        result.signals for result in train([replace(fit, config=short) for fit in fits], data)
    ]
    assert stopped[0].signals.epochs == [0, 0, 1, 2, 3]
    once_more = train(fits, data, stop_after=5, resume=stopped)
    assert once_more[0].signals.epochs == [0, 0, 1, 2, 3, 4, 5]  # the tenth step is in the fourth epoch
    assert once_more[0].signals.steps == [0, 1, 3, 6, 10, 12, 15]
    whole = train(fits, data)
    assert [result.signals for result in train(fits, data, resume=once_more)] == [result.signals for result in whole]
    assert whole[0].signals.epochs == [0, 0, 1, 2, 3, 4, 8, 12]


def test_the_last_point_is_the_last_epoch_that_was_run(train, make_config, make_rows, make_fit):
    training = {"epochs": 60, "batch_size": 4, "patience": 5}
    make = {"optimizer": {"kind": "adam", "lr": 0.05}, "model": {"kind": "mlp", "width": 30}}
    fit = make_fit(make_config(**make, training=training), 60, train=16, monitor=20)
    company = [fit, replace(fit, config=replace(fit.config, optimizer=replace(fit.config.optimizer, lr=0.01)))]
    stopped, other = train(company, to_device(make_rows(60, seed=3)))
    assert stopped.chosen_epoch < stopped.epochs < other.epochs
    assert stopped.signals.epochs[-1] == stopped.epochs
    assert other.signals.epochs[-1] == other.epochs
    assert stopped.signals.update_ratio[-1][0] > 0


def test_a_diverged_fit_keeps_the_points_before(train, make_config, make_rows, make_fit):
    config = make_config(
        model="linear", optimizer={"kind": "sgd", "lr": 2.0}, loss="sse", training={"epochs": 30, "batch_size": 24}
    )
    healthy = replace(config, optimizer=replace(config.optimizer, lr=1e-4))
    fits, data = [make_fit(one, 40) for one in (config, healthy)], to_device(make_rows(40, task="regression"))
    failed, fine = train(fits, data)
    assert (failed.status, fine.status) == (Status.DIVERGED, Status.OK)
    assert failed.signals.epochs == [epochs for epochs in (0, 1, 2, 4, 8, 10, 16) if epochs <= failed.epochs]
    assert failed.signals.weight_norm[-1][0] > 1e6
    assert fine.signals.epochs == [0, 1, 2, 4, 8, 10, 16, 30]
    assert train(fits[1:], data)[0].signals == fine.signals


def test_numbers_that_are_not_finite_are_kept(train, make_config, make_rows, make_fit):
    optimizer = {"kind": "sgd", "lr": 1e30}
    config = make_config(optimizer=optimizer, loss="mse", training={"epochs": 4, "batch_size": 8})
    (result,) = train([make_fit(config, 40)], to_device(make_rows(40, task="regression")))
    assert (result.epochs, result.signals.epochs) == (0, [0, 0])
    assert np.isfinite(result.signals.weight_norm[0]).all()
    assert not np.isfinite(result.signals.gradient_norm[1]).all()


def test_weights_that_begin_at_zero_have_no_ratio_that_is_finite(train, make_config, make_rows, make_fit):
    config = make_config(init="zeros", model={"kind": "mlp", "widths": [4]})
    (result,) = train([make_fit(config, 40)], to_device(make_rows(40)))
    assert result.signals.steps[1] == 1
    assert not np.isfinite(result.signals.update_ratio[1]).any()
    assert result.signals.dead[0] == [1.0, None]
    assert result.signals.gradient_norm[0] == [0.0, 0.0]


def test_layers_of_a_users_module_are_its_leaves_call_by_call(train, make_config, make_rows, make_fit):
    config = make_config(model=own("Reused"), training={"epochs": 2, "batch_size": 24})
    (result,) = train([make_fit(config, 40)], to_device(make_rows(40)))
    signals = result.signals
    assert signals.layers == ["first", "relu", "second", "relu#2", "tanh", "output"]
    assert [x is None for x in signals.dead[0]] == [True, False, True, False, True, True]
    assert [x is None for x in signals.saturated[0]] == [True, True, True, True, False, True]
    assert [x is None for x in signals.weight_norm[0]] == [False, True, False, True, True, False]
    assert [x is None for x in signals.gradient_norm[0]] == [False, True, True, True, True, False]
    assert not any(x is None for x in signals.gradient_second_moment[0])
    assert signals.activation_mean[0][0] < signals.activation_mean[0][1]  # before the activation in place, and after
    assert signals.update_ratio[1][2] == 0.0  # frozen


def test_a_users_module_is_measured_like_ours(make_config, make_rows, make_fit):
    data = to_device(make_rows(40), dtype=torch.float64)
    training = {"epochs": 4, "batch_size": 8}
    config = make_config(model=own("Normed"), training=training)
    result = reference.train(make_fit(config, 40), data, keep_state=True)
    state = {name: torch.tensor(array) for name, array in result.state.items()}
    train = make_fit(config, 40).fold.train  # fewer than a hundred: all of them
    scaling = fit_preprocessing(data.rows, train, config.preprocess)[0].scaling
    x = (torch.tensor(data.rows.inputs[train]).double() - torch.tensor(scaling.shift)) * torch.tensor(scaling.scale)
    hidden = x @ state["stack.0.weight"].T
    normed = (hidden - hidden.mean(0)) / torch.sqrt(hidden.var(0, correction=0) + 1e-5)
    normed = normed * state["stack.1.weight"] + state["stack.1.bias"]
    assert result.signals.layers == ["stack.0", "stack.1", "stack.2", "stack.4"]
    expected = [hidden.mean(), normed.mean(), normed.relu().mean()]
    assert result.signals.activation_mean[-1][:3] == pytest.approx([x.item() for x in expected], abs=1e-9)
    assert result.signals.dead[-1][2] == (normed.relu() == 0).all(0).double().mean().item()


def test_layers_that_share_a_weight_have_the_same_norms(make_config, make_rows, make_fit):
    config = make_config(model=own("Tied"), training={"epochs": 2, "batch_size": 24})
    signals = reference.train(make_fit(config, 40), to_device(make_rows(40))).signals
    assert signals.layers == ["first", "second", "output"]
    for name in ("weight_norm", "gradient_norm", "update_ratio"):
        assert all(row[0] == row[1] != row[2] for row in getattr(signals, name)[1:]), name


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize(
    ("module", "layers"),
    [
        ("Bare", {"output": ["weight"]}),
        ("Listed", {"output": ["weights.0", "weights.1"]}),
        (
            "WeightNormed",
            {f"stack.{i}": [f"stack.{i}.parametrizations.weight.original{j}" for j in range(2)] for i in (0, 2)},
        ),
    ],
)
def test_weights_outside_leaves_are_those_of_the_module_that_uses_them(
    module, layers, train, make_config, make_rows, make_fit
):
    data = to_device(make_rows(40), dtype=torch.float64)
    fit = make_fit(make_config(model=own(module), training={"epochs": 2, "batch_size": 8}), 40)
    (result,) = train([fit], data, keep_state=True)
    signals = result.signals
    for layer, weights in layers.items():
        norm = np.sqrt(sum((result.state[name] ** 2).sum() for name in weights))
        assert signals.weight_norm[-1][signals.layers.index(layer)] == pytest.approx(norm, abs=1e-12)
        assert all(row[signals.layers.index(layer)] > 0 for row in signals.gradient_norm)
    assert missing_signals(fit, data) == ""


def test_weights_that_no_layer_has_are_named(make_config, make_rows, make_fit):
    data, fit = to_device(make_rows(40)), make_fit(make_config(model=own("Token")), 40)
    assert reference.train(fit, data).signals.layers == ["output"]
    assert missing_signals(fit, data) == "no layer that can be measured has token"


def test_a_module_that_cannot_be_measured_trains_all_the_same(monkeypatch, make_config, make_rows, make_fit):
    data = to_device(make_rows(40))
    fit = make_fit(make_config(model=own("Unmeasurable"), training={"epochs": 3, "batch_size": 8}), 40)
    found = missing_signals(fit, data)
    assert re.fullmatch(r"measuring them fails: RuntimeError: no gradients here \(.*own_models.py, line \d+\)", found)
    watched = reference.train(fit, data)
    assert (watched.epochs, watched.signals) == (3, None)
    monkeypatch.setattr(watch, "probed", lambda _: False)
    assert bits(reference.train(fit, data)) == bits(watched)


@pytest.mark.parametrize("module", ["Plain", "Twice", "Forgetful", "RandomFeatures", "RunningMean", "Frozen"])
def test_what_is_measured_of_a_users_module_is_what_it_predicts(module, make_config, make_rows, make_fit):
    data = to_device(make_rows(40), dtype=torch.float64)
    fit = make_fit(make_config(model=own(module), training={"epochs": 3, "batch_size": 8}), 40)
    result = reference.train(replace(fit, fold=replace(fit.fold, val=fit.fold.train)), data)
    outputs = result.val_outputs[-1]
    assert result.signals.activation_mean[-1][-1] == pytest.approx(outputs.mean(), abs=1e-12)
    assert result.signals.activation_sd[-1][-1] == pytest.approx(outputs.std(), abs=1e-12)


@pytest.mark.parametrize(
    "module", ["Plain", "Normed", "Convolved", "Twice", "Unused", "Frozen", "RunningMean", "Scalars"]
)
def test_a_users_module_is_measured_in_a_fleet_as_alone(module, make_config, make_rows, make_fit):
    data = to_device(make_rows(40, images=module == "Convolved"), dtype=torch.float64)
    fit = make_fit(make_config(model=own(module), training={"epochs": 3, "batch_size": 8}), 40)
    alone = reference.train(fit, data).signals
    for fleet in ([fit], [fit, make_fit(fit.config, 40, seed=1), make_fit(fit.config, 40, fold=1)]):
        assert_signals_near(train_fleet(fleet, data)[0].signals, alone, 1e-7)
