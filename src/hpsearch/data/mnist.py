"""MNIST and Fashion-MNIST: IDX files in torchvision's folder layout, verified by digest before use.

The IDX format (LeCun, Cortes, Burges 1998): a big-endian header of 4 bytes, of which the last is the number of axes,
then 4 bytes per axis for its length, then the values, here one unsigned byte each.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from hpsearch.data import download
from hpsearch.data.dataset import Rows
from hpsearch.data.download import DamagedError, Digest, Mirrors, NoMirrorError, check, unpack
from hpsearch.errors import DataError
from hpsearch.records import Task


@dataclass(frozen=True, slots=True)
class IdxSet:
    """A data set of four IDX files.

    Attributes:
        name: Name of the data set.
        folder: Folder below the data root, as torchvision names it.
        train_images, train_labels: The development files, uncompressed.
        test_images, test_labels: The files of the sealed test set, uncompressed.
        class_names: Names in the order of the labels.
        mirrors: Where to download missing files.
        way_out: Advice for the case that no mirror has them.
    """

    name: str
    folder: str
    train_images: Digest
    train_labels: Digest
    test_images: Digest
    test_labels: Digest
    class_names: tuple[str, ...]
    mirrors: Mirrors
    way_out: str

    @property
    def files(self) -> tuple[Digest, ...]:
        """All four files."""
        return self.train_images, self.train_labels, self.test_images, self.test_labels


def torchvision_mirrors(name: str) -> Callable[[], tuple[str, ...]]:
    """Return a function that returns the folders from which torchvision downloads the files of its class `name`."""

    def urls() -> tuple[str, ...]:
        from torchvision import datasets  # noqa: PLC0415 - takes seconds, and only a download needs it

        kind = getattr(datasets, name)
        if hasattr(kind, "mirrors"):
            return tuple(kind.mirrors)
        file = kind.split_list["train"][0] if hasattr(kind, "split_list") else kind.url
        return (f"{file.rpartition('/')[0]}/",)

    return urls


MNIST = IdxSet(
    name="mnist",
    folder="MNIST/raw",
    train_images=Digest(
        "train-images-idx3-ubyte", 47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    train_labels=Digest(
        "train-labels-idx1-ubyte", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    test_images=Digest(
        "t10k-images-idx3-ubyte", 7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    test_labels=Digest(
        "t10k-labels-idx1-ubyte", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
    class_names=tuple("0123456789"),
    mirrors=Mirrors(torchvision_mirrors("MNIST")),
    way_out="put it there, or set data.packaged=always for the 5,000 packaged images",
)

FASHION = IdxSet(
    name="fashion",
    folder="FashionMNIST/raw",
    train_images=Digest(
        "train-images-idx3-ubyte", 47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    train_labels=Digest(
        "train-labels-idx1-ubyte", 60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    test_images=Digest(
        "t10k-images-idx3-ubyte", 7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    test_labels=Digest(
        "t10k-labels-idx1-ubyte", 10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
    class_names=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    mirrors=Mirrors(torchvision_mirrors("FashionMNIST")),
    way_out="put it there, or choose another data set, such as data=mnist",
)  # fmt: skip


def data_root() -> Path:
    """Return the folder of cached data sets: `HPSEARCH_DATA`, or `data` in the working directory."""
    return Path(os.environ.get("HPSEARCH_DATA") or "data").expanduser()


def cached(idx_set: IdxSet, root: Path) -> bool:
    """Return whether any of the four files exists, compressed or not, valid or not; none is opened."""
    folder = root / idx_set.folder
    return any((folder / f"{file.name}{end}").exists() for file in idx_set.files for end in ("", ".gz"))


def read_raw(idx_set: IdxSet, file: Digest, root: Path) -> np.ndarray:
    """Return the verified bytes of a file of the set, shape (file.size,) uint8; see `obtain`.

    Raises:
        DataError: If the file is damaged, unavailable or cannot be written.
    """
    path = obtain(idx_set, file, root)
    try:
        raw: np.ndarray = np.fromfile(path, np.uint8)
        check(file, raw.size, file.of(raw.data), str(path))
    except DamagedError as error:
        raise DamagedError(f"{error}; delete it, and it is fetched again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error})") from error
    return raw


def obtain(idx_set: IdxSet, file: Digest, root: Path) -> Path:
    """Return the path of a file of the set below `root`, which is decompressed or downloaded first if missing.

    Raises:
        NoMirrorError: If it is not cached and no mirror provided it.
        DataError: If its `.gz` is damaged, or the folder cannot be written.
    """
    folder = root / idx_set.folder
    fetch = partial(_unpack_or_download, idx_set, file, folder)
    return download.obtain(file, folder, fetch, 2 * idx_set.mirrors.total_s)


def _unpack_or_download(idx_set: IdxSet, file: Digest, folder: Path) -> None:
    packed = folder / f"{file.name}.gz"
    try:
        if packed.exists():
            unpack(packed, file)
        else:
            download.download(idx_set.mirrors, file, folder)
    except DamagedError as error:
        raise DamagedError(f"{error}; delete it, and it is fetched again") from error
    except NoMirrorError as error:
        raise NoMirrorError(f"{error}: {idx_set.way_out}", error.reasons) from error


def read_rows(idx_set: IdxSet, images: Digest, labels: Digest, root: Path) -> Rows:
    """Return the rows of an image file, (N, 1, height, width) uint8, and its label file."""
    raw = read_raw(idx_set, images, root)
    height, width = (int.from_bytes(raw[i : i + 4].tobytes(), "big") for i in (8, 12))
    pixels = records(raw).reshape(-1, 1, height, width)
    classes = records(read_raw(idx_set, labels, root)).ravel().astype(np.int64)
    assert len(pixels) == len(classes), "files with the right digests belong together"
    names = idx_set.class_names
    return Rows(idx_set.name, Task.MULTICLASS, pixels, classes, len(names), names)


def records(raw: np.ndarray) -> np.ndarray:
    """Return the content of an IDX file after its header, shape (N, bytes per record) uint8."""
    n = int.from_bytes(raw[4:8].tobytes(), "big")
    return raw[4 + 4 * int(raw[3]) :].reshape(n, -1)
