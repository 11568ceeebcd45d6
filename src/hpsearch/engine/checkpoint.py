"""Where a fit of the reference engine stands between two epochs, as arrays by name.

weights/<name>              parameters and buffers
hidden/<name>               buffers that are no part of the state dict, but for those of our dropout
best/<name>                 those of the best epoch of `monitor`, if training watches it
memory/<number>/<name>      what the optimizer remembers of each parameter
generator/cpu, generator/cuda  random layers that have no stream of bits of their own
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from torch import nn

from hpsearch.nn.dropout import Dropout
from hpsearch.records import FitResult

Arrays = dict[str, np.ndarray]

State = dict[str, torch.Tensor]


def take(network: nn.Module, optimizer: torch.optim.Optimizer, best: State | None, device: torch.device) -> Arrays:
    """Everything that the next epoch depends on, copied."""
    memory = {
        f"{number}/{name}": value
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if isinstance(value, torch.Tensor)
    }
    generators = {"cpu": torch.default_generator.get_state()}
    if device.type == "cuda":
        generators["cuda"] = torch.cuda.get_rng_state(device)
    parts = {
        "weights": network.state_dict(),
        "hidden": _hidden(network),
        "best": best or {},
        "memory": memory,
        "generator": generators,
    }
    return {f"{part}/{name}": _array(x) for part, tensors in parts.items() for name, x in tensors.items()}


def restore(
    arrays: Mapping[str, np.ndarray], network: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
) -> State | None:
    """Puts network, optimizer and generators where `take` found them; returns the weights of the best epoch."""
    network.load_state_dict(part(arrays, "weights"))
    hidden = part(arrays, "hidden")
    for name, buffer in _hidden(network).items():
        buffer.copy_(hidden[name])
    optimizer_state = optimizer.state_dict()
    optimizer_state["state"] = {}
    for key, value in part(arrays, "memory").items():
        number, _, name = key.partition("/")
        optimizer_state["state"].setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(optimizer_state)
    generators = part(arrays, "generator")
    torch.default_generator.set_state(generators["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(generators["cuda"], device)
    return {name: x.to(device) for name, x in part(arrays, "best").items()} or None


def _hidden(network: nn.Module) -> State:
    """Buffers of a user's module that its state dict leaves out; our dropout sets its own from seed and step."""
    ours = {id(buffer) for module in network.modules() if isinstance(module, Dropout) for buffer in module.buffers()}
    known = network.state_dict().keys()
    return {name: x for name, x in network.named_buffers() if name not in known and id(x) not in ours}


def part(arrays: Mapping[str, np.ndarray], name: str) -> State:
    """The tensors below `<name>/`, copied."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): torch.tensor(x) for key, x in arrays.items() if key.startswith(prefix)}


def _array(tensor: torch.Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().cpu().numpy().copy()
    return array


@dataclass(slots=True)
class History:
    """Each list has one entry for each finished epoch; the monitor's is empty without monitor rows."""

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    monitor_loss: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, result: FitResult | None) -> Self:
        """That of a training which goes on; an empty one without any."""
        if result is None:
            return cls()
        lists = (result.train_loss, result.train_accuracy, result.monitor_loss, result.lr)
        return cls(*(values.tolist() for values in lists))

    @property
    def epochs(self) -> int:
        """Epochs that were finished."""
        return len(self.lr)

    @property
    def best(self) -> int:
        """The epoch, from 0, with the lowest monitor loss, the first of equals."""
        return int(np.argmin(self.monitor_loss))
