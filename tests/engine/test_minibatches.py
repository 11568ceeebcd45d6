"""Fits with nearly equally many rows in one fleet: each is trained on its own rows, as if it were alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.trainer import train_fits, train_fleet
from hpsearch.engine.minibatches import minibatches, row_shape
from hpsearch.records import Fold, Status
from tests.engine import textbook
from tests.engine.comparison import assert_equal_training, bits

SIZES = (25, 26, 30)
"""Training rows: three minibatches of 8 and a last one, filled up to 8, but not that of 25, whose last one has 9."""


def fits_of(config, make_fit, sizes, *, monitor=0, seed=0):
    """Fits of so many training rows each, with 5 to 7 rows to be scored, and one fewer to report."""
    rows = np.random.default_rng(seed).permutation(60)
    fits = []
    for i, size in enumerate(sizes):
        ends = np.cumsum([size, monitor and monitor + i % 3, 5 + i % 3, 4 + i % 3])
        train, watched, val, report, _ = np.split(rows, ends)
        fit = make_fit(config, 60, seed=seed + i)
        fits.append(replace(fit, fold=Fold(i, train, watched, val, report)))
    return fits


@pytest.mark.parametrize("loss", ["cross_entropy", "sse"])
@pytest.mark.parametrize("model", [{"kind": "mlp", "widths": [9, 7]}, {"kind": "cnn", "filters": [3], "dense": [5]}])
def test_each_follows_the_textbook_on_its_own_rows(loss, model, make_config, make_rows, make_fit):
    config = make_config(
        model=model, loss=loss, regularization="dropout", optimizer={"kind": "adam", "lr": 0.01},
        training={"epochs": 4, "batch_size": 8},
    )  # fmt: skip
    rows = make_rows(60, images=True, width=6)
    fits = fits_of(config, make_fit, (26, 28, 30, 31))
    assert len({row_shape(fit) for fit in fits}) == 1
    results = train_fleet(fits, to_device(rows, dtype=torch.float64), keep_state=True)
    for fit, result in zip(fits, results, strict=True):
        assert_equal_training(result, textbook.train(fit, rows, 3))


@pytest.mark.parametrize("monitor", [0, 6])
def test_none_changes_by_a_bit_for_the_company(monitor, make_config, make_rows, make_fit):
    training = {"epochs": 6, "batch_size": 8, "patience": 2 if monitor else None}
    config = make_config(model={"kind": "mlp", "width": 40}, regularization="both", training=training)
    data = to_device(make_rows(60))
    fits = fits_of(config, make_fit, (26, 27, 29, 30, 31), monitor=monitor)
    alone = [bits(train_fleet([fit], data, keep_state=True)[0]) for fit in fits]
    assert len({row_shape(fit) for fit in fits}) == 1
    assert [bits(result) for result in train_fleet(fits, data, keep_state=True)] == alone
    pair = train_fleet([fits[4], fits[0]], data, keep_state=True)
    assert [bits(result) for result in pair] == [alone[4], alone[0]]


@pytest.mark.parametrize(("task", "loss"), [("regression", "mse"), ("multiclass", "cross_entropy")])
def test_curves_are_those_of_the_reference(task, loss, make_config, make_rows, make_fit):
    config = make_config(loss=loss, schedule="plateau", training={"epochs": 8, "batch_size": 8})
    data = to_device(make_rows(60, task=task), dtype=torch.float64)
    fits = fits_of(config, make_fit, (26, 30), monitor=5)
    curves = ("train_loss", "train_accuracy", "monitor_loss", "lr", "val_outputs", "report_outputs", "final_loss")
    for fit, result in zip(fits, train_fleet(fits, data), strict=True):
        alone = reference.train(fit, data)
        for name in curves:
            np.testing.assert_allclose(getattr(result, name), getattr(alone, name), atol=1e-9, err_msg=name)


@pytest.mark.parametrize("sizes", [(16, 17), (245, 248), (249, 250)])
def test_the_training_rows_that_are_scored_at_the_end_may_be_all_or_250(sizes, make_config, make_rows, make_fit):
    config = make_config(training={"epochs": 1, "batch_size": 12})
    data = to_device(make_rows(300), dtype=torch.float64)
    folds = [Fold(i, *np.split(np.arange(n + 8), [n, n, n + 8])) for i, n in enumerate(sizes)]
    fits = [replace(make_fit(config, 300), fold=fold) for fold in folds]
    for fit, result in zip(fits, train_fits(fits, data, 4), strict=True):
        assert result.width == 2
        assert result.final_loss == pytest.approx(reference.train(fit, data).final_loss, abs=1e-9)


def test_who_goes_on_after_a_stop_ends_as_without_it(make_config, make_rows, make_fit):
    data = to_device(make_rows(60))
    fits = fits_of(make_config(training={"epochs": 5, "batch_size": 8}), make_fit, (26, 30, 31))
    whole = train_fleet(fits, data, keep_state=True)
    stopped = train_fleet(fits, data, stop_after=2)
    survivors = train_fleet([fits[2], fits[0]], data, keep_state=True, resume=[stopped[2], stopped[0]])
    assert [bits(result) for result in survivors] == [bits(whole[2]), bits(whole[0])]


def test_a_member_that_diverges_leaves_neighbours_of_other_sizes_alone(make_config, make_rows, make_fit):
    data = to_device(make_rows(60, task="regression"))
    calm, wild = (
        make_config(loss="mse", optimizer={"kind": "sgd", "lr": lr}, training={"epochs": 5, "batch_size": 8})
        for lr in (0.01, 1e30)
    )
    first, last = fits_of(calm, make_fit, (26, 31))
    results = train_fleet([replace(first, config=wild), last], data, keep_state=True)
    assert [result.status for result in results] == [Status.DIVERGED, Status.OK]
    assert bits(results[1]) == bits(train_fleet([last], data, keep_state=True)[0])


@pytest.mark.parametrize(
    ("overrides", "fleets"),
    [({}, 2), ({"norm": "before"}, 3), ({"training": {"epochs": 1, "batch_size": 40}}, 3)],
    ids=["filled", "batch normalization", "one minibatch"],
)
def test_what_looks_at_a_minibatch_as_a_whole_is_never_filled(overrides, fleets, make_config, make_rows, make_fit):
    fits = fits_of(make_config(**overrides), make_fit, SIZES)
    assert len({row_shape(fit) for fit in fits}) == fleets
    results = train_fits(fits, to_device(make_rows(60)), 8)
    assert sorted(result.width for result in results) == ([1, 2, 2] if fleets == 2 else [1, 1, 1])


def test_a_last_minibatch_is_filled_to_a_multiple_of_eight_or_a_whole_one(make_config, make_fit):
    def sizes(n, batch_size):
        training = {"epochs": 1, "batch_size": batch_size}
        return minibatches(fits_of(make_config(training=training), make_fit, [n])[0])

    assert sizes(20, 8) == [8, 8, 8]
    assert sizes(24, 8) == [8, 8, 8]
    assert sizes(25, 8) == [8, 8, 16]
    assert sizes(29, 20) == [20, 16]
    assert sizes(39, 20) == [20, 20]
    assert sizes(11, 20) == [11]
