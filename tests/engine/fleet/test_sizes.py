"""A member's bits do not depend on its company, however awkward the sizes: odd ones, and single rows, units, filters.

Matrix products of members whose numbers start at odd places in memory, and products with a dimension of one, are where
numerical libraries take other ways than usual.
"""

import random
from dataclasses import replace

import pytest

from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.trainer import train_fleet
from tests.engine.comparison import bits

RATES = (("sgd", 0.1), ("adam", 0.01), ("momentum", 0.02), ("adamw", 0.003), ("rmsprop", 0.004), ("sgd", 0.03))
CASES = {
    "odd minibatches": ({"model": {"kind": "mlp", "widths": [33, 21]}, "norm": "before"}, 9, 27),
    "odd inputs": ({"model": {"kind": "mlp", "widths": [31, 5]}, "loss": "mse", "activation": "tanh"}, 5, 33),
    "odd linear model": ({"model": "linear", "loss": "bce"}, 7, 25),
    "odd focal loss": ({"model": {"kind": "mlp", "widths": [11]}, "loss": {"kind": "focal", "gamma": 1.5}}, 7, 25),
    "odd margins": ({"model": {"kind": "mlp", "widths": [11]}, "loss": "multi_margin"}, 7, 25),
    "odd huber loss": ({"model": {"kind": "mlp", "widths": [11]}, "loss": {"kind": "huber", "delta": 0.3}}, 7, 25),
    "a last minibatch of three": ({"model": {"kind": "mlp", "widths": [50]}, "activation": "elu"}, 8, 27),
    "minibatches of one row": ({"model": {"kind": "mlp", "widths": [20]}}, 1, 9),
    "a single unit": ({"model": {"kind": "mlp", "widths": [9, 1]}, "norm": "after"}, 8, 24),
    "odd images": ({"model": {"kind": "cnn", "filters": [3, 5], "dense": [7]}, "norm": "before"}, 7, 25),
    "a single filter": ({"model": {"kind": "cnn", "filters": [1], "dense": [9]}, "norm": "before"}, 16, 32),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def company(case, epochs, scored, monitored, make_config, make_rows, make_fit):
    overrides, batch_size, train = case
    training = {"epochs": epochs, "batch_size": batch_size}
    images = "cnn" in str(overrides["model"])
    data = to_device(make_rows(70, images=images, width=7))
    fits = []
    for number, (kind, lr) in enumerate(RATES):
        config = make_config(**overrides, optimizer={"kind": kind, "lr": lr}, training=training)
        fit = make_fit(config, 70, train=train, monitor=monitored, fold=number % 2)
        parts = {"val": fit.fold.val[:scored], "report": fit.fold.report[:scored]}
        fits.append(replace(fit, fold=replace(fit.fold, **parts)))
    return fits, data


@pytest.mark.parametrize(("scored", "monitored"), [(11, 5), (1, 1)], ids=["scored on 11", "scored on one row"])
def test_the_company_changes_no_bit(case, scored, monitored, make_config, make_rows, make_fit):
    fits, data = company(case, 1, scored, monitored, make_config, make_rows, make_fit)
    everybody = [bits(result) for result in train_fleet(fits, data, keep_state=True)]
    for width in (1, 2, 5):
        places = random.Random(width).sample(range(len(fits)), width)  # noqa: S311 - any others will do
        results = train_fleet([fits[place] for place in places], data, keep_state=True)
        assert [bits(result) == everybody[place] for result, place in zip(results, places, strict=True)] == [
            True
        ] * width, f"{width} members"


def test_who_stays_behind_alone_is_not_changed_by_it(case, make_config, make_rows, make_fit):
    fits, data = company(case, 3, 3, 5, make_config, make_rows, make_fit)
    for place, fit in enumerate(fits):
        lr = fit.config.optimizer.lr if place == 2 else 1e30
        optimizer, loss = replace(fit.config.optimizer, lr=lr), make_config(loss="mse").loss
        fits[place] = replace(fit, config=replace(fit.config, optimizer=optimizer, loss=loss))
    last = train_fleet(fits, data, keep_state=True)
    assert [result.failure is None for result in last] == [False, False, True, False, False, False]
    pair = train_fleet([fits[2], replace(fits[2], replicate=1)], data, keep_state=True)
    assert bits(last[2]) == bits(pair[0])
