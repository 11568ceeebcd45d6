"""Files that appear under their name only once they are whole, be they downloaded or unpacked.

Not left to pooch 1.9: it checks the packed file, not what is unpacked from it, and ends no download by size or time.
"""

import hashlib
import http.client
import logging
import os
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from hpsearch.errors import DataError

CHUNK = 1 << 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Digest:
    """What identifies a file.

    Attributes:
        name: Its name.
        size: The size of its content in bytes; None if it is not known.
        hexdigest: The digest of its content.
        algorithm: The algorithm of the digest, as `hashlib` names it; MD5 is what some data sets are published with,
            which tells damage and other editions, but no forgery.
    """

    name: str
    size: int | None
    hexdigest: str
    algorithm: str = "sha256"

    def of(self, content: bytes | memoryview) -> str:
        """Return the digest of a content by the same algorithm."""
        return hashlib.new(self.algorithm, content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Where files are downloaded from.

    Attributes:
        urls: Returns the folders, each ending in `/`, in the order in which they are tried.
        idle_s: Seconds without a byte after which a mirror is given up.
        total_s: Seconds after which one file is given up, however steadily it drips.
    """

    urls: Callable[[], Sequence[str]]
    idle_s: float = 10.0
    total_s: float = 600.0


class DamagedError(DataError):
    """A file whose content is not the expected one."""


class NoMirrorError(DataError):
    """A file that is not cached, and that no mirror gave; `reasons` has one sentence for each mirror."""

    def __init__(self, message: str, reasons: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.reasons = tuple(reasons)


class _MirrorError(Exception):
    """Why one mirror did not give a file."""


def store(chunks: Iterable[bytes], file: Digest, folder: Path, origin: str) -> None:
    """Write a file under a temporary name, and under its own only when size and digest are right.

    Args:
        chunks: The content, bit by bit.
        file: What the content must be.
        folder: Where the file is put.
        origin: Where the content comes from, for the message.

    Raises:
        DamagedError: If the content is not the expected one; nothing is left behind.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".part", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as out:
            digest, size = hashlib.new(file.algorithm, usedforsecurity=False), 0
            for chunk in chunks:
                out.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                if file.size is not None and size > file.size:
                    break
            check(file, size, digest.hexdigest(), origin)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(0o644)  # mkstemp makes it private, but caches are shared
        Path(name).replace(folder / file.name)
    finally:
        Path(name).unlink(missing_ok=True)


def check(file: Digest, size: int, hexdigest: str, origin: str) -> None:
    """Refuse content that is not the expected one.

    Raises:
        DamagedError: With both sizes, or else both digests.
    """
    if file.size is not None and size != file.size:
        found = "more" if size > file.size else size
        raise DamagedError(f"{origin} is damaged: expected {file.size} bytes, found {found}")
    if hexdigest != file.hexdigest:
        name = {"sha256": "SHA-256", "md5": "MD5"}[file.algorithm]
        raise DamagedError(f"{origin} is damaged: expected {name} {file.hexdigest}, found {hexdigest}")


def obtain(file: Digest, folder: Path, fetch: Callable[[], None], wait_s: float) -> Path:
    """Return the path of a file, which is fetched first if it is missing; one process at a time does so.

    Args:
        file: The file.
        folder: Its folder, created if needed.
        fetch: Stores it there.
        wait_s: How long to wait for another process that fetches it, in seconds.

    Raises:
        DataError: If the folder cannot be written, or another process does not finish.
    """
    path = folder / file.name
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{file.name}.lock", timeout=wait_s):
            if not path.exists():
                fetch()
    except Timeout:
        raise DataError(f"{path} is being downloaded by another process that does not finish; end it") from None
    except OSError as error:
        raise DataError(f"{folder} cannot be written ({error}): set HPSEARCH_DATA to a folder that can") from error
    return path


def unpack(packed: Path, file: Digest) -> None:
    """Unpack `<name>.gz` beside itself.

    Raises:
        DamagedError: If it is no gzip file, is cut off, or does not hold the expected content.
    """
    with packed.open("rb") as stream:
        store(_gunzip(iter(lambda: stream.read(CHUNK), b""), str(packed)), file, packed.parent, str(packed))


def download(mirrors: Mirrors, file: Digest, folder: Path, *, gzipped: bool = True) -> None:
    """Fetch a file from the first mirror that gives it whole, as `<name>.gz` and unpacked if it is gzipped there.

    Raises:
        NoMirrorError: With the reason of each mirror.
        OSError: If the folder cannot be written.
    """
    reasons = []
    for base in mirrors.urls():
        url = f"{base}{file.name}.gz" if gzipped else f"{base}{file.name}"
        _log.info("downloading %s", url)
        try:
            chunks = _receive(url, mirrors)
            store(_gunzip(chunks, url) if gzipped else chunks, file, folder, url)
        except (_MirrorError, DamagedError) as error:
            reasons.append(str(error))
        else:
            return
    raise NoMirrorError(f"{folder / file.name} is missing and no mirror gave it ({'; '.join(reasons)})", reasons)


def _receive(url: str, mirrors: Mirrors) -> Iterator[bytes]:
    deadline = time.monotonic() + mirrors.total_s
    try:
        with urllib.request.urlopen(url, timeout=mirrors.idle_s) as response:  # noqa: S310 - addresses of torchvision
            while chunk := response.read1(CHUNK):
                if time.monotonic() > deadline:
                    raise _MirrorError(f"{url}: not complete after {mirrors.total_s:g} s")
                yield chunk
    except TimeoutError:
        raise _MirrorError(f"{url}: no byte for {mirrors.idle_s:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorError(f"{url}: {getattr(error, 'reason', error)}") from error


def _gunzip(chunks: Iterable[bytes], origin: str) -> Iterator[bytes]:
    unzip = zlib.decompressobj(wbits=31)  # 16 + 15: a gzip header, the largest window
    try:
        for chunk in chunks:
            yield unzip.decompress(chunk)
    except zlib.error as error:
        raise DamagedError(f"{origin} is damaged: expected a gzip file, found {error}") from error
