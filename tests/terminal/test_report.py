"""What the terminal shows of a report that was written."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.external_results import read_table
from hpsearch.commands.publish import summarize
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.report import show_report

SEEDS = range(1, 11)


def told(tmp_path, *lost):
    """The lines about levels that score alike but for chance, beside such of which nothing came to a score."""
    lines = ["phase,level,trial,key,select,report,status"]
    for at, level in enumerate("abc"):
        lines += [f"explore,{level},{k},,0.{80 + k},0.8," for k in (1, 2)]
        lines += [f"confirm,{level},2,{key},,0.{800 + (key * (at + 3)) % 11}," for key in SEEDS]
    lines += [f"explore,{level},1,,,,diverged" for level in lost]
    path = tmp_path / "results.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    findings, shown = analyse(read_table(path)), io.StringIO()
    show_report(Terminal(Console(file=shown, width=400)), summarize(findings, [Path("report.html")]))
    return findings, shown.getvalue()


@pytest.mark.parametrize("lost", ["", "d"], ids=["the headline is first", "the headline is not first"])
def test_of_what_is_not_decided_pairs_are_counted_and_the_headline_is_told(tmp_path, lost):
    findings, shown = told(tmp_path, *lost)
    undecided = sum(pair.state == "inconclusive" for pair in findings.pairs)
    assert undecided == 3
    assert "  and 3 comparisons that the data do not decide\n" in shown
    (headline,) = [
        one for one in findings.answers if re.search("levels (are not separated|remain contenders)", one.sentence)
    ]
    assert f"  INCONCLUSIVE  {headline.sentence}\n" in shown
    assert "Applies to" not in shown
