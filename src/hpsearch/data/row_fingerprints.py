"""Fingerprints of the rows that an opening has shown: they recognize the rows in other data, and cannot be inverted.

A row of a table is a set of cells: its numbers (as float32) and words, including the target. Names and order of
columns, number formats and delimiters do not count. An image is one cell: its pixels in place.

The cells of a row are ordered by their hashes, and the row is identified by its two ends, the first and the last few
cells: as few as distinguish the rows of its table. Adding or removing a column changes an end only if one of its own
cells is part of it, so most ends survive as long as most columns do.
"""

import hashlib
import math
import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpsearch.data.dataset import ColumnKind, Rows, columns_of

COINCIDENCE = 0.01
"""Share of an opening's digests that may recur by chance without counting as a second look."""

COMMON = 0.05
"""Largest share of ends that may also occur in development rows; above it, ends take more cells."""

_BLOCK = 2**16
"""Number of rows whose cells are sorted at once, which takes several times their memory."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedRows:
    """What is stored about the rows of one opening.

    Attributes:
        key: Key of the digests, so that those of two openings cannot be compared.
        size: Number of cells of an end.
        total: Number of ends of the opened rows: two per row, or one where the end is the whole row.
        fresh: Number of those that no development row had; the others were known before.
        digests: Shape (n,) uint64, the distinct fresh ends, ascending: 8 bytes each.
    """

    key: bytes
    size: int
    total: int
    fresh: int
    digests: np.ndarray

    @classmethod
    def of(cls, sealed: np.ndarray, development: np.ndarray) -> "OpenedRows":
        """Fingerprint sealed rows, given the `row_cells` of the sealed and of the development rows."""
        columns = sealed.shape[1]
        size = min(2, columns)
        fresh = _fresh(sealed, development, size)
        while size < columns and fresh.mean() < 1 - COMMON:
            size = min(columns, size + (size + 1) // 2)
            fresh = _fresh(sealed, development, size)
        key, ends = secrets.token_bytes(16), _ends(sealed, size)
        return cls(key, size, ends.size, int(fresh.sum()), np.unique(_keyed(ends[fresh], key)))

    def among(self, cells: np.ndarray) -> np.ndarray:
        """Return the digests (m, ends) of those rows, given by their `row_cells`, that were opened."""
        ends = _ends(cells, self.size)
        keyed = _keyed(ends.ravel(), self.key).reshape(ends.shape)
        opened: np.ndarray = keyed[np.isin(keyed, self.digests).any(axis=1)]
        return opened

    def recur(self, found: np.ndarray) -> bool:
        """Return whether a data set for which `among` returned these digests gives a second look at the opened rows.

        In tables with few distinct rows, some recur in any data of the same kind. The opening has measured how many: it
        is the share of its ends that development rows had; the square root leaves room for larger data sets. More than
        three standard deviations above that share, or above `COINCIDENCE`, is not chance.
        """
        chance, kept = max(COINCIDENCE, math.sqrt(1 - self.fresh / self.total)), len(self.digests)
        again = int(np.isin(self.digests, found).sum())
        return again > chance * kept + 3 * math.sqrt(chance * (1 - chance) * kept)

    def tree(self) -> dict[str, Any]:
        """Return the fingerprints as JSON values."""
        digests = self.digests.astype(">u8").tobytes().hex()
        return {"key": self.key.hex(), "size": self.size, "total": self.total, "fresh": self.fresh, "digests": digests}

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> "OpenedRows":
        """Return the fingerprints that `tree` wrote.

        Raises:
            ValueError, KeyError, TypeError: If the tree is malformed.
        """
        digests = np.frombuffer(bytes.fromhex(tree["digests"]), ">u8").astype(np.uint64)
        size, total, fresh = (int(tree[name]) for name in ("size", "total", "fresh"))
        return cls(bytes.fromhex(tree["key"]), size, total, fresh, digests)


def row_cells(rows: Rows) -> np.ndarray:
    """Return the ordered cell hashes of each row, shape (N, cells) uint64, without a key; see the module docstring.

    A value that occurs several times in a row counts as different cells: its first, second, … occurrence.
    """
    if rows.images:
        return image_cells(rows.inputs)
    numbers, words = _parts(rows)
    blocks = []
    for start in range(0, rows.n, _BLOCK):
        block = slice(start, start + _BLOCK)
        hashes = [*(_hashed(each[block]) for each in numbers), *(each[block, None] for each in words)]
        blocks.append(_ordered(np.concatenate(hashes, axis=1)))
    return np.concatenate(blocks)


def image_cells(images: np.ndarray) -> np.ndarray:
    """Return the cell hashes of N images (N, …), shape (N, 1) uint64, independent of the pixels' type."""
    digests = [_digest((row.astype("<f4") + np.float32(0)).tobytes()) for row in images.reshape(len(images), -1)]
    return np.array(digests, np.uint64)[:, None]


def _parts(rows: Rows) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return columns of numbers, (N, …) each, and columns of the hashes of N words."""
    columns = columns_of(rows)
    kinds = np.array([column.kind is ColumnKind.CATEGORY for column in columns])
    numbers = [rows.inputs[:, ~kinds]]
    words = [
        # a missing word is the empty one
        _words((*column.categories, ""))[np.where(np.isnan(cells), len(column.categories), cells).astype(np.int64)]
        for column, cells in zip(columns, rows.inputs.T, strict=True)
        if column.kind is ColumnKind.CATEGORY
    ]
    if rows.classes:
        labels = [_number(name) for name in rows.class_names]
        if None in labels:
            words.append(_words(rows.class_names)[rows.targets])
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


def _words(words: tuple[str, ...]) -> np.ndarray:
    return np.array([_digest(word.encode(errors="surrogatepass")) for word in words], np.uint64)


def _hashed(numbers: np.ndarray) -> np.ndarray:
    """Return hashes of numbers as float32, without negative zeros."""
    return _mixed((numbers.astype(np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64))


def _ordered(cells: np.ndarray) -> np.ndarray:
    """Sort the cells of each row, with repeated values made distinct."""
    cells = np.sort(cells, axis=1)
    at = np.arange(cells.shape[1])
    first = np.zeros(cells.shape, np.int64)
    first[:, 1:] = np.where(cells[:, 1:] != cells[:, :-1], at[1:], 0)
    nth = (at - np.maximum.accumulate(first, axis=1)).astype(np.uint64)
    return np.sort(_mixed(cells + nth), axis=1)


def _ends(cells: np.ndarray, size: int) -> np.ndarray:
    """Return hashes of the first and the last cells, (N, 2); (N, 1) if these are all cells, (N, 0) if fewer exist."""
    columns = cells.shape[1]
    ends = np.empty((len(cells), max(0, min(2, columns - size + 1))), np.uint64)
    for end, start in enumerate((0, columns - size)[: ends.shape[1]]):
        ends[:, end] = 0
        for at in range(start, start + size):
            ends[:, end] = _mixed(ends[:, end] + cells[:, at])
    return ends


def _fresh(sealed: np.ndarray, development: np.ndarray, size: int) -> np.ndarray:
    """Return for each end of the sealed rows whether no development row has it."""
    return np.isin(_ends(sealed, size), _ends(development, size), invert=True)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Apply SplitMix64 to uint64 values: a bijection whose results are in random order."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


def _digest(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def _keyed(ends: np.ndarray, key: bytes) -> np.ndarray:
    """Return keyed digests (n,) of ends (n,)."""
    data = ends.astype(">u8").tobytes()
    digests = (hashlib.blake2b(data[at : at + 8], digest_size=8, key=key).digest() for at in range(0, len(data), 8))
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)
