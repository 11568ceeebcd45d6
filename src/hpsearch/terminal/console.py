"""What a person sees: progress while a sweep runs, tables at its end, and the commands to go on with."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from itertools import starmap

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.status import Status as Spinner
from rich.table import Table
from rich.text import Text

from hpsearch.errors import OutputClosedError
from hpsearch.formatting import number_of, plural, show_duration, show_values, visible
from hpsearch.records import NO_LEVEL, Status, Value
from hpsearch.secrets import mask_text

PLAIN_WIDTH = 120

UNLIMITED = 10_000

QUIET_S = 30.0
"""Seconds without a line from which on a file or a pipe is told what is being done."""

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


class Terminal:
    """Writes to a console: a live progress bar on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console | None = None) -> None:
        """Shows nothing yet.

        Args:
            console: Where to write; standard output by default.
        """
        self.console = console or _console()
        self._progress: Progress | None = None
        self._started = self._first = 0.0
        self._total = self._done = self._resumed = 0
        self._best: Row | None = None
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
        """Says what is being trained, and for how long: in the progress on a terminal, by a line elsewhere.

        Args:
            text: Empty if nothing is.
        """
        if not text:
            return
        if self._progress is not None:
            if self._done == self._resumed:  # afterwards the time that is left says more
                self._progress.update(self._progress.task_ids[0], description=text)
        elif self._spinner is not None:
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

    def begin(self, total: int, done: Iterable[Row]) -> None:
        """Starts the progress of a sweep of `total` trials, of which `done` are finished already."""
        rows = list(done)
        self._total, self._done, self._resumed = total, len(rows), len(rows)
        self._started = time.monotonic()
        for row in rows:
            self._note_best(row)
        if self.console.is_terminal and total > len(rows):
            columns = (
                TextColumn("trials"),
                BarColumn(bar_width=32),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
            )
            self._progress = Progress(*columns, console=self.console)
            self._progress.start()
            self._progress.add_task(self._summary(), total=total, completed=len(rows))

    def trial_done(self, row: Row) -> None:
        """Counts one more finished trial."""
        self._done += 1
        self._note_best(row)
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=self._done, description=self._summary())
            if row.status is not Status.OK:
                self._progress.console.print(f"  trial {visible(row.name)}: {row.status}", style="yellow")
        else:
            self.line(f"trial {row.name:>3}  {_outcome(row)}  {self._done}/{self._total}  {self._summary()}")

    def judged(self, rung: int, trials: int, going_on: int) -> None:
        """Says how many trials go on after a rung of so many epochs."""
        self.line(f"after epoch {rung}: {going_on} of {number_of(trials, 'trial')} {plural(going_on, 'goes', 'go')} on")

    def narrowed(self, trials: int, changes: Sequence[tuple[str, str]]) -> None:
        """Says what is drawn after so many trials: of each value its new range or choices, and why."""
        self.line(f"after {number_of(trials, 'trial')}, the next round draws")
        for what, why in changes:
            self.line(f"  {what}")
            self.line(f"      {why}")

    def confirmed(self, done: int, total: int) -> None:
        """Counts retrainings of frozen recipes: ten lines for all of them."""
        if done == total or done % max(1, total // 10) == 0:
            self.line(f"  fresh seeds  {done}/{total}")

    def end(self) -> None:
        """Stops the progress bar, if there is one."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def best_trials(self, rows: Sequence[Row], heading: str, limit: int = 8) -> None:
        """The table of the highest-scoring trials, and how many did not get a score.

        Args:
            rows: All trials.
            heading: What the scores are.
            limit: Trials that the table holds at most.
        """
        ranked = sorted(
            (r for r in rows if r.score is not None),
            key=lambda r: (not r.eligible, -r.epochs, -(r.score or 0), r.k, r.level),
        )
        self.console.print()
        if ranked:
            self.line(f"Highest-scoring trials of {len(rows)}", style="bold")
            self._print_table(heading, ranked[:limit])
        pruned, all_of_them = sum(row.status is Status.PRUNED for row in rows), number_of(len(rows), "trial")
        if pruned:
            were, count = plural(pruned, "was", "were"), plural(pruned, "its score does", "their scores do")
            self.line(f"  {pruned} of {all_of_them} {were} pruned: ended at a rung, so that {count} not count")
        failed = [row for row in rows if row.score is None and row.status is not Status.PRUNED]
        if failed:
            kinds = ", ".join(sorted({row.status for row in failed}))
            have, count = plural(len(failed), "has", "have"), plural(len(failed), "it counts", "they count")
            self.warn(f"{len(failed)} of {all_of_them} {have} no score ({kinds}); {count} in every denominator")

    def steps(self, heading: str, lines: Sequence[tuple[str, str]]) -> None:
        """A heading and labelled lines, such as paths or next commands."""
        self.console.print()
        self.console.print(heading, style="bold")
        width = max(len(label) for label, _ in lines)
        for label, text in lines:
            self.line(f"  {label:<{width}}  {text}")

    def _print_table(self, heading: str, rows: Sequence[Row]) -> None:
        """The table, and below it what the terminal has no room for.

        As long as it is too wide, what was drawn comes into one column, then the last of the further columns go, but
        never the first of them, and then what was drawn.
        """
        more = list(dict.fromkeys(column for row in rows for column in row.more))
        tries = [(more, _Drawn.BY_GROUP)]
        tries += [(more[:count], _Drawn.TOGETHER) for count in range(len(more), 0, -1) or [0]]
        tries += [(more[:1], _Drawn.LEFT_OUT)]
        unlimited = self.console.options.update(max_width=UNLIMITED)
        for kept, drawn in tries:
            table = _table(heading, kept, rows, drawn)
            if Measurement.get(self.console, unlimited, table).minimum <= self.console.width:
                break
        self.console.print(table)
        lost = [column.replace("\n", " ").replace("/ ", "/") for column in more if column not in kept]
        if drawn is _Drawn.LEFT_OUT:
            lost.append(CONFIGURATION)
        if lost:
            self.line(
                f"  no room in {self.console.width} columns for {', '.join(lost)}: see MLflow, or widen the terminal"
            )

    def _note_best(self, row: Row) -> None:
        best = self._best
        if row.eligible and row.score is not None:
            ahead = (
                best is None
                or best.score is None
                or (row.epochs, row.score, -row.k, best.level) > (best.epochs, best.score, -best.k, row.level)
            )
            self._best = row if ahead else best

    def _summary(self) -> str:
        parts = []
        run = self._done - self._resumed
        left = self._total - self._done
        if run and left:
            parts.append(f"about {show_duration((time.monotonic() - self._started) / run * left)} left")
        if self._best is not None:
            parts.append(f"best so far {self._best.shown} (trial {self._best.name})")
        return " · ".join(parts)


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
    numbers = [[visible(row.name), _outcome(row), *(row.more.get(column, "") for column in more)] for row in rows]
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


def _outcome(row: Row) -> str:
    if row.score is None:
        return row.shown or str(row.status)
    return row.shown if row.eligible else f"{row.shown} ({row.status})"
