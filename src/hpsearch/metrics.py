"""Metrics as numpy formulas in float64, for all epochs of a fit at once.

E epochs, n rows, C outputs, T targets.
"""

from collections.abc import Callable

import numpy as np

from hpsearch.config import Config, ConfigError
from hpsearch.config.sweep import Metric
from hpsearch.records import Task

NAMES = (*(metric.value for metric in Metric if metric is not Metric.AUTO), "loss")
"""Of all metrics."""
LOWER_IS_BETTER = frozenset({"loss", "cross_entropy", "mse", "mae"})
AVERAGED = frozenset({"loss", "accuracy", "cross_entropy", "mse", "mae"})
"""Metrics that are a mean over rows, so that a standard error follows from one fit."""

ROUNDING = 1e-12
"""A spread of targets that is a smaller share of their squares is an error of arithmetic: they are constant."""


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
    """(E,) unweighted mean over all C classes of F1 = 2 TP / (2 TP + FP + FN).

    The set of labels is fixed: a class that is neither present nor predicted counts as 0.

    Args:
        classes_predicted: (E, n) int64.
        labels: (n,) int64.
        classes: C.
    """
    epochs = len(classes_predicted)
    offset = np.arange(epochs)[:, None] * classes
    wanted = (epochs, classes)
    predictions = np.bincount((classes_predicted + offset).ravel(), minlength=epochs * classes).reshape(wanted)
    hit = classes_predicted == labels
    hits = np.bincount((classes_predicted + offset)[hit], minlength=epochs * classes).reshape(wanted)
    present = np.bincount(labels, minlength=classes)  # 2 TP + FP + FN = predicted + present
    total = predictions + present
    f1: np.ndarray = np.divide(2.0 * hits, total, out=np.zeros(wanted), where=total > 0).mean(axis=1)
    return f1


def r2(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(E,) coefficient of determination, mean over the targets; for a constant target 1 if exact, else 0.

    Args:
        predictions: (E, n, T).
        targets: (n, T).
    """
    residual = np.square(predictions - targets).sum(axis=1)  # (E, T)
    spread = np.square(targets - targets.mean(axis=0)).sum(axis=0)  # (T,)
    ratio = np.divide(residual, spread, out=(residual > 0).astype(np.float64), where=spread > 0)
    values: np.ndarray = (1.0 - ratio).mean(axis=1)
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


def standard_error(rows: np.ndarray) -> float | None:
    """SD / sqrt(n) of per-row values (n,); for 0/1 values this is sqrt(v (1 - v) / (n - 1)). None for one row."""
    return float(rows.std(ddof=1) / np.sqrt(len(rows))) if len(rows) > 1 else None


def resampled_error(scores: np.ndarray, val_per_train: float) -> float:
    """Standard error of the mean of J >= 2 fold scores: s sqrt(1/J + n_val/n_train) (Nadeau & Bengio, 2003).

    Args:
        scores: (J,), whose standard deviation s has the divisor J - 1.
        val_per_train: n_val / n_train.
    """
    return float(scores.std(ddof=1) * np.sqrt(1 / len(scores) + val_per_train))
