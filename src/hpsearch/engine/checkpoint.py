"""The state of a fit of the reference engine between two epochs, as arrays by name.

- `weights/<name>`: parameters and buffers
- `hidden/<name>`: buffers that are not in the state dict, except those of our dropout
- `best/<name>`: weights of the best epoch by monitor loss, with early stopping
- `memory/<number>/<name>`: optimizer state of each parameter; numbers that are no tensors stand under `number/`
- `group/<number>/<name>`: numbers of a group of parameters, some of which the user's own optimizer may count
- `generator/cpu`, `generator/cuda`: default generators, which random layers other than our dropout use
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from hpsearch.config import ConfigError
from hpsearch.nn.dropout import Dropout
from hpsearch.records import FitResult

Arrays = dict[str, np.ndarray]

State = dict[str, torch.Tensor]


def take(network: nn.Module, optimizer: torch.optim.Optimizer, best: State | None, device: torch.device) -> Arrays:
    """Return copies of everything that the next epoch depends on."""
    kept = optimizer.state_dict()
    memory = {f"{number}/{name}": value for number, own in kept["state"].items() for name, value in own.items()}
    for name, value in memory.items():
        if not isinstance(value, torch.Tensor | int | float | None):
            raise ConfigError(
                f"an optimizer that is paused must keep tensors and numbers alone, got {name.partition('/')[2]}, a "
                f"{type(value).__name__}: give search.pruner=none"
            )
    groups = {
        f"{number}/{name}": value for number, group in enumerate(kept["param_groups"]) for name, value in group.items()
    }
    generators = {"cpu": torch.default_generator.get_state()}
    if device.type == "cuda":
        generators["cuda"] = torch.cuda.get_rng_state(device)
    parts = {
        "weights": network.state_dict(),
        "hidden": _hidden(network),
        "best": best or {},
        "memory": {name: value for name, value in memory.items() if isinstance(value, torch.Tensor)},
        "number": _numbers(memory),
        "group": _numbers(groups),
        "generator": generators,
    }
    return {f"{part}/{name}": _array(x) for part, tensors in parts.items() for name, x in tensors.items()}


def restore(
    arrays: Mapping[str, np.ndarray], network: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> State | None:
    """Restore network, optimizer and generators from what `take` copied; return the weights of the best epoch."""
    network.load_state_dict(part(arrays, "weights"))
    hidden = part(arrays, "hidden")
    for name, buffer in _hidden(network).items():
        buffer.copy_(hidden[name])
    optimizer_state = optimizer.state_dict()
    optimizer_state["state"] = {}
    for key, value in part(arrays, "memory").items():
        number, _, name = key.partition("/")
        optimizer_state["state"].setdefault(int(number), {})[name] = value
    for key, number_kept in part(arrays, "number").items():
        number, _, name = key.partition("/")
        optimizer_state["state"].setdefault(int(number), {})[name] = number_kept.item()
    for key, number_kept in part(arrays, "group").items():
        number, _, name = key.partition("/")
        optimizer_state["param_groups"][int(number)][name] = number_kept.item()
    optimizer.load_state_dict(optimizer_state)
    generators = part(arrays, "generator")
    torch.default_generator.set_state(generators["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(generators["cuda"], device)
    return {name: x.to(device) for name, x in part(arrays, "best").items()} or None


def _numbers(values: Mapping[str, Any]) -> State:
    """Return the numbers among these values, as tensors that keep all their digits."""
    numbers = {name: value for name, value in values.items() if isinstance(value, int | float)}
    return {
        name: torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)
        for name, value in numbers.items()
    }


def _hidden(network: nn.Module) -> State:
    """Return the buffers that the state dict omits, except our dropout's, which follow from seed and step."""
    ours = {id(buffer) for module in network.modules() if isinstance(module, Dropout) for buffer in module.buffers()}
    known = network.state_dict().keys()
    return {name: x for name, x in network.named_buffers() if name not in known and id(x) not in ours}


def part(arrays: Mapping[str, np.ndarray], name: str) -> State:
    """Return copies of the tensors whose names start with `<name>/`."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): torch.tensor(x) for key, x in arrays.items() if key.startswith(prefix)}


def _array(tensor: torch.Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().numpy().copy()
    return array


@dataclass(slots=True)
class History:
    """Learning curves of a fit, one entry per finished epoch; `monitor_loss` is empty without monitor rows."""

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    monitor_loss: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, result: FitResult | None) -> Self:
        """Return the history of a training to continue; an empty one for None."""
        if result is None:
            return cls()
        lists = (result.train_loss, result.train_accuracy, result.monitor_loss, result.lr)
        return cls(*(values.tolist() for values in lists))

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.lr)

    @property
    def best(self) -> int:
        """Epoch, counted from 0, with the lowest monitor loss; the first on ties."""
        return int(np.argmin(self.monitor_loss))
