"""Files that are whole or recognized as not: canonical JSON with a checksum, written so that a kill leaves no half."""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.errors import HpsearchError
from hpsearch.tracking.connection import nearest_folder

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_ESCAPED = re.compile(r"\\*(NaN|Infinity|-Infinity)")

_CAUSES = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EROFS: "read_only",
    errno.EACCES: "no_permission",
    errno.EPERM: "no_permission",
}


class StorageError(HpsearchError):
    """A file or folder could not be read or written.

    Attributes:
        path: Which one.
        cause: `disk_full`, `read_only`, `no_permission`, or the system's name of the error, such as `EIO`.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        number = error.errno or 0
        self.path = path
        self.cause = _CAUSES.get(number) or errno.errorcode.get(number, type(error).__name__)
        super().__init__(f"{self.cause}: cannot use {str(path)!r}: {error.strerror or error}{_way_out(self.cause)}")


class BrokenFileError(HpsearchError):
    """A file that was cut, changed or never finished; what it says is not used."""

    def __init__(self, path: Path | str, reason: str, way_out: str = "") -> None:
        super().__init__(f"{str(path)!r} is not whole: {reason}{f'; {way_out}' if way_out else ''}")


def dump_checked_json(body: Any) -> bytes:
    """The one way to write `body`: canonical JSON with the SHA-256 of the body in it.

    Keys are sorted, separators fixed, all bytes ASCII (hence UTF-8, lone surrogates included), one newline at the end.
    Non-finite floats become the texts "NaN", "Infinity", "-Infinity"; a text that reads like one of these, after any
    backslashes, gets one more backslash in front, so that `load_checked_json` tells them apart.

    Args:
        body: Dictionaries with text keys, lists, tuples (come back as lists), numbers, texts, booleans, None.

    Raises:
        TypeError: For anything else in it.
    """
    text = _dump(_plain(body))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f'{{"body":{text},"sha256":"{digest}"}}\n'.encode()


def load_checked_json(data: bytes, name: Path | str, way_out: str = "") -> Any:
    """The body of `dump_checked_json`.

    Raises:
        BrokenFileError: Unless these are, to the byte, what `dump_checked_json` wrote; `name` and `way_out` are for its
            message.
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
    """Puts `data` in a file that appears with all of it, or not at all, whatever is killed or unplugged.

    Raises:
        StorageError: If that is not possible; nothing is left behind then.
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
    """The contents of a file; None if there is none.

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
    """The body of a file that `dump_checked_json` wrote; None if there is no file.

    Args:
        path: Which one.
        way_out: What a person can do if it is damaged.

    Raises:
        BrokenFileError: If it is damaged.
        StorageError: If it cannot be read.
    """
    data = read_bytes(path)
    return None if data is None else load_checked_json(data, path, way_out)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut."""
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


def _way_out(cause: str) -> str:
    ways = {
        "disk_full": "; free some space and run the same command again: what is finished is kept",
        "read_only": "; set tracking.directory to a folder that can be written",
        "no_permission": "; set tracking.directory to a folder that can be written",
    }
    return ways.get(cause, "")


_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9_-])?")

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")  # names that Windows keeps for itself


def slug(name: str) -> str:
    """A folder's name for any text: itself where it is plain, else what is plain of it, a `~` and a hash.

    Different texts have different slugs, also where the file system ignores case; no slug leaves its folder.
    """
    if _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:12]
    plain = re.sub(r"[^a-z0-9]+", "-", name[:200].lower()).strip("-")[:40]
    return f"{plain}~{digest}" if plain else f"sweep~{digest}"


def check_directory(directory: str | Path) -> None:
    """Refuses a `tracking.directory` that nothing can be kept in, before anything is trained; makes nothing.

    Raises:
        StorageError: With the reason: read-only, no permission, full, a file in its place …
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
    """Makes a folder and those above it.

    Raises:
        StorageError: If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(folder, error) from error
