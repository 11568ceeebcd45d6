"""What a worker finds out before anything is trained."""

import math

import pytest

from hpsearch.config import ConfigError, Engine
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


@pytest.mark.parametrize(
    ("options", "parameters", "flops"),
    [
        ({"model": {"kind": "mlp", "widths": [8, 4]}}, 5 * 8 + 8 + 8 * 4 + 4 + 4 * 3 + 3, 2 * (40 + 32 + 12)),
        ({"model": {"kind": "mlp", "widths": [8]}, "norm": "before"}, 5 * 8 + 16 + 8 * 3 + 3, 2 * (40 + 24)),
        ({"model": "linear"}, 5 * 3 + 3, 2 * 15),
    ],
)
@pytest.mark.parametrize("lr", [0.01, 1e30])
def test_a_trial_has_the_costs_that_are_objectives(bench, make_config, options, parameters, flops, lr):
    search = {"objectives": ["parameters", "flops"]}
    config = make_config(search=search, optimizer={"kind": "sgd", "lr": lr}, **options)
    (result,) = run_job.run_job(bench, TrainJob((TrialJob(config),), Engine.REFERENCE))
    assert (result.summary["parameters"], result.summary["flops"]) == (parameters, flops)


def test_a_trial_has_no_costs_that_are_no_objectives(bench, make_config):
    (result,) = run_job.run_job(bench, TrainJob((TrialJob(make_config()),), Engine.REFERENCE))
    assert not {"parameters", "flops"} & result.summary.keys()


def test_the_parameters_of_a_users_own_module_are_counted_and_its_operations_are_not(bench, make_config):
    model = {"kind": "custom", "import_path": "own_models:Plain"}
    (result,) = run_job.run_job(
        bench, TrainJob((TrialJob(make_config(model=model, search={"objectives": ["parameters"]})),), Engine.REFERENCE)
    )
    assert result.summary["parameters"] == 5 * 16 + 16 + 16 * 3 + 3
    with pytest.raises(ConfigError, match="flops is not known of a module of your own"):
        run_job.run_job(bench, CheckJob((make_config(model=model, search={"objectives": ["flops"]}),)))
