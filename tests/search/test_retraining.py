"""Fresh seeds of a champion, on real worker processes, with the real store and MLflow on SQLite."""

import shutil
from collections import Counter
from functools import partial

import pytest

from hpsearch.errors import WorkerSetupError
from hpsearch.execution.interrupts import StopSignals
from hpsearch.execution.local import LocalExecutor
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.records import Status
from hpsearch.search import retraining
from hpsearch.search.driver import Driver
from hpsearch.search.retraining import FrozenRecipe, RetrainingLog
from hpsearch.store.provenance import Provenance
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.tracker import Tracker
from tests.driver_processes import ignore, plan_of
from tests.search import driver_tasks

MADE_WITH = Provenance("cpu", "0.1.0 (1f0c2b9a), torch 2.15.0")


@pytest.fixture
def place(migrated, tmp_path):
    shutil.copy(migrated / "mlflow.db", tmp_path / "mlflow.db")
    return tmp_path


def confirm(place, config, seeds, behaviour="answer"):
    """The statuses of the seeds, and those that were trained on the way."""
    trial, told = plan_of(config).trial(("-", 0)), []
    set_up = partial(driver_tasks.set_up, str(place), {trial.config.optimizer.lr: behaviour})
    executor = LocalExecutor(set_up, driver_tasks.work, workers=1)
    with executor, Tracker.connect(None, place) as tracker, StopSignals() as signals:
        run = tracker.open_sweep("sweep", identity="a", started_ms=1)
        store = SweepStore(place, "sweep").confirmation("-", 0)
        statuses = retrain(FrozenRecipe(trial, store), seeds, tracker, run, signals, told, executor)
    return statuses, told


def retrain(recipe, seeds, tracker, run, signals, told, executor=None):
    log = RetrainingLog(tracker, run, MADE_WITH, [recipe])
    driver = Driver(log, lambda _: FleetScheduler(executor, {}, 1), signals, lambda r: told.append(r.k), ignore)
    asked = retraining.retrain([recipe], (seeds,), driver, lambda _: (), ignore)
    return [record.result.status for record in asked.records]


def ended(place):
    """(part, status in MLflow) of every confirm run."""
    with Tracker.connect(None, place) as tracker:
        experiment = tracker._store.client.get_experiment_by_name("sweep")
        runs = list(tracker._store.search(experiment.experiment_id, "tags.role = 'confirm'"))
    return Counter((run.data.tags["part"], run.info.status) for run in runs)


def told_of(place, tag):
    """The values of a tag of the confirm runs."""
    with Tracker.connect(None, place) as tracker:
        experiment = tracker._store.client.get_experiment_by_name("sweep")
        return {run.data.tags[tag] for run in tracker._store.search(experiment.experiment_id, "tags.role = 'confirm'")}


def trainings(place):
    return len((place / "tries").read_text().splitlines())


def test_a_seed_that_has_a_record_is_not_trained_again_and_has_one_run(place, make_config):
    assert confirm(place, make_config(), 2) == ([Status.OK] * 2, [1, 2])
    assert confirm(place, make_config(), 3) == ([Status.OK] * 3, [3])
    assert trainings(place) == 3
    assert ended(place) == {(f"seed {seed}", "FINISHED"): 1 for seed in (1, 2, 3)}


def test_a_seed_says_on_what_and_with_which_code_it_was_trained(place, make_config):
    confirm(place, make_config(), 2)
    assert told_of(place, "device") == {"cpu"}
    assert told_of(place, "code") == {"0.1.0 (1f0c2b9a), torch 2.15.0"}
    store = SweepStore(place, "sweep").confirmation("-", 0)
    assert Provenance.read(store.run_file("-", 2, 1)) == MADE_WITH


def test_when_no_worker_can_be_made_any_more_no_seed_is_left_running(place, make_config):
    with pytest.raises(WorkerSetupError, match="the data set is gone"):
        confirm(place, make_config(), 2, behaviour="die for good")
    assert "RUNNING" not in {status for _, status in ended(place)}


def test_a_seed_whose_worker_dies_once_is_tried_again(place, make_config):
    assert confirm(place, make_config(), 1, behaviour="die once") == ([Status.OK], [1])
    assert ended(place) == {("seed 1", "KILLED"): 1, ("seed 1", "FINISHED"): 1}


def test_a_seed_that_kills_three_workers_is_an_error_and_is_tried_again_by_the_next_command(place, make_config):
    assert confirm(place, make_config(), 1, behaviour="die") == ([Status.ERROR], [1])
    assert trainings(place) == 3
    assert confirm(place, make_config(), 1) == ([Status.OK], [1])


def test_a_run_that_a_killed_driver_left_open_behind_a_whole_record_is_ended_without_training(place, make_config):
    confirm(place, make_config(), 2)
    trial = plan_of(make_config()).trial(("-", 0))
    with Tracker.connect(None, place) as tracker, StopSignals() as signals:
        run = tracker.open_sweep("sweep", identity="a", started_ms=1)
        for attempt in tracker.attempts(run):
            tracker._store.reopen(attempt.run_id)
        assert {status for _, status in ended(place)} == {"RUNNING"}
        recipe = FrozenRecipe(trial, SweepStore(place, "sweep").confirmation("-", 0))
        assert retrain(recipe, 1, tracker, run, signals, []) == [Status.OK]
    assert ended(place) == {("seed 1", "FINISHED"): 1, ("seed 2", "FINISHED"): 1}
    assert trainings(place) == 2
