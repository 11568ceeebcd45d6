"""The user's own optimizer: as if written into the loop, paused and resumed, refused where it is none."""

import re

import pytest
import torch

from hpsearch.config import ConfigError, Engine
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.grouping import shape_key
from hpsearch.engine.optimizers import build_optimizer
from hpsearch.engine.reference import train
from hpsearch.execution.run_job import WorkerState, check
from hpsearch.execution.throughput import traits
from hpsearch.jobs import CheckJob
from tests.engine.comparison import bits, worst_difference

MLP = {"model": {"kind": "mlp", "widths": [7]}, "training": {"epochs": 4, "batch_size": 8}}


def own(name="Momentum", lr=0.05, **kwargs):
    return {"kind": "custom", "import_path": f"users_optimizers:{name}", "lr": lr, "kwargs": kwargs}


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_an_own_optimizer_trains_as_the_one_that_it_copies(make_config, make_rows, make_fit, decay):
    shared = {**MLP, "regularization": {"kind": "weight_decay", "weight_decay": decay}, "schedule": "cosine"}
    data = to_device(make_rows(40), dtype=torch.float64)
    plain = make_config(**shared, optimizer={"kind": "momentum", "lr": 0.05, "momentum": 0.8})
    copied = make_config(**shared, optimizer=own(mu=0.8))
    results = [train(make_fit(config, 40), data, keep_state=True) for config in (copied, plain)]
    assert worst_difference(*results) <= 1e-12


def test_a_paused_training_goes_on_with_all_that_an_own_optimizer_counts(make_config, make_rows, make_fit):
    data, fit = to_device(make_rows(40)), make_fit(make_config(**MLP, optimizer=own()), 40)
    paused = train(fit, data, stop_after=2)
    assert bits(train(fit, data, resume=paused, keep_state=True)) == bits(train(fit, data, keep_state=True))


def test_what_cannot_be_stored_is_refused_where_a_training_is_paused(make_config, make_rows, make_fit):
    data, fit = to_device(make_rows(40)), make_fit(make_config(**MLP, optimizer=own("Hoarder")), 40)
    assert train(fit, data).failure is None
    with pytest.raises(
        ConfigError, match=r"must keep tensors and numbers alone, got seen, a list: give search.pruner=none"
    ):
        train(fit, data, stop_after=2)


def test_it_shares_no_fleet_and_each_of_its_options_is_tried(make_config):
    plain, first, second = (make_config(optimizer=o) for o in ("adam", own(), own(mu=0.5)))
    assert shape_key(first) == shape_key(second) != shape_key(plain)
    assert traits(first) != traits(second)
    assert traits(first) == traits(make_config(optimizer=own(lr=0.3)))


@pytest.mark.parametrize("engine", [Engine.AUTO, Engine.FLEET])
def test_it_is_said_that_it_trains_by_the_reference_engine(make_config, make_rows, engine):
    config = make_config(**MLP, optimizer=own())
    state = WorkerState(to_device(make_rows(60)))
    found = check(state, CheckJob((config,), (config,), engine, None, 1, {}, {}))
    (settings,) = found.fleet_settings.values()
    assert settings.engine is Engine.REFERENCE
    assert settings.problem == "users_optimizers:Momentum is not among the update rules of fleets"


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (own("Momentun"), "optimizer.import_path must name something in users_optimizers, got .* mean Momentum"),
        (own(nu=3), "optimizer.kwargs must suit users_optimizers:Momentum, got {'nu': 3}: .*'nu'"),
        (own("nothing"), "must name a torch.optim.Optimizer, got users_optimizers:nothing, which makes a tuple"),
        (
            own("Plain"),
            r"regularization.weight_decay=0.01 has no effect on optimizer.import_path users_optimizers:Plain",
        ),
    ],
)
def test_what_is_no_optimizer_is_refused_with_the_reason(make_config, optimizer, expected):
    config = make_config(optimizer=optimizer, regularization="weight_decay")
    with pytest.raises(ConfigError) as refusal:
        build_optimizer(config, torch.nn.Linear(2, 2))
    assert re.search(expected, str(refusal.value))
