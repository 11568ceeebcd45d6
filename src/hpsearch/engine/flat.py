"""All parameters of a fleet in one matrix, a row a member, so that an update is a handful of operations.

M members, P parameters of one member, filled up to a multiple of 64.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

FILLED = 64
"""Rows are this many times some whole number long: torch's kernels work by vectors of up to 64 elements and treat what
is left at the end by other instructions; in rows of whole vectors nothing is left, whoever stands beside whom."""

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each parameter lies in a row.

    Attributes:
        shapes: Name to shape of one member's share; those of two or more dimensions come first.
        decayed: Length of that first part: what weight decay acts on.
        size: P, filled up.
    """

    shapes: dict[str, torch.Size]
    decayed: int
    size: int

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor]) -> "Layout":
        """The layout for these parameters of one member."""
        ordered = sorted(state, key=lambda name: state[name].ndim < 2)  # stable: otherwise in their own order
        shapes = {name: state[name].shape for name in ordered}
        decayed = sum(shape.numel() for shape in shapes.values() if len(shape) >= 2)
        size = sum(shape.numel() for shape in shapes.values())
        return cls(shapes, decayed, -(-size // FILLED) * FILLED)

    def views(self, rows: torch.Tensor) -> Tensors:
        """Name to (M, *shape), all of them views of `rows` (M, P)."""
        views, start = {}, 0
        for name, shape in self.shapes.items():
            stop = start + shape.numel()
            views[name] = rows[:, start:stop].view(-1, *shape)
            start = stop
        return views
