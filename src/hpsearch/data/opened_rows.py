"""Rows that an opening has shown: known again by their values wherever they turn up, and not to be read back.

A row of a table is known by its numbers (as float32) and words, target included, in no order: names and order of
columns, the way in which numbers are written and delimiters do not count. An image is known by its pixels, where they
stand.
"""

import hashlib
import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpsearch.data.columns import Column
from hpsearch.data.rows import Rows

COINCIDENCE = 0.01
"""Share of the opened rows that may turn up again without being taken for a second look."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedRows:
    """What is kept of the rows of one opening.

    Attributes:
        key: By which digests are keyed, so that those of two openings say nothing of each other.
        total: How many rows were opened.
        fresh: How many of them had values that no development row had; the others were known before.
        digests: (n,) uint64 of the fresh rows, sorted, each once: 8 bytes a row.
    """

    key: bytes
    total: int
    fresh: int
    digests: np.ndarray

    @classmethod
    def of(cls, sealed: Sequence[bytes], development: Iterable[bytes], key: bytes | None = None) -> "OpenedRows":
        """What is kept of sealed rows, given the `row_values` of both parts; a key of its own unless one is given."""
        key, known = key or secrets.token_bytes(16), set(development)
        fresh = [value for value in sealed if value not in known]
        return cls(key, len(sealed), len(fresh), np.unique(_keyed(fresh, key)))

    def among(self, values: Sequence[bytes]) -> np.ndarray:
        """(m,) digests of those rows, given by their `row_values`, that were opened."""
        keyed = _keyed(values, self.key)
        found: np.ndarray = keyed[np.isin(keyed, self.digests)]
        return found

    def recur(self, found: np.ndarray) -> bool:
        """Whether a data set with these rows of ours gives a second look at them.

        In tables of few distinct rows some turn up in any data of that kind. How many, the opening has measured: it is
        the share of its rows that development rows equalled. More than that, and than `COINCIDENCE`, is no chance.
        """
        chance = max(COINCIDENCE, 1 - self.fresh / self.total)
        return len(np.unique(found)) > chance * len(self.digests)

    def tree(self) -> dict[str, Any]:
        """As JSON keeps it."""
        digests = self.digests.astype(">u8").tobytes().hex()
        return {"key": self.key.hex(), "total": self.total, "fresh": self.fresh, "digests": digests}

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> "OpenedRows":
        """What `tree` gave.

        Raises:
            ValueError, KeyError, TypeError: If it is anything else.
        """
        digests = np.frombuffer(bytes.fromhex(tree["digests"]), ">u8").astype(np.uint64)
        return cls(bytes.fromhex(tree["key"]), int(tree["total"]), int(tree["fresh"]), digests)


def row_values(rows: Rows) -> list[bytes]:
    """A digest of the values of each of the N rows, see the top of this file: 16 bytes, not keyed."""
    if rows.images:
        return image_values(rows.inputs)
    numbers, words = _parts(rows)
    together = np.sort(np.concatenate(numbers, axis=1).astype("<f4") + np.float32(0), axis=1)  # no negative zeros
    texts = ["\0".join(sorted(row)) for row in zip(*words, strict=True)] if words else [""] * rows.n
    return [
        _digest(row.tobytes() + b"|" + text.encode(errors="surrogatepass"))
        for row, text in zip(together, texts, strict=True)
    ]


def image_values(images: np.ndarray) -> list[bytes]:
    """The same of N images (N, …), whatever the type of their pixels."""
    return [_digest((row.astype("<f4") + np.float32(0)).tobytes()) for row in images.reshape(len(images), -1)]


def _parts(rows: Rows) -> tuple[list[np.ndarray], list[list[str]]]:
    """Columns of numbers, (N, …) each, and columns of N words."""
    columns = rows.columns or tuple(Column("", 1) for _ in range(rows.inputs.shape[1]))
    starts = np.cumsum([0, *(column.width for column in columns)])
    numeric = [start for column, start in zip(columns, starts, strict=False) if not column.categories]
    numbers, words = [rows.inputs[:, numeric]], []
    for column, start in zip(columns, starts, strict=False):
        if column.categories:
            chosen = rows.inputs[:, start : start + column.width].argmax(axis=1)
            words.append([column.categories[at] for at in chosen])
    if rows.classes:
        labels = [_number(name) for name in rows.class_names]
        if None in labels:
            words.append([rows.class_names[at] for at in rows.targets])
        else:
            numbers.append(np.array(labels, np.float64)[rows.targets][:, None])
    elif not rows.autoencoder:
        numbers.append(rows.targets)
    return numbers, words


def _number(name: str) -> float | None:
    try:
        number = float(name)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _keyed(values: Sequence[bytes], key: bytes) -> np.ndarray:
    digests = b"".join(hashlib.blake2b(value, digest_size=8, key=key).digest() for value in values)
    return np.frombuffer(digests, ">u8").astype(np.uint64)
