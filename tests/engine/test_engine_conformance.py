"""What every engine promises; a new engine joins by a function (fit, data, keep_state) in `ENGINES`."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from hpsearch.config import ConfigError
from hpsearch.config.training import Adam, Optimizer
from hpsearch.data.preprocessing import fit_preprocessing
from hpsearch.engine import reference
from hpsearch.engine.device_data import DeviceData, to_device
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.records import Fit, FitResult, Status
from hpsearch.seeding import fit_seeds
from tests.engine import textbook
from tests.engine.comparison import TOLERANCE, assert_equal_training


def alone(fit: Fit, data: DeviceData, **settings: Any) -> FitResult:
    return train_fleet([fit], data, **settings)[0]


def among_others(fit: Fit, data: DeviceData, **settings: Any) -> FitResult:
    """In a fleet with other seeds, rates and update rules."""
    others = [
        replace(fit, replicate=9, seeds=fit_seeds(77, 0, 9), config=replace(fit.config, optimizer=optimizer))
        for optimizer in (
            replace(fit.config.optimizer, lr=fit.config.optimizer.lr / 3),
            Optimizer(kind="sgd", lr=0.01),
            Adam(kind="adamw", lr=0.002, beta1=0.8, beta2=0.99, eps=1e-6),
        )
    ]
    return train_fleet([others[0], fit, *others[1:]], data, **settings)[1]


SLOW = pytest.mark.slow
ENGINES = {"reference": reference.train, "fleet of one": alone, "mixed fleet": among_others}
MLP2 = {"kind": "mlp", "widths": [7, 6]}
EPOCHS = {"epochs": 4, "batch_size": 8}
OPTIMIZERS = (
    *("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"),
    *("nadam", "radam", "lion", "lamb"),
)
REGULARIZERS = (
    {"kind": "none"},
    {"kind": "weight_decay", "weight_decay": 0.05},
    {"kind": "dropout", "dropout": 0.3},
    {"kind": "both", "weight_decay": 0.02, "dropout": 0.2, "max_norm": 1.0},
    {"kind": "none", "max_norm": 0.7},
)
SCHEDULES = (
    {"kind": "constant"},
    {"kind": "step", "every": 2, "gamma": 0.3},
    {"kind": "exponential", "gamma": 0.7},
    {"kind": "cosine", "floor": 0.1},
    {"kind": "linear", "floor": 0.1},
    {"kind": "warm_restarts", "period": 1},
    {"kind": "one_cycle", "final_div_factor": 100},
)
LOSSES = (
    ("multiclass", {"kind": "cross_entropy"}, 3),
    ("multiclass", {"kind": "cross_entropy", "label_smoothing": 0.2}, 3),
    ("binary", {"kind": "cross_entropy"}, 2),
    ("binary", {"kind": "bce"}, 1),
    ("binary", {"kind": "bce", "label_smoothing": 0.1}, 1),
    ("multiclass", {"kind": "bce"}, 3),
    ("binary", {"kind": "perceptron"}, 1),
    ("binary", {"kind": "focal"}, 1),
    ("multiclass", {"kind": "focal", "gamma": 0.5}, 3),
    ("binary", {"kind": "multi_margin"}, 2),
    ("multiclass", {"kind": "multi_margin", "margin": 0.5}, 3),
    ("multiclass", {"kind": "huber", "delta": 0.3}, 3),
    ("regression", {"kind": "huber", "delta": 0.7}, 2),
    ("regression", {"kind": "pinball", "quantile": 0.9}, 2),
    ("regression", {"kind": "poisson_nll"}, 2),
    ("regression", {"kind": "gaussian_nll"}, 4),
    *((task, {"kind": kind}, c) for kind in ("mse", "mae", "sse") for task, c in (("binary", 2), ("regression", 2))),
)
CASES: list[tuple[str, dict[str, Any], str, int]] = [
    *(
        (f"{o}-{r['kind']}-max_norm={r.get('max_norm')}", {"optimizer": o, "regularization": r}, "multiclass", 3)
        for o in OPTIMIZERS
        for r in REGULARIZERS
    ),
    *(
        (f"{a}-norm={n}", {"activation": a, "norm": n}, "multiclass", 3)
        for a in ("step", "identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu")
        for n in ("none", "before", "after")
    ),
    *(
        (f"{s['kind']}-warmup={w}", {"schedule": {**s, "warmup_epochs": w}, "optimizer": "momentum"}, "multiclass", 3)
        for s in SCHEDULES
        for w in (0.0, 1.5)
    ),
    *(
        (f"{task}-{loss['kind']}-{loss.get('label_smoothing', 0)}", {"loss": loss, "optimizer": optimizer}, task, c)
        for task, loss, c in LOSSES
        # a sum takes longer steps, and so do counts that are not scaled
        for optimizer in [{"kind": "sgd", "lr": {"sse": 0.02, "poisson_nll": 0.002}.get(loss["kind"], 0.1)}]
    ),
    *(
        (
            f"{task}-{loss}-weighted by {weights}",
            {"loss": {"kind": loss, "class_weight": weights}, "optimizer": "sgd"},
            task,
            c,
        )
        for task, loss, c in (("binary", "bce", 1), ("multiclass", "bce", 3), ("multiclass", "cross_entropy", 3))
        for weights in ("balanced", {"class 1": 5.0})
    ),
    ("binary-focal-balanced", {"loss": {"kind": "focal", "class_weight": "balanced"}}, "binary", 1),
    ("clip", {"training": {**EPOCHS, "clip_norm": 0.1}, "optimizer": "sgd"}, "multiclass", 3),
    ("not-affine", {"norm": {"kind": "before", "affine": False, "momentum": 0.3}}, "multiclass", 3),
    ("linear", {"model": "linear", "optimizer": "sgd"}, "multiclass", 3),
    ("one-row-merged", {"norm": "before", "training": {"epochs": 3, "batch_size": 23}}, "multiclass", 3),
]
CNNS = (
    {"pool": "max", "pool_size": 2},
    {"pool": "avg", "pool_size": 2, "padding": 0, "filters": [3]},
    {"pool": "none", "stride": 2, "kernel": 2, "filters": [3, 4], "dense": [5, 4]},
    {"pool": "none", "dense": []},
)


@pytest.fixture(params=["reference", pytest.param("fleet of one", marks=SLOW), "mixed fleet"])
def train(request: pytest.FixtureRequest) -> Callable[..., FitResult]:
    return ENGINES[request.param]


@pytest.mark.parametrize(("overrides", "task", "outputs"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_equals_the_textbook_formulas(train, overrides, task, outputs, make_config, make_rows, make_fit):
    config = make_config(**{"data": "breast_cancer", "model": MLP2, "training": EPOCHS} | overrides)
    rows = make_rows(40, task=task)
    if config.loss.kind == "poisson_nll":
        rows = replace(rows, targets=np.random.default_rng(0).poisson(2.0, rows.targets.shape).astype(np.float32))
    fit = make_fit(config, 40)
    result = train(fit, to_device(rows, dtype=torch.float64), keep_state=True)
    assert_equal_training(result, textbook.train(fit, rows, outputs))


@pytest.mark.parametrize(("task", "loss", "outputs"), LOSSES)
def test_rows_with_weights_equal_the_textbook_formulas(train, task, loss, outputs, make_config, make_rows, make_fit):
    optimizer = {"kind": "sgd", "lr": 0.002 if loss["kind"] in ("sse", "poisson_nll") else 0.1}
    config = make_config(data="breast_cancer", model=MLP2, training=EPOCHS, loss=loss, optimizer=optimizer)
    rows = replace(make_rows(40, task=task), weights=np.random.default_rng(0).integers(0, 5, 40) / 2)
    if config.loss.kind == "poisson_nll":
        rows = replace(rows, targets=np.random.default_rng(0).poisson(2.0, rows.targets.shape).astype(np.float32))
    fit = make_fit(config, 40)
    result = train(fit, to_device(rows, dtype=torch.float64), keep_state=True)
    assert_equal_training(result, textbook.train(fit, rows, outputs))


@pytest.mark.parametrize("norm", ["none", "before", "after"])
@pytest.mark.parametrize("cnn", CNNS)
def test_convolutional_networks_equal_the_textbook_formulas(train, cnn, norm, make_config, make_rows, make_fit):
    config = make_config(model={"kind": "cnn", **cnn}, norm=norm, regularization="both", training=EPOCHS, init="normal")
    rows = make_rows(40, images=True, width=8)
    fit = make_fit(config, 40)
    result = train(fit, to_device(rows, dtype=torch.float64), keep_state=True)
    assert_equal_training(result, textbook.train(fit, rows, 3))


@pytest.mark.parametrize(
    "optimizer", [kind if kind in ("sgd", "adamw") else pytest.param(kind, marks=SLOW) for kind in OPTIMIZERS]
)
def test_two_hundred_steps_stay_together(train, optimizer, make_config, make_rows, make_fit):
    config = make_config(
        optimizer={"kind": optimizer, "lr": 0.01},  # small enough that rounding errors do not grow chaotically
        norm="after",
        regularization="both",
        activation="tanh",
        training={"epochs": 40, "batch_size": 5},
    )
    rows, fit = make_rows(40), make_fit(config, 40, train=25)
    result = train(fit, to_device(rows, dtype=torch.float64), keep_state=True)
    assert_equal_training(result, textbook.train(fit, rows, 3))


def test_float32_follows_float64(train, make_config, make_rows, make_fit):
    config = make_config(norm="before", regularization="both", optimizer="momentum", training=EPOCHS)
    rows, fit = make_rows(40), make_fit(config, 40)
    single = train(fit, to_device(rows))
    np.testing.assert_allclose(single.val_outputs, textbook.train(fit, rows, 3)["val_outputs"], atol=1e-3)
    assert single.val_outputs.dtype == np.float32


def test_the_same_fit_gives_the_same_bits_twice(train, make_config, make_rows, make_fit):
    config = make_config(regularization="both", norm="before", training=EPOCHS)
    data, fit = to_device(make_rows(40)), make_fit(config, 40, monitor=4)
    torch.manual_seed(1)
    first = train(fit, data, keep_state=True)
    torch.manual_seed(2)
    np.random.default_rng(2)
    second = train(fit, data, keep_state=True)
    assert first.val_outputs.tobytes() == second.val_outputs.tobytes()
    assert first.train_loss.tobytes() == second.train_loss.tobytes()
    assert all(first.state[name].tobytes() == second.state[name].tobytes() for name in first.state)


def test_no_global_generator_is_touched(train, make_config, make_rows, make_fit):
    torch.manual_seed(5)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    train(make_fit(make_config(regularization="dropout"), 40), to_device(make_rows(40)))
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_another_seed_gives_another_network(train, make_config, make_rows, make_fit):
    config, data = make_config(), to_device(make_rows(40))
    first, second = (train(make_fit(config, 40, seed=seed), data) for seed in (0, 1))
    assert not np.allclose(first.val_outputs, second.val_outputs)


def test_shapes_and_counts(train, make_config, make_rows, make_fit):
    config = make_config(training={"epochs": 3, "batch_size": 7})
    fit = make_fit(config, 40, train=20, monitor=6)
    result = train(fit, to_device(make_rows(40)))
    assert result.status is Status.OK
    assert result.failure is None
    assert result.val_outputs.shape == (3, 7, 3)
    assert result.report_outputs.shape == (7, 3)
    assert [len(x) for x in (result.train_loss, result.train_accuracy, result.monitor_loss, result.lr)] == [3] * 4
    assert (result.chosen_epoch, result.rows, result.state) == (3, 60, None)
    assert result.fit_s > 0


def test_training_accuracy_is_the_share_of_rows_right_while_training(train, make_config, make_rows, make_fit):
    rows = make_rows(40)
    config = make_config(optimizer={"kind": "sgd", "lr": 1e-30}, training={"epochs": 1, "batch_size": 6})
    fit = make_fit(config, 40)
    everything = replace(fit, fold=replace(fit.fold, val=fit.fold.train))
    result = train(everything, to_device(rows))
    share = np.mean(result.val_outputs[0].argmax(axis=1) == rows.targets[fit.fold.train])
    assert result.train_accuracy.tolist() == [share]


@pytest.mark.parametrize("loss", [{"kind": "cross_entropy", "label_smoothing": 0.2}, {"kind": "bce"}])
def test_the_final_loss_is_that_of_the_training_rows_without_dropout(train, loss, make_config, make_rows, make_fit):
    config = make_config(loss=loss, regularization="dropout", norm="before", training=EPOCHS)
    rows, fit = make_rows(40), make_fit(config, 40)
    result = train(fit, to_device(rows, dtype=torch.float64), keep_state=True)
    state = {name: torch.tensor(array) for name, array in result.state.items()}
    scaling = fit_preprocessing(rows, fit.fold.train, config.preprocess)[0].scaling
    x = (torch.tensor(rows.inputs[fit.fold.train]).double() - torch.tensor(scaling.shift)) * torch.tensor(scaling.scale)
    per_row = textbook.row_losses(
        config, textbook.forward(config, state, x), torch.tensor(rows.targets[fit.fold.train]), rows.classes
    )
    assert result.final_loss == pytest.approx(per_row.mean().item(), abs=TOLERANCE)


def test_early_stopping_restores_the_best_epoch(train, make_config, make_rows, make_fit):
    rows = make_rows(60, seed=3)
    stopping = {"epochs": 60, "batch_size": 4, "patience": 5}
    make = {"optimizer": {"kind": "adam", "lr": 0.05}, "model": {"kind": "mlp", "width": 30}}
    fit = make_fit(make_config(**make, training=stopping), 60, train=16, monitor=20)
    result = train(fit, to_device(rows), keep_state=True)
    ran, best = len(result.monitor_loss), int(np.argmin(result.monitor_loss)) + 1
    assert result.chosen_epoch == best
    assert ran == best + 5 < 60
    alone = make_fit(
        make_config(**make, training={**stopping, "epochs": best, "patience": None}), 60, train=16, monitor=20
    )
    until_best = train(alone, to_device(rows), keep_state=True)
    assert result.report_outputs.tobytes() == until_best.report_outputs.tobytes()
    assert all(result.state[name].tobytes() == until_best.state[name].tobytes() for name in until_best.state)


def test_without_patience_the_last_epoch_is_chosen(train, make_config, make_rows, make_fit):
    fit = make_fit(make_config(training={"epochs": 5}, optimizer={"kind": "sgd", "lr": 1.0}), 40, monitor=5)
    assert train(fit, to_device(make_rows(40))).chosen_epoch == 5


def test_plateau_reduces_the_learning_rate_as_torch_does(train, make_config, make_rows, make_fit):
    config = make_config(
        optimizer={"kind": "sgd", "lr": 2.0},
        schedule={"kind": "plateau", "patience": 1, "factor": 0.5},
        training={"epochs": 25, "batch_size": 4},
    )
    result = train(make_fit(config, 60, train=16, monitor=20), to_device(make_rows(60)))
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, threshold=0)
    expected = []
    for loss in result.monitor_loss:
        expected.append(optimizer.param_groups[0]["lr"])
        plateau.step(loss)
    assert result.lr.tolist() == expected
    assert expected[-1] < 2.0


def test_divergence_is_reported_with_its_epoch(train, make_config, make_rows, make_fit):
    config = make_config(
        model={"kind": "mlp", "widths": [20, 20, 20]},
        optimizer={"kind": "sgd", "lr": 1e6},
        loss="mse",
        training={"epochs": 10, "batch_size": 4},
    )
    result = train(make_fit(config, 40), to_device(make_rows(40, task="regression")))
    assert result.status is Status.DIVERGED
    assert result.failure == "non-finite training loss in epoch 1 (of 10)"
    assert (result.chosen_epoch, len(result.train_loss), result.val_outputs.shape[0]) == (0, 0, 0)
    assert np.isnan(result.final_loss)


def test_a_loss_that_overflows_at_the_end_is_a_divergence(train, make_config, make_rows, make_fit):
    config = make_config(
        model="linear", loss="mse", optimizer={"kind": "sgd", "lr": 1e25}, training={"epochs": 1, "batch_size": 24}
    )
    result = train(make_fit(config, 40), to_device(make_rows(40, task="regression")), keep_state=True)
    assert np.isfinite(result.val_outputs).all()  # some 1e25, whose square is not finite in float32
    assert result.status is Status.DIVERGED
    assert result.failure == "non-finite loss of training rows at the end (of 1 epochs)"
    assert len(result.report_outputs) == 0


def test_bce_needs_training_targets_that_are_probabilities(train, make_config, make_rows, make_fit):
    rows = replace(make_rows(40, task="regression"), autoencoder=True)
    rows = replace(rows, targets=rows.inputs.reshape(40, -1).astype(np.float32))
    data = to_device(rows)
    unit = make_fit(make_config(loss="bce", preprocess="minmax", data={"kind": "csv", "task": "autoencoder"}), 40)
    assert train(unit, data).status is Status.OK  # whatever the other rows are after scaling by these
    plain = make_fit(make_config(loss="bce", preprocess="none", data={"kind": "csv", "task": "autoencoder"}), 40)
    with pytest.raises(ConfigError, match=r"loss=bce must be given targets within \[0, 1\], got -"):
        train(plain, data)


def test_a_late_divergence_keeps_the_finite_epochs(train, make_config, make_rows, make_fit):
    config = make_config(
        model="linear", optimizer={"kind": "sgd", "lr": 2.0}, loss="sse", training={"epochs": 30, "batch_size": 24}
    )
    result = train(make_fit(config, 40), to_device(make_rows(40, task="regression")))
    finite = len(result.train_loss)
    assert 1 < finite < 30
    assert result.failure.endswith(f"in epoch {finite + 1} (of 30)")
    assert np.isfinite(result.train_loss).all()
    assert np.isfinite(result.val_outputs).all()
    assert len(result.val_outputs) == result.chosen_epoch == finite


@pytest.mark.parametrize(
    ("model", "loss", "solves"),
    [
        ("mlp", "bce", True),
        ("linear", "bce", False),
        pytest.param("perceptron", "perceptron", False, marks=SLOW),
    ],
)
def test_xor_needs_a_hidden_layer(train, model, loss, solves, make_config, make_rows, make_fit):
    rows = make_rows(4, task="binary", width=2)
    rows = replace(rows, inputs=np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), targets=np.array([0, 1, 1, 0]))
    config = make_config(
        data="xor",
        model={"kind": "mlp", "width": 8} if model == "mlp" else model,
        activation="sigmoid",
        init={"kind": "normal", "std": 1.0},
        loss=loss,
        optimizer={"kind": "adam", "lr": 0.1},
        training={"epochs": 300, "batch_size": 4},
    )
    accuracies = []
    for seed in range(2):
        fit = make_fit(config, 4, train=4, seed=seed)
        truth_table = replace(fit, fold=replace(fit.fold, train=np.arange(4), val=np.arange(4)))
        outputs = train(truth_table, to_device(rows)).val_outputs[-1]
        accuracies.append(np.mean((outputs[:, 0] > 0) == rows.targets))
    assert accuracies == [1.0] * 2 if solves else max(accuracies) <= 0.75
