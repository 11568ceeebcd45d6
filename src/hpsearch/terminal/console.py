"""The console: lines, headings, warnings, and a spinner while something is being done."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status as Spinner
from rich.text import Text

from hpsearch.errors import OutputClosedError
from hpsearch.formatting import visible
from hpsearch.secrets import mask_text

PLAIN_WIDTH = 120

QUIET_S = 30.0
"""Seconds without a line from which on a file or a pipe is told what is being done."""


class Terminal:
    """Writes to a console."""

    def __init__(self, console: Console | None = None) -> None:
        """Shows nothing yet.

        Args:
            console: Where to write; standard output by default.
        """
        self.console = console or _console()
        self._spinner: Spinner | None = None
        self._phase = ""
        self._spoke = time.monotonic()

    def line(self, text: str, style: str | None = None) -> None:
        """One line of plain text, never cut, wrapped or broken, so that commands and paths can be copied."""
        self.console.print(mask_text(visible(text)), style=style, markup=False, emoji=False, soft_wrap=True)
        self._spoke = time.monotonic()

    @contextmanager
    def phase(self, text: str) -> Iterator[None]:
        """Says that this is being done, as long as it is: by a spinner on a terminal, by a line elsewhere."""
        if not self.console.is_terminal:
            self.line(f"  … {text}")
            yield
            return
        with self.console.status(Text(f"{text} …")) as spinner:
            self._spinner, self._phase = spinner, text
            try:
                yield
            finally:
                self._spinner = None

    def underway(self, text: str) -> None:
        """Says what is being trained, and for how long: in the spinner on a terminal, by a line elsewhere.

        Args:
            text: Empty if nothing is.
        """
        if not text:
            return
        if self._spinner is not None:
            self._spinner.update(Text(f"{self._phase}: {text} …"))
        elif not self.console.is_terminal and time.monotonic() - self._spoke >= QUIET_S:
            self.line(f"  … {text}")

    def heading(self, text: str) -> None:
        """A line that begins a part of the output."""
        self.console.print()
        self.line(text, style="bold")

    def warn(self, text: str) -> None:
        """One line that must not be missed."""
        self.line(f"! {text}", style="bold yellow")

    def steps(self, heading: str, lines: Sequence[tuple[str, str]]) -> None:
        """A heading and labelled lines, such as paths or next commands."""
        self.console.print()
        self.console.print(heading, style="bold")
        width = max(len(label) for label, _ in lines)
        for label, text in lines:
            self.line(f"  {label:<{width}}  {text}")


class _StandardOutput(Console):
    def on_broken_pipe(self) -> None:
        """Raises what a command stops by; rich itself would end the process where it stands."""
        self.fingerprint_defaults = True
        discard_output()
        raise OutputClosedError


def discard_output() -> None:
    """Sends standard output nowhere from now on; or else Python, when it ends, fails at what is left to be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _console() -> Console:
    """Standard output; a file or a pipe has no width of its own, and gets enough for the table."""
    console = _StandardOutput(highlight=False)
    return console if console.is_terminal else _StandardOutput(highlight=False, width=PLAIN_WIDTH)
