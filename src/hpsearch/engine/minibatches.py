"""Minibatches of a fit, and of a fleet of fits with nearly equal numbers of rows: padded with rows that do not count.

How much a part is padded follows from the fit alone, so that its bits do not depend on the other members of its fleet.
"""

import numpy as np

from hpsearch.config.model import BatchNorm
from hpsearch.records import Fit
from hpsearch.seeding import epoch_order

GRID = 8
"""Parts are padded to a multiple of this: of fold sizes that differ by one row, seven of eight are then equal."""

PROBE_ROWS = 1000
"""Maximum number of training rows on which the final loss is measured."""


def batch_sizes(n: int, batch_size: int) -> list[int]:
    """Return the minibatch sizes of n rows; a single leftover row joins the batch before (batch normalization)."""
    sizes = [batch_size] * (n // batch_size)
    rest = n % batch_size
    if rest == 1 and sizes:
        sizes[-1] += 1
    elif rest:
        sizes.append(rest)
    return sizes


def minibatches(fit: Fit) -> list[int]:
    """Return the sizes of the minibatches of a fit in a fleet, where an incomplete last one is padded."""
    sizes, whole = _exact(fit), fit.config.training.batch_size
    if last_batch_rows(fit) is not None:
        sizes[-1] = min(_round_up(sizes[-1]), whole) if sizes[-1] < whole else _round_up(sizes[-1])
    return sizes


def last_batch_rows(fit: Fit) -> int | None:
    """Return the number of rows of the last minibatch that count; None if it is not padded."""
    last = _exact(fit)[-1]
    return last if last != fit.config.training.batch_size and can_pad(fit) else None


def padded_length(fit: Fit, n: int) -> int:
    """Return the length to which n rows of `val`, `monitor` or `report` are padded."""
    return _round_up(n) if can_pad(fit) else n


def probe_rows(fit: Fit) -> np.ndarray:
    """Return at most `PROBE_ROWS` training rows (n,), drawn by the order seed, on which `final_loss` is measured."""
    train = fit.fold.train
    rows: np.ndarray = train[epoch_order(fit.seeds.order, 0, len(train))[:PROBE_ROWS]]
    return rows


def probe_length(fit: Fit) -> int:
    """Return the padded length of the `probe_rows`; equal for fits of one `row_shape`."""
    return min(sum(minibatches(fit)), padded_length(fit, PROBE_ROWS))


def pad_rows(rows: np.ndarray, n: int) -> np.ndarray:
    """Return the rows padded to length n by repeating the last one."""
    return np.concatenate([rows, np.repeat(rows[-1:], n - len(rows))])


def can_pad(fit: Fit) -> bool:
    """Return whether padding rows can be added; batch normalization and the user's code would see them.

    A single minibatch is not padded, so that a CUDA graph can replay it.
    """
    config = fit.config
    return not config.own_code and not isinstance(config.norm, BatchNorm) and len(_exact(fit)) > 1


def row_shape(fit: Fit) -> tuple[object, ...]:
    """Return a key that is equal for fits whose rows can be stacked."""
    sizes, fold = minibatches(fit), fit.fold
    parts = (padded_length(fit, len(part)) for part in (fold.monitor, fold.val, fold.report))
    return len(sizes), sizes[-1], last_batch_rows(fit) is None, *parts


def _exact(fit: Fit) -> list[int]:
    return batch_sizes(len(fit.fold.train), fit.config.training.batch_size)


def _round_up(n: int) -> int:
    return -(-n // GRID) * GRID
