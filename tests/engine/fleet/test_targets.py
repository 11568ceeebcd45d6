"""Members that see the same rows in different ways: targets and inputs are scaled for each as the reference does."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hpsearch.config import ConfigError
from hpsearch.data.dataset import reconstructed, to_development
from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.trainer import train_fleet
from tests.engine.comparison import worst_difference

TOLERANCE = 1e-9
TRAINING = {"epochs": 4, "batch_size": 8}


def assert_equals_reference(fits, rows):
    data = to_device(rows, dtype=torch.float64)
    alone = [reference.train(fit, data, keep_state=True) for fit in fits]
    differences = list(map(worst_difference, train_fleet(fits, data, keep_state=True), alone))
    assert max(differences) <= TOLERANCE


@pytest.mark.parametrize("images", [True, False], ids=["images", "features"])
@pytest.mark.parametrize(("loss", "preprocess"), [("mse", "minmax"), ("mse", "standard"), ("bce", "minmax")])
def test_autoencoders_reconstruct_their_scaled_inputs(loss, preprocess, images, make_config, make_rows, make_fit):
    rows = make_rows(40, images=images, width=6)
    if not images:  # the extremes lie in every training part, so that no row leaves [0, 1]
        rows = replace(rows, inputs=np.tile(rows.inputs[:4], (10, 1)))
    data = {"kind": "mnist" if images else "digits", "task": "autoencoder"}
    config = make_config(data=data, preprocess=preprocess, loss=loss, training=TRAINING)
    fits = [make_fit(config, 40, fold=fold, seed=fold) for fold in range(3)]
    assert_equals_reference(fits, to_development(reconstructed(rows)))


def test_an_autoencoder_with_bce_refuses_targets_outside_0_to_1(make_config, make_rows, make_fit):
    data = {"kind": "mnist", "task": "autoencoder"}
    rows = to_development(reconstructed(make_rows(40, images=True, width=6)))
    with pytest.raises(ConfigError, match=r"loss=bce must be given targets within \[0, 1\]"):
        train_fleet([make_fit(make_config(data=data, preprocess="standard", loss="bce"), 40)], to_device(rows))


def test_an_autoencoder_of_convolutions_equals_the_reference(make_config, make_rows, make_fit):
    data = {"kind": "mnist", "task": "autoencoder"}
    config = make_config(
        data=data,
        preprocess="standard",
        loss="sse",
        model="cnn",
        norm="before",
        training=TRAINING,
        optimizer={"lr": 1e-4},
    )
    fits = [make_fit(config, 40, fold=fold) for fold in range(2)]
    assert_equals_reference(fits, to_development(reconstructed(make_rows(40, images=True, width=6))))


@pytest.mark.parametrize(
    ("task", "loss", "key"),
    [
        ("binary", "focal", "gamma"),
        ("multiclass", "focal", "gamma"),
        ("multiclass", "multi_margin", "margin"),
        ("regression", "huber", "delta"),
        ("regression", "pinball", "quantile"),
    ],
)
def test_members_may_differ_in_a_number_of_their_loss(task, loss, key, make_config, make_rows, make_fit):
    configs = [make_config(loss={"kind": loss, key: value}, training=TRAINING) for value in (0.2, 0.5, 0.9)]
    assert_equals_reference(
        [make_fit(config, 40, seed=seed) for seed, config in enumerate(configs)], make_rows(task=task)
    )


@pytest.mark.parametrize(
    ("task", "loss"),
    [
        ("multiclass", "cross_entropy"),
        ("multiclass", "bce"),
        ("multiclass", "focal"),
        ("binary", "bce"),
        ("binary", "focal"),
    ],
)
def test_classes_are_weighted_by_the_training_rows_of_each_member(task, loss, make_config, make_rows, make_fit):
    weights, training = ("balanced", {"class 1": 7.0}, {"class 0": 0.5}), {**TRAINING, "patience": 10}
    configs = [make_config(loss={"kind": loss, "class_weight": each}, training=training) for each in weights]
    fits = [make_fit(config, 40, fold=fold, monitor=6) for fold, config in enumerate([*configs, configs[0]])]
    assert_equals_reference(fits, make_rows(task=task))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_labels_are_learned_by_the_mean_of_their_cross_entropies(smoothing, make_config, make_rows, make_fit):
    rows = make_rows(40, task="regression", targets=3)
    labels = (rows.targets > rows.targets.mean(axis=0)).astype(np.float32)
    rows = replace(rows, targets=labels, labels=(("0", "1"),) * 3)
    data = {"kind": "csv", "task": "multilabel", "target": ["a", "b", "c"]}
    loss = {"kind": "bce", "label_smoothing": smoothing}
    config = make_config(data=data, loss=loss, preprocess={"target": "standard"}, training=TRAINING)
    fits = [make_fit(config, 40, fold=fold, seed=fold) for fold in range(3)]
    assert_equals_reference(fits, rows)
    fold = replace(fits[0].fold, val=fits[0].fold.train)
    result = reference.train(replace(fits[0], fold=fold), to_device(rows, dtype=torch.float64))
    smooth = torch.tensor(labels[fold.train]).double() * (1 - smoothing) + smoothing / 2
    expected = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(result.val_outputs[-1]), smooth)
    assert result.final_loss == pytest.approx(expected.item(), rel=1e-9)


def test_counts_are_not_scaled(make_config, make_rows, make_fit):
    rows = make_rows(40, task="regression")
    counts = replace(rows, targets=np.random.default_rng(0).poisson(3.0, (40, 2)).astype(np.float32))
    fits = [make_fit(make_config(loss="poisson_nll", training=TRAINING), 40, fold=fold) for fold in range(3)]
    assert_equals_reference(fits, counts)


def test_negative_counts_are_refused(make_config, make_rows, make_fit):
    rows = make_rows(40, task="regression")
    negative = replace(rows, targets=rows.targets - rows.targets.max())
    with pytest.raises(ConfigError, match="loss=poisson_nll must be given counts, targets >= 0, got -"):
        train_fleet([make_fit(make_config(loss="poisson_nll"), 40)], to_device(negative))


def test_scaled_inputs_are_no_counts(make_config, make_rows, make_fit):
    rows = to_development(reconstructed(make_rows(40, images=True, width=6)))
    config = make_config(data={"kind": "mnist", "task": "autoencoder"}, loss="poisson_nll")
    with pytest.raises(ConfigError, match="loss=poisson_nll must be given counts, which the scaled inputs"):
        train_fleet([make_fit(config, 40)], to_device(rows))


@pytest.mark.parametrize("loss", ["mse", "mae", "sse", "gaussian_nll"])
def test_regression_targets_are_scaled_by_the_training_rows_of_each_member(loss, make_config, make_rows, make_fit):
    rows = make_rows(40, task="regression", targets=3)
    spread = rows.targets * np.geomspace(1, 1000, 40, dtype=np.float32)[:, None]  # folds differ widely in their scale
    config = make_config(data="diabetes", loss=loss, training=TRAINING)
    fits = [make_fit(config, 40, fold=fold, seed=fold) for fold in range(4)]
    assert_equals_reference(fits, replace(rows, targets=spread))


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_members_of_one_fold_may_scale_their_inputs_differently(task, make_config, make_rows, make_fit):
    rows = make_rows(40, task=task)
    fit = make_fit(make_config(), 40)
    fits = []
    for preprocess in ("standard", "none", "minmax"):
        loss = "mse" if task == "regression" else "cross_entropy"
        fits.append(replace(fit, config=make_config(preprocess=preprocess, loss=loss, training=TRAINING)))
    assert_equals_reference(fits, rows)
