"""Update rules for M members with their own hyperparameters, matching `optimizers.build_optimizer`.

Members with the same rule are adjacent, and a rule works on their rows of the parameter matrix (M, P). Each element
depends on its own member alone, to the last bit. Adam uses torch's fused kernel, which takes one learning rate for all:
it writes the step for a rate of 1 to a buffer, which is then scaled by each member's own rate.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hpsearch.config import Config
from hpsearch.config.training import AdaGrad, Adam, Lion, Momentum, NAdam, Optimizer, RmsProp

PORTION = 2**22
"""Number of elements updated at a time (at least one member), which bounds the buffers. Smaller portions, which would
fit a core's cache, are slower: Adam takes 0.9 ns per weight at 2**17 and 0.7 at 2**22 on one CPU thread."""

MEMORIES: dict[str, int] = {
    "sgd": 0, "momentum": 1, "nesterov": 1, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamw": 2, "nadam": 2, "radam": 2,
    "lion": 1, "lamb": 2,
}  # fmt: skip
"""Number of state values per parameter of each rule; all start at zero."""

_FUSED = ("adam", "adamw")


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Adjacent members with one rule: m of them.

    `decay`, `beta1_or_momentum`, `beta2_or_alpha` and `eps` are (m, 1); `bases` are (m, 3) in float64, see `_bases`.
    """

    rule: str
    members: slice
    optimizer: Optimizer
    decay: torch.Tensor
    decays: bool
    beta1_or_momentum: torch.Tensor
    beta2_or_alpha: torch.Tensor
    eps: torch.Tensor
    bases: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A portion of a run: weights, gradients, optimizer state and two buffers, each (m, P); hyperparameters (m, 1).

    `count` is the number of the step, from 1; `powers` are the `bases` to the power of it, as products, which have the
    same bits for any m; `momenta` is the product of NAdam's momenta, (m, 1); `tensors` are the columns of each
    parameter, of which weight decay acts on those up to `decayed`.
    """

    p: torch.Tensor
    g: torch.Tensor
    memory: list[torch.Tensor]
    buffers: list[torch.Tensor]
    lr: torch.Tensor
    beta1_or_momentum: torch.Tensor
    beta2_or_alpha: torch.Tensor
    eps: torch.Tensor
    decay: torch.Tensor
    count: torch.Tensor
    bases: torch.Tensor
    powers: torch.Tensor
    momenta: torch.Tensor
    tensors: Sequence[slice]
    decayed: int


class FleetOptimizer:
    """The optimizers of a fleet whose members are sorted by `order`."""

    def __init__(
        self, configs: Sequence[Config], parameters: torch.Tensor, decayed: int, tensors: Sequence[slice]
    ) -> None:
        """Start with optimizer state of zero.

        Args:
            configs: Configurations of the M members, sorted by `order`.
            parameters: Shape (M, P).
            decayed: Number of leading parameters that weight decay acts on.
            tensors: The columns of each parameter.
        """
        self._decayed, self._tensors = decayed, tensors
        self._powers = torch.ones(len(configs), 3, dtype=torch.float64, device=parameters.device)
        self._momenta = torch.ones(len(configs), 1, device=parameters.device)  # in float32, as `torch.optim` has it
        rules = {config.optimizer.kind for config in configs}
        self._memory = [torch.zeros_like(parameters) for _ in range(max(MEMORIES[rule] for rule in rules))]
        self._portion = max(1, PORTION // parameters.shape[1])
        self._count = torch.zeros((), device=parameters.device)  # steps done; a tensor, for CUDA graphs
        self._buffers = [torch.empty_like(parameters[: self._portion]) for _ in range(2)]
        self._lay_out(list(configs), parameters)

    def step(self, parameters: torch.Tensor, grads: torch.Tensor, lr: torch.Tensor) -> None:
        """Do one step of all members, in place.

        Args:
            parameters: Shape (M, P).
            grads: Shape (M, P); overwritten.
            lr: Shape (M,) learning rates.
        """
        self._count += 1
        for run in self._runs:
            for start in range(run.members.start, run.members.stop, self._portion):
                rows = slice(start, min(start + self._portion, run.members.stop))
                own = slice(rows.start - run.members.start, rows.stop - run.members.start)
                p, g, rates = parameters[rows], grads[rows], lr[rows].unsqueeze(1)
                if run.decays:
                    _decay(run, p[:, : self._decayed], g[:, : self._decayed], run.decay[own], rates)
                memory = [memory[rows] for memory in self._memory[: MEMORIES[run.rule]]]
                buffers = [buffer[: len(p)] for buffer in self._buffers]
                numbers = (run.beta1_or_momentum[own], run.beta2_or_alpha[own], run.eps[own], run.decay[own])
                clocks = (self._count, run.bases[own], self._powers[rows], self._momenta[rows])
                share = _Rows(p, g, memory, buffers, rates, *numbers, *clocks, self._tensors, self._decayed)
                if run.rule in _FUSED:
                    _adam(share, run.optimizer)
                else:
                    _RULES[run.rule](share)

    def memory(self, member: int) -> list[torch.Tensor]:
        """Return copies of the optimizer state of one member, (P,) each."""
        rule = self._configs[member].optimizer.kind
        return [memory[member].clone() for memory in self._memory[: MEMORIES[rule]]]

    def resume(self, memories: Sequence[Sequence[torch.Tensor]], steps: int) -> None:
        """Continue after `steps` steps from the optimizer state of each member.

        Args:
            memories: For each member, what `memory` returned.
            steps: Number of steps done.
        """
        self._count.fill_(steps)
        for member, memory in enumerate(memories):
            for own, kept in zip(self._memory, memory, strict=False):  # other rules of the fleet may have more
                own[member].copy_(kept)
            optimizer = self._configs[member].optimizer
            powers = np.multiply.accumulate(np.tile(_bases(optimizer), (steps, 1)))
            momenta = np.multiply.accumulate((_bases(optimizer)[0] * (1 - 0.5 * powers[:, 2])).astype(np.float32))
            if steps:
                self._powers[member] = torch.from_numpy(powers[-1])
                self._momenta[member] = float(momenta[-1])

    def keep(self, members: torch.Tensor, parameters: torch.Tensor) -> None:
        """Drop all but some of the members.

        Args:
            members: Shape (m,) int64 indices of the members to keep, ascending.
            parameters: Shape (m, P): their parameters.
        """
        self._memory = [memory[members] for memory in self._memory]
        self._powers, self._momenta = self._powers[members], self._momenta[members]
        self._lay_out([self._configs[i] for i in members.tolist()], parameters)

    def _lay_out(self, configs: list[Config], parameters: torch.Tensor) -> None:
        self._configs = configs

        def column(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, dtype=parameters.dtype, device=parameters.device).unsqueeze(1)

        self._runs = []
        for members in _runs([_run_key(config.optimizer) for config in configs]):
            own = [_numbers(config.optimizer) for config in configs[members]]
            decay = [config.regularization.weight_decay for config in configs[members]]
            first = configs[members.start].optimizer
            numbers = [column([number[i] for number in own]) for i in range(3)]
            bases = torch.tensor([_bases(config.optimizer) for config in configs[members]], dtype=torch.float64)
            numbers.append(bases.to(parameters.device))
            self._runs.append(_Run(first.kind, members, first, column(decay), any(decay), *numbers))


def order(optimizer: Optimizer) -> tuple[str, tuple[float, ...]]:
    """Return the sort key of members, by which those that are updated together become adjacent."""
    return optimizer.kind, _numbers(optimizer)


def _run_key(optimizer: Optimizer) -> Hashable:
    """Return a key that is equal for members updated at once; torch's fused Adam shares beta1, beta2 and epsilon."""
    return order(optimizer) if optimizer.kind in _FUSED else optimizer.kind


def _numbers(optimizer: Optimizer) -> tuple[float, float, float, float]:
    """Return (momentum or beta1, alpha or beta2, epsilon, momentum decay), with 0 for what a rule does not have."""
    match optimizer:
        case Adam() as o:
            return o.beta1, o.beta2, o.eps, o.momentum_decay if isinstance(o, NAdam) else 0.0
        case Lion() as o:
            return o.beta1, o.beta2, 0.0, 0.0
        case RmsProp() as o:
            return 0.0, o.alpha, o.eps, 0.0
        case AdaGrad() as o:
            return 0.0, 0.0, o.eps, 0.0
        case Momentum() as o:
            return o.momentum, 0.0, 0.0, 0.0
        case _:
            return 0.0, 0.0, 0.0, 0.0


def _bases(optimizer: Optimizer) -> tuple[float, float, float]:
    """Return beta1, beta2 and the base of NAdam's momentum decay, in float64: in float32, 1 - 0.999 is off by 1e-5."""
    beta1, beta2, _, momentum_decay = _numbers(optimizer)
    return beta1, beta2, 0.96**momentum_decay


def _runs(keys: Sequence[Hashable]) -> Iterator[slice]:
    """Yield the slices of equal adjacent keys."""
    start = 0
    for i in range(1, len(keys) + 1):
        if i == len(keys) or keys[i] != keys[start]:
            yield slice(start, i)
            start = i


def _decay(run: _Run, p: torch.Tensor, g: torch.Tensor, decay: torch.Tensor, lr: torch.Tensor) -> None:
    """Apply weight decay.

    AdamW's is decoupled and shrinks `p` (Loshchilov & Hutter, 2019, algorithm 2, line 12), and so is Lion's; LAMB's is
    part of the step; others add an L2 penalty to `g`.
    """
    if run.rule in ("adamw", "lion"):
        p.mul_(1 - lr * decay)
    elif run.rule != "lamb":
        g.addcmul_(p, decay)


def _sgd(x: _Rows) -> None:
    x.p.addcmul_(x.g, x.lr, value=-1)


def _momentum(x: _Rows) -> None:
    """Heavy ball: v <- momentum v + g, p <- p - lr v, as in `torch.optim.SGD`."""
    (velocity,) = x.memory
    velocity.mul_(x.beta1_or_momentum).add_(x.g)
    x.p.addcmul_(velocity, x.lr, value=-1)


def _nesterov(x: _Rows) -> None:
    (velocity,) = x.memory
    velocity.mul_(x.beta1_or_momentum).add_(x.g)
    x.p.addcmul_(x.g.addcmul_(velocity, x.beta1_or_momentum), x.lr, value=-1)


def _adagrad(x: _Rows) -> None:
    (squares,) = x.memory
    squares.addcmul_(x.g, x.g)
    x.p.addcmul_(_over_root(x, squares), x.lr, value=-1)


def _rmsprop(x: _Rows) -> None:
    (squares,) = x.memory
    squares.lerp_(torch.mul(x.g, x.g, out=x.buffers[0]), 1 - x.beta2_or_alpha)
    x.p.addcmul_(_over_root(x, squares), x.lr, value=-1)


def _over_root(x: _Rows, squares: torch.Tensor) -> torch.Tensor:
    return x.g.div_(torch.sqrt(squares, out=x.buffers[0]).add_(x.eps))


def _adam(x: _Rows, adam: Optimizer) -> None:
    """Kingma & Ba, 2015, algorithm 1; the step for a rate of 1 goes to a buffer, then each member applies its rate."""
    assert isinstance(adam, Adam)
    step = x.buffers[0].zero_()
    mean, squares = x.memory
    torch._fused_adam_(
        [step],
        [x.g],
        [mean],
        [squares],
        [],
        [x.count],
        lr=1.0,
        beta1=adam.beta1,
        beta2=adam.beta2,
        weight_decay=0.0,
        eps=adam.eps,
        amsgrad=False,
        maximize=False,
    )
    x.p.addcmul_(step, x.lr)


def _moments(x: _Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """Update Adam's two means; return their bias corrections, (m, 1) in float64."""
    mean, squares = x.memory
    x.powers.mul_(x.bases)
    mean.lerp_(x.g, (1 - x.bases[:, 0:1]).to(x.g))
    squares.lerp_(torch.mul(x.g, x.g, out=x.buffers[0]), (1 - x.bases[:, 1:2]).to(x.g))
    return 1 - x.powers[:, 0:1], 1 - x.powers[:, 1:2]


def _root_mean_square(x: _Rows, correction: torch.Tensor) -> torch.Tensor:
    return torch.div(x.memory[1], correction.to(x.g), out=x.buffers[0]).sqrt_().add_(x.eps)


def _radam(x: _Rows) -> None:
    """Liu et al., 2020, algorithm 2, with epsilon where `torch.optim.RAdam` has it."""
    correction1, correction2 = _moments(x)
    mean, squares = x.memory
    most = 2 / (1 - x.bases[:, 1:2]) - 1
    length = most - 2 * x.count * x.powers[:, 1:2] / correction2  # rho_t; m is rectified where it is above 5
    rectified = length > 5  # as in torch; the paper has 4
    share = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
    factor = torch.where(rectified, (share.where(rectified, 1.0) * correction2).sqrt(), 1.0) / correction1
    root = torch.sqrt(squares, out=x.buffers[0]).add_(x.eps).masked_fill_(~rectified, 1.0)
    x.p.addcmul_(torch.div(mean, root, out=root), factor.to(x.g) * x.lr, value=-1)


def _nadam(x: _Rows) -> None:
    """Dozat, 2016, as in `torch.optim.NAdam`."""
    _, correction2 = _moments(x)
    power, beta1, base = x.powers[:, 2:3], x.bases[:, 0:1], x.bases[:, 2:3]
    now, later = beta1 * (1 - 0.5 * power), beta1 * (1 - 0.5 * (power * base))
    x.momenta.mul_(now.float())
    momenta = x.momenta.double()
    root = _root_mean_square(x, correction2)
    x.p.addcmul_(x.g.div_(root), ((1 - now) / (1 - momenta)).to(x.g) * x.lr, value=-1)
    x.p.addcmul_(torch.div(x.memory[0], root, out=root), (later / (1 - momenta * later)).to(x.g) * x.lr, value=-1)


def _lion(x: _Rows) -> None:
    """Chen et al., 2023, algorithm 2."""
    (mean,) = x.memory
    step = torch.lerp(mean, x.g, (1 - x.bases[:, 0:1]).to(x.g), out=x.buffers[0]).sign_()
    x.p.addcmul_(step, x.lr, value=-1)
    mean.lerp_(x.g, (1 - x.bases[:, 1:2]).to(x.g))


def _lamb(x: _Rows) -> None:
    """You et al., 2020, algorithm 2; see `optimizers.Lamb`."""
    correction1, correction2 = _moments(x)
    root = _root_mean_square(x, correction2)
    step = torch.div(x.memory[0], root, out=root).div_(correction1.to(x.g))
    step[:, : x.decayed].addcmul_(x.p[:, : x.decayed], x.decay)
    for columns in x.tensors:
        p, s = x.p[:, columns], step[:, columns]
        ratio = p.norm(dim=1, keepdim=True) / s.norm(dim=1, keepdim=True)
        ratio = torch.where(ratio.isfinite() & (ratio > 0), ratio, 1.0)
        p.addcmul_(s, x.lr * ratio, value=-1)


_RULES: dict[str, Callable[[_Rows], None]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
    "nadam": _nadam,
    "radam": _radam,
    "lion": _lion,
    "lamb": _lamb,
}
