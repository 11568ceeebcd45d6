"""The driver of a sweep, killed and lied to: real store, real journal, real MLflow on SQLite."""

from collections import Counter
from functools import partial

import pytest

from hpsearch.config import ConfigError
from hpsearch.errors import WorkerSetupError
from hpsearch.execution.local import LocalExecutor
from hpsearch.records import Status
from hpsearch.search.space import Choices, Space
from hpsearch.store.champion_selection import find_champion
from hpsearch.store.optuna_journal import JOURNAL, open_study
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.tracker import Tracker
from tests.driver_processes import NAME, STEPS, InProcess, plan_of, record_bytes, search_in, trainings
from tests.search import driver_tasks

pytestmark = pytest.mark.long

TRIALS = 4
QUICK = ("trained", "run finished")
SLOW = pytest.mark.slow


@pytest.fixture(scope="module")
def config(make_config):
    return make_config(training={"epochs": 2, "batch_size": 16}, model={"width": 4})


@pytest.fixture(scope="module")
def undisturbed(server, config, place):
    """The records of a sweep that nothing happened to."""
    folder = place()
    assert server.drive(folder, config, TRIALS) == 0
    return record_bytes(folder)


def runs_of(folder):
    """All runs but the parent, and the parent."""
    with Tracker.connect(None, folder) as tracker:
        experiment = tracker._store.client.get_experiment_by_name(NAME)
        runs = tracker._store.client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if run.data.tags["role"] == "parent"]
    assert len(parents) == 1
    return [run for run in runs if run not in parents], parents[0]


def trials_of(folder):
    return open_study(folder / JOURNAL, NAME, "a").get_trials()


def assert_consistent(folder, undisturbed):
    """Everything that a resumed sweep promises, in all four places where it is kept."""
    runs, parent = runs_of(folder)
    committed = Counter(int(run.data.tags["trial"]) for run in runs if run.info.status == "FINISHED")
    told = Counter(trial.user_attrs["k"] for trial in trials_of(folder) if trial.state.name == "COMPLETE")
    each_once = dict.fromkeys(range(TRIALS), 1)
    assert record_bytes(folder) == undisturbed
    assert (committed, told) == (each_once, each_once)
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    assert {run.data.tags["status"] for run in runs if run.info.status == "KILLED"} <= {"interrupted"}
    assert parent.info.status == "FINISHED"
    assert {trial.state.name for trial in trials_of(folder)} <= {"COMPLETE", "FAIL"}


@pytest.mark.parametrize("step", [step if step in QUICK else pytest.param(step, marks=SLOW) for step in STEPS])
def test_a_driver_killed_after_any_step_of_a_commit_resumes_as_if_nothing_had_happened(
    server, config, place, undisturbed, step
):
    folder = place()
    assert server.drive(folder, config, TRIALS, step=step, k=1) == -9
    assert server.drive(folder, config, TRIALS) == 0
    assert_consistent(folder, undisturbed)
    again = {1: 2} if step == "trained" else {}  # only a training whose record was not written is repeated
    assert trainings(folder) == dict.fromkeys(range(TRIALS), 1) | again


def test_a_trial_whose_record_is_damaged_is_trained_again_and_its_run_is_marked(server, config, place, undisturbed):
    folder = place()
    assert server.drive(folder, config, TRIALS) == 0
    record = SweepStore(folder, NAME).finished()["-", 2].folder / "record.json"
    record.write_bytes(record.read_bytes()[:-9])
    assert server.drive(folder, config, TRIALS) == 0
    assert record_bytes(folder) == undisturbed
    runs, _ = runs_of(folder)
    assert Counter(run.data.tags["trial"] for run in runs if run.info.status == "FINISHED") == Counter("0123")
    (replaced,) = [run for run in runs if run.info.status == "KILLED"]
    assert (replaced.data.tags["trial"], replaced.data.tags["attempt"]) == ("2", "1")
    assert replaced.data.tags["failure"].startswith(f"replaced by a later attempt: '{record}' is not whole: ")


def test_facts_that_a_cut_file_has_lost_cost_no_trial(server, config, place, undisturbed):
    folder = place()
    assert server.drive(folder, config, TRIALS, step="record written", k=1) == -9
    facts = SweepStore(folder, NAME).finished()["-", 1].folder / "run.json"
    facts.write_bytes(facts.read_bytes()[:-9])
    assert server.drive(folder, config, TRIALS) == 0
    assert_consistent(folder, undisturbed)
    assert trainings(folder) == dict.fromkeys(range(TRIALS), 1)


@pytest.mark.slow
def test_a_driver_killed_time_and_again_resumes_each_time(server, config, place, undisturbed):
    folder = place()
    for k, step in enumerate(["asked", "run finished", "trained", "artifacts stored"]):
        assert server.drive(folder, config, TRIALS, step=step, k=k) == -9
    assert server.drive(folder, config, TRIALS, step="told", k=3) == -9
    assert server.drive(folder, config, TRIALS) == 0
    assert_consistent(folder, undisturbed)
    assert trainings(folder) == {0: 1, 1: 1, 2: 2, 3: 1}


def test_a_finished_sweep_trains_nothing_when_it_is_driven_again(server, config, place, undisturbed):
    folder = place()
    for _ in range(2):
        assert server.drive(folder, config, TRIALS) == 0
    assert_consistent(folder, undisturbed)
    assert trainings(folder) == dict.fromkeys(range(TRIALS), 1)


def test_a_sweep_that_grows_keeps_its_first_trials_and_equals_the_large_one(server, config, place, undisturbed):
    folder = place()
    assert server.drive(folder, config, 2) == 0
    assert record_bytes(folder) == {k: undisturbed[k] for k in range(2)}
    assert server.drive(folder, config, TRIALS) == 0
    assert_consistent(folder, undisturbed)


def test_a_sweep_that_goes_on_in_a_store_that_does_not_have_it_is_whole_there(server, config, place, undisturbed):
    folder = place()
    assert server.drive(folder, config, 2) == 0
    (folder / "mlflow.db").unlink()
    assert server.drive(folder, config, TRIALS) == 0
    assert_consistent(folder, undisturbed)
    assert trainings(folder) == dict.fromkeys(range(TRIALS), 1)


def test_a_record_that_was_cut_is_made_anew_by_another_attempt(server, config, place, undisturbed):
    folder = place()
    assert server.drive(folder, config, TRIALS, step="record written", k=1) == -9
    record = SweepStore(folder, NAME).latest("-", 1).folder / "record.json"
    record.write_bytes(record.read_bytes()[:-20])
    assert server.drive(folder, config, TRIALS) == 0
    assert_consistent(folder, undisturbed)
    assert trainings(folder)[1] == 2


BEHAVIOURS = ["answer", "die", "die once", "exit 0", "raise", "memory", "torch memory", "answer"]


@pytest.fixture(scope="module")
def misbehaving(config, place):
    """A sweep on real worker processes, of which most fail; its folder and its records by behaviour."""
    folder, plan = place(), plan_of(config)
    rates = [plan.trial(("-", k)).config.optimizer.lr for k in range(len(BEHAVIOURS))]
    set_up = partial(driver_tasks.set_up, str(folder), dict(zip(rates, BEHAVIOURS, strict=True)))
    with LocalExecutor(set_up, driver_tasks.work, workers=2) as executor, search_in(folder, plan, executor) as search:
        records = search.finish(len(BEHAVIOURS))
    tries = Counter((folder / "tries").read_text().splitlines())
    return folder, records, [tries[repr(rate)] for rate in rates]


def test_a_trial_that_kills_its_worker_is_tried_three_times_and_one_that_raises_once(misbehaving):
    _, _, tries = misbehaving
    assert dict(zip(BEHAVIOURS, tries, strict=True)) == {
        "answer": 1,
        "die": 3,
        "die once": 2,
        "exit 0": 3,
        "raise": 1,
        "memory": 1,
        "torch memory": 1,
    }


def test_trials_that_fail_are_counted_with_their_status_and_cause(misbehaving):
    _, records, _ = misbehaving
    found = {how: (r.result.status, r.result.failure) for how, r in zip(BEHAVIOURS, records, strict=True)}
    assert found["answer"] == found["die once"] == (Status.OK, None)
    assert found["die"] == (Status.ERROR, "the worker process was killed by SIGKILL")
    assert found["exit 0"] == (Status.ERROR, "the worker process ended with exit code 0 and without a result")
    assert found["raise"] == (Status.ERROR, "ZeroDivisionError: division by zero")
    assert found["memory"] == (Status.OOM, "MemoryError: out of it")
    assert found["torch memory"][0] is Status.OOM


def test_failed_trials_are_failed_runs_without_a_score_and_failed_trials_of_optuna(misbehaving):
    folder, records, _ = misbehaving
    runs, parent = runs_of(folder)
    for how, record in zip(BEHAVIOURS, records, strict=True):
        ended = [run for run in runs if run.data.tags["trial"] == str(record.k) and run.info.status != "KILLED"]
        good = how in ("answer", "die once")
        assert [run.info.status for run in ended] == ["FINISHED" if good else "FAILED"]
        assert ("score" in ended[0].data.metrics) is good
        assert ended[0].data.tags["status"] == record.result.status
        assert ended[0].data.tags.get("failure") == record.result.failure
        states = [trial.state.name for trial in trials_of(folder) if trial.user_attrs["k"] == record.k]
        assert states.count("COMPLETE") == good
        assert set(states) <= {"COMPLETE", "FAIL"}
    assert parent.info.status == "FINISHED"


def test_an_attempt_whose_worker_died_is_closed_with_the_cause_before_the_next(misbehaving):
    folder, _, _ = misbehaving
    runs, _ = runs_of(folder)
    attempts = {r.data.tags["attempt"]: r for r in runs if r.data.tags["trial"] == str(BEHAVIOURS.index("die"))}
    assert {number: run.info.status for number, run in attempts.items()} == {
        "1": "KILLED",
        "2": "KILLED",
        "3": "FAILED",
    }
    assert "killed by SIGKILL" in attempts["1"].data.tags["failure"]


def drive_workers(folder, config, behaviours, *, workers=2):
    plan = plan_of(config)
    by_rate = {plan.trial(("-", k)).config.optimizer.lr: how for k, how in behaviours.items()}
    set_up = partial(driver_tasks.set_up, str(folder), by_rate)
    executor = LocalExecutor(set_up, driver_tasks.work, workers=workers)
    with executor, search_in(folder, plan, executor) as search:
        return search.finish(TRIALS)


def assert_nothing_runs(folder):
    runs, parent = runs_of(folder)
    assert "RUNNING" not in {parent.info.status, *(run.info.status for run in runs)}
    assert all(trial.state.is_finished() for trial in trials_of(folder))


def test_a_configuration_that_a_worker_refuses_ends_the_sweep_with_its_sentences(config, place):
    folder = place()
    with pytest.raises(ConfigError) as refused:
        drive_workers(folder, config, {1: "refuse"})
    assert refused.value.problems == ("model.width must fit the loss, got 3", "loss must fit the data, got mse")
    assert 1 not in record_bytes(folder)
    assert_nothing_runs(folder)


def test_when_no_worker_can_be_made_any_more_the_sweep_ends_and_nothing_is_left_running(config, place):
    folder = place()
    with pytest.raises(WorkerSetupError, match="the data set is gone"):
        drive_workers(folder, config, {1: "die for good"}, workers=1)
    assert sorted(record_bytes(folder)) == [0]
    assert_nothing_runs(folder)
    (folder / "no more workers").unlink()
    assert [record.result.status for record in drive_workers(folder, config, {})] == [Status.OK] * TRIALS


def test_a_trial_that_an_error_failed_is_tried_again_when_the_sweep_is_started_again(config, place):
    folder = place()
    first = drive_workers(folder, config, {1: "raise", 2: "memory"})
    assert [record.result.status for record in first] == [Status.OK, Status.ERROR, Status.OOM, Status.OK]
    kept = record_bytes(folder)
    second = drive_workers(folder, config, {})
    assert [record.result.status for record in second] == [Status.OK] * TRIALS
    assert {k: len(SweepStore(folder, NAME).attempts("-", k)) for k in range(TRIALS)} == {0: 1, 1: 2, 2: 2, 3: 1}
    assert {k: record_bytes(folder)[k] for k in (0, 3)} == {k: kept[k] for k in (0, 3)}
    told = Counter(trial.user_attrs["k"] for trial in trials_of(folder) if trial.state.name == "COMPLETE")
    assert told == dict.fromkeys(range(TRIALS), 1)
    assert_nothing_runs(folder)


RATES = (0.3, 1e30, 0.2, 2e30)
MODERATE = (0.3, 0.31, 0.2, 0.21)
"""The same places in the list are drawn, and no rate is far too high."""


def rates_of(*rates):
    return Space({}, {"optimizer.sgd": {"lr": Choices(rates)}})


@pytest.fixture(scope="module")
def sgd(make_config):
    return make_config(
        training={"epochs": 12, "batch_size": 16}, model={"width": 4}, optimizer="sgd", activation="identity"
    )


@pytest.fixture(scope="module")
def diverging(sgd, place):
    """A sweep in which some learning rates are far too high."""
    folder, plan = place(), plan_of(sgd, rates_of(*RATES))
    high = {k for k in range(TRIALS) if plan.trial(("-", k)).config.optimizer.lr > 1}
    with search_in(folder, plan, InProcess(folder / "trained")) as search:
        records = search.finish(TRIALS)
    return folder, records, high


def test_diverged_trials_are_counted_with_the_epoch_and_are_never_the_best(diverging):
    _, records, high = diverging
    assert len(records) == TRIALS
    for record in records:
        assert (record.result.status is Status.DIVERGED) == (record.k in high)
        assert (record.result.score is None) == (record.k in high)
        assert record.k not in high or record.result.failure.startswith("non-finite ")
        assert record.k not in high or " in epoch 1 " in record.result.failure
    assert find_champion(records).k not in high
    assert find_champion([record for record in records if record.k in high]) is None


def test_diverged_trials_fail_in_mlflow_without_a_score_and_in_optuna(diverging):
    folder, _, high = diverging
    runs, _ = runs_of(folder)
    for run in runs:
        diverged = int(run.data.tags["trial"]) in high
        assert run.info.status == ("FAILED" if diverged else "FINISHED")
        assert ("score" in run.data.metrics) is not diverged
    states = {trial.user_attrs["k"]: trial.state.name for trial in trials_of(folder)}
    assert states == {k: "FAIL" if k in high else "COMPLETE" for k in range(TRIALS)}


def test_a_neighbour_of_a_diverged_trial_trains_to_the_same_bytes_as_without_it(diverging, sgd, place):
    folder, _, high = diverging
    alone = place()
    with search_in(alone, plan_of(sgd, rates_of(*MODERATE)), InProcess(alone / "trained")) as search:
        search.finish(TRIALS)
    of, expected = record_bytes(folder), record_bytes(alone)
    assert {k: of[k] for k in of if k not in high} == {k: expected[k] for k in expected if k not in high}
