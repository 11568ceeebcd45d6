"""`torch.optim` by option, and what acts on gradients and weights around its step."""

from typing import Any

import torch
from torch import nn

from hpsearch.config import Config, ConfigError, training
from hpsearch.config.training import AdaGrad, Adam, CustomOptimizer, Momentum, NAdam, RmsProp
from hpsearch.import_path import build_named


def weights(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that weight decay and max-norm act on: trainable ones with two or more dimensions.

    In our networks these are the weights of linear and convolution layers; biases, gamma and beta have one dimension.
    """
    return [parameter for parameter in network.parameters() if parameter.ndim >= 2 and parameter.requires_grad]


def build_optimizer(config: Config, network: nn.Module) -> torch.optim.Optimizer:  # noqa: PLR0911 - one a rule
    """Build the optimizer with weight decay on `weights` only; see `config.model.WeightDecay`."""
    decay = config.regularization.weight_decay
    groups: list[dict[str, Any]] = [{"params": list(network.parameters())}]
    if decay > 0:  # two groups only where they differ: each costs a kernel call of 20 microseconds a step
        rest = [parameter for parameter in network.parameters() if parameter.ndim < 2]
        groups = [{"params": weights(network), "weight_decay": decay}, {"params": rest}]
    # Fused kernels exist for SGD, AdaGrad and Adam. Measured on a CPU thread, 397,510 parameters, microseconds a step,
    # fused / foreach / single: SGD 69/74/66, momentum 117/162/153, AdaGrad 182/461/380, Adam 259/584/617.
    match config.optimizer:
        case Adam() as o:
            return _build_adam(o, groups)
        case training.Lion() as o:
            return Lion(groups, lr=o.lr, betas=(o.beta1, o.beta2))
        case CustomOptimizer() as o:
            return _build_own(o, groups, decay)
        case RmsProp() as o:
            return torch.optim.RMSprop(groups, lr=o.lr, alpha=o.alpha, eps=o.eps)
        case AdaGrad() as o:
            return torch.optim.Adagrad(groups, lr=o.lr, eps=o.eps, fused=True)
        case Momentum() as o:
            return torch.optim.SGD(groups, lr=o.lr, momentum=o.momentum, nesterov=o.kind == "nesterov", fused=True)
        case o:
            return torch.optim.SGD(groups, lr=o.lr, fused=True)


def _build_adam(o: Adam, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    shared: dict[str, Any] = {"lr": o.lr, "betas": (o.beta1, o.beta2), "eps": o.eps}
    if isinstance(o, NAdam):
        return torch.optim.NAdam(groups, momentum_decay=o.momentum_decay, **shared)
    match o.kind:
        case "radam":
            return torch.optim.RAdam(groups, **shared)
        case "lamb":
            return Lamb(groups, **shared)
        case "adamw":
            return torch.optim.AdamW(groups, weight_decay=0.0, fused=True, **shared)
        case _:
            return torch.optim.Adam(groups, fused=True, **shared)


def _build_own(o: CustomOptimizer, groups: list[dict[str, Any]], decay: float) -> torch.optim.Optimizer:
    """Build the user's own optimizer; weight decay reaches it as in `torch.optim`, by `weight_decay` of a group.

    Raises:
        ConfigError: If it cannot be built, is no optimizer, or has no learning rate or no weight decay to set.
    """
    offered = {"params": groups, "lr": o.lr, "weight_decay": 0.0}
    optimizer = build_named("optimizer", o.import_path, o.kwargs, offered)
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ConfigError(
            f"optimizer.import_path must name a torch.optim.Optimizer, got {o.import_path}, which makes a "
            f"{type(optimizer).__name__}"
        )
    if "lr" not in optimizer.defaults:
        raise ConfigError(
            f"optimizer.import_path {o.import_path} must have lr among its defaults, which schedules change at each "
            f"step, got {', '.join(optimizer.defaults) or 'none'}"
        )
    if decay > 0 and "weight_decay" not in optimizer.defaults:
        raise ConfigError(
            f"regularization.weight_decay={decay} has no effect on optimizer.import_path {o.import_path}, which has no "
            "weight_decay among its defaults: give 0, or an optimizer that has"
        )
    return optimizer


class _PerParameter(torch.optim.Optimizer):
    """An optimizer whose step treats each parameter alone; those without a gradient are left unchanged."""

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # torch's may call a closure
        """Do one step."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group, self.state[parameter])

    def _update(self, parameter: torch.Tensor, gradient: torch.Tensor, group: Any, state: Any) -> None:
        raise NotImplementedError


class Lion(_PerParameter):
    """Chen et al., 2023, algorithm 2: the sign of a mean gradient is the step; weight decay is decoupled."""

    def __init__(self, params: Any, lr: float, betas: tuple[float, float], weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    def _update(self, parameter: torch.Tensor, gradient: torch.Tensor, group: Any, state: Any) -> None:
        beta1, beta2 = group["betas"]
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter)
        mean = state["exp_avg"]
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(mean.lerp(gradient, 1 - beta1).sign_(), alpha=-group["lr"])
        mean.lerp_(gradient, 1 - beta2)


class Lamb(_PerParameter):
    """You et al., 2020, algorithm 2, with the identity for phi: each tensor is a layer, biases included.

    A tensor of zeros, such as a bias at the start, takes Adam's step.
    """

    def __init__(
        self, params: Any, lr: float, betas: tuple[float, float], eps: float, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _update(self, parameter: torch.Tensor, gradient: torch.Tensor, group: Any, state: Any) -> None:
        beta1, beta2 = group["betas"]
        if not state:
            zeros = torch.zeros_like(parameter)
            state.update(step=torch.zeros(()), exp_avg=zeros, exp_avg_sq=zeros.clone())
        state["step"] += 1
        count, mean, squares = state["step"].item(), state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(gradient, 1 - beta1)
        squares.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        step = mean / (1 - beta1**count) / (squares / (1 - beta2**count)).sqrt_().add_(group["eps"])
        step.add_(parameter, alpha=group["weight_decay"])
        ratio = parameter.norm() / step.norm()
        ratio = torch.where(ratio.isfinite() & (ratio > 0), ratio, 1.0)
        parameter.sub_(step.mul_(ratio), alpha=group["lr"])


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of the following steps."""
    for group in optimizer.param_groups:
        group["lr"] = lr


@torch.no_grad()
def limit_norms(parameters: list[nn.Parameter], max_norm: float) -> None:
    """Shrink each unit's incoming weights to norm `max_norm` where theirs is larger (Srivastava et al., 2014).

    Args:
        parameters: Weights (units, inputs, *kernel), flattened per unit. Those without a gradient are left unchanged.
        max_norm: Largest Euclidean norm, > 0.
    """
    for weight in parameters:
        if weight.grad is None:  # a parameter that the user's module never uses
            continue
        norm = weight.flatten(1).norm(dim=1).clamp_min(max_norm)  # (units,), so that shorter ones keep their bits
        weight.mul_((max_norm / norm).view(-1, *[1] * (weight.ndim - 1)))
