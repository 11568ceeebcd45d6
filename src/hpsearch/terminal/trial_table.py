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
from hpsearch.formatting import number_of, plural, show_like, show_number, show_values, visible
from hpsearch.records import NO_LEVEL, R2, Status, Value
from hpsearch.scoring.score_format import Score
from hpsearch.store.champion_selection import rounds_epochs
from hpsearch.store.record_json import Record
from hpsearch.terminal.console import Terminal

UNLIMITED = 10_000

CONFIGURATION = "configuration"
"""Heading of what was drawn, where there is no room for a column a group."""


@dataclass(frozen=True, slots=True)
class Row:
    """One finished trial, as the terminal shows it.

    Attributes:
        level: Its level; `NO_LEVEL` where nothing is compared.
        k: Its number.
        status: How it ended.
        score: Higher is better: what trials are sorted by; None if it has none.
        shown: The score in words, in the metric's own sign, with its error, or why there is none; empty if the status
            says it.
        more: What else the table shows of it, by column.
        values: What was drawn, flat.
        epochs: Of a search in rounds, where only the longest trainings can become champion; 0 of any other.
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
        """What the trial is called: `7`, or `adam 7`."""
        return str(self.k) if self.level == NO_LEVEL else f"{self.level} {self.k}"

    @property
    def eligible(self) -> bool:
        """Whether it can become champion: a stalled trial has a score and cannot."""
        return self.status is Status.OK

    @property
    def outcome(self) -> str:
        """Its score in words, with its status unless it is eligible; the status alone without a score."""
        if self.score is None:
            return self.shown or str(self.status)
        return self.shown if self.eligible else f"{self.shown} ({self.status})"


def rows_of(score: Score, records: Sequence[Record]) -> list[Row]:
    """What the terminal shows of all trials: with their epochs where these differ, as those of rounds do."""
    epochs = {_epochs_run(record) for record in records if _is_scored(record)}
    return [row_of(score, record, epochs=len(epochs) > 1) for record in records]


def row_of(score: Score, record: Record, *, epochs: bool = False) -> Row:
    """What the terminal shows of a trial, and for how many epochs it was trained."""
    result = record.result
    shown = "" if result.score is None else score.show(result.score, result.score_se)
    if result.status is Status.PRUNED:
        shown = f"pruned, epoch {_epochs_run(record)}"
    more = _more(score, record, epochs=epochs)
    rank = rounds_epochs(record)
    return Row(record.level, record.k, result.status, result.score, shown, more, record.values, rank)


def _more(score: Score, record: Record, *, epochs: bool) -> dict[str, str]:
    """Further columns of the table, the most important first: what is to be quoted."""
    summary, more = record.result.summary, {}
    for metric in score.report:
        if f"report/{metric}" in summary:
            error = record.result.score_se if metric == score.metric else None
            more[f"report/\n{metric}"] = show_like(summary[f"report/{metric}"], error)
    if R2 in summary and "report/r2" not in summary and score.metric != metrics.R2:
        more["val/\nr2"] = show_number(summary[R2])
    if epochs and record.config_tree["training"]["patience"] is None and _is_scored(record):
        more["epochs"] = str(_epochs_run(record))
    if record.config_tree["training"]["patience"] is not None and record.result.score is not None:
        more["epochs\nkept"] = _epochs(record)
    return more


def _is_scored(record: Record) -> bool:
    """Whether it has a score of a whole training."""
    return record.result.score is not None and record.result.status is not Status.PRUNED


def _epochs(record: Record) -> str:
    """`12 of 17`: the epoch whose weights were kept, and how many were run; of several fits, the range and the most."""
    kept, run = record.result.chosen_epochs, _epochs_run(record)
    first, last = min(kept), max(kept)
    return f"{first} of {run}" if first == last else f"{first} to {last} of {run}"


def _epochs_run(record: Record) -> int:
    return len(record.result.curves["train/loss"])


def show_best_trials(terminal: Terminal, rows: Sequence[Row], heading: str, limit: int = 8) -> None:
    """The table of the highest-scoring trials, and how many did not get a score.

    Args:
        terminal: Where it is shown.
        rows: All trials.
        heading: What the scores are.
        limit: Trials that the table holds at most.
    """
    ranked = sorted(
        (r for r in rows if r.score is not None),
        key=lambda r: (not r.eligible, -r.epochs, -(r.score or 0), r.k, r.level),
    )
    terminal.console.print()
    if ranked:
        terminal.line(f"Highest-scoring trials of {len(rows)}", style="bold")
        _print_table(terminal, heading, ranked[:limit])
    pruned, all_of_them = sum(row.status is Status.PRUNED for row in rows), number_of(len(rows), "trial")
    if pruned:
        were, count = plural(pruned, "was", "were"), plural(pruned, "its score does", "their scores do")
        terminal.line(f"  {pruned} of {all_of_them} {were} pruned: ended at a rung, so that {count} not count")
    failed = [row for row in rows if row.score is None and row.status is not Status.PRUNED]
    if failed:
        kinds = ", ".join(sorted({row.status for row in failed}))
        have, count = plural(len(failed), "has", "have"), plural(len(failed), "it counts", "they count")
        terminal.warn(f"{len(failed)} of {all_of_them} {have} no score ({kinds}); {count} in every denominator")


def _print_table(terminal: Terminal, heading: str, rows: Sequence[Row]) -> None:
    """The table, and below it what the terminal has no room for.

    As long as it is too wide, what was drawn comes into one column, then the last of the further columns go, but
    never the first of them, and then what was drawn.
    """
    more = list(dict.fromkeys(column for row in rows for column in row.more))
    tries = [(more, _Drawn.BY_GROUP)]
    tries += [(more[:count], _Drawn.TOGETHER) for count in range(len(more), 0, -1) or [0]]
    tries += [(more[:1], _Drawn.LEFT_OUT)]
    unlimited = terminal.console.options.update(max_width=UNLIMITED)
    for kept, drawn in tries:
        table = _table(heading, kept, rows, drawn)
        if Measurement.get(terminal.console, unlimited, table).minimum <= terminal.console.width:
            break
    terminal.console.print(table)
    lost = [column.replace("\n", " ").replace("/ ", "/") for column in more if column not in kept]
    if drawn is _Drawn.LEFT_OUT:
        lost.append(CONFIGURATION)
    if lost:
        terminal.line(
            f"  no room in {terminal.console.width} columns for {', '.join(lost)}: see MLflow, or widen the terminal"
        )


def _named(group: str, shown: str) -> str:
    """What was drawn of a group, with its name where an option stands alone: `norm=none`, `adam lr=0.001`."""
    return shown if " " in shown or "=" in shown else f"{group}={shown}"


class _Drawn(Enum):
    """How a table shows what trials have drawn."""

    BY_GROUP = auto()  # a column for each group
    TOGETHER = auto()
    LEFT_OUT = auto()


def _table(score: str, more: Sequence[str], rows: Sequence[Row], how: _Drawn) -> Table:
    """One line a trial: its number, its score, what `more` is known of it, and what it drew."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    numbers = [[visible(row.name), row.outcome, *(row.more.get(column, "") for column in more)] for row in rows]
    for heading, column in zip(("trial", score, *more), zip(*numbers, strict=True), strict=False):
        widest = max(len(line) for cell in (heading, *column) for line in cell.splitlines())
        table.add_column(heading, justify="right", no_wrap=True, min_width=widest)
    drawn = [show_values(row.values) for row in rows]
    if how is _Drawn.TOGETHER:
        drawn = [{CONFIGURATION: ", ".join(starmap(_named, shown.items()))} if shown else {} for shown in drawn]
    groups = sorted({group for shown in drawn for group in shown}) if how is not _Drawn.LEFT_OUT else []
    for group in groups:
        table.add_column(group)
    for cells, shown in zip(numbers, drawn, strict=True):
        table.add_row(*cells, *(Text(visible(shown.get(group, ""))) for group in groups))
    return table
