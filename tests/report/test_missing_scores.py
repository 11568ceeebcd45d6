"""Pages about levels that never came to a score."""

import json
import math
from dataclasses import replace

import pytest

from hpsearch.analysis.analyse import analyse
from hpsearch.report.blocks import DASH
from hpsearch.report.export import to_json
from hpsearch.report.figures import render as rendering
from hpsearch.report.page import compose, markdown
from tests.report.specimens import two_levels

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def no_png(monkeypatch):
    monkeypatch.setattr(rendering, "png", lambda _: b"")


def found(**changes):
    """Two levels, the trials or retrainings of one of which are changed, or taken away."""
    evidence = two_levels().evidence
    for rows, change in changes.items():
        changed = [change(row) if row.level == "none" else row for row in getattr(evidence, rows)]
        evidence = replace(evidence, **{rows: tuple(row for row in changed if row is not None)})
    return compose(analyse(evidence))


def diverged(row):
    return replace(row, status="diverged", val=0.0, report=0.0)


def lost(row):
    return replace(row, status="error", val=math.nan, report=math.nan)


def gone(_):
    return None


def test_the_table_of_levels_says_why_a_level_is_not_in_it():
    text = markdown(found(trials=diverged, confirm=gone))
    assert "Not shown: none (every one of its 50 trials diverged, so it has no recipe)." in text
    assert "| Confirmed | 12 fresh seeds for each recipe, look 1 |" in text


def test_lost_retrainings_are_counted_and_said():
    report = found(confirm=lost)
    text = markdown(report)
    assert "Not shown: none (none of its 12 retrainings has a score)." in text
    assert "| Confirmed | 0 to 12 fresh seeds for each recipe, look 1 |" in text
    (strips,) = [figure.svg for figure in report.pictures if figure.number == "F11"]
    assert "n = 12 retrainings" in strips
    assert "no score" in strips


def test_a_level_of_which_one_seed_diverged_has_no_mean_anywhere():
    evidence = two_levels().evidence
    spoiled = tuple(diverged(row) if (row.level, row.key) == ("none", 3) else row for row in evidence.confirm)
    findings = analyse(replace(evidence, confirm=spoiled))
    text = markdown(compose(findings))
    row = next(
        line.split(" | ") for line in text.partition("confirm, mean")[2].splitlines() if line.startswith("| none")
    )
    assert row[4:9] == ["refused: R08", DASH, "12", DASH, "1 / 12"]
    assert "Where a seed diverged: there is no mean (R08)." in text
    told = {one["name"]: one["confirmed"] for one in json.loads(to_json(findings))["levels"]}["none"]
    assert [told[name] for name in ("mean", "sd", "optimism", "interval")] == [None, None, None, [None, None]]
    assert (told["refused"], told["failed"]) == (["R08"], 1)


def test_where_no_retraining_has_a_score_the_page_does_not_say_that_there_was_none():
    evidence = two_levels().evidence
    alone = replace(
        evidence,
        design=replace(evidence.design, levels=evidence.design.levels[:1]),
        trials=tuple(row for row in evidence.trials if row.level != "none"),
        confirm=tuple(lost(row) for row in evidence.confirm if row.level != "none"),
    )
    assert "No retraining has a score, so nothing can be claimed." in markdown(compose(analyse(alone)))
