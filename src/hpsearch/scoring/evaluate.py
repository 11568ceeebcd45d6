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
from hpsearch.errors import ConfigError
from hpsearch.metrics import AUTO, CROSS_ENTROPY, LOSS, SEARCHED, Metric, metric_of
from hpsearch.nn.losses import prepare_targets, row_losses
from hpsearch.nn.output_layer import sigmoid_predicts
from hpsearch.records import Task


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Metrics of the outputs for n rows after each of E epochs.

    Attributes:
        rows: Metric name to (E, n) values, one a row, for metrics that are means over rows.
        statistics: Metric name to what the others are pooled from, for these rows and more together.
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
        losses = _loss_rows(config, data, outputs, (targets - shift) * scale)
        outputs = own_units(config, outputs, scaling)
    else:
        losses = _loss_rows(config, data, outputs, targets)
    given = available(config, data.task)
    rows = {LOSS.name: losses} | {one.name: one.rows(outputs, targets) for one in given if one.rows}
    statistics = {one.name: one.pooling.statistics(outputs, targets) for one in given if one.pooling}
    means = {name: values.mean(axis=1) for name, values in rows.items()}
    pooled = {one.name: one.pooling.value([statistics[one.name]]) for one in given if one.pooling}
    return Scored(rows, statistics, means | pooled)


def available(config: Config, task: Task) -> tuple[Metric, ...]:
    """The metrics that this task and loss give, besides the loss itself.

    Outputs are logits of class probabilities under the losses `cross_entropy`, and `bce` on two classes.
    """
    probable = config.loss.kind == "cross_entropy" or (config.loss.kind == "bce" and task is Task.BINARY)
    of_task = (one for one in SEARCHED if one.of_classes is (task is not Task.REGRESSION))
    return tuple(one for one in of_task if probable or not one.needs_probabilities)


def says_loss(config: Config, task: Task) -> bool:
    """Whether a metric of this task is the loss already, up to the scale of the targets."""
    if task is Task.REGRESSION:
        return config.loss.kind in ("mse", "mae", "sse")
    return CROSS_ENTROPY in available(config, task)


def search_metric(config: Config, task: Task) -> Metric:
    """The metric that the score is made of.

    Raises:
        ConfigError: If task and loss do not give it.
    """
    given = available(config, task)
    metric = metric_of(config.search.metric, classes=task is not Task.REGRESSION)
    if metric not in given:
        raise ConfigError(
            f"search.metric must be one of {', '.join([AUTO, *map(str, given)])} for the {task} task of "
            f"data={config.options.get('data', config.data.kind)} with loss {config.loss.kind}, "
            f"got {metric.name!r}"
        )
    return metric


def own_units(config: Config, outputs: np.ndarray, scaling: Scaling) -> np.ndarray:
    """(..., n, T) float64 predictions in the targets' own units, from network outputs (..., n, T)."""
    shift, scale = scaling.target_shift.astype(np.float64), scaling.target_scale.astype(np.float64)
    outputs = outputs.astype(np.float64)
    scaled = torch.from_numpy(outputs).sigmoid().numpy() if sigmoid_predicts(config) else outputs
    predictions: np.ndarray = scaled / scale + shift
    return predictions


def _loss_rows(config: Config, data: Rows, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(E, n) values of the configured loss, from torch's own formulas in float64; the user's own as it was trained."""
    epochs, n, width = outputs.shape
    flat = outputs.reshape(epochs * n, width)
    typed = torch.tensor(flat) if isinstance(config.loss, CustomLoss) else torch.from_numpy(flat.astype(np.float64))
    prepared = prepare_targets(config.loss, data.task, torch.tensor(targets), data.classes, typed.dtype)
    losses = row_losses(config.loss, typed, prepared.repeat(epochs, *[1] * (prepared.ndim - 1)), smooth=False)
    rows: np.ndarray = losses.detach().numpy().reshape(epochs, n).astype(np.float64)
    return rows
