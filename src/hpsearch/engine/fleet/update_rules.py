"""Update rules for M members with their own hyperparameters, as `torch.optim` computes them.

The members of one rule stand side by side, and a rule works on their rows of the parameter matrix (M, P). What an
element becomes depends on its own member alone, also in its last bit. Adam goes through torch's fused kernel, which
takes one learning rate for all: it writes the step for a rate of 1 into a buffer, which then moves each member by its
own rate.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import torch

from hpsearch.config import Config
from hpsearch.config.training import AdaGrad, Adam, Momentum, Optimizer, RmsProp

PORTION = 2**22
"""Elements that are updated before the next ones, at least one member: bounds the buffers. Smaller portions, which
would stay in a core's cache, are slower: 0.9 ns a weight of Adam at 2**17, 0.7 at 2**22, by one CPU thread."""

MEMORIES: dict[str, int] = {"sgd": 0, "momentum": 1, "nesterov": 1, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamw": 2}
"""How many numbers a rule remembers of each parameter; all start at zero."""


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Neighbours of one rule: m members; `decay`, `first`, `second` and `eps` are (m, 1)."""

    rule: str
    members: slice
    optimizer: Optimizer
    decay: torch.Tensor
    decays: bool
    first: torch.Tensor
    second: torch.Tensor
    eps: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A portion of a run: weights, gradient, what is remembered and two buffers (m, P); numbers (m, 1)."""

    p: torch.Tensor
    g: torch.Tensor
    memory: list[torch.Tensor]
    buffers: list[torch.Tensor]
    lr: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    eps: torch.Tensor


class FleetOptimizer:
    """The optimizers of a fleet, whose members are sorted by `order`."""

    def __init__(self, configs: Sequence[Config], parameters: torch.Tensor, decayed: int) -> None:
        """Starts with empty memories.

        Args:
            configs: Of the M members, sorted by `order`.
            parameters: (M, P).
            decayed: Weight decay acts on this many parameters, the first ones.
        """
        self._decayed = decayed
        rules = {config.optimizer.kind for config in configs}
        self._memory = [torch.zeros_like(parameters) for _ in range(max(MEMORIES[rule] for rule in rules))]
        self._portion = max(1, PORTION // parameters.shape[1])
        self._count = torch.zeros((), device=parameters.device)  # steps done; a tensor, so that a graph can hold it
        self._buffers = [torch.empty_like(parameters[: self._portion]) for _ in range(2)]
        self._lay_out(list(configs), parameters)

    def step(self, parameters: torch.Tensor, grads: torch.Tensor, lr: torch.Tensor) -> None:
        """One step of all members, in place.

        Args:
            parameters: (M, P).
            grads: (M, P); are overwritten.
            lr: (M,) learning rates.
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
                numbers = (run.first[own], run.second[own], run.eps[own])
                share = _Rows(p, g, memory, buffers, rates, *numbers)
                if isinstance(run.optimizer, Adam):
                    _adam(share, run.optimizer, self._count)
                else:
                    _RULES[run.rule](share)

    def memory(self, member: int) -> list[torch.Tensor]:
        """(P,) what the rule of one member remembers of its parameters."""
        rule = self._configs[member].optimizer.kind
        return [memory[member].clone() for memory in self._memory[: MEMORIES[rule]]]

    def resume(self, memories: Sequence[Sequence[torch.Tensor]], steps: int) -> None:
        """Goes on after `steps` steps with what `memory` gave of each member."""
        self._count.fill_(steps)
        for member, memory in enumerate(memories):
            for own, kept in zip(self._memory, memory, strict=False):  # another rule may have more of them
                own[member].copy_(kept)

    def keep(self, members: torch.Tensor, parameters: torch.Tensor) -> None:
        """Goes on with some of the members.

        Args:
            members: (m,) int64 numbers of those that stay, ascending.
            parameters: (m, P), theirs.
        """
        self._memory = [memory[members] for memory in self._memory]
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
            numbers = (column([number[i] for number in own]) for i in range(3))
            self._runs.append(_Run(first.kind, members, first, column(decay), any(decay), *numbers))


def order(optimizer: Optimizer) -> tuple[str, tuple[float, float, float]]:
    """What members of a fleet are sorted by, so that those that are updated together are neighbours."""
    return optimizer.kind, _numbers(optimizer)


def _run_key(optimizer: Optimizer) -> Hashable:
    """Equal for neighbours that are updated at once: torch's fused kernel has one beta1, beta2 and epsilon for all."""
    return order(optimizer) if isinstance(optimizer, Adam) else optimizer.kind


def _numbers(optimizer: Optimizer) -> tuple[float, float, float]:
    """(momentum or beta1, alpha or beta2, epsilon), 0 where a rule has no such number."""
    match optimizer:
        case Adam() as o:
            return o.beta1, o.beta2, o.eps
        case RmsProp() as o:
            return 0.0, o.alpha, o.eps
        case AdaGrad() as o:
            return 0.0, 0.0, o.eps
        case Momentum() as o:
            return o.momentum, 0.0, 0.0
        case _:
            return 0.0, 0.0, 0.0


def _runs(keys: Sequence[Hashable]) -> Iterator[slice]:
    """The stretches of equal neighbours."""
    start = 0
    for i in range(1, len(keys) + 1):
        if i == len(keys) or keys[i] != keys[start]:
            yield slice(start, i)
            start = i


def _decay(run: _Run, p: torch.Tensor, g: torch.Tensor, decay: torch.Tensor, lr: torch.Tensor) -> None:
    """Adds the penalty to the gradient; decoupled (Loshchilov & Hutter, 2019, algorithm 2, line 12), shrinks `p`."""
    if run.rule == "adamw":
        p.mul_(1 - lr * decay)
    else:
        g.addcmul_(p, decay)


def _sgd(x: _Rows) -> None:
    x.p.addcmul_(x.g, x.lr, value=-1)


def _momentum(x: _Rows) -> None:
    """As heavy ball: v <- momentum v + g, p <- p - lr v, as `torch.optim.SGD` has it."""
    (velocity,) = x.memory
    velocity.mul_(x.first).add_(x.g)
    x.p.addcmul_(velocity, x.lr, value=-1)


def _nesterov(x: _Rows) -> None:
    (velocity,) = x.memory
    velocity.mul_(x.first).add_(x.g)
    x.p.addcmul_(x.g.addcmul_(velocity, x.first), x.lr, value=-1)


def _adagrad(x: _Rows) -> None:
    (squares,) = x.memory
    squares.addcmul_(x.g, x.g)
    x.p.addcmul_(_over_root(x, squares), x.lr, value=-1)


def _rmsprop(x: _Rows) -> None:
    (squares,) = x.memory
    squares.lerp_(torch.mul(x.g, x.g, out=x.buffers[0]), 1 - x.second)
    x.p.addcmul_(_over_root(x, squares), x.lr, value=-1)


def _over_root(x: _Rows, squares: torch.Tensor) -> torch.Tensor:
    return x.g.div_(torch.sqrt(squares, out=x.buffers[0]).add_(x.eps))


def _adam(x: _Rows, adam: Adam, count: torch.Tensor) -> None:
    """Kingma & Ba, 2015, algorithm 1, for a rate of 1 into a buffer, then by each member's own rate."""
    step = x.buffers[0].zero_()
    mean, squares = x.memory
    torch._fused_adam_(
        [step],
        [x.g],
        [mean],
        [squares],
        [],
        [count],
        lr=1.0,
        beta1=adam.beta1,
        beta2=adam.beta2,
        weight_decay=0.0,
        eps=adam.eps,
        amsgrad=False,
        maximize=False,
    )
    x.p.addcmul_(step, x.lr)


_RULES: dict[str, Callable[[_Rows], None]] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
}
