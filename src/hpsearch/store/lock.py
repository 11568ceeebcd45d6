"""Lock of a sweep, which is released when its process ends, with a note about the holder."""

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

from hpsearch.errors import RefusedError, StorageError
from hpsearch.secrets import mask_override
from hpsearch.store.atomic_files import write_atomic


class SweepLockedError(RefusedError):
    """Another driver is running the sweep; `holder` describes it, and is empty if unknown."""

    def __init__(self, sweep: str, holder: dict[str, str]) -> None:
        who = "{who}, process {pid}, since {since}, by: {command}".format(**holder) if holder else "another process"
        super().__init__(
            f"sweep {sweep!r} is being run by {who}. One driver at a time: wait for it or stop it; "
            "the lock is free as soon as that process has ended, however it ended. Or use another `name=`."
        )
        self.holder = holder


@contextlib.contextmanager
def acquire_lock(folder: Path, sweep: str) -> Iterator[None]:
    """Hold the lock of a sweep's folder; the system releases it when the process ends, even by `kill -9`.

    Raises:
        SweepLockedError: If another driver, in any process, holds it.
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
        with contextlib.suppress(OSError):  # the note does not matter once the lock is free
            note.unlink()
        lock.release()


def _myself() -> dict[str, str]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container user without a name
        user = str(os.getuid())
    return {
        "who": f"{user}@{socket.gethostname()}",
        "pid": str(os.getpid()),
        "since": datetime.now(UTC).isoformat(sep=" ", timespec="seconds"),
        "command": shlex.join(map(mask_override, sys.orig_argv)),
    }


def _read(note: Path) -> dict[str, str]:
    for _ in range(10):  # the holder writes its note after it takes the lock
        with contextlib.suppress(OSError, ValueError):
            holder = json.loads(note.read_bytes())
            if holder.keys() == {"who", "pid", "since", "command"}:
                return {key: str(value) for key, value in holder.items()}
        time.sleep(0.02)
    return {}
