"""Which rows each fit uses for training, monitoring, selection and reporting.

Every part is ascending, and comes from scikit-learn's splitters with the random states that this module exports, so
that a plain loop can reproduce it: `StratifiedKFold(K, shuffle=True, random_state=split_seed(seed))` gives the folds of
`evaluation=stratified_kfold`, `KFold` those of `kfold`, `RepeatedStratifiedKFold` or `RepeatedKFold` those of
`repeated_kfold`. The hold-out is `train_test_split(arange(n), test_size=report, stratify=classes,
random_state=report_seed(seed))`, and `val` is split off the rest in the same way with `split_seed(seed)`.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpsearch.config import ConfigError
from hpsearch.config.search import Evaluation, Holdout, KFold, RepeatedKFold, StratifiedKFold
from hpsearch.data.dataset import Development
from hpsearch.records import Fold
from hpsearch.seeding import Purpose, derive


def draw(rows: np.ndarray, n: int, random_state: int, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Draw n of the rows, and return them and the others, both ascending.

    Equals `train_test_split(rows, test_size=n, stratify=labels, random_state=random_state)` of scikit-learn, sorted.

    Args:
        rows: Shape (m,) int64.
        n: Number of rows to draw, in [1, m).
        random_state: In [0, 2**32).
        labels: Shape (m,) class of each row, for which `obstacle` returns None; None: do not stratify.
    """
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - takes a second, which a driver may not need

    rest, drawn = train_test_split(rows, test_size=n, random_state=random_state, stratify=labels)
    return np.sort(drawn), np.sort(rest)


def obstacle(labels: np.ndarray, n: int, names: tuple[str, ...]) -> str | None:
    """Say why n rows cannot be drawn in proportion to the classes of these labels; None if they can."""
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
    match evaluation:
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
    labels = None if development.strata is None else development.strata[rows]
    if labels is not None and (reason := obstacle(labels, size, development.class_names)):
        raise ConfigError(
            f"evaluation.{part} must take rows of every class, got {size} of {len(rows)}: {reason}; "
            "change its size, or use evaluation=kfold, which does not stratify"
        )
    return draw(rows, size, state, labels)


def _kfold(development: Development, evaluation: KFold, state: int) -> list[_Parts]:
    if evaluation.folds > development.n:
        raise ConfigError(f"evaluation.folds must be <= {development.n} development rows, got {evaluation.folds}")
    stratified = evaluation.stratified if isinstance(evaluation, RepeatedKFold) else evaluation.kind != "kfold"
    if stratified:
        assert isinstance(evaluation, StratifiedKFold)
        _check_classes(development, evaluation)
    splitter = _splitter(evaluation, state, stratified=stratified)
    with warnings.catch_warnings():
        # the user allowed rare classes, so the warning would be noise
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return _all(splitter, development.n, development.strata if stratified else None)


def _splitter(evaluation: KFold, state: int, *, stratified: bool) -> Any:
    from sklearn import model_selection  # noqa: PLC0415 - takes a second, which the driver need not wait

    k = evaluation.folds
    if isinstance(evaluation, RepeatedKFold):
        kind = model_selection.RepeatedStratifiedKFold if stratified else model_selection.RepeatedKFold
        return kind(n_splits=k, n_repeats=evaluation.repeats, random_state=state)
    kind = model_selection.StratifiedKFold if stratified else model_selection.KFold
    return kind(k, shuffle=True, random_state=state)


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


def _loocv(n: int) -> list[_Parts]:
    if not 2 <= n <= MAX_LOOCV:
        raise ConfigError(
            f"evaluation=loocv trains one fold for each row and takes 2 to {MAX_LOOCV} development rows, got {n}: use "
            "evaluation=kfold"
        )
    from sklearn.model_selection import LeaveOneOut  # noqa: PLC0415

    return _all(LeaveOneOut(), n, None)


def _all(splitter: Any, n: int, strata: np.ndarray | None) -> list[_Parts]:
    rows = np.arange(n)
    return [(np.sort(train), np.sort(val), _NONE) for train, val in splitter.split(rows, strata)]


def _train_and_monitor(
    development: Development, train: np.ndarray, key: tuple[int, int, int], limit: int | None, monitor: bool
) -> tuple[np.ndarray, np.ndarray]:
    seed, redraw, fold = key

    def draw_in_proportion(rows: np.ndarray, n: int, purpose: Purpose) -> tuple[np.ndarray, np.ndarray]:
        """Draw stratified by class if possible, otherwise without strata."""
        labels = None if development.strata is None else development.strata[rows]
        if labels is not None and obstacle(labels, n, development.class_names) is not None:
            labels = None
        return draw(rows, n, derive(seed, purpose, redraw, fold) % 2**32, labels)

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
