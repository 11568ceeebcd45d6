"""Which rows each fit uses for training, monitoring, selection and reporting.

Every part is ascending, and comes from scikit-learn's splitters with the random states that this module exports, so
that a plain loop can reproduce it: `StratifiedKFold(K, shuffle=True, random_state=split_seed(seed))` gives the folds of
`evaluation=stratified_kfold`, `KFold` those of `kfold`, `RepeatedStratifiedKFold` or `RepeatedKFold` those of
`repeated_kfold`. The hold-out is `train_test_split(arange(n), test_size=report, stratify=classes,
random_state=report_seed(seed))`, and `val` is split off the rest in the same way with `split_seed(seed)`. Rows with
groups are split by `StratifiedGroupKFold` and `GroupKFold`, rows with times by `TimeSeriesSplit`, see `draw`.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hpsearch.config import ConfigError
from hpsearch.config.search import Evaluation, Holdout, KFold, RepeatedKFold, StratifiedKFold, TimeSeries
from hpsearch.data.dataset import Development, Rows
from hpsearch.records import Fold
from hpsearch.seeding import Purpose, derive


def draw(
    rows: Rows, index: np.ndarray, n: int, random_state: int, *, stratify: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Draw n of the rows, and return them and the others, both ascending.

    Equals `train_test_split(index, test_size=n, stratify=classes, random_state=random_state)` of scikit-learn, sorted.
    Rows with times are not drawn: they are the latest, with all that have the same time. Of rows with groups, about n
    are drawn, as a fold of `StratifiedGroupKFold` or, without classes, `GroupKFold`.

    Args:
        rows: The rows, for which `obstacle` returns None.
        index: Shape (m,) int64, the rows to draw from.
        n: Number of rows to draw, in [1, m).
        random_state: In [0, 2**32).
        stratify: Whether to draw in proportion to classes, if there are any.
    """
    from sklearn import model_selection  # noqa: PLC0415 - takes a second, which a driver may not need

    labels = rows.strata[index] if stratify and rows.strata is not None else None
    if rows.times is not None:
        times = rows.times[index]
        late = times >= np.sort(times)[len(times) - n]
        return np.sort(index[late]), np.sort(index[~late])
    if rows.groups is not None:
        groups, fewer = rows.groups[index], min(n, len(index) - n)
        parts = min(max(2, round(len(index) / fewer)), len(np.unique(groups)))
        kind = model_selection.GroupKFold if labels is None else model_selection.StratifiedGroupKFold
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            splitter = kind(parts, shuffle=True, random_state=random_state)
            many, few = next(iter(splitter.split(index, labels, groups)))
        drawn, rest = (few, many) if n == fewer else (many, few)
        return np.sort(index[drawn]), np.sort(index[rest])
    rest, drawn = model_selection.train_test_split(index, test_size=n, random_state=random_state, stratify=labels)
    return np.sort(drawn), np.sort(rest)


def obstacle(rows: Rows, index: np.ndarray, n: int) -> str | None:
    """Say why n of these rows cannot be drawn by times, groups or in proportion to classes; None if they can."""
    if rows.times is not None:
        times = np.sort(rows.times[index])
        return f"all have the time of the latest {n} (data.time)" if times[len(times) - n] == times[0] else None
    if rows.groups is not None:
        alone = len(np.unique(rows.groups[index])) < 2
        return "they are of one group (data.groups)" if alone else None
    return None if rows.strata is None else _rare(rows.strata[index], n, rows.class_names)


def _rare(labels: np.ndarray, n: int, names: tuple[str, ...]) -> str | None:
    present, counts = np.unique(labels, return_counts=True)
    rare = int(np.argmin(counts))
    if counts[rare] < 2:
        return f"class {names[present[rare]]!r} has a single row, and each class needs 2 at least"
    smaller = min(n, len(labels) - n)
    if smaller < len(present):
        return f"{smaller} rows cannot hold each of {len(present)} classes"
    return None


MONITOR_SHARE = 0.1
"""Share of a fold's training rows that is held out for monitoring."""

LARGE = 60_000
"""Number of development rows from which a hold-out takes `LARGE_PART` rows per part instead of a tenth."""

LARGE_PART = 5_000

MAX_LOOCV = 10_000
"""Maximum number of leave-one-out folds: the row numbers alone take n^2 entries of memory."""

_NONE = np.empty(0, np.int64)


_Parts = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Training, `val` and `report` rows."""


@dataclass(frozen=True, slots=True)
class SplitSizes:
    """Sizes of a split before it is drawn.

    Attributes:
        folds: Number of trainings, not counting replicates.
        train: Training rows of each, before `data.limit`; approximate for stratified folds.
        val: Rows that are scored, each counted once.
        report: Rows for reported scores.
    """

    folds: int
    train: int
    val: int
    report: int


def split_sizes(evaluation: Evaluation, n: int) -> SplitSizes:
    """Return the sizes of the parts of n development rows."""
    match evaluation:
        case Holdout():
            report, val = _size(evaluation.report, n), _size(evaluation.val, n)
            return SplitSizes(1, n - report - val, val, report)
        case TimeSeries():
            val = n // (evaluation.folds + 1)
            train = (n - evaluation.folds * val + n - val) // 2 - evaluation.gap
            window = min(train, evaluation.window or train)
            return SplitSizes(evaluation.folds, window, evaluation.folds * val, 0)
        case KFold():
            repeats = evaluation.repeats if isinstance(evaluation, RepeatedKFold) else 1
            return SplitSizes(evaluation.folds * repeats, n - -(-n // evaluation.folds), n, 0)
        case _ if evaluation.kind == "loocv":
            return SplitSizes(n, n - 1, n, 0)
        case _:
            return SplitSizes(1, n, n, 0)


def split_seed(seed: int, redraw: int = 0) -> int:
    """Return scikit-learn's `random_state` of the folds and the `val` rows; it differs for each redraw."""
    return derive(seed, Purpose.SPLIT, *([redraw] if redraw else [])) % 2**32


def report_seed(seed: int) -> int:
    """Return scikit-learn's `random_state` of the `report` rows, the same for every redraw."""
    return derive(seed, Purpose.SPLIT, "report") % 2**32


def folds(
    development: Development,
    evaluation: Evaluation,
    *,
    seed: int,
    limit: int | None = None,
    monitor: bool = False,
    redraw: int = 0,
) -> tuple[Fold, ...]:
    """Return the folds of a trial.

    Args:
        development: The n development rows.
        evaluation: How they are split.
        seed: Seed of the sweep.
        limit: Number of training rows to keep in each fold, stratified where possible; None: all.
        monitor: Whether to hold out a tenth of each fold's training rows, at least one, for early stopping and plateau
            schedules.
        redraw: 0 for the search; each value >= 1 redraws everything but the `report` rows. Leave-one-out and truth
            table draw nothing.

    Returns:
        One fold for `holdout` and `truth_table`, K for the others, K * repeats for `repeated_kfold`.

    Raises:
        ConfigError: If the rows cannot be split like this.
    """
    parts = _split(development, evaluation, seed, redraw)
    if monitor and evaluation.kind == "truth_table":
        raise ConfigError(
            "evaluation=truth_table trains on every row and has none to spare for monitoring: switch off early "
            "stopping and choose a schedule other than plateau"
        )
    return tuple(
        Fold(k, *_train_and_monitor(development, train, (seed, redraw, k), limit, monitor), val, report)
        for k, (train, val, report) in enumerate(parts)
    )


def refit_fold(development: Development, *, seed: int, limit: int | None = None) -> Fold:
    """Return the fold of a final refit: all development rows, or `limit` of them, to train on and none to score.

    Raises:
        ConfigError: If `limit` exceeds the development rows.
    """
    train, monitor = _train_and_monitor(development, np.arange(development.n), (seed, 0, 0), limit, monitor=False)
    return Fold(0, train, monitor, _NONE, _NONE)


def _split(development: Development, evaluation: Evaluation, seed: int, redraw: int) -> list[_Parts]:
    n = development.n
    if development.times is not None and not isinstance(evaluation, Holdout | TimeSeries):
        raise ConfigError(
            f"evaluation={evaluation.kind} draws rows of all times, and data.time holds out later ones: use "
            "evaluation=time_series or evaluation=holdout"
        )
    if development.groups is not None and evaluation.kind == "loocv":
        raise ConfigError(
            "evaluation=loocv tears groups apart: use evaluation=kfold with as many folds as groups, or fewer"
        )
    match evaluation:
        case TimeSeries():
            return _time_series(development, evaluation)
        case Holdout():
            return [_holdout(development, evaluation, seed, redraw)]
        case KFold():
            return _kfold(development, evaluation, split_seed(seed, redraw))
        case _ if evaluation.kind == "loocv":
            return _loocv(n)
        case _:
            assert evaluation.kind == "truth_table", evaluation.kind
            return [(np.arange(n), np.arange(n), _NONE)]


def _holdout(development: Development, evaluation: Holdout, seed: int, redraw: int) -> _Parts:
    n = development.n
    sizes = split_sizes(evaluation, n)
    if sizes.train < 1:
        raise ConfigError(
            f"evaluation.val and evaluation.report must leave rows to train on, got {sizes.val} and {sizes.report} of "
            f"{n}"
        )
    report, rest = _hold_out(development, np.arange(n), sizes.report, report_seed(seed), "report")
    val, train = _hold_out(development, rest, sizes.val, split_seed(seed, redraw), "val")
    return train, val, report


def _size(requested: float | None, n: int) -> int:
    """Return the number of rows of a hold-out part, given a count, a share, or None for automatic."""
    if isinstance(requested, int):
        return requested
    if requested is None and n >= LARGE:
        return LARGE_PART
    return max(1, round((0.1 if requested is None else requested) * n))


def _hold_out(
    development: Development, rows: np.ndarray, size: int, state: int, part: str
) -> tuple[np.ndarray, np.ndarray]:
    if reason := obstacle(development, rows, size):
        raise ConfigError(
            f"evaluation.{part} must take rows of every class, got {size} of {len(rows)}: {reason}; "
            "change its size, or use evaluation=kfold, which does not stratify"
        )
    return draw(development, rows, size, state)


def _kfold(development: Development, evaluation: KFold, state: int) -> list[_Parts]:
    if evaluation.folds > development.n:
        raise ConfigError(f"evaluation.folds must be <= {development.n} development rows, got {evaluation.folds}")
    if development.groups is not None and evaluation.folds > (groups := len(np.unique(development.groups))):
        raise ConfigError(f"evaluation.folds must be <= {groups} groups of data.groups, got {evaluation.folds}")
    stratified = evaluation.stratified if isinstance(evaluation, RepeatedKFold) else evaluation.kind != "kfold"
    if stratified:
        assert isinstance(evaluation, StratifiedKFold)
        _check_classes(development, evaluation)
    splitters = _splitters(evaluation, state, stratified=stratified, grouped=development.groups is not None)
    with warnings.catch_warnings():
        # the user allowed rare classes, so the warning would be noise
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return _all(splitters, development.n, development.strata if stratified else None, development.groups)


def _splitters(evaluation: KFold, state: int, *, stratified: bool, grouped: bool) -> list[Any]:
    from sklearn import model_selection  # noqa: PLC0415 - takes a second, which the driver need not wait

    k = evaluation.folds
    if grouped:
        repeats = evaluation.repeats if isinstance(evaluation, RepeatedKFold) else 1
        grouped_kind = model_selection.StratifiedGroupKFold if stratified else model_selection.GroupKFold
        states = [derive(state, Purpose.SPLIT, repeat) % 2**32 if repeat else state for repeat in range(repeats)]
        return [grouped_kind(k, shuffle=True, random_state=each) for each in states]
    if isinstance(evaluation, RepeatedKFold):
        kind = model_selection.RepeatedStratifiedKFold if stratified else model_selection.RepeatedKFold
        return [kind(n_splits=k, n_repeats=evaluation.repeats, random_state=state)]
    kind = model_selection.StratifiedKFold if stratified else model_selection.KFold
    return [kind(k, shuffle=True, random_state=state)]


def _check_classes(development: Development, evaluation: StratifiedKFold) -> None:
    if development.strata is None:
        raise ConfigError(
            f"evaluation.kind {evaluation.kind} stratifies by class, got the regression {development.name}: use "
            "evaluation=kfold, or evaluation.stratified=false with repeated_kfold"
        )
    present, counts = np.unique(development.strata, return_counts=True)
    rare = int(np.argmin(counts))
    if evaluation.folds > counts[rare] and not evaluation.allow_rare:
        name = development.class_names[present[rare]]
        raise ConfigError(
            f"evaluation.folds must be <= {counts[rare]}, the rows of class {name!r}, got {evaluation.folds}: lower "
            "it, or set evaluation.allow_rare=true"
        )
    if evaluation.folds > counts.max():
        raise ConfigError(
            f"evaluation.folds must be <= {counts.max()}, the rows of the largest class, got {evaluation.folds}"
        )


def _time_series(development: Development, evaluation: TimeSeries) -> list[_Parts]:
    """Return folds in the order of time: each trains on rows before those that it is scored on."""
    if development.times is None:
        raise ConfigError("evaluation=time_series needs data.time, the column by which rows are ordered")
    from sklearn.model_selection import TimeSeriesSplit  # noqa: PLC0415

    splitter = TimeSeriesSplit(evaluation.folds, gap=evaluation.gap, max_train_size=evaluation.window)
    order, times = np.argsort(development.times, kind="stable"), np.sort(development.times)
    parts = []
    try:
        for train, val in splitter.split(order):
            earlier = train[times[train] < times[val[0]]]  # none has the time of a row that is scored
            if not len(earlier):
                raise ConfigError(
                    f"evaluation.folds={evaluation.folds}: a fold has no earlier row to train on: lower it"
                )
            parts.append((np.sort(order[earlier]), np.sort(order[val]), _NONE))
    except ValueError as error:
        raise ConfigError(
            f"evaluation.folds={evaluation.folds} and evaluation.gap={evaluation.gap} are too many for {development.n} "
            f"development rows: lower them ({error})"
        ) from error
    return parts


def _loocv(n: int) -> list[_Parts]:
    if not 2 <= n <= MAX_LOOCV:
        raise ConfigError(
            f"evaluation=loocv trains one fold for each row and takes 2 to {MAX_LOOCV} development rows, got {n}: use "
            "evaluation=kfold"
        )
    from sklearn.model_selection import LeaveOneOut  # noqa: PLC0415

    return _all([LeaveOneOut()], n, None)


def _all(splitters: Sequence[Any], n: int, strata: np.ndarray | None, groups: np.ndarray | None = None) -> list[_Parts]:
    rows = np.arange(n)
    each = (part for splitter in splitters for part in splitter.split(rows, strata, groups))
    return [(np.sort(train), np.sort(val), _NONE) for train, val in each]


def _train_and_monitor(
    development: Development, train: np.ndarray, key: tuple[int, int, int], limit: int | None, monitor: bool
) -> tuple[np.ndarray, np.ndarray]:
    seed, redraw, fold = key

    def draw_in_proportion(rows: np.ndarray, n: int, purpose: Purpose) -> tuple[np.ndarray, np.ndarray]:
        """Draw stratified by class if possible, otherwise without strata."""
        # rows that are left out of training may be of any group, those that watch it may not
        data = replace(development, groups=None) if purpose is Purpose.LIMIT else development
        if data.groups is not None and obstacle(data, rows, n):
            data = replace(data, groups=None)
        state, possible = derive(seed, purpose, redraw, fold) % 2**32, obstacle(data, rows, n) is None
        return draw(data, rows, n, state, stratify=possible)

    if limit is not None and limit > len(train):
        raise ConfigError(f"data.limit must be <= {len(train)}, the training rows there are, got {limit}")
    if limit is not None and limit < len(train):
        train, _ = draw_in_proportion(train, limit, Purpose.LIMIT)
    if not monitor:
        return train, _NONE
    if len(train) < 2:
        raise ConfigError(f"data.limit must leave 2 training rows at least, one to monitor, got {len(train)}")
    monitored, train = draw_in_proportion(train, max(1, round(MONITOR_SHARE * len(train))), Purpose.MONITOR)
    return train, monitored
