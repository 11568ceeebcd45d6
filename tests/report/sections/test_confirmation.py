"""T1 where the retrained trial is not the one that `val` selects, or is not known, as in a table of others' results."""

from dataclasses import replace

import pytest

from hpsearch.analysis.analyse import analyse
from hpsearch.report.blocks import DASH
from hpsearch.report.levels import show_search_score
from hpsearch.report.sections.confirmation import confirm
from tests.report.specimens import two_levels


def rows_of(number):
    """T1 of two levels, of whose first the retrainings name `number` as their trial; and the findings."""
    evidence = two_levels().evidence
    level = evidence.design.levels[0].name
    changed = (replace(row, trial=number) if row.level == level else row for row in evidence.confirm)
    findings = analyse(replace(evidence, confirm=tuple(changed)))
    shown = confirm(findings).blocks[0]
    row = next(row for row in shown.rows if row[0].text == level)
    return findings, level, dict(zip(shown.columns, (cell.text for cell in row), strict=True)), shown.caption


def test_the_search_scores_are_those_of_the_trial_that_was_retrained():
    evidence, selected = two_levels().evidence, two_levels().explored
    level = evidence.design.levels[0].name
    other = next(row for row in evidence.draws(level) if row.k != selected[level].recipe)
    findings, level, cells, caption = rows_of(other.k)
    assert cells["recipe: trial"] == str(other.k)
    assert cells["search, val"] == show_search_score(evidence.design, other.val, "val")
    assert cells["search, report"] == show_search_score(evidence.design, other.report, "report")
    assert findings.confirmed[level].optimism == pytest.approx(other.val - findings.confirmed[level].mean)
    assert f"{level} (trial {other.k}, selected: {selected[level].recipe})" in caption


def test_without_a_known_trial_the_recipe_is_a_dash_beside_the_scores_of_the_selected_one():
    findings, level, cells, caption = rows_of(None)
    assert cells["recipe: trial"] == DASH
    assert cells["search, val"] == show_search_score(findings.evidence.design, findings.explored[level].val, "val")
    assert f"{level} (trial" not in caption


def test_a_retrained_trial_that_was_not_in_the_search_has_no_search_scores():
    _, _, cells, _ = rows_of(999)
    assert (cells["recipe: trial"], cells["search, val"], cells["optimism"]) == ("999", DASH, DASH)
