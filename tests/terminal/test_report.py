"""What the terminal shows of a report that was written."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.external_results import read_table
from hpsearch.commands.publish import summarize
from hpsearch.report.first_screen import standings_table
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.report import show_report

SEEDS = range(1, 11)


def told(tmp_path, *lost, width=400):
    """The lines about levels that score alike but for chance, beside such of which nothing came to a score."""
    lines = ["phase,level,trial,key,select,report,status"]
    for at, level in enumerate("abc"):
        lines += [f"explore,{level},{k},,0.{80 + k},0.8," for k in (1, 2)]
        lines += [f"confirm,{level},2,{key},,0.{800 + (key * (at + 3)) % 11}," for key in SEEDS]
    lines += [f"explore,{level},1,,,,diverged" for level in lost]
    path = tmp_path / "results.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    findings, shown = analyse(read_table(path)), io.StringIO()
    show_report(Terminal(Console(file=shown, width=width)), summarize(findings, [Path("report.html")]))
    return findings, shown.getvalue()


@pytest.mark.parametrize("lost", ["", "d"])
def test_the_first_screen_is_the_sentence_and_every_option_in_the_order_of_their_means(tmp_path, lost):
    findings, shown = told(tmp_path, *lost)
    head = findings.headline
    assert " ".join(shown.split()).startswith(f"Report on results {head.sentence}")
    rows = re.findall(r"^ ([a-d]) .*\d", shown, flags=re.MULTILINE)
    assert rows == [row.level for row in head.standings]
    assert "Options that share a letter cannot be told apart." in shown
    assert "Applies to" not in shown


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_line_of_the_first_screen_is_wider_than_the_terminal(tmp_path, width):
    _, shown = told(tmp_path, width=width)
    assert max(map(len, shown.partition("Written")[0].splitlines())) <= max(width, 70)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_columns_that_are_printed_are_whole(tmp_path, width):
    findings, shown = told(tmp_path, width=width)
    words = {word for line in shown.splitlines() if re.match(r" [a-c] ", line) for word in line.split()}
    whole = {word for row in standings_table(findings).rows for cell in row for word in cell.text.split()}
    assert words <= whole
    assert "a" in words
