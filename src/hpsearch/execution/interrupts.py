"""Stop signals: the first one stops cleanly, the second one immediately."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self

from hpsearch.errors import HpsearchError
from hpsearch.output_encoding import encoded


class StoppedError(HpsearchError):
    """The sweep was stopped by a signal, and can be resumed."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; the same command resumes")
        self.number = number
        self.exit_status = 128 + number


class StopSignals:
    """Context that handles SIGINT and SIGTERM while a sweep runs.

    The first signal sets `number`, so that the driver can close open attempts; the second one ends the process at once.
    Both are announced on standard error. Ending at any moment is safe: workers end with the process, and the next start
    finds complete records and open attempts.
    """

    def __init__(self, *, exits: bool = True) -> None:
        """Create the context; signals are handled once it is entered.

        Args:
            exits: Whether a second signal ends the process; otherwise, as in an interactive Python session, it raises
                `KeyboardInterrupt`.
        """
        self.number: int | None = None
        self._exits = exits
        self.underway: Callable[[], str] = str
        """Describes the trainings that a stop loses; empty if there are none."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self  # Python delivers signals to the main thread only
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.number is not None:
            if not self._exits:
                raise KeyboardInterrupt
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
    """Write to standard error below a progress bar, bypassing buffers that the signal may have interrupted."""
    with contextlib.suppress(OSError):
        os.write(2, encoded(f"\nhpsearch: {text}\n", sys.stderr.encoding or "ascii"))
