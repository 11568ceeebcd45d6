"""Rows that count more than once, or less, in training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from hpsearch.config import ConfigError
from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.trainer import train_fleet
from tests.engine.comparison import bits, worst_difference

ENGINES = {"reference": reference.train, "fleet": lambda fit, data, **how: train_fleet([fit], data, **how)[0]}


def weighted(rows, seed=0):
    """With weights from 0 to 4, and some that are 0."""
    draw = np.random.default_rng(seed)
    return replace(rows, weights=np.where(draw.random(rows.n) < 0.2, 0.0, draw.uniform(0, 4, rows.n)))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("task", "loss"),
    [
        ("multiclass", "cross_entropy"),
        ("binary", "bce"),
        ("regression", "mse"),
        ("regression", "huber"),
        ("multiclass", {"kind": "custom", "import_path": "own_models:brier"}),
    ],
)
def test_whole_weights_train_as_repeated_rows_do(engine, task, loss, make_config, make_rows, make_fit):
    rows, training = make_rows(40, task=task), {"epochs": 5, "batch_size": 200}
    rows = rows if rows.classes else replace(rows, targets=(rows.targets - 10) / 20)  # they are not scaled below
    preprocess = {"kind": "none", "target": "none"}
    config = make_config(loss=loss, preprocess=preprocess, training=training, optimizer={"kind": "sgd", "lr": 0.001})
    fit = make_fit(config, 40)
    weights = np.random.default_rng(0).integers(0, 4, 40).astype(np.float64)
    once = to_device(replace(rows, weights=weights), dtype=torch.float64)
    train = np.repeat(fit.fold.train, weights[fit.fold.train].astype(int))
    repeated = replace(fit, fold=replace(fit.fold, train=train))
    found = ENGINES[engine](fit, once, keep_state=True)
    expected = reference.train(repeated, to_device(rows, dtype=torch.float64), keep_state=True)
    assert worst_difference(found, expected) < 1e-9
    np.testing.assert_allclose(found.train_loss, expected.train_loss, rtol=1e-9)
    assert found.final_loss == pytest.approx(expected.final_loss, rel=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_only_the_ratios_of_weights_count(engine, make_config, make_rows, make_fit):
    rows, fit = weighted(make_rows(40)), make_fit(make_config(training={"epochs": 3, "batch_size": 8}), 40)
    results = [
        ENGINES[engine](fit, to_device(each, dtype=torch.float64), keep_state=True)
        for each in (rows, replace(rows, weights=rows.weights * 1000))
    ]
    assert worst_difference(*results) < 1e-9


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_of_1_change_no_bit(engine, make_config, make_rows, make_fit):
    rows, fit = make_rows(40), make_fit(make_config(training={"epochs": 3, "batch_size": 8}), 40)
    results = [ENGINES[engine](fit, to_device(each)) for each in (rows, replace(rows, weights=np.full(40, 3.0)))]
    assert bits(results[0]) == bits(results[1])


@pytest.mark.parametrize("engine", ENGINES)
def test_losses_of_monitor_rows_and_the_final_loss_are_weighted_and_accuracy_is_not(
    engine, make_config, make_rows, make_fit
):
    rows = weighted(make_rows(60))
    config = make_config(training={"epochs": 3, "batch_size": 8, "patience": 50})
    fit = make_fit(config, 60, monitor=12)
    fold = replace(fit.fold, val=fit.fold.train, report=fit.fold.monitor)
    result = ENGINES[engine](replace(fit, fold=fold), to_device(rows, dtype=torch.float64))
    mean = rows.weights[fold.train].mean()

    def loss(index, logits):
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        weights = rows.weights[index] / mean
        return log_loss(rows.targets[index], p, labels=range(3), sample_weight=weights) * weights.mean()

    chosen = result.chosen_epoch - 1
    assert result.final_loss == pytest.approx(loss(fold.train, result.val_outputs[chosen]), rel=1e-9)
    assert result.monitor_loss[chosen] == pytest.approx(loss(fold.monitor, result.report_outputs), rel=1e-9)
    assert set(np.round(result.train_accuracy * len(fold.train), 9) % 1) == {0}


def test_members_of_a_fleet_weigh_rows_by_their_own_training_rows_as_the_reference_does(
    make_config, make_rows, make_fit
):
    rows, training = weighted(make_rows(47)), {"epochs": 4, "batch_size": 8, "patience": 10}
    configs = [make_config(loss={"class_weight": each}, training=training) for each in ("balanced", {"class 1": 7.0})]
    fits = [make_fit(config, 47, train=24 + fold % 2, monitor=6, fold=fold) for config in configs for fold in range(3)]
    data = to_device(rows, dtype=torch.float64)
    for same in ([fit for fit in fits if len(fit.fold.train) == n] for n in (24, 25)):
        alone = [reference.train(fit, data, keep_state=True) for fit in same]
        together = train_fleet(same, data, keep_state=True)
        assert max(map(worst_difference, together, alone)) < 1e-9
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a.monitor_loss, b.monitor_loss, rtol=1e-9)
            assert a.final_loss == pytest.approx(b.final_loss, rel=1e-9)


def test_under_mixup_fleets_weigh_partners_as_the_reference_does(make_config, make_rows, make_fit):
    rows = weighted(make_rows(40))
    config = make_config(training={"epochs": 4, "batch_size": 8}, augmentation={"kind": "mixup", "mixup": 1.0})
    fits, data = [make_fit(config, 40, fold=fold) for fold in range(3)], to_device(rows, dtype=torch.float64)
    alone = [reference.train(fit, data, keep_state=True) for fit in fits]
    together = train_fleet(fits, data, keep_state=True)
    assert max(map(worst_difference, together, alone)) < 1e-9
    plain = reference.train(fits[0], to_device(replace(rows, weights=None), dtype=torch.float64), keep_state=True)
    assert worst_difference(plain, alone[0]) > 1e-3


def test_a_member_does_not_depend_on_its_fleet(make_config, make_rows, make_fit):
    data = to_device(weighted(make_rows(40)))
    config = make_config(training={"epochs": 3, "batch_size": 7})
    fits = [make_fit(config, 40, fold=at % 3, seed=at) for at in range(9)]
    everybody = [bits(result) for result in train_fleet(fits, data, keep_state=True)]
    for width in (1, 2, 5):
        results = train_fleet(fits[:width], data, keep_state=True)
        assert [bits(result) for result in results] == everybody[:width]


def test_fits_whose_rows_all_weigh_nothing_are_refused(make_config, make_rows, make_fit):
    rows = make_rows(40)
    fit = make_fit(make_config(training={"patience": 2}), 40, monitor=5)
    for part, message in (("train", "a training row"), ("monitor", "a monitor row")):
        weights = np.ones(40)
        weights[getattr(fit.fold, part)] = 0
        data = to_device(replace(rows, weights=weights))
        for train in ENGINES.values():
            with pytest.raises(ConfigError, match=f"data.weight must be > 0 for {message} at least, got 0 for all"):
                train(fit, data)
