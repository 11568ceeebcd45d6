"""Crash-safe files: atomic writes, and canonical JSON with a checksum."""

import contextlib
import hashlib
import json
import math
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.errors import BrokenFileError, StorageError
from hpsearch.tracking.connection import nearest_folder

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_ESCAPED = re.compile(r"\\*(NaN|Infinity|-Infinity)")


def dump_checked_json(body: Any) -> bytes:
    """Canonical JSON of `body` with its SHA-256.

    Keys are sorted, separators fixed, all bytes ASCII (lone surrogates included), with a newline at the end. Non-finite
    floats become the strings "NaN", "Infinity" and "-Infinity"; strings that read like these, after any backslashes,
    get one more backslash, so that `load_checked_json` can tell them apart.

    Args:
        body: Dictionaries with string keys, lists, tuples (read back as lists), numbers, strings, booleans, None.

    Raises:
        TypeError: If it contains anything else.
    """
    text = _dump(_plain(body))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f'{{"body":{text},"sha256":"{digest}"}}\n'.encode()


def load_checked_json(data: bytes, name: Path | str, way_out: str = "") -> Any:
    """The body that `dump_checked_json` wrote.

    Args:
        data: The bytes of the file.
        name: Name of the file, for messages.
        way_out: Advice for the case that it is damaged, for messages.

    Raises:
        BrokenFileError: Unless the bytes are exactly what `dump_checked_json` writes.
    """
    try:
        tree = json.loads(data)
        body = tree["body"]
        whole = f'{{"body":{_dump(body)},"sha256":"{tree["sha256"]}"}}\n'.encode() == data
        digest = hashlib.sha256(_dump(body).encode()).hexdigest()
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BrokenFileError(name, f"{type(error).__name__}: {error}", way_out) from error
    if not whole or digest != tree["sha256"]:
        raise BrokenFileError(name, "its checksum does not fit its contents", way_out)
    return _rich(body)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file atomically, even if the process is killed or the power fails.

    Raises:
        StorageError: If the file cannot be written; nothing is left behind.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise StorageError(path, error) from error


def read_bytes(path: Path) -> bytes | None:
    """The contents of a file; None if it does not exist.

    Raises:
        StorageError: If it cannot be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(path, error) from error


def read_sealed(path: Path, way_out: str) -> Any:
    """The body of a file that `dump_checked_json` wrote; None if it does not exist.

    Args:
        path: Path of the file.
        way_out: Advice for the case that it is damaged.

    Raises:
        BrokenFileError: If it is damaged.
        StorageError: If it cannot be read.
    """
    data = read_bytes(path)
    return None if data is None else load_checked_json(data, path, way_out)


def sync_folder(folder: Path) -> None:
    """Flush the directory entries of a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    if type(value) is float and math.isfinite(value):  # nearly all of a record
        return value
    if isinstance(value, np.generic):
        value = value.item()
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case str() if _ESCAPED.fullmatch(value):
            return "\\" + value
        case dict():
            return {_text(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value


def _rich(value: Any) -> Any:
    match value:
        case str() if value in _NON_FINITE:
            return _NON_FINITE[value]
        case str() if _ESCAPED.fullmatch(value):
            return value[1:]
        case dict():
            return {key: _rich(item) for key, item in value.items()}
        case list():
            return [_rich(item) for item in value]
    return value


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a key of a record must be text, got {key!r}")
    return str(key)


_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9_-])?")

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")  # names reserved by Windows


def slug(name: str) -> str:
    """A folder name for any text: the text itself if it is plain, otherwise its plain part, a `~` and a hash.

    Different texts have different slugs, even on case-insensitive file systems; a slug contains no path separator.
    """
    if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:12]
    plain = re.sub(r"[^a-z0-9]+", "-", name[:200].lower()).strip("-")[:40]
    return f"{plain}~{digest}" if plain else f"sweep~{digest}"


def check_directory(directory: str | Path) -> None:
    """Check that `tracking.directory` is writable, without creating it.

    Raises:
        StorageError: If it is read-only, full, not permitted, not a folder …
    """
    path = Path(directory)
    try:
        with tempfile.TemporaryFile(dir=nearest_folder(path)) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise StorageError(path, error) from error


def make_folder(folder: Path) -> None:
    """Create a folder and its parents; raises `StorageError` if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(folder, error) from error
