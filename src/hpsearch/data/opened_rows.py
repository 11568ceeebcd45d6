"""Rows that an opening has shown: known again by their values wherever they turn up, and not to be read back.

A row of a table is a set of cells: its numbers (as float32) and words, target included. Names and order of columns, the
way in which numbers are written and delimiters do not count. An image is one cell: its pixels, where they stand.

The cells of a row stand in the order of their hashes, and the row is known by its two ends, the first and the last few
cells: as few as tell the rows of its table apart. A column that is left out or added later changes an end only where
one of its own cells stood there, or stands there now: most ends stay, as long as most columns do.
"""

import hashlib
import math
import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpsearch.data.dataset import Column, Rows

COINCIDENCE = 0.01
"""Share of what is kept of an opening that may turn up again without being taken for a second look."""

COMMON = 0.05
"""Share of ends that development rows may have too; where it is more, ends are made of more cells."""

_BLOCK = 2**16
"""Rows whose cells are put in order at once, which takes several times their memory."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenedRows:
    """What is kept of the rows of one opening.

    Attributes:
        key: By which digests are keyed, so that those of two openings say nothing of each other.
        size: Of how many cells an end is made.
        total: How many ends the opened rows had: two a row, or one where the end is the whole row.
        fresh: How many of them no development row had; the others were known before.
        digests: (n,) uint64 of the fresh ends, sorted, each once: 8 bytes an end.
    """

    key: bytes
    size: int
    total: int
    fresh: int
    digests: np.ndarray

    @classmethod
    def of(cls, sealed: np.ndarray, development: np.ndarray) -> "OpenedRows":
        """What is kept of sealed rows, given the `row_cells` of both parts."""
        columns = sealed.shape[1]
        size = min(2, columns)
        fresh = _fresh(sealed, development, size)
        while size < columns and fresh.mean() < 1 - COMMON:
            size = min(columns, size + (size + 1) // 2)
            fresh = _fresh(sealed, development, size)
        key, ends = secrets.token_bytes(16), _ends(sealed, size)
        return cls(key, size, ends.size, int(fresh.sum()), np.unique(_keyed(ends[fresh], key)))

    def among(self, cells: np.ndarray) -> np.ndarray:
        """(m, ends) digests of those rows, given by their `row_cells`, that were opened."""
        ends = _ends(cells, self.size)
        keyed = _keyed(ends.ravel(), self.key).reshape(ends.shape)
        found: np.ndarray = keyed[np.isin(keyed, self.digests).any(axis=1)]
        return found

    def recur(self, found: np.ndarray) -> bool:
        """Whether a data set with these rows of ours gives a second look at them.

        In tables of few distinct rows some turn up in any data of that kind. How many, the opening has measured: it is
        the share of its ends that development rows had. Its root leaves room for data sets that hold more rows than
        those. Three standard deviations more than that, or than `COINCIDENCE`, is no chance.
        """
        chance, kept = max(COINCIDENCE, math.sqrt(1 - self.fresh / self.total)), len(self.digests)
        again = int(np.isin(self.digests, found).sum())
        return again > chance * kept + 3 * math.sqrt(chance * (1 - chance) * kept)

    def tree(self) -> dict[str, Any]:
        """As JSON keeps it."""
        digests = self.digests.astype(">u8").tobytes().hex()
        return {"key": self.key.hex(), "size": self.size, "total": self.total, "fresh": self.fresh, "digests": digests}

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> "OpenedRows":
        """What `tree` gave.

        Raises:
            ValueError, KeyError, TypeError: If it is anything else.
        """
        digests = np.frombuffer(bytes.fromhex(tree["digests"]), ">u8").astype(np.uint64)
        size, total, fresh = (int(tree[name]) for name in ("size", "total", "fresh"))
        return cls(bytes.fromhex(tree["key"]), size, total, fresh, digests)


def row_cells(rows: Rows) -> np.ndarray:
    """(N, cells) uint64, the hashes of the cells of each row in their order, see the top of this file; not keyed.

    A value that a row holds several times is as many different cells: the first, second, … of that value.
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
    """(N, 1), the same of N images (N, …), whatever the type of their pixels."""
    digests = [_digest((row.astype("<f4") + np.float32(0)).tobytes()) for row in images.reshape(len(images), -1)]
    return np.array(digests, np.uint64)[:, None]


def _parts(rows: Rows) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Columns of numbers, (N, …) each, and columns of the hashes of N words."""
    columns = rows.columns or tuple(Column("", 1) for _ in range(rows.inputs.shape[1]))
    starts = np.cumsum([0, *(column.width for column in columns)])
    numeric = [start for column, start in zip(columns, starts, strict=False) if not column.categories]
    numbers, words = [rows.inputs[:, numeric]], []
    for column, start in zip(columns, starts, strict=False):
        if column.categories:
            chosen = rows.inputs[:, start : start + column.width].argmax(axis=1)
            words.append(_words(column.categories)[chosen])
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
    """Hashes of numbers as float32, without negative zeros."""
    return _mixed((numbers.astype(np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64))


def _ordered(cells: np.ndarray) -> np.ndarray:
    """The cells of each row in their order, with those of equal values told apart."""
    cells = np.sort(cells, axis=1)
    at = np.arange(cells.shape[1])
    first = np.zeros(cells.shape, np.int64)
    first[:, 1:] = np.where(cells[:, 1:] != cells[:, :-1], at[1:], 0)
    nth = (at - np.maximum.accumulate(first, axis=1)).astype(np.uint64)
    return np.sort(_mixed(cells + nth), axis=1)


def _ends(cells: np.ndarray, size: int) -> np.ndarray:
    """(N, 2) hashes of the first and the last cells; (N, 1) if these are all there are, (N, 0) if there are fewer."""
    columns = cells.shape[1]
    ends = np.empty((len(cells), max(0, min(2, columns - size + 1))), np.uint64)
    for end, start in enumerate((0, columns - size)[: ends.shape[1]]):
        ends[:, end] = 0
        for at in range(start, start + size):
            ends[:, end] = _mixed(ends[:, end] + cells[:, at])
    return ends


def _fresh(sealed: np.ndarray, development: np.ndarray, size: int) -> np.ndarray:
    """Whether no development row has the end, for each of the sealed rows' ends."""
    return np.isin(_ends(sealed, size), _ends(development, size), invert=True)


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64 of uint64 values: one to one, and in no order of theirs."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


def _digest(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def _keyed(ends: np.ndarray, key: bytes) -> np.ndarray:
    """(n,) keyed digests of (n,) ends."""
    data = ends.astype(">u8").tobytes()
    digests = (hashlib.blake2b(data[at : at + 8], digest_size=8, key=key).digest() for at in range(0, len(data), 8))
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)
