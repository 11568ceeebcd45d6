"""The loss of the best constant output, and the training loss above which a network has learned nothing.

n rows, C outputs, T targets.
"""

import math

import numpy as np
import torch

from hpsearch.config.training import CustomLoss, Loss, SmoothedLoss
from hpsearch.nn.losses import loss_function, output_count, prepare_targets
from hpsearch.records import Task

STALLED_SHARE = 0.95
"""For classes, a final training loss above this share of the loss of a constant guess means nothing was learned."""

UNLEARNED = 1e-3
"""For regression, a network has learned only if its final training loss is lower than that of the best constant by this
share."""

STEPS = 30
"""Maximum number of L-BFGS iterations when searching for the best constant under a custom loss."""


def constant_loss(loss: Loss, task: Task, classes: int, targets: np.ndarray) -> float | None:
    """Return the lowest mean training loss of outputs that are the same for every row.

    For `cross_entropy` and `bce` the best constant is the logits of the mean target, for `mse` and `sse` the mean
    target, for `mae` the median. For a custom loss the minimum is found by gradient descent, since it has no closed
    form.

    Args:
        loss: The configured loss.
        task: What is predicted.
        classes: Number of classes C; ignored for regression.
        targets: Shape (n,) class labels, or (n, T) scaled numbers, of the rows on which the training loss is measured.

    Returns:
        The loss, or None for `perceptron`, whose criterion is 0 at a constant output of 0.
    """
    if isinstance(loss, CustomLoss):
        return _lowest(loss, task, classes, targets)
    if loss.kind == "perceptron":
        return None
    each_ct = targets.T if task is Task.REGRESSION else _one_hot(loss, task, classes, targets)
    if isinstance(loss, SmoothedLoss):
        e, means = loss.label_smoothing, each_ct.mean(axis=1, dtype=np.float64)
        if loss.kind == "cross_entropy":
            return float(_surprise((1 - e) * means + e / classes).sum())
        p = (1 - e) * means + e / 2
        return float((_surprise(p) + _surprise(1 - p)).mean())
    if loss.kind == "mae":
        medians = np.median(each_ct, axis=1, keepdims=True)
        return float(np.abs(each_ct - medians).mean(dtype=np.float64))
    variances = each_ct.var(axis=1, dtype=np.float64)
    return float(variances.sum() if loss.kind == "sse" else variances.mean())


def stall_threshold(loss: Loss, task: Task, classes: int, constant: float) -> float:
    """Return the training loss above which a network has learned nothing.

    For regression and for custom losses this is the loss of the best constant less 0.1 %: with noisy targets there may
    be little to learn. For classes it lies 95 % of the way from the lowest attainable loss to that of the best
    constant; the lowest is 0 or, with label smoothing e, the entropy of one smoothed target.

    Args:
        loss: The configured loss.
        task: What is predicted.
        classes: Number of classes C; ignored for regression.
        constant: The result of `constant_loss`.
    """
    if task is Task.REGRESSION or isinstance(loss, CustomLoss):
        return constant - UNLEARNED * abs(constant)
    floor = 0.0
    if isinstance(loss, SmoothedLoss):
        e = loss.label_smoothing
        if loss.kind == "cross_entropy":
            target = np.array([1 - e + e / classes, *[e / classes] * (classes - 1)])
        else:
            target = np.array([e / 2, 1 - e / 2])
        floor = float(_surprise(target).sum())
    return floor + STALLED_SHARE * (constant - floor)


def _one_hot(loss: Loss, task: Task, classes: int, labels: np.ndarray) -> np.ndarray:
    """Return the (C, n) targets of each output; a single row where one output serves two classes."""
    if output_count(loss, task, classes, 0) == 1:
        return labels[None].astype(np.float64)
    return np.eye(classes)[:, labels]


def _surprise(p: np.ndarray) -> np.ndarray:
    """Return -p log p elementwise, with 0 at p = 0."""
    positive = np.clip(p, 0, None)  # targets scaled in float32 may be slightly below 0 by rounding
    values: np.ndarray = -positive * np.log(np.where(positive > 0, positive, 1))
    return values


def _lowest(loss: CustomLoss, task: Task, classes: int, targets: np.ndarray) -> float:
    """Return the lowest loss that L-BFGS finds, started from outputs of 0 and from the mean target."""
    dtype = torch.float32  # the type of the networks that the loss was written for
    prepared = prepare_targets(loss, task, torch.tensor(targets), classes, dtype)
    row_losses, lowest = loss_function(loss), math.inf
    outputs = output_count(loss, task, classes, targets.shape[-1])
    frequencies = np.bincount(targets, minlength=classes) / len(targets) if classes else targets.mean(axis=0)
    for start in (np.zeros(outputs), frequencies):
        constant = torch.tensor(start, dtype=dtype, requires_grad=True)
        optimizer: torch.optim.Optimizer = torch.optim.LBFGS([constant], max_iter=STEPS, line_search_fn="strong_wolfe")
        losses = [math.inf]

        def closure(constant: torch.Tensor = constant, losses: list[float] = losses) -> float:
            value = row_losses(constant.expand(len(targets), -1), prepared).mean()
            (constant.grad,) = torch.autograd.grad(value, [constant])
            losses.append(value.item())
            return losses[-1]

        optimizer.step(closure)
        lowest = min(lowest, *(value for value in losses if math.isfinite(value)), math.inf)
    return lowest
