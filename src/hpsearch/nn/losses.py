"""Losses: one value a row, and how the rows of a minibatch are reduced.

B minibatch rows, C outputs.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hpsearch.config import ConfigError
from hpsearch.config.training import CustomLoss, Loss, SmoothedLoss
from hpsearch.nn.import_path import build_named, import_named
from hpsearch.nn.output_layer import output_count
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
    """The loss of each row.

    Args:
        loss: The loss of the configuration.
        outputs: (B, C) network outputs (logits).
        targets: As `prepare_targets` returns them.
        smooth: Whether label smoothing is applied, where the loss has it.

    Returns:
        (B,) values.
    """
    return loss_function(loss, smooth=smooth)(outputs, targets)


def loss_function(loss: Loss, *, smooth: bool = True) -> RowLoss:
    """The function (outputs, targets) -> (B,) of this loss, with whatever it imports already imported."""
    if isinstance(loss, CustomLoss):
        return _custom(loss)
    if isinstance(loss, SmoothedLoss):
        smoothing = loss.label_smoothing if smooth else 0.0
        formula = cross_entropy if loss.kind == "cross_entropy" else binary_cross_entropy
        return lambda outputs, targets: formula(outputs, targets, smoothing)
    return {"mse": squared_error, "mae": absolute_error, "sse": sum_of_squared_errors, "perceptron": perceptron}[
        loss.kind
    ]


def batch_loss(loss: Loss, rows: torch.Tensor) -> torch.Tensor:
    """What a step minimizes: the mean of the row losses (B,), but their sum for SSE, as its name says."""
    return rows.sum() if loss.kind == "sse" else rows.mean()


def cross_entropy(outputs: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Cross entropy of softmax(outputs): -sum_c q_c log p_c, with q = (1 - smoothing) t + smoothing / C.

    Args:
        outputs: (B, C) logits.
        targets: (B,) int64 labels, or (B, C) class probabilities (one-hot gives the same number as labels).
        smoothing: Share of the target spread over all classes (Szegedy et al., 2016, section 7).
    """
    return functional.cross_entropy(outputs, targets, reduction="none", label_smoothing=smoothing)


def binary_cross_entropy(outputs: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Binary cross entropy of sigmoid(outputs), mean over the outputs of a row.

    Args:
        outputs: (B, C) logits; C = 1 for two classes, otherwise one against the rest.
        targets: (B, C) probabilities in [0, 1].
        smoothing: Moves each target towards 1/2: t (1 - smoothing) + smoothing / 2.
    """
    smoothed = targets * (1 - smoothing) + smoothing / 2
    return functional.binary_cross_entropy_with_logits(outputs, smoothed, reduction="none").mean(dim=1)


def squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over the outputs (B, C) of (output - target)^2."""
    return (outputs - targets).square().mean(dim=1)


def absolute_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over the outputs (B, C) of |output - target|."""
    return (outputs - targets).abs().mean(dim=1)


def sum_of_squared_errors(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Sum over the outputs (B, C) of (output - target)^2: its gradient is twice output - target."""
    return (outputs - targets).square().sum(dim=1)


def perceptron(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The perceptron criterion (step(z) - t) z: |z| where the step output is wrong, 0 where it is right.

    Its gradient with respect to z is step(z) - t, so that gradient descent on one row is Rosenblatt's (1958) rule
    w <- w + lr (t - step(z)) x.

    Args:
        outputs: (B, 1) weighted sums z; step(0) = 0.
        targets: (B, 1), 0 or 1.
    """
    fired = (outputs.detach() > 0).to(outputs.dtype)
    return ((fired - targets) * outputs).squeeze(1)


def prepare_targets(loss: Loss, task: Task, targets: torch.Tensor, classes: int, dtype: torch.dtype) -> torch.Tensor:
    """Targets in the form that the loss reads.

    Args:
        loss: The loss of the configuration.
        task: What is predicted.
        targets: (N,) int64 labels, or (N, T) numbers, already scaled.
        classes: Number of classes.
        dtype: Float type of the network.

    Returns:
        (N,) int64 labels for `cross_entropy` and the user's own loss on classes; (N, 1) 0/1 numbers for `bce` and
        `perceptron` on two classes; (N, C) one-hot numbers for other losses on classes; (N, T) numbers in regression.
    """
    if task is Task.REGRESSION:
        return targets.to(dtype)
    if loss.kind in ("cross_entropy", "custom"):
        return targets
    if task is Task.BINARY and loss.kind in ("bce", "perceptron"):
        return targets.to(dtype).unsqueeze(1)
    return functional.one_hot(targets, classes).to(dtype)


def predicted_classes(outputs: torch.Tensor) -> torch.Tensor:
    """(B,) int64: the largest of (B, C) outputs, the first of equals; a single output above zero is class 1."""
    if outputs.shape[-1] == 1:
        return (outputs.squeeze(-1) > 0).long()
    return outputs.argmax(dim=-1)


def own_loss(loss: CustomLoss) -> Any:
    """The user's function of (outputs, targets), or what their class makes with `loss.kwargs`.

    Raises:
        ConfigError: If it cannot be imported or made, is no function, or has parameters, which nothing would train.
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
            function.to(outputs.device, outputs.dtype)  # class weights and other constants
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
    """How a loss gets to one value a row."""
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
