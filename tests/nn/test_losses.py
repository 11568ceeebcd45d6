"""Losses against formulas written here, their gradients, and which data they fit."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax

from hpsearch.config import KINDS, ConfigError
from hpsearch.nn.losses import batch_loss, output_count, predicted_classes, prepare_targets, row_losses
from hpsearch.records import Task

Z = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, -3.0]])
LABELS = np.array([2, 1])
ONE_HOT = np.eye(3)[LABELS]


def loss(kind: str, **values):
    if kind in ("cross_entropy", "bce"):
        values = {"label_smoothing": 0.0, **values}
    return KINDS["loss"][kind](kind=kind, **values)


def rows(kind: str, outputs: np.ndarray, targets: np.ndarray, *, smooth: bool = True, **values) -> np.ndarray:
    return row_losses(loss(kind, **values), torch.tensor(outputs), torch.tensor(targets), smooth=smooth).numpy()


def test_cross_entropy_of_labels():
    np.testing.assert_allclose(rows("cross_entropy", Z, LABELS), -log_softmax(Z, axis=1)[[0, 1], LABELS])


def test_cross_entropy_of_one_hot_targets_is_the_same_number():
    np.testing.assert_allclose(rows("cross_entropy", Z, ONE_HOT), rows("cross_entropy", Z, LABELS), rtol=1e-12)


def test_label_smoothing_mixes_the_target_with_the_uniform_distribution():
    target = 0.7 * ONE_HOT + 0.3 / 3
    expected = -(target * log_softmax(Z, axis=1)).sum(axis=1)
    np.testing.assert_allclose(rows("cross_entropy", Z, LABELS, label_smoothing=0.3), expected)


def test_label_smoothing_can_be_left_out():
    smoothed = rows("cross_entropy", Z, LABELS, label_smoothing=0.3, smooth=False)
    np.testing.assert_array_equal(smoothed, rows("cross_entropy", Z, LABELS))


def test_binary_cross_entropy_is_the_mean_over_outputs():
    p = expit(Z)
    expected = -(ONE_HOT * np.log(p) + (1 - ONE_HOT) * np.log(1 - p)).mean(axis=1)
    np.testing.assert_allclose(rows("bce", Z, ONE_HOT), expected)


def test_binary_label_smoothing_moves_targets_towards_one_half():
    np.testing.assert_allclose(rows("bce", Z, ONE_HOT, label_smoothing=0.2), rows("bce", Z, 0.8 * ONE_HOT + 0.1))


def test_binary_cross_entropy_of_one_output_equals_cross_entropy_of_two():
    z, t = np.array([[0.7], [-2.0]]), np.array([1, 0])
    two = np.concatenate([np.zeros_like(z), z], axis=1)
    np.testing.assert_allclose(rows("bce", z, t[:, None].astype(float)), rows("cross_entropy", two, t))


@pytest.mark.parametrize(("kind", "expected"), [("mse", (1 + 4 + 9) / 3), ("mae", (1 + 2 + 3) / 3), ("sse", 1 + 4 + 9)])
def test_errors_of_one_row(kind, expected):
    assert rows(kind, np.array([[1.0, -2.0, 3.0]]), np.zeros((1, 3))).tolist() == pytest.approx([expected])


def test_only_sse_is_summed_over_the_minibatch():
    values = torch.tensor([1.0, 2.0, 6.0])
    assert batch_loss(loss("sse"), values) == 9
    assert batch_loss(loss("mse"), values) == 3


@pytest.mark.parametrize(("z", "t", "change"), [(1.5, 1, 0), (1.5, 0, -1), (-0.5, 1, 1), (-0.5, 0, 0), (0.0, 1, 1)])
def test_perceptron_criterion_gives_rosenblatts_rule(z, t, change):
    """w <- w + lr (t - step(w x)) x, with step(0) = 0."""
    x, lr = torch.tensor([0.5, -2.0]), 0.1
    w = (z * x / x.dot(x)).requires_grad_()
    row_losses(loss("perceptron"), (w @ x).reshape(1, 1), torch.tensor([[float(t)]])).sum().backward()
    torch.testing.assert_close(-lr * w.grad, lr * change * x)


@pytest.mark.parametrize("kind", ["cross_entropy", "bce", "mse", "mae", "sse", "perceptron"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_automatic_equals_numerical_gradient(kind, smoothing):
    chosen = loss(kind, **({"label_smoothing": smoothing} if kind in ("cross_entropy", "bce") else {}))
    outputs = torch.tensor(Z[:, :1] if kind == "perceptron" else Z, requires_grad=True)
    targets = torch.tensor({"cross_entropy": LABELS, "perceptron": np.array([[0.0], [1.0]])}.get(kind, ONE_HOT))
    assert torch.autograd.gradcheck(lambda z: row_losses(chosen, z, targets), outputs)


@pytest.mark.parametrize(
    ("kind", "task", "expected"),
    [
        ("cross_entropy", "binary", 2),
        ("cross_entropy", "multiclass", 5),
        ("bce", "binary", 1),
        ("bce", "multiclass", 5),
        ("mse", "binary", 2),
        ("sse", "multiclass", 5),
        ("mae", "regression", 7),
        ("perceptron", "binary", 1),
    ],
)
def test_number_of_outputs(kind, task, expected):
    assert output_count(loss(kind), Task(task), {"binary": 2, "multiclass": 5, "regression": 0}[task], 7) == expected


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("perceptron", "multiclass"),
        ("perceptron", "regression"),
    ],
)
def test_losses_that_do_not_fit_are_refused_with_those_that_do(kind, task):
    with pytest.raises(
        ConfigError, match=f"loss {kind} does not fit the {task} task of data wine: use one of .*loss=mse"
    ):
        output_count(loss(kind), Task(task), 3, 1, data="wine")


def test_targets_take_the_form_that_the_loss_reads():
    labels = torch.tensor([1, 0])
    assert prepare_targets(loss("bce"), Task.BINARY, labels, 2, torch.float64).tolist() == [[1.0], [0.0]]
    assert prepare_targets(loss("mse"), Task.BINARY, labels, 2, torch.float64).tolist() == [[0, 1], [1, 0]]
    assert prepare_targets(loss("bce"), Task.MULTICLASS, labels, 3, torch.float32).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert prepare_targets(loss("cross_entropy"), Task.MULTICLASS, labels, 3, torch.float32) is labels


def test_a_single_output_above_zero_is_class_one():
    assert predicted_classes(torch.tensor([[-1.0], [0.0], [0.1]])).tolist() == [0, 0, 1]
    assert predicted_classes(torch.tensor([[1.0, 3.0, 3.0]])).tolist() == [1]


def test_bce_takes_the_numbers_of_an_autoencoder_within_0_and_1():
    targets = torch.tensor([[0.0, 0.25], [1.0, 1.0000001]])
    assert prepare_targets(loss("bce"), Task.REGRESSION, targets, 0, torch.float32).equal(targets)
