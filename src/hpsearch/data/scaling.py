"""Scaling of features and numeric targets by statistics of the training rows alone.

`(x - shift) * scale` is applied to features, `(f(t) - shift) * scale` to targets, where f is the identity or a
logarithm. Images have one shift and one scale for all pixels, features have one each. Statistics are computed in
float64 and stored as float32, or as float64 where the values are float64, which are scaled in float64 before they are
cast.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hpsearch.config.preprocess import Preprocess, TargetScale
from hpsearch.data.dataset import Rows
from hpsearch.errors import ConfigError

_CHUNK = 4096
"""Maximum number of rows that are converted to float64 at once."""

_CHUNK_VALUES = 2**23
"""Maximum number of their values, 64 MiB, which rows of more than 2,048 values reach, such as photographs."""


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Shift and factor of inputs, float32 or float64: (1, 1, 1) each for images, (D,) for features."""

    shift: np.ndarray
    scale: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class TargetScaling:
    """How the targets of a regression become what the network learns, and its outputs predictions.

    Attributes:
        shift, scale: Shape (T,), or (n, T) for one scaling per row.
        kind: What is done to targets before they are shifted.
    """

    shift: np.ndarray
    scale: np.ndarray
    kind: TargetScale = TargetScale.STANDARD

    def scaled(self, targets: np.ndarray) -> np.ndarray:
        """Return targets (n, T) as the network learns them."""
        scaled: np.ndarray = (transformed(targets, self.kind) - self.shift) * self.scale
        return scaled

    def restored(self, outputs: np.ndarray) -> np.ndarray:
        """Return predictions (..., n, T) float64 in the units of the targets from outputs of the network."""
        values = outputs / self.scale.astype(np.float64) + self.shift.astype(np.float64)
        if self.kind is TargetScale.LOG:
            return np.exp(values)
        return np.expm1(values) if self.kind is TargetScale.LOG1P else values


def fit_scaling(inputs: np.ndarray, train: np.ndarray, preprocess: Preprocess) -> Scaling:
    """Fit the scaling of inputs to training rows.

    `minmax` divides image bytes by 255, and maps everything else from its training minimum and maximum to [0, 1];
    `robust` maps the median to 0 and the distance of the quartiles to 1; `none` and `custom` change nothing; all others
    map to mean 0 and standard deviation 1 (divisor n). A feature that is constant on the training rows becomes 0.

    Args:
        inputs: Shape (N, channels, height, width) images or (N, D) features without missing values.
        train: Shape (n,) int64 training rows of the fit, at least one.
        preprocess: How inputs are scaled.
    """
    images = inputs.ndim == 4
    axes = (0, 1, 2, 3) if images else (0,)
    shape = (1, 1, 1) if images else inputs.shape[1:]
    if preprocess.kind in ("none", "custom"):
        return Scaling(np.zeros(shape, np.float32), np.ones(shape, np.float32))
    if preprocess.kind == "minmax" and inputs.dtype == np.uint8:
        shift, scale = np.zeros(shape), np.full(shape, 1 / 255)
    elif preprocess.kind == "minmax":
        shift, scale = _unit(inputs, train, axes)
    elif preprocess.kind == "robust":
        shift, scale = _robust(inputs, train, axes)
    else:
        shift, scale = _standard(inputs, train, axes)
    return Scaling(*_stored(inputs, shift.reshape(shape), scale.reshape(shape)))


def fit_target_scaling(rows: Rows, train: np.ndarray, preprocess: Preprocess) -> TargetScaling:
    """Fit the scaling of the targets of a regression to training rows; an autoencoder's are scaled like its inputs.

    Args:
        rows: The rows.
        train: Shape (n,) int64 training rows of the fit, at least one.
        preprocess: How inputs and targets are scaled.

    Raises:
        ConfigError: If targets have no logarithm and `preprocess.target` asks for it.
    """
    kind = preprocess.target
    if rows.autoencoder:
        inputs, row = fit_scaling(rows.inputs, train, preprocess), rows.inputs.shape[1:]
        shift, scale = (np.broadcast_to(each, row).ravel() for each in (inputs.shift, inputs.scale))
        return TargetScaling(shift, scale)
    if kind is TargetScale.NONE:
        width = rows.targets.shape[1:]
        return TargetScaling(np.zeros(width, np.float32), np.ones(width, np.float32), kind)
    lowest = rows.targets.min()
    if (kind is TargetScale.LOG and lowest <= 0) or (kind is TargetScale.LOG1P and lowest < 0):
        rule = "> 0" if kind is TargetScale.LOG else ">= 0"
        raise ConfigError(
            f"preprocess.target={kind} needs targets {rule}, got {lowest:g}: use preprocess.target=standard"
        )
    values = transformed(rows.targets, kind)
    return TargetScaling(*_stored(rows.targets, *_standard(values, train, axes=(0,))), kind)


def transformed(targets: np.ndarray, kind: TargetScale) -> np.ndarray:
    """Return targets (n, T), or their logarithms in the same type, before they are shifted and scaled."""
    if kind not in (TargetScale.LOG, TargetScale.LOG1P):
        return targets
    with np.errstate(divide="ignore", invalid="ignore"):  # test rows may lie outside
        logarithms: np.ndarray = (np.log if kind is TargetScale.LOG else np.log1p)(targets.astype(np.float64))
    return logarithms.astype(np.result_type(targets, np.float32))


def _standard(values: np.ndarray, train: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    count = len(train) * np.prod([values.shape[axis] for axis in axes[1:]], dtype=np.int64)
    total = sum((chunk.sum(axis=axes) for chunk in _chunks(values, train)), start=np.float64(0))
    mean = np.asarray(total / count)
    # two passes: the mean of squares minus the squared mean cancels where the mean is large
    squares = sum((((chunk - mean) ** 2).sum(axis=axes) for chunk in _chunks(values, train)), start=np.float64(0))
    std = np.sqrt(squares / count)
    return mean, _factor(std, values, train, axes)


def _unit(values: np.ndarray, train: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    low, high = (np.asarray(extreme, np.float64) for extreme in _extremes(values, train, axes))
    return low, _factor(high - low, values, train, axes)


def _robust(values: np.ndarray, train: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    low, median, high = np.percentile(values[train].astype(np.float64), (25, 50, 75), axis=axes)
    return np.asarray(median), _factor(np.asarray(high - low), values, train, axes)


def _factor(width: np.ndarray, values: np.ndarray, train: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return 1 / width, and 1 where the training values are constant (whose width may be a rounding error)."""
    low, high = _extremes(values, train, axes)
    constant = np.asarray(low == high)
    # the reciprocal of a smaller width would overflow float32
    return 1 / np.where(constant | (width < np.finfo(np.float32).tiny), 1, width)


def _extremes(values: np.ndarray, train: np.ndarray, axes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return minimum and maximum of the training values, of which one part at a time is copied."""
    parts = (values[rows] for rows in _portions(values, train))
    extremes = np.stack([[part.min(axis=axes), part.max(axis=axes)] for part in parts])
    return extremes[:, 0].min(axis=0), extremes[:, 1].max(axis=0)


def _chunks(values: np.ndarray, train: np.ndarray) -> Iterator[np.ndarray]:
    return (values[rows].astype(np.float64) for rows in _portions(values, train))


def _portions(values: np.ndarray, train: np.ndarray) -> Iterator[np.ndarray]:
    size = max(1, min(_CHUNK, _CHUNK_VALUES // math.prod(values.shape[1:])))
    return (train[start : start + size] for start in range(0, len(train), size))


def _stored(values: np.ndarray, shift: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    dtype = np.result_type(values, np.float32)
    return shift.astype(dtype), scale.astype(dtype)
