"""Scaling of inputs and regression targets by statistics of the training rows alone.

`(x - shift) * scale` is applied to inputs, `(t - target_shift) * target_scale` to targets. Images have one shift and
one scale for all pixels, features have one each. Statistics are computed in float64 and stored as float32, or as
float64 where the rows are float64, which are scaled in float64 before they are cast.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hpsearch.config.data import Normalize
from hpsearch.data.dataset import Rows

_CHUNK = 4096  # rows converted to float64 at a time


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Shifts and factors, float32 or float64.

    Attributes:
        shift, scale: Shape (1, 1, 1) for images, (D,) for features; broadcast over the rows.
        target_shift, target_scale: Shape (T,) for regression; (1,), with no effect, for classes.
    """

    shift: np.ndarray
    scale: np.ndarray
    target_shift: np.ndarray
    target_scale: np.ndarray


def fit_scaling(development: Rows, train: np.ndarray, normalize: Normalize) -> Scaling:
    """Fit the scaling to training rows.

    `unit` divides image bytes by 255, and maps everything else from its training minimum and maximum to [0, 1];
    `standard` maps to mean 0 and standard deviation 1 (divisor n). A feature that is constant on the training rows
    becomes 0. Regression targets are always standardized; an autoencoder's targets are scaled like its inputs.

    Args:
        development: The rows.
        train: Shape (n,) int64 training rows of the fit, at least one.
        normalize: How inputs are scaled.
    """
    shift, scale = _input_scaling(development, train, normalize)
    if development.autoencoder:
        row = development.inputs.shape[1:]
        return Scaling(shift, scale, np.broadcast_to(shift, row).ravel(), np.broadcast_to(scale, row).ravel())
    if development.classes:
        return Scaling(shift, scale, np.zeros(1, np.float32), np.ones(1, np.float32))
    return Scaling(shift, scale, *_stored(development.targets, *_standard(development.targets, train, axes=(0,))))


def _input_scaling(rows: Rows, train: np.ndarray, normalize: Normalize) -> tuple[np.ndarray, np.ndarray]:
    axes = (0, 1, 2, 3) if rows.images else (0,)
    shape = (1, 1, 1) if rows.images else rows.inputs.shape[1:]
    if normalize is Normalize.NONE:
        return np.zeros(shape, np.float32), np.ones(shape, np.float32)
    if normalize is Normalize.STANDARD:
        shift, scale = _standard(rows.inputs, train, axes)
    elif rows.inputs.dtype == np.uint8:
        shift, scale = np.zeros(shape), np.full(shape, 1 / 255)
    else:
        shift, scale = _unit(rows.inputs, train, axes)
    return _stored(rows.inputs, shift.reshape(shape), scale.reshape(shape))


def _standard(values: np.ndarray, train: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    count = len(train) * np.prod([values.shape[axis] for axis in axes[1:]], dtype=np.int64)
    total = sum((chunk.sum(axis=axes) for chunk in _chunks(values, train)), start=np.float64(0))
    mean = np.asarray(total / count)
    # two passes: the mean of squares minus the squared mean cancels where the mean is large
    squares = sum((((chunk - mean) ** 2).sum(axis=axes) for chunk in _chunks(values, train)), start=np.float64(0))
    std = np.sqrt(squares / count)
    return mean, _factor(std, values, train, axes)


def _unit(values: np.ndarray, train: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    low, high = (np.asarray(extreme(values[train], axis=axes), np.float64) for extreme in (np.min, np.max))
    return low, _factor(high - low, values, train, axes)


def _factor(width: np.ndarray, values: np.ndarray, train: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return 1 / width, and 1 where the training values are constant (whose width may be a rounding error)."""
    constant = np.asarray(values[train].min(axis=axes) == values[train].max(axis=axes))
    # the reciprocal of a smaller width would overflow float32
    return 1 / np.where(constant | (width < np.finfo(np.float32).tiny), 1, width)


def _chunks(values: np.ndarray, train: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(train), _CHUNK):
        yield values[train[start : start + _CHUNK]].astype(np.float64)


def _stored(values: np.ndarray, shift: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    dtype = np.result_type(values, np.float32)
    return shift.astype(dtype), scale.astype(dtype)
