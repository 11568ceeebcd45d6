"""The metrics: their names, directions, formulas and bounds. A new metric is added only here.

Some have a parameter after an `@`: `accuracy@3`, `recall@fraud`, `pinball@0.9`.

E epochs, n rows, C outputs, T targets. Formulas use float64, for all epochs of a fit at once. Their outputs are those
of the network, (E, n, C), or for regression predictions in the units of the targets, (E, n, T); their targets are
labels (n,) or values (n, T).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

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
        of_labels: Whether it is for labels, several of which may hold: numbers 0 and 1 and their probabilities.
        lower_is_better: Whether it is a loss or an error.
        worst: The lowest score, which a diverged training gets.
        best: The highest score.
        is_share: Whether it is a share of correct rows, with binomial errors.
        needs_probabilities: Whether outputs must be logits of class probabilities.
        two_classes: Whether it is about the second of two classes, and not defined for more.
        of_class: The class that it is about; None unless its name has one.
        beyond: Number of classes that there must be more of.
        lowest_target: The lowest target that it is defined for.
        is_of_loss: Whether its meaning depends on the loss or label smoothing.
        chance: The chance-level score from the number of classes; None if it depends on the targets.
        rows: Values (E, n) of rows, whose mean it is, from outputs and targets; None for `loss` and pooled metrics.
        pooling: Formulas if it is no mean over rows.
    """

    name: str
    of_classes: bool | None
    of_labels: bool = False
    lower_is_better: bool = False
    worst: float = -math.inf
    best: float
    is_share: bool = False
    needs_probabilities: bool = False
    two_classes: bool = False
    of_class: str | None = None
    beyond: int = 1
    lowest_target: float = -math.inf
    is_of_loss: bool = False
    chance: Callable[[int], float] | None = field(default=None, compare=False)
    rows: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = field(default=None, compare=False)
    pooling: Pooling | None = field(default=None, compare=False)

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


def confusion(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Shape (E, C, C): how many rows of each class (first) are predicted as each class."""
    classes, epochs = max(2, outputs.shape[-1]), len(outputs)
    cells = predicted(outputs) + classes * labels + classes**2 * np.arange(epochs)[:, None]
    counts: np.ndarray = np.bincount(cells.ravel(), minlength=epochs * classes**2)
    return counts.reshape((epochs, classes, classes))


def _over(hits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Shares of counts, 0 where there are none."""
    shares: np.ndarray = np.divide(hits, counts, out=np.zeros(np.broadcast(hits, counts).shape), where=counts > 0)
    return shares


def _of_confusion(value: Callable[[np.ndarray], np.ndarray]) -> Pooling:
    """A metric (E,) of confusion matrices (E, C, C) float64."""

    def of_rows(outputs: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], float]:
        classes, count = predicted(outputs), max(2, outputs.shape[-1])
        cells = classes + count * labels
        shape = (1, count, count)
        return lambda index: float(value(np.bincount(cells[index], minlength=count**2).reshape(shape) * 1.0)[0])

    return Pooling(confusion, lambda parts: value(np.stack(parts).sum(axis=0).astype(np.float64)), of_rows)


def _balanced_accuracy(matrix: np.ndarray) -> np.ndarray:
    """Mean recall over the classes that there are rows of."""
    present = matrix.sum(axis=-1)
    recalls = _over(np.diagonal(matrix, axis1=-2, axis2=-1), present)
    means: np.ndarray = recalls.sum(axis=-1) / (present > 0).sum(axis=-1)
    return means


def _mcc(matrix: np.ndarray) -> np.ndarray:
    """Matthews correlation of labels and predictions (Gorodkin, 2004); 0 if either is constant."""
    n, hits = matrix.sum(axis=(-2, -1)), np.trace(matrix, axis1=-2, axis2=-1)
    present, called = matrix.sum(axis=-1), matrix.sum(axis=-2)
    covariance = hits * n - (present * called).sum(axis=-1)
    spread = (n**2 - (present**2).sum(axis=-1)) * (n**2 - (called**2).sum(axis=-1))
    return _over(covariance, np.sqrt(spread))


def _kappa(matrix: np.ndarray) -> np.ndarray:
    """Agreement beyond chance (Cohen, 1960); 0 if chance agrees always."""
    n, hits = matrix.sum(axis=(-2, -1)), np.trace(matrix, axis1=-2, axis2=-1)
    by_chance = (matrix.sum(axis=-1) * matrix.sum(axis=-2)).sum(axis=-1) / n
    return _over(hits - by_chance, n - by_chance)


def _precision(matrix: np.ndarray, of: int = 1) -> np.ndarray:
    return _over(matrix[:, of, of], matrix[:, :, of].sum(axis=-1))


def _recall(matrix: np.ndarray, of: int = 1) -> np.ndarray:
    return _over(matrix[:, of, of], matrix[:, of].sum(axis=-1))


def _f1(matrix: np.ndarray, of: int = 1) -> np.ndarray:
    return _over(2 * matrix[:, of, of], matrix[:, of].sum(axis=-1) + matrix[:, :, of].sum(axis=-1))


def _macro(value: Callable[[np.ndarray, int], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The unweighted mean over the classes that are present or predicted."""

    def mean(matrix: np.ndarray) -> np.ndarray:
        counted = (matrix.sum(axis=-1) + matrix.sum(axis=-2)) > 0  # (E, C)
        values = np.stack([value(matrix, of) for of in range(matrix.shape[-1])], axis=-1)
        means: np.ndarray = (values * counted).sum(axis=-1) / counted.sum(axis=-1)
        return means

    return mean


def _weighted_f1(matrix: np.ndarray) -> np.ndarray:
    """F1 of each class, weighted by its rows."""
    hits, present = np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(axis=-1)
    scores = _over(2 * hits, present + matrix.sum(axis=-2))
    weighted: np.ndarray = (scores * present).sum(axis=-1) / present.sum(axis=-1)
    return weighted


def probabilities(outputs: np.ndarray) -> np.ndarray:
    """Class probabilities (..., C) of logits; for C = 1, of both classes by a sigmoid."""
    outputs = np.asarray(outputs, dtype=np.float64)
    if outputs.shape[-1] == 1:
        outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=-1)
    exponentials = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    shares: np.ndarray = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return shares


def brier_rows(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Squared errors (E, n) of class probabilities: of the second of two classes, otherwise summed over classes."""
    shares = probabilities(outputs)
    errors = np.square(shares - np.eye(shares.shape[-1])[labels])
    rows: np.ndarray = errors[..., 1] if shares.shape[-1] == 2 else errors.sum(axis=-1)
    return rows


def _class_scores(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Shape (E, n, S + 1): what orders rows by each of S classes, by the second alone of two; then the label."""
    outputs = np.asarray(outputs, dtype=np.float64)
    if outputs.shape[-1] == 2:
        scores = outputs[..., 1:] - outputs[..., :1]
    else:
        scores = outputs if outputs.shape[-1] == 1 else probabilities(outputs)
    return np.concatenate([scores, np.broadcast_to(labels[:, None], (*scores.shape[:-1], 1))], axis=-1)


def _of_order(value: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Pooling:
    """The mean over classes of a metric (E,) of scores (E, n) and which rows (n,) are of the class.

    NaN where a class has no rows, or all of them.
    """

    def together(rows: np.ndarray) -> np.ndarray:
        scores, labels = rows[..., :-1], rows[0, :, -1]
        classes = [1] if scores.shape[-1] == 1 else range(scores.shape[-1])
        members = [labels == each for each in classes]
        if not all(0 < rows_of.sum() < len(labels) for rows_of in members):
            return np.full(len(rows), math.nan)
        values: np.ndarray = np.mean([value(scores[..., at], rows_of) for at, rows_of in enumerate(members)], axis=0)
        return values

    def of_rows(outputs: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], float]:
        rows = _class_scores(outputs[None], labels)
        return lambda index: float(together(rows[:, index])[0])

    return Pooling(_class_scores, lambda parts: together(np.concatenate(parts, axis=1)), of_rows)


def _roc_auc(scores: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Share (E,) of pairs of a member and another row in which the member has the higher score, ties counted half."""
    from scipy.stats import rankdata  # noqa: PLC0415 (half a second, for this metric alone)

    count, others = members.sum(), (~members).sum()
    above = rankdata(scores, axis=1)[:, members].sum(axis=1) - count * (count + 1) / 2
    shares: np.ndarray = above / (count * others)
    return shares


def _average_precision(scores: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Precision (E,) at each threshold, weighted by how much recall it adds; equal scores are one threshold."""
    values = []
    for of_epoch in scores:
        order = np.argsort(-of_epoch, kind="stable")
        last = np.append(np.flatnonzero(np.diff(of_epoch[order])), len(order) - 1)
        hits = members[order].cumsum()[last]
        values.append((np.diff(hits, prepend=0) * hits / (last + 1)).sum() / hits[-1])
    return np.array(values)


def top_rows(outputs: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Whether (E, n) labels are among the k largest outputs, as 0 or 1; of equal ones the first counts as larger."""
    own = np.take_along_axis(outputs, np.broadcast_to(labels[:, None], (*outputs.shape[:-1], 1)), axis=-1)
    earlier = np.arange(outputs.shape[-1]) < labels[:, None]
    ahead = ((outputs > own) | ((outputs == own) & earlier)).sum(axis=-1)
    among: np.ndarray = (ahead < k).astype(np.float64)
    return among


BINS = 15
"""Of equal width, by confidence, in the calibration error."""


def _confidences(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Shape (E, bins, 2): rows that are right, minus the sum of their confidences; rows."""
    shares = probabilities(outputs)
    confidence, right = shares.max(axis=-1), shares.argmax(axis=-1) == labels
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1) + BINS * np.arange(len(shares))[:, None]
    size = BINS * len(shares)
    gaps = np.bincount(bins.ravel(), weights=(right - confidence).ravel(), minlength=size)
    return np.stack([gaps, np.bincount(bins.ravel(), minlength=size)], axis=-1).reshape(len(shares), BINS, 2)


def _calibration_error(parts: Sequence[np.ndarray]) -> np.ndarray:
    gaps, rows = np.moveaxis(np.sum(parts, axis=0), -1, 0)
    values: np.ndarray = np.abs(gaps).sum(axis=-1) / rows.sum(axis=-1)
    return values


def _calibration_error_of_rows(outputs: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], float]:
    return lambda index: float(_calibration_error([_confidences(outputs[None, index], labels[index])])[0])


def _squares(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Shape (E, T, 2): for each target the sum of squared errors, and the number of rows."""
    errors = np.square(predictions - targets).sum(axis=1)  # (E, T)
    return np.stack([errors, np.full(errors.shape, len(targets))], axis=-1)


def _rmse(parts: Sequence[np.ndarray]) -> np.ndarray:
    errors, rows = np.moveaxis(np.sum(parts, axis=0), -1, 0)
    values: np.ndarray = np.sqrt(errors / rows).mean(axis=-1)
    return values


def _rmse_of_rows(predictions: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], float]:
    errors = np.square(predictions - targets)
    return lambda index: float(np.sqrt(errors[index].mean(axis=0)).mean())


def mape_rows(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Absolute errors (E, n) as shares of the targets; one of 0 counts as 2e-16, as in scikit-learn."""
    least = np.finfo(np.float64).eps
    rows: np.ndarray = (np.abs(predictions - targets) / np.maximum(np.abs(targets), least)).mean(axis=-1)
    return rows


def pinball_rows(predictions: np.ndarray, targets: np.ndarray, quantile: float) -> np.ndarray:
    """Pinball losses (E, n) of predictions of a quantile (Koenker & Bassett, 1978)."""
    errors = targets - predictions
    rows: np.ndarray = np.maximum(quantile * errors, (quantile - 1) * errors).mean(axis=-1)
    return rows


def _positive(predictions: np.ndarray) -> np.ndarray:
    """Predictions of which those that no deviance is defined for count as 2e-16, as zeros do in logarithmic losses."""
    positive: np.ndarray = np.maximum(predictions, np.finfo(np.float64).eps)
    return positive


def poisson_deviance_rows(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Deviances (E, n) 2 (y log(y / p) - y + p) of targets y >= 0 (McCullagh & Nelder, 1989, section 2.3)."""
    p = _positive(predictions)
    surprise = targets * np.log(np.where(targets > 0, targets, 1) / p)
    rows: np.ndarray = 2 * (surprise - targets + p).mean(axis=-1)
    return rows


def gamma_deviance_rows(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Deviances (E, n) 2 (log(p / y) + y / p - 1) of targets y > 0 (McCullagh & Nelder, 1989, section 2.3)."""
    p = _positive(predictions)
    rows: np.ndarray = 2 * (np.log(p / targets) + targets / p - 1).mean(axis=-1)
    return rows


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


def _hold(outputs: np.ndarray) -> np.ndarray:
    """Which labels hold by their probabilities."""
    holding: np.ndarray = outputs > 0.5
    return holding


def label_counts(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Shape (E, T, 2): for each label 2 TP and 2 TP + FP + FN."""
    holding, present = _hold(outputs), targets > 0.5
    hits = (holding & present).sum(axis=1)
    return np.stack([2 * hits, holding.sum(axis=1) + present.sum(axis=0)], axis=-1)


def _label_f1(*, micro: bool) -> Pooling:
    """F1 of labels: the mean over labels, 0 of one that never holds nor is predicted, or of all labels together."""

    def value(parts: Sequence[np.ndarray]) -> np.ndarray:
        hits, total = np.moveaxis(np.stack(parts).sum(axis=0), -1, 0).astype(np.float64)  # (E, T)
        if micro:
            hits, total = hits.sum(axis=-1, keepdims=True), total.sum(axis=-1, keepdims=True)
        means: np.ndarray = _over(hits, total).mean(axis=-1)
        return means

    def of_rows(outputs: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], float]:
        return lambda index: float(value([label_counts(outputs[None, index], targets[index])])[0])

    return Pooling(label_counts, value, of_rows)


def _of_label_order(value: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Pooling:
    """The mean over labels of a metric (E,) of scores (E, n) and which rows (n,) have the label; NaN if none or all."""

    def statistics(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return np.concatenate([outputs, np.broadcast_to(targets, outputs.shape)], axis=-1)

    def together(rows: np.ndarray) -> np.ndarray:
        scores, targets = np.split(rows, 2, axis=-1)
        members = targets[0].T > 0.5  # (T, n)
        if not all(0 < of.sum() < len(of) for of in members):
            return np.full(len(rows), math.nan)
        values: np.ndarray = np.mean([value(scores[..., at], of) for at, of in enumerate(members)], axis=0)
        return values

    def of_rows(outputs: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], float]:
        rows = statistics(outputs[None], targets)
        return lambda index: float(together(rows[:, index])[0])

    return Pooling(statistics, lambda parts: together(np.concatenate(parts, axis=1)), of_rows)


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
BALANCED_ACCURACY = Metric(
    name="balanced_accuracy", of_classes=True, worst=0.0, best=1.0, chance=lambda classes: 1 / classes,
    pooling=_of_confusion(_balanced_accuracy),
)  # fmt: skip
MACRO_PRECISION = Metric(
    name="macro_precision", of_classes=True, worst=0.0, best=1.0, pooling=_of_confusion(_macro(_precision))
)
MACRO_RECALL = Metric(name="macro_recall", of_classes=True, worst=0.0, best=1.0, pooling=_of_confusion(_macro(_recall)))
WEIGHTED_F1 = Metric(name="weighted_f1", of_classes=True, worst=0.0, best=1.0, pooling=_of_confusion(_weighted_f1))
F1 = Metric(name="f1", of_classes=True, two_classes=True, worst=0.0, best=1.0, pooling=_of_confusion(_f1))
PRECISION = Metric(
    name="precision", of_classes=True, two_classes=True, worst=0.0, best=1.0, pooling=_of_confusion(_precision)
)
RECALL = Metric(name="recall", of_classes=True, two_classes=True, worst=0.0, best=1.0, pooling=_of_confusion(_recall))
MCC = Metric(name="mcc", of_classes=True, worst=-1.0, best=1.0, chance=lambda _: 0.0, pooling=_of_confusion(_mcc))
KAPPA = Metric(name="kappa", of_classes=True, worst=-1.0, best=1.0, chance=lambda _: 0.0, pooling=_of_confusion(_kappa))
ROC_AUC = Metric(
    name="roc_auc", of_classes=True, worst=0.0, best=1.0, chance=lambda _: 0.5, pooling=_of_order(_roc_auc)
)
AVERAGE_PRECISION = Metric(
    name="average_precision", of_classes=True, worst=0.0, best=1.0, pooling=_of_order(_average_precision)
)
BRIER = Metric(
    name="brier", of_classes=True, lower_is_better=True, worst=-2.0, best=0.0, needs_probabilities=True,
    rows=brier_rows,
)  # fmt: skip
ECE = Metric(
    name="ece", of_classes=True, lower_is_better=True, worst=-1.0, best=0.0, needs_probabilities=True,
    pooling=Pooling(_confidences, _calibration_error, _calibration_error_of_rows),
)  # fmt: skip
RMSE = Metric(
    name="rmse", of_classes=False, lower_is_better=True, best=0.0, pooling=Pooling(_squares, _rmse, _rmse_of_rows)
)
MAPE = Metric(name="mape", of_classes=False, lower_is_better=True, best=0.0, rows=mape_rows)
POISSON_DEVIANCE = Metric(
    name="poisson_deviance", of_classes=False, lower_is_better=True, best=0.0, lowest_target=0.0,
    rows=poisson_deviance_rows,
)  # fmt: skip
GAMMA_DEVIANCE = Metric(
    name="gamma_deviance", of_classes=False, lower_is_better=True, best=0.0, lowest_target=math.nextafter(0, 1),
    rows=gamma_deviance_rows,
)  # fmt: skip
HAMMING_LOSS = Metric(
    name="hamming_loss", of_classes=False, of_labels=True, lower_is_better=True, worst=-1.0, best=0.0,
    rows=lambda outputs, targets: (_hold(outputs) != (targets > 0.5)).mean(axis=-1),
)  # fmt: skip
LABEL_ACCURACY = Metric(
    name="accuracy", of_classes=False, of_labels=True, worst=0.0, best=1.0,
    rows=lambda outputs, targets: (_hold(outputs) == (targets > 0.5)).mean(axis=-1),
)  # fmt: skip
"""Of one label, see `of_target`; of all it is 1 minus the Hamming loss."""
SUBSET_ACCURACY = Metric(
    name="subset_accuracy", of_classes=False, of_labels=True, worst=0.0, best=1.0,
    rows=lambda outputs, targets: (_hold(outputs) == (targets > 0.5)).all(axis=-1).astype(np.float64),
)  # fmt: skip
LABEL_MACRO_F1 = Metric(
    name="label_macro_f1", of_classes=False, of_labels=True, worst=0.0, best=1.0, pooling=_label_f1(micro=False)
)
LABEL_MICRO_F1 = Metric(
    name="label_micro_f1", of_classes=False, of_labels=True, worst=0.0, best=1.0, pooling=_label_f1(micro=True)
)
LABEL_ROC_AUC = Metric(
    name="label_roc_auc", of_classes=False, of_labels=True, worst=0.0, best=1.0, pooling=_of_label_order(_roc_auc)
)
LABEL_AVERAGE_PRECISION = Metric(
    name="label_average_precision", of_classes=False, of_labels=True, worst=0.0, best=1.0,
    pooling=_of_label_order(_average_precision),
)  # fmt: skip
LOSS = Metric(name="loss", of_classes=None, lower_is_better=True, best=0.0, is_of_loss=True)
"""The configured loss without label smoothing, which no search is scored by."""

ALWAYS = (ACCURACY, CROSS_ENTROPY, MACRO_F1, MSE, MAE, R2, HAMMING_LOSS, SUBSET_ACCURACY, LABEL_MACRO_F1)
"""The metrics that every trial has, where they are defined."""

SEARCHED = (
    *ALWAYS, BALANCED_ACCURACY, MACRO_PRECISION, MACRO_RECALL, WEIGHTED_F1, F1, PRECISION, RECALL, MCC, KAPPA, ROC_AUC,
    AVERAGE_PRECISION, BRIER, ECE, RMSE, MAPE, POISSON_DEVIANCE, GAMMA_DEVIANCE,
    LABEL_MICRO_F1, LABEL_ROC_AUC, LABEL_AVERAGE_PRECISION,
)  # fmt: skip
"""The metrics without a parameter that a search can be scored by."""

METRICS = {metric.name: metric for metric in (*SEARCHED, LOSS)}
"""All metrics without a parameter by name."""

PARAMETERS = {"accuracy": "K", "precision": "CLASS", "recall": "CLASS", "f1": "CLASS", "pinball": "QUANTILE"}
"""What stands after the `@`: `accuracy@K`."""

AUTO = "auto"
"""Value of `search.metric` for the default metric of the task."""


def metric_of(name: str, *, classes: bool = True, class_names: Sequence[str] = (), labels: bool = False) -> Metric:
    """The metric of a value of `search.metric`.

    Args:
        name: The value, such as `recall@fraud`: all after the first `@` is the name of a class.
        classes: Whether the targets are classes, for `auto`.
        class_names: Names of the classes in the order of their labels, which the formulas of a metric at a class need.
        labels: Whether they are labels, for `auto`.

    Raises:
        ValueError: If there is no such metric; the message is the rule for the key that holds it.
    """
    if name == AUTO:
        return HAMMING_LOSS if labels else ACCURACY if classes else MSE
    base, at, parameter = name.partition("@")
    if at and base in PARAMETERS and parameter:
        return _with_parameter(base, parameter, class_names)
    if name not in METRICS:
        raise ValueError(f"must be one of {', '.join(metric_names(METRICS.values()))}, got {name!r}")
    return METRICS[name]


def metric_names(metrics: Iterable[Metric]) -> list[str]:
    """Names of metrics, and of those with a parameter for the same tasks: `accuracy`, …, `accuracy@K`, …."""
    given = list(metrics)
    tasks = {each.of_classes for each in given if not each.of_labels}
    parameters = [f"{base}@{word}" for base, word in PARAMETERS.items() if (base != "pinball") in tasks]
    return [*map(str, given), *parameters]


def of_target(metric: Metric, at: int, name: str) -> Metric:
    """The metric of one of several targets: `mae@price` of the target in column `at`, whose name is `price`."""
    column = slice(at, at + 1)
    if metric.rows is not None:
        values = metric.rows
        return replace(
            metric,
            name=f"{metric}@{name}",
            rows=lambda outputs, targets: values(outputs[..., column], targets[:, column]),
        )
    assert metric.pooling is not None, metric
    whole = metric.pooling
    pooling = Pooling(
        lambda outputs, targets: whole.statistics(outputs[..., column], targets[:, column]),
        whole.value,
        lambda outputs, targets: whole.of_rows(outputs[..., column], targets[:, column]),
    )
    return replace(metric, name=f"{metric}@{name}", pooling=pooling)


def _with_parameter(base: str, parameter: str, class_names: Sequence[str]) -> Metric:
    name = f"{base}@{parameter}"
    if base == "accuracy":
        if not (parameter.isdecimal() and int(parameter) > 1):
            raise ValueError(f"must give a K of 2 or more, as accuracy@3 does, got {name!r}")
        k = int(parameter)
        return Metric(
            name=name, of_classes=True, worst=0.0, best=1.0, beyond=k, chance=lambda classes: k / classes,
            rows=lambda outputs, labels: top_rows(outputs, labels, k),
        )  # fmt: skip
    if base == "pinball":
        try:
            quantile = float(parameter)
        except ValueError:
            quantile = math.nan
        if not 0 < quantile < 1:
            raise ValueError(f"must give a quantile between 0 and 1, as pinball@0.9 does, got {name!r}")
        return Metric(
            name=name, of_classes=False, lower_is_better=True, best=0.0,
            rows=lambda predictions, targets: pinball_rows(predictions, targets, quantile),
        )  # fmt: skip
    value = {"precision": _precision, "recall": _recall, "f1": _f1}[base]
    return Metric(
        name=name, of_classes=True, worst=0.0, best=1.0, of_class=parameter,
        pooling=_of_confusion(lambda matrix: value(matrix, [*class_names].index(parameter))),
    )  # fmt: skip
