"""The metrics: what each is called, which way is better, how it is computed and judged. A new one is added here alone.

E epochs, n rows, C outputs, T targets. Formulas are numpy in float64, for all epochs of a fit at once. Their outputs
are those of the network, (E, n, C), or for regression predictions in the targets' own units, (E, n, T); their targets
are labels (n,) or (n, T).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-12
"""A spread of targets that is a smaller share of them (or of their squares) is an error of arithmetic."""


@dataclass(frozen=True, slots=True)
class Pooling:
    """How a metric of a set of rows is computed that is no mean over them.

    The mean of its values on parts is another number, and on a fold that lacks a class there is none.

    Attributes:
        statistics: From outputs and targets of a part (E, ...), what `value` needs to know of it.
        value: (E,) the metric of the rows of all parts as one set, from the statistics of each.
        of_rows: From outputs (n, C) and targets, the metric of any row numbers, repeated ones included.
    """

    statistics: Callable[[np.ndarray, np.ndarray], np.ndarray]
    value: Callable[[Sequence[np.ndarray]], np.ndarray]
    of_rows: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a score can be made of.

    Its *score* is higher where it is better: losses and errors come negated.

    Attributes:
        name: As it is typed, stored and shown.
        of_classes: Whether it is one of classes; False: of regression; None: of both.
        lower_is_better: Whether it is a loss or an error.
        worst: The lowest score, which a training that diverged counts as.
        best: The highest score.
        is_share: Whether it is a share of rows that are right, so that its errors are binomial.
        needs_probabilities: Whether outputs must be logits of class probabilities.
        is_of_loss: Whether its values mean something else under another loss or label smoothing.
        chance: From the number of classes, the score of guessing without looking; None where it depends on the targets.
        rows: (E, n) values of rows, whose mean it is, from outputs and targets; None for `loss` and for what is pooled.
        pooling: How it is computed where it is no mean over rows.
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
        """What its score is: `accuracy`, `-mse`."""
        return f"-{self.name}" if self.lower_is_better else self.name

    def score(self, value: float) -> float:
        """`value` with the sign that makes higher better; of a score the metric."""
        return -value if self.lower_is_better else value

    @property
    def fold_key(self) -> str:
        """How a fold's part of the score is called, after `fold/<i>/`."""
        return f"val/{self.name}" if self.pooling is None else f"pooled/{self.name}"


def predicted(outputs: np.ndarray) -> np.ndarray:
    """(..., n) int64 classes of outputs (..., n, C): the first largest; a single output above zero is class 1."""
    if outputs.shape[-1] == 1:
        return (outputs[..., 0] > 0).astype(np.int64)
    classes: np.ndarray = outputs.argmax(axis=-1)
    return classes


def right_rows(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(E, n) 1 where the predicted class is the label, else 0."""
    right: np.ndarray = predicted(outputs) == labels
    return right.astype(np.float64)


def cross_entropy_rows(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(E, n) negative log probability of the labels (n,) under logits (E, n, C); with C = 1, of a sigmoid."""
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


def squared_error_rows(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(E, n) squared errors, mean over the targets."""
    rows: np.ndarray = np.square(predictions - targets).mean(axis=-1)
    return rows


def absolute_error_rows(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(E, n) absolute errors, mean over the targets."""
    rows: np.ndarray = np.abs(predictions - targets).mean(axis=-1)
    return rows


def class_counts(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(E, C, 2) of each class 2 TP and 2 TP + FP + FN."""
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
    """(E,) unweighted mean of F1 = 2 TP / (2 TP + FP + FN) over the classes that are present or predicted.

    A class with neither a true nor a predicted row has no F1: of the fewer rows, the fewer classes.

    Args:
        parts: `class_counts` of each set of rows, which are taken as one.
    """
    hits, total = np.moveaxis(np.stack(parts).sum(axis=0), -1, 0).astype(np.float64)  # (E, C)
    counted = total > 0
    f1: np.ndarray = np.divide(hits, total, out=np.zeros(total.shape), where=counted).sum(-1) / counted.sum(-1)
    return f1


def macro_f1_of_rows(outputs: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], float]:
    """`macro_f1` of any row numbers, repeated ones included, of outputs (n, C)."""
    classes, count = predicted(outputs), max(2, outputs.shape[-1])
    return lambda index: float(macro_f1([_counts(classes[None, index], labels[index], count)])[0])


def target_moments(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(E, T, 4) of each target sum of squared errors, n, mean, sum of squares about it."""
    targets = targets.astype(np.float64)
    residual = np.square(predictions - targets).sum(axis=1)  # (E, T)
    mean = targets.mean(axis=0)
    spread = np.square(targets - mean).sum(axis=0)
    return np.stack(np.broadcast_arrays(residual, float(len(targets)), mean, spread), axis=-1)


def r2(parts: Sequence[np.ndarray]) -> np.ndarray:
    """(E,) coefficient of determination, mean over the targets; for a constant target 1 if exact, else 0.

    Args:
        parts: `target_moments` of each set of rows, which are taken as one.
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
    """`r2` of any row numbers, repeated ones included, from sums over rows: no copy of wide rows for each call.

    Args:
        predictions: (n, T).
        targets: (n, T).
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


def one_in(classes: int) -> float:
    """The share of rows that are right if classes are guessed."""
    return 1 / classes


def uniform_log_probability(classes: int) -> float:
    """The score of the same probability for each class."""
    return -math.log(classes)


def zero(_: int) -> float:
    """The score of the mean of the targets."""
    return 0.0


ACCURACY = Metric(name="accuracy", of_classes=True, worst=0.0, best=1.0, is_share=True, chance=one_in, rows=right_rows)
CROSS_ENTROPY = Metric(
    name="cross_entropy", of_classes=True, lower_is_better=True, best=0.0, needs_probabilities=True, is_of_loss=True,
    chance=uniform_log_probability, rows=cross_entropy_rows,
)  # fmt: skip
MACRO_F1 = Metric(
    name="macro_f1", of_classes=True, worst=0.0, best=1.0, chance=one_in,
    pooling=Pooling(class_counts, macro_f1, macro_f1_of_rows),
)  # fmt: skip
MSE = Metric(name="mse", of_classes=False, lower_is_better=True, best=0.0, rows=squared_error_rows)
MAE = Metric(name="mae", of_classes=False, lower_is_better=True, best=0.0, rows=absolute_error_rows)
R2 = Metric(name="r2", of_classes=False, best=1.0, chance=zero, pooling=Pooling(target_moments, r2, r2_of_rows))
LOSS = Metric(name="loss", of_classes=None, lower_is_better=True, best=0.0, is_of_loss=True)
"""The configured loss, without label smoothing; a search is scored by the others."""

SEARCHED = (ACCURACY, CROSS_ENTROPY, MACRO_F1, MSE, MAE, R2)
"""What a search may be scored by."""

METRICS = {metric.name: metric for metric in (*SEARCHED, LOSS)}
"""All of them, by name."""

AUTO = "auto"
"""What `search.metric` says where it is left to the task."""


def metric_of(name: str, *, classes: bool) -> Metric:
    """The metric that `search.metric` asks for."""
    if name == AUTO:
        return ACCURACY if classes else MSE
    return METRICS[name]
