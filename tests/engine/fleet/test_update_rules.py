"""The update rules of fleets against `torch.optim`, and our Lion and LAMB, which the textbook formulas check."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from hpsearch.config import Config
from hpsearch.config.model import WeightDecay
from hpsearch.config.training import AdaGrad, Adam, Lion, Momentum, NAdam, Optimizer, RmsProp
from hpsearch.engine import optimizers
from hpsearch.engine.fleet.update_rules import FleetOptimizer, order

RULES = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam", "radam", "lion", "lamb")
WEIGHTS, REST = 37, 11
SIZE = 64  # filled up, as rows of fleets are
TENSORS = (slice(0, WEIGHTS), slice(WEIGHTS, WEIGHTS + REST))
STEPS = 20
TOLERANCE = 1e-12
"""Relative to the largest parameter of a member: both sides round each of a few operations a step to 1e-16."""


def drawn(chance: random.Random, rule: str) -> Optimizer:  # noqa: PLR0911 - one a rule
    def share() -> float:
        return chance.choice([0.0, 1 - 10 ** chance.uniform(-4, 0)])

    lr, eps = 10 ** chance.uniform(-5, 0), 10 ** chance.uniform(-10, -2)
    match rule:
        case "adam" | "adamw" | "radam" | "lamb":
            return Adam(kind=rule, lr=lr, beta1=share(), beta2=share(), eps=eps)
        case "nadam":
            fall = chance.choice([0.0, 4e-3, 0.3])
            return NAdam(kind=rule, lr=lr, beta1=share(), beta2=share(), eps=eps, momentum_decay=fall)
        case "lion":
            return Lion(kind=rule, lr=lr, beta1=share(), beta2=share())
        case "rmsprop":
            return RmsProp(kind=rule, lr=lr, alpha=share(), eps=eps)
        case "adagrad":
            return AdaGrad(kind=rule, lr=lr, eps=eps)
        case "momentum" | "nesterov":
            return Momentum(kind=rule, lr=lr, momentum=0.01 + 0.99 * share())
    return Optimizer(kind=rule, lr=lr)


def mixed_fleet(make_config: Any, seed: int, members: int) -> list[Config]:
    """Members of all rules, with every number drawn; every third has no weight decay."""
    chance, base = random.Random(seed), make_config()  # noqa: S311 - no secret
    configs = []
    for _ in range(members):
        decay = chance.choice([0.0, *(10 ** chance.uniform(-5, -0.5) for _ in range(2))])
        regularization = WeightDecay(kind="weight_decay", weight_decay=decay, max_norm=None)
        configs.append(replace(base, optimizer=drawn(chance, chance.choice(RULES)), regularization=regularization))
    return sorted(configs, key=lambda config: order(config.optimizer))


def torch_optimizer(  # noqa: PLR0911 - one a rule
    config: Config, weights: torch.Tensor, rest: torch.Tensor
) -> torch.optim.Optimizer:
    o = config.optimizer
    groups = [{"params": [weights], "weight_decay": config.regularization.weight_decay}, {"params": [rest]}]
    plain: dict[str, Any] = {"lr": o.lr, "weight_decay": 0.0, "foreach": False}
    match o.kind:
        case "adam":
            return torch.optim.Adam(groups, betas=(o.beta1, o.beta2), eps=o.eps, **plain)
        case "adamw":
            return torch.optim.AdamW(groups, betas=(o.beta1, o.beta2), eps=o.eps, **plain)
        case "nadam":
            return torch.optim.NAdam(
                groups, betas=(o.beta1, o.beta2), eps=o.eps, momentum_decay=o.momentum_decay, **plain
            )
        case "radam":
            return torch.optim.RAdam(groups, betas=(o.beta1, o.beta2), eps=o.eps, **plain)
        case "lion":
            return optimizers.Lion(groups, o.lr, (o.beta1, o.beta2))
        case "lamb":
            return optimizers.Lamb(groups, o.lr, (o.beta1, o.beta2), o.eps)
        case "rmsprop":
            return torch.optim.RMSprop(groups, alpha=o.alpha, eps=o.eps, **plain)
        case "adagrad":
            return torch.optim.Adagrad(groups, eps=o.eps, **plain)
        case "sgd":
            return torch.optim.SGD(groups, **plain)
    return torch.optim.SGD(groups, momentum=o.momentum, nesterov=o.kind == "nesterov", **plain)


class Problem:
    """Starting points (M, P), gradients (S, M, P) of very different sizes, learning rates (S, M) that change."""

    def __init__(self, configs: Sequence[Config], seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.configs = configs
        self.start = torch.zeros(len(configs), SIZE, dtype=torch.float64)
        self.start[:, : WEIGHTS + REST] = torch.tensor(draw.normal(size=(len(configs), WEIGHTS + REST)))
        self.grads = torch.zeros(STEPS, len(configs), SIZE, dtype=torch.float64)
        sizes = 10 ** draw.uniform(-6, 1, size=(STEPS, len(configs), 1))
        grads = sizes * draw.normal(size=(STEPS, len(configs), WEIGHTS + REST))
        self.grads[:, :, : WEIGHTS + REST] = torch.tensor(grads)
        base = np.array([config.optimizer.lr for config in configs])
        self.lr = torch.tensor(base * draw.uniform(0.1, 1, size=(STEPS, len(configs))))

    def expected(self, member: int) -> torch.Tensor:
        """(S, P) parameters of one member after each step, by `torch.optim`."""
        weights = self.start[member, :WEIGHTS].clone().requires_grad_()
        rest = self.start[member, WEIGHTS:].clone().requires_grad_()
        optimizer = torch_optimizer(self.configs[member], weights, rest)
        path = []
        for grads, lr in zip(self.grads[:, member], self.lr[:, member].tolist(), strict=True):
            weights.grad, rest.grad = grads[:WEIGHTS].clone(), grads[WEIGHTS:].clone()
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
            path.append(torch.cat([weights.detach(), rest.detach()]))
        return torch.stack(path)


def assert_close(path: torch.Tensor, expected: torch.Tensor, config: Config) -> None:
    error = ((path - expected).abs().amax(-1) / expected.abs().amax(-1)).max().item()
    assert error <= TOLERANCE, config.optimizer


@pytest.mark.parametrize("fleet", range(10))
def test_a_hundred_members_of_all_rules_follow_torch_optim_step_by_step(fleet, make_config):
    problem = Problem(mixed_fleet(make_config, fleet, 100), fleet)
    parameters = problem.start.clone()
    updates = FleetOptimizer(problem.configs, parameters, WEIGHTS, TENSORS)
    path = []
    for grads, lr in zip(problem.grads, problem.lr, strict=True):
        updates.step(parameters, grads.clone(), lr)
        path.append(parameters.clone())
    for member, config in enumerate(problem.configs):
        assert_close(torch.stack(path)[:, member], problem.expected(member), config)


def test_those_who_stay_go_on_as_torch_optim_does(make_config):
    problem = Problem(mixed_fleet(make_config, 11, 200), 11)
    members = torch.arange(len(problem.configs))
    parameters = problem.start.clone()
    updates = FleetOptimizer(problem.configs, parameters, WEIGHTS, TENSORS)
    for step, (grads, lr) in enumerate(zip(problem.grads, problem.lr, strict=True)):
        if step in (5, 12):
            stay = torch.tensor(sorted(random.Random(step).sample(range(len(members)), len(members) // 2)))  # noqa: S311
            members, parameters = members[stay], parameters[stay]
            updates.keep(stay, parameters)
        updates.step(parameters, grads[members].clone(), lr[members])
    assert len({problem.configs[member].optimizer.kind for member in members}) == len(RULES)
    for row, member in zip(parameters, members.tolist(), strict=True):
        assert_close(row, problem.expected(member)[-1], problem.configs[member])


def test_weight_decay_leaves_the_other_parameters_alone(make_config):
    configs = mixed_fleet(make_config, 12, 60)
    parameters = torch.rand(len(configs), SIZE, dtype=torch.float64) + 0.1
    before, updates = parameters.clone(), FleetOptimizer(configs, parameters, WEIGHTS, TENSORS)
    for _ in range(3):
        updates.step(parameters, torch.zeros_like(parameters), torch.full((len(configs),), 0.01, dtype=torch.float64))
    decays = torch.tensor([config.regularization.weight_decay > 0 for config in configs])
    assert 0 < decays.sum() < len(decays)
    assert torch.equal(parameters[:, WEIGHTS:], before[:, WEIGHTS:])
    assert torch.equal(parameters[~decays], before[~decays])
    assert (parameters[decays, :WEIGHTS] < before[decays, :WEIGHTS]).all()


@pytest.mark.parametrize("rule", ["sgd", "adamw"])
def test_without_gradient_a_weight_shrinks_by_one_minus_rate_times_decay(rule, make_config):
    config = make_config(optimizer=rule, regularization={"kind": "weight_decay", "weight_decay": 0.3})
    parameters = torch.ones(1, SIZE, dtype=torch.float64)
    updates = FleetOptimizer([config], parameters, WEIGHTS, TENSORS)
    for _ in range(4):
        updates.step(parameters, torch.zeros_like(parameters), torch.tensor([0.5], dtype=torch.float64))
    assert parameters[0, 0].item() == pytest.approx(0.85**4, rel=1e-14)


def test_portions_change_no_bit(make_config):
    problem = Problem(mixed_fleet(make_config, 13, 30), 13)
    ends = []
    for portion in (30, 4, 1):
        parameters = problem.start.float()
        updates = FleetOptimizer(problem.configs, parameters, WEIGHTS, TENSORS)
        updates._portion = portion
        for grads, lr in zip(problem.grads.float(), problem.lr.float(), strict=True):
            updates.step(parameters, grads.clone(), lr)
        ends.append(parameters.numpy().tobytes())
    assert ends[0] == ends[1] == ends[2]
