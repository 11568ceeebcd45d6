"""What a person sees: progress while a sweep runs, tables at its end, and the commands to go on with."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from hpsearch.records import Status, Value

PLAIN_WIDTH = 120
LARGE = 1e5
"""From here on a score is written with an exponent."""
ROUNDING = 1e-9
"""A relative error below this is an error of arithmetic, not of measurement."""
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(10), *range(11, 32), *range(127, 160))}


@dataclass(frozen=True, slots=True)
class Row:
    """One finished trial, as the terminal shows it."""

    k: int
    status: Status
    score: float | None
    score_se: float | None
    report: float | None
    values: dict[str, Value]

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

    def line(self, text: str, style: str | None = None) -> None:
        """One line of plain text, never cut or wrapped, so that commands and paths can be copied."""
        self.console.print(_visible(text), style=style, markup=False, emoji=False, soft_wrap=True)

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
                self._progress.console.print(f"  trial {row.k}: {row.status}", style="yellow")
        else:
            self.line(f"trial {row.k:>3}  {_outcome(row)}  {self._done}/{self._total}  {self._summary()}")

    def end(self) -> None:
        """Stops the progress bar, if there is one."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def best_trials(self, rows: Sequence[Row], metric: str, report_name: str | None, limit: int = 8) -> None:
        """The table of the highest-scoring trials, and how many did not get a score."""
        scored = sorted((r for r in rows if r.score is not None), key=lambda r: (not r.eligible, -(r.score or 0), r.k))
        groups = sorted({group for row in scored for group in show_values(row.values)})
        table = Table(title=f"Highest-scoring trials of {len(rows)}", title_justify="left", title_style="bold")
        table.box, table.padding = SIMPLE_HEAD, (0, 1, 0, 0)
        table.add_column("trial", justify="right")
        table.add_column(metric, justify="right", no_wrap=True)
        if report_name:
            table.add_column(report_name, justify="right")
        for group in groups:
            table.add_column(group)
        for row in scored[:limit]:
            shown = show_values(row.values)
            report = (
                []
                if not report_name
                else [
                    ""
                    if row.report is None
                    else f"{row.report:.4f}"
                    if abs(row.report) < LARGE
                    else f"{row.report:.4g}"
                ]
            )
            cells = [Text(_visible(shown.get(group, ""))) for group in groups]
            table.add_row(str(row.k), _outcome(row), *report, *cells)
        self.console.print()
        self.console.print(table)
        failed = [row for row in rows if row.score is None]
        if failed:
            kinds = ", ".join(sorted({row.status for row in failed}))
            self.warn(f"{len(failed)} of {len(rows)} trials have no score ({kinds}); they count in every denominator")

    def steps(self, heading: str, lines: Sequence[tuple[str, str]]) -> None:
        """A heading and labelled lines, such as paths or next commands."""
        self.console.print()
        self.console.print(heading, style="bold")
        width = max(len(label) for label, _ in lines)
        for label, text in lines:
            self.line(f"  {label:<{width}}  {text}")

    def _note_best(self, row: Row) -> None:
        best = self._best
        if row.eligible and row.score is not None:
            ahead = best is None or best.score is None or (row.score, -row.k) > (best.score, -best.k)
            self._best = row if ahead else best

    def _summary(self) -> str:
        parts = []
        run = self._done - self._resumed
        left = self._total - self._done
        if run and left:
            parts.append(f"about {show_duration((time.monotonic() - self._started) / run * left)} left")
        if self._best is not None:
            score = show_score(self._best.score, self._best.score_se)
            parts.append(f"best so far {score} (trial {self._best.k})")
        return " · ".join(parts)


def _visible(text: str) -> str:
    """The text with control characters spelled out: a name must not command the terminal."""
    return text.translate(_CONTROLS)


def _console() -> Console:
    """Standard output; a file or a pipe has no width of its own, and gets enough for the table."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def _outcome(row: Row) -> str:
    if row.score is None:
        return str(row.status)
    score = show_score(row.score, row.score_se)
    return score if row.eligible else f"{score} ({row.status})"


def show_score(score: float | None, se: float | None) -> str:
    """A score with its standard error, rounded to the error's second digit: `0.9712 ± 0.0024`."""
    if score is None:
        return "none"
    if se is None or not math.isfinite(se) or se <= abs(score) * ROUNDING:
        return f"{score:.4g}"
    if abs(score) >= LARGE:
        return f"{score:.4g} ± {se:.2g}"
    digits = max(0, 1 - math.floor(math.log10(se)))
    return f"{score:.{digits}f} ± {se:.{digits}f}"


def show_duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def show_values(values: dict[str, Value]) -> dict[str, str]:
    """What a trial drew, by group: `{"optimizer": "adam lr=0.0012", "regularization": "dropout 0.31"}`."""
    options = {key: str(value) for key, value in values.items() if "." not in key}
    named: dict[str, dict[str, str]] = {group: {} for group in options}
    for key, value in values.items():
        if "." in key:
            group, _, name = key.split(".", 2)
            named.setdefault(group, {})[name] = show_value(value)
    return {group: _show_group(options.get(group), named[group]) for group in sorted(named)}


def _show_group(option: str | None, named: dict[str, str]) -> str:
    if list(named) == [option]:  # "dropout 0.31" says it without "dropout dropout=0.31"
        return f"{option} {named[str(option)]}"
    return " ".join([*([option] if option else []), *(f"{name}={value}" for name, value in named.items())])


def show_value(value: Value) -> str:
    """A drawn value with three significant digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
