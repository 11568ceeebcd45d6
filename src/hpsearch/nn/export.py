"""A trained network as a single module that takes raw inputs, for storing and serving."""

import numpy as np
import torch
from torch import nn

from hpsearch.config import Config
from hpsearch.config.preprocess import TargetScale
from hpsearch.data.preprocessing import Preprocessing
from hpsearch.data.scaling import TargetScaling
from hpsearch.nn.models import build_network
from hpsearch.nn.output_layer import Predicts, predicts


class Deployed(nn.Module):
    """Scale inputs by the statistics of the training rows, then apply the network.

    Takes (B, *shape) raw inputs, or the encoded ones of a table: float64 if `shift` is float64 (float32 would lose the
    differences between rows), otherwise float32. Returns (B, C) outputs: class logits, or regression targets in their
    original units; of `gaussian_nll`, their T means and then their T standard deviations.
    """

    shift: torch.Tensor
    scale: torch.Tensor
    target_shift: torch.Tensor
    target_scale: torch.Tensor

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, meaning: Predicts) -> None:
        super().__init__()
        self.network = network
        self.meaning = meaning
        none = np.zeros(1, np.float32)
        target = preprocessing.target or TargetScaling(none, none + 1, TargetScale.NONE)
        self.target = target.kind
        for prefix, scaling in (("", preprocessing.scaling), ("target_", target)):
            for name in ("shift", "scale"):
                self.register_buffer(f"{prefix}{name}", torch.tensor(getattr(scaling, name)))

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
        outputs = outputs / self.target_scale + self.target_shift
        if self.target is TargetScale.LOG:
            return outputs.exp()
        return outputs.expm1() if self.target is TargetScale.LOG1P else outputs


def deploy(
    config: Config, state: dict[str, np.ndarray], shape: tuple[int, ...], outputs: int, preprocessing: Preprocessing
) -> Deployed:
    """Return the network with these weights as a `Deployed` module in evaluation mode.

    Args:
        config: The configuration it was trained with.
        state: Weights by name, as in `FitResult.state`.
        shape: Shape of one row of inputs, or of encoded ones.
        outputs: Number of outputs C.
        preprocessing: Fitted to its training rows.
    """
    network = build_network(config, shape, outputs)
    network.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    return Deployed(network, preprocessing, predicts(config)).eval()
