"""Searches that end before all trials are trained: by time, and by trials that are no better."""

import math

import pytest

from hpsearch.config import ConfigError
from hpsearch.records import Status, TrialResult
from hpsearch.store.record_json import Record
from tests.driver_processes import InProcess, plan_of, search_in

TRIALS = 12


def record_of(k, score, status=Status.OK):
    return Record("-", k, {}, {}, TrialResult(status, None, score, None, {}, {}, [], []), "")


def end_of(make_config, patience, scores, cohort=2, trials=TRIALS):
    plan = plan_of(make_config(search={"trials": trials, "patience": patience, "cohort": cohort}))
    records = {("-", k): score if isinstance(score, Record) else record_of(k, score) for k, score in enumerate(scores)}
    assert [k for _, k in plan.missing(records, trials)] == list(
        range(len(scores), trials) if plan.end_by_patience(records, trials) is None else []
    )
    return plan.end_by_patience(records, trials)


@pytest.mark.parametrize(
    ("patience", "scores", "expected"),
    [
        (3, [0.5, 0.4, 0.3, 0.2], 4),  # three after trial 0
        (3, [0.5, 0.4, 0.6, 0.2], None),  # one after trial 2
        (3, [0.5, 0.4, 0.6, 0.2, 0.6, 0.1], 6),  # equal is no better
        (4, [0.5, 0.4, 0.3, 0.2], None),
        (1, [0.1, 0.2, 0.3, 0.4], None),
        (1, [0.2, 0.1, 0.3, 0.4], 2),
        (3, [0.5, 0.4, 0.3], None),  # the cohort is not complete
        (None, [0.5] * 10, None),
    ],
)
def test_a_search_ends_with_the_cohort_after_which_enough_trials_were_no_better(
    make_config, patience, scores, expected
):
    assert end_of(make_config, patience, scores) == expected


def test_what_failed_or_stalled_is_no_better(make_config):
    best = [0.5, 0.4]
    others = [record_of(2, None, Status.DIVERGED), record_of(3, 0.9, Status.STALLED)]
    assert end_of(make_config, 3, [*best, *others]) == 4


def test_before_any_trial_has_a_score_patience_waits(make_config):
    assert end_of(make_config, 1, [record_of(k, None, Status.DIVERGED) for k in range(4)]) is None


def test_a_driven_search_ends_by_patience_with_any_number_of_trials_asked_for(make_config, tmp_path):
    ended = {}
    for trials in (8, 20):
        config = make_config(
            training={"epochs": 4, "batch_size": 4},
            model={"width": 16},
            search={"trials": trials, "patience": 2, "cohort": 2},
        )
        folder = tmp_path / str(trials)
        with search_in(folder, plan_of(config), InProcess(folder / "trained")) as search:
            done = search.finish(trials)
            assert search.finish(trials) == done
            ended[trials] = [record.values for record in done]
    shorter = min(len(values) for values in ended.values())
    assert shorter % 2 == 0
    assert ended[8][:shorter] == ended[20][:shorter]
    assert len(ended[20]) < 20


def test_after_the_deadline_nothing_more_is_begun_and_the_same_command_goes_on(make_config, tmp_path, monkeypatch):
    config = make_config(training={"epochs": 1}, model={"width": 4}, search={"trials": TRIALS})
    with search_in(tmp_path, plan_of(config), InProcess(tmp_path / "trained")) as search:
        commit = search.driver.on_commit

        def out_of_time(record):
            commit(record)
            search.driver.deadline_s = -math.inf

        monkeypatch.setattr(search.driver, "on_commit", out_of_time)
        some = search.finish(TRIALS)
        assert 0 < len(some) < TRIALS
        monkeypatch.setattr(search.driver, "on_commit", commit)
        search.driver.deadline_s = math.inf
        everything = search.finish(TRIALS)
    assert [record.k for record in everything] == list(range(TRIALS))
    assert [record for record in everything if record in some] == some


def test_paused_trials_of_a_pruned_search_are_given_up_when_the_time_is_over(make_config, tmp_path):
    search = {"trials": 4, "cohort": 4, "pruner": "halving", "rungs": [1]}
    config = make_config(training={"epochs": 3}, model={"width": 4}, search=search)
    with search_in(tmp_path, plan_of(config), InProcess(tmp_path / "trained")) as loop:
        judged = loop.driver.on_tick

        def out_of_time(text):
            judged(text)
            if loop.driver._progress.paused:
                loop.driver.deadline_s = -math.inf

        loop.driver.on_tick = out_of_time
        assert loop.finish(4) == []
        loop.driver.on_tick, loop.driver.deadline_s = judged, math.inf
        assert len(loop.finish(4)) == 4


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [(90, 90.0), ("90", 90.0), ("90s", 90.0), ("30m", 1800.0), ("1.5h", 5400.0), ("2 d", 172800.0), (None, None)],
)
def test_a_time_is_read_in_seconds_or_with_its_unit(make_config, timeout, expected):
    assert make_config(search={"timeout": timeout}).search.timeout_s == expected


@pytest.mark.parametrize("timeout", [0, -5, "0s", "soon", "5 weeks", "", "1h30m"])
def test_what_is_no_time_is_refused(make_config, timeout):
    with pytest.raises(ConfigError, match=r"search.timeout must be a time such as 90, 90s, 30m or 1.5h, got"):
        make_config(search={"timeout": timeout})


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (
            {"compare": "optimizer", "timeout": 5},
            "search.compare needs equally many drawn trials of each level, which search.timeout",
        ),
        ({"compare": "optimizer", "enqueue": [{}]}, "which search.enqueue prevents"),
        ({"compare": "optimizer", "patience": 5}, "do not depend on each other, and search.patience=5 makes them"),
        ({"objectives": ["flops"], "compare": "optimizer"}, "search.objectives has no effect on a comparison"),
        ({"objectives": ["flops"], "pruner": "median"}, "search.pruner=median judges by the metric alone"),
        ({"objectives": ["flops", "flops"]}, "search.objectives must name each cost once"),
        ({"objectives": ["size"]}, "search.objectives must be a list, each item one of parameters, flops, got"),
        ({"kind": "coarse_to_fine", "patience": 5}, "search.patience=5 cannot be given with search=coarse_to_fine"),
    ],
)
def test_what_contradicts_a_limit_is_refused(make_config, search, expected):
    with pytest.raises(ConfigError, match=expected):
        make_config(search=search)
