"""The far side of the pipe: one worker process, and what it reports."""

import contextlib
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from hpsearch.encoding import make_streams_lenient
from hpsearch.secrets import MASK, mask_text

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


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception that a task ended with.

    Attributes:
        kind: Name of its class, without the module: `MemoryError`, `OutOfMemoryError` (torch, CUDA), `ValueError` …
        message: Its text.
        traceback: The traceback as Python prints it.
    """

    kind: str
    message: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException) -> "Raised":
        """The exception as plain text, which crosses a pipe whatever its class is."""
        return cls(type(error).__qualname__, str(error), "".join(traceback.format_exception(error)))

    def without(self, texts: Collection[str]) -> "Raised":
        """The same without these texts, and without what looks like a secret."""
        return Raised(self.kind, _without(self.message, texts), _without(self.traceback, texts))

    @property
    def out_of_memory(self) -> bool:
        """Whether the task asked for more memory than there is; torch has no class of its own for that on a CPU."""
        return self.kind in ("MemoryError", "OutOfMemoryError") or "DefaultCPUAllocator" in self.message

    @property
    def cause(self) -> str:
        """One line for people: class and text."""
        return f"{self.kind}: {self.message}" if self.message else self.kind


def _without(message: str, texts: Collection[str]) -> str:
    for text in sorted(texts, key=len, reverse=True):
        message = message.replace(text, MASK)
    return mask_text(message)


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """The end of a worker process in the middle of a task.

    Attributes:
        exitcode: Minus the signal if one killed it.
        out_of_memory: Whether the system killed it because memory ran out, as far as the system counts that.
    """

    exitcode: int
    out_of_memory: bool = False

    @property
    def cause(self) -> str:
        """One line for people: the signal or the exit code."""
        if self.exitcode >= 0:
            return f"the worker process ended with exit code {self.exitcode} and without a result"
        try:
            name = signal.Signals(-self.exitcode).name
        except ValueError:
            name = f"signal {-self.exitcode}"
        hint = " because memory ran out" if self.out_of_memory else ""
        return f"the worker process was killed by {name}{hint}"


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker's first message: its state is built, it takes tasks."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A worker's message after a task: `failure` is None where `value` counts; `seconds` by the monotonic clock."""

    value: Any
    failure: Raised | None
    seconds: float


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
