"""What is computed of each image file, once, in memory-mapped files that all processes share.

An array lies in `.decoded-images` below `data_root()`, in a file whose name holds two digests: one of what it was made
of, so that it is made anew once a file has changed, and the SHA-256 of its content, so that damage is noticed.
"""

import hashlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock

from hpsearch.data.image_files import ImageError, ImageFile
from hpsearch.data.mnist import data_root
from hpsearch.errors import DataError
from hpsearch.formatting import number_of

FOLDER = ".decoded-images"

NAMED = 5
"""Maximum number of damaged files that a message names; the others are counted."""

_VERSION = 1
"""Is raised with any change of what is computed."""


class DamagedImagesError(DataError):
    """Files that cannot be read as images."""


def compute_once(
    what: str, files: Sequence[ImageFile], row: Callable[[ImageFile], np.ndarray], shape: tuple[int, ...], dtype: str
) -> np.ndarray:
    """Return `row(file)` of each file, shape (len(files), *shape), as a read-only memory map.

    Args:
        what: Names what is computed, with all that it depends on besides the files.
        files: The files, at least one.
        row: Returns an array of this shape and type, or raises `ImageError`.
        shape: Shape of one row.
        dtype: Type of the array.

    Raises:
        DamagedImagesError: If files are damaged, the first of which it names.
        DataError: If the folder cannot be written, or its file is damaged.
    """
    folder, key = data_root() / FOLDER, _key(what, files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{key}.lock"):
            path = next(folder.glob(f"{key}-*.npy"), None)
            if path is None:
                path = _compute(folder, key, files, row, (len(files), *shape), np.dtype(dtype))
    except OSError as error:
        raise DataError(f"{folder} cannot be written ({error}): set HPSEARCH_DATA to a folder that can") from error
    return _opened(path)


def _key(what: str, files: Sequence[ImageFile]) -> str:
    import PIL  # noqa: PLC0415 - only images need Pillow

    sha = hashlib.sha256(f"{_VERSION} {PIL.__version__} {what}\n".encode())
    for file in files:
        sha.update(f"{file.path.absolute()}\0{file.size} {file.mtime_ns}\n".encode(errors="surrogateescape"))
    return sha.hexdigest()[:32]


def _opened(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, mmap_mode="r")
    if _digest(array) != path.stem.rpartition("-")[2]:
        raise DataError(f"{path} is damaged: delete it, and its images are read again")
    return array


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.data).hexdigest()[:32]


def _compute(
    folder: Path,
    key: str,
    files: Sequence[ImageFile],
    row: Callable[[ImageFile], np.ndarray],
    shape: tuple[int, ...],
    dtype: np.dtype[np.generic],
) -> Path:
    needed, free = int(np.prod(shape)) * dtype.itemsize, shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder} has {free / 2**30:.2f} GiB free, {number_of(len(files), 'image')} take {needed / 2**30:.2f} "
            "GiB: free some, set HPSEARCH_DATA to another folder, or choose a smaller data.size"
        )
    descriptor, name = tempfile.mkstemp(prefix=f"{key}.", suffix=".part", dir=folder)
    os.close(descriptor)
    part = Path(name)
    try:
        array = np.lib.format.open_memmap(part, "w+", dtype, shape)
        fill_rows(array, files, row)
        array.flush()
        path = folder / f"{key}-{_digest(array)}.npy"
        part.chmod(0o644)  # mkstemp makes it private, but caches are shared
        return part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def fill_rows(array: np.ndarray | None, files: Sequence[ImageFile], row: Callable[[ImageFile], np.ndarray]) -> None:
    """Write `row(file)` of each file to an array (len(files), ...), in several threads, since Pillow frees the lock.

    Args:
        array: The array; None: files are only read.
        files: The files.
        row: Returns the row of a file, or raises `ImageError`.

    Raises:
        DamagedImagesError: If files are damaged, the first of which it names.
    """

    def write(at: int) -> str | None:
        try:
            pixels = row(files[at])
            if array is not None:
                array[at] = pixels
        except ImageError as error:
            return str(error)
        return None

    with _without_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        reasons = list(pool.map(write, range(len(files))))
    _refuse_damaged({file.path: reason for file, reason in zip(files, reasons, strict=True) if reason is not None})


def _refuse_damaged(reasons: dict[Path, str]) -> None:
    if not reasons:
        return
    named = "".join(f"\n    {path}: {reason}" for path, reason in list(reasons.items())[:NAMED])
    more = f"\n    and {len(reasons) - NAMED:,} more" if len(reasons) > NAMED else ""
    raise DamagedImagesError(
        f"{number_of(len(reasons), 'image')} cannot be read; repair or remove the files:{named}{more}"
    )


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        # Pillow warns of odd metadata and of large images, which are read all the same
        warnings.simplefilter("ignore")
        yield
