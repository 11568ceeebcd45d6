"""A data set on a device: one copy, as bytes or floats, normalized on the fly.

N rows of the data set, B rows of a minibatch, C outputs, T targets.
"""

from dataclasses import dataclass

import numpy as np
import psutil
import torch

from hpsearch.config import Config
from hpsearch.data.dataset import Rows
from hpsearch.data.scaling import Scaling
from hpsearch.errors import HpsearchError
from hpsearch.nn.losses import output_count, prepare_targets
from hpsearch.nn.output_layer import target_scaling
from hpsearch.records import Task


class OutOfSpaceError(HpsearchError):
    """The data set does not fit in the memory of its device."""


@dataclass(frozen=True, slots=True, eq=False)
class DeviceData:
    """All rows of a data set on one device, shared by all fits there.

    Attributes:
        rows: The data set on the host.
        inputs: Shape (N, *shape), uint8 or floating point of at least type `dtype`.
        targets: Shape (N,) int64, or (N, T) floating point of at least type `dtype`.
        dtype: Float type of networks and minibatches.
    """

    rows: Rows
    inputs: torch.Tensor
    targets: torch.Tensor
    dtype: torch.dtype

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        return self.inputs.device

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return tuple(self.inputs.shape[1:])

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
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    labels: torch.Tensor | None
    shift: torch.Tensor
    scale: torch.Tensor
    outputs: int
    dtype: torch.dtype

    def batch(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the (B, *shape) scaled inputs of the rows (B,); only the minibatch is copied and scaled."""
        chosen = self.inputs.index_select(0, rows).to(self.shift.dtype)
        return chosen.sub_(self.shift).mul_(self.scale).to(self.dtype)


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
    inputs, targets = torch.tensor(rows.inputs), torch.tensor(rows.targets)
    return DeviceData(rows, _place(inputs, device, dtype), _place(targets, device, dtype), dtype)


def fit_data(config: Config, data: DeviceData, scaling: Scaling) -> FitData:
    """Return the view of one fit on shared data.

    Args:
        config: The configuration of the fit.
        data: The shared data.
        scaling: Scaling fitted to the training rows of the fit.

    Raises:
        ConfigError: If the loss does not fit the targets.
    """
    rows = data.rows
    classes = rows.task is not Task.REGRESSION
    targets, scaling = data.targets, target_scaling(config.loss, scaling)
    if not classes:
        targets = (targets - data.constant(scaling.target_shift)) * data.constant(scaling.target_scale)
    return FitData(
        inputs=data.inputs,
        targets=prepare_targets(config.loss, rows.task, targets, rows.classes, data.dtype),
        labels=data.targets if classes else None,
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
    arrays = (rows.inputs, rows.targets)
    needed = sum(a.size * (max(dtype.itemsize, a.itemsize) if a.dtype.kind == "f" else a.itemsize) for a in arrays)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    if needed > free:
        raise OutOfSpaceError(
            f"data {rows.name} needs {needed / 2**30:.2f} GiB on {device}, {free / 2**30:.2f} GiB are free: "
            "free some, or choose another execution.device"
        )
