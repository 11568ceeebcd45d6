"""Elementwise functions whose result depends only on the element's value, not on its position.

Torch computes the last elements of a tensor with other instructions than the rest, and for sigmoid, ELU and softplus
the two differ in the last bit (measured on torch 2.15, AVX-512; exp, expm1, tanh and arithmetic do not). In a fleet, an
element's position depends on the other members, so these functions are composed of operations that do not differ.

Elements in bfloat16 are computed in float32 and rounded once, as torch does.
"""

from typing import Any

import torch
from torch.nn import functional


class _Sigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        y = torch.exp(-x).add_(1).reciprocal_()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor
        (y,) = ctx.saved_tensors
        return grads[0] * (y * (1 - y))


class _Elu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, alpha)
        return torch.where(x > 0, x, torch.expm1(x) * alpha)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        x, alpha = ctx.saved_tensors
        return torch.where(x > 0, grads[0], grads[0] * (torch.exp(x) * alpha)), None


class _BinaryCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(logits, targets)
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        logits, targets = ctx.saved_tensors
        return grads[0] * (torch.exp(-logits).add_(1).reciprocal_() - targets), None


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Return 1 / (1 + exp(-x)) for each element of `x` (any shape)."""
    y: torch.Tensor = _Sigmoid.apply(_wide(x))
    return y.to(x.dtype)


def elu(x: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Return `x` where it is positive and `alpha * (exp(x) - 1)` elsewhere.

    Args:
        x: Any shape.
        alpha: Broadcasts to the shape of `x`; gets no gradient.
    """
    y: torch.Tensor = _Elu.apply(_wide(x), alpha)
    return y.to(x.dtype)


def leaky_relu(x: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """Return `x` where it is positive and `slope * x` elsewhere.

    Args:
        x: Any shape.
        slope: Broadcasts to the shape of `x`; gets no gradient.
    """
    return torch.where(x > 0, x, (x * slope).to(x.dtype))


def binary_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return -t log s - (1 - t) log(1 - s) elementwise, s = sigmoid(logits); the targets t get no gradient."""
    y: torch.Tensor = _BinaryCrossEntropy.apply(logits, targets)
    return y


def _wide(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
