"""A data set in memory: rows of inputs and targets."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from hpsearch.data.number_parsing import Reading
from hpsearch.errors import DataError
from hpsearch.records import Task

SHOWN = 8
"""Maximum number of columns named in a message; the others are counted."""


class ColumnKind(StrEnum):
    """How the cells of a column are read."""

    NUMBER = "number"
    CATEGORY = "category"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Column:
    """An input column of a table.

    Attributes:
        name: Name in the header.
        kind: How its cells are read.
        categories: The distinct words of a category, ascending; empty for others.
        format: The format of a date, as `strptime` takes it, or `ISO 8601`; empty for others.
        reading: How numbers are written, if not as programs write them.
    """

    name: str
    kind: ColumnKind = ColumnKind.NUMBER
    categories: tuple[str, ...] = ()
    format: str = ""
    reading: Reading | None = None


def name_columns(names: Sequence[str]) -> str:
    """List column names for a message: `area`, or `area, rooms, … 3 more`."""
    more = [f"… {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join([*names[:SHOWN], *more])


@dataclass(frozen=True, eq=False)
class Rows:
    """N rows of a data set.

    Attributes:
        name: Name of the data set; differs between the packaged and the full MNIST.
        task: What is predicted.
        inputs: Shape (N, channels, height, width) images, uint8 or floating point, or (N, D) floating-point cells of
            `columns`: numbers, the index of a category's word, or seconds since 1970 of a date, NaN where they are
            missing. Floats are float32, or float64 where the user's numbers require it, see `as_floats`.
        targets: Shape (N,) int64 in [0, C), or (N, T) floating point for regression.
        classes: Number of classes C; 0 for regression.
        class_names: The C names in the order of the class numbers; empty for regression.
        autoencoder: Whether the targets are the inputs, flattened to (N, T).
        columns: The D columns of a table; empty for images, and for arrays, whose columns are numbers without a name.
        notes: What was recognized in a user's file and must be reported, one sentence each.
        groups: Shape (N,) int64, rows of one group stay on one side of every split; None: there are none.
        times: Shape (N,) float64, later rows are held out; None: rows have no order.
        test: Shape (N,) bool, the rows that are sealed; None: they are drawn.
        target_names: Names of the T targets, if there are several.
        labels: The two values of each of T labels, which are targets 0 and 1; empty if targets are no labels.
        weights: Shape (N,) float64, how often each row counts in training, finite and >= 0; None: all count alike.
    """

    name: str
    task: Task
    inputs: np.ndarray
    targets: np.ndarray
    classes: int
    class_names: tuple[str, ...] = ()
    autoencoder: bool = False
    columns: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()
    groups: np.ndarray | None = None
    times: np.ndarray | None = None
    test: np.ndarray | None = None
    target_names: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    weights: np.ndarray | None = None

    @property
    def n(self) -> int:
        """Number of rows N."""
        return len(self.inputs)

    @property
    def images(self) -> bool:
        """Whether rows are images, which have one scale for all pixels; features have one each."""
        return self.inputs.ndim == 4

    @cached_property
    def numbers_only(self) -> bool:
        """Whether inputs can be scaled as they are: images, or numbers of which none is missing."""
        words = any(column.kind is not ColumnKind.NUMBER for column in self.columns)
        return self.images or not (words or bool(np.isnan(self.inputs).any()))

    @property
    def strata(self) -> np.ndarray | None:
        """Class numbers (N,) to stratify by; None for regression."""
        return self.targets if self.classes else None


@dataclass(frozen=True, eq=False)
class Development(Rows):
    """The rows that a search may see; `digest` is the SHA-256 of their content."""

    digest: str = field(kw_only=True)


def columns_of(rows: Rows) -> tuple[Column, ...]:
    """Return the columns of a table; those of an array are named by their numbers."""
    return rows.columns or tuple(Column(str(at)) for at in range(rows.inputs.shape[1]))


def take(rows: Rows, index: np.ndarray) -> Rows:
    """Return the rows with these indices, in this order."""
    of_rows = ("inputs", "targets", "groups", "times", "test", "weights")
    taken = {name: array[index] for name in of_rows if (array := getattr(rows, name)) is not None}
    return Rows(**_values(rows) | taken)


def reconstructed(rows: Rows) -> Rows:
    """Return the same rows as an autoencoder's task: the targets are the inputs, flattened to (N, T) floats."""
    flat = rows.inputs.reshape(rows.n, -1).astype(np.result_type(rows.inputs, np.float32))
    changed = {"task": Task.REGRESSION, "targets": flat, "classes": 0, "class_names": (), "autoencoder": True}
    return Rows(**_values(rows) | changed)


def to_development(rows: Rows) -> Development:
    """Return the same rows with the digest of their content."""
    return Development(**_values(rows), digest=content_digest(rows))


def content_digest(rows: Rows) -> str:
    """Return the SHA-256 of inputs, targets and weights with their shapes, whatever the names of data set and file."""
    sha = hashlib.sha256()
    for array in (rows.inputs, rows.targets, *([] if rows.weights is None else [rows.weights])):
        little = _canonical(array)
        sha.update(f"{little.dtype.str}{little.shape}".encode())
        sha.update(little.data)
    return sha.hexdigest()


def row_keys(inputs: np.ndarray) -> list[bytes]:
    """Return one hash per row of inputs (N, …); equal rows have equal hashes."""
    flat = _canonical(inputs.reshape(len(inputs), -1))
    return [hashlib.blake2b(row.data, digest_size=16).digest() for row in flat]


def _values(rows: Rows) -> dict[str, Any]:
    return {f.name: getattr(rows, f.name) for f in dataclasses.fields(Rows)}


def _canonical(array: np.ndarray) -> np.ndarray:
    """Return the array contiguous, little-endian and without negative zeros."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return little + little.dtype.type(0) if little.dtype.kind == "f" else little


KEPT = 1e-6
"""Largest shift by rounding to accept, as a share of the range of the values."""


def as_floats(values: np.ndarray, label: str, *, together: bool = False) -> np.ndarray:
    """Convert numbers to float32, or to float64 where float32 would blur the differences between them.

    Numbers are scaled before training: 1700000000 and 1700000050 become 0 and 1, provided they still differ by then.
    Rounding to float32 shifts them by up to 64; a column with a shift above a millionth of its range stays float64.

    Args:
        values: Shape (N,) or (N, …) real numbers within the range of float32, NaN where they are missing.
        label: Name of the values in messages.
        together: Whether all values share one range, as pixels of images do; otherwise each column has its own.

    Raises:
        DataError: If float64 also shifts a column too much.
    """
    narrow = values.astype(np.float32)
    if np.can_cast(values.dtype, np.float32, "safe"):
        return narrow
    axis = None if together else 0
    # missing cells do not count; fmin and fmax are NaN where all are missing
    low, high = (np.asarray(extreme.reduce(values, axis=axis), np.float64) for extreme in (np.fmin, np.fmax))
    wide, width = values.astype(np.float64), high - low
    moved = np.asarray(np.fmax.reduce(np.abs(wide - narrow), axis=axis))
    if not (moved > KEPT * width)[width > 0].any():
        return narrow
    largest = np.maximum(np.abs(low), np.abs(high))
    lost = (largest * np.finfo(np.float64).eps / 2 > KEPT * width) & (width > 0)
    if lost.any():
        at = int(np.flatnonzero(lost)[0])
        which = f" (column {at})" if lost.ndim else ""
        raise DataError(
            f"{label}{which} lies near {largest.flat[at]:.3g} and spreads over {width.flat[at]:.3g} only, which "
            "even float64 cannot tell apart: subtract a constant from it, or leave it out"
        )
    return wide


def check_weights(weights: np.ndarray, label: str) -> np.ndarray:
    """Return weights of rows (N,) as float64.

    Args:
        weights: Shape (N,), finite.
        label: Name of the weights in messages.

    Raises:
        DataError: If one is negative, or all are 0.
    """
    if (negative := np.flatnonzero(weights < 0)).size:
        raise DataError(f"{label} must hold weights >= 0, got {weights[negative[0]]:g}")
    if not weights.any():
        raise DataError(f"{label} is 0 in every row: nothing would be trained on")
    return weights.astype(np.float64)
