"""Metrics as numpy formulas in float64, for all epochs of a fit at once.

E epochs, n rows, C outputs, T targets.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from hpsearch.config import Config, ConfigError
from hpsearch.config.search import Metric
from hpsearch.records import Task

NAMES = (*(metric.value for metric in Metric if metric is not Metric.AUTO), "loss")
"""Of all metrics."""

LOWER_IS_BETTER = frozenset({"loss", "cross_entropy", "mse", "mae"})

BOUNDS = {"accuracy": (0.0, 1.0), "macro_f1": (0.0, 1.0), "r2": (-math.inf, 1.0)} | dict.fromkeys(
    LOWER_IS_BETTER, (-math.inf, 0.0)
)
"""Lowest and highest score by metric; scores of losses and errors are negated, so that higher is better."""

AVERAGED = frozenset({"loss", "accuracy", "cross_entropy", "mse", "mae"})
"""Metrics that are a mean over rows, so that a standard error follows from one fit."""

POOLED = frozenset({"macro_f1", "r2"})
"""Metrics of a set of rows: the mean of those of its parts is another number, and of a fold that lacks a class none."""

ROUNDING = 1e-12
"""A spread of targets that is a smaller share of them (or of their squares) is an error of arithmetic."""


def available(config: Config, task: Task) -> tuple[str, ...]:
    """Names of the metrics that this task and loss give, besides `loss`.

    `cross_entropy` needs outputs that are logits of class probabilities: those of the losses `cross_entropy`, and
    `bce` on two classes.
    """
    if task is Task.REGRESSION:
        return ("mse", "mae", "r2")
    softmax = config.loss.kind == "cross_entropy"
    sigmoid = config.loss.kind == "bce" and task is Task.BINARY
    return ("accuracy", "macro_f1", "cross_entropy") if softmax or sigmoid else ("accuracy", "macro_f1")


def metric_name(metric: Metric, *, classes: bool) -> str:
    """The name of the metric that `search.metric` asks for."""
    if metric is Metric.AUTO:
        return "accuracy" if classes else "mse"
    return metric.value


def says_loss(config: Config, task: Task) -> bool:
    """Whether a metric of this task is the loss already, up to the scale of the targets."""
    if task is Task.REGRESSION:
        return config.loss.kind in ("mse", "mae", "sse")
    return "cross_entropy" in available(config, task)


def search_metric(config: Config, task: Task) -> str:
    """The metric that the score is made of.

    Raises:
        ConfigError: If task and loss do not give it.
    """
    names = available(config, task)
    name = metric_name(config.search.metric, classes=task is not Task.REGRESSION)
    if name not in names:
        raise ConfigError(
            f"search.metric must be one of {', '.join(['auto', *names])} for the {task} task of "
            f"data={config.options.get('data', config.data.kind)} with loss {config.loss.kind}, "
            f"got {name!r}"
        )
    return name


def to_score(metric: str, value: float) -> float:
    """`value` with the sign that makes higher better."""
    return -value if metric in LOWER_IS_BETTER else value


def fold_key(metric: str) -> str:
    """How a fold's part of the score is called, after `fold/<i>/`."""
    return f"pooled/{metric}" if metric in POOLED else f"val/{metric}"


def predicted(outputs: np.ndarray) -> np.ndarray:
    """(..., n) int64 classes of outputs (..., n, C): the first largest; a single output above zero is class 1."""
    if outputs.shape[-1] == 1:
        return (outputs[..., 0] > 0).astype(np.int64)
    classes: np.ndarray = outputs.argmax(axis=-1)
    return classes


def cross_entropy_rows(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(E, n) negative log probability of the labels (n,) under logits (E, n, C); with C = 1, of a sigmoid."""
    if outputs.shape[-1] == 1:
        signed: np.ndarray = np.where(labels == 1, -outputs[..., 0], outputs[..., 0])
        rows: np.ndarray = np.logaddexp(0.0, signed)
        return rows
    top = outputs.max(axis=-1)
    log_sum = top + np.log(np.exp(outputs - top[..., None]).sum(axis=-1))
    own = np.take_along_axis(outputs, np.broadcast_to(labels[:, None], (*outputs.shape[:-1], 1)), axis=-1)[..., 0]
    difference: np.ndarray = log_sum - own
    return difference


def macro_f1(classes_predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(E,) unweighted mean of F1 = 2 TP / (2 TP + FP + FN) over the classes that are present or predicted.

    A class with neither a true nor a predicted row has no F1: of the fewer rows, the fewer classes.

    Args:
        classes_predicted: (E, n) int64.
        labels: (n,) int64.
        classes: C.
    """
    return pooled("macro_f1", [class_counts(classes_predicted, labels, classes)])


def r2(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(E,) coefficient of determination, mean over the targets; for a constant target 1 if exact, else 0.

    Args:
        predictions: (E, n, T).
        targets: (n, T).
    """
    return pooled("r2", [target_moments(predictions, targets)])


def class_counts(classes_predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(E, C, 2) of each class 2 TP and 2 TP + FP + FN: what `pooled` makes `macro_f1` of."""
    epochs = len(classes_predicted)
    offset = np.arange(epochs)[:, None] * classes
    wanted = (epochs, classes)
    predictions = np.bincount((classes_predicted + offset).ravel(), minlength=epochs * classes).reshape(wanted)
    hit = classes_predicted == labels
    hits = np.bincount((classes_predicted + offset)[hit], minlength=epochs * classes).reshape(wanted)
    present = np.bincount(labels, minlength=classes)  # 2 TP + FP + FN = predicted + present
    return np.stack([2 * hits, predictions + present], axis=-1)


def target_moments(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(E, T, 4) of each target sum of squared errors, n, mean, sum of squares about it: what `pooled` makes `r2` of."""
    residual = np.square(predictions - targets).sum(axis=1)  # (E, T)
    mean = targets.mean(axis=0)
    spread = np.square(targets - mean).sum(axis=0)
    return np.stack(np.broadcast_arrays(residual, float(len(targets)), mean, spread), axis=-1)


def pooled(name: str, parts: Sequence[np.ndarray]) -> np.ndarray:
    """(E,) `macro_f1` or `r2` of the rows of all parts as one set.

    Args:
        name: One of `POOLED`.
        parts: `class_counts` or `target_moments` of each.
    """
    if name == "macro_f1":
        hits, total = np.moveaxis(np.stack(parts).sum(axis=0), -1, 0).astype(np.float64)  # (E, C)
        counted = total > 0
        f1: np.ndarray = np.divide(hits, total, out=np.zeros(total.shape), where=counted).sum(-1) / counted.sum(-1)
        return f1
    residual, n, mean, spread = np.moveaxis(np.stack(parts), -1, 0)  # (parts, E, T)
    together = (n * mean).sum(0) / n.sum(0)
    varied = (spread + n * np.square(mean - together)).sum(0)
    constant = varied <= n.sum(0) * np.square(ROUNDING * together)
    errors = residual.sum(0)
    ratio = np.divide(errors, varied, out=(errors > 0).astype(np.float64), where=~constant)
    values: np.ndarray = (1.0 - ratio).mean(axis=-1)
    return values


def r2_of_rows(predictions: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], float]:
    """`r2` of any row numbers, repeated ones included, from sums over rows: no copy of wide rows for each call.

    Args:
        predictions: (n, T).
        targets: (n, T).
    """
    n, centred = len(targets), targets - targets.mean(axis=0)
    columns = np.hstack([np.square(predictions - targets), centred, np.square(centred)])  # (n, 3 T)

    def statistic(index: np.ndarray) -> float:
        counts = np.bincount(index, minlength=n).astype(np.float64)
        residual, first, second = np.split(counts @ columns, 3)
        spread = second - np.square(first) / counts.sum()
        varied = spread > ROUNDING * second
        ratio = np.divide(residual, spread, out=(residual > 0).astype(np.float64), where=varied)
        return float((1.0 - ratio).mean())

    return statistic
