"""T1b and T2b: levels that differ in their loss, on calibrated probabilities."""

import math
from dataclasses import replace

import pytest

from hpsearch.analysis.comparison.calibrated_losses import CalibratedPair
from hpsearch.analysis.findings import Action, Rule, RuleResult
from hpsearch.report.blocks import DASH, MINUS
from hpsearch.report.sections.confirmation import calibrated
from tests.analysis.comparison.claim_words import forbidden
from tests.report.specimen_results import calibrated_of
from tests.report.specimens import optimizers, two_levels


@pytest.fixture(scope="module")
def found():
    """Of several contenders."""
    plain = optimizers()
    return replace(plain, calibrated=calibrated_of(plain.evidence))


def texts(block):
    return [[cell.text for cell in row] for row in block.rows]


def test_levels_that_have_one_loss_have_no_such_tables():
    assert calibrated(two_levels()) == []


def test_each_level_is_shown_with_accuracy_loss_and_temperature_by_the_alphabet(found):
    _, levels, _ = calibrated(found)
    assert [row[0] for row in texts(levels)] == ["adagrad", "momentum", "nesterov", "sgd"]
    assert texts(levels)[3][1:] == ["12", "0", "0.9500 [0.9400, 0.9600]", "0.3000 [0.2890, 0.3110]", "1.4"]


def test_each_pair_is_shown_with_its_difference_and_interval(found):
    _, _, pairs = calibrated(found)
    assert len(pairs.rows) == len(found.pairs)
    assert [f"momentum {MINUS} nesterov", "12", "+0.0200 [0.0070, 0.0330]"] in texts(pairs)
    assert DASH not in pairs.caption


def test_a_pair_without_a_difference_has_a_dash_and_the_reason(found):
    unknown = CalibratedPair("sgd", "adagrad", 12, math.nan, (math.nan, math.nan))
    _, _, pairs = calibrated(replace(found, calibrated=replace(found.calibrated, pairs=(unknown,))))
    assert texts(pairs) == [[f"sgd {MINUS} adagrad", "12", DASH]]
    assert f"{DASH}: a seed diverged, or there are too few of them for a claim." in pairs.caption


def test_a_level_that_is_under_tuned_is_said_to_be_so_whether_or_not_t2_refuses_it(found):
    edge = RuleResult(Rule.INSIDE_ITS_RANGE, Action.DOWNGRADE, "lr lies at the edge", "", "nesterov")
    (_, _, plain), (_, _, cautious) = calibrated(found), calibrated(replace(found, gates=(*found.gates, edge)))
    assert cautious.rows == plain.rows
    assert "under-tuned" not in plain.caption
    assert " nesterov is possibly under-tuned (R17)." in cautious.caption


def test_levels_that_may_not_be_compared_are_shown_without_pairs(found):
    assert len(calibrated(replace(found, calibrated=replace(found.calibrated, pairs=())))) == 2


def test_the_words_claim_nothing(found):
    title, levels, pairs = calibrated(found)
    said = " ".join([title.text, levels.caption, pairs.caption, *levels.columns, *pairs.columns])
    assert forbidden(said, claimed=False, single_contender=False) == []
    assert "claims are made of accuracy alone" in pairs.caption


def test_no_level_is_bold_even_where_one_is_ahead():
    plain = two_levels()
    _, levels, pairs = calibrated(replace(plain, calibrated=calibrated_of(plain.evidence)))
    assert not [cell for block in (levels, pairs) for row in block.rows for cell in row if cell.strong]
