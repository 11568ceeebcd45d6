"""CIFAR-10, Kuzushiji-MNIST and USPS: packed files in torchvision's folders, verified by MD5.

Their authors, and torchvision after them, give MD5 digests of these files as they are downloaded. What is read agrees
with torchvision, value by value.
"""

import bz2
import gzip
import io
import pickle
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.data.dataset import Rows
from hpsearch.data.download import DamagedError, Digest, Mirrors, NoMirrorError, check, download, obtain, store
from hpsearch.data.mnist import records, torchvision_mirrors
from hpsearch.errors import DataError
from hpsearch.records import Task

Parse = Callable[[Sequence[bytes]], tuple[np.ndarray, np.ndarray]]
"""Returns images (N, channels, height, width) uint8 and classes (N,) int64 from the contents of files."""


@dataclass(frozen=True, slots=True)
class PackedSet:
    """A data set of packed files, some of them development files, the others sealed.

    Attributes:
        name: Name of the data set.
        folder: Folder of its files below the data root.
        train: The development files.
        test: The files of the sealed test set.
        parse: Reads the files of one part.
        class_names: Names in the order of the labels.
        mirrors: Where to download missing files, or the archive.
        archive: An archive beside the folder, from which missing files come; None: they are downloaded one by one.
    """

    name: str
    folder: str
    train: tuple[Digest, ...]
    test: tuple[Digest, ...]
    parse: Parse
    class_names: tuple[str, ...]
    mirrors: Mirrors
    archive: Digest | None = None


def read_packed(packed: PackedSet, files: Sequence[Digest], root: Path) -> Rows:
    """Return the rows of some files of a set, which are fetched first if they are missing.

    Args:
        packed: The set.
        files: Its development or its test files.
        root: Folder of cached data sets.

    Raises:
        NoMirrorError: If a file is not cached and no mirror gave it.
        DataError: If a file is damaged, or the folder cannot be written.
    """
    images, classes = packed.parse([_content(packed, file, root) for file in files])
    names = packed.class_names
    return Rows(packed.name, Task.MULTICLASS, images, classes, len(names), names)


def _content(packed: PackedSet, file: Digest, root: Path) -> bytes:
    path = obtain(file, root / packed.folder, partial(_fetch, packed, file, root), 2 * packed.mirrors.total_s)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error})") from error
    try:
        check(file, len(content), file.of(content), str(path))
    except DamagedError as error:
        raise DamagedError(f"{error}; delete it, and it is fetched again") from None
    return content


def _fetch(packed: PackedSet, file: Digest, root: Path) -> None:
    try:
        if packed.archive is None:
            download(packed.mirrors, file, root / packed.folder, gzipped=False)
            return
        archive = packed.archive
        if not (root / archive.name).exists():
            download(packed.mirrors, archive, root, gzipped=False)
    except NoMirrorError as error:
        raise NoMirrorError(f"{error}: put it there, or choose another data set", error.reasons) from error
    _extract(packed, file, root)


def _extract(packed: PackedSet, file: Digest, root: Path) -> None:
    """Store one file of the archive, which is not trusted: whatever it holds, only the expected content is kept."""
    assert packed.archive is not None, packed.name
    path, member = root / packed.archive.name, f"{packed.folder}/{file.name}"
    try:
        with tarfile.open(path, "r:gz") as archive, _member(archive, member) as stream:
            store(iter(lambda: stream.read(1 << 16), b""), file, root / packed.folder, f"{member} in {path}")
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, KeyError, DamagedError) as error:
        raise DamagedError(f"{path} is damaged ({error}); delete it, and it is fetched again") from error


def _member(archive: tarfile.TarFile, name: str) -> Any:
    stream = archive.extractfile(name)
    if stream is None:
        raise KeyError(f"{name} is no file")
    return stream


def parse_idx(contents: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Read gzipped IDX files of images and labels."""
    images, labels = (np.frombuffer(gzip.decompress(content), np.uint8) for content in contents)
    height, width = (int.from_bytes(images[at : at + 4].tobytes(), "big") for at in (8, 12))
    pixels = records(images).reshape(-1, 1, height, width)
    return pixels, records(labels).ravel().astype(np.int64)


def parse_libsvm(contents: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Read a bzipped file of LIBSVM: a line for each image, with its label from 1 and 256 pixels from -1 to 1.

    Pixels become bytes as in torchvision, by cutting off decimals.
    """
    (content,) = contents
    numbers = np.array(bz2.decompress(content).replace(b":", b" ").split(), np.float64).reshape(-1, 1 + 2 * 256)
    assert (numbers[:, 1::2] == np.arange(1, 257)).all(), "pixels of a file with the right digest are in order"
    pixels = (numbers[:, 2::2].astype(np.float32) + 1) / 2 * 255
    return pixels.astype(np.uint8).reshape(-1, 1, 16, 16), numbers[:, 0].astype(np.int64) - 1


def parse_cifar(contents: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Read batches of CIFAR-10: pickles of images, red before green before blue, and labels."""
    batches = [_ArraysUnpickler(content).load() for content in contents]
    images = np.concatenate([batch["data"] for batch in batches])
    classes = np.concatenate([batch["labels"] for batch in batches])
    return images.reshape(-1, 3, 32, 32), classes.astype(np.int64)


class _ArraysUnpickler(pickle.Unpickler):
    """Reads arrays, numbers, texts, lists and dictionaries, and calls nothing else."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]  # its module has another name in each version of NumPy
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            return _latin_1
        raise DamagedError(f"a batch refers to {module}.{name}, and may hold arrays and texts alone")


def _latin_1(text: str, encoding: str) -> bytes:
    """Return bytes that Python 3 has pickled as text."""
    if encoding != "latin1":
        raise DamagedError(f"a batch has text in {encoding}, and may have bytes in latin1 alone")
    return text.encode(encoding)


def _md5(*files: tuple[str, str]) -> tuple[Digest, ...]:
    return tuple(Digest(name, None, md5, "md5") for name, md5 in files)


CIFAR10 = PackedSet(
    name="cifar10",
    folder="cifar-10-batches-py",
    train=_md5(
        ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
        ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
        ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
        ("data_batch_4", "634d18415352ddfa80567beed471001a"),
        ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    ),
    test=_md5(("test_batch", "40351d587109b95175f43aff81a1287e")),
    parse=parse_cifar,
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    mirrors=Mirrors(torchvision_mirrors("CIFAR10")),
    archive=Digest("cifar-10-python.tar.gz", None, "c58f30108f718f92721af3b95e74349a", "md5"),
)

KMNIST = PackedSet(
    name="kmnist",
    folder="KMNIST/raw",
    train=_md5(
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
    ),
    test=_md5(
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ),
    parse=parse_idx,
    class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    mirrors=Mirrors(torchvision_mirrors("KMNIST")),
)

USPS = PackedSet(
    name="usps",
    folder="USPS",
    train=_md5(("usps.bz2", "ec16c51db3855ca6c91edd34d0e9b197")),
    test=_md5(("usps.t.bz2", "8ea070ee2aca1ac39742fdd1ef5ed118")),
    parse=parse_libsvm,
    class_names=tuple("0123456789"),
    mirrors=Mirrors(torchvision_mirrors("USPS")),
)

PACKED_SETS = {each.name: each for each in (CIFAR10, KMNIST, USPS)}
