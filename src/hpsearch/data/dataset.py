"""A data set in memory: rows of inputs and targets."""

import dataclasses
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpsearch.config.data import CsvData, Data, OwnData
from hpsearch.errors import DataError
from hpsearch.formatting import plural
from hpsearch.quoting import list_override
from hpsearch.records import Task

SHOWN = 8
"""Maximum number of columns named in a message; the others are counted."""


@dataclass(frozen=True, slots=True)
class Column:
    """An input column of a user's table.

    Attributes:
        name: Name in the header.
        width: Number of input features it becomes: 1, or one per category of text.
        categories: The words of a text column, in the order of its features; empty for numbers.
    """

    name: str
    width: int
    categories: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """Names of its input features: the column's own, or `column=word` for each category."""
        return tuple(f"{self.name}={word}" for word in self.categories) or (self.name,)


def name_columns(names: Sequence[str]) -> str:
    """List column names for a message: `area`, or `area, rooms, … 3 more`."""
    more = [f"… {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join([*names[:SHOWN], *more])


def describe_columns(columns: Sequence[Column]) -> str:
    """Describe columns for a message: `area, rooms, city (3 categories) → 5 numbers`."""
    named = [f"{each.name} ({each.width} categories)" if each.width > 1 else each.name for each in columns]
    width = sum(each.width for each in columns)
    return f"{name_columns(named)} → {width:,} number{'s' if width > 1 else ''}"


def column_slices(columns: Sequence[Column]) -> list[tuple[Column, slice]]:
    """Return each column with the slice of its input features."""
    ends = itertools.accumulate(each.width for each in columns)
    return [(each, slice(end - each.width, end)) for each, end in zip(columns, ends, strict=True)]


def identifiers(columns: Sequence[Column], inputs: np.ndarray) -> list[str]:
    """Return the names of columns of distinct whole numbers, as row numbers are, in inputs (N, D)."""
    names = []
    for each, features in column_slices(columns):
        values = inputs[:, features.start]
        if each.width == 1 and bool((values == np.round(values)).all()) and len(np.unique(values)) == len(values):
            names.append(each.name)
    return names


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """N rows of a data set.

    Attributes:
        name: Name of the data set; differs between the packaged and the full MNIST.
        task: What is predicted.
        inputs: Shape (N, channels, height, width) images, uint8 or floating point, or (N, D) floating-point features.
            Floats are float32, or float64 where the user's numbers require it, see `as_floats`.
        targets: Shape (N,) int64 in [0, C), or (N, T) floating point for regression.
        classes: Number of classes C; 0 for regression.
        class_names: The C names in the order of the class numbers; empty for regression.
        autoencoder: Whether the targets are the inputs, flattened to (N, T).
        columns: The columns that make up the inputs, for a user's own table; otherwise empty.
        notes: What was recognized in a user's file and must be reported, one sentence each.
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

    @property
    def n(self) -> int:
        """Number of rows N."""
        return len(self.inputs)

    @property
    def images(self) -> bool:
        """Whether rows are images, which have one scale for all pixels; features have one each."""
        return self.inputs.ndim == 4

    @property
    def strata(self) -> np.ndarray | None:
        """Class numbers (N,) to stratify by; None for regression."""
        return self.targets if self.classes else None


@dataclass(frozen=True, slots=True, eq=False)
class Development(Rows):
    """The rows that a search may see; `digest` is the SHA-256 of their content."""

    digest: str = field(kw_only=True)


def take(rows: Rows, index: np.ndarray) -> Rows:
    """Return the rows with these indices, in this order."""
    return Rows(**_values(rows) | {"inputs": rows.inputs[index], "targets": rows.targets[index]})


def reconstructed(rows: Rows) -> Rows:
    """Return the same rows as an autoencoder's task: the targets are the inputs, flattened to (N, T) floats."""
    flat = rows.inputs.reshape(rows.n, -1).astype(np.result_type(rows.inputs, np.float32))
    changed = {"task": Task.REGRESSION, "targets": flat, "classes": 0, "class_names": (), "autoencoder": True}
    return Rows(**_values(rows) | changed)


def to_development(rows: Rows) -> Development:
    """Return the same rows with the digest of their content."""
    return Development(**_values(rows), digest=content_digest(rows))


def content_digest(rows: Rows) -> str:
    """Return the SHA-256 of inputs and targets with their shapes, independent of the names of data set and file."""
    sha = hashlib.sha256()
    for array in (rows.inputs, rows.targets):
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
        values: Shape (N,) or (N, …) finite real numbers, within the range of float32.
        label: Name of the values in messages.
        together: Whether all values share one range, as pixels of images do; otherwise each column has its own.

    Raises:
        DataError: If float64 also shifts a column too much.
    """
    narrow = values.astype(np.float32)
    if np.can_cast(values.dtype, np.float32, "safe"):
        return narrow
    axis = None if together else 0
    wide = values.astype(np.float64)
    width = np.asarray(wide.max(axis=axis) - wide.min(axis=axis))
    moved = np.asarray(np.abs(wide - narrow).max(axis=axis))
    if not (moved > KEPT * width)[width > 0].any():
        return narrow
    lost = (np.asarray(np.abs(wide).max(axis=axis)) * np.finfo(np.float64).eps / 2 > KEPT * width) & (width > 0)
    if lost.any():
        at = int(np.flatnonzero(lost)[0])
        which = f" (column {at})" if lost.ndim else ""
        raise DataError(
            f"{label}{which} lies near {np.abs(wide).max():.3g} and spreads over {width.flat[at]:.3g} only, which "
            "even float64 cannot tell apart: subtract a constant from it, or leave it out"
        )
    return wide


def tell_columns(rows: Development, data: Data) -> dict[str, Any]:
    """Return what `sweep.json` stores about the contents of a user's own file, as sentences."""
    facts: dict[str, Any] = {"notes": list(rows.notes)} if rows.notes else {}
    if not isinstance(data, OwnData) or rows.images:
        return facts
    columns, warnings = rows.columns or [Column(str(at), 1) for at in range(rows.inputs.shape[1])], []
    if rows.columns:
        facts["inputs"] = describe_columns(columns)
    if isinstance(data, CsvData) and (names := identifiers(columns, rows.inputs)):
        way_out = list_override("data.drop", [*data.drop, *names])
        warnings.append(
            f"{_hold(names)} whole numbers that all differ, as identifiers do; to leave them out: {way_out}"
        )
    constant = rows.inputs.min(axis=0) == rows.inputs.max(axis=0)
    if names := [each.name for each, features in column_slices(columns) if constant[features].all()]:
        warnings.append(f"{_hold(names)} one value in every development row: nothing can be learned from that")
    return facts | ({"warnings": warnings} if warnings else {})


def _hold(names: list[str]) -> str:
    return f"{plural(len(names), 'column')} {name_columns(names)} {plural(len(names), 'holds', 'hold')}"
