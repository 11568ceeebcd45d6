"""`torch.optim` by option, and what acts on gradients and weights around its step."""

from typing import Any

import torch
from torch import nn

from hpsearch.config import Config
from hpsearch.config.training import AdaGrad, Adam, Momentum, RmsProp


def weights(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that weight decay and max-norm act on: those of two or more dimensions that are not frozen.

    In our networks these are the weights of linear and convolution layers; biases, gamma and beta have one.
    """
    return [parameter for parameter in network.parameters() if parameter.ndim >= 2 and parameter.requires_grad]


def build_optimizer(config: Config, network: nn.Module) -> torch.optim.Optimizer:
    """The optimizer, with weight decay on the weights alone: decoupled for AdamW, added to the gradient for others."""
    decay = config.regularization.weight_decay
    groups: list[dict[str, Any]] = [{"params": list(network.parameters())}]
    if decay > 0:  # two groups only where they differ: each is a call of its own, 20 microseconds a step
        rest = [parameter for parameter in network.parameters() if parameter.ndim < 2]
        groups = [{"params": weights(network), "weight_decay": decay}, {"params": rest}]
    # Fused kernels exist for all but RMSprop. Measured on a CPU thread, 397,510 parameters, microseconds a step,
    # fused / foreach / single: SGD 69/74/66, momentum 117/162/153, AdaGrad 182/461/380, Adam 259/584/617.
    fused: dict[str, Any] = {"fused": True}
    match config.optimizer:
        case Adam(kind="adamw") as o:
            return torch.optim.AdamW(groups, lr=o.lr, weight_decay=0.0, betas=(o.beta1, o.beta2), eps=o.eps, **fused)
        case Adam() as o:
            return torch.optim.Adam(groups, lr=o.lr, betas=(o.beta1, o.beta2), eps=o.eps, **fused)
        case RmsProp() as o:
            return torch.optim.RMSprop(groups, lr=o.lr, alpha=o.alpha, eps=o.eps)
        case AdaGrad() as o:
            return torch.optim.Adagrad(groups, lr=o.lr, eps=o.eps, **fused)
        case Momentum() as o:
            return torch.optim.SGD(groups, lr=o.lr, momentum=o.momentum, nesterov=o.kind == "nesterov", **fused)
        case o:
            return torch.optim.SGD(groups, lr=o.lr, **fused)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Use this learning rate from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = lr


@torch.no_grad()
def limit_norms(parameters: list[nn.Parameter], max_norm: float) -> None:
    """Shrink each unit's incoming weights to norm `max_norm` where theirs is larger (Srivastava et al., 2014).

    Args:
        parameters: Weights (units, inputs, *kernel); the rest of a unit is flattened. One without a gradient stays.
        max_norm: Largest Euclidean norm; > 0.
    """
    for weight in parameters:
        if weight.grad is None:  # of a user's module that never reads it
            continue
        norm = weight.flatten(1).norm(dim=1).clamp_min(max_norm)  # (units,), so that shorter ones keep their bits
        weight.mul_((max_norm / norm).view(-1, *[1] * (weight.ndim - 1)))
