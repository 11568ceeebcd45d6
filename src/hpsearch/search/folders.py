"""Folders for names of any kind, in a place that can be written."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

from hpsearch.search.record_files import StorageError
from hpsearch.tracking.connection import nearest_folder

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
