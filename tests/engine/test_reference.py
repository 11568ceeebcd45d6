"""What the reference engine does beyond the contract of all engines."""

import numpy as np
import pytest
import torch

from hpsearch.config import ConfigError
from hpsearch.engine.device_data import to_device
from hpsearch.engine.reference import predict, train
from hpsearch.engine.schedules import recorded_factors
from hpsearch.records import Status


def test_prediction_from_the_state_equals_prediction_in_training(make_config, make_rows, make_fit):
    config, rows = make_config(norm="before", regularization="dropout"), make_rows(40)
    fit, data = make_fit(config, 40), to_device(rows)
    result = train(fit, data, keep_state=True)
    outputs = predict(config, result.state, data, data.preprocessed(fit).preprocessing)
    np.testing.assert_allclose(outputs[fit.fold.report], result.report_outputs, atol=1e-6)


def test_a_refit_follows_the_recorded_plateau(make_config, make_rows, make_fit):
    config = make_config(
        optimizer={"kind": "sgd", "lr": 2.0},
        schedule={"kind": "plateau", "patience": 0, "factor": 0.5, "warmup_epochs": 1.5},
        training={"epochs": 8, "batch_size": 4},
    )
    data = to_device(make_rows(60))
    watched = train(make_fit(config, 60, train=16, monitor=20), data, keep_state=True)
    factors = recorded_factors(config.schedule, 2.0, watched.lr)
    refit = train(make_fit(config, 60, train=16), data, keep_state=True, refit=True, recorded=factors)
    assert factors[-1] < 1
    assert refit.lr == pytest.approx(watched.lr, rel=1e-12)
    np.testing.assert_allclose(refit.state["output.weight"], watched.state["output.weight"], atol=1e-5)


def test_a_refit_stops_where_it_is_told_on_the_schedule_of_all_epochs(make_config, make_rows, make_fit):
    config = make_config(schedule="cosine", training={"epochs": 6, "patience": 2})
    data = to_device(make_rows(40))
    refit = train(make_fit(config, 40), data, stop_after=3, refit=True)
    whole = train(make_fit(make_config(schedule="cosine", training={"epochs": 6}), 40), data)
    assert refit.chosen_epoch == 3
    assert refit.val_outputs.tobytes() == whole.val_outputs[:3].tobytes()


@pytest.mark.parametrize("overrides", [{"training": {"patience": 2}}, {"schedule": "plateau"}])
def test_monitor_rows_are_demanded_where_they_are_needed(overrides, make_config, make_rows, make_fit):
    with pytest.raises(ConfigError, match="must have monitor rows, got none of 24 training rows of toy"):
        train(make_fit(make_config(**overrides), 40), to_device(make_rows(40)))


def test_batch_normalization_refuses_minibatches_of_one_row(make_config, make_rows, make_fit):
    config = make_config(norm="before", training={"batch_size": 1})
    with pytest.raises(ConfigError, match="minibatches of at least 2 rows under batch normalization, got 1 for 24"):
        train(make_fit(config, 40), to_device(make_rows(40)))


def test_other_random_layers_of_a_users_module_are_seeded_by_the_fit(make_config, make_rows, make_fit):
    config = make_config(model={"kind": "custom", "import_path": "own_models:Noisy"})
    data = to_device(make_rows(40))
    torch.manual_seed(0)
    first = train(make_fit(config, 40), data)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    again, other = train(make_fit(config, 40), data), train(make_fit(config, 40, seed=1), data)
    assert first.val_outputs.tobytes() == again.val_outputs.tobytes() != other.val_outputs.tobytes()
    assert torch.equal(before, torch.get_rng_state())


def test_a_users_module_and_loss_learn(make_config, make_rows, make_fit):
    config = make_config(
        data="breast_cancer",
        model={"kind": "custom", "import_path": "own_models:Plain"},
        loss={"kind": "custom", "import_path": "own_models:brier"},
        optimizer={"kind": "adam", "lr": 0.01},
        training={"epochs": 40},
    )
    result = train(make_fit(config, 40), to_device(make_rows(40)))
    assert result.status is Status.OK
    assert result.train_loss[-1] < 0.6 * result.train_loss[0]


def test_images_are_learned_by_a_small_cnn(make_config, make_rows, make_fit):
    rows = make_rows(120, images=True, width=8)
    config = make_config(
        data="mnist",
        preprocess="standard",
        model={"kind": "cnn", "pool": "none"},
        optimizer={"kind": "adam", "lr": 0.01},
        training={"epochs": 25, "batch_size": 16},
    )
    assert train(make_fit(config, 120), to_device(rows)).train_accuracy[-1] > 0.8
