"""Initial weights as a function of the seed and the order of the layers; no global generator is used."""

import math

import torch
from torch import nn

from hpsearch.config import ConfigError
from hpsearch.config.model import CustomInit, Init, LsuvInit, NormalInit, OrthogonalInit, ScaledInit, UniformInit
from hpsearch.import_path import build_named
from hpsearch.nn.init_scale import standard_deviation

LAYERS = (nn.Linear, nn.Conv2d)


def initialize(network: nn.Module, init: Init, seed: int) -> None:
    """Overwrite the weights of all linear and convolution layers, and set their biases to `init.bias`.

    Weights are drawn in float32 on the CPU, layer by layer from one generator, so that every device and precision
    starts from the same numbers: move and cast the network afterwards. Batch normalization keeps gamma 1, beta 0.

    Layer-sequential unit variance starts from orthogonal weights; `scale_outputs` does the rest.

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


@torch.no_grad()
def scale_outputs(network: nn.Module, inputs: torch.Tensor, sd: float) -> None:
    """Scale the weights of each linear and convolution layer so that its outputs have this standard deviation.

    Works layer by layer from the inputs, over all units and rows (Mishkin & Matas, 2016, algorithm 1). A layer is
    linear in its weights, so one division is exact and no iteration is needed. Dropout is off, and batch normalization
    is the identity, as its running statistics are before training. A layer with constant outputs keeps its weights.

    Args:
        network: A float32 network on the CPU, whose layers run in the order of `modules()` and have equal biases each.
        inputs: Shape (n, *shape) scaled rows, n >= 2.
        sd: Target standard deviation, > 0.
    """

    def scale(layer: nn.Module, _: object, outputs: torch.Tensor) -> torch.Tensor:
        spread = float(outputs.double().std(correction=0))
        if spread == 0 or not math.isfinite(spread):
            return outputs
        factor = sd / spread
        assert isinstance(layer, LAYERS), layer
        layer.weight.mul_(factor)
        bias = 0.0 if layer.bias is None else layer.bias.view(-1, *[1] * (outputs.ndim - 2))
        return (outputs - bias) * factor + bias

    hooks = [layer.register_forward_hook(scale) for layer in network.modules() if isinstance(layer, LAYERS)]
    trained = network.training
    network.eval()
    network(inputs)
    network.train(trained)
    for hook in hooks:
        hook.remove()


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
        case LsuvInit():
            nn.init.orthogonal_(weight, generator=generator)
        case CustomInit():
            _fill_by_own(weight, init, generator)
        case _:
            nn.init.zeros_(weight)


@torch.no_grad()
def _fill_by_own(weight: torch.Tensor, init: CustomInit, generator: torch.Generator) -> None:
    """Fill a weight by the user's own function; one that takes no generator draws from torch's, seeded and restored.

    Raises:
        ConfigError: If it cannot be called, or leaves another shape or what is not finite.
    """
    own = torch.zeros_like(weight)
    offered = {"tensor": own, "weight": own, "generator": generator}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        filled = build_named("init", init.import_path, init.kwargs, offered)
    filled = own if filled is None else filled
    if not isinstance(filled, torch.Tensor) or filled.shape != weight.shape or not filled.isfinite().all():
        found = f"shape {tuple(filled.shape)}" if isinstance(filled, torch.Tensor) else f"a {type(filled).__name__}"
        raise ConfigError(
            f"init.import_path {init.import_path} must fill a weight of shape {tuple(weight.shape)} with finite "
            f"numbers, got {found}"
        )
    weight.copy_(filled)
