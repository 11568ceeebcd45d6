"""One driver at a time: a lock that dies with its process, and the note of who holds it."""

import contextlib
import getpass
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from hpsearch.errors import RefusedError
from hpsearch.secrets import mask_override
from hpsearch.store.atomic_files import StorageError, write_atomic


class SweepLockedError(RefusedError):
    """Another driver works on the sweep; `holder` is what it wrote about itself, empty if that cannot be read."""

    def __init__(self, sweep: str, holder: dict[str, str]) -> None:
        who = "{who}, process {pid}, since {since}, by: {command}".format(**holder) if holder else "another process"
        super().__init__(
            f"sweep {sweep!r} is being run by {who}. One driver at a time: wait for it or stop it; "
            "the lock is free as soon as that process has ended, however it ended. Or use another `name=`."
        )
        self.holder = holder


@contextlib.contextmanager
def acquire_lock(folder: Path, sweep: str) -> Iterator[None]:
    """Holds the lock of a sweep's folder; the system frees it when the process ends, also by `kill -9`.

    Raises:
        SweepLockedError: If another driver, in this process or another one, holds it.
        StorageError: If the folder cannot be written, or its file system has no locks.
    """
    lock, note = FileLock(folder / "lock", thread_local=False), folder / "holder.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SweepLockedError(sweep, _read(note)) from None
    except OSError as error:
        raise StorageError(folder / "lock", error) from error
    try:
        write_atomic(note, json.dumps(_myself(), indent=1).encode())
        yield
    finally:
        with contextlib.suppress(OSError):  # without the note the lock is as free
            note.unlink()
        lock.release()


def _myself() -> dict[str, str]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return {
        "who": f"{user}@{socket.gethostname()}",
        "pid": str(os.getpid()),
        "since": datetime.now(UTC).isoformat(sep=" ", timespec="seconds"),
        "command": shlex.join(map(mask_override, sys.orig_argv)),
    }


def _read(note: Path) -> dict[str, str]:
    for _ in range(10):  # the holder takes the lock first and writes its note then
        with contextlib.suppress(OSError, ValueError):
            holder = json.loads(note.read_bytes())
            if holder.keys() == {"who", "pid", "since", "command"}:
                return {key: str(value) for key, value in holder.items()}
        time.sleep(0.02)
    return {}
