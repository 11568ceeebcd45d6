"""Computes the curves, score and standard error of a trial from the outputs of its fits.

E epochs, n rows, C outputs, F fits, J folds, R replicates.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from hpsearch import metrics
from hpsearch.config import Config
from hpsearch.data.dataset import Development
from hpsearch.data.scaling import TargetScaling, fit_target_scaling
from hpsearch.engine.minibatches import probe_rows
from hpsearch.errors import ConfigError
from hpsearch.metrics import LOSS, ROUNDING, Metric, predicted
from hpsearch.nn.constant_output import constant_loss, stall_threshold
from hpsearch.nn.losses import weights_of_rows
from hpsearch.records import CONSTANT_LOSS, FINAL_LOSS, R2, Fit, FitResult, Signals, Status, Task, TrialResult
from hpsearch.scoring.calibration import calibrated
from hpsearch.scoring.evaluate import Scored, computed, of_targets, own_units, score_outputs, search_metric
from hpsearch.statistics.intervals import BOOTSTRAP_SEED, resampled_error, standard_error


def mean_curve(curves: Sequence[np.ndarray]) -> list[float]:
    """Mean of curves, each extended by its last value to the length of the longest.

    A mean over only the fits that still run would jump whenever one stops early.
    """
    epochs = max(len(curve) for curve in curves)
    held = [curve if len(curve) == epochs else np.pad(curve, (0, epochs - len(curve)), mode="edge") for curve in curves]
    values: list[float] = np.mean(held, axis=0).tolist()
    return values


def train_curves(results: Sequence[FitResult]) -> dict[str, list[float]]:
    """`train/loss`, `train/accuracy`, `monitor/loss` and `train/lr`, if all fits have them."""
    curves = {
        "train/loss": [result.train_loss for result in results],
        "train/accuracy": [result.train_accuracy for result in results],
        "monitor/loss": [result.monitor_loss for result in results],
        "train/lr": [result.lr for result in results],
    }
    return {name: mean_curve(of_fits) for name, of_fits in curves.items() if all(map(len, of_fits))}


def extremes(curves: dict[str, list[float]], metrics: Mapping[str, Metric]) -> dict[str, float]:
    """`best/…` of the validation curves of metrics, and `last/…` of all curves but the learning rate."""
    summary = {}
    for name, curve in curves.items():
        group, _, metric = name.partition("/")
        if group == "val":
            summary[f"best/{name}"] = (min if metrics[metric].lower_is_better else max)(curve)
        if metric != "lr":
            summary[f"last/{name}"] = curve[-1]
    return summary


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Predictions that are scored as one set: those of a fit or, for leave-one-out, of all fits of a replicate.

    `n_train` is the number of training rows; `scored` has E + 1 entries: E epochs, then the chosen one.
    """

    fold: int
    replicate: int
    n_train: int
    scored: Scored

    @property
    def n(self) -> int:
        """Number of validation rows."""
        return int(self.scored.rows[LOSS.name].shape[1])


def score_trial(
    config: Config,
    development: Development,
    fits: Sequence[Fit],
    results: Sequence[FitResult],
    *,
    retrained: bool = False,
) -> TrialResult:
    """Score one trial.

    A curve is the mean over fits of a metric; a fit that stopped early contributes its last value to later epochs.
    The score is the mean over fits of the metric at each fit's chosen epoch. For macro F1 and R^2, which are no means
    over rows, the out-of-fold predictions of a replicate are scored as one set, and the values averaged over
    replicates. For leave-one-out this holds for all metrics, and there are no `fold/…` entries.

    Args:
        config: The configuration of the trial.
        development: The development rows.
        fits: One for each fold and replicate.
        results: Their results, in the same order.
        retrained: Whether it is a retraining with a fresh seed, whose outputs are also calibrated.

    Raises:
        ConfigError: If `search.metric` does not fit task and loss.
    """
    metric, measures = search_metric(config, development), computed(config, development)
    failures = [_failure(f, r, fits) for f, r in zip(fits, results, strict=True) if r.status is Status.DIVERGED]
    if failures:
        return _diverged(failures, fits, results)
    parts_of = _parts_of_replicates if config.evaluation.kind == "loocv" else _parts
    parts = parts_of(config, development, fits, results)
    if np.isnan(score := float(np.mean(_at_end(metric, parts)))):
        if config.search.own_metric:
            raise ConfigError(f"search.metric {metric} must be defined for the val rows, got nan")
        if metric.of_labels:
            raise ConfigError(
                f"search.metric={metric} needs val rows with each label and without it, which these are not: use more "
                "val rows, or evaluation=kfold"
            )
        raise ConfigError(
            f"search.metric={metric} needs val rows of every class and of no class alone, which these are not: use "
            "more val rows, or evaluation=stratified_kfold"
        )
    signals, constant = _signals(results), _constant_loss(config, development, fits)
    curves = train_curves(results) | {f"val/{name}": _curve(measures[name], parts) for name in parts[0].scored.values}
    return TrialResult(
        status=_status(config, development, fits, results, constant),
        failure=None,
        score=metric.score(score),
        score_se=_score_error(
            config, metric, parts, partial(_rows_metrics, config, development, metric, fits, results)
        ),
        curves=curves,
        summary=extremes(curves, measures)
        | {FINAL_LOSS: float(np.mean([result.final_loss for result in results]))}
        | ({} if constant is None else {CONSTANT_LOSS: constant})
        | ({R2: float(np.mean(_at_end(metrics.R2, parts)))} if metrics.R2.name in measures else {})
        | _folds(metric, parts)
        | _targets(config, development, fits, results)
        | _report(config, development, fits, results)
        | (calibrated(development, fits, results) if retrained else {})
        | (signals.summary() if signals else {}),
        chosen_epochs=[result.chosen_epoch for result in results],
        seeds=[fit.seeds for fit in fits],
        predictions=_predictions(development, metric, parts, fits, results),
        measured=_measured(results),
        signals=signals,
    )


def _diverged(failures: list[str], fits: Sequence[Fit], results: Sequence[FitResult]) -> TrialResult:
    others = f" (and {len(failures) - 1} more fits)" if len(failures) > 1 else ""
    signals, epochs = _signals(results), min(len(result.train_loss) for result in results)
    return TrialResult(
        status=Status.DIVERGED,
        failure=failures[0] + others,
        score=None,
        score_se=None,
        curves={"train/loss": mean_curve([result.train_loss[:epochs] for result in results])} if epochs else {},
        summary=signals.summary() if signals else {},
        chosen_epochs=[result.chosen_epoch for result in results],
        seeds=[fit.seeds for fit in fits],
        measured=_measured(results),
        signals=signals,
    )


def _signals(results: Sequence[FitResult]) -> Signals | None:
    """Diagnostics of the only fit that has them."""
    return next((result.signals for result in results if result.signals is not None), None)


def _measured(results: Sequence[FitResult]) -> dict[str, float]:
    fit_s, rows = sum(result.fit_s for result in results), sum(result.rows for result in results)
    width = max(result.width for result in results)
    return {"fit_s": fit_s, "rows_per_s": rows / fit_s if fit_s > 0 else 0.0, "fleet_width": float(width)}


def _parts(config: Config, development: Development, fits: Sequence[Fit], results: Sequence[FitResult]) -> list[_Part]:
    parts = []
    for fit, result in zip(fits, results, strict=True):
        scaling = _scaling(config, development, fit)
        outputs = np.concatenate([result.val_outputs, result.val_outputs[result.chosen_epoch - 1 :][:1]])
        scored = score_outputs(config, development, fit.fold.val, outputs, scaling)
        parts.append(_Part(fit.fold.index, fit.replicate, len(fit.fold.train), scored))
    return parts


def _parts_of_replicates(
    config: Config, development: Development, fits: Sequence[Fit], results: Sequence[FitResult]
) -> list[_Part]:
    """One part per replicate, since scoring thousands of single-row folds separately is slow."""
    epochs = max(len(result.val_outputs) for result in results)
    parts = []
    for replicate in sorted({fit.replicate for fit in fits}):
        mine = [(f, r) for f, r in zip(fits, results, strict=True) if f.replicate == replicate]
        scalings = [_scaling(config, development, f) for f, _ in mine]
        sizes = [len(f.fold.val) for f, _ in mine]
        scored = score_outputs(
            config,
            development,
            np.concatenate([f.fold.val for f, _ in mine]),
            np.concatenate([_held(r, epochs) for _, r in mine], axis=1),
            _scaling_of_rows(scalings, sizes),
        )
        parts.append(_Part(0, replicate, len(mine[0][0].fold.train), scored))
    return parts


def _scaling(config: Config, development: Development, fit: Fit) -> TargetScaling | None:
    """The scaling of the targets of a fit; None for classes."""
    if development.task is not Task.REGRESSION:
        return None
    return fit_target_scaling(development, fit.fold.train, config.preprocess_for_loss)


def _scaling_of_rows(scalings: Sequence[TargetScaling | None], sizes: Sequence[int]) -> TargetScaling | None:
    """One scaling per row, for the rows of several fits."""
    given = [scaling for scaling in scalings if scaling is not None]
    if not given:
        return None
    shift, scale = (
        np.repeat([getattr(scaling, name) for scaling in given], sizes, axis=0) for name in ("shift", "scale")
    )
    return TargetScaling(shift, scale, given[0].kind)


def _held(result: FitResult, epochs: int) -> np.ndarray:
    """Outputs (epochs + 1, n, C): the last ones repeated up to `epochs`, then those of the chosen epoch."""
    run = len(result.val_outputs)
    index = [*range(run), *[run - 1] * (epochs - run), result.chosen_epoch - 1]
    outputs: np.ndarray = result.val_outputs[index]
    return outputs


def _curve(metric: Metric, parts: list[_Part]) -> list[float]:
    """A metric after each epoch."""
    if metric.pooling is None:
        return mean_curve([part.scored.values[metric.name][:-1] for part in parts])
    epochs = max(len(part.scored.statistics[metric.name]) - 1 for part in parts)
    curves = []
    for mine in _by_replicate(parts):
        ends = [part.scored.statistics[metric.name] for part in mine]
        curves.append(metric.pooling.value([each[np.minimum(np.arange(epochs), len(each) - 2)] for each in ends]))
    return mean_curve(curves)


def _at_end(metric: Metric, parts: list[_Part]) -> np.ndarray:
    """A metric at the chosen epochs, of each part; a pooled one, of all parts of each replicate together."""
    if metric.pooling is None:
        return np.array([part.scored.values[metric.name][-1] for part in parts])
    return np.array([_together(metric, mine) for mine in _by_replicate(parts)])


def _together(metric: Metric, parts: Sequence[_Part]) -> float:
    assert metric.pooling is not None
    return float(metric.pooling.value([part.scored.statistics[metric.name][-1:] for part in parts])[0])


def _by_replicate(parts: list[_Part]) -> list[list[_Part]]:
    return [[part for part in parts if part.replicate == r] for r in sorted({part.replicate for part in parts})]


def _of_folds(metric: Metric, parts: list[_Part]) -> np.ndarray:
    """Contributions (R, J) of the J folds of each replicate, whose mean over folds is the score.

    The contribution is the metric on the fold. For a pooled metric it is the jackknife pseudo-value (Tukey, 1958): the
    value of all folds plus J - 1 times the loss without this one. For a mean over equal folds both are the same.
    """
    if metric.pooling is None:
        return np.array([[part.scored.values[metric.name][-1] for part in mine] for mine in _by_replicate(parts)])
    return np.array([_pseudo_values(metric, mine) for mine in _by_replicate(parts)])


def _pseudo_values(metric: Metric, parts: list[_Part]) -> np.ndarray:
    rest = len(parts) - 1
    if not rest:
        return _at_end(metric, parts)
    without = np.array([_together(metric, [*parts[:j], *parts[j + 1 :]]) for j in range(len(parts))])
    values: np.ndarray = _together(metric, parts) + rest * (without.mean() - without)
    return values


def _rows_metrics(
    config: Config, development: Development, metric: Metric, fits: Sequence[Fit], results: Sequence[FitResult]
) -> list[Callable[[np.ndarray], float]]:
    """A pooled metric at the chosen epoch of each fit, as a function of indices of its validation rows."""
    assert metric.pooling is not None, metric
    found = []
    for fit, result in zip(fits, results, strict=True):
        outputs, scaling = result.val_outputs[result.chosen_epoch - 1], _scaling(config, development, fit)
        predictions = outputs if scaling is None else own_units(config, outputs, scaling)
        found.append(metric.pooling.of_rows(predictions, development.targets[fit.fold.val]))
    return found


RESAMPLES = 50
"""Draws of the bootstrap of a standard error, which they tell to a tenth: areas of many rows and classes take time."""


def _bootstrap_error(statistics: Sequence[Callable[[np.ndarray], float]], n: int) -> float | None:
    """Standard error of the mean of statistics of the same n rows (Efron & Tibshirani, 1993, chapter 6).

    None where every draw has the same value, such as that of perfect outputs, which says nothing about other rows.
    """
    draw = np.random.default_rng(BOOTSTRAP_SEED)
    indices = (draw.integers(n, size=n) for _ in range(RESAMPLES))
    values = [np.mean([of_rows(index) for of_rows in statistics]) for index in indices]
    return float(np.nanstd(values, ddof=1)) or None


def _score_error(
    config: Config,
    metric: Metric,
    parts: list[_Part],
    of_rows: Callable[[], Sequence[Callable[[np.ndarray], float]]],
) -> float | None:
    """The standard error of the score.

    One fold and one replicate: the standard error of the per-row values. One fold and R replicates: that of the rows'
    values averaged over replicates, and s^2 / R of the replicates' scores, in quadrature; the former is due to the
    validation rows, the latter to the seeds. J folds: Nadeau & Bengio (2003) on their contributions, averaged over
    replicates; leave-one-out has as many folds as rows. A truth table is no sample: s / sqrt(R) of the replicates. For
    metrics that are no means over rows, such as F1 and R^2 of one fold, the rows are resampled instead. None if nothing
    applies: such a metric of leave-one-out, or a single value.
    """
    if len({part.fold for part in parts}) > 1:
        n_val, n_train = sum(part.n for part in parts), sum(part.n_train for part in parts)
        return resampled_error(_of_folds(metric, parts).mean(axis=0), n_val / n_train)
    last = _at_end(metric, parts)
    if config.evaluation.kind == "truth_table":
        return standard_error(last)
    if metric.pooling is not None:
        error = None if config.evaluation.kind == "loocv" or parts[0].n < 2 else _bootstrap_error(of_rows(), parts[0].n)
    else:
        rows = np.mean([part.scored.rows[metric.name][-1] for part in parts], axis=0)
        if config.evaluation.kind == "loocv":
            return resampled_error(rows, 1 / parts[0].n_train)
        error = standard_error(rows)
    if error is None or len(parts) == 1:
        return error
    return math.hypot(error, float(last.std(ddof=1)) / math.sqrt(len(parts)))


def _folds(metric: Metric, parts: list[_Part]) -> dict[str, float]:
    """`fold/<i>/val/…` of the score metric and the loss at the chosen epochs, per replicate if there are several.

    For a pooled metric it is the contribution of the fold, `fold/<i>/pooled/…`.
    """
    summary: dict[str, float] = {}
    if len(parts) == 1:
        return summary
    folds, replicates = sorted({part.fold for part in parts}), sorted({part.replicate for part in parts})
    for each in (metric, LOSS):
        key = each.fold_key
        for fold, values in zip(folds, _of_folds(each, parts).T, strict=True):
            summary[f"fold/{fold}/{key}"] = float(values.mean())
            if len(replicates) > 1:
                for replicate, value in zip(replicates, values, strict=True):
                    summary[f"fold/{fold}/replicate/{replicate}/{key}"] = float(value)
    return summary


def _report(
    config: Config, development: Development, fits: Sequence[Fit], results: Sequence[FitResult]
) -> dict[str, float]:
    """`report/…`: all metrics on the report rows, means over fits."""
    of_fits: dict[str, list[float]] = {}
    for fit, result in zip(fits, results, strict=True):
        if len(fit.fold.report):
            scaling = _scaling(config, development, fit)
            outputs = result.report_outputs[None]
            scored = score_outputs(config, development, fit.fold.report, outputs, scaling, each_target=True)
            for name, values in scored.values.items():
                of_fits.setdefault(f"report/{name}", []).append(float(values[0]))
    return {name: float(np.mean(values)) for name, values in of_fits.items()}


def _targets(
    config: Config, development: Development, fits: Sequence[Fit], results: Sequence[FitResult]
) -> dict[str, float]:
    """`chosen/val/mae@NAME` of each of several targets, or `accuracy@NAME` of labels: at the chosen epochs.

    They are computed on the scored rows, and are means over fits.
    """
    of_fits: dict[str, list[float]] = {}
    for fit, result in zip(fits, results, strict=True) if development.target_names else ():
        scaling = fit_target_scaling(development, fit.fold.train, config.preprocess_for_loss)
        predictions = own_units(config, result.val_outputs[result.chosen_epoch - 1], scaling)
        for metric in of_targets(development):
            if metric.rows is not None:
                values = metric.rows(predictions[None], development.targets[fit.fold.val])
                of_fits.setdefault(f"chosen/val/{metric}", []).append(float(values.mean()))
    return {name: float(np.mean(values)) for name, values in of_fits.items()}


def _predictions(
    development: Development, metric: Metric, parts: list[_Part], fits: Sequence[Fit], results: Sequence[FitResult]
) -> dict[str, np.ndarray]:
    """Hold-out on classes: `report_correct` (R, n_report). K-fold: `out_of_fold` (M, C), `rows`, `fold`, `replicate`.

    M is the number of predictions of all fits, at their chosen epochs, in the order of the fits. If the score is a mean
    over rows, `row_losses` (M,) holds the contribution of each row as a loss; for an accuracy, 1 where it is wrong.
    """
    report = fits[0].fold.report
    if len(report):
        if development.task is Task.REGRESSION:
            return {}
        outputs = np.stack([result.report_outputs for result in results])
        return {"report_correct": predicted(outputs) == development.targets[report]}
    if len({fit.fold.index for fit in fits}) == 1:
        return {}
    sizes = [len(fit.fold.val) for fit in fits]
    chosen = [result.val_outputs[result.chosen_epoch - 1] for result in results]
    losses = {}
    if metric.pooling is None:
        scored = [part.scored.rows[metric.name][-1] for part in parts]
        # For leave-one-out a part has the rows of a replicate, while fits are ordered by fold.
        values = np.concatenate(scored) if len(parts) == len(fits) else np.stack(scored, axis=1).ravel()
        losses = {"row_losses": values if metric.lower_is_better else metric.best - values}
    return losses | {
        "out_of_fold": np.concatenate(chosen).astype(np.float32),
        "rows": np.concatenate([fit.fold.val for fit in fits]),
        "fold": np.repeat([fit.fold.index for fit in fits], sizes),
        "replicate": np.repeat([fit.replicate for fit in fits], sizes),
    }


def _constant_loss(config: Config, development: Development, fits: Sequence[Fit]) -> float | None:
    """Loss of the best constant output on the rows of `final_loss`, mean over fits; see `constant_output`."""
    losses = []
    for fit in fits:
        targets, scaling = development.targets[probe_rows(fit)], _scaling(config, development, fit)
        if scaling is not None:
            targets = scaling.scaled(targets.astype(np.float64))
        weights = weights_of_rows(config.loss, development, fit.fold.train, probe_rows(fit))
        losses.append(constant_loss(config.loss, development.task, development.classes, targets, weights))
    defined = [loss for loss in losses if loss is not None]
    return float(np.mean(defined)) if defined else None


def _status(
    config: Config, development: Development, fits: Sequence[Fit], results: Sequence[FitResult], constant: float | None
) -> Status:
    """`stalled` if the training loss is no better than that of a constant output.

    Under the perceptron rule: if no more training rows are right than the larger class has. A classifier whose loss is
    worse than that of a constant may only be overconfident: it has stalled unless its training accuracy exceeds the
    share of the largest class by more than two standard errors of that share.
    """
    final = float(np.mean([result.final_loss for result in results]))
    task, classes, weight = development.task, development.classes, _mean_weight(config, development, fits)
    stalled = constant is None or final > stall_threshold(config.loss, task, classes, constant, weight)
    if stalled and classes and (constant is None or final > constant):
        right = float(np.mean([result.train_accuracy[result.chosen_epoch - 1] for result in results]))
        shares = [np.bincount(development.targets[fit.fold.train]).max() / len(fit.fold.train) for fit in fits]
        larger, rows = float(np.mean(shares)), len(fits[0].fold.train)
        by_chance = 0.0 if constant is None else 2 * math.sqrt(larger * (1 - larger) / rows)
        stalled = right <= larger + by_chance + ROUNDING
    return Status.STALLED if stalled else Status.OK


def _mean_weight(config: Config, development: Development, fits: Sequence[Fit]) -> float:
    """Mean weight of the rows of `final_loss`, mean over fits; 1 if all rows count alike."""
    weights = [weights_of_rows(config.loss, development, fit.fold.train, probe_rows(fit)) for fit in fits]
    return float(np.mean([1.0 if of_rows is None else of_rows.mean() for of_rows in weights]))


def _failure(fit: Fit, result: FitResult, fits: Sequence[Fit]) -> str:
    where = [f"fold {fit.fold.index}"] if len({f.fold.index for f in fits}) > 1 else []
    where += [f"replicate {fit.replicate}"] if len({f.replicate for f in fits}) > 1 else []
    return f"{', '.join(where)}: {result.failure}" if where else str(result.failure)
