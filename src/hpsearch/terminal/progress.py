"""Progress of a search: a live bar on a terminal, a line for each finished trial elsewhere."""

import time
from collections.abc import Iterable, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hpsearch.formatting import number_of, plural, show_duration, visible
from hpsearch.records import Status
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.trial_table import Row


class SearchProgress:
    """Counts the trials of a search, and names the best so far."""

    def __init__(self, terminal: Terminal, total: int, done: Iterable[Row]) -> None:
        """Begins at once.

        Args:
            terminal: Where it is shown.
            total: Number of trials of the search.
            done: Those that are finished already.
        """
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
        """Counts one more finished trial."""
        self._done += 1
        self._note_best(row)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, description=self._summary())
            if row.status is not Status.OK:
                self._bar.console.print(f"  trial {visible(row.name)}: {row.status}", style="yellow")
        else:
            self.terminal.line(f"trial {row.name:>3}  {row.outcome}  {self._done}/{self._total}  {self._summary()}")

    def underway(self, text: str) -> None:
        """Shows what is being trained until a first trial is done; from then on the time that is left says more."""
        if self._bar is None:
            self.terminal.underway(text)
        elif text and self._done == self._resumed:
            self._bar.update(self._bar.task_ids[0], description=text)

    def end(self) -> None:
        """Stops the progress bar, if there is one."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

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


def show_rung(terminal: Terminal, rung: int, trials: int, going_on: int) -> None:
    """Says how many trials go on after a rung of so many epochs."""
    terminal.line(f"after epoch {rung}: {going_on} of {number_of(trials, 'trial')} {plural(going_on, 'goes', 'go')} on")


def show_narrowed(terminal: Terminal, trials: int, changes: Sequence[tuple[str, str]]) -> None:
    """Says what is drawn after so many trials: of each value its new range or choices, and why."""
    terminal.line(f"after {number_of(trials, 'trial')}, the next round draws")
    for what, why in changes:
        terminal.line(f"  {what}")
        terminal.line(f"      {why}")


def show_seeds(terminal: Terminal, done: int, total: int) -> None:
    """Counts retrainings of frozen recipes: ten lines for all of them."""
    if done == total or done % max(1, total // 10) == 0:
        terminal.line(f"  fresh seeds  {done}/{total}")
