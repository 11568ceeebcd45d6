"""Prints the answers of a report."""

from typing import TYPE_CHECKING

import rich.table
from rich.box import SIMPLE_HEAD
from rich.measure import Measurement
from rich.text import Text

from hpsearch.formatting import visible
from hpsearch.quoting import shell_quoted
from hpsearch.terminal.console import Terminal

if TYPE_CHECKING:
    from hpsearch.commands.publish import PublishedReport
    from hpsearch.report.blocks import Table


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
    if published.first is None:
        for status, sentence in published.answers:
            terminal.line(f"  {status.upper():<13} {sentence}")
        return
    terminal.paragraph(published.first.sentence)
    show_table(terminal, published.first.standings)
    if published.first.settle:
        terminal.paragraph(published.first.settle)
    if published.first.command:
        terminal.line(f"    {published.first.command}")


def show_table(terminal: Terminal, standings: "Table") -> None:
    """Print a table of a page; columns for which the terminal has no room are left out from the right."""
    for count in range(len(standings.columns), 1, -1):
        shown = rich.table.Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for at, name in enumerate(standings.columns[:count]):
            widest = max([len(row[at].text) for row in standings.rows] + [len(word) for word in name.split()])
            shown.add_column(
                name, justify="right" if at in standings.numbers else "left", min_width=widest, vertical="bottom"
            )
        for row in standings.rows:
            shown.add_row(*(Text(visible(cell.text), style="bold" if cell.strong else "") for cell in row[:count]))
        if Measurement.get(terminal.console, terminal.console.options, shown).minimum <= terminal.console.width:
            break
    terminal.console.print(shown)
    if standings.caption:
        terminal.line(f"  {standings.caption}")
