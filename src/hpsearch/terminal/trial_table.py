"""The table of the best trials, and each trial as a row of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import starmap

from rich.box import SIMPLE_HEAD
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from hpsearch import metrics
from hpsearch.formatting import listed, number_of, plural, show_like, show_number, show_values, visible
from hpsearch.records import NO_LEVEL, R2, Status, Value
from hpsearch.scoring.score_format import Score
from hpsearch.store.champion_selection import rounds_epochs
from hpsearch.store.record_json import Record
from hpsearch.terminal.console import Terminal

UNLIMITED = 10_000

CONFIGURATION = "configuration"
"""Heading of the sampled values, where there is no room for a column per group."""


@dataclass(frozen=True, slots=True)
class Row:
    """One finished trial, as the terminal shows it.

    Attributes:
        level: Its level; `NO_LEVEL` without a comparison.
        k: Its number.
        status: Its status.
        score: Its score, higher is better; None without a score.
        shown: The score as text, in the metric's own sign, with its error, or why there is none; may be empty.
        more: Text of further columns, by heading.
        values: Sampled values, flat.
        epochs: Epochs of a search in rounds, where only the longest trainings are eligible; 0 otherwise.
    """

    level: str
    k: int
    status: Status
    score: float | None
    shown: str
    more: dict[str, str]
    values: dict[str, Value]
    epochs: int = 0

    @property
    def name(self) -> str:
        """Name of the trial: `7`, or `adam 7`."""
        return str(self.k) if self.level == NO_LEVEL else f"{self.level} {self.k}"

    @property
    def eligible(self) -> bool:
        """Whether it can become champion; a stalled trial has a score and cannot."""
        return self.status is Status.OK

    @property
    def outcome(self) -> str:
        """Its score as text, with its status unless it is eligible; the status alone without a score."""
        if self.score is None:
            return self.shown or str(self.status)
        return self.shown if self.eligible else f"{self.shown} ({self.status})"


def rows_of(score: Score, records: Sequence[Record]) -> list[Row]:
    """Return all trials as rows, with their epochs where these differ, as those of rounds do."""
    epochs = {_epochs_run(record) for record in records if _is_scored(record)}
    return [row_of(score, record, epochs=len(epochs) > 1) for record in records]


def row_of(score: Score, record: Record, *, epochs: bool = False) -> Row:
    """Return a trial as a row, with a column of its epochs if `epochs`."""
    result = record.result
    shown = "" if result.score is None else score.show(result.score, result.score_se)
    if result.status is Status.PRUNED:
        shown = f"pruned, epoch {_epochs_run(record)}"
    more, rank = _further_columns(score, record, epochs=epochs), rounds_epochs(record)
    return Row(record.level, record.k, result.status, result.score, shown, more, record.values, rank)


def _further_columns(score: Score, record: Record, *, epochs: bool) -> dict[str, str]:
    """Return further columns of the table, the most important first: the metrics to quote."""
    summary, more = record.result.summary, {}
    for objective in record.config_tree.get("search", {}).get("objectives", ()):
        if objective in summary:
            more[objective] = f"{summary[objective]:,.0f}"
    for metric in score.report:
        if f"report/{metric}" in summary:
            error = record.result.score_se if metric == score.metric else None
            more[f"report/\n{metric}"] = show_like(summary[f"report/{metric}"], error)
    if R2 in summary and "report/r2" not in summary and score.metric != metrics.R2:
        more["val/\nr2"] = show_number(summary[R2])
    if epochs and record.config_tree["training"]["patience"] is None and _is_scored(record):
        more["epochs"] = str(_epochs_run(record))
    if record.config_tree["training"]["patience"] is not None and record.result.score is not None:
        first, last = min(record.result.chosen_epochs), max(record.result.chosen_epochs)  # over the fits
        more["epochs\nkept"] = f"{first if first == last else f'{first} to {last}'} of {_epochs_run(record)}"
    return more


def _is_scored(record: Record) -> bool:
    return record.result.score is not None and record.result.status is not Status.PRUNED


def _epochs_run(record: Record) -> int:
    return len(record.result.curves["train/loss"])


def show_best_trials(terminal: Terminal, rows: Sequence[Row], heading: str, limit: int = 8) -> None:
    """Print the table of the highest-scoring trials, and the number of trials without a score.

    Args:
        terminal: The terminal.
        rows: All trials.
        heading: Heading of the score column.
        limit: Maximum number of trials in the table.
    """
    ranked = sorted(
        (r for r in rows if r.score is not None),
        key=lambda r: (not r.eligible, -r.epochs, -(r.score or 0), r.k, r.level),
    )
    terminal.console.print()
    if ranked:
        terminal.line(f"Highest-scoring trials of {len(rows)}", style="bold")
        _print_table(terminal, heading, ranked[:limit])
    pruned, total = sum(row.status is Status.PRUNED for row in rows), number_of(len(rows), "trial")
    if pruned:
        were, count = plural(pruned, "was", "were"), plural(pruned, "its score does", "their scores do")
        terminal.line(f"  {pruned} of {total} {were} pruned: ended at a rung, so that {count} not count")
    failed = [row for row in rows if row.score is None and row.status is not Status.PRUNED]
    if failed:
        kinds = ", ".join(sorted({row.status for row in failed}))
        have, count = plural(len(failed), "has", "have"), plural(len(failed), "it counts", "they count")
        terminal.warn(f"{len(failed)} of {total} {have} no score ({kinds}); {count} in every denominator")


def show_front(terminal: Terminal, rows: Sequence[Row], heading: str, costs: Sequence[str], total: int) -> None:
    """Print the table of the trials of the Pareto front.

    Args:
        terminal: The terminal.
        rows: Those trials, the highest score first.
        heading: Heading of the score column.
        costs: Names of the costs.
        total: Number of the trials that it was chosen from.
    """
    terminal.line(f"Pareto front with {listed(costs)}: {len(rows)} of {number_of(total, 'trial')}", style="bold")
    _print_table(terminal, heading, rows)
    others = total - len(rows)
    if others:
        verb, costs_too = plural(others, "is", "are"), listed(["score", *costs])
        terminal.line(f"  {others} {verb} dominated: one of these is as good by {costs_too}, and better by one of them")


def _print_table(terminal: Terminal, heading: str, rows: Sequence[Row]) -> None:
    """Print the table, and below it the columns for which the terminal has no room.

    While the table is too wide, the sampled values are joined in one column, then further columns are dropped from the
    last to the second, then the sampled values.
    """
    more = list(dict.fromkeys(column for row in rows for column in row.more))
    layouts = [(more, _Sampled.BY_GROUP)]
    layouts += [(more[:count], _Sampled.TOGETHER) for count in range(len(more), 0, -1) or [0]]
    layouts += [(more[:1], _Sampled.OMITTED)]
    unlimited = terminal.console.options.update(max_width=UNLIMITED)
    for kept, sampled in layouts:
        table = _table(heading, kept, rows, sampled)
        if Measurement.get(terminal.console, unlimited, table).minimum <= terminal.console.width:
            break
    terminal.console.print(table)
    dropped = [column.replace("\n", " ").replace("/ ", "/") for column in more if column not in kept]
    dropped += [CONFIGURATION] if sampled is _Sampled.OMITTED else []
    if dropped:
        terminal.line(
            f"  no room in {terminal.console.width} columns for {', '.join(dropped)}: see MLflow, or widen the terminal"
        )


def _named(group: str, shown: str) -> str:
    # A bare option gets its group's name: `norm=none`, but `adam lr=0.001`.
    return shown if " " in shown or "=" in shown else f"{group}={shown}"


class _Sampled(Enum):
    """How a table shows sampled values."""

    BY_GROUP = auto()  # a column for each group
    TOGETHER = auto()
    OMITTED = auto()


def _table(score: str, more: Sequence[str], rows: Sequence[Row], layout: _Sampled) -> Table:
    """Return a table with a line per trial: number, score, further columns, sampled values."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    numbers = [[visible(row.name), row.outcome, *(row.more.get(column, "") for column in more)] for row in rows]
    for heading, column in zip(("trial", score, *more), zip(*numbers, strict=True), strict=False):
        widest = max(len(line) for cell in (heading, *column) for line in cell.splitlines())
        table.add_column(heading, justify="right", no_wrap=True, min_width=widest)
    sampled = [show_values(row.values) for row in rows]
    if layout is _Sampled.TOGETHER:
        sampled = [{CONFIGURATION: ", ".join(starmap(_named, shown.items()))} if shown else {} for shown in sampled]
    groups = sorted({group for shown in sampled for group in shown}) if layout is not _Sampled.OMITTED else []
    for group in groups:
        table.add_column(group)
    for cells, shown in zip(numbers, sampled, strict=True):
        table.add_row(*cells, *(Text(visible(shown.get(group, ""))) for group in groups))
    return table
