"""The selection rule."""

from itertools import permutations

import pytest

from hpsearch.records import Status, TrialResult
from hpsearch.store.champion_selection import find_champion
from hpsearch.store.record_json import Record


def record(k, score, status=Status.OK, level="-", **summary):
    return Record(level, k, {}, {}, TrialResult(status, None, score, None, {}, summary, [], []), "0" * 64)


def test_the_highest_score_wins():
    assert find_champion([record(0, 0.5), record(1, 0.75), record(2, 0.25)]).k == 1


def test_a_negative_score_wins_where_all_are_negative():
    assert find_champion([record(0, -3.0), record(1, -0.5), record(2, -2.0)]).k == 1


def test_a_score_of_zero_is_a_score():
    assert find_champion([record(0, -1.0), record(1, 0.0)]).k == 1


@pytest.mark.parametrize("order", list(permutations([2, 5, 11])))
def test_of_equal_scores_the_smaller_number_wins_whatever_the_order(order):
    assert find_champion([record(k, 0.5) for k in order]).k == 2


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_only_a_trial_that_went_well_can_win(status):
    score = 0.9 if status is Status.STALLED else None
    assert find_champion([record(0, score, status), record(1, 0.1)]).k == 1


def test_there_is_no_champion_without_a_score():
    assert find_champion([record(0, None, Status.DIVERGED), record(1, 0.9, Status.STALLED)]) is None
    assert find_champion([]) is None


def test_report_rows_have_no_say():
    assert (
        find_champion([record(0, 0.5, **{"report/accuracy": 0.9}), record(1, 0.6, **{"report/accuracy": 0.1})]).k == 1
    )
