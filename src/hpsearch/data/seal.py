"""The sealed test set: the only code that touches its rows.

Before a claim is granted, the rows are hashed and nothing else: `SealedTest` shows their number, their digest, how
many of them occur in the development set, and which of them an earlier opening has shown.

Which rows are sealed: the official ones of MNIST and Fashion-MNIST. Of other data sets, those that
`train_test_split(arange(N), test_size=max(1, round(share * N)), stratify=classes, random_state=TEST_STATE)` puts aside,
stratified unless it is a regression or an autoencoder of one's own: never a matter of a sweep's seed. Of a shipped data
set they are the same whatever the configuration says, `data.task=autoencoder` included; the packaged MNIST images are
a data set of their own. Of a user's own file `data.target`, `data.task` and `data.test` draw other rows; `data.drop`,
`data.inputs` and all other keys do not.

What openings are counted by, `SealedTest.digest`: of a shipped data set the content of the sealed rows; of a user's own
file the content of the whole file (`csv_digest`, `npz_digest`), so that all that is sealed in one file is opened once,
whatever is predicted, left out or set aside. A copy of the file is the same content. A file with one more row, one
changed cell or a renamed column is another content with a seal of its own; the rows that an opening has shown are
known again in it, see `opened_rows`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from hpsearch.config.data import Data, TaskChoice
from hpsearch.data.dataset import (
    DataError,
    Development,
    Rows,
    content_digest,
    reconstructed,
    row_keys,
    take,
    to_development,
)
from hpsearch.data.datasets import IdxTest, Source, find_source
from hpsearch.data.mnist import read_raw, read_rows, records
from hpsearch.data.opened_rows import OpenedRows, image_cells, row_cells
from hpsearch.data.splits import draw, obstacle
from hpsearch.errors import HpsearchError
from hpsearch.seeding import Purpose, derive

__all__ = ["Claim", "Development", "SealError", "SealedTest", "data_digest", "load_development", "seal"]

MIN_ROWS = 5

SAME_FILE = (
    "it is counted for the content of the whole file: whatever is predicted (data.target, data.task), left out "
    "(data.drop) or set aside (data.test), it is the same file"
)

TEST_STATE = derive(0, Purpose.TEST_SPLIT) % 2**32
"""The random state that cuts off sealed rows, the same for all sweeps and seeds."""


class SealError(HpsearchError):
    """A test set that may not be opened this way."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to read a sealed test set, granted before any of its rows is read.

    Attributes:
        digest: Of the test set it was granted for.
        opening: Number of this opening, from 1.
        claimant: Who asked: run, user, host.
        granted_at: When, ISO 8601 in UTC.
        purpose: What for, or why once more.
    """

    digest: str
    opening: int
    claimant: str
    granted_at: str
    purpose: str


class SealedTest:
    """A test set that nobody looks into: it shows size, digest and duplicates, and cannot be copied to a process."""

    __slots__ = ("_cells", "_content", "_digest", "_duplicates", "_read", "_size")

    def __init__(  # what is known of rows that nobody sees
        self,
        *,
        size: int,
        digest: str,
        duplicates: int,
        read: Callable[[], Rows],
        content: str | None = None,
        cells: Callable[[], np.ndarray] = lambda: np.empty((0, 1), np.uint64),
    ) -> None:
        self._size = size
        self._digest = digest
        self._content = content
        self._duplicates = duplicates
        self._read = read
        self._cells = cells

    @property
    def size(self) -> int:
        """Number of rows."""
        return self._size

    @property
    def digest(self) -> str:
        """SHA-256 by which openings are counted: of the rows, or of the whole file if it is a user's own."""
        return self._digest

    @property
    def content(self) -> str:
        """SHA-256 of what a sweep depends on: of the rows; of them and the whole file if it is a user's own."""
        return self._content or self._digest

    @property
    def shared(self) -> str:
        """The sentence about who shares the openings where that is more than those who have the same rows."""
        return "" if self._content is None else SAME_FILE

    @property
    def duplicates(self) -> int:
        """Number of rows whose inputs also occur, bit for bit, in the development set."""
        return self._duplicates

    def among(self, openings: Sequence[OpenedRows]) -> list[np.ndarray]:
        """Digests of those rows that each of these openings, of any test set, has shown; hashed anew, and not kept."""
        cells = self._cells()
        return [opened.among(cells) for opened in openings]

    def open(self, claim: Claim) -> Rows:
        """The rows.

        Raises:
            SealError: If the claim was granted for another test set.
            DataError: If the files have changed since they were sealed.
        """
        self._require(claim)
        return self._read()

    def opened(self, claim: Claim, development: Development) -> OpenedRows:
        """What is kept of the rows that a claim opens, so that they are known again.

        Raises:
            SealError: If the claim was granted for another test set.
        """
        self._require(claim)
        return OpenedRows.of(self._cells(), row_cells(development))

    def _require(self, claim: Claim) -> None:
        if claim.digest != self._digest:
            raise SealError(
                f"the claim was granted for test set {claim.digest[:12]}, this is {self._digest[:12]}: "
                "claim this one, or restore the data that the claim was granted for"
            )

    def __repr__(self) -> str:
        return f"SealedTest(size={self._size}, digest={self._digest[:12]}, duplicates={self._duplicates})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a sealed test set stays in the process that sealed it")


def load_development(data: Data, *, source: Source | None = None) -> Development:
    """The rows that a search may see.

    Of MNIST and Fashion-MNIST, no file of the test set is opened; of other sets, the sealed rows are cut off.

    Args:
        data: What was configured.
        source: Where it was found; None: it is looked for.

    Raises:
        DataError: If the data cannot be had, read or split.
    """
    source = source or find_source(data)
    rows = source.read()
    if isinstance(source.test, float):
        rows = take(rows, _cut(rows, source.test)[0])
    return to_development(_as_asked(data, rows))


def _as_asked(data: Data, rows: Rows) -> Rows:
    return reconstructed(rows) if data.task is TaskChoice.AUTOENCODER and not rows.autoencoder else rows


def seal(data: Data, *, source: Source | None = None, development: Development | None = None) -> SealedTest | None:
    """The sealed test set, hashed and not decoded; None where there is none.

    Args:
        data: What was configured.
        source: Where it was found; None: it is looked for.
        development: As `load_development` gave it; None: it is read again to count duplicates.

    Raises:
        DataError: If the data cannot be had, read or split.
    """
    source = source or find_source(data)
    if source.test is None:
        return None
    development = development or load_development(data, source=source)
    known = set(row_keys(development.inputs))
    if isinstance(source.test, IdxTest):
        return _seal_files(data, source.test, known)
    return _seal_share(data, source, source.test, known)


def data_digest(development: Development, sealed: SealedTest | None) -> str:
    """SHA-256 that covers both parts, and all else that a user's own file holds."""
    return _joined(development.digest, sealed.content if sealed else "-")


def _seal_files(data: Data, test: IdxTest, known: set[bytes]) -> SealedTest:
    idx_set, root = test.idx_set, test.root
    images, labels = (read_raw(idx_set, file, root) for file in (idx_set.test_images, idx_set.test_labels))
    digest = hashlib.sha256(images.data)
    digest.update(labels.data)
    keys = row_keys(records(images))

    def read() -> Rows:
        return _as_asked(data, read_rows(idx_set, idx_set.test_images, idx_set.test_labels, root))

    def cells() -> np.ndarray:
        return image_cells(records(read_raw(idx_set, idx_set.test_images, root)))

    shared = _shared(keys, known)
    return SealedTest(size=len(keys), digest=digest.hexdigest(), duplicates=shared, read=read, cells=cells)


def _seal_share(data: Data, source: Source, share: float, known: set[bytes]) -> SealedTest:
    def cut_off() -> tuple[Rows, str, str | None]:
        rows = source.read()
        sealed = take(rows, _cut(rows, share)[1])
        return sealed, content_digest(sealed), source.whole() if source.whole else None

    sealed, content, whole = cut_off()

    def read() -> Rows:
        rows, *found = cut_off()
        if found != [content, whole]:
            raise DataError(f"the file of {rows.name} has changed since its test set was sealed: restore it")
        return _as_asked(data, rows)

    def cells() -> np.ndarray:
        return row_cells(read())

    duplicates = _shared(row_keys(sealed.inputs), known)
    if whole is None:
        return SealedTest(size=sealed.n, digest=content, duplicates=duplicates, read=read, cells=cells)
    both = _joined(content, whole)
    return SealedTest(size=sealed.n, digest=whole, duplicates=duplicates, read=read, content=both, cells=cells)


def _joined(*digests: str) -> str:
    return hashlib.sha256("/".join(digests).encode()).hexdigest()


def _shared(keys: list[bytes], known: set[bytes]) -> int:
    return sum(key in known for key in keys)


def _cut(rows: Rows, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of the development set and of the sealed test set, both ascending."""
    if rows.n < MIN_ROWS:
        raise DataError(f"{rows.name} has {rows.n} rows, at least {MIN_ROWS} are needed")
    size = max(1, round(share * rows.n))
    if size >= rows.n:
        raise DataError(f"data.test={share:g} of {rows.n} rows leaves none to develop with: lower it")
    if rows.strata is not None and (reason := obstacle(rows.strata, size, rows.class_names)):
        raise DataError(
            f"{rows.name} cannot be split into development and sealed test rows: {reason}; add rows, merge or remove "
            "rare classes, or change data.test"
        )
    sealed, development = draw(np.arange(rows.n), size, TEST_STATE, rows.strata)
    return development, sealed
