"""Reduced precision of matrix products and convolutions, off by default, and how it is switched on and off.

`float32` is torch's default on a CPU. `tf32` is a process-wide switch of torch, set around a training and restored.
`bf16` is automatic mixed precision (Micikevicius et al., 2018) around each forward pass; weights, gradients, optimizer
state, running statistics and losses stay in float32.
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
"""Tolerance, relative or absolute, between outputs that differ only by the order of operations."""

PRODUCTS = frozenset(
    ["linear", "matmul", "__matmul__", "__rmatmul__", "mm", "mv", "bmm", "addmm", "addmv", "addbmm", "baddbmm"]
    + [f"conv{transposed}{n}d" for transposed in ("", "_transpose") for n in (1, 2, 3)]
)
"""Names of the functions that autocast runs in bfloat16."""


@contextmanager
def arithmetic(precision: Precision, device: torch.device) -> Iterator[None]:
    """Compute float32 matrix products and convolutions in `precision` within the block.

    Only CUDA devices have the switch. Torch's default there is TF32 for convolutions, which `float32` and `bf16` turn
    off. Elsewhere products stay in float32 even for `tf32`, so that a trained network can predict there; training is
    refused, see `require_precision`.
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


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread of the processor within the block, as in every fit: the last digits depend on it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)  # of the caller's session


def in_precision(
    forward: Callable[P, torch.Tensor], precision: Precision, device: torch.device
) -> Callable[P, torch.Tensor]:
    """Wrap a forward pass: under `bf16` it runs in mixed precision with float32 outputs, otherwise unchanged."""
    if precision is not Precision.BF16:
        return forward

    def mixed(*args: P.args, **kwargs: P.kwargs) -> torch.Tensor:
        # No cache of cast weights: it would not survive the capture of a step in a CUDA graph.
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            return _wide(forward(*args, **kwargs))

    return mixed


class _AboveVmap(TorchFunctionMode):
    """Applies `torch.autocast` to layers under `vmap` as it applies to a single network.

    `vmap` decomposes layers before autocast sees them: it does not see convolutions, and batch normalization fails
    because its inputs and statistics have different types.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func` with floating-point arguments cast as autocast would cast them."""
        kwargs = kwargs or {}
        if func is functional.batch_norm:
            outputs: torch.Tensor = func(_wide(args[0]), *args[1:], **kwargs)
            return outputs.to(args[0].dtype)
        if getattr(func, "__name__", "") in PRODUCTS:
            return func(*map(_narrow, args), **{name: _narrow(value) for name, value in kwargs.items()})
        return func(*args, **kwargs)


def batched(device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which layers called under `vmap` use mixed precision, if autocast is on."""
    return _AboveVmap() if torch.is_autocast_enabled(device.type) else nullcontext()


def require_precision(precision: Precision, data: DeviceData) -> None:
    """Refuse to train in a precision that the device or the data does not support.

    Raises:
        ConfigError: If the device has no TF32, or if the data are float64, for which torch would ignore a reduced
            precision.
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
