"""Stopping on a signal: once cleanly, twice at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from hpsearch.errors import HpsearchError
from hpsearch.output_encoding import encoded


class StoppedError(HpsearchError):
    """A signal asked the sweep to stop; it has done so, and can be resumed."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; the same command resumes")
        self.number = number
        self.exit_status = 128 + number


class StopSignals:
    """Listens to SIGINT and SIGTERM while a sweep runs.

    The first sets `number`, so that the driver can close what is open; the second ends the process where it stands.
    Both say so on standard error. That is safe at any moment: the next start finds whole records and open attempts,
    and its workers end with it.
    """

    def __init__(self, *, exits: bool = True) -> None:
        """Listens to nothing yet.

        Args:
            exits: Whether a second signal ends the process. In a session of Python, where that would lose everything
                else, it raises `KeyboardInterrupt` instead.
        """
        self.number: int | None = None
        self._exits = exits
        self.underway: Callable[[], str] = str
        """What is being trained, in words, and is lost by a stop; empty if nothing is."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self  # Python hands signals to the main thread, which then decides
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.number is not None and not self._exits:
            raise KeyboardInterrupt
        if self.number is not None:
            _tell("stopped; the same command resumes")
            os._exit(128 + number)
        self.number = number
        lost = self.underway()
        _tell(
            f"stopping: {lost}: lost, and begun anew by the same command; what has finished stays"
            if lost
            else "stopping: a moment …"
        )


def _tell(text: str) -> None:
    """Written past Python's buffers, which the signal may have interrupted; below a progress bar, if there is one."""
    with contextlib.suppress(OSError):
        os.write(2, encoded(f"\nhpsearch: {text}\n", sys.stderr.encoding or "ascii"))
