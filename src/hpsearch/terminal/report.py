"""Prints the answers of a report."""

from typing import TYPE_CHECKING, Literal

import rich.table
from rich.box import SIMPLE_HEAD
from rich.padding import Padding
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
    if published.first.baselines:
        terminal.paragraph(published.first.baselines)
    if published.first.settle:
        terminal.paragraph(published.first.settle)
    if published.first.command:
        terminal.line(f"    {published.first.command}")


APART = 2
"""Blanks between two columns."""


def show_table(terminal: Terminal, shown: "Table") -> None:
    """Print a table of a page; columns for which the terminal has no room are left out from the right."""
    widths = [_narrowest(shown, at) for at in range(len(shown.columns))]
    count, room = len(widths), terminal.console.width
    while count > 1 and sum(widths[:count]) + APART * count > room:
        count -= 1
    spare = room - sum(widths[:count]) - APART * count
    printed = rich.table.Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for at, name in enumerate(shown.columns[:count]):
        more = min(spare, max(0, len(name) - widths[at]))  # a heading that need not wrap
        spare -= more
        justify: Literal["left", "right"] = "right" if at in shown.numbers else "left"
        printed.add_column(name, justify=justify, width=widths[at] + more, vertical="bottom")
    for row in shown.rows:
        printed.add_row(*(Text(visible(cell.text), style="bold" if cell.strong else "") for cell in row[:count]))
    terminal.console.print(Padding(printed, (1, 0, 1, 1)))
    if shown.caption:
        terminal.line(f"  {shown.caption}")


def _narrowest(shown: "Table", at: int) -> int:
    """Characters of a column whose heading wraps and whose cells do not."""
    return max(len(text) for text in [*(visible(row[at].text) for row in shown.rows), *shown.columns[at].split()])
