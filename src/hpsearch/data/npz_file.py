"""A user's own arrays in an NPZ file, read without pickle."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hpsearch.config.conversion import nearest
from hpsearch.config.data import Layout, NpzData, TaskChoice
from hpsearch.data.dataset import SHOWN, Rows, as_floats, check_weights, reconstructed
from hpsearch.data.target_encoding import encode_targets
from hpsearch.errors import DataError
from hpsearch.records import Task

_CHANNELS = (1, 3, 4)
"""Numbers of channels of gray, color, and color images with transparency."""


def read_npz(data: NpzData) -> Rows:
    """Read the rows of the file at `data.path`.

    Inputs of shape (N,) and (N, D) are features; (N, height, width), (N, channels, height, width) and (N, height,
    width, channels) are images. Images in uint8 stay uint8, everything else becomes floating point, see `as_floats`.
    Targets (N, C) with a single 1 among zeros in each row are classes unless `data.task=regression`.

    Raises:
        DataError: If the file, one of its arrays, or their types, shapes or values cannot be used.
    """
    path = Path(data.path).expanduser()
    wanted = {"data.inputs": data.inputs}
    if data.targets and data.task is not TaskChoice.AUTOENCODER:
        (wanted["data.target"],) = data.targets
    if data.groups is not None:
        wanted["data.groups"] = data.groups
    if data.weight is not None:
        wanted["data.weight"] = data.weight
    arrays = dict(zip(wanted, _load(data, wanted), strict=True))
    inputs, notes = _inputs(arrays["data.inputs"], data.layout, f"{path}: array {data.inputs!r} (data.inputs)")
    groups = None
    if data.groups is not None:
        groups = _groups(arrays["data.groups"], len(inputs), f"{path}: array {data.groups!r} (data.groups)")
    weights = None
    if data.weight is not None:
        weights = _weights(arrays["data.weight"], len(inputs), f"{path}: array {data.weight!r} (data.weight)")
    about: dict[str, Any] = {"groups": groups, "weights": weights}
    if "data.target" not in arrays:
        return reconstructed(Rows(path.stem, Task.REGRESSION, inputs, inputs, 0, notes=notes, **about))
    label, values = f"{path}: array {data.target!r} (data.target)", arrays["data.target"]
    _check_targets(values, len(inputs), label)
    if data.task is TaskChoice.MULTILABEL and (values.ndim < 2 or values.shape[1] < 2):
        raise DataError(f"{label} must have shape (rows, labels) with data.task=multilabel, got {values.shape}")
    if data.task not in (TaskChoice.REGRESSION, TaskChoice.MULTILABEL) and _one_hot(values):
        notes = (*notes, f"{data.target}: one-hot, {values.shape[1]} classes; if not: data.task=regression")
        values = values.argmax(axis=1)
    targets = encode_targets(values, data, label)
    about |= {"notes": notes, "labels": targets.labels}
    if not targets.classes and 1 < (width := targets.values.shape[1]) <= SHOWN:
        about["target_names"] = tuple(f"{data.target}[{at}]" for at in range(width))
    return Rows(path.stem, targets.task, inputs, targets.values, targets.classes, targets.class_names, **about)


def _groups(array: np.ndarray, n: int, label: str) -> np.ndarray:
    if array.shape != (n,) or array.dtype.kind not in "iubUS":
        raise DataError(f"{label} must hold one whole number or text a row, got {array.dtype} of shape {array.shape}")
    numbers: np.ndarray = np.unique(array, return_inverse=True)[1]
    return numbers.astype(np.int64)


def _weights(array: np.ndarray, n: int, label: str) -> np.ndarray:
    if array.shape != (n,) or array.dtype.kind not in "iubf":
        raise DataError(f"{label} must hold one number a row, got {array.dtype} of shape {array.shape}")
    _check_finite(array, label)
    return check_weights(array, label)


def npz_digest(data: NpzData) -> str:
    """Return the SHA-256 of the whole file at `data.path`: all arrays with their names, whatever other options say.

    An array counts as NumPy writes it: type, shape, memory order and bytes. Compression and the order of the arrays do
    not count.

    Raises:
        DataError: If the file is not an archive.
    """
    sha = hashlib.sha256()
    with _opened(data) as stream, zipfile.ZipFile(stream) as archive:
        for member in sorted(archive.infolist(), key=lambda member: member.filename):
            sha.update(f"{member.file_size} {len(member.filename)} {member.filename}".encode())
            with archive.open(member) as array:
                for portion in iter(partial(array.read, 2**20), b""):
                    sha.update(portion)
    return sha.hexdigest()


@contextmanager
def _opened(data: NpzData) -> Iterator[BinaryIO]:
    path = Path(data.path).expanduser()
    try:
        # opened here because NumPy does not close the file of a broken archive
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


def _inputs(array: np.ndarray, layout: Layout | None, label: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return features or images, channels before height and width, and notes about their layout."""
    if array.dtype.kind not in "fiub":
        raise DataError(f"{label} must hold real numbers, got {array.dtype}")
    if array.ndim not in (1, 2, 3, 4) or 0 in array.shape:
        raise DataError(
            f"{label} must have shape (rows, features), (rows, height, width) or (rows, channels, height, width) "
            f"with no axis of length 0, got {array.shape}"
        )
    shaped, notes = _channels_first(array, layout) if array.ndim == 4 else (array, ())
    if array.ndim in (1, 3):
        shaped = array[:, None]
    if shaped.dtype == np.uint8 and shaped.ndim == 4:
        return np.ascontiguousarray(shaped), notes
    _check_finite(shaped, label, missing=shaped.ndim == 2)
    return np.ascontiguousarray(as_floats(shaped, label, together=shaped.ndim == 4)), notes


def _channels_first(array: np.ndarray, layout: Layout | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (N, channels, height, width), and a note about how the axes were interpreted."""
    last = array.shape[3] in _CHANNELS and array.shape[1] not in _CHANNELS
    chosen = layout or (Layout.HWC if last else Layout.CHW)
    shaped = np.moveaxis(array, 3, 1) if chosen is Layout.HWC else array
    other = Layout.CHW if chosen is Layout.HWC else Layout.HWC
    _, channels, height, width = shaped.shape
    place = "last" if chosen is Layout.HWC else "first"
    way_out = "" if layout else f"; if not: data.layout={other}"
    return shaped, (f"inputs: images of {height} x {width}, channels ({channels}) {place}{way_out}",)


def _one_hot(array: np.ndarray) -> bool:
    """Return whether each row of (N, C >= 2) is a single 1 among zeros."""
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind in "US":
        return False
    return bool(((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all())


def _check_targets(array: np.ndarray, n: int, label: str) -> None:
    if array.dtype.kind not in "fiubUS":
        raise DataError(f"{label} must hold numbers or text, got {array.dtype}")
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise DataError(f"{label} must have shape (rows,) or (rows, outputs), got {array.shape}")
    if len(array) != n:
        raise DataError(f"{label} has {len(array)} rows, the inputs have {n}: they must be as many")
    if array.dtype.kind == "f":
        _check_finite(array, label)


def _check_finite(array: np.ndarray, label: str, *, missing: bool = False) -> None:
    with np.errstate(over="ignore"):
        finite = np.isfinite(array.astype(np.float32)) | (missing & np.isnan(array))
    if not finite.all():
        at = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise DataError(f"{label} is not finite at {at}, got {array[at]}")
