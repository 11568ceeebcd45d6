"""What the terminal shows of a report."""

from dataclasses import dataclass
from pathlib import Path

from hpsearch.quoting import shell_quoted
from hpsearch.terminal import Terminal


@dataclass(frozen=True, slots=True)
class Published:
    """A report that was written.

    Attributes:
        name: Of the sweep.
        answers: Status and sentence of each line of the answer box.
        files: Where it is; `report.html` first.
    """

    name: str
    answers: tuple[tuple[str, str], ...]
    files: tuple[Path, ...]

    @property
    def page(self) -> Path:
        """The page to open."""
        return self.files[0]


def show_report(terminal: Terminal, published: Published) -> None:
    """Prints the answer box, and where the pages are."""
    terminal.heading(f"Report on {published.name}")
    first, *rest = published.answers
    known = [first, *(answer for answer in rest if answer[0] != "scope")]
    told = [first, *(answer for answer in known[1:] if answer[0] != "inconclusive")]
    for status, sentence in told:
        terminal.line(f"  {status.upper():<13} {sentence}")
    if left := len(known) - len(told):
        terminal.line(f"  and {left} comparison{'s' if left > 1 else ''} that the data do not decide")
    page = published.page
    terminal.steps("Written", [("report", shell_quoted(str(page))), ("numbers", str(page.with_suffix(".json")))])
