"""Prints the answers of a report."""

from typing import TYPE_CHECKING

from hpsearch.formatting import number_of
from hpsearch.quoting import shell_quoted
from hpsearch.terminal.console import Terminal

if TYPE_CHECKING:
    from hpsearch.commands.publish import PublishedReport


def show_report(terminal: Terminal, published: "PublishedReport") -> None:
    """Print the answer box, and where the pages are."""
    show_answers(terminal, published)
    terminal.steps("Written", report_files(published))


def report_files(published: "PublishedReport") -> list[tuple[str, str]]:
    """Return labeled paths of the page and the numbers of a report."""
    page = published.page
    return [("report", shell_quoted(str(page))), ("numbers", str(page.with_suffix(".json")))]


def show_answers(terminal: Terminal, published: "PublishedReport") -> None:
    """Print the answer box."""
    terminal.heading(f"Report on {published.name}")
    if published.lacking:
        terminal.warn(published.lacking)
    for status, sentence in published.answers:
        terminal.line(f"  {status.upper():<13} {sentence}")
    if left := published.undecided:
        terminal.line(f"  and {number_of(left, 'comparison')} that the data do not decide")
