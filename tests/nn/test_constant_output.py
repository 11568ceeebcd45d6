"""What the best constant output costs, against formulas and a search that are written here."""

import math
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from scipy.stats import entropy

from hpsearch.config import KINDS
from hpsearch.nn.constant_output import constant_loss, stall_threshold
from hpsearch.nn.losses import output_count, prepare_targets, row_losses
from hpsearch.records import Task

LABELS = np.array([0] * 5 + [1] * 3 + [2] * 2)
PAIRS = np.array([0] * 7 + [1] * 3)
NUMBERS = np.random.default_rng(0).gamma(1.0, size=(11, 2))
COUNTS = np.random.default_rng(0).poisson(0.7, size=(11, 2)).astype(float)
SHARES = np.random.default_rng(1).random((11, 2))  # what an autoencoder reconstructs


def loss(kind, **values):
    if kind in ("cross_entropy", "bce"):
        values = {"label_smoothing": 0.0, **values}
    return KINDS["loss"][kind](kind=kind, **values)


@pytest.fixture
def own_loss(monkeypatch):
    """A loss of the user's own: `own_loss(function)`."""

    def make(function):
        module = ModuleType("losses_of_a_user")
        module.function = function
        monkeypatch.setitem(sys.modules, "losses_of_a_user", module)
        return loss("custom", import_path="losses_of_a_user:function")

    return make


def searched(chosen, task, classes, targets, weights_n=1.0):
    """The lowest mean loss that a simplex finds, of the loss that networks are trained with."""
    prepared = prepare_targets(chosen, task, torch.tensor(targets), classes, torch.float64)
    outputs = output_count(chosen, task, classes, targets.shape[-1])

    def mean(constant):
        losses = row_losses(chosen, torch.tensor(constant).expand(len(targets), -1), prepared)
        return (weights_n * losses).mean().item()

    options = {"xatol": 1e-8, "fatol": 1e-10, "maxiter": 5000}
    return minimize(mean, np.full(outputs, 0.1), method="Nelder-Mead", options=options).fun


@pytest.mark.parametrize(
    ("kind", "task", "classes", "targets"),
    [
        *((kind, "multiclass", 3, LABELS) for kind in ("cross_entropy", "bce", "mse", "mae", "sse")),
        *((kind, "binary", 2, PAIRS) for kind in ("cross_entropy", "bce", "mse", "mae", "sse")),
        *((kind, "regression", 0, NUMBERS) for kind in ("mse", "mae", "sse")),
        ("bce", "regression", 0, SHARES),
    ],
)
def test_no_constant_output_costs_less(kind, task, classes, targets):
    for smoothing in [{}, {"label_smoothing": 0.3}] if kind in ("cross_entropy", "bce") else [{}]:
        chosen = loss(kind, **smoothing)
        expected = searched(chosen, Task(task), classes, targets)
        assert constant_loss(chosen, Task(task), classes, targets) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "values", "task", "classes", "targets"),
    [
        ("focal", {"gamma": 2.0}, "multiclass", 3, LABELS),
        ("focal", {"gamma": 0.5}, "binary", 2, PAIRS),
        ("huber", {"delta": 0.5}, "regression", 0, NUMBERS),
        ("huber", {"delta": 0.5}, "multiclass", 3, LABELS),
        ("pinball", {"quantile": 0.9}, "regression", 0, NUMBERS),
        ("poisson_nll", {}, "regression", 0, COUNTS),
        ("gaussian_nll", {}, "regression", 0, NUMBERS),
        ("multi_margin", {"margin": 0.5}, "multiclass", 3, LABELS),
        ("multi_margin", {"margin": 0.5}, "binary", 2, PAIRS),
    ],
)
def test_no_constant_output_costs_less_under_a_loss_with_numbers_or_a_likelihood(kind, values, task, classes, targets):
    chosen = loss(kind, **values)
    expected = searched(chosen, Task(task), classes, targets)
    assert constant_loss(chosen, Task(task), classes, targets) == pytest.approx(expected, rel=1e-4)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=7))
def test_the_constant_under_the_hinge_loss_is_that_of_a_linear_program(counts):
    """Minimize over outputs x and slacks s_yj >= max(0, 1 - x_y + x_j) the sum of f_y s_yj."""
    classes, shares = len(counts), np.array(counts) / sum(counts)
    pairs = [(y, j) for y in range(classes) for j in range(classes) if j != y]
    costs = np.concatenate([np.zeros(classes), [shares[y] / classes for y, _ in pairs]])
    above = np.zeros((len(pairs), len(costs)))
    for at, (y, j) in enumerate(pairs):
        above[at, [y, j, classes + at]] = -1, 1, -1
    free = [(None, None)] * classes + [(0, None)] * len(pairs)
    expected = linprog(costs, A_ub=above, b_ub=-np.ones(len(pairs)), bounds=free).fun
    labels = np.repeat(np.arange(classes), counts)
    assert constant_loss(loss("multi_margin", margin=1.0), Task.MULTICLASS, classes, labels) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("cross_entropy", {"label_smoothing": 0.2}),
        ("bce", {"label_smoothing": 0.1}),
        ("bce", {}),
        ("focal", {"gamma": 2.0}),
    ],
)
@pytest.mark.parametrize(("task", "labels"), [("multiclass", LABELS), ("binary", PAIRS)])
def test_no_constant_output_costs_less_where_classes_are_weighted(kind, values, task, labels):
    chosen, classes, weights = loss(kind, **values), labels.max() + 1, np.array([0.5, 4.0, 2.0])
    expected = searched(chosen, Task(task), classes, labels, torch.tensor(weights[labels]))
    found = constant_loss(chosen, Task(task), classes, labels, weights[labels])
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "values", "task", "classes", "targets"),
    [
        *((kind, {}, "regression", 0, NUMBERS) for kind in ("mse", "mae", "sse", "gaussian_nll")),
        ("huber", {"delta": 0.5}, "regression", 0, NUMBERS),
        ("pinball", {"quantile": 0.8}, "regression", 0, NUMBERS),
        ("poisson_nll", {}, "regression", 0, COUNTS),
        ("bce", {"label_smoothing": 0.1}, "regression", 0, SHARES),
        *((kind, {}, "multiclass", 3, LABELS) for kind in ("cross_entropy", "bce", "mse")),
        ("focal", {"gamma": 2.0}, "multiclass", 3, LABELS),
        ("multi_margin", {"margin": 0.5}, "multiclass", 3, LABELS),
        ("multi_margin", {"margin": 0.5}, "binary", 2, PAIRS),
    ],
)
def test_no_constant_output_costs_less_where_rows_are_weighted(kind, values, task, classes, targets):
    chosen, weights = loss(kind, **values), np.random.default_rng(3).integers(0, 4, len(targets)) / 1.5
    expected = searched(chosen, Task(task), classes, targets, torch.tensor(weights))
    assert constant_loss(chosen, Task(task), classes, targets, weights) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("n", range(2, 12))
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.83])
def test_no_constant_output_costs_less_than_a_quantile_of_any_number_of_rows(n, quantile):
    targets = NUMBERS[:n, :1]
    losses = [np.maximum(quantile * (targets - c), (quantile - 1) * (targets - c)).mean() for c in targets]
    found = constant_loss(loss("pinball", quantile=quantile), Task.REGRESSION, 0, targets)
    assert found == pytest.approx(min(losses), rel=1e-12)


def test_rows_that_do_not_count_cost_nothing():
    assert constant_loss(loss("mse"), Task.REGRESSION, 0, NUMBERS, np.zeros(11)) == 0


def test_the_lowest_smoothed_loss_is_multiplied_by_the_mean_weight():
    floor = entropy([0.75, 0.25])
    smoothed = loss("cross_entropy", label_smoothing=0.5)
    assert stall_threshold(smoothed, Task.BINARY, 2, 3.0, 2.0) == pytest.approx(2 * floor + 0.95 * (3.0 - 2 * floor))


def test_a_constant_count_of_0_costs_nothing():
    assert constant_loss(loss("poisson_nll"), Task.REGRESSION, 0, np.zeros((5, 1))) == 0


def test_standardized_targets_cost_1_at_their_mean():
    scaled = (NUMBERS - NUMBERS.mean(axis=0)) / NUMBERS.std(axis=0)
    assert constant_loss(loss("mse"), Task.REGRESSION, 0, scaled) == pytest.approx(1)


@pytest.mark.parametrize(
    "function",
    [
        lambda outputs, targets: torch.nn.functional.smooth_l1_loss(outputs, targets, reduction="none").mean(1) - 3,
        lambda outputs, targets: (outputs - targets).abs().sqrt().mean(1),  # has many low points
    ],
)
def test_a_loss_of_ones_own_is_followed_down_to_a_constant_that_is_better_than_the_mean(own_loss, function):
    found = constant_loss(own_loss(function), Task.REGRESSION, 0, NUMBERS)
    targets = torch.tensor(NUMBERS)
    at_mean = function(targets.mean(0).expand_as(targets), targets).mean().item()
    assert found <= at_mean + 1e-6


def test_a_loss_of_ones_own_on_classes_costs_what_the_shipped_one_does(own_loss):
    own = own_loss(lambda outputs, targets: torch.nn.functional.cross_entropy(outputs, targets, reduction="none"))
    assert constant_loss(own, Task.MULTICLASS, 3, LABELS) == pytest.approx(entropy([0.5, 0.3, 0.2]), rel=1e-5)


def test_stalling_begins_at_95_percent_of_the_guess_on_classes():
    assert stall_threshold(loss("cross_entropy"), Task.MULTICLASS, 10, math.log(10)) == pytest.approx(
        0.95 * math.log(10)
    )
    assert stall_threshold(loss("mse"), Task.MULTICLASS, 10, 0.09) == pytest.approx(0.95 * 0.09)


@pytest.mark.parametrize(("kind", "task"), [("cross_entropy", Task.BINARY), ("bce", Task.BINARY)])
def test_stalling_allows_for_label_smoothing(kind, task):
    """With smoothing 0.5 and 2 classes the targets are (3/4, 1/4): no loss is below their entropy."""
    expected = entropy([0.75, 0.25]) + 0.95 * (math.log(2) - entropy([0.75, 0.25]))
    smoothed = loss(kind, label_smoothing=0.5)
    assert constant_loss(smoothed, task, 2, np.array([0, 1])) == pytest.approx(math.log(2))
    assert stall_threshold(smoothed, task, 2, math.log(2)) == pytest.approx(expected)


def test_on_numbers_whatever_is_better_than_the_mean_has_been_learned(own_loss):
    assert stall_threshold(loss("mse"), Task.REGRESSION, 0, 1.0) == pytest.approx(0.999)
    below_zero = own_loss(lambda outputs, targets: (outputs - targets).square().mean(1) - 9)
    assert stall_threshold(below_zero, Task.REGRESSION, 0, -8.0) == pytest.approx(-8.008)
