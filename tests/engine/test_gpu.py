"""Fleets of captured steps on a CUDA device, against the reference engine there; `pytest -m gpu`.

Minibatches of 6, 6, 6, 6 and 7 rows: those of six are replayed once three have run, those of seven never.
"""

from dataclasses import replace

import pytest
import torch

from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet import trainer as fleet
from hpsearch.engine.fleet.cuda_graph import WARM, CudaRecorder, Replayed, plain
from hpsearch.records import Status
from tests.engine.comparison import assert_signals_near, worst_difference
from tests.engine.fleet.memory_probe import fleet_of

pytestmark = pytest.mark.gpu

DEVICE = "cuda"
EXACT, SINGLE = 1e-9, 1e-3
"""As on a CPU: float64, and float32 after some steps of rounding in another order."""
TRAINING = {"epochs": 8, "batch_size": 6}
OPTIMIZERS = (
    {"kind": "sgd", "lr": 0.02},
    {"kind": "momentum", "lr": 0.005},
    {"kind": "nesterov", "lr": 0.004, "momentum": 0.8},
    {"kind": "adagrad", "lr": 0.01, "eps": 1e-4},
    {"kind": "rmsprop", "lr": 0.001, "eps": 1e-4},
    {"kind": "adam", "lr": 0.002, "eps": 1e-4},
    {"kind": "adamw", "lr": 0.001, "beta1": 0.8, "eps": 1e-4},
    {"kind": "nadam", "lr": 0.001, "eps": 1e-4},
    {"kind": "radam", "lr": 0.001, "beta2": 0.9, "eps": 1e-4},
)
MLP = {"model": {"kind": "mlp", "widths": [9, 7]}, "regularization": {"kind": "both", "max_norm": 1.0}}
CNN = {"model": {"kind": "cnn", "filters": [3, 4], "dense": [5]}, "regularization": {"kind": "both"}}
AUGMENTED = {
    "kind": "affine", "shift": 0.1, "rotate": 20.0, "scale": 0.1, "flip": 0.5, "crop": 1, "erase": 0.2, "noise": 0.1,
    "mixup": 0.3,
}  # fmt: skip
NETWORKS = {
    "mlp": MLP,
    "mlp, batch norm, plateau": {**MLP, "norm": "before", "schedule": "plateau"},
    "mlp, early stopping": {**MLP, "training": {**TRAINING, "patience": 1}},
    "mlp, clipped, cosine": {**MLP, "training": {**TRAINING, "clip_norm": 0.5}, "schedule": "cosine"},
    "cnn, batch norm": {**CNN, "norm": "before"},
    "cnn, augmented": {**CNN, "augmentation": AUGMENTED},
}


@pytest.fixture
def company(make_config, make_rows, make_fit):
    """Members of all update rules on two folds, and their data."""

    def make(network, dtype):
        overrides = {"training": TRAINING, **NETWORKS[network]}
        images = overrides["model"]["kind"] == "cnn"
        configs = [make_config(**overrides, optimizer=optimizer) for optimizer in OPTIMIZERS]
        fits = [make_fit(config, 60, train=31, monitor=9, fold=i % 2, seed=i) for i, config in enumerate(configs)]
        return fits, to_device(make_rows(60, images=images, width=8 if images else 5), DEVICE, dtype=dtype)

    return make


@pytest.mark.parametrize("network", NETWORKS)
def test_members_of_a_captured_fleet_equal_the_reference_engine(network, company):
    fits, data = company(network, torch.float64)
    results = fleet.train_fleet(fits, data, keep_state=True)
    alone = [reference.train(fit, data, keep_state=True) for fit in fits]
    assert [result.status for result in results] == [Status.OK] * len(fits)
    assert max(map(worst_difference, results, alone)) <= EXACT


@pytest.mark.parametrize("network", NETWORKS)
def test_the_signals_of_a_captured_fleet_are_those_of_the_reference_engine(network, company):
    fits, data = company(network, torch.float64)
    for fit, result in zip(fits, fleet.train_fleet(fits, data), strict=True):
        if fit.fold.index == 0:
            assert_signals_near(result.signals, reference.train(fit, data).signals, 1e-6)


def test_single_precision_stays_near_the_reference_engine(company):
    fits, data = company("mlp", torch.float32)
    results = fleet.train_fleet(fits, data, keep_state=True)
    alone = [reference.train(fit, data, keep_state=True) for fit in fits]
    assert max(map(worst_difference, results, alone)) <= SINGLE


@pytest.mark.parametrize("network", NETWORKS)
def test_captured_steps_equal_plain_ones(network, company):
    replays = []

    class Counted(CudaRecorder):
        def replay(self):
            replays.append(self)
            super().replay()

    fits, data = company(network, torch.float64)
    captured = fleet.train_fleet(fits, data, keep_state=True, stepper=lambda step, _: Replayed(step, Counted))
    uncaptured = fleet.train_fleet(fits, data, keep_state=True, stepper=plain)
    assert len(replays) > WARM
    assert max(map(worst_difference, captured, uncaptured)) <= EXACT


def test_a_member_that_diverges_leaves_its_neighbours_as_without_it(make_config, make_rows, make_fit):
    data = to_device(make_rows(60, task="regression"), DEVICE, dtype=torch.float64)
    fold = make_fit(make_config(), 60, train=31).fold
    fits = []
    for lr in (0.001, 0.002, 1e200, 0.005):
        optimizer = {"kind": "momentum", "lr": lr}
        config = make_config(**MLP, loss="mse", optimizer=optimizer, training=TRAINING)
        fits.append(replace(make_fit(config, 60, train=31), fold=fold))
    together = fleet.train_fleet(fits, data, keep_state=True)
    assert [result.status for result in together] == [Status.OK, Status.OK, Status.DIVERGED, Status.OK]
    assert together[2].failure == reference.train(fits[2], data).failure
    neighbours = [0, 1, 3]
    without = fleet.train_fleet([fits[i] for i in neighbours], data, keep_state=True)
    assert max(worst_difference(together[i], other) for i, other in zip(neighbours, without, strict=True)) <= EXACT


@pytest.mark.parametrize(("widths", "gib"), [([256], 1), ([1000], 4), ([64, 64, 64], 0.5)])
def test_the_widest_fleet_stays_within_its_memory(widths, gib, make_config):
    slack = 0.1 * 2**30  # what a step takes at any width, and pages that the allocator keeps
    overrides = {"data": "mnist", "model": {"kind": "mlp", "widths": widths}, "regularization": "both"}
    config = make_config(**overrides, training={"epochs": 2, "batch_size": 100})
    fits, data = fleet_of(config, 1, gib, DEVICE)
    fleet.train_fleet(fits[:2], data)  # what is loaded and allocated once
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved()
    fleet.train_fleet(fits, data)
    peak = torch.cuda.max_memory_reserved() - before
    print(f"\n{widths}: {len(fits)} members, {peak / 2**30:.3f} of {gib} GiB")  # noqa: T201 - what was measured, for `-s`
    assert len(fits) > 1
    assert peak <= gib * 2**30 + slack


def test_a_cuda_graph_replays_what_it_recorded():
    x = torch.zeros(3, device=DEVICE)
    recorder = CudaRecorder()
    recorder.record(lambda: x.add_(1))
    recorder.replay()
    recorder.replay()
    assert x.tolist() == [2.0] * 3
