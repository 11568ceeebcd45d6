"""Activations and their gradients."""

import math

import pytest
import torch

from hpsearch.config import KINDS
from hpsearch.nn.models import build_activation

PARAMETERS = {"leaky_relu": {"slope": 0.2}, "elu": {"alpha": 0.7}}
EXPECTED = {  # at -2, 0, 1.5
    "step": [0, 0, 1],
    "identity": [-2, 0, 1.5],
    "sigmoid": [1 / (1 + math.exp(2)), 0.5, 1 / (1 + math.exp(-1.5))],
    "tanh": [math.tanh(-2), 0, math.tanh(1.5)],
    "relu": [0, 0, 1.5],
    "leaky_relu": [-0.4, 0, 1.5],
    "elu": [0.7 * (math.exp(-2) - 1), 0, 1.5],
}


def activation(kind: str) -> torch.nn.Module:
    return build_activation(KINDS["activation"][kind](kind=kind, **PARAMETERS.get(kind, {})))


def test_every_option_is_tested():
    assert set(EXPECTED) == set(KINDS["activation"])


@pytest.mark.parametrize("kind", EXPECTED)
def test_values(kind):
    assert activation(kind)(torch.tensor([-2.0, 0.0, 1.5])).tolist() == pytest.approx(EXPECTED[kind], abs=1e-6)


@pytest.mark.parametrize("kind", EXPECTED)
def test_automatic_equals_numerical_gradient(kind):
    x = torch.tensor([-2.0, -0.3, 0.4, 1.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(activation(kind), x)


def test_step_has_zero_gradients_rather_than_none():
    x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    activation("step")(x).sum().backward()
    assert x.grad.tolist() == [0, 0, 0]
