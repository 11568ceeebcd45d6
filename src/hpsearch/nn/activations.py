"""Activation functions by option."""

import torch
from torch import nn

from hpsearch.config.network import Activation, Elu, LeakyRelu


class Step(nn.Module):
    """1 above zero, 0 elsewhere, 0 at zero; its gradient is zero everywhere, so nothing below it learns."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The step of each element of `x` (any shape)."""
        # Through `sign`, whose derivative is 0, so that gradients exist and are zero; a comparison would cut the graph.
        return torch.sign(x).clamp(min=0.0)


def build_activation(activation: Activation) -> nn.Module:
    """The module of the chosen activation; softmax is no activation here, it belongs to the loss."""
    if isinstance(activation, LeakyRelu):
        return nn.LeakyReLU(activation.slope)
    if isinstance(activation, Elu):
        return nn.ELU(activation.alpha)
    plain: dict[str, type[nn.Module]] = {
        "step": Step,
        "identity": nn.Identity,
        "sigmoid": nn.Sigmoid,
        "tanh": nn.Tanh,
        "relu": nn.ReLU,
    }
    return plain[activation.kind]()
