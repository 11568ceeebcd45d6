"""What only fleets promise: a member's bits do not depend on its company."""

import random
from dataclasses import replace

import pytest

from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.trainer import train_fleet

OPTIMIZERS = (
    *("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"),
    *("nadam", "radam", "lion", "lamb"),
)
MLP = {"model": {"kind": "mlp", "widths": [9, 7]}, "regularization": {"kind": "both", "weight_decay": 0.01}}
CNN = {"model": {"kind": "cnn", "filters": [3, 4], "dense": [5]}, "regularization": {"kind": "both"}}


def company(make_config, make_fit, n, members, *, groups=3, **overrides):
    """Fits with rates, rules, decays and dropout rates of their own, in `groups` that share their minibatches."""
    chance = random.Random(5)  # noqa: S311 - no secret
    fits = []
    folds = [make_fit(make_config(**overrides), n, train=20, monitor=4, seed=seed) for seed in range(groups)]
    for member in range(members):
        optimizer = {"kind": chance.choice(OPTIMIZERS), "lr": 10 ** chance.uniform(-3, -1)}
        regularization = {**overrides.get("regularization", {}), "dropout": chance.uniform(0.1, 0.6)}
        config = make_config(**overrides | {"optimizer": optimizer, "regularization": regularization})
        fits.append(replace(folds[member % groups], config=config, replicate=member % groups))
    return fits


def bits(result):
    state = [result.state[name].tobytes() for name in sorted(result.state)]
    arrays = (result.val_outputs, result.report_outputs, result.train_loss)
    return [*(array.tobytes() for array in arrays), *state, repr(result.signals)]


@pytest.mark.parametrize(
    ("overrides", "images", "widths"),
    [
        ({**MLP, "norm": "before", "activation": "elu"}, False, (1, 2, 7, 16, 64, 256)),
        ({**MLP, "norm": "after", "activation": "sigmoid", "loss": "bce"}, False, (1, 2, 7, 16, 64)),
        ({**MLP, "loss": {"kind": "cross_entropy", "label_smoothing": 0.1}}, False, (1, 2, 7, 16)),
        ({**CNN, "norm": "before"}, True, (1, 2, 7, 16)),
        ({**CNN, "norm": "none", "activation": "tanh"}, True, (1, 2, 7, 16)),
    ],
    ids=["mlp-elu", "mlp-bce", "mlp-smoothed", "cnn", "cnn-tanh"],
)
@pytest.mark.parametrize("sizes", [(1, 7), (3, 7), (3, 8)])  # matrices that begin anywhere, and on 64 bytes
def test_a_members_bits_do_not_depend_on_its_fleet(overrides, images, widths, sizes, make_config, make_rows, make_fit):
    groups, batch = sizes
    overrides = {**overrides, "training": {"epochs": 2, "batch_size": batch}}
    data = to_device(make_rows(43, images=images, width=8 if images else 5))
    fits = company(make_config, make_fit, 43, max(widths), groups=groups, **overrides)
    everybody = [bits(result) for result in train_fleet(fits, data, keep_state=True)]
    for width in widths[:-1]:
        places = random.Random(width).sample(range(len(fits)), width)  # noqa: S311 - any others will do
        results = train_fleet([fits[place] for place in places], data, keep_state=True)
        assert [bits(result) for result in results] == [everybody[place] for place in places], width
