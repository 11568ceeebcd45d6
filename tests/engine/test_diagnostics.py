"""The statistics themselves, against passes that are written out here; when they are measured is in test_watch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from hpsearch.config.training import Precision
from hpsearch.data.preprocessing import fit_preprocessing
from hpsearch.data.scaling import fit_target_scaling
from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.diagnostics import STATISTICS
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.nn.models import build_network
from hpsearch.records import Signals
from hpsearch.seeding import epoch_order, fit_seeds
from tests.engine import textbook
from tests.engine.comparison import assert_signals_near

ROWS, TRAIN, EPOCHS = 160, 130, 4
"""All training rows make one minibatch, so that epochs are steps; a hundred of them are probed."""
MLP = {"kind": "mlp", "widths": [9, 7]}
CNN = {"kind": "cnn", "filters": [3, 4], "dense": [5]}
CASES = {
    **{f"{kind}-norm={norm}": {"activation": kind, "norm": norm} for kind in ("relu", "sigmoid", "tanh")
       for norm in ("none", "before", "after")},
    "dropout": {"regularization": {"kind": "both", "dropout": 0.4, "weight_decay": 0.1}},
    "leaky": {"activation": {"kind": "leaky_relu", "slope": 0.2}},
    "elu": {"activation": {"kind": "elu", "alpha": 0.7}},
    "step": {"activation": "step"},
    "linear": {"model": "linear"},
    "smoothed": {"loss": {"kind": "cross_entropy", "label_smoothing": 0.2}},
    "one-output": {"loss": "bce", "task": "binary"},
    "regression": {"loss": "mse", "task": "regression"},
    "sum-of-squares": {"loss": "sse", "task": "regression"},
    "sgd-large-steps": {"optimizer": {"kind": "sgd", "lr": 2.0}, "activation": "tanh"},
    "own-loss": {"loss": {"kind": "custom", "import_path": "own_models:brier"}},
    "weighted": {"weighted": True},
    "weighted-own-loss": {"loss": {"kind": "custom", "import_path": "own_models:brier"}, "weighted": True},
    "narrow": {"model": {"kind": "mlp", "widths": [16, 1]}, "norm": "after", "activation": "tanh"},
    "cnn": {"model": CNN},
    "cnn-narrow": {"model": {**CNN, "filters": [4, 1], "dense": [1]}, "activation": "sigmoid"},
    "cnn-normed": {"model": {**CNN, "pool": "avg", "kernel": 2}, "norm": "before", "activation": "tanh"},
}  # fmt: skip


def layer_outputs(config, weights, x):
    """Name to output after the activation, rows first: batch statistics, no dropout."""
    found, model, statistics = {}, config.model, dict(weights)
    for i in range(len(getattr(model, "filters", []))):
        name = f"convolutions.{i}"
        pad = model.kernel // 2 if model.padding is None else model.padding
        x = functional.conv2d(x, weights[f"{name}.conv.weight"], weights.get(f"{name}.conv.bias"), model.stride, pad)
        found[name], x = activated(config, weights, name, x, statistics)
        pool = functional.max_pool2d if model.pool.value == "max" else functional.avg_pool2d
        x = pool(x, model.pool_size)
    x = x.reshape(len(x), -1)
    for i in range(len(getattr(model, "hidden", getattr(model, "dense", [])))):
        name = f"hidden.{i}"
        x = x @ weights[f"{name}.linear.weight"].T + weights.get(f"{name}.linear.bias", 0.0)
        found[name], x = activated(config, weights, name, x, statistics)
    return found | {"output": x @ weights["output.weight"].T + weights["output.bias"]}


def activated(config, weights, name, x, statistics):
    """What comes out of the activation, and what goes on from there."""
    if config.norm.kind == "before":
        x = textbook.batch_norm(config, weights, f"{name}.norm", x, statistics)
    out = textbook.activation(config, x)
    if config.norm.kind == "after":
        return out, textbook.batch_norm(config, weights, f"{name}.norm", out, statistics)
    return out, out


def brier(z, t):
    return ((torch.exp(z) / torch.exp(z).sum(1, keepdim=True) - torch.eye(z.shape[1])[t]) ** 2).sum(1)


def by_hand(fit, rows, state, before):
    """Layer to field to number."""
    config = fit.config
    chosen = fit.fold.train[epoch_order(fit.seeds.order, 0, TRAIN)[:100]]
    scaling = fit_preprocessing(rows, fit.fold.train, config.preprocess)[0].scaling
    x = (torch.tensor(rows.inputs[chosen]).double() - torch.tensor(scaling.shift)) * torch.tensor(scaling.scale)
    t = torch.tensor(rows.targets[chosen])
    if not rows.classes:
        target = fit_target_scaling(rows, fit.fold.train, config.preprocess)
        t = (t.double() - torch.tensor(target.shift)) * torch.tensor(target.scale)
    leaves = {k: v.clone().requires_grad_() for k, v in state.items() if textbook.is_parameter(k)}
    outputs = layer_outputs(config, state | leaves, x)
    for out in outputs.values():
        out.retain_grad()
    z = outputs["output"]
    losses = brier(z, t) if config.loss.kind == "custom" else textbook.row_losses(config, z, t, rows.classes)
    if rows.weights is not None:
        losses = losses * torch.tensor(rows.weights[chosen] / rows.weights[fit.fold.train].mean())
    losses.mean().backward()
    kind, found = config.activation.kind, {}
    for name, out in outputs.items():
        key = f"{name}.{'conv.' * ('conv' in name)}{'linear.' * ('hidden' in name)}weight"
        a, w = out.detach().numpy(), leaves[key]
        hidden = name != "output"
        saturated = {"sigmoid": (a < 0.01) | (a > 0.99), "tanh": np.abs(a) > 0.98}
        found[name] = {
            "activation_mean": a.mean(),
            "activation_sd": a.std(),
            "activation_second_moment": (a**2).mean(),
            "dead": (a == 0).all(axis=0).mean() if hidden and kind in ("relu", "leaky_relu", "elu") else None,
            "saturated": saturated[kind].mean() if hidden and kind in saturated else None,
            "gradient_norm": np.sqrt((w.grad.numpy() ** 2).sum()),
            "gradient_second_moment": (out.grad.numpy() ** 2).mean(),
            "weight_norm": np.sqrt((state[key].numpy() ** 2).sum()),
            "update_ratio": before and ((state[key] - before[key]).norm() / before[key].norm()).item(),
        }
    return found


def problem(case, make_config, make_rows, make_fit):
    overrides = {"data": "breast_cancer", "model": MLP, **CASES[case]}
    task, images = (
        overrides.pop("task", "multiclass"),
        overrides["model"] != "linear" and "filters" in overrides["model"],
    )
    rows = make_rows(ROWS, task=task, images=images, width=8 if images else 5)
    if overrides.pop("weighted", False):
        rows = replace(rows, weights=np.random.default_rng(0).uniform(0, 3, ROWS))
    config = make_config(**overrides, training={"epochs": EPOCHS, "batch_size": 200}, seed=3)
    return rows, make_fit(config, ROWS, train=TRAIN)


def states(fit, rows, data):
    """The weights after 0, 1, … epochs."""
    outputs = {"regression": 2}.get(rows.task.value, 1 if fit.config.loss.kind == "bce" else rows.classes)
    network = build_network(fit.config, rows.inputs.shape[1:], outputs, seed=fit.seeds.init)
    every = [{name: x.double() for name, x in network.state_dict().items()}]
    for epochs in range(1, EPOCHS + 1):
        training = replace(fit.config.training, epochs=epochs)
        short = replace(fit, config=replace(fit.config, training=training))
        result = reference.train(short, data, keep_state=True)
        every.append({name: torch.tensor(array) for name, array in result.state.items()})
    return every


@pytest.mark.parametrize("case", CASES)
def test_every_statistic_equals_a_forward_and_a_backward_pass_by_hand(case, make_config, make_rows, make_fit):
    rows, fit = problem(case, make_config, make_rows, make_fit)
    data = to_device(rows, dtype=torch.float64)
    weights = states(fit, rows, data)
    signals = reference.train(fit, data).signals
    assert signals.steps == signals.epochs == [0, 1, 2, 4]
    points = [by_hand(fit, rows, weights[step], weights[step - 1] if step else None) for step in signals.steps]
    layers = list(points[0])
    expected = {name: [[point[layer][name] for layer in layers] for point in points] for name in STATISTICS}
    assert_signals_near(signals, Signals(signals.steps, signals.epochs, layers, **expected), 1e-8)


def company(fit, members):
    """The fit among others with seeds, rates and rules of their own."""
    fits = [fit]
    for number in range(1, members):
        rate = replace(fit.config.optimizer, lr=fit.config.optimizer.lr / (1 + number))
        fits.append(replace(fit, seeds=fit_seeds(number % 5, 0, 0), config=replace(fit.config, optimizer=rate)))
    return fits


@pytest.mark.parametrize("case", CASES)
def test_both_engines_measure_the_same_and_exactly_so_before_the_first_step(case, make_config, make_rows, make_fit):
    rows, fit = problem(case, make_config, make_rows, make_fit)
    for dtype, near in ((torch.float64, 1e-8), (torch.float32, 1e-2)):
        data = to_device(rows, dtype=dtype)
        alone, (together, *_) = reference.train(fit, data).signals, train_fleet(company(fit, 3), data)
        assert_signals_near(together.signals, alone, near)
        assert [repr(getattr(together.signals, name)[0]) for name in STATISTICS] == [
            repr(getattr(alone, name)[0]) for name in STATISTICS
        ]


@pytest.mark.parametrize(
    "case",
    [
        "relu-norm=before",
        "sigmoid-norm=none",
        "one-output",
        "narrow",
        *(
            pytest.param(case, marks=pytest.mark.slow)
            for case in ("elu", "smoothed", "cnn", "cnn-normed", "cnn-narrow")
        ),
    ],
)
def test_a_fits_signals_do_not_depend_on_its_fleet(case, make_config, make_rows, make_fit):
    rows, fit = problem(case, make_config, make_rows, make_fit)
    data, fits = to_device(rows), company(fit, 40)  # more than are measured at once
    everybody = [repr(result.signals) for result in train_fleet(fits, data)]
    assert len(set(everybody)) > 5
    for width in (1, 2, 7, 16):
        places = np.random.default_rng(width).permutation(40)[:width]
        results = train_fleet([fits[place] for place in places], data)
        assert [repr(result.signals) for result in results] == [everybody[place] for place in places], width


@pytest.mark.parametrize("case", ["relu-norm=before", "cnn"])
def test_mixed_precision_measures_what_it_trains(case, make_config, make_rows, make_fit):
    rows, fit = problem(case, make_config, make_rows, make_fit)
    data = to_device(rows)
    training = replace(fit.config.training, precision=Precision.BF16)
    mixed = replace(fit, config=replace(fit.config, training=training))
    full, half = (reference.train(one, data).signals for one in (fit, mixed))
    for name in ("activation_mean", "activation_sd", "gradient_norm", "weight_norm"):
        assert getattr(half, name)[0] == pytest.approx(getattr(full, name)[0], rel=0.05, abs=0.01), name
    assert half.activation_sd != full.activation_sd
