"""The user's own metrics: functions of y_true and y_pred as in scikit-learn, and scorers made by `make_scorer`.

E epochs, n rows, C outputs, T targets.
"""

import functools
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hpsearch import metrics
from hpsearch.config.search import Direction, Response, Search
from hpsearch.errors import ConfigError
from hpsearch.import_path import import_named, trying
from hpsearch.metrics import Metric, Pooling, predicted, probabilities


def metric_of(search: Search, *, classes: bool = True, class_names: Sequence[str] = (), labels: bool = False) -> Metric:
    """The metric of a search: see `metrics.metric_of`; one of the user's own is imported when it is first computed.

    Args:
        search: The search.
        classes: Whether the targets are classes.
        class_names: Names of the classes in the order of their labels.
        labels: Whether the targets are labels, several of which may hold.
    """
    if not search.own_metric:
        return metrics.metric_of(search.metric, classes=classes, class_names=class_names, labels=labels)
    return Metric(
        name=search.metric,
        of_classes=classes,
        of_labels=labels,
        lower_is_better=search.direction is Direction.MINIMIZE,
        best=math.inf,
        needs_probabilities=search.response_method is Response.PREDICT_PROBA,
        pooling=_pooling(search, classes=classes, labels=labels),
    )


def try_own_metric(metric: Metric, targets: np.ndarray, outputs: int) -> None:
    """Compute a metric of predictions that are the targets of other rows, so that one that fails does so at once.

    Args:
        metric: A metric of the user's own.
        targets: Labels (n,) or values (n, T) of validation rows.
        outputs: Number of outputs of the networks.

    Raises:
        ConfigError: If it cannot be imported or called, or returns no number.
    """
    others = np.roll(targets, 1, axis=0)
    if metric.of_classes:
        others = others[:, None] - 0.5 if outputs == 1 else np.eye(outputs)[others]
    assert metric.pooling is not None
    metric.pooling.value([metric.pooling.statistics(others[None].astype(np.float64), targets)])


def _pooling(search: Search, *, classes: bool, labels: bool) -> Pooling:
    """The user's function as formulas, of all rows together, since the mean of its values on parts may differ."""

    @functools.cache
    def function() -> Callable[[np.ndarray, np.ndarray], float]:
        return _function(search, classes=classes, labels=labels)

    def statistics(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        columns = targets.reshape(len(targets), -1)
        return np.concatenate([outputs, np.broadcast_to(columns, (*outputs.shape[:-1], columns.shape[-1]))], axis=-1)

    def value(parts: Sequence[np.ndarray]) -> np.ndarray:
        rows = np.concatenate(parts, axis=1)  # (E, n, C + 1), or (E, n, 2 T)
        width = rows.shape[-1] - 1 if classes else rows.shape[-1] // 2
        targets = rows[0, :, -1].astype(np.int64) if classes else rows[0, :, width:]
        return np.array([function()(targets, outputs) for outputs in rows[..., :width]])

    def of_rows(outputs: np.ndarray, targets: np.ndarray) -> Callable[[np.ndarray], float]:
        def statistic(index: np.ndarray) -> float:
            try:
                return function()(targets[index], outputs[index])
            except ConfigError:  # of rows drawn at random, which may lack a class: not defined, as areas are then
                return math.nan

        return statistic

    return Pooling(statistics, value, of_rows)


def _function(search: Search, *, classes: bool, labels: bool) -> Callable[[np.ndarray, np.ndarray], float]:
    """The user's metric of targets and network outputs."""
    own = import_named("search.metric", search.metric)
    scorer = _is_scorer(own)
    _require_fitting(search, own, scorer=scorer)
    if scorer and labels:
        raise ConfigError(
            "search.metric must name a function of y_true and y_pred with data.task=multilabel, got the scorer "
            f"{search.metric}"
        )
    proba = search.response_method is Response.PREDICT_PROBA
    who = f"search.metric {search.metric}" + (f" (search.metric_options={search.metric_options})" * (not scorer))

    def call(targets: np.ndarray, outputs: np.ndarray) -> float:
        if scorer:
            with trying(who, f"scoring {len(targets)} rows"):
                value = own(_estimator(outputs, classes=classes, proba=proba), outputs, targets)
        else:
            y_true, y_pred = targets, outputs
            if classes:
                y_pred = _probabilities(outputs) if proba else predicted(outputs)
            elif labels:
                y_true = targets.astype(np.int64)
                y_pred = outputs if proba else (outputs > 0.5).astype(np.int64)
            elif targets.shape[-1] == 1:
                y_true, y_pred = targets[:, 0], outputs[:, 0]
            with trying(who, f"being called with y_true {y_true.shape} and y_pred {y_pred.shape}"):
                value = own(y_true, y_pred, **search.metric_options)
        return _number(search.metric, value)

    return call


def _number(name: str, value: Any) -> float:
    """The value as a float; NaN where the metric is not defined."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.inf
    if math.isinf(number) or isinstance(value, str):
        raise ConfigError(f"search.metric {name} must return one finite number, or nan where undefined, got {value!r}")
    return number


def _probabilities(outputs: np.ndarray) -> np.ndarray:
    """Class probabilities (n, C) of logits; of two classes those of the second (n,), as scikit-learn passes them."""
    shares = probabilities(outputs)
    return shares[:, 1] if shares.shape[-1] == 2 else shares


def _is_scorer(own: Any) -> bool:
    """Whether it is called with an estimator, inputs and targets; only what imported scikit-learn can be."""
    if "sklearn.metrics" not in sys.modules:
        return False
    from sklearn.metrics import accuracy_score, make_scorer  # noqa: PLC0415 (a second, and it is imported already)

    return isinstance(own, type(make_scorer(accuracy_score)))


def _require_fitting(search: Search, own: Any, *, scorer: bool) -> None:
    """Raise `ConfigError` unless it can be called, and a scorer as it is."""
    if not callable(own) or isinstance(own, type):
        raise ConfigError(
            "search.metric must name a function of y_true and y_pred, or a scorer made by make_scorer, got "
            f"{search.metric!r}, a {type(own).__name__}"
        )
    if scorer and search.direction is Direction.MINIMIZE:
        raise ConfigError(
            f"search.direction=minimize: the scorer {search.metric} is better where it is higher, since make_scorer "
            "negates losses: give search.direction=maximize"
        )
    if scorer and search.metric_options:
        raise ConfigError(f"search.metric_options: give them to make_scorer, of which {search.metric} is made")


def _estimator(outputs: np.ndarray, *, classes: bool, proba: bool) -> Any:
    """What a scorer asks for the predictions of rows; it gives probabilities only where they were asked for."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # noqa: PLC0415 (see `_is_scorer`)

    class Regressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
        def predict(self, outputs: np.ndarray) -> np.ndarray:
            return outputs[:, 0] if outputs.shape[-1] == 1 else outputs

    class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        classes_ = np.arange(max(2, outputs.shape[-1]))

        def predict(self, outputs: np.ndarray) -> np.ndarray:
            return predicted(outputs)

    class Probable(Classifier):
        def predict_proba(self, outputs: np.ndarray) -> np.ndarray:
            return probabilities(outputs)

    if not classes:
        return Regressor()
    return Probable() if proba else Classifier()
