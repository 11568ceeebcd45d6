"""What an executor promises: tasks to workers, and what came of each."""

import signal
import traceback
from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from hpsearch.jobs import Job, JobResult
from hpsearch.secrets import MASK, mask_text


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


State = TypeVar("State")

Task = TypeVar("Task")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """The end of one task.

    Attributes:
        key: What `submit` was given.
        value: What `work` returned; None if it failed.
        failure: Why there is no value; None if there is one.
        seconds: Duration by the monotonic clock.
    """

    key: Hashable
    value: Result | None
    failure: Raised | WorkerDied | None
    seconds: float


class Workers(Protocol):
    """What a scheduler needs of an executor, such as `LocalExecutor`."""

    @property
    def free(self) -> int:
        """Number of tasks that `submit` takes now."""

    def submit(self, key: Hashable, task: Job) -> None:
        """Hands a task to a free worker."""

    def wait(self, timeout: float | None = None) -> list[Done[JobResult]]:
        """The tasks that ended, as soon as there is one."""

    def stop(self, *, now: bool) -> list[Done[JobResult]]:
        """Ends all workers."""
