"""Initial weights: a function of the seed and the order of the layers, never of a global generator."""

import math

import torch
from torch import nn

from hpsearch.config.network import Init, NormalInit, OrthogonalInit, ScaledInit, UniformInit
from hpsearch.nn.deviations import standard_deviation

LAYERS = (nn.Linear, nn.Conv2d)


def initialize(network: nn.Module, init: Init, seed: int) -> None:
    """Overwrite the weights of all linear and convolution layers, and set their biases to `init.bias`.

    Weights are drawn in float32 on the CPU, layer after layer from one generator: move and cast the network
    afterwards, and every device and precision starts from the same numbers. Batch normalization keeps gamma 1, beta 0.

    Args:
        network: A float32 network on the CPU.
        init: The initializer.
        seed: `FitSeeds.init`.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, LAYERS):
            _fill(layer.weight, init, generator)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, init.bias)


def _fill(weight: torch.Tensor, init: Init, generator: torch.Generator) -> None:
    match init:
        case NormalInit():
            nn.init.normal_(weight, std=init.std, generator=generator)
        case UniformInit():
            nn.init.uniform_(weight, -init.limit, init.limit, generator=generator)
        case ScaledInit(kind="scaled_uniform"):
            limit = math.sqrt(3) * standard_deviation(init, tuple(weight.shape))  # U(-a, a) has the variance a^2 / 3
            nn.init.uniform_(weight, -limit, limit, generator=generator)
        case ScaledInit():
            nn.init.normal_(weight, std=standard_deviation(init, tuple(weight.shape)), generator=generator)
        case OrthogonalInit():
            nn.init.orthogonal_(weight, init.gain, generator=generator)
        case _:
            nn.init.zeros_(weight)
