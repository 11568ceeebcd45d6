"""Prints what a comparison says on several data sets."""

from hpsearch.commands.across_data_sets import PublishedAcrossDataSets
from hpsearch.formatting import number_of
from hpsearch.quoting import shell_quoted
from hpsearch.report.across_data_sets import across_table
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.report import show_table


def show_across_data_sets(terminal: Terminal, published: PublishedAcrossDataSets) -> None:
    """Print what holds on how many data sets, every option, and where the pages are."""
    across, files = published.across, published.files
    terminal.heading(f"Report on {across.name}: {number_of(len(across.findings), 'data set')}")
    terminal.paragraph(across.sentence)
    show_table(terminal, across_table(across))
    pages = [(data, shell_quoted(str(each.report.page))) for data, each in published.results.items() if each.report]
    numbers = shell_quoted(str(files[0].with_suffix(".json")))
    terminal.steps("Written", [("report", shell_quoted(str(files[0]))), ("numbers", numbers), *pages])
