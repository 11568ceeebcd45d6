"""Minibatches of a fit, and of a fleet of fits with nearly equally many rows: filled up with rows that do not count.

How far a part is filled up follows from the fit alone, so that its bits do not depend on who else is in its fleet.
"""

import numpy as np

from hpsearch.config.model import BatchNorm
from hpsearch.records import Fit
from hpsearch.seeding import epoch_order

GRID = 8
"""Parts are filled up to a multiple of this: of folds whose sizes differ by one row, seven of eight are then equal."""

PROBE_ROWS = 1000
"""Most training rows on which the final loss is measured."""


def batch_sizes(n: int, batch_size: int) -> list[int]:
    """Sizes of the minibatches of n rows; a last one of a single row joins the one before (batch normalization)."""
    sizes = [batch_size] * (n // batch_size)
    rest = n % batch_size
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def minibatches(fit: Fit) -> list[int]:
    """Sizes of the minibatches as a fleet takes them: the last one filled up, if it is not a whole one."""
    sizes, whole = _exact(fit), fit.config.training.batch_size
    if last_counts(fit) is not None:
        sizes[-1] = min(_up(sizes[-1]), whole) if sizes[-1] < whole else _up(sizes[-1])
    return sizes


def last_counts(fit: Fit) -> int | None:
    """Rows of the last minibatch that count; None where it is as it is, and all do."""
    last = _exact(fit)[-1]
    return last if last != fit.config.training.batch_size and fills(fit) else None


def length(fit: Fit, n: int) -> int:
    """Of n rows of `val`, `monitor` or `report`, filled up."""
    return _up(n) if fills(fit) else n


def probe_rows(fit: Fit) -> np.ndarray:
    """(n,) at most `PROBE_ROWS` training rows, drawn by the order seed, on which `final_loss` is measured."""
    train = fit.fold.train
    rows: np.ndarray = train[epoch_order(fit.seeds.order, 0, len(train))[:PROBE_ROWS]]
    return rows


def probe_length(fit: Fit) -> int:
    """Of the `probe_rows`, filled up; equal for fits of one `row_shape`."""
    return min(sum(minibatches(fit)), length(fit, PROBE_ROWS))


def pad_rows(rows: np.ndarray, n: int) -> np.ndarray:
    """(n,): the rows, and the last of them again and again."""
    return np.concatenate([rows, np.repeat(rows[-1:], n - len(rows))])


def fills(fit: Fit) -> bool:
    """Whether rows that do not count can be added: they would change what batch normalization and a user's code see.

    A single minibatch is left as it is, so that a GPU can record it.
    """
    config = fit.config
    return not config.own_code and not isinstance(config.norm, BatchNorm) and len(_exact(fit)) > 1


def row_shape(fit: Fit) -> tuple[object, ...]:
    """Equal for fits whose rows can stand side by side."""
    sizes, fold = minibatches(fit), fit.fold
    parts = (length(fit, len(part)) for part in (fold.monitor, fold.val, fold.report))
    return len(sizes), sizes[-1], last_counts(fit) is None, *parts


def _exact(fit: Fit) -> list[int]:
    return batch_sizes(len(fit.fold.train), fit.config.training.batch_size)


def _up(n: int) -> int:
    return -(-n // GRID) * GRID
