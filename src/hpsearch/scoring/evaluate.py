"""Metrics of network outputs, for validation, report and test rows.

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
from hpsearch.metrics import ALWAYS, AUTO, CROSS_ENTROPY, LOSS, SEARCHED, Metric, metric_of
from hpsearch.nn.losses import prepare_targets, row_losses
from hpsearch.nn.output_layer import sigmoid_predicts
from hpsearch.records import Task


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Metrics of the outputs for n rows after each of E epochs.

    Attributes:
        rows: Metric name to (E, n) values per row, for metrics that are means over rows.
        statistics: Metric name to the sufficient statistics of pooled metrics.
        values: Metric name to (E,) values, all metrics.
    """

    rows: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]
    values: dict[str, np.ndarray]


def score_outputs(
    config: Config, data: Rows, index: np.ndarray, outputs: np.ndarray, scaling: Scaling | None
) -> Scored:
    """All metrics of network outputs.

    `loss` is the configured loss on scaled targets, without label smoothing; `mse`, `mae` and `r2` are in the units of
    the targets.

    Args:
        config: The configuration of the fit.
        data: The data set.
        index: Shape (n,), indices of the rows.
        outputs: Shape (E, n, C), network outputs.
        scaling: Scaling of the fit, its target part (T,), or (n, T) for one scaling per row; unused for classes.
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
    rows = {LOSS.name: losses} | {metric.name: metric.rows(outputs, targets) for metric in given if metric.rows}
    pooling = {metric.name: metric.pooling for metric in given if metric.pooling}
    statistics = {name: each.statistics(outputs, targets) for name, each in pooling.items()}
    means = {name: values.mean(axis=1) for name, values in rows.items()}
    pooled = {name: each.value([statistics[name]]) for name, each in pooling.items()}
    return Scored(rows, statistics, means | pooled)


def available(config: Config, task: Task) -> tuple[Metric, ...]:
    """The metrics that are computed, besides the loss itself: those that every trial has, and that of the score."""
    wanted = (*ALWAYS, metric_of(config.search.metric, classes=task is not Task.REGRESSION))
    return tuple(metric for metric in defined(config, task) if metric in wanted)


def defined(config: Config, task: Task) -> tuple[Metric, ...]:
    """The metrics that are defined for this task and loss, besides the loss itself."""
    # the losses under which outputs are logits of class probabilities
    probable = config.loss.kind == "cross_entropy" or (config.loss.kind == "bce" and task is Task.BINARY)
    of_task = (metric for metric in SEARCHED if metric.of_classes is (task is not Task.REGRESSION))
    return tuple(
        metric
        for metric in of_task
        if (probable or not metric.needs_probabilities) and (task is Task.BINARY or not metric.two_classes)
    )


def says_loss(config: Config, task: Task) -> bool:
    """Whether a metric of this task equals the loss, up to the scale of the targets."""
    if task is Task.REGRESSION:
        return config.loss.kind in ("mse", "mae", "sse")
    return CROSS_ENTROPY in available(config, task)


def search_metric(config: Config, task: Task) -> Metric:
    """The metric of the score.

    Raises:
        ConfigError: If it is not defined for this task and loss.
    """
    given = defined(config, task)
    metric = metric_of(config.search.metric, classes=task is not Task.REGRESSION)
    if metric not in given:
        raise ConfigError(
            f"search.metric must be one of {', '.join([AUTO, *map(str, given)])} for the {task} task of "
            f"data={config.options.get('data', config.data.kind)} with loss {config.loss.kind}, "
            f"got {metric.name!r}"
        )
    return metric


def own_units(config: Config, outputs: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Predictions (..., n, T) float64 in the units of the targets, from network outputs (..., n, T)."""
    shift, scale = scaling.target_shift.astype(np.float64), scaling.target_scale.astype(np.float64)
    outputs = outputs.astype(np.float64)
    scaled = torch.from_numpy(outputs).sigmoid().numpy() if sigmoid_predicts(config) else outputs
    predictions: np.ndarray = scaled / scale + shift
    return predictions


def _loss_rows(config: Config, data: Rows, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Values (E, n) of the configured loss in float64; a user's loss is computed in the dtype of training."""
    epochs, n, width = outputs.shape
    flat = outputs.reshape(epochs * n, width)
    typed = torch.tensor(flat) if isinstance(config.loss, CustomLoss) else torch.from_numpy(flat.astype(np.float64))
    prepared = prepare_targets(config.loss, data.task, torch.tensor(targets), data.classes, typed.dtype)
    losses = row_losses(config.loss, typed, prepared.repeat(epochs, *[1] * (prepared.ndim - 1)), smooth=False)
    rows: np.ndarray = losses.detach().numpy().reshape(epochs, n).astype(np.float64)
    return rows
