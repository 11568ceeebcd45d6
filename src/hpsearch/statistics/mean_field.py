"""Magnitude of activations at initialization, in the limit of wide layers without biases.

Legend: L layers, Q quadrature nodes. A moment is a mean square. A single network of finite width scatters around the
limit: at width 100 by a third after five layers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import expit

Elementwise = Callable[[np.ndarray], np.ndarray]

HALVINGS = 40
"""Number of times the panels of the quadrature halve toward zero, where activations have kinks."""

REACH = 12.0
"""Standard deviations beyond which a normal density is negligible."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A dense layer at initialization.

    Attributes:
        fan_in: Number of inputs, >= 1.
        fan_out: Number of outputs, >= 1.
        sd: Standard deviation of its weights, >= 0; their mean is 0.
    """

    fan_in: int
    fan_out: int
    sd: float


def forward_moments(
    activation: str, layers: Sequence[Layer], q0: float, slope: float = 0.01, alpha: float = 1.0
) -> np.ndarray:
    """Return the second moment of the activations after each layer.

    q_l = E[φ(sqrt(n_in Var W q_{l-1}) z)²] with z ~ N(0, 1), the mean-field recursion of Poole et al. (2016) without
    biases; for ReLU it is q_l = ½ n_in Var W q_{l-1} (He et al., 2015).

    Args:
        activation: identity, sigmoid, tanh, relu, leaky_relu, elu or step.
        layers: L layers, from the inputs on.
        q0: Mean square of the inputs.
        slope: Slope of a leaky ReLU below zero.
        alpha: Scale of an ELU: minus its limit for large negative inputs.

    Returns:
        Shape (L,).

    Raises:
        ValueError: If the activation is not among these.

    Examples:
        >>> he = Layer(fan_in=100, fan_out=100, sd=(2 / 100) ** 0.5)
        >>> forward_moments("relu", [he, he, he], q0=1.0).round(6).tolist()
        [1.0, 1.0, 1.0]
    """
    phi, _ = _functions(activation, slope, alpha)
    moments, q = [], q0
    for layer in layers:
        q = _mean_square(phi, layer, q)
        moments.append(q)
    return np.array(moments)


def _mean_square(function: Elementwise, layer: Layer, q: float) -> float:
    z, weight = _half_normals()
    scale = layer.sd * np.sqrt(layer.fan_in * q)
    return float(weight @ (function(scale * z) ** 2 + function(-scale * z) ** 2))


@cache
def _half_normals() -> tuple[np.ndarray, np.ndarray]:
    """Return nodes z > 0 (Q,) and weights (Q,) of the standard normal density there.

    Gauss-Hermite nodes straddle zero and converge slowly where an activation has a kink or is steep there; panels that
    halve toward zero are accurate on each side, at any scale.
    """
    edges = REACH * np.append(0.0, 2.0 ** -np.arange(HALVINGS, -1.0, -1.0))
    x, width = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges)[:, None] / 2
    z = (edges[:-1, None] + half * (1 + x)).ravel()
    return z, (half * width).ravel() * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def _functions(activation: str, slope: float, alpha: float) -> tuple[Elementwise, Elementwise]:
    """Return the activation and its derivative, which is zero everywhere for a step."""
    pairs: dict[str, tuple[Elementwise, Elementwise]] = {
        "identity": (lambda u: u, np.ones_like),
        "sigmoid": (expit, lambda u: expit(u) * expit(-u)),
        "tanh": (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
        "relu": (lambda u: np.maximum(u, 0.0), lambda u: np.where(u > 0, 1.0, 0.0)),
        "leaky_relu": (lambda u: np.where(u > 0, u, slope * u), lambda u: np.where(u > 0, 1.0, slope)),
        "elu": (
            lambda u: np.where(u > 0, u, alpha * np.expm1(np.minimum(u, 0.0))),
            lambda u: np.where(u > 0, 1.0, alpha * np.exp(np.minimum(u, 0.0))),
        ),
        "step": (lambda u: np.where(u > 0, 1.0, 0.0), np.zeros_like),
    }
    if activation not in pairs:
        raise ValueError(f"activation must be one of {', '.join(pairs)}, got {activation!r}")
    return pairs[activation]
