"""Worker processes and the fork server that they are started from."""

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
"""Environment variable of the fork server that holds the process id of its driver."""

REPEATABLE = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "BLIS")},
    "VECLIB_MAXIMUM_THREADS": "1",
    "MKL_CBWR": "AUTO,STRICT",
}
"""Environment variables for repeatable results, read by numeric libraries at import. Float32 results depend on the
number of threads and, without MKL_CBWR, on the alignment of matrices, which in a fleet depends on the other members."""


def serve(program: bytes, environment: dict[str, str], calls: Connection, life: Connection) -> None:
    """Run tasks until the driver closes the pipe.

    Args:
        program: Pickled (setup, work); unpickled here, so that import errors are reported like others.
        environment: The driver's environment, which may have changed since the fork server started.
        calls: Receives pickled tasks; sends a pickled `Ready` (or `Raised` if setup fails), then `Answer`s.
        life: Is closed when the driver ends in any way.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole process group; only the driver reacts
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    make_streams_lenient()  # output of the user's code must not end a trial
    threading.Thread(target=_end_with_driver, args=(life,), daemon=True).start()
    with contextlib.suppress(EOFError, OSError):  # the driver has ended or closed the pipe
        _serve(program, calls)


def _serve(program: bytes, calls: Connection) -> None:
    try:
        setup, work = pickle.loads(program)  # noqa: S301  # from our own driver
        state = setup()
    except BaseException as error:  # noqa: BLE001  # reported by the driver
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
    except BaseException as error:  # noqa: BLE001  # even sys.exit() in a user's module is a failed task
        return pickle.dumps(Answer(None, Raised.of(error), time.monotonic() - start))


def _end_with_driver(life: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        life.recv_bytes()
    os._exit(1)


FOLDER, LOCK = "hps-", "hpsearch-driver.lock"
"""Prefix of the folder of a driver's sockets, among the temporary files, and the file in it that the driver locks."""

NEW_S = 60.0
"""Seconds during which a folder is not considered abandoned, since its driver may not have locked it yet."""


def preload(*modules: str) -> None:
    """Start the fork server, which imports `modules` once for all workers.

    Call it once, as early as possible: it returns at once, and the imports overlap with those of the driver. Without
    safe forks (except on Linux) nothing happens, and each worker imports by itself. On 2 cores, with torch in 2
    workers, the first result takes 1.3 s instead of 3.5 s.
    """
    if sys.platform == "linux":
        first = ["hpsearch.execution.orphan_watch", "hpsearch.execution.worker_process"]
        multiprocessing.get_context("forkserver").set_forkserver_preload([*first, *modules])
        _server_runs()


def stop_server() -> None:
    """Kill the fork server, which otherwise ends only after its imports, and keeps our output open until then."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)  # noqa: SLF001 (no public way)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def context() -> ForkServerContext | SpawnContext:
    """The multiprocessing context: forkserver if available, otherwise spawn."""
    if sys.platform == "linux" and _server_runs():
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


@contextlib.contextmanager
def sheltered() -> Iterator[None]:
    """Context for starting processes that are single-threaded and block SIGINT and SIGTERM.

    Files in the working folder do not shadow modules that they import, see `hpsearch.__main__`. The user's script is
    not imported again, so that it needs no `if __name__ == "__main__"`.
    """
    environment = {**REPEATABLE, "PYTHONSAFEPATH": "1", DRIVER: str(os.getpid())}
    kept = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    resource_tracker.ensure_running()  # would unblock SIGINT if started below
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
    """Number of processes that the kernel killed because memory ran out.

    Counted in our own control group, which workers share; or on the whole host if the group has no counter; 0 if there
    is no counter at all.

    Args:
        root: Folder that contains proc and sys.
    """
    for path in (*_group_counters(root), root / "proc/vmstat"):
        with contextlib.suppress(OSError):  # another cgroup version, or not Linux
            lines = path.read_text(encoding="ascii").splitlines()
            for count in (line.split()[1] for line in lines if line.startswith("oom_kill ")):
                return int(count)
    return 0


def _group_counters(root: Path) -> Iterator[Path]:
    """Possible counters of our own control group (cgroup v2 and v1), as named in /proc/self/cgroup.

    In a container, that name may be the host's, while the container's group is mounted as the root.
    """
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, kinds, group = line.split(":", 2)
            mount = root / "sys/fs/cgroup" / ("memory" if kinds else "")
            counter = "memory.oom_control" if kinds else "memory.events"
            if "memory" in kinds.split(",") or not kinds:
                yield from dict.fromkeys((mount / group.lstrip("/") / counter, mount / counter))


def remove_left(place: Path) -> None:
    """Remove folders of killed drivers, whose lock is free, from the folder of temporary files `place`."""
    for folder in place.glob(f"{FOLDER}*"):
        with contextlib.suppress(OSError):  # locked, already removed, or another user's
            if time.time() - folder.stat().st_mtime > NEW_S:
                with _locked(folder):
                    shutil.rmtree(folder)


def _locked(folder: Path) -> TextIO:
    """Lock a folder until the returned file is closed; raises `OSError` if another process holds the lock.

    `filelock` would cost every worker 10 MiB of imports.
    """
    import fcntl  # noqa: PLC0415 (not on Windows)

    lock = (folder / LOCK).open("r+", encoding="ascii")  # fails if the folder is not one of ours
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise
    return lock


def _take_folder() -> None:
    """Give multiprocessing a folder for its sockets, with a lock that shows whether its driver is alive.

    Its default folders are left behind after SIGKILL, and do not tell which process they belonged to.
    """
    settings: dict[str, str] = multiprocessing.current_process()._config  # type: ignore[attr-defined]  # noqa: SLF001 (no public way)
    if settings.get("tempdir") is None:
        place = Path(tempfile.gettempdir())
        remove_left(place)
        folder = Path(tempfile.mkdtemp(prefix=FOLDER, dir=place))
        (folder / LOCK).touch()
        lock = _locked(folder)
        util.Finalize(None, _give_up, args=(folder, lock), exitpriority=-100)  # keeps the lock until this process ends
        settings["tempdir"] = str(folder)


def _give_up(folder: Path, lock: TextIO) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()


def _server_runs() -> bool:
    try:
        _take_folder()
        with sheltered():
            forkserver.ensure_running()
    except OSError:  # TMPDIR is read-only, or too long for a socket name
        return False
    return True


def set_up(data: Data, device: Device) -> Any:
    """See `run_job.set_up`; torch is imported in the worker only."""
    from hpsearch.execution import run_job  # noqa: PLC0415 (see above)

    return run_job.set_up(data, device)


def work(state: Any, job: Job) -> JobResult:
    """See `run_job.run_job`."""
    from hpsearch.execution import run_job  # noqa: PLC0415 (see above)

    return run_job.run_job(state, job)
