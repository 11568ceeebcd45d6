"""Progress of a search: a live bar on a terminal, a line for each finished trial elsewhere."""

import time
from collections.abc import Iterable, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hpsearch.formatting import number_of, show_duration, visible
from hpsearch.records import Status
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.trial_table import Row


class SearchProgress:
    """Counts the trials of a search and tracks the best so far; a progress bar starts at once.

    Args:
        terminal: The terminal.
        total: Number of trials of the search.
        done: Rows of the trials finished before.
    """

    def __init__(self, terminal: Terminal, total: int, done: Iterable[Row]) -> None:
        rows = list(done)
        self.terminal, self._started = terminal, time.monotonic()
        self._total, self._done, self._resumed = total, len(rows), len(rows)
        self._best: Row | None = None
        for row in rows:
            self._note_best(row)
        self._bar: Progress | None = None
        if terminal.console.is_terminal and total > len(rows):
            columns = (
                TextColumn("trials"),
                BarColumn(bar_width=32),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
            )
            self._bar = Progress(*columns, console=terminal.console)
            self._bar.start()
            self._bar.add_task(self._summary(), total=total, completed=len(rows))

    def trial_done(self, row: Row) -> None:
        """Count a finished trial."""
        self._done += 1
        self._note_best(row)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, description=self._summary())
            if row.status is not Status.OK:
                self._bar.console.print(f"  trial {visible(row.name)}: {row.status}", style="yellow")
        else:
            self.terminal.line(f"trial {row.name:>3}  {row.outcome}  {self._done}/{self._total}  {self._summary()}")

    def underway(self, text: str) -> None:
        """Show what is being trained, on a bar only until the first trial is done, when it shows the time left."""
        if self._bar is None:
            self.terminal.underway(text)
        elif text and self._done == self._resumed:
            self._bar.update(self._bar.task_ids[0], description=text)

    def end(self) -> None:
        """Stop the progress bar, if there is one."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _note_best(self, row: Row) -> None:
        best = self._best
        if not row.eligible or row.score is None:
            return
        if (
            best is None
            or best.score is None
            or (row.epochs, row.score, -row.k, best.level) > (best.epochs, best.score, -best.k, row.level)
        ):
            self._best = row

    def _summary(self) -> str:
        parts, run, left = [], self._done - self._resumed, self._total - self._done
        if run and left:
            parts.append(f"about {show_duration((time.monotonic() - self._started) / run * left)} left")
        if self._best is not None:
            parts.append(f"best so far {self._best.shown} (trial {self._best.name})")
        return " · ".join(parts)


def show_narrowed(terminal: Terminal, trials: int, changes: Sequence[tuple[str, str]]) -> None:
    """Print each value's new range or choices after this number of trials, with the reason."""
    terminal.line(f"after {number_of(trials, 'trial')}, the next round draws")
    for change, reason in changes:
        terminal.line(f"  {change}")
        terminal.line(f"      {reason}")
