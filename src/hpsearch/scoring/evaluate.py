"""Network outputs to metrics, for validation, report and test rows alike.

E epochs, n rows, C outputs, T targets.
"""

from dataclasses import dataclass

import numpy as np
import torch

from hpsearch.config import Config
from hpsearch.config.training import CustomLoss
from hpsearch.data.dataset import Rows
from hpsearch.data.scaling import Scaling
from hpsearch.nn.losses import prepare_targets, row_losses
from hpsearch.nn.output_layer import sigmoid_predicts
from hpsearch.records import Task
from hpsearch.scoring.metrics import available, class_counts, cross_entropy_rows, pooled, predicted, target_moments


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Metrics of the outputs for n rows after each of E epochs.

    Attributes:
        rows: Metric name to (E, n) values, one a row, for metrics that are means over rows.
        statistics: Metric name to what `metrics.pooled` makes the others of, for these rows and more together.
        values: Metric name to (E,), all metrics.
    """

    rows: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]
    values: dict[str, np.ndarray]


def score_outputs(
    config: Config, data: Rows, index: np.ndarray, outputs: np.ndarray, scaling: Scaling | None
) -> Scored:
    """Every metric of network outputs: for validation, report and test rows alike.

    `loss` is the configured loss without label smoothing, on scaled targets; `mse`, `mae` and `r2` are in the
    targets' own units.

    Args:
        config: Loss and network.
        data: The data set that the rows belong to.
        index: (n,) numbers of these rows.
        outputs: (E, n, C) network outputs.
        scaling: Of the fit, its target part (T,), or (n, T) with one scaling for each row; not read for classes.
    """
    targets = data.targets[index]
    if data.task is Task.REGRESSION:
        assert scaling is not None
        shift, scale = scaling.target_shift.astype(np.float64), scaling.target_scale.astype(np.float64)
        predictions = own_units(config, outputs, scaling)  # in float64
        rows = {
            "loss": _loss_rows(config, data, outputs, (targets - shift) * scale),
            "mse": np.square(predictions - targets).mean(axis=-1),
            "mae": np.abs(predictions - targets).mean(axis=-1),
        }
        return _scored(rows, {"r2": target_moments(predictions, targets.astype(np.float64))})
    classes = predicted(outputs)
    rows = {"loss": _loss_rows(config, data, outputs, targets), "accuracy": (classes == targets).astype(np.float64)}
    if "cross_entropy" in available(config, data.task):
        rows["cross_entropy"] = cross_entropy_rows(outputs.astype(np.float64), targets)
    return _scored(rows, {"macro_f1": class_counts(classes, targets, data.classes)})


def own_units(config: Config, outputs: np.ndarray, scaling: Scaling) -> np.ndarray:
    """(..., n, T) float64 predictions in the targets' own units, from network outputs (..., n, T)."""
    shift, scale = scaling.target_shift.astype(np.float64), scaling.target_scale.astype(np.float64)
    outputs = outputs.astype(np.float64)
    scaled = torch.from_numpy(outputs).sigmoid().numpy() if sigmoid_predicts(config) else outputs
    predictions: np.ndarray = scaled / scale + shift
    return predictions


def _scored(rows: dict[str, np.ndarray], statistics: dict[str, np.ndarray]) -> Scored:
    means = {name: values.mean(axis=1) for name, values in rows.items()}
    return Scored(rows, statistics, means | {name: pooled(name, [each]) for name, each in statistics.items()})


def _loss_rows(config: Config, data: Rows, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(E, n) values of the configured loss, from torch's own formulas in float64; the user's own as it was trained."""
    epochs, n, width = outputs.shape
    flat = outputs.reshape(epochs * n, width)
    typed = torch.tensor(flat) if isinstance(config.loss, CustomLoss) else torch.from_numpy(flat.astype(np.float64))
    prepared = prepare_targets(config.loss, data.task, torch.tensor(targets), data.classes, typed.dtype)
    losses = row_losses(config.loss, typed, prepared.repeat(epochs, *[1] * (prepared.ndim - 1)), smooth=False)
    rows: np.ndarray = losses.detach().numpy().reshape(epochs, n).astype(np.float64)
    return rows
