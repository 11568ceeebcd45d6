"""How much memory a member of a fleet takes.

An account of the tensors that live at once, checked against measured peaks by a test: parameters with their gradients
twice (as autograd gives them, and in the matrix), the rule's memories and two buffers; for signals the parameters
before a step; what the forward pass keeps for the backward pass; a portion of predictions; and the validation outputs
of all epochs.
"""

import torch
from torch import nn

from hpsearch.config.training import Precision
from hpsearch.engine.device_data import DeviceData, outputs_of
from hpsearch.engine.members import PREDICTION_ROWS
from hpsearch.engine.updates import MEMORIES
from hpsearch.engine.watch import probed
from hpsearch.nn.models import build_network
from hpsearch.records import Fit, Fold

KEPT = 4
"""Copies of the outputs of every layer that are alive at the end of a forward pass: the layer's own, its activation,
its mask and its gradient."""


def member_bytes(fit: Fit, data: DeviceData) -> int:
    """Bytes of one member: an upper estimate."""
    config, fold = fit.config, fit.fold
    outputs = outputs_of(config, data)
    network = build_network(config, data.input_shape, outputs)
    parameters = sum(p.numel() for p in network.parameters())
    units = _units(network, data)
    narrow = config.training.precision is Precision.BF16  # a step holds the weights in bfloat16 too
    copies = 6 + MEMORIES[config.optimizer.kind] + narrow + probed(fit)
    inputs = torch.Size(data.input_shape).numel()
    rows = max(config.training.batch_size * (KEPT * units + 2 * inputs), PREDICTION_ROWS * 2 * (units + inputs))
    numbers = copies * parameters + rows + _predictions(fold, config.training.epochs) * outputs
    return int(numbers * data.dtype.itemsize)


def _units(network: nn.Module, data: DeviceData) -> int:
    """Outputs of all layers for one row."""
    counts: list[int] = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, out: counts.append(out.numel()))
        for module in network.modules()
        if not list(module.children())
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, *data.input_shape))
    for hook in hooks:
        hook.remove()
    return sum(counts)


def _predictions(fold: Fold, epochs: int) -> int:
    return len(fold.val) * (epochs + 2) + len(fold.report)
