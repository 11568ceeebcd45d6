"""The metrics: their names, directions, formulas and bounds. A new metric is added only here.

E epochs, n rows, C outputs, T targets. Formulas use float64, for all epochs of a fit at once. Their outputs are those
of the network, (E, n, C), or for regression predictions in the units of the targets, (E, n, T); their targets are
labels (n,) or values (n, T).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-12
"""Relative spread of targets (or of their squares) below which it is a rounding error."""


@dataclass(frozen=True, slots=True)
class Pooling:
    """Formulas of a metric that is no mean over rows.

    The mean of its values on parts is a different number, and undefined if a fold lacks a class.

    Attributes:
        statistics: Sufficient statistics (E, ...) of the outputs and targets of a part.
        value: The metric (E,) of all parts as one set of rows, from the statistics of each.
        of_rows: From outputs (n, C) and targets, the metric as a function of row indices, which may repeat.
    """

    statistics: Callable[[np.ndarray, np.ndarray], np.ndarray]
    value: Callable[[Sequence[np.ndarray]], np.ndarray]
    of_rows: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric.

    Higher *scores* are better: the score of a loss or error is minus its value.

    Attributes:
        name: Name as typed, stored and shown.
        of_classes: Whether it is for classes (True), regression (False) or both (None).
        lower_is_better: Whether it is a loss or an error.
        worst: The lowest score, which a diverged training gets.
        best: The highest score.
        is_share: Whether it is a share of correct rows, with binomial errors.
        needs_probabilities: Whether outputs must be logits of class probabilities.
        is_of_loss: Whether its meaning depends on the loss or label smoothing.
        chance: The chance-level score from the number of classes; None if it depends on the targets.
        rows: Values (E, n) of rows, whose mean it is, from outputs and targets; None for `loss` and pooled metrics.
        pooling: Formulas if it is no mean over rows.
    """

    name: str
    of_classes: bool | None
    lower_is_better: bool = False
    worst: float = -math.inf
    best: float
    is_share: bool = False
    needs_probabilities: bool = False
    is_of_loss: bool = False
    chance: Callable[[int], float] | None = None
    rows: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    pooling: Pooling | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def score_name(self) -> str:
        """Name of its score: `accuracy`, `-mse`."""
        return f"-{self.name}" if self.lower_is_better else self.name

    def score(self, value: float) -> float:
        """The score of a value; also the value of a score."""
        return -value if self.lower_is_better else value

    @property
    def fold_key(self) -> str:
        """Key of a fold's contribution to the score, after `fold/<i>/`."""
        return f"val/{self.name}" if self.pooling is None else f"pooled/{self.name}"


def predicted(outputs: np.ndarray) -> np.ndarray:
    """Classes (..., n) int64 of outputs (..., n, C): the first largest one; for C = 1, class 1 above zero."""
    if outputs.shape[-1] == 1:
        return (outputs[..., 0] > 0).astype(np.int64)
    classes: np.ndarray = outputs.argmax(axis=-1)
    return classes


def cross_entropy_rows(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Negative log probabilities (E, n) of labels (n,) under logits (E, n, C); for C = 1, of a sigmoid."""
    outputs = np.asarray(outputs, dtype=np.float64)
    if outputs.shape[-1] == 1:
        signed: np.ndarray = np.where(labels == 1, -outputs[..., 0], outputs[..., 0])
        rows: np.ndarray = np.logaddexp(0.0, signed)
        return rows
    top = outputs.max(axis=-1)
    log_sum = top + np.log(np.exp(outputs - top[..., None]).sum(axis=-1))
    own = np.take_along_axis(outputs, np.broadcast_to(labels[:, None], (*outputs.shape[:-1], 1)), axis=-1)[..., 0]
    difference: np.ndarray = log_sum - own
    return difference


def class_counts(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Shape (E, C, 2): for each class 2 TP and 2 TP + FP + FN."""
    return _counts(predicted(outputs), labels, max(2, outputs.shape[-1]))


def _counts(classes_predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    epochs = len(classes_predicted)
    offset = np.arange(epochs)[:, None] * classes
    wanted = (epochs, classes)
    predictions = np.bincount((classes_predicted + offset).ravel(), minlength=epochs * classes).reshape(wanted)
    hit = classes_predicted == labels
    hits = np.bincount((classes_predicted + offset)[hit], minlength=epochs * classes).reshape(wanted)
    present = np.bincount(labels, minlength=classes)  # 2 TP + FP + FN = predicted + present
    return np.stack([2 * hits, predictions + present], axis=-1)


def macro_f1(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Unweighted mean (E,) of F1 = 2 TP / (2 TP + FP + FN) over the classes that are present or predicted.

    Args:
        parts: `class_counts` of each part; all parts are one set of rows.
    """
    hits, total = np.moveaxis(np.stack(parts).sum(axis=0), -1, 0).astype(np.float64)  # (E, C)
    counted = total > 0
    f1: np.ndarray = np.divide(hits, total, out=np.zeros(total.shape), where=counted).sum(-1) / counted.sum(-1)
    return f1


def macro_f1_of_rows(outputs: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], float]:
    """`macro_f1` of outputs (n, C) as a function of row indices, which may repeat."""
    classes, count = predicted(outputs), max(2, outputs.shape[-1])
    return lambda index: float(macro_f1([_counts(classes[None, index], labels[index], count)])[0])


def target_moments(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Shape (E, T, 4): for each target the sum of squared errors, n, the mean, and the sum of squares about it."""
    targets = targets.astype(np.float64)
    residual = np.square(predictions - targets).sum(axis=1)  # (E, T)
    mean = targets.mean(axis=0)
    spread = np.square(targets - mean).sum(axis=0)
    return np.stack(np.broadcast_arrays(residual, float(len(targets)), mean, spread), axis=-1)


def r2(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Coefficient of determination (E,), mean over the targets; for a constant target 1 if exact, else 0.

    Args:
        parts: `target_moments` of each part; all parts are one set of rows.
    """
    residual, n, mean, spread = np.moveaxis(np.stack(parts), -1, 0)  # (parts, E, T)
    together = (n * mean).sum(0) / n.sum(0)
    varied = (spread + n * np.square(mean - together)).sum(0)
    constant = varied <= n.sum(0) * np.square(ROUNDING * together)
    errors = residual.sum(0)
    ratio = np.divide(errors, varied, out=(errors > 0).astype(np.float64), where=~constant)
    values: np.ndarray = (1.0 - ratio).mean(axis=-1)
    return values


def r2_of_rows(predictions: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], float]:
    """`r2` of predictions and targets (n, T) as a function of row indices, which may repeat.

    Computed from sums over rows, so that wide rows are not copied at each call.
    """
    targets = targets.astype(np.float64)
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


ACCURACY = Metric(
    name="accuracy", of_classes=True, worst=0.0, best=1.0, is_share=True, chance=lambda classes: 1 / classes,
    rows=lambda outputs, labels: (predicted(outputs) == labels).astype(np.float64),
)  # fmt: skip
CROSS_ENTROPY = Metric(
    name="cross_entropy", of_classes=True, lower_is_better=True, best=0.0, needs_probabilities=True, is_of_loss=True,
    chance=lambda classes: -math.log(classes), rows=cross_entropy_rows,
)  # fmt: skip
MACRO_F1 = Metric(
    name="macro_f1", of_classes=True, worst=0.0, best=1.0, chance=lambda classes: 1 / classes,
    pooling=Pooling(class_counts, macro_f1, macro_f1_of_rows),
)  # fmt: skip
MSE = Metric(
    name="mse", of_classes=False, lower_is_better=True, best=0.0,
    rows=lambda predictions, targets: np.square(predictions - targets).mean(axis=-1),
)  # fmt: skip
MAE = Metric(
    name="mae", of_classes=False, lower_is_better=True, best=0.0,
    rows=lambda predictions, targets: np.abs(predictions - targets).mean(axis=-1),
)  # fmt: skip
R2 = Metric(
    name="r2", of_classes=False, best=1.0, chance=lambda _: 0.0, pooling=Pooling(target_moments, r2, r2_of_rows)
)
LOSS = Metric(name="loss", of_classes=None, lower_is_better=True, best=0.0, is_of_loss=True)
"""The configured loss without label smoothing, which no search is scored by."""

SEARCHED = (ACCURACY, CROSS_ENTROPY, MACRO_F1, MSE, MAE, R2)
"""The metrics that a search can be scored by."""

METRICS = {metric.name: metric for metric in (*SEARCHED, LOSS)}
"""All metrics by name."""

AUTO = "auto"
"""Value of `search.metric` for the default metric of the task."""


def metric_of(name: str, *, classes: bool) -> Metric:
    """The metric of a value of `search.metric`."""
    if name == AUTO:
        return ACCURACY if classes else MSE
    return METRICS[name]
