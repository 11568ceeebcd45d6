"""Baselines: what models of scikit-learn that are no networks get on the rows of a trial.

They are trained on the training rows of each fit alone, with the weights of these, and scored as a trial is, so that
their numbers can stand beside those of networks. n rows, C classes, T targets.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from hpsearch.config import Config
from hpsearch.config.preprocess import TargetScale
from hpsearch.config.search import BaselineKind
from hpsearch.config.training import Loss, SmoothedLoss
from hpsearch.data.dataset import ColumnKind, Development, Rows, columns_of
from hpsearch.data.preprocessing import fit_preprocessing
from hpsearch.metrics import LOSS, Metric
from hpsearch.nn.losses import sample_weights
from hpsearch.records import Baseline, Fit, FitResult, Status
from hpsearch.scoring.evaluate import search_metric
from hpsearch.scoring.trial_score import score_trial

CELLS = {BaselineKind.LINEAR: 5e7, BaselineKind.BOOSTING: 2e7}
"""Cells, times classes, times fits, up to which `evaluation.baseline=auto` trains a model: about ten seconds."""

QUANTILE_COST = 200
"""How many times as long a quantile regression takes as other linear models: it is a linear program."""

TREES_CELLS = 3e5
"""Cells that take as long as what trees cost whatever their number of rows."""

LARGEST_CATEGORY = 254
"""Categories of a column up to which trees split by sets of them; the place in the alphabet stands for more."""

ALPHAS = np.logspace(-3, 3, 7)
"""Penalties of linear regression, of which the best is chosen by leave-one-out on the training rows."""

PENALTY = 1e-3
"""Penalty of linear models of counts and positive numbers."""

ITERATIONS = 500
"""Maximum iterations of L-BFGS."""

SMALLEST = 1e-15
"""Lowest probability of a class; a class without training rows has it."""


def chosen_baselines(config: Config, rows: Rows, sizes: Sequence[int]) -> list[BaselineKind]:
    """Return the baselines that are trained: those that are asked for, else those that take seconds.

    There are none for an autoencoder.

    Args:
        config: A configuration of the sweep.
        rows: The rows.
        sizes: Number of training rows of each fit.
    """
    if rows.autoencoder:
        return []
    if config.evaluation.baseline is not None:
        return config.evaluation.baseline
    cells = float(np.prod(rows.inputs.shape[1:]))
    trees = rows.classes if rows.classes > 2 else max(len(rows.labels), 1)
    slow = QUANTILE_COST if _family(search_metric(config, rows)) == "quantile" else 1
    linear = slow * sum(n * cells * max(rows.classes, len(rows.labels), 1) for n in sizes)
    boosting = sum((TREES_CELLS + n * cells) * trees for n in sizes)
    chosen = [BaselineKind.GUESS]
    chosen += [BaselineKind.LINEAR] if linear <= CELLS[BaselineKind.LINEAR] else []
    chosen += [BaselineKind.BOOSTING] if boosting <= CELLS[BaselineKind.BOOSTING] and not rows.images else []
    return chosen


def score_baselines(config: Config, development: Development, fits: Sequence[Fit]) -> tuple[Baseline, ...]:
    """Train and score the baselines of a sweep on one thread.

    Args:
        config: A configuration of the sweep.
        development: The development rows.
        fits: The fits of a trial; replicates are left out, since nothing here is random.

    Raises:
        ConfigError: If `search.metric` or the preprocessing does not fit the data.
    """
    fits = [fit for fit in fits if not fit.replicate]
    metric, plain = search_metric(config, development), plain_config(config, development)
    scored = []
    for kind in chosen_baselines(config, development, [len(fit.fold.train) for fit in fits]):
        results = []
        for fit in fits:
            val, report = predict_baseline(
                config,
                kind,
                metric,
                development,
                fit.fold.train,
                (development, fit.fold.val),
                (development, fit.fold.report),
            )
            results.append(_as_result(val, report))
        result = score_trial(plain, development, [replace(fit, config=plain) for fit in fits], results)
        assert result.score is not None, kind
        report_values = {
            name.removeprefix("report/"): value
            for name, value in result.summary.items()
            if name.startswith("report/") and name != f"report/{LOSS}"
        }
        label = label_of(kind, metric, classes=development.classes > 0 or config.multilabel)
        scored.append(Baseline(kind.value, label, result.score, result.score_se, report_values))
    return tuple(scored)


def predict_baseline(
    config: Config,
    kind: BaselineKind,
    metric: Metric,
    development: Rows,
    train: np.ndarray,
    *parts: tuple[Rows, np.ndarray],
) -> list[np.ndarray]:
    """Train a baseline and predict parts of the data.

    Args:
        config: A configuration of the sweep.
        kind: The baseline.
        metric: The metric of the score, which decides what is predicted of numbers: their mean, median or quantile.
        development: The development rows.
        train: Shape (n,) int64, the training rows.
        parts: Rows with the same columns, and which of them (m,).

    Returns:
        For each part log-probabilities (m, C), logits of labels (m, T), or numbers (m, T) in the units of the targets,
        float64.
    """
    targets = development.targets[train]
    with threadpool_limits(1):  # several threads are many times slower where other processes use the cores
        encode = _encoder(config, kind, development, train)
        model = _model(kind, metric, development, targets)
        weights = sample_weights(development, train)
        model.fit(
            encode(development, train),
            targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets,
            sample_weight=None if weights is None else weights[train],
        )
        return [
            _predict(model, encode(rows, index), development) if len(index) else _none(development)
            for rows, index in parts
        ]


def label_of(kind: BaselineKind, metric: Metric, *, classes: bool) -> str:
    """Return what a baseline is called: `logistic regression`."""
    if kind is BaselineKind.BOOSTING:
        return "gradient boosting"
    if kind is BaselineKind.LINEAR:
        return "logistic regression" if classes else f"{_family(metric)} regression"
    constants = {"quantile": f"the {_quantile(metric):g} quantile", "median": "the median"}
    return "guessing" if classes else f"predicting {constants.get(_constant(metric), 'the mean')}"


def _family(metric: Metric) -> str:
    base = metric.name.partition("@")[0]
    return {"pinball": "quantile", "poisson_deviance": "Poisson", "gamma_deviance": "gamma"}.get(base, "linear")


def _constant(metric: Metric) -> str:
    """The constant that is best by a metric, as scikit-learn's `DummyRegressor` names it."""
    base = metric.name.partition("@")[0]
    return {"pinball": "quantile", "mae": "median", "mape": "median"}.get(base, "mean")


def _quantile(metric: Metric) -> float:
    base, _, parameter = metric.name.partition("@")
    return float(parameter) if base == "pinball" and parameter else 0.5


def plain_config(config: Config, rows: Rows) -> Config:
    """Return a configuration whose outputs are log-probabilities, logits of labels, or numbers in their own units."""
    loss: Loss = Loss(kind="mse")
    if rows.labels:
        loss = SmoothedLoss(kind="bce", label_smoothing=0.0)
    if rows.classes:
        loss = SmoothedLoss(kind="cross_entropy", label_smoothing=0.0)
    preprocess = replace(config.preprocess, target=TargetScale.NONE)
    evaluation = replace(config.evaluation, replicates=1)
    return replace(config, loss=loss, preprocess=preprocess, evaluation=evaluation)


def _as_result(val: np.ndarray, report: np.ndarray) -> FitResult:
    """A training of one epoch, of which nothing but the outputs is known."""
    unknown, none = np.full(1, np.nan), np.empty(0)
    return FitResult(
        status=Status.OK,
        failure=None,
        train_loss=unknown,
        train_accuracy=unknown,
        monitor_loss=none,
        lr=none,
        val_outputs=val[None],
        report_outputs=report,
        final_loss=np.nan,
        chosen_epoch=1,
        state=None,
        fit_s=0.0,
        rows=0,
    )


def _encoder(config: Config, kind: BaselineKind, development: Rows, train: np.ndarray) -> Any:
    """A function of rows and which of them (n,) to the features (n, D) that a baseline sees.

    Linear models get features of mean 0 and standard deviation 1, encoded as the configuration says; trees get cells,
    0 in columns that are missing in all training rows; guessing gets none.
    """
    if kind is BaselineKind.GUESS:
        return lambda _, index: np.zeros((len(index), 1))
    if kind is not BaselineKind.LINEAR:
        lacking = np.isnan(development.inputs[train].reshape(len(train), -1)).all(axis=0)
        return lambda rows, index: np.where(lacking, 0, rows.inputs[index].reshape(len(index), -1))
    preprocess = replace(config.preprocess_for_loss, kind="standard")
    preprocessing, features = fit_preprocessing(development, train, preprocess)
    scaling = preprocessing.scaling

    def encode(rows: Rows, index: np.ndarray) -> np.ndarray:
        own = features[index] if rows is development else preprocessing.encode(rows.inputs[index])
        scaled: np.ndarray = ((own - scaling.shift) * scaling.scale).reshape(len(index), -1)
        return scaled

    return encode


def _model(kind: BaselineKind, metric: Metric, rows: Rows, targets: np.ndarray) -> Any:
    from sklearn.dummy import DummyRegressor  # noqa: PLC0415 - scikit-learn takes a second to import

    if rows.labels:
        return _LabelClassifiers(kind, rows)
    if rows.classes:
        return _classifier(kind, rows, targets)
    if kind is BaselineKind.GUESS:
        return DummyRegressor(strategy=_constant(metric), quantile=_quantile(metric))
    one = _linear_regressor(metric) if kind is BaselineKind.LINEAR else _boosting_regressor(metric, rows)
    if targets.shape[1] == 1:
        return one
    from sklearn.multioutput import MultiOutputRegressor  # noqa: PLC0415

    return MultiOutputRegressor(one)


class _LabelClassifiers:
    """A classifier for each label, which together predict logits (n, T)."""

    def __init__(self, kind: BaselineKind, rows: Rows) -> None:
        self._kind, self._rows = kind, rows

    def fit(self, features: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """Fit to features (n, D), targets (n, T) and weights (n,)."""
        self._models = [_classifier(self._kind, self._rows, each) for each in targets.T]
        for model, each in zip(self._models, targets.T, strict=True):
            model.fit(features, each.astype(np.int64), sample_weight=sample_weight)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return logits (n, T)."""
        shares = np.full((len(features), len(self._models)), SMALLEST)
        for at, model in enumerate(self._models):
            if 1 in model.classes_:
                shares[:, at] = model.predict_proba(features)[:, list(model.classes_).index(1)]
        shares = np.clip(shares, SMALLEST, 1 - SMALLEST)
        logits: np.ndarray = np.log(shares) - np.log1p(-shares)
        return logits


def _classifier(kind: BaselineKind, rows: Rows, labels: np.ndarray) -> Any:
    from sklearn.dummy import DummyClassifier  # noqa: PLC0415

    if kind is BaselineKind.GUESS or len(np.unique(labels)) == 1:
        return DummyClassifier(strategy="prior")
    return _logistic() if kind is BaselineKind.LINEAR else _boosting_classifier(rows)


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    return LogisticRegression(max_iter=ITERATIONS)


def _linear_regressor(metric: Metric) -> Any:
    from sklearn.linear_model import GammaRegressor, PoissonRegressor, QuantileRegressor, RidgeCV  # noqa: PLC0415

    match _family(metric):
        case "quantile":
            return QuantileRegressor(quantile=_quantile(metric), alpha=0)
        case "Poisson":
            return PoissonRegressor(alpha=PENALTY, max_iter=ITERATIONS)
        case "gamma":
            return GammaRegressor(alpha=PENALTY, max_iter=ITERATIONS)
    return RidgeCV(ALPHAS)


def _boosting_classifier(rows: Rows) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415

    return HistGradientBoostingClassifier(categorical_features=_categorical(rows), early_stopping=False, random_state=0)


def _boosting_regressor(metric: Metric, rows: Rows) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415

    losses = {"quantile": "quantile", "Poisson": "poisson", "gamma": "gamma"}
    absolute = _constant(metric) == "median"
    loss = losses.get(_family(metric), "absolute_error" if absolute else "squared_error")
    quantile = _quantile(metric) if loss == "quantile" else None
    return HistGradientBoostingRegressor(
        loss=loss, quantile=quantile, categorical_features=_categorical(rows), early_stopping=False, random_state=0
    )


def _categorical(rows: Rows) -> np.ndarray | None:
    """Shape (D,), which columns trees split by sets of categories; None for images."""
    if rows.images:
        return None
    columns = columns_of(rows)
    return np.array([c.kind is ColumnKind.CATEGORY and len(c.categories) <= LARGEST_CATEGORY for c in columns])


def _predict(model: Any, features: np.ndarray, rows: Rows) -> np.ndarray:
    if not rows.classes:
        numbers: np.ndarray = np.asarray(model.predict(features), np.float64).reshape(len(features), -1)
        return numbers
    given = np.full((len(features), rows.classes), SMALLEST)
    given[:, model.classes_] = np.maximum(model.predict_proba(features), SMALLEST)
    logarithms: np.ndarray = np.log(given)
    return logarithms


def _none(rows: Rows) -> np.ndarray:
    return np.empty((0, rows.classes or rows.targets.shape[1]))
