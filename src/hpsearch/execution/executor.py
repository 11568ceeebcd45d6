"""The interface of executors, which run tasks in workers."""

import signal
import traceback
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from hpsearch.jobs import Job, JobResult
from hpsearch.secrets import MASK, mask_text


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception that ended a task, as text.

    Attributes:
        kind: Name of its class, without the module: `MemoryError`, `OutOfMemoryError` (torch, CUDA), `ValueError` …
        message: Its message.
        traceback: The traceback as Python prints it.
    """

    kind: str
    message: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException) -> "Raised":
        """The exception as plain text, which can be pickled for any class."""
        return cls(type(error).__qualname__, str(error), "".join(traceback.format_exception(error)))

    def without(self, texts: Collection[str]) -> "Raised":
        """The exception with these texts, and whatever looks like a secret, masked."""

        def masked(message: str) -> str:
            for text in sorted(texts, key=len, reverse=True):
                message = message.replace(text, MASK)
            return mask_text(message)

        return Raised(self.kind, masked(self.message), masked(self.traceback))

    @property
    def out_of_memory(self) -> bool:
        """Whether memory ran out; on a CPU torch raises no class of its own for that."""
        return self.kind in ("MemoryError", "OutOfMemoryError") or "DefaultCPUAllocator" in self.message

    @property
    def cause(self) -> str:
        """Class and message, for users."""
        return f"{self.kind}: {self.message}" if self.message else self.kind


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """The death of a worker process during a task.

    Attributes:
        exitcode: Exit code, or minus the number of the signal that killed it.
        out_of_memory: Whether the system killed it because memory ran out, as far as that is known.
    """

    exitcode: int
    out_of_memory: bool = False

    @property
    def cause(self) -> str:
        """Signal or exit code, for users."""
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
    """The first message of a worker: it is ready for tasks."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The message of a worker after a task: `value`, or `failure`; `seconds` by the monotonic clock."""

    value: Any
    failure: Raised | None
    seconds: float


State = TypeVar("State")
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """A task that ended.

    Attributes:
        key: Key from `submit`.
        value: Return value of `work`; None if it failed.
        failure: Why it failed; None if it did not.
        seconds: Duration by the monotonic clock.
    """

    key: Hashable
    value: Result | None
    failure: Raised | WorkerDied | None
    seconds: float


class Workers(Protocol):
    """The methods of an executor that a scheduler uses; see `LocalExecutor`."""

    @property
    def free(self) -> int:
        """Number of tasks that can be submitted now."""

    def submit(self, key: Hashable, task: Job) -> None:
        """Submit a task to a free worker."""

    def wait(self, timeout: float | None = None) -> list[Done[JobResult]]:
        """Wait until a task ends, and return all that ended."""

    def stop(self, *, now: bool) -> list[Done[JobResult]]:
        """Stop all workers."""
