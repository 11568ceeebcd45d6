"""Who goes on after a rung."""

import math

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.config import ConfigError
from hpsearch.errors import HpsearchError
from hpsearch.records import Status, TrialResult
from hpsearch.search.pruning import Halving, OptunaJudge, judge_of


def ended(status, score=None):
    return TrialResult(status, None, score, None, {}, {}, [], [])


@given(st.dictionaries(st.integers(0, 99), st.integers(0, 5).map(float), max_size=30), st.floats(1.01, 10))
def test_halving_keeps_the_best_share_rounded_up(scores, eta):
    pruned = Halving(eta).pruned(1, scores)
    going_on = scores.keys() - pruned
    assert len(going_on) == math.ceil(len(scores) / eta)
    assert all(scores[a] >= scores[b] for a in going_on for b in pruned)
    assert all(a < b for a in going_on for b in pruned if scores[a] == scores[b])


@given(st.permutations(range(9)))
def test_halving_does_not_depend_on_who_comes_first(order):
    scores = {k: float(k % 4) for k in order}
    assert Halving().pruned(1, scores) == Halving().pruned(1, dict(sorted(scores.items())))


def test_nobody_judges_without_a_pruner(make_config):
    assert judge_of(make_config().search) is None


def medians(make_config, **options):
    return judge_of(make_config(search={"pruner": "median", "pruner_options": options}).search)


def test_the_median_is_that_of_finished_trials_at_the_same_rung(make_config):
    judge = medians(make_config, n_startup_trials=3)
    first = {0: 0.2, 1: 0.4, 2: 0.6}
    assert judge.pruned(1, first) == set()
    assert judge.pruned(3, {k: score + 0.1 for k, score in first.items()}) == set()
    judge.close({k: ended(Status.OK, 0.9) for k in first})
    assert judge.pruned(1, {3: 0.39, 4: 0.4, 5: 0.41}) == {3}
    assert judge.pruned(3, {4: 0.49, 5: 0.5}) == {4}


def test_trials_that_failed_or_fell_do_not_count_for_the_median(make_config):
    judge = medians(make_config, n_startup_trials=1)
    judge.pruned(1, {0: 0.5, 1: 0.9, 2: 0.95})
    judge.close({0: ended(Status.OK, 0.9), 1: ended(Status.PRUNED), 2: ended(Status.DIVERGED)})
    assert judge.pruned(1, {3: 0.49, 4: 0.51}) == {3}


def test_any_pruner_of_optunas_is_asked_as_in_a_loop_of_optunas_own(make_config):
    name, options = "optuna.pruners:PercentilePruner", {"percentile": 25.0, "n_startup_trials": 2}
    judge = judge_of(make_config(search={"pruner": name, "pruner_options": options}).search)
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.PercentilePruner(**options))
    values = {cohort: {k: math.sin(3.7 * k) for k in range(4 * cohort, 4 * cohort + 4)} for cohort in range(5)}
    for scores in values.values():
        trials = {k: study.ask() for k in scores}
        for k, trial in trials.items():
            trial.report(scores[k], 2)
        expected = {k for k, trial in trials.items() if trial.should_prune()}
        assert judge.pruned(2, scores) == expected
        for k, trial in trials.items():
            study.tell(trial, scores[k], state=None)
        judge.close({k: ended(Status.OK, score) for k, score in scores.items()})
    assert expected


def test_a_pruner_of_the_users_own_is_found_by_its_path(make_config):
    judge = judge_of(make_config(search={"pruner": "users_pruners:Below", "pruner_options": {"bar": 0.5}}).search)
    assert isinstance(judge, OptunaJudge)
    assert judge.pruned(1, {0: 0.4, 1: 0.6}) == {0}


def test_a_pruner_that_takes_any_number_of_arguments_needs_none(make_config):
    assert isinstance(judge_of(make_config(search={"pruner": "users_pruners:Handed"}).search), OptunaJudge)


def test_a_pruner_that_fails_is_named_with_the_epoch(make_config):
    judge = judge_of(make_config(search={"pruner": "users_pruners:Below", "pruner_options": {"bar": None}}).search)
    with pytest.raises(HpsearchError, match=r"search.pruner: Below failed after epoch 3: TypeError: "):
        judge.pruned(3, {0: 0.4})


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (
            {"pruner": "halving", "pruner_options": {"reduction_factor": 1}},
            "reduction_factor must be > 1 and finite, got 1",
        ),
        (
            {"pruner": "halving", "pruner_options": {"reduction_factor": math.inf}},
            "reduction_factor must be > 1 and fin",
        ),
        (
            {"pruner": "halving", "pruner_options": {"eta": 2}},
            r"search.pruner_options.eta is not an option of halving: known here: reduction_factor",
        ),
        ({"pruner": "optuna.pruners:PercentilePruner"}, r"needs search.pruner_options.percentile"),
        ({"pruner": "median", "pruner_options": {"n_startup_trials": -1}}, "must fit search.pruner=median"),
        ({"pruner": "optuna.samplers:RandomSampler"}, "must name a class of optuna.pruners.BasePruner"),
        ({"pruner": "optuna.pruners:MedianPrunr"}, "has no MedianPrunr"),
    ],
)
def test_a_pruner_that_cannot_be_made_is_refused(search, expected, make_config):
    with pytest.raises(ConfigError, match=expected):
        judge_of(make_config(search=search).search)


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({"pruner": "medain"}, "search.pruner must be one of none, halving, median, .* did you mean median?"),
        ({"pruner": "a b:c"}, "search.pruner must read as package.module:name"),
        ({"rungs": []}, "search.rungs must be epochs >= 1 in ascending order, or auto, got"),
        ({"rungs": [3, 1]}, "search.rungs must be epochs"),
        ({"rungs": [0, 1]}, "search.rungs must be epochs"),
        ({"cohort": 1}, "search.cohort must be >= 2 or auto, got 1"),
    ],
)
def test_rounds_that_make_no_sense_are_refused(search, expected, make_config):
    with pytest.raises(ConfigError, match=expected):
        make_config(search=search)


@pytest.mark.parametrize(("epochs", "expected"), [(1, []), (2, [1]), (5, [1]), (6, [1, 3]), (20, [1, 3, 9])])
def test_rungs_of_their_own_accord_lie_at_powers_of_three_up_to_half_of_all_epochs(epochs, expected, make_config):
    search = make_config(search={"pruner": "halving"}).search
    assert search.rungs_below(epochs) == expected


def test_there_are_no_rungs_without_a_pruner(make_config):
    assert make_config(search={"rungs": [1, 2]}).search.rungs_below(9) == []
