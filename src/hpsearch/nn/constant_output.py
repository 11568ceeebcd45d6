"""The loss of the best constant output, and the training loss above which a network has learned nothing.

n rows, C outputs, T targets.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from hpsearch.config.training import CustomLoss, FocalLoss, HuberLoss, Loss, MarginLoss, SmoothedLoss
from hpsearch.nn.losses import loss_function, output_count, prepare_targets
from hpsearch.records import Task

STALLED_SHARE = 0.95
"""For classes, a final training loss above this share of the loss of a constant guess means nothing was learned."""

UNLEARNED = 1e-3
"""For regression, a network has learned only if its final training loss is lower than that of the best constant by this
share."""

ROUNDING = 1e-12
"""Share of rows below which a class counts as this, in the logits that a search starts from."""

STEPS = 30
"""Maximum number of L-BFGS iterations when searching for the best constant under a custom loss."""


def constant_loss(
    loss: Loss, task: Task, classes: int, targets: np.ndarray, weights: np.ndarray | None = None
) -> float | None:
    """Return the lowest mean training loss of outputs that are the same for every row.

    For `cross_entropy` and `bce` the best constant is the logits of the mean target, for `mse` and `sse` the mean
    target, for `mae` the median, for `pinball` the quantile, for `poisson_nll` the log of the mean, for `gaussian_nll`
    mean and variance. For `focal` and custom losses the minimum is found by gradient descent, since it has no closed
    form, and for `huber` by halving the interval in which the derivative changes its sign.

    Args:
        loss: The configured loss.
        task: What is predicted.
        classes: Number of classes C; ignored for regression.
        targets: Shape (n,) class labels, or (n, T) scaled numbers, of the rows on which the training loss is measured.
        weights: Shape (n,), what the losses of the rows are multiplied by; None: nothing.

    Returns:
        The loss, or None for `perceptron`, whose criterion is 0 at a constant output of 0.
    """
    if weights is not None and not weights.any():
        return 0.0
    if isinstance(loss, CustomLoss | FocalLoss):
        return _lowest(loss, task, classes, targets, weights)
    if loss.kind == "perceptron":
        return None
    if isinstance(loss, MarginLoss):
        return _lowest_margin(loss.margin, np.bincount(targets, weights, minlength=classes) / len(targets))
    each_ct = targets.T if task is Task.REGRESSION else _one_hot(loss, task, classes, targets)
    if isinstance(loss, SmoothedLoss):
        return _lowest_entropy(loss, classes, each_ct, weights)
    return _LOWEST[loss.kind](loss, each_ct, weights)


def stall_threshold(loss: Loss, task: Task, classes: int, constant: float, weight: float = 1.0) -> float:
    """Return the training loss above which a network has learned nothing.

    For regression and for custom losses this is the loss of the best constant less 0.1 %: with noisy targets there may
    be little to learn. For classes it lies 95 % of the way from the lowest attainable loss to that of the best
    constant; the lowest is 0 or, with label smoothing e, the entropy of one smoothed target.

    Args:
        loss: The configured loss.
        task: What is predicted.
        classes: Number of classes C; ignored for regression.
        constant: The result of `constant_loss`.
        weight: Mean weight of the rows, which the lowest attainable loss is multiplied by.
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
        floor = weight * float(_surprise(target).sum())
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


def _lowest_entropy(loss: SmoothedLoss, classes: int, each_ct: np.ndarray, weights_n: np.ndarray | None) -> float:
    """Return the entropy of the mean targets; for `bce` the mean over outputs of that of the two values.

    With weights of the rows, the means are weighted, and the entropy is multiplied by the mean weight.
    """
    e, means, factor = loss.label_smoothing, _means(each_ct, weights_n), _mean_weight(weights_n)
    if loss.kind == "cross_entropy":
        return factor * float(_surprise((1 - e) * means + e / classes).sum())
    p = (1 - e) * means + e / 2
    return factor * float((_surprise(p) + _surprise(1 - p)).mean())


def _mean_weight(weights_n: np.ndarray | None) -> float:
    return 1.0 if weights_n is None else float(weights_n.mean())


def _means(each_ct: np.ndarray, weights_n: np.ndarray | None) -> np.ndarray:
    """Return the weighted means (C,) of targets (C, n)."""
    means: np.ndarray = np.average(each_ct.astype(np.float64), axis=1, weights=weights_n)
    return means


def _variances(each_ct: np.ndarray, weights_n: np.ndarray | None) -> np.ndarray:
    """Return the means (C,) of weighted squared differences from the weighted means of targets (C, n)."""
    if weights_n is None:
        variances: np.ndarray = each_ct.var(axis=1, dtype=np.float64)
        return variances
    squares = np.square(each_ct - _means(each_ct, weights_n)[:, None])
    means: np.ndarray = (squares * weights_n).mean(axis=1)
    return means


def _lowest_quantile(each_ct: np.ndarray, quantile: float, weights_n: np.ndarray | None) -> float:
    """Return the mean pinball loss of the quantiles of targets (C, n)."""
    weights_n = np.ones(each_ct.shape[1]) if weights_n is None else weights_n
    order = each_ct.argsort(axis=1)
    reached = weights_n[order].cumsum(axis=1) >= quantile * weights_n.sum()
    at = np.where(reached.any(axis=1), reached.argmax(axis=1), each_ct.shape[1] - 1)  # a sum may be rounded down
    chosen = np.take_along_axis(order, at[:, None], axis=1)
    error = each_ct - np.take_along_axis(each_ct, chosen, axis=1)
    return float((np.maximum(quantile * error, (quantile - 1) * error) * weights_n).mean(dtype=np.float64))


def _lowest_absolute(_: Loss, each_ct: np.ndarray, weights_n: np.ndarray | None) -> float:
    """Return the mean absolute difference from the medians of targets (C, n)."""
    if weights_n is not None:
        return 2 * _lowest_quantile(each_ct, 0.5, weights_n)
    return float(np.abs(each_ct - np.median(each_ct, axis=1, keepdims=True)).mean(dtype=np.float64))


def _lowest_poisson(_: Loss, each_ct: np.ndarray, weights_n: np.ndarray | None) -> float:
    """Return the mean loss of the logs of the means of counts (C, n)."""
    means = _means(each_ct, weights_n)
    return _mean_weight(weights_n) * float((means + _surprise(means)).mean())


def _lowest_gaussian(_: Loss, each_ct: np.ndarray, weights_n: np.ndarray | None) -> float:
    """Return the mean loss of means and variances of targets (C, n); that of targets that are constant is finite."""
    weight = _mean_weight(weights_n)
    variances = np.maximum(_variances(each_ct, weights_n) / weight, np.finfo(np.float64).eps)
    return weight * float((np.log(variances) + 1).mean() / 2)


def _lowest_huber(loss: HuberLoss, each_ct: np.ndarray, weights_n: np.ndarray | None) -> float:
    """Return the lowest mean Huber loss of constants, one for each row of targets (C, n)."""
    delta, each_ct = loss.delta, each_ct.astype(np.float64)
    weights_n = np.ones(each_ct.shape[1]) if weights_n is None else weights_n
    low, high = each_ct.min(axis=1, keepdims=True), each_ct.max(axis=1, keepdims=True)
    for _ in range(60):  # halvings, after which float64 tells no difference
        middle = (low + high) / 2
        above = (np.clip(middle - each_ct, -delta, delta) * weights_n).mean(axis=1, keepdims=True) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    error = np.abs(each_ct - low)
    return float((np.where(error <= delta, error**2 / 2, delta * (error - delta / 2)) * weights_n).mean())


def _lowest_margin(margin: float, shares: np.ndarray) -> float:
    """Return the lowest mean hinge loss of constants, for C classes with these shares of the rows.

    The best constants are multiples of the margin, ordered by share (a linear program whose constraints are bounds of
    differences): classes form groups, each one margin above the next. A pair of classes in one group costs the shares
    of both; of two groups that are d apart, 1 + d times the smaller share. The cheapest groups are found from the
    largest shares on, with all that a boundary adds to the classes after it.
    """
    ordered = np.sort(shares)[::-1]
    after = np.append(ordered[::-1].cumsum()[::-1], 0.0)  # (C + 1,): sum of the shares from here on
    classes, lowest = len(ordered), np.zeros(len(ordered) + 1)
    weighted = np.append(0.0, (np.arange(classes) * ordered).cumsum())
    for end in range(1, classes + 1):
        start = np.arange(end)
        later = (end - 1) * (after[start] - after[end]) - (
            weighted[end] - weighted[start]
        )  # pairs within, larger share
        lowest[end] = (lowest[start] + start * after[start] + later).min()
    return float(margin * (weighted[-1] + lowest[-1]) / classes)


def _lowest(
    loss: CustomLoss | FocalLoss, task: Task, classes: int, targets: np.ndarray, weights: np.ndarray | None
) -> float:
    """Return the lowest loss that L-BFGS finds, started from outputs of 0 and from the mean target, or its logits."""
    dtype = torch.float32  # the type of the networks that the loss was written for
    prepared = prepare_targets(loss, task, torch.tensor(targets), classes, dtype)
    weights_n = None if weights is None else torch.tensor(weights, dtype=dtype)
    row_losses, lowest = loss_function(loss), math.inf
    outputs = output_count(loss, task, classes, targets.shape[-1])
    frequencies = np.bincount(targets, minlength=classes) / len(targets) if classes else targets.mean(axis=0)
    if isinstance(loss, FocalLoss):
        frequencies = np.log(np.maximum(frequencies, ROUNDING))
        frequencies = frequencies if outputs > 1 else np.diff(frequencies)
    for start in (np.zeros(outputs), frequencies):
        constant = torch.tensor(start, dtype=dtype, requires_grad=True)
        optimizer: torch.optim.Optimizer = torch.optim.LBFGS([constant], max_iter=STEPS, line_search_fn="strong_wolfe")
        losses = [math.inf]

        def closure(constant: torch.Tensor = constant, losses: list[float] = losses) -> float:
            losses_n = row_losses(constant.expand(len(targets), -1), prepared)
            value = (losses_n if weights_n is None else losses_n * weights_n).mean()
            (constant.grad,) = torch.autograd.grad(value, [constant])
            losses.append(value.item())
            return losses[-1]

        optimizer.step(closure)
        lowest = min(lowest, *(value for value in losses if math.isfinite(value)), math.inf)
    return lowest


_LOWEST: dict[str, Callable[[Any, np.ndarray, np.ndarray | None], float]] = {
    "mse": lambda _, each_ct, weights_n: float(_variances(each_ct, weights_n).mean()),
    "sse": lambda _, each_ct, weights_n: float(_variances(each_ct, weights_n).sum()),
    "mae": _lowest_absolute,
    "huber": _lowest_huber,
    "pinball": lambda loss, each_ct, weights_n: _lowest_quantile(each_ct, loss.quantile, weights_n),
    "poisson_nll": _lowest_poisson,
    "gaussian_nll": _lowest_gaussian,
}
"""The lowest loss of constants, one for each row of targets (C, n), with weights (n,)."""
