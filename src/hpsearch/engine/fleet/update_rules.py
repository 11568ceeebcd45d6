"""Update rules for M members with their own hyperparameters, matching `torch.optim`.

Members with the same rule are adjacent, and a rule works on their rows of the parameter matrix (M, P). Each element
depends on its own member alone, to the last bit. Adam uses torch's fused kernel, which takes one learning rate for all:
it writes the step for a rate of 1 to a buffer, which is then scaled by each member's own rate.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import torch

from hpsearch.config import Config
from hpsearch.config.training import AdaGrad, Adam, Momentum, Optimizer, RmsProp

PORTION = 2**22
"""Number of elements updated at a time (at least one member), which bounds the buffers. Smaller portions, which would
fit a core's cache, are slower: Adam takes 0.9 ns per weight at 2**17 and 0.7 at 2**22 on one CPU thread."""

MEMORIES: dict[str, int] = {"sgd": 0, "momentum": 1, "nesterov": 1, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamw": 2}
"""Number of state values per parameter of each rule; all start at zero."""


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Adjacent members with one rule: m of them; `decay`, `beta1_or_momentum`, `beta2_or_alpha`, `eps` are (m, 1)."""

    rule: str
    members: slice
    optimizer: Optimizer
    decay: torch.Tensor
    decays: bool
    beta1_or_momentum: torch.Tensor
    beta2_or_alpha: torch.Tensor
    eps: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """A portion of a run: weights, gradients, optimizer state and two buffers, each (m, P); hyperparameters (m, 1)."""

    p: torch.Tensor
    g: torch.Tensor
    memory: list[torch.Tensor]
    buffers: list[torch.Tensor]
    lr: torch.Tensor
    beta1_or_momentum: torch.Tensor
    beta2_or_alpha: torch.Tensor
    eps: torch.Tensor


class FleetOptimizer:
    """The optimizers of a fleet whose members are sorted by `order`."""

    def __init__(self, configs: Sequence[Config], parameters: torch.Tensor, decayed: int) -> None:
        """Start with optimizer state of zero.

        Args:
            configs: Configurations of the M members, sorted by `order`.
            parameters: Shape (M, P).
            decayed: Number of leading parameters that weight decay acts on.
        """
        self._decayed = decayed
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
                numbers = (run.beta1_or_momentum[own], run.beta2_or_alpha[own], run.eps[own])
                share = _Rows(p, g, memory, buffers, rates, *numbers)
                if isinstance(run.optimizer, Adam):
                    _adam(share, run.optimizer, self._count)
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

    def keep(self, members: torch.Tensor, parameters: torch.Tensor) -> None:
        """Drop all but some of the members.

        Args:
            members: Shape (m,) int64 indices of the members to keep, ascending.
            parameters: Shape (m, P): their parameters.
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
    """Return the sort key of members, by which those that are updated together become adjacent."""
    return optimizer.kind, _numbers(optimizer)


def _run_key(optimizer: Optimizer) -> Hashable:
    """Return a key that is equal for members updated at once; torch's fused Adam shares beta1, beta2 and epsilon."""
    return order(optimizer) if isinstance(optimizer, Adam) else optimizer.kind


def _numbers(optimizer: Optimizer) -> tuple[float, float, float]:
    """Return (momentum or beta1, alpha or beta2, epsilon), with 0 for those that a rule does not have."""
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
    """Yield the slices of equal adjacent keys."""
    start = 0
    for i in range(1, len(keys) + 1):
        if i == len(keys) or keys[i] != keys[start]:
            yield slice(start, i)
            start = i


def _decay(run: _Run, p: torch.Tensor, g: torch.Tensor, decay: torch.Tensor, lr: torch.Tensor) -> None:
    """Apply weight decay.

    AdamW's is decoupled and shrinks `p` (Loshchilov & Hutter, 2019, algorithm 2, line 12); others add an L2 penalty to
    `g`.
    """
    if run.rule == "adamw":
        p.mul_(1 - lr * decay)
    else:
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


def _adam(x: _Rows, adam: Adam, count: torch.Tensor) -> None:
    """Kingma & Ba, 2015, algorithm 1; the step for a rate of 1 goes to a buffer, then each member applies its rate."""
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
