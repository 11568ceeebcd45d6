"""The sealed test set: the only code that touches its rows.

Before a claim is granted, the rows are only hashed: `SealedTest` shows their number, their digest, how many of them
occur in the development set, and which of them an earlier opening has shown.

Which rows are sealed: for MNIST, Fashion-MNIST, Kuzushiji-MNIST, USPS and CIFAR-10, the official test rows. For other
data sets, those that
`train_test_split(arange(N), test_size=max(1, round(share * N)), stratify=classes, random_state=TEST_STATE)` holds out,
stratified unless the task is a regression or an autoencoder of the user's data; they never depend on a sweep's seed.
With `data.groups` whole groups are held out, with `data.time` the latest rows, and with `data.test_path` the rows of
that file.
For a shipped data set they are the same whatever the configuration says, including `data.task=autoencoder`; the
packaged MNIST images are a data set of their own. For a user's own file, `data.target`, `data.task`,
`data.missing_target` and `data.test` change the rows; `data.drop`, `data.inputs` and all other options do not.

What identifies a test set when openings are counted, `SealedTest.digest`: for a shipped data set the content of the
sealed rows; for a user's own file the content of the whole file (`table_digest`, `npz_digest`), so that whatever is
sealed in one file is opened once, whatever is predicted, dropped or set aside; for images in a folder the contents of
all image files (`ImageFolder.digest`), whatever their names, labels and size. A copy of the file has the same content.
A file with one more row, one changed cell or a renamed column has another content and a seal of its own; rows that an
opening has shown are recognized in it, see `row_fingerprints`.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from hpsearch.config.data import Data, TaskChoice
from hpsearch.data.dataset import Development, Rows, content_digest, reconstructed, row_keys, to_development
from hpsearch.data.datasets import IdxTest, OfficialTest, Source, find_source
from hpsearch.data.mnist import read_raw, read_rows, records
from hpsearch.data.row_fingerprints import OpenedRows, image_cells, row_cells
from hpsearch.data.splits import draw, obstacle
from hpsearch.errors import DataError, HpsearchError
from hpsearch.seeding import Purpose, derive

MIN_ROWS = 5

SAME_FILE = (
    "it is counted for the content of the whole file: whatever is predicted (data.target, data.task), left out "
    "(data.drop) or set aside (data.test), it is the same file"
)

SAME_IMAGES = (
    "it is counted for the content of all image files: whatever their labels, their size (data.size) and color "
    "(data.color), or the share that is set aside (data.test), these are the same images"
)

TEST_STATE = derive(0, Purpose.TEST_SPLIT) % 2**32
"""The random state that selects the sealed rows, the same for all sweeps and seeds."""


class SealError(HpsearchError):
    """A test set may not be opened this way."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to read a sealed test set, granted before any of its rows is read.

    Attributes:
        digest: Digest of the test set it was granted for.
        opening: Number of this opening, from 1.
        claimant: Who requested it: run, user, host.
        granted_at: Time, ISO 8601 in UTC.
        purpose: Reason for the opening, or for a further one.
    """

    digest: str
    opening: int
    claimant: str
    granted_at: str
    purpose: str


class SealedTest:
    """A test set that cannot be read without a claim: it shows size, digest and duplicates, and cannot be pickled."""

    __slots__ = ("_cells", "_content", "_digest", "_duplicates", "_read", "_shared", "_size")

    def __init__(
        self,
        *,
        size: int,
        digest: str,
        duplicates: int,
        read: Callable[[], Rows],
        content: str | None = None,
        shared: str = SAME_FILE,
        cells: Callable[[], np.ndarray] = lambda: np.empty((0, 1), np.uint64),
    ) -> None:
        self._size = size
        self._digest = digest
        self._content = content
        self._shared = shared
        self._duplicates = duplicates
        self._read = read
        self._cells = cells

    @property
    def size(self) -> int:
        """Number of rows."""
        return self._size

    @property
    def digest(self) -> str:
        """SHA-256 by which openings are counted: of the rows, or of the whole file if it is the user's own."""
        return self._digest

    @property
    def content(self) -> str:
        """SHA-256 that a sweep depends on: of the rows, and also of the whole file if it is the user's own."""
        return self._content or self._digest

    @property
    def shared(self) -> str:
        """Sentence that says with what else openings are shared; empty if only with the same rows."""
        return "" if self._content is None else self._shared

    @property
    def duplicates(self) -> int:
        """Number of rows whose inputs also occur, bit for bit, in the development set."""
        return self._duplicates

    def among(self, openings: Sequence[OpenedRows]) -> list[np.ndarray]:
        """Return, for each opening of any test set, digests of the rows here that it has shown.

        The rows are hashed anew at each call; the hashes are not kept.
        """
        cells = self._cells()
        return [opened.among(cells) for opened in openings]

    def open(self, claim: Claim) -> Rows:
        """Return the rows.

        Raises:
            SealError: If the claim was granted for another test set.
            DataError: If the files have changed since they were sealed.
        """
        self._require(claim)
        return self._read()

    def opened(self, claim: Claim, development: Development) -> OpenedRows:
        """Return fingerprints of the rows that a claim opens, so that they can be recognized later.

        Args:
            claim: The claim.
            development: The development rows.

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
    """Return the rows that a search may see.

    Where there are official test files, such as those of MNIST, none of them is opened; for other data sets, the sealed
    rows are removed.

    Args:
        data: The data options.
        source: The located data set; None: locate it.

    Raises:
        DataError: If the data cannot be obtained, read or split.
    """
    source = source or find_source(data)
    rows = source.read()
    if isinstance(source.test, float):
        rows = source.taken(rows, _cut(rows, source.test)[0])
    return to_development(_as_asked(data, rows))


def _as_asked(data: Data, rows: Rows) -> Rows:
    return reconstructed(rows) if data.task is TaskChoice.AUTOENCODER and not rows.autoencoder else rows


def seal(data: Data, *, source: Source | None = None, development: Development | None = None) -> SealedTest | None:
    """Return the sealed test set, hashed but not decoded; None if there is none.

    Args:
        data: The data options.
        source: The located data set; None: locate it.
        development: The result of `load_development`; None: read it again to count duplicates.

    Raises:
        DataError: If the data cannot be obtained, read or split.
    """
    source = source or find_source(data)
    if source.test is None:
        return None
    development = development or load_development(data, source=source)
    development_keys = set(row_keys(development.inputs))
    if isinstance(source.test, IdxTest):
        return _seal_files(data, source.test, development_keys)
    if isinstance(source.test, OfficialTest):
        return _seal_official(data, source.test, development_keys)
    return _seal_share(data, source, source.test, development_keys)


def data_digest(development: Development, sealed: SealedTest | None) -> str:
    """Return the SHA-256 of both parts, and of everything else in a user's own file."""
    return _joined(development.digest, sealed.content if sealed else "-")


def _seal_files(data: Data, test: IdxTest, development_keys: set[bytes]) -> SealedTest:
    idx_set, root = test.idx_set, test.root
    images, labels = (read_raw(idx_set, file, root) for file in (idx_set.test_images, idx_set.test_labels))
    digest = hashlib.sha256(images.data)
    digest.update(labels.data)
    keys = row_keys(records(images))

    def read() -> Rows:
        return _as_asked(data, read_rows(idx_set, idx_set.test_images, idx_set.test_labels, root))

    def cells() -> np.ndarray:
        return image_cells(records(read_raw(idx_set, idx_set.test_images, root)))

    shared = _shared(keys, development_keys)
    return SealedTest(size=len(keys), digest=digest.hexdigest(), duplicates=shared, read=read, cells=cells)


def _seal_official(data: Data, test: OfficialTest, development_keys: set[bytes]) -> SealedTest:
    # each reading verifies the digests of the files: what is opened is what was sealed
    sealed = test.read()
    return SealedTest(
        size=sealed.n,
        digest=content_digest(sealed),
        duplicates=_shared(row_keys(sealed.inputs), development_keys),
        read=lambda: _as_asked(data, test.read()),
        cells=lambda: image_cells(test.read().inputs),
    )


def _seal_share(data: Data, source: Source, share: float, development_keys: set[bytes]) -> SealedTest:
    def cut_off() -> tuple[Rows, str, str | None]:
        rows = source.read()
        sealed = source.taken(rows, _cut(rows, share)[1])
        return sealed, content_digest(sealed), source.whole() if source.whole else None

    sealed, content, whole = cut_off()

    def read() -> Rows:
        rows, *digests = cut_off()
        if digests != [content, whole]:
            raise DataError(f"the file of {rows.name} has changed since its test set was sealed: restore it")
        return _as_asked(data, rows)

    def cells() -> np.ndarray:
        return row_cells(read())

    duplicates = _shared(row_keys(sealed.inputs), development_keys)
    if whole is None:
        return SealedTest(size=sealed.n, digest=content, duplicates=duplicates, read=read, cells=cells)
    both, shared = _joined(content, whole), SAME_IMAGES if source.decode else SAME_FILE
    return SealedTest(
        size=sealed.n, digest=whole, duplicates=duplicates, read=read, content=both, shared=shared, cells=cells
    )


def _joined(*digests: str) -> str:
    return hashlib.sha256("/".join(digests).encode()).hexdigest()


def _shared(keys: list[bytes], development_keys: set[bytes]) -> int:
    return sum(key in development_keys for key in keys)


def _cut(rows: Rows, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the row indices of the development set and of the sealed test set, both ascending."""
    if rows.test is not None:
        return np.flatnonzero(~rows.test), np.flatnonzero(rows.test)
    if rows.n < MIN_ROWS:
        raise DataError(f"{rows.name} has {rows.n} rows, at least {MIN_ROWS} are needed")
    size = max(1, round(share * rows.n))
    if size >= rows.n:
        raise DataError(f"data.test={share:g} of {rows.n} rows leaves none to develop with: lower it")
    if reason := obstacle(rows, np.arange(rows.n), size):
        raise DataError(
            f"{rows.name} cannot be split into development and sealed test rows: {reason}; add rows, merge or remove "
            "rare classes, or change data.test"
        )
    sealed, development = draw(rows, np.arange(rows.n), size, TEST_STATE)
    return development, sealed
