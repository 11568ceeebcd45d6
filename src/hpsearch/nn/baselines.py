"""What the best constant output costs on training rows, and the loss from which on a network has learned nothing.

n rows, C outputs, T targets.
"""

import math

import numpy as np
import torch

from hpsearch.config.training import CustomLoss, Loss, SmoothedLoss
from hpsearch.nn.losses import loss_function, output_count, prepare_targets
from hpsearch.records import Task

STALLED_SHARE = 0.95
"""On classes, a final training loss above this share of what guessing costs means that nothing was learned."""

UNLEARNED = 1e-3
"""Of numbers, a final training loss below that of the best constant by less than this share of it is no better."""

STEPS = 30
"""Of the descent to the best constant under a loss of the user's own."""


def constant_loss(loss: Loss, task: Task, classes: int, targets: np.ndarray) -> float | None:
    """The lowest mean training loss of outputs that are the same for every row.

    For `cross_entropy` and `bce` these are the logits of the mean target, for `mse` and `sse` it is the mean target,
    for `mae` the median. Under a loss of the user's own it is the lowest that a descent finds: an output that is no
    better than any constant is no better than the best one.

    Args:
        loss: The loss of the configuration.
        task: What is predicted.
        classes: C; not read for regression.
        targets: (n,) classes or (n, T) scaled numbers of the rows that the training loss is measured on.

    Returns:
        None for `perceptron`, whose criterion is 0 wherever the output is.
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
    """The training loss from which on a network has learned nothing.

    Of numbers, and under a loss of the user's own, that is what the best constant costs, but for a thousandth: noise
    may leave little to learn. On classes it lies 95 % of the way up to that from what no network can get below, which
    is 0 or, with label smoothing e, the entropy of one smoothed target.

    Args:
        loss: The loss of the configuration.
        task: What is predicted.
        classes: C; not read for regression.
        constant: See `constant_loss`.
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
    """(C, n) targets of each output: one alone where there is one output for two classes."""
    if output_count(loss, task, classes, 0) == 1:
        return labels[None].astype(np.float64)
    return np.eye(classes)[:, labels]


def _surprise(p: np.ndarray) -> np.ndarray:
    """-p log p, and 0 at 0."""
    positive = np.clip(p, 0, None)  # targets that were scaled in float32 may lie a rounding below 0
    values: np.ndarray = -positive * np.log(np.where(positive > 0, positive, 1))
    return values


def _lowest(loss: CustomLoss, task: Task, classes: int, targets: np.ndarray) -> float:
    """The lowest loss on the way down from outputs of 0, and on that from the mean target."""
    dtype = torch.float32  # of the networks that the function was written for
    prepared = prepare_targets(loss, task, torch.tensor(targets), classes, dtype)
    row_losses, found = loss_function(loss), math.inf
    outputs = output_count(loss, task, classes, targets.shape[-1])
    frequencies = np.bincount(targets, minlength=classes) / len(targets) if classes else targets.mean(axis=0)
    for start in (np.zeros(outputs), frequencies):
        constant = torch.tensor(start, dtype=dtype, requires_grad=True)
        optimizer: torch.optim.Optimizer = torch.optim.LBFGS([constant], max_iter=STEPS, line_search_fn="strong_wolfe")
        seen = [math.inf]

        def closure(constant: torch.Tensor = constant, seen: list[float] = seen) -> float:
            value = row_losses(constant.expand(len(targets), -1), prepared).mean()
            (constant.grad,) = torch.autograd.grad(value, [constant])
            seen.append(value.item())
            return seen[-1]

        optimizer.step(closure)
        found = min(found, *(value for value in seen if math.isfinite(value)), math.inf)
    return found
