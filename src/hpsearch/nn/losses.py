"""Losses: one value per row, and their reduction over a minibatch.

B minibatch rows, C outputs.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hpsearch.config import ConfigError
from hpsearch.config.training import CustomLoss, Loss, SmoothedLoss, WeightedLoss
from hpsearch.data.dataset import Rows
from hpsearch.import_path import build_named, import_named
from hpsearch.nn.output_layer import SINGLE, output_count
from hpsearch.records import Task

__all__ = [
    "batch_loss",
    "loss_function",
    "output_count",
    "own_loss",
    "predicted_classes",
    "prepare_targets",
    "row_losses",
]

RowLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def row_losses(loss: Loss, outputs: torch.Tensor, targets: torch.Tensor, *, smooth: bool = True) -> torch.Tensor:
    """Return the loss of each row.

    Args:
        loss: The configured loss.
        outputs: Shape (B, C) network outputs (logits).
        targets: As `prepare_targets` returns them.
        smooth: Whether to apply label smoothing, if the loss has it.

    Returns:
        Shape (B,).
    """
    return loss_function(loss, smooth=smooth)(outputs, targets)


def loss_function(loss: Loss, *, smooth: bool = True, weights: torch.Tensor | None = None) -> RowLoss:
    """Return the function (outputs, targets) -> (B,) of a loss; a custom loss is imported now, not at the first call.

    Args:
        loss: The configured loss.
        smooth: Whether to apply label smoothing, if the loss has it.
        weights: Shape (C,), what the losses of the rows of each class are multiplied by, see `class_weights`.

    Raises:
        ConfigError: If a custom loss cannot be imported or built.
    """
    if weights is not None:
        plain = loss_function(loss, smooth=smooth)
        return lambda outputs, targets: plain(outputs, targets) * row_weights(weights, targets)
    if isinstance(loss, CustomLoss):
        return _custom(loss)
    if isinstance(loss, SmoothedLoss):
        smoothing = loss.label_smoothing if smooth else 0.0
        formula = cross_entropy if loss.kind == "cross_entropy" else binary_cross_entropy
        return lambda outputs, targets: formula(outputs, targets, smoothing)
    return partial(FORMULAS[loss.kind], **{name: getattr(loss, name) for name in numbers_of(loss)})


def numbers_of(loss: Loss) -> list[str]:
    """Return the names of the numbers that the formula of a loss in `FORMULAS` takes."""
    return [each.name for each in fields(loss) if each.name not in ("kind", "class_weight")]


def class_weights(loss: Loss, rows: Rows, train: np.ndarray) -> np.ndarray | None:
    """Return how often the rows of each class count in a loss, shape (C,) float64; None if all count alike.

    `balanced` gives n / (k n_c) for the n_c of n training rows that are of class c, k classes having any, as
    `compute_class_weight` of scikit-learn does; a class without training rows counts once.

    Args:
        loss: The configured loss.
        rows: The data set.
        train: Shape (n,), the training rows of the fit.

    Raises:
        ConfigError: If weights are given for numbers, or for a class that there is none of.
    """
    given = loss.class_weight if isinstance(loss, WeightedLoss) else None
    if not given:
        return None
    if not rows.classes:
        raise ConfigError(
            f"loss.class_weight must be null for the {rows.task} task of data {rows.name}: it has no classes"
        )
    if isinstance(given, str):
        counts = np.bincount(rows.targets[train], minlength=rows.classes)
        return np.where(counts > 0, len(train) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 1.0)
    if unknown := [name for name in given if name not in rows.class_names]:
        raise ConfigError(
            f"loss.class_weight must name classes of {rows.name}, {', '.join(rows.class_names)}, got {unknown[0]!r}"
        )
    return np.array([float(given.get(name, 1.0)) for name in rows.class_names])


def sample_weights(rows: Rows, train: np.ndarray) -> np.ndarray | None:
    """Return how often each row counts in a loss, shape (N,) float64, on the training rows once on average.

    Args:
        rows: The data set.
        train: Shape (n,), the training rows of the fit.

    Returns:
        The weights of `data.weight`, divided by their mean over the training rows; None if all rows count alike.

    Raises:
        ConfigError: If all training rows have the weight 0.
    """
    if rows.weights is None:
        return None
    mean = rows.weights[train].mean()
    if mean == 0:
        raise ConfigError(
            f"data.weight must be > 0 for a training row at least, got 0 for all {len(train)} of a fit: give more rows "
            "a weight, or train on more of them"
        )
    weights: np.ndarray = rows.weights / mean
    return weights


def weights_of_rows(loss: Loss, rows: Rows, train: np.ndarray, index: np.ndarray) -> np.ndarray | None:
    """Return what the losses of rows are multiplied by in training: the weights of their classes and of themselves.

    Args:
        loss: The configured loss.
        rows: The data set.
        train: Shape (n,), the training rows of the fit.
        index: Shape (m,), the rows.

    Returns:
        Shape (m,) float64; None if all count alike.
    """
    of_classes, of_rows = class_weights(loss, rows, train), sample_weights(rows, train)
    if of_classes is None:
        return None if of_rows is None else of_rows[index]
    of_targets: np.ndarray = of_classes[rows.targets[index]]
    return of_targets if of_rows is None else of_targets * of_rows[index]


def row_weights(weights: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the weight of each row, (B,), or in fleets (M, B).

    Args:
        weights: Shape (C,), or (M, C).
        targets: As `prepare_targets` returns them, or in fleets (M, B) or (M, C, B).
    """
    if not targets.is_floating_point():
        return weights.gather(-1, targets)
    if targets.shape[1] == 1:  # the probability of the second class, 0 or 1
        return torch.where(targets.squeeze(1) > 0, weights[..., 1:], weights[..., :1])
    return (targets * (weights if weights.ndim == 1 else weights.unsqueeze(2))).sum(1)


def batch_loss(loss: Loss, rows: torch.Tensor) -> torch.Tensor:
    """Reduce the row losses (B,) to what a step minimizes: their mean, except for SSE, which sums them."""
    return rows.sum() if loss.kind == "sse" else rows.mean()


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Return the cross entropy of softmax(outputs): -sum_c q_c log p_c, with q = (1 - smoothing) t + smoothing / C.

    Args:
        outputs: Shape (B, C) logits.
        targets: Shape (B,) int64 labels, or (B, C) class probabilities (one-hot targets give the same loss as labels).
        smoothing: Share of the target spread over all classes, in [0, 1) (Szegedy et al., 2016, section 7).

    Returns:
        Shape (B,).
    """
    return functional.cross_entropy(outputs, targets, reduction="none", label_smoothing=smoothing)


def binary_cross_entropy(outputs: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Return the binary cross entropy of sigmoid(outputs), averaged over the outputs of a row.

    Args:
        outputs: Shape (B, C) logits; C = 1 for two classes, otherwise one against the rest.
        targets: Shape (B, C) probabilities in [0, 1].
        smoothing: Moves each target toward 1/2: t (1 - smoothing) + smoothing / 2.

    Returns:
        Shape (B,).
    """
    smoothed = targets * (1 - smoothing) + smoothing / 2
    return functional.binary_cross_entropy_with_logits(outputs, smoothed, reduction="none").mean(dim=1)


def squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean over the outputs (B, C) of (output - target)^2, shape (B,)."""
    return (outputs - targets).square().mean(dim=1)


def absolute_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean over the outputs (B, C) of |output - target|, shape (B,)."""
    return (outputs - targets).abs().mean(dim=1)


def sum_of_squared_errors(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the sum over the outputs (B, C) of (output - target)^2, shape (B,); there is no factor 1/2."""
    return (outputs - targets).square().sum(dim=1)


def perceptron(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the perceptron criterion (step(z) - t) z: |z| where the step output is wrong, 0 where it is right.

    Its gradient with respect to z is step(z) - t, so gradient descent on one row is Rosenblatt's (1958) rule w <- w +
    lr (t - step(z)) x.

    Args:
        outputs: Shape (B, 1) weighted sums z; step(0) = 0.
        targets: Shape (B, 1), each 0 or 1.

    Returns:
        Shape (B,).
    """
    fired = (outputs.detach() > 0).to(outputs.dtype)
    return ((fired - targets) * outputs).squeeze(1)


BinaryCrossEntropy = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

BINARY_CROSS_ENTROPY: BinaryCrossEntropy = partial(functional.binary_cross_entropy_with_logits, reduction="none")


def focal(
    outputs: torch.Tensor,
    targets: torch.Tensor,
    gamma: float | torch.Tensor,
    binary: BinaryCrossEntropy = BINARY_CROSS_ENTROPY,
) -> torch.Tensor:
    """Return the focal loss (1 - p)^gamma (-log p) of the probability p of the label (Lin et al., 2017, equation 4).

    Args:
        outputs: Shape (B, C) logits of a softmax; C = 1: of a sigmoid.
        targets: Shape (B,) int64 labels; for C = 1, (B, 1) numbers, 0 or 1.
        gamma: The exponent, >= 0.
        binary: Elementwise binary cross entropy of logits and targets.

    Returns:
        Shape (B,).
    """
    if targets.is_floating_point():
        log_p, log_rest = -binary(outputs, targets), -binary(outputs, 1 - targets)
    else:
        labels = targets.unsqueeze(1)
        log_p = functional.log_softmax(outputs, 1).gather(1, labels)
        others = outputs.scatter(1, labels, -torch.inf)  # 1 - p would be rounded where p is near 1
        log_rest = others.logsumexp(1, keepdim=True) - outputs.logsumexp(1, keepdim=True)
    return -((gamma * log_rest).exp() * log_p).squeeze(1)


def huber(outputs: torch.Tensor, targets: torch.Tensor, delta: float | torch.Tensor) -> torch.Tensor:
    """Return the mean over the outputs (B, C) of e^2 / 2 where |e| <= delta, and delta (|e| - delta / 2) beyond."""
    error = (outputs - targets).abs()
    return torch.where(error <= delta, error.square() / 2, delta * (error - delta / 2)).mean(dim=1)


def pinball(outputs: torch.Tensor, targets: torch.Tensor, quantile: float | torch.Tensor) -> torch.Tensor:
    """Return the mean over the outputs (B, C) of q e where e = target - output >= 0, and (q - 1) e elsewhere."""
    error = targets - outputs
    return torch.where(error >= 0, quantile * error, (quantile - 1) * error).mean(dim=1)


def poisson_nll(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean over the outputs (B, C), the logs of rates, of exp(output) - target * output.

    It is the negative log likelihood of counts without log(target!), which does not depend on the outputs.
    """
    return (outputs.exp() - targets * outputs).mean(dim=1)


def gaussian_nll(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean over targets of (log v + (t - m)^2 / v) / 2, without the constant (Nix & Weigend, 1994).

    Args:
        outputs: Shape (B, 2 T): T means m, then T logs of variances v.
        targets: Shape (B, T).

    Returns:
        Shape (B,).
    """
    mean, log_variance = outputs.chunk(2, dim=1)
    return ((log_variance + (targets - mean).square() * (-log_variance).exp()) / 2).mean(dim=1)


def multi_margin(outputs: torch.Tensor, targets: torch.Tensor, margin: float | torch.Tensor) -> torch.Tensor:
    """Return the sum over the other classes of max(0, margin - own + other) / C (Crammer & Singer, 2001, with sums).

    Args:
        outputs: Shape (B, C).
        targets: Shape (B,) int64 labels.
        margin: The margin, > 0.

    Returns:
        Shape (B,).
    """
    labels = targets.unsqueeze(1)
    short = (margin - outputs.gather(1, labels) + outputs).relu()
    return short.scatter(1, labels, 0.0).mean(dim=1)


FORMULAS: dict[str, Callable[..., torch.Tensor]] = {
    "mse": squared_error, "mae": absolute_error, "sse": sum_of_squared_errors, "perceptron": perceptron,
    "focal": focal, "huber": huber, "pinball": pinball, "poisson_nll": poisson_nll, "gaussian_nll": gaussian_nll,
    "multi_margin": multi_margin,
}  # fmt: skip
"""Losses of outputs, targets and numbers, which reduce dimension 1: in fleets outputs are (M, C, B), numbers (M, 1, 1).
"""


def prepare_targets(loss: Loss, task: Task, targets: torch.Tensor, classes: int, dtype: torch.dtype) -> torch.Tensor:
    """Convert targets to the form that the loss takes.

    Args:
        loss: The configured loss.
        task: What is predicted.
        targets: Shape (N,) int64 labels, or (N, T) numbers, already scaled.
        classes: Number of classes.
        dtype: Float type of the network.

    Returns:
        (N,) int64 labels for `cross_entropy`, `multi_margin`, `focal` on more than two classes, and custom losses on
        classes; (N, 1) numbers, 0 or 1, for `bce`, `focal` and `perceptron` on two; (N, C) one-hot numbers for other
        losses on classes; (N, T) numbers for regression.
    """
    if task is Task.REGRESSION:
        return targets.to(dtype)
    if task is Task.BINARY and loss.kind in SINGLE:
        return targets.to(dtype).unsqueeze(1)
    if loss.kind in ("cross_entropy", "focal", "multi_margin", "custom"):
        return targets
    return functional.one_hot(targets, classes).to(dtype)


def predicted_classes(outputs: torch.Tensor) -> torch.Tensor:
    """Return the index of the largest of (B, C) outputs, the first on ties, shape (B,) int64.

    A single output (B, 1) predicts class 1 if it is > 0, otherwise class 0.
    """
    if outputs.shape[-1] == 1:
        return (outputs.squeeze(-1) > 0).long()
    return outputs.argmax(dim=-1)


def own_loss(loss: CustomLoss) -> Any:
    """Return the user's function of (outputs, targets), or the instance of their class built with `loss.kwargs`.

    Raises:
        ConfigError: If it cannot be imported or built, is not callable, or has parameters, which would not be trained.
    """
    function = import_named("loss.import_path", loss.import_path)
    if isinstance(function, type):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            function = build_named("loss", loss.import_path, loss.kwargs, {})
    elif loss.kwargs:
        function = partial(function, **loss.kwargs)
    if not callable(function):
        raise ConfigError(
            f"loss.import_path must name a function (outputs, targets), or a class of such, got {loss.import_path!r}"
        )
    if isinstance(function, nn.Module) and any(x.requires_grad for x in function.parameters()):
        raise ConfigError(
            f"loss.import_path {loss.import_path} must have no parameters, which nothing would train: use buffers for "
            "constants (`register_buffer`), and put what is to be trained into the model"
        )
    return function


def _custom(loss: CustomLoss) -> RowLoss:
    function = own_loss(loss)

    def checked(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if isinstance(function, nn.Module):
            function.to(outputs.device, outputs.dtype)  # moves buffers such as class weights
        rows = function(outputs, targets)
        if not isinstance(rows, torch.Tensor) or rows.shape != outputs.shape[:1]:
            shape = tuple(rows.shape) if isinstance(rows, torch.Tensor) else type(rows).__name__
            raise ConfigError(
                f"loss.import_path {loss.import_path} must return one value a row, shape ({len(outputs)},), "
                f"got {shape}: {_way_out(rows, outputs, targets, built=hasattr(function, 'reduction'))}"
            )
        return rows

    return checked


def _way_out(rows: Any, outputs: torch.Tensor, targets: torch.Tensor, *, built: bool) -> str:
    """Return advice on how to return one value per row."""
    if isinstance(rows, torch.Tensor) and rows.ndim > 1 and len(rows) == len(outputs):
        way_out = (
            f"take the mean over all but the rows, {'.mean(dim=1)' if rows.ndim == 2 else '.flatten(1).mean(dim=1)'}"
        )
        if rows.ndim == 2 and outputs.shape != targets.shape:
            way_out += (
                f"; outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)} have to be of one shape before"
            )
        return way_out
    reduction = "loss.kwargs.reduction=none" if built else "reduction='none'"
    return f"leave the mean over rows to hpsearch ({reduction})"
