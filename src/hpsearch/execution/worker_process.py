"""The far side of the pipe: one worker process, and what it reports."""

import contextlib
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Any, TextIO

from hpsearch.config.data import Data
from hpsearch.config.execution import Device
from hpsearch.execution.executor import Answer, Raised, Ready
from hpsearch.jobs import Job, JobResult
from hpsearch.output_encoding import make_streams_lenient

DRIVER = "HPSEARCH_DRIVER"
"""The process number of the driver, in the environment that its server is born with."""

REPEATABLE = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "BLIS_NUM_THREADS",
    ),
    "1",
) | {"MKL_CBWR": "AUTO,STRICT"}
"""Read by numeric libraries when they are imported. Float32 results differ between one thread and two; and, unless MKL
is told otherwise, with the place in memory where a matrix begins, which in a fleet depends on who else is there."""


def serve(program: bytes, environment: dict[str, str], calls: Connection, life: Connection) -> None:
    """Works off tasks until the driver closes the pipe.

    Args:
        program: Pickled (setup, work); unpickled here, so that an import error is reported like any other.
        environment: The driver's environment; the fork server's is older.
        calls: Pickled tasks in; a pickled `Ready` (or `Raised`, when setup failed) and then `Answer`s out.
        life: Closed when the driver ends, however it ends.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group; the driver decides what happens
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    make_streams_lenient()  # what a user's own code prints must not end a trial
    threading.Thread(target=_end_with_driver, args=(life,), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the driver is gone, or done with us
        _serve(program, calls)


def _serve(program: bytes, calls: Connection) -> None:
    try:
        setup, work = pickle.loads(program)  # noqa: S301  # from our own driver
        state = setup()
    except BaseException as error:  # noqa: BLE001  # whatever it is, the driver reports it
        calls.send_bytes(pickle.dumps(Raised.of(error)))
        return
    calls.send_bytes(pickle.dumps(Ready()))
    while True:
        calls.send_bytes(_answer(work, state, calls.recv_bytes()))


def _answer(work: Callable[[Any, Any], Any], state: Any, task: bytes) -> bytes:
    start = time.monotonic()
    try:
        value = work(state, pickle.loads(task))  # noqa: S301  # from our own driver
        return pickle.dumps(Answer(value, None, time.monotonic() - start), pickle.HIGHEST_PROTOCOL)
    except BaseException as error:  # noqa: BLE001  # sys.exit() in a user's module is a failed task as well
        return pickle.dumps(Answer(None, Raised.of(error), time.monotonic() - start))


def _end_with_driver(life: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        life.recv_bytes()
    os._exit(1)


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
        first = ["hpsearch.execution.orphan_watch", "hpsearch.execution.worker_process"]
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

    No file of the working folder stands in for a module that they import, see `hpsearch.__main__`; and the script
    that trains is not imported again in each of them, so that it needs no `if __name__ == "__main__"`.
    """
    born_with = {**REPEATABLE, "PYTHONSAFEPATH": "1", DRIVER: str(os.getpid())}
    kept = {name: os.environ.get(name) for name in born_with}
    os.environ.update(born_with)
    resource_tracker.ensure_running()  # would unblock SIGINT if it were started below
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main = sys.modules["__main__"]
    script: dict[str, Any] = {name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)}
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(script)
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


def set_up(data: Data, device: Device) -> Any:
    """Loads the data in a worker; see `fitting.set_up`."""
    from hpsearch.execution import run_job as fitting  # noqa: PLC0415 (see above)

    return fitting.set_up(data, device)


def work(bench: Any, job: Job) -> JobResult:
    """Does one job in a worker; see `fitting.work`."""
    from hpsearch.execution import run_job as fitting  # noqa: PLC0415 (see above)

    return fitting.run_job(bench, job)
