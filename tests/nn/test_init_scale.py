"""The spread of initial weights as formulas, against weights that were drawn."""

import math

import pytest
from torch import nn

from hpsearch.nn.init_scale import formula, weight_deviation
from hpsearch.nn.initializers import initialize

INITS = [
    {"kind": "scaled_normal", "gain": 2**0.5, "fan": "in"},
    {"kind": "scaled_uniform", "gain": 1.0, "fan": "average"},
    {"kind": "scaled_normal", "gain": 0.5, "fan": "out"},
    {"kind": "normal", "std": 0.3},
    {"kind": "uniform", "limit": 0.2},
    {"kind": "orthogonal", "gain": 1.5},
    {"kind": "zeros"},
]


@pytest.mark.parametrize("init", INITS, ids=lambda init: init["kind"])
@pytest.mark.parametrize("shape", [(120, 200), (200, 120), (40, 30, 3, 3)])
def test_weights_are_spread_as_the_formula_says(make_config, init, shape):
    config = make_config(init=init)
    layer = nn.Conv2d(shape[1], shape[0], 3) if len(shape) == 4 else nn.Linear(shape[1], shape[0])
    initialize(layer, config.init, 1)
    measured = float(layer.weight.detach().square().mean().sqrt())
    assert weight_deviation(config.init, shape) == pytest.approx(measured, rel=0.02, abs=1e-12)


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (INITS[0], "1.41 / sqrt(n_in)"),
        (INITS[1], "1 / sqrt((n_in + n_out) / 2)"),
        (INITS[3], "0.3"),
        (INITS[4], "0.2 / sqrt(3)"),
        (INITS[5], "1.5 / sqrt(max(n_in, n_out))"),
        (INITS[6], "0"),
        ({"kind": "lsuv", "gain": 2.0}, "orthogonal, scaled to outputs of SD 2"),
    ],
)
def test_the_formula_is_written_with_its_fans(make_config, init, expected):
    assert formula(make_config(init=init).init) == expected


def test_what_is_scaled_to_the_data_has_no_formula_for_its_spread(make_config):
    assert math.isnan(weight_deviation(make_config(init="lsuv").init, (120, 200)))
