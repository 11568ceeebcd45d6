"""Second moments at initialization: closed forms, adaptive integration, and nets that are drawn and run."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn

from hpsearch.nn.models import Step
from hpsearch.statistics.mean_field import Layer, forward_moments

MODULES = {
    "identity": nn.Identity(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(0.2),
    "elu": nn.ELU(0.7),
    "step": Step(),
}
STACK = [Layer(300, 200, 0.09), Layer(200, 400, 0.1), Layer(400, 300, 0.07)]


def moments(function, name, layers, q0):
    return function(name, layers, q0, slope=0.2, alpha=0.7)


def integral(module, scale, *, derivative):
    """E[f(scale z)²] of a torch module or of its gradient, by adaptive integration on each side of its kink."""

    def value(z):
        u = torch.tensor([scale * z], dtype=torch.float64, requires_grad=True)
        y = module(u)
        y = torch.autograd.grad(y.sum(), u)[0] if derivative else y
        return float(y.detach()[0]) ** 2 * stats.norm.pdf(z)

    return sum(integrate.quad(value, *side, epsabs=1e-10, limit=200)[0] for side in ((-9, 0), (0, 9)))


@pytest.mark.parametrize("scale", [0.05, 1.0, 20.0])
@pytest.mark.parametrize("name", MODULES)
def test_the_moment_after_one_layer_is_the_integral_of_the_definition(name, scale):
    layer = Layer(fan_in=4, fan_out=3, sd=scale / 4)  # scale² = 4 · sd² · 4
    forward = integral(MODULES[name], scale, derivative=False)
    assert moments(forward_moments, name, [layer], 4.0) == pytest.approx([forward], rel=1e-6)


def test_relu_keeps_half_and_he_restores_it():
    assert forward_moments("relu", STACK, 2.0) == pytest.approx(
        2 * np.cumprod([300 * 0.0081 / 2, 200 * 0.01 / 2, 400 * 0.0049 / 2]), rel=1e-12
    )
    he = [Layer(100, 100, np.sqrt(2 / 100))] * 50
    assert forward_moments("relu", he, 0.3) == pytest.approx([0.3] * 50)


def test_a_step_forgets_its_input():
    assert forward_moments("step", STACK, 7.0) == pytest.approx([0.5] * 3)


def test_tiny_weights_make_tanh_linear_and_huge_ones_make_it_a_sign():
    layers = [Layer(10, 10, 1e-6)] * 3
    assert forward_moments("tanh", layers, 1.0) == pytest.approx(forward_moments("identity", layers, 1.0), rel=1e-8)
    assert forward_moments("tanh", [Layer(10, 10, 1e9)], 1.0) == pytest.approx([1.0], abs=1e-8)
    assert forward_moments("sigmoid", [Layer(10, 10, 0.0)], 1.0) == pytest.approx([0.25])


@pytest.mark.parametrize("name", MODULES)
def test_nets_that_are_drawn_and_run_scatter_about_the_limit(name):
    draw = np.random.default_rng(4)
    forward = []
    for _ in range(20):
        z, outputs = torch.tensor(draw.normal(size=STACK[0].fan_in)), []
        for layer in STACK:
            z = MODULES[name](torch.tensor(draw.normal(0, layer.sd, (layer.fan_out, layer.fan_in))) @ z)
            outputs.append(z)
        forward.append([float((z**2).mean()) for z in outputs])
    np.testing.assert_allclose(np.mean(forward, axis=0), moments(forward_moments, name, STACK, 1.0), rtol=0.1)


def test_an_unknown_activation_is_refused():
    message = r"^activation must be one of identity, sigmoid, tanh, relu, leaky_relu, elu, step, got 'gelu'$"
    with pytest.raises(ValueError, match=message):
        forward_moments("gelu", STACK, 1.0)
