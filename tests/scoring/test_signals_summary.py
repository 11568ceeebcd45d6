"""What is said of the signals of a trial."""

import math

import pytest

from tests.scoring.made_signals import made


def test_shares_are_the_largest_of_the_last_point_and_gradients_those_of_the_first():
    signals = made(
        dead=[[0.9, 0.8, None], [0.1, 0.25, None]],
        saturated=[[None, 0.5, None], [None, 0.75, None]],
        gradient_norm=[[0.02, 5.0, 0.1], [9.0, 5.0, 1.0]],
    )
    assert signals.summary() == {
        "signals/dead_units": 0.25,
        "signals/saturated": 0.75,
        "signals/gradient_ratio": pytest.approx(0.2),
    }


@pytest.mark.parametrize(
    "norms", [[None, None, None], [None, 3.0, None], [1.0, 2.0, 0.0], [math.inf, 2.0, 1.0], [1.0, 2.0, math.nan]]
)
def test_a_ratio_that_is_not_defined_is_left_out(norms):
    assert made(gradient_norm=[norms, [1.0, 1.0, 1.0]]).summary() == {}


def test_a_ratio_passes_over_layers_without_weights():
    assert made(gradient_norm=[[None, 3.0, 2.0], [1.0] * 3]).summary() == {"signals/gradient_ratio": 1.5}
