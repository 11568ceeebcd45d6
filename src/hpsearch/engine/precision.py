"""Reduced precision of matrix products and convolutions, off by default: how it is switched on, and off again.

`float32` is what torch does by itself on a CPU. `tf32` is a switch of torch for the whole process, set around a
training and put back. `bf16` is automatic mixed precision (Micikevicius et al., 2018) around each forward pass;
weights, gradients, the optimizer's memories, running statistics and losses stay in float32.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ParamSpec

import torch
from torch.backends import cuda, cudnn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from hpsearch.config import ConfigError
from hpsearch.config.training import Precision
from hpsearch.engine.device_data import DeviceData

P = ParamSpec("P")

AMPERE = (8, 0)
"""The first compute capability with TF32."""

AGREEMENT = {Precision.FLOAT32: 1e-3, Precision.TF32: 1e-2, Precision.BF16: 5e-2}
"""How far outputs may lie apart, relatively or absolutely, that differ by the order of operations alone."""

PRODUCTS = frozenset(
    ["linear", "matmul", "__matmul__", "__rmatmul__", "mm", "mv", "bmm", "addmm", "addmv", "addbmm", "baddbmm"]
    + [f"conv{transposed}{n}d" for transposed in ("", "_transpose") for n in (1, 2, 3)]
)
"""Functions that autocast gives bfloat16, by name."""


@contextmanager
def arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    """Within it, and in no case longer, products of float32 matrices and convolutions are done in `precision`.

    Only CUDA devices have the switch: torch's own default there does convolutions in TF32, which `float32` and `bf16`
    switch off. Elsewhere products stay in float32, for `tf32` too: that is for predictions of a trained network; a
    training is refused there, see `require_precision`.
    """
    if device.type != "cuda":
        yield
        return
    switches: tuple[Any, ...] = (cuda.matmul, cudnn.conv)  # type: ignore[attr-defined]  # made at run time
    before = [switch.fp32_precision for switch in switches]
    try:
        for switch in switches:
            switch.fp32_precision = "tf32" if precision is Precision.TF32 else "ieee"
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.fp32_precision = value


def in_precision(
    forward: Callable[P, torch.Tensor], precision: Precision, device: torch.device
) -> Callable[P, torch.Tensor]:
    """The same forward pass; under `bf16` in mixed precision, with outputs in float32."""
    if precision is not Precision.BF16:
        return forward

    def mixed(*args: P.args, **kwargs: P.kwargs) -> torch.Tensor:
        # The cache of cast weights is off: it would not survive the capture of a step in a CUDA graph.
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            return _wide(forward(*args, **kwargs))

    return mixed


class _AboveVmap(TorchFunctionMode):
    """`torch.autocast` as it acts on a single network, for calls of batched ones.

    `vmap` takes layers apart before autocast sees them: of a convolution it sees nothing, of a batch normalization
    inputs and statistics of two types, which fail.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Calls `func` with its floats as autocast would give them."""
        kwargs = kwargs or {}
        if func is functional.batch_norm:
            outputs: torch.Tensor = func(_wide(args[0]), *args[1:], **kwargs)
            return outputs.to(args[0].dtype)
        if getattr(func, "__name__", "") in PRODUCTS:
            return func(*map(_narrow, args), **{name: _narrow(value) for name, value in kwargs.items()})
        return func(*args, **kwargs)


def batched(device: torch.device) -> AbstractContextManager[object]:
    """Within it, layers that are called under `vmap` are in mixed precision, if that is on."""
    return _AboveVmap() if torch.is_autocast_enabled(device.type) else nullcontext()


def require_precision(precision: Precision, data: DeviceData) -> None:
    """Refuses a training whose device or data know no such precision.

    Raises:
        ConfigError: If TF32 is asked for and the device has none, or any reduced precision of data in float64, which
            torch would compute in float64 all the same.
    """
    if precision is Precision.FLOAT32:
        return
    if data.dtype != torch.float32:
        kind = str(data.dtype).removeprefix("torch.")
        raise ConfigError(
            f"training.precision must be float32 for data in {kind}, which nothing rounds, got {precision}: "
            "use data in float32"
        )
    if precision is Precision.TF32 and not _has_tf32(data.device):
        raise ConfigError(
            f"training.precision must be float32 or bf16 where the device has no TF32, got {precision} on "
            f"{data.device}: use an NVIDIA GPU of the Ampere generation or later (execution.device=cuda), or "
            "another precision"
        )


def _has_tf32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= AMPERE


def _wide(value: torch.Tensor) -> torch.Tensor:
    return value.to(torch.promote_types(value.dtype, torch.float32))


def _narrow(value: Any) -> Any:
    return value.to(torch.bfloat16) if isinstance(value, torch.Tensor) and value.dtype == torch.float32 else value
