"""The networks of a fleet: weights in one matrix, forward and backward passes, updates.

M members, G groups that see the same minibatches, B rows of a minibatch, C outputs, P parameters of a member.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hpsearch.engine.device_data import DeviceData, outputs_of
from hpsearch.engine.fleet.batch_layout import FleetBatch, FleetData
from hpsearch.engine.fleet.dropout_masks import FleetDropout
from hpsearch.engine.fleet.layers import StackedNetwork, VmapNetwork, activation_parameters
from hpsearch.engine.fleet.update_rules import FleetOptimizer
from hpsearch.engine.initial_network import initial_network, same_start
from hpsearch.engine.minibatches import minibatches
from hpsearch.engine.precision import in_precision
from hpsearch.nn.models import Network, build_network
from hpsearch.records import Fit

ALIGNMENT = 64
"""Rows of the parameter matrix are padded to a multiple of this: torch's kernels work on vectors of up to 64 elements
and compute a remainder with other instructions. Without a remainder, a member's bits do not depend on its neighbors."""

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions of the parameters in a row of the parameter matrix.

    Attributes:
        shapes: Name to shape of one member's parameter; those with two or more dimensions come first.
        decayed: Number of elements in that first part, on which weight decay acts.
        size: P, with padding.
    """

    shapes: dict[str, torch.Size]
    decayed: int
    size: int

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor]) -> "Layout":
        """Return the layout of these parameters of one member."""
        ordered = sorted(state, key=lambda name: state[name].ndim < 2)  # a stable sort
        shapes = {name: state[name].shape for name in ordered}
        decayed = sum(shape.numel() for shape in shapes.values() if len(shape) >= 2)
        size = sum(shape.numel() for shape in shapes.values())
        return cls(shapes, decayed, -(-size // ALIGNMENT) * ALIGNMENT)

    def views(self, rows: torch.Tensor) -> Tensors:
        """Return views (M, *shape) by name into `rows` (M, P)."""
        pairs = zip(self.shapes.items(), self.columns, strict=True)
        return {name: rows[:, columns].view(-1, *shape) for (name, shape), columns in pairs}

    @property
    def columns(self) -> list[slice]:
        """The columns of each parameter, in the order of `shapes`."""
        stops = list(itertools.accumulate(shape.numel() for shape in self.shapes.values()))
        return [slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False)]


PREDICTION_ROWS = 250
"""Rows per forward pass of a prediction; fixed, so that no member's bits depend on free memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Weights of one member: parameters (P,) and buffers by name."""

    parameters: torch.Tensor
    buffers: Tensors

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray], prefix: str, like: torch.Tensor) -> "Weights | None":
        """Read what `arrays` wrote under this prefix; None if there is nothing.

        Args:
            arrays: Arrays by name.
            prefix: Prefix of the names.
            like: A tensor on the desired device.
        """
        if f"{prefix}parameters" not in arrays:
            return None
        start = f"{prefix}buffers/"
        saved = {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
        buffers = {name: torch.tensor(array, device=like.device) for name, array in saved.items()}
        return cls(torch.tensor(arrays[f"{prefix}parameters"], device=like.device), buffers)

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Return copies by name: `<prefix>parameters` and `<prefix>buffers/<name>`."""
        tensors = {"parameters": self.parameters, **{f"buffers/{name}": x for name, x in self.buffers.items()}}
        return {f"{prefix}{name}": x.cpu().numpy().copy() for name, x in tensors.items()}


class FleetNetworks:
    """M networks of one shape."""

    def __init__(
        self, batch: FleetBatch, data: DeviceData, outputs: int, kept: Sequence[Weights] | None = None
    ) -> None:
        """Initialize each network as the reference engine does.

        Args:
            batch: The fits, sorted.
            data: The development set.
            outputs: Number of network outputs C.
            kept: Weights of each member to use instead; the networks then only predict.

        Raises:
            ConfigError: If the model does not fit the inputs, or the user's module cannot be used.
        """
        template, states = _initial(batch.fits, data, outputs)
        trained = _trained(template, data, data.input_shape(batch.fits[0]))
        self.layout = Layout.of({name: tensor for name, tensor in states[0].items() if name in trained})
        self.parameters = torch.zeros(len(states), self.layout.size, dtype=data.dtype, device=data.device)
        for name, view in self.layout.views(self.parameters).items():
            view.copy_(torch.stack([state[name] for state in states]))
        self.buffers = {
            name: torch.stack([_cast(state[name], data) for state in states]) for name in states[0].keys() - trained
        }
        network = StackedNetwork(template) if isinstance(template, Network) else VmapNetwork(template)
        self._network = in_precision(network, batch.fits[0].config.training.precision, data.device)
        self._masks = FleetDropout(template)
        self._constants = activation_parameters([fit.config for fit in batch.fits], self.parameters)
        if kept is not None:
            self._restore(kept)
        self._lay_out(batch, trains=kept is None)
        if kept is None:
            configs = [fit.config for fit in batch.fits]
            self._updates = FleetOptimizer(configs, self.parameters, self.layout.decayed, self.layout.columns)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return outputs (M, C, B) in training mode for inputs (M or 1, B, *shape); keeps the graph for `backward`."""
        self._leaves = {name: view.detach().requires_grad_() for name, view in self._views.items()}
        state = self._leaves | self.buffers | self._constants | self._masks.state()
        outputs = self._network(state, inputs, self._masks.apply)
        self._masks.advance()
        return outputs

    def backward(self, objective: torch.Tensor, lr: torch.Tensor) -> None:
        """Do one optimizer step of every member.

        Args:
            objective: Shape (), the sum of the members' objectives; no member's part depends on another's weights.
            lr: Shape (M,) learning rates.
        """
        grads = torch.autograd.grad(objective, list(self._leaves.values()), materialize_grads=True)
        for view, grad in zip(self._grad_views.values(), grads, strict=True):
            view.copy_(grad)
        self._clip()
        self._updates.step(self.parameters, self._grads, lr)
        self._limit_norms()

    @torch.no_grad()
    def predict(self, batch: FleetBatch, seen: FleetData, rows_gn: np.ndarray) -> torch.Tensor:
        """Return outputs (M, n, C) in evaluation mode, computed in chunks of one fixed size.

        Args:
            batch: The members.
            seen: Their data.
            rows_gn: Shape (G, n) rows of each group.
        """
        state = self._views | self.buffers | self._constants | self._masks.state()
        all_rows = torch.as_tensor(rows_gn, device=self.parameters.device)
        parts = [self.parameters.new_zeros(len(self.parameters), 0, seen.outputs)]
        for rows in torch.split(all_rows, PREDICTION_ROWS, dim=1) if all_rows.shape[1] else ():
            # A product with one row uses other kernels, with other bits, for one member than for several: avoid it.
            several = rows if rows.shape[1] > 1 else rows.expand(-1, 2)
            outputs = self._network(state, batch.broadcast_groups(seen.inputs(several)), None).transpose(1, 2)
            parts.append(outputs[:, : rows.shape[1]])
        return torch.cat(parts, 1)

    def finite(self) -> torch.Tensor:
        """Return whether all weights and running statistics of each member are finite, shape (M,) bool."""
        tensors = [self.parameters, *(x for x in self.buffers.values() if x.is_floating_point())]
        return torch.stack([x.isfinite().reshape(len(x), -1).all(1) for x in tensors]).all(0)

    def weights(self, member: int) -> Weights:
        """Return a copy of the weights of one member."""
        return Weights(self.parameters[member].clone(), {name: x[member].clone() for name, x in self.buffers.items()})

    def state(self, members: Sequence[int]) -> Tensors:
        """Return copies of parameters and buffers of some members by name, each (m, …) and contiguous."""
        index = torch.as_tensor(members, device=self.parameters.device)
        return {name: x[index] for name, x in (self._views | self.buffers).items()}

    def checkpoint(self, member: int, best: Weights | None) -> dict[str, np.ndarray]:
        """Return the state of one member for `resume`: weights, weights of its best epoch, optimizer state."""
        memory = {f"memory/{i}": x.cpu().numpy() for i, x in enumerate(self._updates.memory(member))}
        return self.weights(member).arrays("") | ({} if best is None else best.arrays("best/")) | memory

    def resume(self, checkpoints: Sequence[Mapping[str, np.ndarray]], steps: int) -> None:
        """Continue after `steps` steps from the `checkpoint` of each member."""
        weights = [Weights.of(arrays, "", self.parameters) for arrays in checkpoints]
        self._restore([each for each in weights if each is not None])
        names = [sorted(name for name in arrays if name.startswith("memory/")) for arrays in checkpoints]
        pairs = zip(checkpoints, names, strict=True)
        self._updates.resume([[torch.from_numpy(arrays[name]) for name in own] for arrays, own in pairs], steps)
        self._masks.resume(steps)

    def _restore(self, weights: Sequence[Weights]) -> None:
        self.parameters.copy_(torch.stack([each.parameters for each in weights]))
        for name, x in self.buffers.items():
            x.copy_(torch.stack([each.buffers[name] for each in weights]))

    def numpy_state(self, member: int) -> dict[str, np.ndarray]:
        """Return the weights of one member by name, as in `FitResult.state`."""
        state = {name: view[member] for name, view in self._views.items()}
        state |= {name: x[member] for name, x in self.buffers.items()}
        return {name: tensor.cpu().numpy().copy() for name, tensor in state.items()}

    def keep(self, members: np.ndarray, batch: FleetBatch) -> None:
        """Drop all but some of the members.

        Args:
            members: Shape (m,) indices of the members to keep, ascending.
            batch: The batch of these members.
        """
        index = torch.as_tensor(members, device=self.parameters.device)
        self.parameters = self.parameters[index]
        self.buffers = {name: x[index] for name, x in self.buffers.items()}
        self._constants = {name: x[index] for name, x in self._constants.items()}
        self._lay_out(batch, trains=True)
        self._updates.keep(index, self.parameters)

    def _lay_out(self, batch: FleetBatch, *, trains: bool) -> None:
        """Rebuild everything that depends on which members are present."""
        self._views = self.layout.views(self.parameters)
        self._grads = torch.zeros_like(self.parameters) if trains else self.parameters
        self._grad_views = self.layout.views(self._grads)
        self._masks.seed(batch, self.parameters)
        configs = [fit.config for fit in batch.fits]
        self._max_norm = _column([config.regularization.max_norm for config in configs], self.parameters)
        self._clip_norm = _column([config.training.clip_norm for config in configs], self.parameters)

    def _clip(self) -> None:
        """Shrink each member's gradient to its `training.clip_norm`, as `torch.nn.utils.clip_grad_norm_` does."""
        if self._clip_norm is not None:
            norm = self._grads.norm(dim=1, keepdim=True)
            self._grads.mul_((self._clip_norm / (norm + 1e-6)).clamp_max_(1))

    def _limit_norms(self) -> None:
        """Limit the norms of incoming weights; see `optimizers.limit_norms`."""
        if self._max_norm is not None:
            for view in self._views.values():
                if view.ndim > 2:
                    norm = torch.maximum(view.flatten(2).norm(dim=2), self._max_norm)  # (M, units)
                    view.mul_((self._max_norm / norm).view(*norm.shape, *[1] * (view.ndim - 2)))


def needs_duplicate(fit: Fit, data: DeviceData) -> bool:
    """Return whether a fit trained alone would have other bits than in a fleet, and must train with a duplicate.

    A batched product with a side of length 1 uses other kernels for a single member than for several.
    """
    network = build_network(fit.config, data.input_shape(fit), outputs_of(fit.config, data))
    sides = [side for parameter in network.parameters() if parameter.ndim > 1 for side in parameter.shape]
    return 1 in (*sides, *minibatches(fit))


def _initial(fits: Sequence[Fit], data: DeviceData, outputs: int) -> tuple[nn.Module, list[Tensors]]:
    """Return one network and the initial state of each fit; equal starts are drawn once."""
    networks: dict[str, nn.Module] = {}
    keys = []
    for fit in fits:
        key = same_start(fit)
        keys.append(key)
        if key not in networks:
            networks[key] = initial_network(fit, data, outputs)
    template = networks[keys[0]].to(data.device, data.dtype)
    return template, [networks[key].state_dict() for key in keys]


def _trained(template: nn.Module, data: DeviceData, shape: tuple[int, ...]) -> set[str]:
    """Return the names of the parameters that a step changes; a user's module may have frozen or unused ones.

    `torch.optim` skips parameters without a gradient; here they are kept among the buffers.
    """
    named = {name: parameter for name, parameter in template.named_parameters() if parameter.requires_grad}
    if isinstance(template, Network):
        return set(named)
    outputs = template.eval()(torch.zeros(2, *shape, dtype=data.dtype, device=data.device))
    grads = torch.autograd.grad(outputs.sum(), list(named.values()), allow_unused=True)
    return {name for name, grad in zip(named, grads, strict=True) if grad is not None}


def _cast(tensor: torch.Tensor, data: DeviceData) -> torch.Tensor:
    return tensor.to(data.device, data.dtype if tensor.is_floating_point() else None)


def _column(values: Sequence[float | None], like: torch.Tensor) -> torch.Tensor | None:
    """Return the values as (M, 1), or None where the members have none; either all have one or none has."""
    if values[0] is None:
        return None
    return torch.tensor(values, dtype=like.dtype, device=like.device).unsqueeze(1)
