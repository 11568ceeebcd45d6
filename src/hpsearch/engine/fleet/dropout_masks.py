"""Dropout of a fleet: the same bits as `nn.dropout`, drawn once for all members that share them.

M members, G groups with the same dropout seed, H units, B rows of a minibatch.
"""

import torch
from torch import nn

from hpsearch.engine.fleet.batch_layout import FleetBatch
from hpsearch.nn.dropout import Dropout, mixed_positions, seed_dropout, uniform_bits

Tensors = dict[str, torch.Tensor]


class FleetDropout:
    """The streams of bits of all dropout layers of a fleet, and their current step."""

    def __init__(self, template: nn.Module) -> None:
        """Find the dropout layers.

        Args:
            template: A network of the same shapes; its dropout is reseeded.
        """
        self._template = template
        self._names = {layer: name for name, layer in template.named_modules() if isinstance(layer, Dropout)}
        self._positions: dict[tuple[int, int], torch.Tensor] = {}

    def seed(self, batch: FleetBatch, like: torch.Tensor) -> None:
        """Set the streams and probabilities of these members; the step number is kept.

        Args:
            batch: The members.
            like: A tensor of the type and device of the weights.
        """
        self._batch = batch
        if not hasattr(self, "_step"):
            self._step = torch.zeros((), dtype=torch.int32, device=like.device)
        self._seeds: dict[Dropout, torch.Tensor] = {}
        drawn: list[list[torch.Tensor]] = []
        for fit in batch.representatives:
            drawn.append([layer.seed.clone() for layer in seed_dropout(self._template, fit.seeds.dropout)])
        for number, layer in enumerate(self._names):
            self._seeds[layer] = torch.stack([seeds[number] for seeds in drawn]).to(like.device)  # (G, 2)
        layers = [Dropout(fit.config.regularization.dropout) for fit in batch.fits] if self._names else []
        self._threshold = torch.tensor([int(layer.threshold) for layer in layers], dtype=torch.int32).to(like.device)
        self._scale = torch.tensor([layer.scale.item() for layer in layers], dtype=like.dtype).to(like.device)

    def resume(self, steps: int) -> None:
        """Continue after this many minibatches."""
        self._step.fill_(steps)

    def advance(self) -> None:
        """Move to the next minibatch."""
        self._step += 1

    def apply(self, layer: Dropout, features: torch.Tensor) -> torch.Tensor:
        """Apply the dropout of one layer of our networks to features (M, H, B)."""
        _, units, rows = features.shape
        bits = uniform_bits(self._places(units, rows, features.device), self._seeds[layer], self._step)
        bits = self._batch.broadcast_groups(bits.view(-1, units, rows))
        kept = bits >= self._threshold.view(-1, 1, 1)
        return features * (kept * self._scale.view(-1, 1, 1))

    def state(self) -> Tensors:
        """Return the buffers of the dropout layers of a user's module by name, each (M, …)."""
        state = {}
        members = len(self._batch.fits)
        for layer, name in self._names.items():
            seeds = self._seeds[layer][self._batch.places(self._step.device)]
            numbers = {"seed": seeds, "step": self._step.expand(members)}
            for key, value in numbers.items():
                state[f"{name}.{key}"] = value
        return state

    def _places(self, units: int, rows: int, device: torch.device) -> torch.Tensor:
        """Return the mixed positions (H * B,), rows last: unit h of row b has position b * H + h."""
        if (units, rows) not in self._positions:
            mixed = mixed_positions(units * rows, device).view(rows, units)
            self._positions[units, rows] = mixed.T.flatten()
        return self._positions[units, rows]
