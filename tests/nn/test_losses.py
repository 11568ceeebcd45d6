"""Losses against formulas written here, their gradients, and which data they fit."""

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax
from sklearn.metrics import mean_pinball_loss
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from hpsearch.config import KINDS, ConfigError
from hpsearch.data.dataset import Rows
from hpsearch.nn.losses import (
    batch_loss,
    class_weights,
    loss_function,
    output_count,
    predicted_classes,
    prepare_targets,
    row_losses,
)
from hpsearch.records import Task

Z = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, -3.0]])
LABELS = np.array([2, 1])
ONE_HOT = np.eye(3)[LABELS]


def loss(kind: str, **values):
    if kind in ("cross_entropy", "bce"):
        values = {"label_smoothing": 0.0, **values}
    return KINDS["loss"][kind](kind=kind, **values)


NUMBERS = {
    "focal": {"gamma": 2.0},
    "huber": {"delta": 0.7},
    "pinball": {"quantile": 0.9},
    "multi_margin": {"margin": 0.5},
}
T = np.array([[2.5, -1.0, 0.25], [0.0, 3.0, -2.5]])


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


@pytest.mark.parametrize(
    ("kind", "outputs", "targets", "values", "expected"),
    [
        ("huber", Z, T, {"delta": 0.7}, lambda z, t: functional.huber_loss(z, t, delta=0.7, reduction="none").mean(1)),
        (
            "multi_margin", Z, LABELS, {"margin": 0.5},
            lambda z, t: functional.multi_margin_loss(z, t, margin=0.5, reduction="none"),
        ),
        ("poisson_nll", Z, np.abs(T), {}, lambda z, t: functional.poisson_nll_loss(z, t, reduction="none").mean(1)),
        (
            "gaussian_nll", np.hstack([Z, T]), Z + 1, {},
            lambda z, t: functional.gaussian_nll_loss(z[:, :3], t, z[:, 3:].exp(), reduction="none").mean(1),
        ),
        (
            "focal", Z[:, :1], np.array([[1.0], [0.0]]), {"gamma": 2.0},
            lambda z, t: sigmoid_focal_loss(z, t, alpha=-1).squeeze(1),
        ),
    ],
)  # fmt: skip
def test_the_losses_of_torch_are_those_of_torch(kind, outputs, targets, values, expected):
    theirs = expected(torch.tensor(outputs), torch.tensor(targets))
    np.testing.assert_allclose(rows(kind, outputs, targets, **values), theirs)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_focal_loss_of_classes_is_cross_entropy_times_a_power_of_the_rest(gamma):
    cross_entropy = rows("cross_entropy", Z, LABELS)
    expected = (1 - np.exp(-cross_entropy)) ** gamma * cross_entropy
    np.testing.assert_allclose(rows("focal", Z, LABELS, gamma=gamma), expected)


@pytest.mark.parametrize(("outputs", "targets"), [([[80.0, -80.0]], [0]), ([[80.0]], [[1.0]])])
def test_the_focal_loss_of_a_certain_row_has_a_finite_gradient(outputs, targets):
    z = torch.tensor(outputs, requires_grad=True)
    row_losses(loss("focal", gamma=0.5), z, torch.tensor(targets)).sum().backward()
    assert z.grad.isfinite().all()


def test_the_pinball_loss_equals_scikit_learn():
    expected = [mean_pinball_loss(t, z, alpha=0.9) for t, z in zip(T, Z, strict=True)]
    np.testing.assert_allclose(rows("pinball", Z, T, quantile=0.9), expected)


@pytest.mark.parametrize(("z", "t", "change"), [(1.5, 1, 0), (1.5, 0, -1), (-0.5, 1, 1), (-0.5, 0, 0), (0.0, 1, 1)])
def test_perceptron_criterion_gives_rosenblatts_rule(z, t, change):
    """w <- w + lr (t - step(w x)) x, with step(0) = 0."""
    x, lr = torch.tensor([0.5, -2.0]), 0.1
    w = (z * x / x.dot(x)).requires_grad_()
    row_losses(loss("perceptron"), (w @ x).reshape(1, 1), torch.tensor([[float(t)]])).sum().backward()
    torch.testing.assert_close(-lr * w.grad, lr * change * x)


@pytest.mark.parametrize("kind", sorted(KINDS["loss"].keys() - {"custom"}))
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_automatic_equals_numerical_gradient(kind, smoothing):
    numbers = {"label_smoothing": smoothing} if kind in ("cross_entropy", "bce") else NUMBERS.get(kind, {})
    chosen, labels, halves = loss(kind, **numbers), ("cross_entropy", "focal", "multi_margin"), np.hstack([Z, T])
    outputs = {"perceptron": Z[:, :1], "gaussian_nll": halves}.get(kind, Z)
    targets = LABELS if kind in labels else {"perceptron": np.array([[0.0], [1.0]])}.get(kind, ONE_HOT)
    outputs, targets = torch.tensor(outputs, requires_grad=True), torch.tensor(targets)
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
        ("focal", "binary", 1),
        ("focal", "multiclass", 5),
        ("multi_margin", "binary", 2),
        ("huber", "binary", 2),
        ("pinball", "regression", 7),
        ("poisson_nll", "regression", 7),
        ("gaussian_nll", "regression", 14),
    ],
)
def test_number_of_outputs(kind, task, expected):
    assert (
        output_count(
            loss(kind, **NUMBERS.get(kind, {})), Task(task), {"binary": 2, "multiclass": 5, "regression": 0}[task], 7
        )
        == expected
    )


@pytest.mark.parametrize(
    ("kind", "task"),
    [
        ("perceptron", "multiclass"),
        ("perceptron", "regression"),
        ("pinball", "binary"),
        ("poisson_nll", "multiclass"),
        ("gaussian_nll", "multiclass"),
        ("multi_margin", "regression"),
        ("focal", "regression"),
    ],
)
def test_losses_that_do_not_fit_are_refused_with_those_that_do(kind, task):
    with pytest.raises(
        ConfigError, match=f"loss {kind} does not fit the {task} task of data wine: use one of .*loss=mse"
    ):
        output_count(loss(kind, **NUMBERS.get(kind, {})), Task(task), 3, 1, data="wine")


def test_targets_take_the_form_that_the_loss_reads():
    labels = torch.tensor([1, 0])
    assert prepare_targets(loss("bce"), Task.BINARY, labels, 2, torch.float64).tolist() == [[1.0], [0.0]]
    assert prepare_targets(loss("mse"), Task.BINARY, labels, 2, torch.float64).tolist() == [[0, 1], [1, 0]]
    assert prepare_targets(loss("bce"), Task.MULTICLASS, labels, 3, torch.float32).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert prepare_targets(loss("focal", gamma=2.0), Task.BINARY, labels, 2, torch.float64).tolist() == [[1.0], [0.0]]
    assert prepare_targets(loss("focal", gamma=2.0), Task.MULTICLASS, labels, 3, torch.float64) is labels
    assert prepare_targets(loss("multi_margin", margin=1.0), Task.BINARY, labels, 2, torch.float64) is labels
    assert prepare_targets(loss("cross_entropy"), Task.MULTICLASS, labels, 3, torch.float32) is labels


LABELS_OF_MANY = np.array([0] * 7 + [1] * 2 + [3])


def four_classes():
    return Rows("toy", Task.MULTICLASS, np.zeros((10, 1)), LABELS_OF_MANY, 4, ("ok", "fraud", "none", "lost"))


def test_balanced_weights_equal_scikit_learn_and_a_class_without_rows_counts_once():
    found = class_weights(loss("cross_entropy", class_weight="balanced"), four_classes(), np.arange(10))
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=LABELS_OF_MANY)
    np.testing.assert_allclose(found[[0, 1, 3]], expected)
    assert found[2] == 1.0


def test_weights_are_those_of_the_training_rows():
    found = class_weights(loss("bce", class_weight="balanced"), four_classes(), np.array([0, 1, 2, 7]))
    np.testing.assert_allclose(found, [4 / (2 * 3), 4 / 2, 1, 1])


def test_classes_that_are_not_named_count_once():
    found = class_weights(loss("focal", gamma=1.0, class_weight={"fraud": 10}), four_classes(), np.arange(10))
    assert found.tolist() == [1.0, 10.0, 1.0, 1.0]


@pytest.mark.parametrize("given", [None, {}])
def test_without_weights_all_count_alike(given):
    assert class_weights(loss("bce", class_weight=given), four_classes(), np.arange(10)) is None
    assert class_weights(loss("mse"), four_classes(), np.arange(10)) is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("balance", "loss.class_weight must be balanced, {CLASS: weight, ...} or null, got 'balance'"),
        ({"fraud": 0}, "loss.class_weight.fraud must be > 0 and finite, got 0"),
        ({"fraud": "much"}, "loss.class_weight.fraud must be > 0 and finite, got 'much'"),
    ],
)
def test_weights_that_are_none_are_refused(given, told):
    with pytest.raises(ConfigError) as refusal:
        loss("cross_entropy", class_weight=given)
    assert str(refusal.value) == told


def test_weights_of_unknown_classes_and_of_numbers_are_refused():
    chosen = loss("bce", class_weight={"frod": 10})
    with pytest.raises(ConfigError, match=r"must name classes of toy, ok, fraud, none, lost, got 'frod'"):
        class_weights(chosen, four_classes(), np.arange(10))
    numbers = Rows("toy", Task.REGRESSION, np.zeros((10, 1)), np.zeros((10, 1)), 0)
    with pytest.raises(ConfigError, match="must be null for the regression task of data toy"):
        class_weights(chosen, numbers, np.arange(10))


@pytest.mark.parametrize(
    ("kind", "values", "outputs", "targets", "labels"),
    [
        ("cross_entropy", {"label_smoothing": 0.2}, Z, LABELS, LABELS),
        ("bce", {}, Z, ONE_HOT, LABELS),
        ("focal", {"gamma": 2.0}, Z, LABELS, LABELS),
        ("focal", {"gamma": 2.0}, Z[:, :1], np.array([[0.0], [1.0]]), np.array([0, 1])),
    ],
)
def test_the_loss_of_a_row_is_multiplied_by_the_weight_of_its_class(kind, values, outputs, targets, labels):
    weights = np.array([2.0, 3.0, 5.0])[: 3 if outputs.shape[1] == 3 else 2]
    weighted = loss_function(loss(kind, **values), weights=torch.tensor(weights))
    found = weighted(torch.tensor(outputs), torch.tensor(targets)).numpy()
    np.testing.assert_allclose(found, weights[labels] * rows(kind, outputs, targets, **values))


def test_a_single_output_above_zero_is_class_one():
    assert predicted_classes(torch.tensor([[-1.0], [0.0], [0.1]])).tolist() == [0, 0, 1]
    assert predicted_classes(torch.tensor([[1.0, 3.0, 3.0]])).tolist() == [1]


def test_bce_takes_the_numbers_of_an_autoencoder_within_0_and_1():
    targets = torch.tensor([[0.0, 0.25], [1.0, 1.0000001]])
    assert prepare_targets(loss("bce"), Task.REGRESSION, targets, 0, torch.float32).equal(targets)
