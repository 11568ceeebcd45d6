"""The console: lines, headings, warnings, and a spinner while something is being done."""

import os
import re
import sys
import textwrap
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

NO_BREAK = "\N{NO-BREAK SPACE}"

TEXT_WIDTH = 100
"""Longest line of a paragraph: longer ones are hard to read."""

QUIET_S = 30.0
"""Seconds without a line after which the current activity is printed to a file or a pipe."""


class Terminal:
    """Writes to a console, by default to standard output."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or _StandardOutput(highlight=False)
        if console is None and not self.console.is_terminal:  # a file or a pipe has no width of its own
            self.console = _StandardOutput(highlight=False, width=PLAIN_WIDTH)
        self._spinner: Spinner | None = None
        self._phase = ""
        self._spoke = time.monotonic()

    def line(self, text: str, style: str | None = None) -> None:
        """Print a line of plain text without wrapping, so that commands and paths can be copied."""
        self.console.print(mask_text(visible(text)), style=style, markup=False, emoji=False, soft_wrap=True)
        self._spoke = time.monotonic()

    def paragraph(self, text: str, style: str | None = None) -> None:
        """Print text that wraps at the width of the terminal, indented by two columns."""
        whole = re.sub(r"\[[^][]*\]|\d %", lambda kept: kept[0].replace(" ", NO_BREAK), mask_text(visible(text)))
        width = max(20, min(self.console.width, TEXT_WIDTH) - 2)
        for line in textwrap.wrap(whole, width, break_long_words=False, break_on_hyphens=False):
            self.line(f"  {line.replace(NO_BREAK, ' ')}", style)

    @contextmanager
    def phase(self, text: str) -> Iterator[None]:
        """Show an activity while the context lasts: by a spinner on a terminal, by a line elsewhere."""
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
        """Show what is being trained, if anything: in the spinner on a terminal, by an occasional line elsewhere."""
        if not text:
            return
        if self._spinner is not None:
            self._spinner.update(Text(f"{self._phase}: {text} …"))
        elif not self.console.is_terminal and time.monotonic() - self._spoke >= QUIET_S:
            self.line(f"  … {text}")

    def heading(self, text: str) -> None:
        """Print the heading of a part of the output."""
        self.console.print()
        self.line(text, style="bold")

    def warn(self, text: str) -> None:
        """Print a warning of one line."""
        self.line(f"! {text}", style="bold yellow")

    def steps(self, heading: str, lines: Sequence[tuple[str, str]]) -> None:
        """Print a heading and labeled lines, such as paths or next commands."""
        self.console.print()
        self.console.print(heading, style="bold")
        width = max(len(label) for label, _ in lines)
        for label, text in lines:
            self.line(f"  {label:<{width}}  {text}")


class _StandardOutput(Console):
    def on_broken_pipe(self) -> None:
        """Raise an error that ends the command in order; rich itself would exit at once."""
        self.quiet = True
        discard_output()
        raise OutputClosedError


def discard_output() -> None:
    """Redirect standard output to the null device, or Python would fail on exit when it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
