"""Metrics of network outputs, for validation, report and test rows.

E epochs, n rows, C outputs, T targets.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch

from hpsearch.config import Config
from hpsearch.config.conversion import nearest
from hpsearch.config.training import CustomLoss
from hpsearch.data.dataset import Rows
from hpsearch.data.scaling import TargetScaling
from hpsearch.errors import ConfigError
from hpsearch.metrics import (
    ALWAYS,
    AUTO,
    CROSS_ENTROPY,
    LABEL_ACCURACY,
    LABEL_MACRO_F1,
    LOSS,
    MAE,
    R2,
    SEARCHED,
    Metric,
    metric_names,
    of_target,
)
from hpsearch.nn.losses import prepare_targets, row_losses
from hpsearch.nn.output_layer import Predicts, predicts
from hpsearch.records import Task
from hpsearch.scoring.own_metric import metric_of


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
    config: Config,
    data: Rows,
    index: np.ndarray,
    outputs: np.ndarray,
    scaling: TargetScaling | None,
    *,
    each_target: bool = False,
) -> Scored:
    """All metrics of network outputs.

    `loss` is the configured loss on scaled targets, without label smoothing and weights of classes; `mse`, `mae` and
    `r2` are in the units of the targets.

    Args:
        config: The configuration of the fit.
        data: The data set.
        index: Shape (n,), indices of the rows.
        outputs: Shape (E, n, C), network outputs.
        scaling: Scaling of the targets, (T,), or (n, T) for one scaling per row; None for classes.
        each_target: Whether metrics of each of several targets are computed, too, see `of_targets`.
    """
    targets = data.targets[index]
    if scaling is not None:
        losses = _loss_rows(config, data, outputs, scaling.scaled(targets.astype(np.float64)))
        outputs = own_units(config, outputs, scaling)
    else:
        losses = _loss_rows(config, data, outputs, targets)
    given = [*available(config, data), *(of_targets(data) if each_target else ())]
    rows = {LOSS.name: losses} | {metric.name: metric.rows(outputs, targets) for metric in given if metric.rows}
    pooling = {metric.name: metric.pooling for metric in given if metric.pooling}
    statistics = {name: each.statistics(outputs, targets) for name, each in pooling.items()}
    means = {name: values.mean(axis=1) for name, values in rows.items()}
    pooled = {name: each.value([statistics[name]]) for name, each in pooling.items()}
    return Scored(rows, statistics, means | pooled)


def available(config: Config, data: Rows) -> tuple[Metric, ...]:
    """The metrics that are computed, besides the loss itself: those that every trial has, and that of the score."""
    wanted = dict.fromkeys((*ALWAYS, _metric_of_score(config, data)))
    return tuple(metric for metric in wanted if _is_defined(metric, config, data.task))


def of_targets(data: Rows) -> tuple[Metric, ...]:
    """`mae@NAME` and `r2@NAME` of each of several targets, of labels `accuracy@NAME` and `f1@NAME`.

    A mean over targets of different units tells of none.
    """
    each = (LABEL_ACCURACY, replace(LABEL_MACRO_F1, name="f1")) if data.labels else (MAE, R2)
    return tuple(of_target(metric, at, name) for metric in each for at, name in enumerate(data.target_names))


def computed(config: Config, data: Rows) -> dict[str, Metric]:
    """By name, `available` and the loss itself."""
    return {metric.name: metric for metric in (*available(config, data), LOSS)}


def _metric_of_score(config: Config, data: Rows) -> Metric:
    classes, names = data.classes > 0, data.class_names
    return metric_of(config.search, classes=classes, class_names=names, labels=config.multilabel)


def _is_defined(metric: Metric, config: Config, task: Task) -> bool:
    """Whether a metric is defined for this task and loss."""
    if config.multilabel or metric.of_labels:
        return config.multilabel and metric.of_labels
    # the losses under which outputs are logits of class probabilities
    probable = config.loss.kind in ("cross_entropy", "focal") or (config.loss.kind == "bce" and task is Task.BINARY)
    of_task = metric.of_classes is (task is not Task.REGRESSION)
    return of_task and (probable or not metric.needs_probabilities) and (task is Task.BINARY or not metric.two_classes)


def says_loss(config: Config, data: Rows) -> bool:
    """Whether a metric of this task equals the loss, up to the scale of the targets."""
    if data.task is Task.REGRESSION:
        return config.loss.kind in ("mse", "mae", "sse")
    return config.loss.kind != "focal" and CROSS_ENTROPY in available(config, data)


def search_metric(config: Config, data: Rows) -> Metric:
    """The metric of the score.

    Raises:
        ConfigError: If it is not defined for this loss and data.
    """
    metric, named = _metric_of_score(config, data), config.options.get("data", config.data.kind)
    task = config.data.task if config.multilabel else data.task
    if config.search.own_metric and not _is_defined(metric, config, data.task):
        raise ConfigError(
            f"search.response_method=predict_proba needs logits of class probabilities, which loss {config.loss.kind} "
            f"does not make of the {data.task} task of data={named}: use predict, or loss=cross_entropy"
        )
    if not _is_defined(metric, config, data.task):
        given = [each for each in SEARCHED if _is_defined(each, config, data.task)]
        raise ConfigError(
            f"search.metric must be one of {', '.join([AUTO, *metric_names(given)])} for the {task} task of "
            f"data={named} with loss {config.loss.kind}, got {metric.name!r}"
        )
    if metric.of_class is not None and metric.of_class not in data.class_names:
        near = nearest(metric.of_class, data.class_names)
        hint = f": {near}" if near.startswith("did") else ""
        raise ConfigError(
            f"search.metric={metric} must name a class of data={named}, one of {', '.join(data.class_names)}{hint}"
        )
    if data.classes and metric.beyond >= data.classes:
        raise ConfigError(f"search.metric={metric} is 1 by definition: data={named} has {data.classes} classes")
    if not data.classes and float(data.targets.min()) < metric.lowest_target:
        least = "> 0" if metric.lowest_target > 0 else ">= 0"
        raise ConfigError(
            f"search.metric={metric} is defined for targets {least}, and the lowest of data={named} is "
            f"{data.targets.min():g}: use rmse or mae"
        )
    return metric


def own_units(config: Config, outputs: np.ndarray, scaling: TargetScaling) -> np.ndarray:
    """Predictions (..., n, T) float64 in the units of the targets, from network outputs (..., n, C)."""
    scaled = outputs.astype(np.float64)
    match predicts(config):
        case Predicts.SIGMOID:
            scaled = torch.from_numpy(scaled).sigmoid().numpy()
        case Predicts.EXPONENTIAL:
            scaled = np.exp(scaled)
        case Predicts.MEAN_AND_LOG_VARIANCE:
            scaled = scaled[..., : scaled.shape[-1] // 2]
    return scaling.restored(scaled)


def _loss_rows(config: Config, data: Rows, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Values (E, n) of the configured loss in float64; a user's loss is computed in the dtype of training."""
    epochs, n, width = outputs.shape
    flat = outputs.reshape(epochs * n, width)
    typed = torch.tensor(flat) if isinstance(config.loss, CustomLoss) else torch.from_numpy(flat.astype(np.float64))
    prepared = prepare_targets(config.loss, data.task, torch.tensor(targets), data.classes, typed.dtype)
    losses = row_losses(config.loss, typed, prepared.repeat(epochs, *[1] * (prepared.ndim - 1)), smooth=False)
    rows: np.ndarray = losses.detach().numpy().reshape(epochs, n).astype(np.float64)
    return rows
