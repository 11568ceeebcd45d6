"""From a champion to a number: shrinkage, refit, the model on disk, intervals."""

import json
import math
from statistics import NormalDist, mean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from hpsearch.config import ConfigError
from hpsearch.errors import HpsearchError
from hpsearch.final.evaluation import TestScore, normal_interval, result_text, wilson
from hpsearch.final.model import load_model, save_model
from hpsearch.final.refit import Shrinkage, plan_refit, shrinkage
from hpsearch.jobs import RefitJob
from hpsearch.records import FitResult, Status, TrialResult

Z = NormalDist().inv_cdf(0.975)


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
@pytest.mark.parametrize("results", [[], [diverged()]])
def test_a_refit_that_has_nothing_to_follow_is_refused(make_config, changes, results):
    with pytest.raises(ConfigError, match=r"^confirm.seeds must be >= 1 for early stopping and plateau schedules"):
        plan_refit(make_config(**changes), None, results)


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
    found = load_model(folder)
    assert (found.folder, found.config, found.digest, found.stop_after) == (folder, job.config, saved.digest, 3)
    assert found.weights.keys() == WEIGHTS.keys()
    assert all(np.array_equal(found.weights[name], WEIGHTS[name]) for name in WEIGHTS)


def test_there_is_no_model_where_none_was_saved(tmp_path):
    assert load_model(tmp_path / "nothing") is None


def test_weights_without_their_description_are_no_model(make_config, tmp_path):
    save_model(tmp_path, RefitJob(make_config(), 3, None), fitted())
    (tmp_path / "model.json").unlink()
    assert load_model(tmp_path) is None


def test_changed_weights_are_refused_with_the_way_out(make_config, tmp_path):
    save_model(tmp_path, RefitJob(make_config(), 3, None), fitted())
    save_file({**WEIGHTS, "layer.bias": np.ones(2, np.float32)}, tmp_path / "model.safetensors")
    with pytest.raises(HpsearchError) as refusal:
        load_model(tmp_path)
    path = tmp_path / "model.safetensors"
    assert str(refusal.value) == f"{path} was changed: delete {tmp_path} and refit"


def test_a_changed_description_is_refused(make_config, tmp_path):
    save_model(tmp_path, RefitJob(make_config(), 3, None), fitted())
    path = tmp_path / "model.json"
    path.write_text(path.read_text().replace('"stop_after":3', '"stop_after":4'))
    with pytest.raises(HpsearchError, match="is not whole"):
        load_model(tmp_path)


@pytest.mark.parametrize("changes", [{"failure": "loss is nan in epoch 2"}, {"state": None}])
def test_a_failed_refit_is_not_saved(make_config, tmp_path, changes):
    with pytest.raises(HpsearchError, match="the refit on all development rows failed"):
        save_model(tmp_path, RefitJob(make_config(), 3, None), fitted(**changes))
    assert list(tmp_path.iterdir()) == []


# Intervals


@given(st.integers(1, 2000), st.data())
def test_the_interval_of_a_share_is_wilsons(n, data):
    hits = data.draw(st.integers(0, n))
    share, spread = hits / n, Z**2 / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    low, high = wilson(np.array([1] * hits + [0] * (n - hits)))
    assert low == pytest.approx(max(centre - half, 0.0), abs=1e-9)
    assert high == pytest.approx(min(centre + half, 1.0), abs=1e-9)


def test_the_interval_of_eighty_one_in_a_hundred_is_the_one_of_the_textbooks():
    low, high = wilson(np.array([1] * 81 + [0] * 19))
    assert (round(low, 3), round(high, 3)) == (0.722, 0.875)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_the_interval_of_a_mean_is_the_normal_one(values):
    low, high = normal_interval(np.array(values))
    half = Z * stdev(values) / math.sqrt(len(values))
    assert low == pytest.approx(mean(values) - half, abs=1e-6)
    assert high == pytest.approx(mean(values) + half, abs=1e-6)


def test_a_single_row_has_no_interval():
    assert normal_interval(np.array([0.5])) == (None, None)


def test_the_ledger_keeps_the_values_of_all_metrics():
    scores = {"mse": TestScore(0.25, 0.2, 0.3), "accuracy": TestScore(0.5, None, None)}
    assert json.loads(result_text(scores)) == {"mse": 0.25, "accuracy": 0.5}
