"""What a worker finds out before anything is trained."""

import math

import pytest

from hpsearch.config import Engine
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.grouping import shape_key
from hpsearch.execution import run_job
from hpsearch.jobs import CheckJob, FleetSettings, PartialTrialJob, ScoreJob, TrainJob, TrialJob
from hpsearch.records import CALIBRATED_LOSS, TEMPERATURE


@pytest.fixture
def bench(make_rows):
    return run_job.WorkerState(to_device(make_rows(100)))


def test_a_warm_up_of_several_epochs_can_be_trained(bench, make_config):
    config = make_config(schedule={"kind": "constant", "warmup_epochs": 2.0}, training={"epochs": 3, "batch_size": 10})
    assert run_job.run_job(bench, CheckJob((config,))).device == "cpu"
    (result,) = run_job.run_job(bench, TrainJob((TrialJob(config),), Engine.REFERENCE))
    assert len(result.curves["train/lr"]) == 3


def test_each_shape_gets_its_engine(bench, make_config):
    small, large = make_config(), make_config(model={"kind": "mlp", "widths": [600, 600]})
    fleet_settings = run_job.run_job(bench, CheckJob((small,), (small, large), Engine.AUTO)).fleet_settings
    assert fleet_settings[shape_key(small)].engine is Engine.FLEET
    assert fleet_settings[shape_key(small)].width > 1
    assert fleet_settings[shape_key(large)] == FleetSettings(Engine.REFERENCE, 1, math.inf)


def test_a_trial_in_shares_is_the_trial_in_one_piece(bench, make_config):
    trial = TrialJob(make_config(evaluation={"kind": "stratified_kfold", "folds": 5, "replicates": 2}))
    (whole,) = run_job.run_job(bench, TrainJob((trial,), Engine.FLEET, 4))
    shares = tuple(run_job.run_job(bench, PartialTrialJob(trial, Engine.FLEET, 4, share, 3)) for share in range(3))
    scored = run_job.run_job(bench, ScoreJob(trial, shares))
    assert scored.score == whole.score
    assert scored.curves == whole.curves
    assert scored.predictions["out_of_fold"].tobytes() == whole.predictions["out_of_fold"].tobytes()


def test_trials_trained_together_have_the_results_of_trials_trained_apart(bench, make_config):
    trials = tuple(TrialJob(make_config(optimizer={"kind": "adam", "lr": lr})) for lr in (0.001, 0.01, 0.1))
    together = run_job.run_job(bench, TrainJob(trials, Engine.FLEET, 64))
    apart = [run_job.run_job(bench, TrainJob((trial,), Engine.FLEET, 1))[0] for trial in trials]
    assert [result.curves for result in together] == [result.curves for result in apart]
    assert [result.score for result in together] == [result.score for result in apart]


@pytest.mark.parametrize("loss", ["cross_entropy", "bce", "mse"])
def test_both_engines_calibrate_a_retraining_alike_and_a_trial_of_the_search_not_at_all(loss, bench, make_config):
    config = make_config(loss=loss, training={"epochs": 5, "batch_size": 8})
    jobs = TrialJob(config), TrialJob(config, confirm_seed=1)
    by_engine = {engine: _trained_apart(bench, jobs, engine) for engine in (Engine.REFERENCE, Engine.FLEET)}
    for searched, _ in by_engine.values():
        assert not {CALIBRATED_LOSS, TEMPERATURE} & searched.summary.keys()
    (_, alone), (_, fleet) = by_engine.values()
    assert 0 < alone.summary[CALIBRATED_LOSS] < 1.2 * math.log(3)
    for name in (CALIBRATED_LOSS, TEMPERATURE):
        assert fleet.summary[name] == pytest.approx(alone.summary[name], rel=1e-3)


def _trained_apart(bench, jobs, engine):
    return [run_job.run_job(bench, TrainJob((job,), engine, 4))[0] for job in jobs]
