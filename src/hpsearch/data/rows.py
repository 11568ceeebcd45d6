"""What a data set is once it has been read: rows of inputs and targets."""

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpsearch.data.columns import Column
from hpsearch.errors import HpsearchError
from hpsearch.records import Task


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
