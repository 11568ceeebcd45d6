"""Floating-point operations of one optimizer step: what a comparison of costs is made of, on any machine.

Products and convolutions alone are counted, two operations for each multiplication with its addition; the backward pass
takes twice as many as the forward pass.
"""

import math
from itertools import pairwise

from hpsearch.config import Config
from hpsearch.config.model import CnnModel, CustomModel, MlpModel, Pooling

PASSES = 3
"""Forward and backward pass, in forward passes."""


def step_flops(config: Config, input_shape: tuple[int, ...], outputs: int) -> float | None:
    """Operations of one step on one minibatch; None for a user's own module, of which nothing is known.

    Args:
        config: Model and batch size.
        input_shape: Of one row: (D,), or (channels, height, width).
        outputs: Number of outputs of the network.
    """
    rows, inputs = config.training.batch_size, math.prod(input_shape)
    match config.model:
        case CustomModel():
            return None
        case CnnModel():
            convolved, features = _convolutions(config.model, input_shape)
            return PASSES * rows * (convolved + _dense([features, *config.model.dense, outputs]))
        case MlpModel():
            return PASSES * rows * _dense([inputs, *config.model.hidden, outputs])
        case _:
            return PASSES * rows * _dense([inputs, outputs])


def _dense(widths: list[int]) -> float:
    """Forward operations of a row through affine layers."""
    return float(sum(2 * before * after for before, after in pairwise(widths)))


def _convolutions(model: CnnModel, input_shape: tuple[int, ...]) -> tuple[float, int]:
    """Forward operations of a row through the convolution blocks, and the number of features they give."""
    channels, *size = input_shape
    padding = model.kernel // 2 if model.padding is None else model.padding
    total = 0.0
    for filters in model.filters:
        size = [(length + 2 * padding - model.kernel) // model.stride + 1 for length in size]
        total += 2 * filters * channels * model.kernel**2 * math.prod(size)
        channels = filters
        if model.pool is not Pooling.NONE:
            size = [length // model.pool_size for length in size]
    return total, channels * math.prod(size)
