"""From a champion to a number: shrinkage, refit, the model on disk, intervals."""

from dataclasses import replace
from statistics import mean, stdev

import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.metrics import f1_score, mean_absolute_error, r2_score

from hpsearch.config import ConfigError
from hpsearch.data.scaling import fit_target_scaling
from hpsearch.errors import HpsearchError
from hpsearch.final.evaluation import score_models, score_test
from hpsearch.final.model import load_model, save_model
from hpsearch.final.refit import Shrinkage, plan_refit, require_plan, shrinkage
from hpsearch.jobs import RefitJob
from hpsearch.records import FitResult, Status, TrialResult
from tests.complete_config import preprocess


def result(score=0.5, epochs=(3,), lr=(0.1, 0.1, 0.1), status=Status.OK):
    return TrialResult(status, None, score, None, {"train/lr": list(lr)}, {}, list(epochs), [])


def diverged():
    return TrialResult(Status.DIVERGED, "loss is nan in epoch 1", None, None, {}, {}, [0], [])


# Shrinkage


def test_shrinkage_compares_the_winning_score_with_the_mean_of_fresh_seeds():
    scores = [0.71, 0.68, 0.73]
    found = shrinkage(0.8, [result(score) for score in scores])
    assert (found.search, found.n, found.failed) == (0.8, 3, 0)
    assert found.confirmed == pytest.approx(mean(scores))
    assert found.sd == pytest.approx(stdev(scores))


def test_a_single_fresh_seed_has_no_spread():
    assert shrinkage(0.8, [result(0.5)]) == Shrinkage(0.8, 0.5, None, 1, 0)


def test_a_failed_fresh_seed_leaves_no_mean_to_quote():
    assert shrinkage(0.8, [result(0.5), diverged(), result(0.75)]) == Shrinkage(0.8, None, None, 3, 1)


# Refit


def test_a_refit_runs_all_epochs_of_the_champion(make_config):
    config = make_config(training={"epochs": 7})
    assert plan_refit(config, None, []) == RefitJob(config, 7, None)


def test_a_refit_may_be_given_its_epochs(make_config):
    job = plan_refit(make_config(training={"epochs": 7}), 20, [])
    assert (job.stop_after, job.config.training.epochs, job.recorded) == (20, 20, None)


@pytest.mark.parametrize(("kept", "stop"), [([5], 5), ([2, 9, 4], 4), ([9, 2, 4, 6], 4), ([3, 3, 8], 3)])
def test_an_early_stopped_refit_stops_at_the_median_epoch_that_fresh_seeds_kept(make_config, kept, stop):
    config = make_config(training={"epochs": 12, "patience": 2})
    job = plan_refit(config, None, [result(epochs=[epoch], lr=[0.1] * 12) for epoch in kept])
    assert (job.stop_after, job.config.training.epochs) == (stop, 12)


def test_the_epoch_that_a_fresh_seed_kept_is_the_median_over_its_folds(make_config):
    config = make_config(training={"epochs": 12, "patience": 2})
    assert plan_refit(config, None, [result(epochs=[2, 8, 5], lr=[0.1] * 12)]).stop_after == 5


def test_given_epochs_win_over_early_stopping(make_config):
    config = make_config(training={"epochs": 12, "patience": 2})
    assert plan_refit(config, 3, [result(epochs=[9], lr=[0.1] * 12)]).stop_after == 3


def test_a_diverged_fresh_seed_is_not_followed(make_config):
    config = make_config(training={"epochs": 12, "patience": 2})
    assert plan_refit(config, None, [diverged(), result(epochs=[6], lr=[0.1] * 8)]).stop_after == 6


def test_a_plateau_refit_repeats_the_reductions_of_the_seed_that_kept_the_median_epoch(make_config):
    config = make_config(schedule="plateau", optimizer={"kind": "sgd", "lr": 0.4}, training={"epochs": 4})
    job = plan_refit(config, None, [result(epochs=[4], lr=[0.4, 0.4, 0.2, 0.1])])
    assert job.stop_after == 4
    assert job.recorded == pytest.approx((1.0, 1.0, 0.5, 0.25))


def test_the_warm_up_is_no_reduction(make_config):
    config = make_config(
        schedule={"kind": "plateau", "warmup_epochs": 2.0}, optimizer={"kind": "sgd", "lr": 0.4}, training={"epochs": 3}
    )
    job = plan_refit(config, None, [result(epochs=[3], lr=[0.2, 0.4, 0.1])])
    assert job.recorded == pytest.approx((1.0, 1.0, 0.25))


@pytest.mark.parametrize("changes", [{"training": {"patience": 2}}, {"schedule": "plateau"}])
def test_a_refit_that_would_have_no_seed_to_follow_is_refused(make_config, changes):
    with pytest.raises(ConfigError, match=r"^confirm.seeds must be >= 1 for early stopping and plateau schedules"):
        require_plan(make_config(**changes), None, 0)


@pytest.mark.parametrize(
    ("changes", "epochs", "seeds"),
    [({}, None, 0), ({"training": {"patience": 2}}, None, 1), ({"training": {"patience": 2}}, 3, 0)],
)
def test_a_refit_that_has_all_it_follows_is_not_refused(make_config, changes, epochs, seeds):
    assert require_plan(make_config(**changes), epochs, seeds) is None


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_refit_that_would_end_in_its_warm_up_is_refused_under_its_own_key(make_config, epochs):
    config = make_config(schedule={"warmup_epochs": 2.0}, training={"epochs": 7})
    with pytest.raises(ConfigError) as refused:
        require_plan(config, epochs, 10)
    assert str(refused.value) == (
        f"final.epochs must be > schedule.warmup_epochs=2.0, which the sweep has, got {epochs}"
    )


@pytest.mark.parametrize("changes", [{"training": {"patience": 2}}, {"schedule": "plateau"}])
def test_a_refit_whose_fresh_seeds_all_failed_is_no_fault_of_the_command(make_config, changes):
    with pytest.raises(HpsearchError, match="none of 2 fresh seeds has a score that the refit could follow; nothing"):
        plan_refit(make_config(**changes), None, [diverged(), diverged()])


# The model on disk


WEIGHTS = {"layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "layer.bias": np.zeros(2, np.float32)}


def fitted(**changes):
    empty = np.zeros(0)
    given = {
        "status": Status.OK,
        "failure": None,
        "train_loss": empty,
        "train_accuracy": empty,
        "monitor_loss": empty,
        "lr": empty,
        "val_outputs": np.zeros((0, 0, 2)),
        "report_outputs": np.zeros((0, 2)),
        "final_loss": 0.5,
        "chosen_epoch": 3,
        "state": WEIGHTS,
        "fit_s": 0.1,
        "rows": 9,
    }
    return FitResult(**(given | changes))


def test_a_model_comes_back_as_it_was_saved(make_config, tmp_path):
    folder = tmp_path / "deep" / "refit"
    job = RefitJob(make_config(model="cnn", data="csv"), 3, None)
    saved = save_model(folder, job, fitted())
    found = load_model(folder, job.config)
    assert (found.folder, found.config, found.digest, found.stop_after) == (folder, job.config, saved.digest, 3)
    assert found.weights.keys() == WEIGHTS.keys()
    assert all(np.array_equal(found.weights[name], WEIGHTS[name]) for name in WEIGHTS)


def test_there_is_no_model_where_none_was_saved(make_config, tmp_path):
    assert load_model(tmp_path / "nothing", make_config()) is None


def test_no_secret_stands_in_the_description_of_a_model(make_config, tmp_path):
    tracking = {"uri": "postgresql://me:hunter2@host/db"}
    kwargs = {"import_path": "own:Net", "kwargs": {"api_key": "hunter2", "n_tokens": 8}}
    config = make_config(model={"kind": "custom", **kwargs}, tracking=tracking)
    save_model(tmp_path, RefitJob(config, 3, None), fitted())
    assert "hunter2" not in (tmp_path / "model.json").read_text()
    assert load_model(tmp_path, config).config.model.kwargs == kwargs["kwargs"]


def test_weights_without_their_description_are_no_model(make_config, tmp_path):
    save_model(tmp_path, RefitJob(make_config(), 3, None), fitted())
    (tmp_path / "model.json").unlink()
    assert load_model(tmp_path, make_config()) is None


def test_changed_weights_are_refused_with_the_way_out(make_config, tmp_path):
    save_model(tmp_path, RefitJob(make_config(), 3, None), fitted())
    save_file({**WEIGHTS, "layer.bias": np.ones(2, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(HpsearchError) as refusal:
        load_model(tmp_path, make_config())
    path = tmp_path / "model.safetensors"
    assert str(refusal.value).startswith(f"'{path}' is not whole: it is missing, or was changed; delete ")


def test_a_changed_description_is_refused(make_config, tmp_path):
    save_model(tmp_path, RefitJob(make_config(), 3, None), fitted())
    path = tmp_path / "model.json"
    path.write_text(path.read_text().replace('"stop_after":3', '"stop_after":4'))
    with pytest.raises(HpsearchError, match="is not whole"):
        load_model(tmp_path, make_config())


@pytest.mark.parametrize("changes", [{"failure": "loss is nan in epoch 2"}, {"state": None}])
def test_a_failed_refit_is_not_saved(make_config, tmp_path, changes):
    with pytest.raises(HpsearchError, match="the refit on all development rows failed"):
        save_model(tmp_path, RefitJob(make_config(), 3, None), fitted(**changes))
    assert list(tmp_path.iterdir()) == []


# The ledger


# Test numbers


@pytest.mark.parametrize(
    ("task", "loss", "methods"),
    [
        ("multiclass", "cross_entropy", {"accuracy": "Wilson", "cross_entropy": "bootstrap", "macro_f1": "bootstrap"}),
        ("multiclass", "mse", {"accuracy": "Wilson", "loss": "bootstrap", "macro_f1": "bootstrap"}),
        ("regression", "mae", {"mae": "bootstrap", "mse": "bootstrap", "r2": "bootstrap"}),
    ],
)
def test_every_test_number_has_its_own_name_and_interval(make_config, make_rows, task, loss, methods):
    rows = make_rows(60, task=task, targets=1)
    scaling = None if rows.classes else fit_target_scaling(rows, np.arange(60), preprocess())
    outputs = np.random.default_rng(0).normal(size=(60, rows.classes or 1))
    scores = score_test(make_config(loss=loss), rows, outputs, scaling)
    assert {name: score.method for name, score in scores.items()} == methods
    assert all(score.low < score.value < score.high for score in scores.values())


def test_each_of_several_named_targets_has_its_test_score_with_an_interval(make_config, make_rows):
    rows = replace(make_rows(60, task="regression"), target_names=("price", "rent"))
    scaling = fit_target_scaling(rows, np.arange(60), preprocess())
    predictions = rows.targets + np.random.default_rng(0).normal(size=(60, 2)) * [1, 5]
    outputs = [scaling.scaled(predictions), scaling.scaled(predictions + 1)]
    found = score_models(make_config(data="diabetes", loss="mse"), rows, outputs, scaling)
    raw = [mean_absolute_error(rows.targets, each, multioutput="raw_values") for each in (predictions, predictions + 1)]
    for at, name in enumerate(rows.target_names):
        score = found.scores[f"mae@{name}"]
        assert score.low < score.value < score.high
        assert score.value == pytest.approx(raw[0][at], rel=1e-4)
        assert found.retrained[f"mae@{name}"] == pytest.approx([raw[1][at]], rel=1e-4)


def test_the_interval_of_errors_with_a_heavy_tail_stays_above_zero(make_config, make_rows):
    rows = make_rows(40, task="regression", targets=1)
    scaling = fit_target_scaling(rows, np.arange(40), preprocess())
    outputs = scaling.scaled(rows.targets)
    outputs[0] += 1000.0
    scores = score_test(make_config(data="diabetes", loss="mae"), rows, outputs, scaling)
    assert scores["mae"].low >= 0
    assert scores["mse"].low >= 0


def test_the_interval_of_macro_f1_is_the_spread_of_scikit_learns_over_resampled_rows(make_config, make_rows):
    rows = make_rows(300)
    outputs = np.random.default_rng(0).normal(size=(300, 3))
    outputs[:200] += 3 * np.eye(3)[rows.targets[:200]]
    found = score_test(make_config(), rows, outputs, None)["macro_f1"]
    draws = np.random.default_rng(1).integers(300, size=(1000, 300))
    spread = [f1_score(rows.targets[i], outputs[i].argmax(axis=1), average="macro") for i in draws]
    assert (found.low, found.high) == pytest.approx(np.quantile(spread, [0.025, 0.975]), abs=0.01)


def test_the_interval_of_r2_is_the_spread_of_scikit_learns_over_resampled_rows(make_config, make_rows):
    rows = make_rows(200, task="regression", targets=1)
    scaling = fit_target_scaling(rows, np.arange(200), preprocess())
    truth = scaling.scaled(rows.targets)
    outputs = truth + np.random.default_rng(0).normal(0, 0.5, truth.shape)
    found = score_test(make_config(data="diabetes", loss="mse"), rows, outputs, scaling)["r2"]
    draws = np.random.default_rng(1).integers(200, size=(2000, 200))
    spread = [r2_score(truth[i], outputs[i]) for i in draws]
    assert (found.low, found.high) == pytest.approx(np.quantile(spread, [0.025, 0.975]), abs=0.015)
