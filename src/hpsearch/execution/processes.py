"""How worker processes are born: fast, with one thread, deaf to the terminal."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import TextIO

from hpsearch.execution.worker import DRIVER, REPEATABLE

FOLDER, LOCK = "hps-", "hpsearch-driver.lock"
"""How the folder for a driver's sockets begins, in the one for temporary files, and what the driver locks in it."""
NEW_S = 60.0
"""Seconds for which a folder is not taken for left behind: its driver may not have locked it yet."""


def preload(*modules: str) -> None:
    """Starts the server that workers are forked from, which imports `modules` once for all of them.

    Call it first thing and once: it returns at once, and the imports overlap with the driver's own. Where there is no
    safe fork (all but Linux) nothing happens, and each worker imports for itself. Measured on 2 cores, torch in 2
    workers: 1.3 s to the first result instead of 3.5 s.
    """
    if sys.platform == "linux":
        first = ["hpsearch.execution.orphaned", "hpsearch.execution.worker"]
        multiprocessing.get_context("forkserver").set_forkserver_preload([*first, *modules])
        _server_runs()


def stop_server() -> None:
    """Ends the server at once; by itself it would end after its imports, and hold our output open till then."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)  # noqa: SLF001 (no public way)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def context() -> ForkServerContext | SpawnContext:
    """Workers are forked from the server where there can be one, and start from nothing elsewhere."""
    if sys.platform == "linux" and _server_runs():
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


@contextlib.contextmanager
def sheltered() -> Iterator[None]:
    """Processes started within have one thread from birth, and do not hear SIGINT and SIGTERM.

    No file of the working folder stands in for a module that they import, see `hpsearch.__main__`.
    """
    born_with = {**REPEATABLE, "PYTHONSAFEPATH": "1", DRIVER: str(os.getpid())}
    kept = {name: os.environ.get(name) for name in born_with}
    os.environ.update(born_with)
    resource_tracker.ensure_running()  # would unblock SIGINT if it were started below
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def oom_kills(root: Path = Path("/")) -> int:
    """Processes that the kernel has killed because memory ran out, as far as it counts them.

    Those of our own control group, which our workers share, so that nobody else's are taken for them; those of the
    whole host where the group has no counter of its own; 0 where there is none at all.

    Args:
        root: Where /proc and /sys lie.
    """
    for path in (*_group_counters(root), root / "proc/vmstat"):
        with contextlib.suppress(OSError):  # another version of control groups, or not Linux
            lines = path.read_text(encoding="ascii").splitlines()
            for count in (line.split()[1] for line in lines if line.startswith("oom_kill ")):
                return int(count)
    return 0


def _group_counters(root: Path) -> Iterator[Path]:
    """Where version 2 and version 1 of control groups may count for our own group, as /proc/self/cgroup names it.

    In a container, that name may be the host's, while the container's own group is mounted as the root of all.
    """
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, kinds, group = line.split(":", 2)
            mount = root / "sys/fs/cgroup" / ("memory" if kinds else "")
            counter = "memory.oom_control" if kinds else "memory.events"
            if "memory" in kinds.split(",") or not kinds:
                yield from dict.fromkeys((mount / group.lstrip("/") / counter, mount / counter))


def remove_left(place: Path) -> None:
    """Removes what drivers have left in the folder for temporary files: they were killed, nobody holds the lock.

    Args:
        place: The folder for temporary files.
    """
    for folder in place.glob(f"{FOLDER}*"):
        with contextlib.suppress(OSError):  # its driver holds the lock, another one removes it, it is another user's
            if time.time() - folder.stat().st_mtime > NEW_S:
                with _locked(folder):
                    shutil.rmtree(folder)


def _locked(folder: Path) -> TextIO:
    """The lock of a folder, held until it is closed; `filelock` would cost every worker 10 MiB of imports.

    Raises:
        OSError: If another process holds it.
    """
    import fcntl  # noqa: PLC0415 (where there is a server)

    lock = (folder / LOCK).open("r+", encoding="ascii")  # where there is none, the folder is not one of ours
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock


def _take_folder() -> None:
    """Where multiprocessing keeps its sockets: a folder that shows by a lock whether its driver lives.

    Its own are removed at the end of a process, and left behind by SIGKILL, without a sign of whose they were.
    """
    settings: dict[str, str] = multiprocessing.current_process()._config  # type: ignore[attr-defined]  # noqa: SLF001 (no public way)
    if settings.get("tempdir") is None:
        place = Path(tempfile.gettempdir())
        remove_left(place)
        folder = Path(tempfile.mkdtemp(prefix=FOLDER, dir=place))
        (folder / LOCK).touch()
        lock = _locked(folder)
        util.Finalize(None, _give_up, args=(folder, lock), exitpriority=-100)  # holds the lock while this process lives
        settings["tempdir"] = str(folder)


def _give_up(folder: Path, lock: TextIO) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()


def _server_runs() -> bool:
    try:
        _take_folder()
        with sheltered():
            forkserver.ensure_running()
    except OSError:  # no place for its socket: TMPDIR is read-only, or longer than the name of a socket may be
        return False
    return True
