"""What a data set is once it has been read: rows of inputs and targets."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpsearch.config.data import CsvData, Data, OwnData
from hpsearch.errors import HpsearchError
from hpsearch.formatting import plural
from hpsearch.quoting import list_override
from hpsearch.records import Task

SHOWN = 8
"""Columns that are named; of more, the rest are counted."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is an input.

    Attributes:
        name: In the header.
        width: How many numbers it is to the network: 1, or one for each category of text.
        categories: The words of a column of text, in the order of its numbers; empty for numbers.
    """

    name: str
    width: int
    categories: tuple[str, ...] = ()


def name_columns(names: Sequence[str]) -> str:
    """`area`, or `area, rooms, … 3 more`."""
    more = [f"… {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join([*names[:SHOWN], *more])


def describe_columns(columns: Sequence[Column]) -> str:
    """`area, rooms, city (3 categories) → 5 numbers`."""
    named = [f"{each.name} ({each.width} categories)" if each.width > 1 else each.name for each in columns]
    width = sum(each.width for each in columns)
    return f"{name_columns(named)} → {width:,} number{'s' if width > 1 else ''}"


def constants(columns: Sequence[Column], inputs: np.ndarray) -> list[str]:
    """The columns that hold one value throughout.

    Args:
        columns: All that are inputs, in their order.
        inputs: (N, D) rows that a search may see; D is the sum of their widths.
    """
    same = inputs.min(axis=0) == inputs.max(axis=0)
    starts = np.cumsum([0, *(each.width for each in columns)])
    return [each.name for each, start in zip(columns, starts, strict=False) if same[start : start + each.width].all()]


def identifiers(columns: Sequence[Column], inputs: np.ndarray) -> list[str]:
    """The columns of whole numbers that all differ, as row numbers do.

    Args:
        columns: All that are inputs, in their order.
        inputs: (N, D) rows that a search may see; D is the sum of their widths.
    """
    starts = np.cumsum([0, *(each.width for each in columns)])
    found = []
    for each, start in zip(columns, starts, strict=False):
        values = inputs[:, start]
        if each.width == 1 and bool((values == np.round(values)).all()) and len(np.unique(values)) == len(values):
            found.append(each.name)
    return found


class DataError(HpsearchError):
    """A data set that cannot be used; the message names file or key, what was expected and found, and the way out."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """N rows of a data set.

    Attributes:
        name: Of the data set; differs for the packaged and the full MNIST.
        task: What is predicted.
        inputs: (N, channels, height, width) images, uint8 or floats, or (N, D) float features. Floats are float32, or
            float64 where a user's own numbers need it, see `as_floats`.
        targets: (N,) int64 in 0 … C-1, or (N, T) floats for regression.
        classes: C; 0 for regression.
        class_names: The C names in the order of the class numbers; empty for regression.
        autoencoder: Whether the targets are the inputs, flattened to (N, T).
        columns: What the inputs are made of, of a user's own table; empty for others.
        notes: What was recognized in a user's own file and must be said: one sentence each.
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
        """N."""
        return len(self.inputs)

    @property
    def images(self) -> bool:
        """Whether a row is an image: one scale for all pixels, where features have one each."""
        return self.inputs.ndim == 4

    @property
    def strata(self) -> np.ndarray | None:
        """(N,) class numbers to stratify by; None for regression."""
        return self.targets if self.classes else None


@dataclass(frozen=True, slots=True, eq=False)
class Development(Rows):
    """The rows that a search may see; `digest` is the SHA-256 of their content."""

    digest: str = field(kw_only=True)


def take(rows: Rows, index: np.ndarray) -> Rows:
    """The rows with these numbers, in this order."""
    return Rows(**_values(rows) | {"inputs": rows.inputs[index], "targets": rows.targets[index]})


def reconstructed(rows: Rows) -> Rows:
    """The same rows as the task of an autoencoder: the targets are the inputs, flattened to (N, T) floats."""
    flat = rows.inputs.reshape(rows.n, -1).astype(np.result_type(rows.inputs, np.float32))
    changed = {"task": Task.REGRESSION, "targets": flat, "classes": 0, "class_names": (), "autoencoder": True}
    return Rows(**_values(rows) | changed)


def to_development(rows: Rows) -> Development:
    """The same rows with the digest of their content."""
    return Development(**_values(rows), digest=content_digest(rows))


def content_digest(rows: Rows) -> str:
    """SHA-256 of inputs and targets with their shapes, whatever the data set or its file is called."""
    sha = hashlib.sha256()
    for array in (rows.inputs, rows.targets):
        little = _canonical(array)
        sha.update(f"{little.dtype.str}{little.shape}".encode())
        sha.update(little.data)
    return sha.hexdigest()


def row_keys(inputs: np.ndarray) -> list[bytes]:
    """One hash for each of the N rows of inputs (N, …): equal rows have equal hashes."""
    flat = _canonical(inputs.reshape(len(inputs), -1))
    return [hashlib.blake2b(row.data, digest_size=16).digest() for row in flat]


def _values(rows: Rows) -> dict[str, Any]:
    return {f.name: getattr(rows, f.name) for f in dataclasses.fields(Rows)}


def _canonical(array: np.ndarray) -> np.ndarray:
    """Contiguous, little-endian, and without negative zeros."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return little + little.dtype.type(0) if little.dtype.kind == "f" else little


KEPT = 1e-6
"""Share of its range by which rounding may move a value."""


def as_floats(values: np.ndarray, label: str, *, together: bool = False) -> np.ndarray:
    """The same numbers as float32, or as float64 where float32 would lose what tells them apart.

    Numbers are scaled before they are trained on: 1700000000 and 1700000050 become 0 and 1, but only if they still
    differ then. float32 moves them by up to 64; a column whose values it moves by more than a millionth of their range
    stays float64.

    Args:
        values: (N,) or (N, …) finite real numbers, within the range of float32.
        label: Names the values in messages.
        together: Whether all have one range, as the pixels of images do; otherwise each column has its own.

    Raises:
        DataError: If float64 loses too much of a column, too.
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
    """What `sweep.json` keeps of the contents of a user's own file, as sentences."""
    found: dict[str, Any] = {"notes": list(rows.notes)} if rows.notes else {}
    if not isinstance(data, OwnData) or rows.images:
        return found
    columns, warnings = rows.columns or [Column(str(at), 1) for at in range(rows.inputs.shape[1])], []
    if rows.columns:
        found["inputs"] = describe_columns(columns)
    if isinstance(data, CsvData) and (names := identifiers(columns, rows.inputs)):
        way_out = list_override("data.drop", [*data.drop, *names])
        holds = _hold(names)
        warnings.append(f"{holds} whole numbers that all differ, as identifiers do; to leave them out: {way_out}")
    if names := constants(columns, rows.inputs):
        warnings.append(f"{_hold(names)} one value in every development row: nothing can be learned from that")
    return found | ({"warnings": warnings} if warnings else {})


def _hold(names: list[str]) -> str:
    return f"{plural(len(names), 'column')} {name_columns(names)} {plural(len(names), 'holds', 'hold')}"
