"""A user's own arrays in a NPZ file, read without pickle."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hpsearch.config.data import NpzData, TaskChoice
from hpsearch.config.tree import nearest
from hpsearch.data.rows import DataError, Rows, reconstructed
from hpsearch.data.targets import encode_targets
from hpsearch.records import Task


def read_npz(data: NpzData) -> Rows:
    """The rows of the file at `data.path`.

    Inputs of shape (N,) and (N, D) are features, (N, height, width) and (N, channels, height, width) are images;
    uint8 images stay uint8, everything else becomes float32.

    Raises:
        DataError: If the file, one of its arrays, or their types, shapes or values cannot be used.
    """
    path = Path(data.path).expanduser()
    wanted = {"data.inputs": data.inputs}
    if data.target is not None and data.task is not TaskChoice.AUTOENCODER:
        wanted["data.target"] = data.target
    arrays = _load(data, wanted)
    inputs = _inputs(arrays[0], f"{path}: array {data.inputs!r} (data.inputs)")
    if len(arrays) == 1:
        return reconstructed(Rows(path.stem, Task.REGRESSION, inputs, inputs, 0))
    label = f"{path}: array {data.target!r} (data.target)"
    _check_targets(arrays[1], len(inputs), label)
    targets = encode_targets(arrays[1], data.task, label)
    return Rows(path.stem, targets.task, inputs, targets.values, targets.classes, targets.class_names)


def npz_digest(data: NpzData) -> str:
    """SHA-256 of the whole file at `data.path`: of all arrays with their names, whatever any other key says.

    An array counts as NumPy writes it: type, shape, order in memory and bytes. Whether the file is compressed, and in
    which order its arrays stand, does not count.

    Raises:
        DataError: If the file is no archive.
    """
    sha = hashlib.sha256()
    with _opened(data) as stream, zipfile.ZipFile(stream) as archive:
        for member in sorted(archive.infolist(), key=lambda found: found.filename):
            sha.update(f"{member.file_size} {len(member.filename)} {member.filename}".encode())
            with archive.open(member) as array:
                for portion in iter(partial(array.read, 2**20), b""):
                    sha.update(portion)
    return sha.hexdigest()


@contextmanager
def _opened(data: NpzData) -> Iterator[BinaryIO]:
    path = Path(data.path).expanduser()
    try:
        # opened here: numpy does not close the file of a broken archive
        with path.open("rb") as stream:
            yield stream
    except FileNotFoundError:
        raise DataError(f"data.path={path}: there is no such file (looked for {path.absolute()})") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as a NPZ file: {error}") from error


def _load(data: NpzData, wanted: dict[str, str]) -> list[np.ndarray]:
    path = Path(data.path).expanduser()
    with _opened(data) as stream:
        file = np.load(stream, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise DataError(f"{path} holds a single array: data=npz needs named ones, as numpy.savez writes them")
        return [_member(path, file, key, name) for key, name in wanted.items()]


def _member(path: Path, file: "np.lib.npyio.NpzFile", key: str, name: str) -> np.ndarray:
    if name not in file.files:
        raise DataError(f"{path} has no array {name!r} ({key}): {nearest(name, file.files)}")
    try:
        array: np.ndarray = file[name]
    except ValueError as error:
        raise DataError(
            f"{path}: array {name!r} ({key}) cannot be read without pickle ({error}); "
            "save it with a numeric or text dtype"
        ) from error
    return array


def _inputs(array: np.ndarray, label: str) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        raise DataError(f"{label} must hold real numbers, got {array.dtype}")
    if array.ndim not in (1, 2, 3, 4) or 0 in array.shape:
        raise DataError(
            f"{label} must have shape (rows, features), (rows, height, width) or (rows, channels, height, width) "
            f"with no axis of length 0, got {array.shape}"
        )
    shaped = {1: array[:, None], 3: array[:, None]}.get(array.ndim, array)
    if shaped.dtype == np.uint8 and shaped.ndim == 4:
        return np.ascontiguousarray(shaped)
    return _finite(shaped, label)


def _check_targets(array: np.ndarray, n: int, label: str) -> None:
    if array.dtype.kind not in "fiubUS":
        raise DataError(f"{label} must hold numbers or text, got {array.dtype}")
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise DataError(f"{label} must have shape (rows,) or (rows, outputs), got {array.shape}")
    if len(array) != n:
        raise DataError(f"{label} has {len(array)} rows, the inputs have {n}: they must be as many")
    if array.dtype.kind == "f":
        _finite(array, label)


def _finite(array: np.ndarray, label: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        floats = array.astype(np.float32)
    finite = np.isfinite(floats)
    if not finite.all():
        at = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise DataError(f"{label} is not finite at {at}, got {array[at]}")
    return np.ascontiguousarray(floats)
