"""A trained network as a single module that takes raw inputs, for storing and serving."""

import numpy as np
import torch
from torch import nn

from hpsearch.config import Config
from hpsearch.data.scaling import Scaling
from hpsearch.nn.models import build_network
from hpsearch.nn.output_layer import Predicts, predicts, target_scaling


class Deployed(nn.Module):
    """Scale raw inputs by the statistics of the training rows, then apply the network.

    Takes (B, *shape) raw inputs: float64 if `shift` is float64 (float32 would lose the differences between rows),
    otherwise float32. Returns (B, C) outputs: class logits, or regression targets in their original units; of
    `gaussian_nll`, their T means and then their T standard deviations.
    """

    shift: torch.Tensor
    scale: torch.Tensor
    target_shift: torch.Tensor
    target_scale: torch.Tensor

    def __init__(self, network: nn.Module, scaling: Scaling, meaning: Predicts) -> None:
        super().__init__()
        self.network = network
        self.meaning = meaning
        for name in ("shift", "scale", "target_shift", "target_scale"):
            self.register_buffer(name, torch.tensor(getattr(scaling, name)))

    def forward(self, raw: torch.Tensor) -> torch.Tensor:
        """Return the (B, C) outputs for raw inputs (B, *shape)."""
        scaled = (raw - self.shift) * self.scale
        outputs: torch.Tensor = self.network(scaled.to(next(self.network.parameters()).dtype))
        if self.meaning is Predicts.SIGMOID:
            outputs = outputs.sigmoid()
        elif self.meaning is Predicts.EXPONENTIAL:
            outputs = outputs.exp()
        elif self.meaning is Predicts.MEAN_AND_LOG_VARIANCE:
            mean, log_variance = outputs.chunk(2, dim=-1)
            deviation = (log_variance / 2).exp() / self.target_scale
            return torch.cat([mean / self.target_scale + self.target_shift, deviation], dim=-1)
        return outputs / self.target_scale + self.target_shift


def deploy(
    config: Config, state: dict[str, np.ndarray], shape: tuple[int, ...], outputs: int, scaling: Scaling
) -> Deployed:
    """Return the network with these weights as a `Deployed` module in evaluation mode.

    Args:
        config: The configuration it was trained with.
        state: Weights by name, as in `FitResult.state`.
        shape: Shape of one input row.
        outputs: Number of outputs C.
        scaling: Scaling fitted to its training rows.
    """
    network = build_network(config, shape, outputs)
    network.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    return Deployed(network, target_scaling(config.loss, scaling), predicts(config)).eval()
