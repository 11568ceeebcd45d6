"""Floating-point operations of an optimizer step: a measure of cost that does not depend on the machine.

Only matrix products and convolutions are counted, two operations per multiply-add; the backward pass counts as two
forward passes.
"""

import math
from itertools import pairwise

from hpsearch.config import Config
from hpsearch.config.model import CnnModel, CustomModel, MlpModel, Pooling

PASSES = 3
"""Cost of a forward and a backward pass, in forward passes."""


def step_flops(config: Config, input_shape: tuple[int, ...], outputs: int) -> float | None:
    """Return the operations of one step on one minibatch, or None for a custom module, whose layers are unknown.

    Args:
        config: Model and batch size.
        input_shape: Shape of one row: (D,), or (channels, height, width).
        outputs: Number of network outputs.
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


def prediction_flops(config: Config, input_shape: tuple[int, ...], outputs: int) -> float | None:
    """Return the operations of one prediction, of one row; as `step_flops`, which trains minibatches."""
    flops = step_flops(config, input_shape, outputs)
    return None if flops is None else flops / (PASSES * config.training.batch_size)


def _dense(widths: list[int]) -> float:
    """Return the forward operations per row of a stack of affine layers."""
    return float(sum(2 * before * after for before, after in pairwise(widths)))


def _convolutions(model: CnnModel, input_shape: tuple[int, ...]) -> tuple[float, int]:
    """Return the forward operations per row of the convolution blocks, and the number of features they produce."""
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
