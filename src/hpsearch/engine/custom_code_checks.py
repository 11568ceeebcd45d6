"""Checks of the user's module and loss before any training.

B rows of a minibatch, C outputs.
"""

import pickle
import re
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from hpsearch.config import Config, ConfigError
from hpsearch.config.training import CustomLoss, Loss
from hpsearch.engine.device_data import DeviceData, fit_data
from hpsearch.engine.initial_network import initial_network, own_generator
from hpsearch.engine.precision import arithmetic, in_precision
from hpsearch.import_path import trying
from hpsearch.nn.dropout import Dropout, seed_dropout, set_step
from hpsearch.nn.losses import batch_loss, loss_function, own_loss
from hpsearch.records import Fit

PASSES = 12
"""Forward passes after which a module is searched for attributes that it has changed."""

DRAWS = 20
"""Number of permutations of the targets that are tried."""

REGISTERED = frozenset(vars(nn.Module()))
"""Attributes of every module: its registries, whose contents are compared elsewhere, and its mode."""


def owner(config: Config) -> str:
    """Return the keys and import paths of the user's code, for messages."""
    return " with ".join(f"{option.group}.import_path {option.import_path}" for option in config.own_code)


def try_step(fit: Fit, data: DeviceData) -> None:
    """Do one training step piece by piece, so that an error can name the piece that failed.

    Args:
        fit: Configuration, rows and seeds.
        data: The development set.

    Raises:
        ConfigError: If anything fails; or the loss has no gradient, does not return one value per row, or does not pair
            each row with its own target.
    """
    config = fit.config
    seen = fit_data(fit, data)
    with arithmetic(config.training.precision, data.device), own_generator(fit.seeds.dropout, data.device):
        network = initial_network(fit, data, seen.outputs).to(data.device, data.dtype)
        seed_dropout(network, fit.seeds.dropout)
        forward = in_precision(network.forward, config.training.precision, data.device)
        rows = torch.as_tensor(_rows(fit, seen.outputs), device=data.device)
        inputs, targets = seen.batch(rows), seen.targets[rows]
        for training in (False, True):
            network.train(training)
            mode = "training" if training else "evaluation"
            with trying(owner(config), f"a forward pass in {mode} mode, of inputs {tuple(inputs.shape)}"):
                outputs = forward(inputs)
        losses = _losses(config.loss, outputs, targets)
        if not losses.requires_grad:
            raise ConfigError(
                f"{owner(config)} must have parameters that the loss depends on, got a loss without a gradient: let no "
                "`detach`, `no_grad` or `requires_grad_(False)` cut all of them off"
            )
        with trying(owner(config), "the backward pass"):
            torch.autograd.backward(batch_loss(config.loss, losses))
        if isinstance(config.loss, CustomLoss):
            _check_pairs(config.loss, outputs.detach(), targets)


def _rows(fit: Fit, outputs: int) -> np.ndarray:
    """Return (B,) training rows, with a B that cannot be mistaken for C or for a single row."""
    train = fit.fold.train
    return np.resize(train, next(n for n in (7, 6) if n != outputs))


def _losses(loss: Loss, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the losses (B,) of the outputs (B, C)."""
    if not isinstance(loss, CustomLoss):
        return loss_function(loss)(outputs, targets)
    try:
        with trying(f"loss.import_path {loss.import_path}", f"the loss of {_forms(outputs, targets)}"):
            return loss_function(loss)(outputs, targets)
    except ConfigError as error:
        if targets.ndim == 1 and re.search("size|shape|dimension", str(error.__cause__)):
            raise ConfigError(
                f"{error}; targets are class numbers, and torch.nn.functional.one_hot(targets, outputs.shape[1]) has "
                "the outputs' shape"
            ) from error
        raise


def _check_pairs(loss: CustomLoss, outputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Refuse a loss that is invariant under permutation of the targets: one that broadcasts (B,) to (B, B)."""
    draw = np.random.default_rng(0)
    outputs = outputs + torch.as_tensor(draw.normal(size=outputs.shape)).to(outputs)

    def mean(of: torch.Tensor) -> float:
        return _losses(loss, outputs.clone(), of.clone()).detach().double().mean().item()

    orders = (targets[torch.as_tensor(draw.permutation(len(targets)), device=targets.device)] for _ in range(DRAWS))
    others = [order for order in orders if not torch.equal(order, targets)]
    alone = targets[:1].expand_as(targets)
    if not others or np.isclose(mean(alone), mean(targets), rtol=1e-4):
        return  # all targets are equal, or the loss does not read them
    if np.allclose([mean(order) for order in others], mean(targets), rtol=1e-5, atol=1e-7):
        raise ConfigError(
            f"loss.import_path {loss.import_path} must compare each row's outputs with its own targets, got the "
            f"same losses whichever target belongs to which row: bring {_forms(outputs, targets)} to one shape before "
            "they are subtracted or multiplied, which else makes all pairs of rows"
        )


def _forms(outputs: torch.Tensor, targets: torch.Tensor) -> str:
    """Describe shapes and types, such as `outputs (7, 10) float32 and targets (7,) int64`."""
    shown = [f"{tuple(x.shape)} {str(x.dtype).removeprefix('torch.')}" for x in (outputs, targets)]
    return f"outputs {shown[0]} and targets {shown[1]}"


def kept_besides(fit: Fit, data: DeviceData) -> str:
    """Name the attributes that forward passes change in the user's module or loss besides parameters and buffers.

    A fleet has one module for all members and all passes, and stored weights do not contain such attributes, so code
    that counts or collects in Python attributes would train differently there. For attributes that hold tensors, the
    change by the first pass is ignored: many modules keep their last activations.

    Args:
        fit: Configuration, rows and seeds.
        data: The development set.

    Returns:
        The names, separated by commas; empty if nothing changes.
    """
    config = fit.config
    seen = fit_data(fit, data)
    rows = torch.as_tensor(_rows(fit, seen.outputs), device=data.device)
    inputs, targets = seen.batch(rows), seen.targets[rows]
    with own_generator(fit.seeds.dropout, data.device), torch.no_grad():
        network = initial_network(fit, data, seen.outputs).to(data.device, data.dtype)
        dropouts = seed_dropout(network, fit.seeds.dropout)
        loss = own_loss(config.loss) if isinstance(config.loss, CustomLoss) else lambda outputs, _: outputs

        def after(passes: int) -> tuple[dict[str, Any], dict[str, Any]]:
            for _ in range(passes):
                set_step(dropouts, 0)
                loss(network(inputs), targets)
            return _attributes(network, loss, tensors=False), _attributes(network, loss, tensors=True)

        changed: dict[str, None] = {}
        for training in (True, False):
            network.train(training)
            start, first, last = after(0), after(1), after(PASSES - 1)
            for before, later in ((start[0], first[0]), (first[1], last[1])):
                changed |= {name: None for name in later if before.get(name) != later[name]}
    return ", ".join(changed)


def _attributes(network: nn.Module, loss: Any, *, tensors: bool) -> dict[str, Any]:
    """Return attributes of the module, its parts and the loss by name, as immutable values that can be compared."""
    owners = {name: part for name, part in network.named_modules() if not isinstance(part, Dropout)}
    owners |= {f"loss.{name}".rstrip("."): part for name, part in loss.named_modules()} if _is_module(loss) else {}
    attributes: dict[str, Any] = {}
    for name, part in owners.items():
        own = {key: value for key, value in vars(part).items() if key not in REGISTERED}
        attributes |= {f"{name}.{key}".lstrip("."): _frozen(value, (), tensors=tensors) for key, value in own.items()}
    return attributes


def _is_module(loss: Any) -> bool:
    return isinstance(loss, nn.Module)


def _frozen(value: Any, within: tuple[int, ...], *, tensors: bool) -> Any:
    """Return a snapshot that compares equal as long as `value` does not change; tensors only if `tensors` is set."""
    inner = partial(_frozen, within=(*within, id(value)), tensors=tensors)
    parts: Any = vars(value) if isinstance(getattr(value, "__dict__", None), dict) and not callable(value) else value
    if id(value) in within:
        frozen: Any = None
    elif isinstance(value, torch.Tensor | np.ndarray):
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        frozen = (array.shape, array.tobytes()) if tensors else None
    elif isinstance(parts, Mapping):
        frozen = [(repr(key), inner(item)) for key, item in parts.items()]
    elif isinstance(parts, list | tuple | set | frozenset | deque):
        frozen = [inner(item) for item in parts]
    else:
        try:
            frozen = pickle.dumps(value)  # generators of random numbers, counters
        except Exception:  # noqa: BLE001 - what cannot be pickled is compared by its representation
            frozen = repr(value)
    return frozen
