"""What the terminal shows of a report."""

from dataclasses import dataclass
from pathlib import Path

from hpsearch.formatting import number_of
from hpsearch.quoting import shell_quoted
from hpsearch.terminal.console import Terminal

REPORT_PAGE = "report/report.html"
"""The artifact of a sweep's run."""


@dataclass(frozen=True, slots=True)
class Published:
    """A report that was written.

    Attributes:
        name: Of the sweep.
        answers: Status and sentence of each line of the answer box but the scope and those of `undecided`.
        files: Where it is; `report.html` first.
        undecided: Comparisons of two levels that the data do not decide.
        lacking: That trials are missing, in words; None where all are there.
    """

    name: str
    answers: tuple[tuple[str, str], ...]
    files: tuple[Path, ...]
    undecided: int = 0
    lacking: str | None = None

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.files[0]


def show_report(terminal: Terminal, published: Published) -> None:
    """Prints the answer box, and where the pages are."""
    show_answers(terminal, published)
    terminal.steps("Written", report_files(published))


def report_files(published: Published) -> list[tuple[str, str]]:
    """Where the pages and the numbers of a report are."""
    page = published.page
    return [("report", shell_quoted(str(page))), ("numbers", str(page.with_suffix(".json")))]


def show_answers(terminal: Terminal, published: Published) -> None:
    """Prints the answer box."""
    terminal.heading(f"Report on {published.name}")
    if published.lacking:
        terminal.warn(published.lacking)
    for status, sentence in published.answers:
        terminal.line(f"  {status.upper():<13} {sentence}")
    if left := published.undecided:
        terminal.line(f"  and {number_of(left, 'comparison')} that the data do not decide")
