"""The selection rule."""

from dataclasses import replace
from itertools import permutations

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.records import Status, TrialResult
from hpsearch.store.champion_selection import find_champion, pareto_front
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


def costly(k, score, *costs, status=Status.OK):
    names = ("parameters", "flops")[: len(costs)]
    made = record(k, score, status, **dict(zip(names, costs, strict=True)))
    return replace(made, config_tree={"search": {"objectives": list(names)}})


def test_of_equal_scores_the_lower_cost_wins():
    assert find_champion([costly(0, 0.5, 9.0), costly(1, 0.5, 3.0), costly(2, 0.4, 1.0)]).k == 1


def test_the_front_is_what_no_trial_dominates():
    records = [costly(0, 0.9, 50), costly(1, 0.8, 60), costly(2, 0.7, 20), costly(3, 0.7, 20), costly(4, 0.6, 20)]
    assert [each.k for each in pareto_front(records)] == [0, 2, 3]


def test_a_trial_that_is_best_by_one_of_several_costs_is_on_the_front():
    records = [costly(0, 0.9, 50, 5), costly(1, 0.5, 60, 4), costly(2, 0.5, 40, 6), costly(3, 0.5, 60, 5)]
    assert [each.k for each in pareto_front(records)] == [0, 2, 1]


def test_only_trials_that_can_win_are_on_the_front():
    records = [costly(0, 0.9, 50), costly(1, 0.5, 1, status=Status.STALLED), costly(2, None, 1, status=Status.DIVERGED)]
    assert [each.k for each in pareto_front(records)] == [0]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_the_front_is_that_of_optuna(points):
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"])
    for values in points:
        study.add_trial(optuna.trial.create_trial(values=list(map(float, values))))
    front = pareto_front([costly(k, float(score), *costs) for k, (score, *costs) in enumerate(points)])
    assert sorted(each.k for each in front) == [trial.number for trial in study.best_trials]
