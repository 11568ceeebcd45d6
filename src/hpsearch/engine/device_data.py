"""A data set on a device: one copy, as bytes or floats, normalized on the fly.

N rows of the data set, B rows of a minibatch, C outputs, T targets.
"""

import warnings
from collections import OrderedDict
from dataclasses import dataclass, field, replace

import numpy as np
import psutil
import torch

from hpsearch.config import Config
from hpsearch.config.preprocess import TargetScale
from hpsearch.data.dataset import Rows
from hpsearch.data.preprocessing import Preprocessing, fit_preprocessing, is_encoded
from hpsearch.data.scaling import transformed
from hpsearch.engine.augmentation import Augmenter
from hpsearch.errors import HpsearchError
from hpsearch.nn.losses import output_count, prepare_targets, sample_weights
from hpsearch.records import Fit, Task


class OutOfSpaceError(HpsearchError):
    """The data set does not fit in the memory of its device."""


KEPT_BYTES = 2**30
"""Encoded tables of fits that are kept on a device, besides the last one: a table that is trained on again is not
encoded again."""


@dataclass(frozen=True, slots=True, eq=False)
class Preprocessed:
    """The rows of a data set as one fit sees them, not yet scaled.

    Attributes:
        preprocessing: What is done to the rows, fitted to the training rows.
        inputs: Shape (N, *shape), uint8 or floating point; shared by all fits that do the same.
    """

    preprocessing: Preprocessing
    inputs: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class DeviceData:
    """All rows of a data set on one device, shared by all fits there.

    Attributes:
        rows: The data set on the host.
        inputs: Shape (N, *shape), uint8 or floating point of at least type `dtype`; cells of a table are encoded for
            each fit.
        targets: Shape (N,) int64, or (N, T) floating point of at least type `dtype`.
        dtype: Float type of networks and minibatches.
    """

    rows: Rows
    inputs: torch.Tensor
    targets: torch.Tensor
    dtype: torch.dtype
    _encoded: OrderedDict[tuple[object, ...], Preprocessed] = field(default_factory=OrderedDict)

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        return self.inputs.device

    def preprocessed(self, fit: Fit) -> Preprocessed:
        """Return the rows as a fit sees them.

        Raises:
            ConfigError: If preprocessing refuses missing numbers, or does not suit the targets.
        """
        train, preprocess = fit.fold.train, fit.config.preprocess_for_loss
        if not is_encoded(self.rows, preprocess):
            return Preprocessed(fit_preprocessing(self.rows, train, preprocess)[0], self.inputs)
        key = (train.tobytes(), repr(preprocess))
        if key not in self._encoded:
            preprocessing, features = fit_preprocessing(self.rows, train, preprocess)
            inputs = _place(torch.from_numpy(features), self.device, self.dtype)
            while self._encoded and sum(each.inputs.nbytes for each in self._encoded.values()) > KEPT_BYTES:
                self._encoded.popitem(last=False)
            self._encoded[key] = Preprocessed(preprocessing, inputs)
        self._encoded.move_to_end(key)
        return self._encoded[key]

    def apply(self, preprocessing: Preprocessing) -> Preprocessed:
        """Return the rows as a preprocessing that was fitted to other rows leaves them."""
        if preprocessing.encoder is None:
            return Preprocessed(preprocessing, self.inputs)
        features = torch.from_numpy(preprocessing.encode(self.rows.inputs))
        return Preprocessed(preprocessing, _place(features, self.device, self.dtype))

    def transformed(self, kind: TargetScale) -> torch.Tensor:
        """Return the targets (N, T) before they are shifted and scaled."""
        if kind in (TargetScale.STANDARD, TargetScale.NONE):
            return self.targets
        return _place(torch.from_numpy(transformed(self.rows.targets, kind)), self.device, self.dtype)

    def input_shape(self, fit: Fit) -> tuple[int, ...]:
        """Return the shape of one row as a network sees it."""
        return tuple(
            (self.preprocessed(fit) if is_encoded(self.rows, fit.config.preprocess) else self).inputs.shape[1:]
        )

    def constant(self, value: np.ndarray) -> torch.Tensor:
        """Copy a shift or factor to the device, in the type in which rows of its type are scaled."""
        tensor = torch.tensor(value, device=self.device)
        return tensor.to(torch.promote_types(tensor.dtype, self.dtype))


@dataclass(frozen=True, slots=True, eq=False)
class FitData:
    """The data as one fit sees them: scaled by its training rows, with targets in the form of its loss.

    Attributes:
        inputs: Shape (N, *shape), not yet scaled.
        targets: Shape (N,) int64 or (N, C) floating point, as the loss takes them.
        labels: Shape (N,) int64 classes; None for regression.
        shift: Subtracted from the inputs.
        scale: Multiplies the shifted inputs.
        outputs: Number of network outputs C.
        dtype: Float type of networks and minibatches.
        weights: Shape (N,), what losses of rows are multiplied by in training; None: nothing.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    labels: torch.Tensor | None
    shift: torch.Tensor
    scale: torch.Tensor
    outputs: int
    dtype: torch.dtype
    weights: torch.Tensor | None = None

    def batch(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the (B, *shape) scaled inputs of the rows (B,); only the minibatch is copied and scaled."""
        chosen = self.inputs.index_select(0, rows).to(self.shift.dtype)
        return chosen.sub_(self.shift).mul_(self.scale).to(self.dtype)

    def training_batch(self, rows: torch.Tensor, augmenter: Augmenter) -> torch.Tensor:
        """Return the (B, *shape) scaled inputs of the training rows (B,), augmented for the current epoch."""

        def augmented(rows_1b: torch.Tensor) -> torch.Tensor:
            chosen = self.inputs.index_select(0, rows_1b[0]).to(self.shift.dtype).unsqueeze(0)
            scaled = augmenter.pixels(chosen, rows_1b).sub_(self.shift).mul_(self.scale).to(self.dtype)
            return augmenter.noisy(scaled, rows_1b)

        return augmenter.mixed(rows.unsqueeze(0), augmented)[0]

    def weighted(self, losses: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the losses (..., B) of the rows (B,), multiplied by the weights of these."""
        return losses if self.weights is None else losses * self.weights[rows]


def to_device(rows: Rows, device: str | torch.device = "cpu", *, dtype: torch.dtype = torch.float32) -> DeviceData:
    """Copy a data set to a device.

    Args:
        rows: The development set, or the opened test rows.
        device: `cpu` or a CUDA device.
        dtype: Float type of networks and minibatches; float64 for tests of exactness.

    Raises:
        OutOfSpaceError: If the copy does not fit in the free memory.
    """
    device = torch.device(device)
    _require_space(rows, device, dtype)
    inputs, targets = _tensor(rows.inputs), torch.tensor(rows.targets)
    return DeviceData(rows, _place(inputs, device, dtype), _place(targets, device, dtype), dtype)


def _tensor(array: np.ndarray) -> torch.Tensor:
    """Return a copy of an array; of a memory map, which may be larger than the memory, a tensor over the file."""
    if not isinstance(array, np.memmap):
        return torch.tensor(array)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(array)


def fit_data(fit: Fit, data: DeviceData) -> FitData:
    """Return the view of one fit on shared data.

    Raises:
        ConfigError: If loss, targets and preprocessing do not fit together.
    """
    weights = sample_weights(data.rows, fit.fold.train)
    seen = see(fit.config, data, data.preprocessed(fit))
    return seen if weights is None else replace(seen, weights=torch.tensor(weights).to(data.device, data.dtype))


def see(config: Config, data: DeviceData, preprocessed: Preprocessed) -> FitData:
    """Return preprocessed rows as a network of this configuration sees them.

    Raises:
        ConfigError: If the loss does not fit the targets.
    """
    rows, scaling, target = data.rows, preprocessed.preprocessing.scaling, preprocessed.preprocessing.target
    targets = data.targets
    if target is not None:
        targets = (data.transformed(target.kind) - data.constant(target.shift)) * data.constant(target.scale)
    return FitData(
        inputs=preprocessed.inputs,
        targets=prepare_targets(config.loss, rows.task, targets, rows.classes, data.dtype),
        labels=data.targets if target is None else None,
        shift=data.constant(scaling.shift),
        scale=data.constant(scaling.scale),
        outputs=outputs_of(config, data),
        dtype=data.dtype,
    )


def outputs_of(config: Config, data: DeviceData) -> int:
    """Return the number of outputs C that a network needs for loss and data.

    Raises:
        ConfigError: If the loss does not fit the targets.
    """
    rows = data.rows
    width = data.targets.shape[1] if rows.task is Task.REGRESSION else 0
    return output_count(config.loss, rows.task, rows.classes, width, data=rows.name)


def _place(tensor: torch.Tensor, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    kept = torch.promote_types(tensor.dtype, dtype) if tensor.is_floating_point() else tensor.dtype
    return tensor.to(device, kept)


def _require_space(rows: Rows, device: torch.device, dtype: torch.dtype) -> None:
    mapped = device.type == "cpu" and isinstance(rows.inputs, np.memmap)  # stays in its file
    arrays = (rows.targets,) if mapped else (rows.inputs, rows.targets)
    needed = sum(a.size * (max(dtype.itemsize, a.itemsize) if a.dtype.kind == "f" else a.itemsize) for a in arrays)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    if needed > free:
        raise OutOfSpaceError(
            f"data {rows.name} needs {needed / 2**30:.2f} GiB on {device}, {free / 2**30:.2f} GiB are free: "
            "free some, or choose another execution.device"
        )
