"""Calibration by temperature scaling, for any loss on classes, and the log loss of the calibrated probabilities.

Losses differ in scale and cannot be compared with each other; a proper score of calibrated probabilities can.

n rows, C outputs.
"""

import math
from collections.abc import Sequence

import numpy as np

from hpsearch.data.dataset import Development
from hpsearch.metrics import cross_entropy_rows
from hpsearch.records import CALIBRATED_LOSS, TEMPERATURE, Fit, FitResult, Task

FLATTEST, SHARPEST = 1e-6, 1e3
"""Bounds of the spread of outputs / T, at which probabilities are nearly equal, and nearly 0 or 1."""

UNDECIDED = math.log(2)
"""Minimum loss of a misclassified row at any T, since its class has a probability of at most 1/2."""


def calibrated(development: Development, fits: Sequence[Fit], results: Sequence[FitResult]) -> dict[str, float]:
    """`report/calibrated_loss` and `chosen/temperature`, means over fits; empty for regression or without report rows.

    The loss is the mean negative log likelihood of the report rows under softmax(outputs / T), or sigmoid(output / T)
    for a single output, at the chosen epoch; T is fitted on the fit's `val` rows.

    It is defined for every loss on classes, since the predicted class is always the most probable one: outputs trained
    on one-hot targets are taken as logits like those of cross entropy, and so is the weighted sum of a perceptron,
    like the score of a support vector machine (Platt, 1999).
    """
    if development.task is Task.REGRESSION or not len(fits[0].fold.report):
        return {}
    labels, temperatures, losses = development.targets, [], []
    for fit, result in zip(fits, results, strict=True):
        t = temperature(result.val_outputs[result.chosen_epoch - 1], labels[fit.fold.val])
        rows = cross_entropy_rows(result.report_outputs.astype(np.float64) / t, labels[fit.fold.report])
        temperatures.append(t)
        losses.append(float(rows.mean()))
    return {CALIBRATED_LOSS: float(np.mean(losses)), TEMPERATURE: float(np.mean(temperatures))}


def temperature(outputs: np.ndarray, labels: np.ndarray) -> float:
    """The T > 0 that minimizes the mean negative log likelihood of softmax(outputs / T) (Guo et al., 2017).

    The loss is convex in 1/T. It is minimized over the T for which the spread of outputs / T, the root mean square of
    their differences from the row mean, lies between `FLATTEST` and `SHARPEST`, so T scales with the outputs.

    - Outputs unrelated or contrary to the classes get the largest T, i.e. nearly equal probabilities.
    - If all rows are right, the loss decreases to 0 with T. T is then the one with loss ln 2 / n, the minimum for n
      rows one of which is wrong: the rows do not support more certainty.
    - If all outputs are equal, T has no effect and is 1.

    Args:
        outputs: Shape (n, C), finite; a single output is the logit of class 1.
        labels: Shape (n,) int64.
    """
    logits, spread = _by_spread(outputs)
    return spread / _sharpness(logits, labels) if spread > 0 else 1.0


def _by_spread(outputs: np.ndarray) -> tuple[np.ndarray, float]:
    """Logits (n, C >= 2) in float64 with row mean 0, divided by their spread, and the spread."""
    logits = outputs.astype(np.float64)
    if logits.shape[-1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)  # softmax(0, z) = sigmoid(z)
    logits -= logits.mean(axis=-1, keepdims=True)
    spread = math.sqrt(np.square(logits).mean())
    return (logits / spread if spread > 0 else logits), spread


def _sharpness(logits: np.ndarray, labels: np.ndarray) -> float:
    """The factor 1/T for logits (n, C) of spread 1."""
    from scipy.optimize import brentq  # noqa: PLC0415 (a third of a second that searches do not need)

    own = np.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]
    right = bool((own == logits.max(axis=-1)).all())

    def rising(log_factor: float) -> float:
        scaled = math.exp(log_factor) * logits
        if right:
            return UNDECIDED / len(own) - float(cross_entropy_rows(scaled, labels).mean())
        p = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        slope = (p * logits).sum(axis=-1) / p.sum(axis=-1) - own
        return float(slope.mean())

    low, high = math.log(FLATTEST), math.log(SHARPEST)
    if rising(low) >= 0:
        return FLATTEST
    if rising(high) <= 0:
        return SHARPEST
    return math.exp(brentq(rising, low, high))
