"""A training that stops at some epochs and goes on is one training without a stop, bit for bit."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.records import Status
from tests.engine.comparison import bits

SLOW = pytest.mark.slow
OPTIMIZERS = (
    *("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"),
    *("nadam", "radam", "lion", "lamb"),
)
MLP = {"model": {"kind": "mlp", "widths": [9, 7]}, "regularization": {"kind": "both", "max_norm": 1.5}}
CNN = {"model": {"kind": "cnn", "filters": [3, 4], "dense": [5]}, "regularization": {"kind": "both"}}
EPOCHS = {"epochs": 7, "batch_size": 8}


def by_reference(fits, data, **settings):
    resume = settings.pop("resume", None) or [None] * len(fits)
    return [reference.train(fit, data, resume=one, **settings) for fit, one in zip(fits, resume, strict=True)]


@pytest.fixture(params=["reference", "fleet"])
def train(request):
    return by_reference if request.param == "reference" else train_fleet


def in_parts(train, fits, data, stops):
    """Each part is sent to another process in between, and the last one back from there."""
    results = None
    for stop in [*stops, None]:
        results = train(fits, data, keep_state=stop is None, stop_after=stop, resume=results)
        results = pickle.loads(pickle.dumps(results))  # noqa: S301 - our own
        assert stop is None or all(result.checkpoint for result in results)
    assert not any(result.checkpoint for result in results)
    return results


@pytest.mark.parametrize("norm", ["none", "before"])
@pytest.mark.parametrize(
    ("images", "stops"), [(False, [3]), (False, [1, 2, 6]), pytest.param(True, [1, 2, 6], marks=SLOW)]
)
def test_every_optimizer_goes_on_where_it_stopped(train, images, stops, norm, make_config, make_rows, make_fit):
    data = to_device(make_rows(40, images=images, width=8 if images else 5))
    schedule = {"kind": "cosine", "warmup_epochs": 1.5}
    configs = [
        make_config(**CNN if images else MLP, optimizer=kind, norm=norm, schedule=schedule, training=EPOCHS)
        for kind in OPTIMIZERS
    ]
    fits = [make_fit(config, 40, seed=seed) for seed, config in enumerate(configs)]
    whole = train(fits, data, keep_state=True)
    assert [bits(result) for result in in_parts(train, fits, data, stops)] == [bits(result) for result in whole]


def test_who_survives_goes_on_in_another_fleet(make_config, make_rows, make_fit):
    data = to_device(make_rows(40))
    configs = [make_config(**MLP, optimizer=kind, norm="after", training=EPOCHS) for kind in OPTIMIZERS]
    fits = [make_fit(config, 40, seed=seed) for seed, config in enumerate(configs)]
    whole = train_fleet(fits, data, keep_state=True)
    first = train_fleet(fits, data, stop_after=2)
    for survivors in ([3], [0, 5], [6, 1, 4]):
        chosen, stopped = [fits[i] for i in survivors], [first[i] for i in survivors]
        results = train_fleet(chosen, data, keep_state=True, resume=stopped)
        assert [bits(result) for result in results] == [bits(whole[i]) for i in survivors]


@pytest.mark.parametrize("schedule", ["constant", "plateau"])
def test_early_stopping_and_plateaus_remember_what_they_watched(train, schedule, make_config, make_rows, make_fit):
    data = to_device(make_rows(60, seed=3))
    training = {"epochs": 30, "batch_size": 4, "patience": 4}
    configs = [
        make_config(model={"kind": "mlp", "width": 30}, optimizer={"kind": "adam", "lr": lr}, schedule=schedule,
                    training=training)
        for lr in (0.05, 0.03, 0.01)
    ]  # fmt: skip
    fits = [make_fit(config, 60, train=16, monitor=20) for config in configs]
    whole = train(fits, data, keep_state=True)
    stop = min(result.epochs for result in whole) - 1
    assert 4 < stop < max(result.epochs for result in whole) <= 30
    assert [bits(result) for result in in_parts(train, fits, data, [2, stop])] == [bits(result) for result in whole]


def test_a_fit_that_has_come_to_its_end_has_no_checkpoint(train, make_config, make_rows, make_fit):
    data = to_device(make_rows(60, seed=3))
    training = {"epochs": 60, "batch_size": 4, "patience": 5}
    make = {"optimizer": {"kind": "adam", "lr": 0.05}, "model": {"kind": "mlp", "width": 30}}
    early = make_fit(make_config(**make, training=training), 60, train=16, monitor=20)
    (stopped,) = train([early], data, stop_after=59)
    assert stopped.epochs < 59
    assert stopped.checkpoint is None
    config = make_config(optimizer={"kind": "sgd", "lr": 1e30}, loss="mse", training=training)
    diverging = make_fit(config, 60, train=16, monitor=20)
    (failed,) = train([diverging], to_device(make_rows(60, task="regression")), stop_after=20)
    assert (failed.status, failed.checkpoint) == (Status.DIVERGED, None)


def test_a_stop_shows_what_the_training_would_be_if_it_ended_there(train, make_config, make_rows, make_fit):
    data = to_device(make_rows(40))
    configs = [make_config(**MLP, training={**EPOCHS, "epochs": epochs}) for epochs in (3, 7)]
    short, long = ([make_fit(config, 40)] for config in configs)
    (ended,), (stopped,) = train(short, data, keep_state=True), train(long, data, keep_state=True, stop_after=3)
    assert bits(stopped) == bits(ended)
    assert (ended.checkpoint, stopped.checkpoint is None) == (None, False)


def test_random_layers_of_a_users_module_go_on_with_their_own_stream(make_config, make_rows, make_fit):
    data = to_device(make_rows(40))
    config = make_config(model={"kind": "custom", "import_path": "own_models:Noisy"}, training=EPOCHS)
    fits = [make_fit(config, 40)]
    whole = by_reference(fits, data, keep_state=True)
    torch.manual_seed(99)
    assert bits(in_parts(by_reference, fits, data, [2, 5])[0]) == bits(whole[0])


def test_buffers_that_a_state_dict_leaves_out_go_on_too(make_config, make_rows, make_fit):
    data = to_device(make_rows(40))
    config = make_config(model={"kind": "custom", "import_path": "own_models:Forgetful"}, training=EPOCHS)
    fits = [make_fit(config, 40)]
    whole = by_reference(fits, data, keep_state=True)
    assert bits(in_parts(by_reference, fits, data, [2, 5])[0]) == bits(whole[0])


def test_members_that_go_on_together_stopped_together(make_config, make_rows, make_fit):
    data, fits = to_device(make_rows(40)), [make_fit(make_config(training=EPOCHS), 40, seed=seed) for seed in range(2)]
    stopped = [train_fleet([fit], data, stop_after=stop)[0] for fit, stop in zip(fits, (1, 2), strict=True)]
    with pytest.raises(ValueError, match="too many values"):
        train_fleet(fits, data, resume=stopped)


def test_the_time_of_all_parts_counts(train, make_config, make_rows, make_fit):
    data, fit = to_device(make_rows(40)), make_fit(make_config(training=EPOCHS), 40)
    (first,) = train([fit], data, stop_after=3)
    (last,) = train([fit], data, resume=[replace(first, fit_s=1000.0)])
    assert 1000.0 < last.fit_s < 1100.0
    assert np.isclose(last.rows, 7 * 24)
