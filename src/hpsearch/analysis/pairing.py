"""Retrainings of two recipes, key by key: what a comparison is computed from.

S common keys, n report rows, K folds of each key, J = S K folds of all keys together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence
from hpsearch.records import Status


@dataclass(frozen=True, slots=True)
class Paired:
    """Level `a` against level `b` on their common keys.

    Attributes:
        a: A level.
        b: Another.
        keys: S keys on which both have a score, ascending.
        dropped: Keys on which only one of them has.
        scores_a: (S,) of `a`; -inf where it diverged.
        scores_b: (S,) of `b`.
        bitmaps: Two (S, n) bool, whether each report row is right, where the score is the share of these rows; None
            unless all are kept.
        folds: (J,) differences a - b of folds, key after key; None for a hold-out, or where a fold is missing.
        failed: Of `a` and of `b`: how many of its seeds diverged, and how many have an outcome, common or not.
    """

    a: str
    b: str
    keys: tuple[int, ...]
    dropped: int
    scores_a: np.ndarray
    scores_b: np.ndarray
    bitmaps: tuple[np.ndarray, np.ndarray] | None
    folds: np.ndarray | None
    failed: tuple[tuple[int, int], tuple[int, int]]

    @property
    def n(self) -> int:
        """Common keys."""
        return len(self.keys)

    @property
    def diverged(self) -> bool:
        """Whether any run of either level did, on a common key or not: the mean of the others would flatter it."""
        return any(diverged for diverged, _ in self.failed)


def outcome(row: ConfirmRow) -> float:
    """The score of a retraining: -inf if it diverged, NaN if the machine or foreign code failed it."""
    if row.status == Status.DIVERGED:
        return -math.inf
    if row.status not in (Status.OK, Status.STALLED):
        return math.nan
    score = float(np.mean(row.folds)) if row.folds and math.isnan(row.report) else row.report
    return score if math.isnan(score) or math.isfinite(score) else -math.inf


def outcomes(evidence: Evidence, level: str) -> dict[int, float]:
    """Key to score of all retrainings of a level that have one."""
    scores = {row.key: outcome(row) for row in evidence.confirmed(level)}
    return {key: score for key, score in scores.items() if not math.isnan(score)}


def pair_up(evidence: Evidence, a: str, b: str) -> Paired:
    """The common keys of two levels, with everything that is known on them."""
    of_a, of_b = outcomes(evidence, a), outcomes(evidence, b)
    keys = sorted(of_a.keys() & of_b.keys())
    rows_a, rows_b = _rows(evidence, a, keys), _rows(evidence, b, keys)
    return Paired(
        a,
        b,
        tuple(keys),
        len(of_a.keys() ^ of_b.keys()),
        np.array([of_a[key] for key in keys], dtype=np.float64),
        np.array([of_b[key] for key in keys], dtype=np.float64),
        _bitmaps(evidence.design, rows_a, rows_b),
        _fold_differences(rows_a, rows_b) if evidence.design.folds > 1 else None,
        (failures(of_a), failures(of_b)),
    )


def failures(scores: Mapping[int, float]) -> tuple[int, int]:
    """Of `outcomes`: how many diverged, and how many there are."""
    return sum(map(math.isinf, scores.values())), len(scores)


def _rows(evidence: Evidence, level: str, keys: Sequence[int]) -> list[ConfirmRow]:
    by_key = {row.key: row for row in evidence.confirmed(level)}
    return [by_key[key] for key in keys]


def _bitmaps(design: Design, a: Sequence[ConfirmRow], b: Sequence[ConfirmRow]) -> tuple[np.ndarray, np.ndarray] | None:
    """Only of an accuracy on one fixed set of rows: of other metrics they say something else."""
    kept = [np.asarray(row.correct) for row in (*a, *b) if row.correct is not None]
    if not design.is_share or design.folds > 1 or not kept or len(kept) < len(a) + len(b):
        return None
    if any(one.ndim != 1 or one.shape != kept[0].shape for one in kept):
        return None
    stacked = np.stack(kept).astype(bool)
    return stacked[: len(a)], stacked[len(a) :]


def _fold_differences(a: Sequence[ConfirmRow], b: Sequence[ConfirmRow]) -> np.ndarray | None:
    """(J,) in the order of keys and folds; None unless both have as many finite scores on every key."""
    counts = {len(row.folds) for row in (*a, *b)}
    if len(counts) != 1 or counts == {0}:
        return None
    first, second = (np.array([row.folds for row in rows], dtype=np.float64).ravel() for rows in (a, b))
    return first - second if np.isfinite([first, second]).all() else None


def val_per_train(design: Design) -> float:
    """n_val / n_train of K folds, 1 / (K - 1).

    `folds` counts repeats, too, so that K is read off the rows where these are known; `val` may count those of one
    fold or, each once, those of all. Repeats count as folds where nothing better is known.
    """
    train, val = design.rows.get("train", 0), design.rows.get("val", 0)
    scored = val - train if val > train else val
    partition = round(train / scored) + 1 if train > 0 and scored > 0 else design.folds
    return 1 / (min(design.folds, max(2, partition)) - 1)
