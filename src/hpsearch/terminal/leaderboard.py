"""Prints the first entries of a leaderboard."""

from hpsearch.analysis.leaderboard.standings import Entry, Leaderboard
from hpsearch.commands.leaderboard import PublishedLeaderboard
from hpsearch.formatting import number_of
from hpsearch.quoting import shell_quoted
from hpsearch.report.figures.style import short
from hpsearch.report.leaderboard import confirmed_text, near_text, score_name, val_text
from hpsearch.report.number_format import interval
from hpsearch.terminal.console import Terminal

SHOWN = 8
"""Number of entries printed."""

NAME = 40
"""Maximum length of an entry's name."""


def show_leaderboard(terminal: Terminal, published: PublishedLeaderboard) -> None:
    """Print the first entries, and where the pages are."""
    board, files = published.board, published.files
    terminal.heading(f"Leaderboard of {board.data}: highest-scoring trials in the search, by {score_name(board)}")
    terminal.line(f"split {board.split.digest}: {board.split.text}")
    shown = board.entries[:SHOWN]
    heading = ("", "trial", "draws", "val", f"{score_name(board)} [95 %]", "fresh seeds")
    rows = [heading, *(_row(board, entry) for entry in shown)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        terminal.line(("  " + "  ".join(map(str.ljust, row, widths))).rstrip())
    if left := len(board.entries) - len(shown):
        terminal.line(f"  and {number_of(left, 'more entry', 'more entries')}")
    for line in near_text(board):
        terminal.line(line)
    terminal.line("The order is no ranking: budgets may differ, and only paired fresh seeds make a claim.")
    numbers = str(files[0].with_suffix(".json"))
    terminal.steps("Written", [("report", shell_quoted(str(files[0]))), ("numbers", numbers)])


def _row(board: Leaderboard, entry: Entry) -> tuple[str, ...]:
    fresh = f"{confirmed_text(entry)} ({entry.seeds})" if entry.seeds else "none"
    trial = "none ok" if entry.recipe is None else str(entry.recipe.trial)
    shown = interval(entry.shown, entry.interval)
    return short(entry.name, NAME), trial, str(entry.draws), val_text(board, entry), shown, fresh
