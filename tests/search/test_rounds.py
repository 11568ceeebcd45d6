"""Sweeps whose trials learn from each other or are judged by each other: driven, killed and grown."""

from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from hpsearch.jobs import TrialJob
from hpsearch.records import Status, TrialResult, rung_scores
from hpsearch.seeding import Purpose, derive
from hpsearch.store.champion_selection import find_champion
from hpsearch.store.optuna_journal import JOURNAL, open_study
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.tracker import Tracker
from tests.driver_processes import NAME, InProcess, plan_of, record_bytes, search_in, trainings

pytestmark = pytest.mark.long

COHORT = 4
TRIALS = 2 * COHORT
NAMES = "optimizer.adam.lr"


@pytest.fixture(scope="module")
def config(make_config):
    search = {"kind": "tpe", "startup": 3, "cohort": COHORT, "pruner": "halving", "rungs": [1, 3]}
    return make_config(training={"epochs": 5, "batch_size": 4}, model={"width": 16}, search=search)


@pytest.fixture(scope="module")
def undisturbed(server, config, place):
    folder = place()
    assert server.drive(folder, config, TRIALS) == 0
    return folder


def records_in(folder):
    return [record for _, record in sorted(SweepStore(folder, NAME).records().items())]


def test_each_cohort_is_halved_at_each_rung(undisturbed):
    records = records_in(undisturbed)
    for cohort in (records[:COHORT], records[COHORT:]):
        assert sorted(len(record.result.curves["train/loss"]) for record in cohort) == [1, 1, 3, 5]
        at_first = {record.k: rung_scores(record.result)[1] for record in cohort}
        went_on = [record.k for record in cohort if 3 in rung_scores(record.result)]
        assert went_on == sorted(sorted(at_first, key=lambda k: (-at_first[k], k))[:2])


def test_what_fell_is_pruned_with_its_epoch_and_what_it_was_judged_by(undisturbed):
    pruned = [record for record in records_in(undisturbed) if record.result.status is Status.PRUNED]
    assert len(pruned) == 6
    for record in pruned:
        epochs = len(record.result.curves["train/loss"])
        assert record.result.failure == f"pruned after epoch {epochs} (of 5)"
        assert (record.result.score, record.result.score_se) == (None, None)
        assert rung_scores(record.result)[epochs] == record.result.summary["last/val/accuracy"]
    champion = find_champion(records_in(undisturbed))
    assert champion is not None
    assert champion.k not in {record.k for record in pruned}


def test_what_goes_to_the_end_is_what_it_would_be_without_a_pruner(undisturbed, config, place):
    folder = place()
    survivors = [record for record in records_in(undisturbed) if record.result.status is Status.OK]
    assert {record.k < COHORT for record in survivors} == {True, False}
    plain = plan_of(replace(config, search=replace(config.search, pruner="none", rungs=None)))
    given = [plain.realize(record.key, record.values) for record in survivors]
    with search_in(folder, plain, InProcess(folder / "trained")) as search:
        search.driver.train({t.key: t for t in given}, {t.key: TrialJob(t.config) for t in given})
        records = search.driver.records
    for record in survivors:
        alone = records[record.key].result
        rungs = {key for key in record.result.summary if key.startswith("rung/")}
        assert {**record.result.summary} == {**alone.summary, **{key: record.result.summary[key] for key in rungs}}
        assert (record.result.score, record.result.curves) == (alone.score, alone.curves)
        assert record.predictions_sha256 == records[record.key].predictions_sha256


def test_a_pruned_trial_is_a_finished_run_without_a_score_and_pruned_in_optuna(undisturbed):
    with Tracker.connect(None, undisturbed) as tracker:
        experiment = tracker._store.client.get_experiment_by_name(NAME)
        runs = tracker._store.client.search_runs([experiment.experiment_id], filter_string="tags.role = 'search'")
    study = {trial.user_attrs["k"]: trial for trial in open_study(undisturbed / JOURNAL, NAME, "a").get_trials()}
    for record in records_in(undisturbed):
        run = next(run for run in runs if run.data.tags["trial"] == str(record.k))
        pruned = record.result.status is Status.PRUNED
        assert (run.info.status, run.data.tags["status"]) == ("FINISHED", record.result.status)
        assert ("score" in run.data.metrics) is not pruned
        assert study[record.k].state.name == ("PRUNED" if pruned else "COMPLETE")
        assert study[record.k].intermediate_values == rung_scores(record.result)


def test_the_first_trials_are_those_of_random_search(undisturbed, config):
    random = plan_of(replace(config, search=replace(config.search, kind="random")))
    assert [record.values for record in records_in(undisturbed)[:3]] == [
        random.trial(("-", k)).values for k in range(3)
    ]


def test_the_next_cohort_is_drawn_as_by_a_loop_of_optunas_own(undisturbed, config):
    study = optuna.create_study(direction="maximize")
    low_to_high = {NAMES: FloatDistribution(1e-3, 1e-1, log=True)}
    records = records_in(undisturbed)
    for record in records[:COHORT]:
        pruned = record.result.status is Status.PRUNED
        study.add_trial(
            create_trial(
                state=optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE,
                value=None if pruned else record.result.score,
                params=record.values,
                distributions=low_to_high,
                intermediate_values=rung_scores(record.result) if pruned else {},
            )
        )
    for record in records[COHORT:]:  # what was drawn before in this cohort is still running
        seed = derive(config.seed, Purpose.PARAMETERS, "-", record.k) % 2**32
        study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=0)
        assert record.values == {NAMES: study.ask().suggest_float(NAMES, 1e-3, 1e-1, log=True)}


def test_a_sweep_that_grows_by_a_cohort_keeps_the_first_one_and_equals_the_large_one(
    server, config, place, undisturbed
):
    folder = place()
    assert server.drive(folder, config, COHORT) == 0
    expected = record_bytes(undisturbed)
    assert record_bytes(folder) == {k: expected[k] for k in range(COHORT)}
    assert server.drive(folder, config, TRIALS) == 0
    assert record_bytes(folder) == expected


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 2, 5, 7])
@pytest.mark.parametrize(
    "step",
    [
        "trained",
        "record written",
        *(pytest.param(step, marks=pytest.mark.slow) for step in ("asked", "run created", "run finished", "told")),
    ],
)
def test_a_driver_killed_among_the_rungs_resumes_as_if_nothing_had_happened(
    server, config, place, undisturbed, step, k
):
    folder = place()
    assert server.drive(folder, config, TRIALS, step=step, k=k) == -9
    assert server.drive(folder, config, TRIALS) == 0
    assert record_bytes(folder) == record_bytes(undisturbed)
    with Tracker.connect(None, folder) as tracker:
        experiment = tracker._store.client.get_experiment_by_name(NAME)
        runs = tracker._store.client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    finished = [run.data.tags["trial"] for run in runs if run.info.status == "FINISHED" and "trial" in run.data.tags]
    assert sorted(map(int, finished)) == list(range(TRIALS))
    assert all(trial.state.is_finished() for trial in open_study(folder / JOURNAL, NAME, "a").get_trials())


def test_a_finished_sweep_is_not_judged_again(server, config, undisturbed):
    before = trainings(undisturbed)
    assert server.drive(undisturbed, config, TRIALS) == 0
    assert trainings(undisturbed) == before


def numbers(keys):
    return [k for _, k in keys]


def record_of(k, status, score=None):
    return Record("-", k, {}, {}, TrialResult(status, None, score, None, {}, {}, [], []), "")


def test_an_error_is_tried_again_only_while_no_later_cohort_has_learned_from_its_trial(config):
    plan = plan_of(config)
    first = {("-", k): record_of(k, Status.ERROR if k == 2 else Status.OK, 0.5) for k in range(COHORT)}
    assert numbers(plan.missing(first, COHORT)) == [2]
    assert numbers(plan.missing(first, TRIALS)) == [2, 4, 5, 6, 7]
    begun = first | {("-", 5): record_of(5, Status.OOM)}
    assert numbers(plan.missing(begun, TRIALS)) == [4, 5, 6, 7]


def test_trials_that_depend_on_nobody_are_tried_again_whatever_came_later(make_config):
    plan = plan_of(make_config())
    records = {("-", k): record_of(k, Status.ERROR if k == 2 else Status.OK, 0.5) for k in range(6)}
    assert numbers(plan.missing(records, 7)) == [2, 6]


def test_what_diverged_is_never_taken_for_the_best_even_if_it_came_first(config):
    """One trial has a score, eight fell, one diverged: whichever came first, the scored one is the good one."""
    fell = TrialResult(Status.PRUNED, "", None, None, {}, {"rung/1/score": 0.5}, [], [])
    others = [Record("-", 0, {NAMES: rate}, {}, fell, "") for rate in np.geomspace(0.0012, 0.005, 8).tolist()]
    others.append(replace(record_of(0, Status.OK, 0.9), values={NAMES: 0.0025}))
    diverged = replace(record_of(0, Status.DIVERGED), values={NAMES: 0.05})
    drawn, last = [], [("-", k) for k in range(12, 16)]
    for order in ([diverged, *others], [*others, diverged]):
        past = [replace(record, k=k) for k, record in enumerate(order)]
        drawn.append([trial.values for trial in plan_of(config).trials(last, last, past)])
    assert drawn[0] == drawn[1]


def test_a_command_for_fewer_trials_leaves_alone_what_later_cohorts_have_learned_from(config):
    plan = plan_of(config)
    records = {("-", k): record_of(k, Status.ERROR if k == 2 else Status.OK, 0.5) for k in range(TRIALS)}
    assert plan.missing(records, COHORT) == []
