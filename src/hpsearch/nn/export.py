"""A trained network as one module that takes raw inputs: what is stored to be served."""

import numpy as np
import torch
from torch import nn

from hpsearch.config import Config
from hpsearch.data.scaling import Scaling
from hpsearch.nn.models import build_network
from hpsearch.nn.output_layer import sigmoid_predicts


class Deployed(nn.Module):
    """Scales raw inputs by the statistics of the training rows, then applies the network.

    Takes (B, *shape) raw inputs, as float64 if `shift` is (float32 would lose what tells them apart), otherwise as
    float32, and gives (B, C) outputs: logits of classes, or regression targets in their own units.
    """

    shift: torch.Tensor
    scale: torch.Tensor
    target_shift: torch.Tensor
    target_scale: torch.Tensor

    def __init__(self, network: nn.Module, scaling: Scaling, *, sigmoid: bool) -> None:
        super().__init__()
        self.network = network
        self.sigmoid = sigmoid
        for name in ("shift", "scale", "target_shift", "target_scale"):
            self.register_buffer(name, torch.tensor(getattr(scaling, name)))

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """Outputs (B, C) for raw inputs (B, *shape)."""
        scaled = (raw - self.shift) * self.scale
        outputs: torch.Tensor = self.network(scaled.to(next(self.network.parameters()).dtype))
        if self.sigmoid:
            outputs = outputs.sigmoid()
        return outputs / self.target_scale + self.target_shift


def deploy(
    config: Config, state: dict[str, np.ndarray], shape: tuple[int, ...], outputs: int, scaling: Scaling
) -> Deployed:
    """The network with these weights, in evaluation mode.

    Args:
        config: What it was trained with.
        state: Its weights by name, as `FitResult.state` holds them.
        shape: Of one input row.
        outputs: Number of outputs C.
        scaling: Of the rows that it was trained on.
    """
    network = build_network(config, shape, outputs)
    network.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    return Deployed(network, scaling, sigmoid=sigmoid_predicts(config)).eval()
