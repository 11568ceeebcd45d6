"""The members of a fleet: sorted fits of one shape, and the data rows that they share.

M members, G groups of members that see the same minibatches, N rows of the data set, B rows of a minibatch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from hpsearch.engine.augmentation import Augmenter
from hpsearch.engine.device_data import DeviceData, FitData, outputs_of
from hpsearch.engine.fleet.update_rules import order
from hpsearch.engine.minibatches import last_batch_rows, minibatches, pad_rows, padded_length
from hpsearch.nn.losses import prepare_targets, sample_weights
from hpsearch.records import Fit, Task
from hpsearch.seeding import epoch_order


@dataclass(frozen=True, slots=True, eq=False)
class FleetBatch:
    """The fits of a fleet, grouped by the minibatches they see.

    Attributes:
        fits: The fits of the M members, sorted so that those with the same update rule are adjacent.
        representatives: One fit of each of the G groups.
        groups: Shape (M,) index of each member's group.
    """

    fits: list[Fit]
    representatives: list[Fit]
    groups: np.ndarray
    _places: dict[torch.device, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, fits: Sequence[Fit]) -> "FleetBatch":
        """Group these fits, which must be sorted by `sort_key`."""
        representatives: dict[tuple[object, ...], int] = {}
        groups = [representatives.setdefault(_group_key(fit), len(representatives)) for fit in fits]
        first = dict(zip(reversed(groups), reversed(fits), strict=True))
        return cls(list(fits), [first[number] for number in range(len(representatives))], np.array(groups))

    def broadcast_groups(self, of_groups: torch.Tensor) -> torch.Tensor:
        """Expand (G, …) to (M, …), or leave it at (1, …) if all members are in one group."""
        if len(self.representatives) == 1 or len(self.representatives) == len(self.fits):
            return of_groups
        return of_groups[self.places(of_groups.device)]

    def places(self, device: torch.device) -> torch.Tensor:
        """Return the group index of each member (M,) int64 on the device; copied once per device."""
        if device not in self._places:
            self._places[device] = torch.as_tensor(self.groups, device=device)
        return self._places[device]

    def orders(self, epoch: int) -> np.ndarray:
        """Return the padded training rows (G, n) of each group in the order of this epoch."""
        permutations: dict[tuple[int, int], np.ndarray] = {}
        for fit in self.representatives:
            key = (fit.seeds.order, len(fit.fold.train))
            if key not in permutations:
                permutations[key] = epoch_order(key[0], epoch, key[1])
        rows = [fit.fold.train[permutations[fit.seeds.order, len(fit.fold.train)]] for fit in self.representatives]
        return np.stack([pad_rows(own, sum(minibatches(self.representatives[0]))) for own in rows])

    def counted(self, device: torch.device) -> torch.Tensor | None:
        """Return which rows of the last minibatch of an epoch count, (G, B) bool; None if all do."""
        counts = [count for fit in self.representatives if (count := last_batch_rows(fit)) is not None]
        numbers = torch.arange(minibatches(self.representatives[0])[-1], device=device)
        return numbers < torch.tensor(counts, device=device).unsqueeze(1) if counts else None

    def rows(self, part: str) -> "PartRows":
        """Return the rows of the part `monitor`, `val` or `report` of each group."""
        rows = [getattr(fit.fold, part) for fit in self.representatives]
        return self.part(rows, padded_length(self.representatives[0], len(rows[0])))

    def part(self, rows: Sequence[np.ndarray], n: int) -> "PartRows":
        """Return the rows of each group, padded to length n and stacked."""
        return PartRows(np.stack([pad_rows(own, n) for own in rows]), np.array([len(own) for own in rows])[self.groups])


@dataclass(frozen=True, slots=True, eq=False)
class PartRows:
    """Rows of a part of the data, padded to a common length.

    Attributes:
        rows: Shape (G, n).
        counts: Shape (M,), how many leading rows count for each member.
    """

    rows: np.ndarray
    counts: np.ndarray

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Return the mean (M,) of those values (M, n) that count."""
        return np.stack([own[:count].mean() for own, count in zip(values, self.counts, strict=True)])


class FleetData:
    """The data set as the groups of a fleet see it: one copy of the rows, one scaling per group."""

    def __init__(self, batch: FleetBatch, data: DeviceData) -> None:
        """Compute the scaling of each group.

        Args:
            batch: The members and their groups.
            data: The development set.

        Raises:
            ConfigError: If the loss does not fit the targets.
        """
        config, rows = batch.fits[0].config, data.rows
        self._batch, self._data, self.classes = batch, data, rows.task is not Task.REGRESSION
        self._groups = {_group_key(fit): number for number, fit in enumerate(batch.representatives)}
        self.outputs = outputs_of(config, data)
        preprocessed = [data.preprocessed(fit) for fit in batch.representatives]
        scalings = [each.preprocessing.scaling for each in preprocessed]
        # (G, 1, *shape): broadcast over the rows of a minibatch
        self._shift, self._scale = (_stacked(data, [getattr(s, name) for s in scalings]) for name in ("shift", "scale"))
        targets = [each.preprocessing.target for each in preprocessed if each.preprocessing.target is not None]
        if targets:
            self._targets = data.transformed(targets[0].kind)
            self._target_shift, self._target_scale = (
                _stacked(data, [getattr(target, name) for target in targets]) for name in ("shift", "scale")
            )
        else:
            self._targets = prepare_targets(config.loss, rows.task, data.targets, rows.classes, data.dtype)
        weights = [sample_weights(rows, fit.fold.train) for fit in batch.representatives]
        given = [each for each in weights if each is not None]
        self._weights = torch.tensor(np.stack(given)).to(data.device, data.dtype) if given else None  # (G, N)
        # groups with different tables see one after the other, at the offsets (G, 1) of their first rows
        self._tables = [each.inputs for each in preprocessed]
        distinct = {id(table): table for table in self._tables}
        self._inputs = torch.cat(list(distinct.values())) if len(distinct) > 1 else self._tables[0]
        starts = [list(distinct).index(id(table)) * rows.n for table in self._tables]
        self._offsets = torch.tensor(starts, device=data.device).unsqueeze(1) if len(distinct) > 1 else None

    def inputs(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the scaled inputs (G, B, *shape) of the rows (G, B)."""
        return self._raw(rows).sub_(self._shift).mul_(self._scale).to(self._data.dtype)

    def training_inputs(self, rows: torch.Tensor, augmenter: Augmenter) -> torch.Tensor:
        """Return the scaled inputs (G, B, *shape) of the training rows (G, B), augmented for the current epoch."""

        def augmented(rows: torch.Tensor) -> torch.Tensor:
            pixels = augmenter.pixels(self._raw(rows), rows)
            return augmenter.noisy(pixels.sub_(self._shift).mul_(self._scale).to(self._data.dtype), rows)

        return augmenter.mixed(rows, augmented)

    def _raw(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a copy of the inputs (G, B, *shape) of the rows (G, B), not yet scaled."""
        places = rows if self._offsets is None else rows + self._offsets
        batch = self._inputs.index_select(0, places.flatten()).to(self._shift.dtype)
        return batch.view(*rows.shape, *batch.shape[1:])

    def targets(self, rows: torch.Tensor) -> torch.Tensor:
        """Return labels (G, B) or numbers (G, C, B) of the rows (G, B), as the loss takes them."""
        batch = self._targets.index_select(0, rows.flatten()).view(*rows.shape, *self._targets.shape[1:])
        if not self.classes:
            batch = ((batch - self._target_shift) * self._target_scale).to(self._data.dtype)
        return batch.transpose(1, 2) if batch.ndim == 3 else batch

    def weighted(self, losses: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the losses (M, B) of the rows (G, B), multiplied by the weights of these."""
        if self._weights is None:
            return losses
        return losses * self._batch.broadcast_groups(self._weights.gather(1, rows))

    def labels(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the classes (G, B) of the rows (G, B)."""
        return self._data.targets.index_select(0, rows.flatten()).view(rows.shape)

    def of(self, fit: Fit) -> FitData:
        """Return the data as one member sees them."""
        group, targets = self._groups[_group_key(fit)], self._targets
        if not self.classes:
            targets = ((targets - self._target_shift[group]) * self._target_scale[group]).to(self._data.dtype)
        labels = self._data.targets if self.classes else None
        shift, scale = self._shift[group], self._scale[group]
        weights = None if self._weights is None else self._weights[group]
        return FitData(self._tables[group], targets, labels, shift, scale, self.outputs, self._data.dtype, weights)


def _stacked(data: DeviceData, values: Sequence[np.ndarray]) -> torch.Tensor:
    """Return constants of G groups on the device, (G, 1, …)."""
    return torch.stack([data.constant(value) for value in values]).unsqueeze(1)


def sort_key(fit: Fit) -> tuple[object, ...]:
    """Return the sort key of members: first their update rule, then the rows they see."""
    return *order(fit.config.optimizer), fit.fold.index, fit.replicate, fit.seeds.order


def _group_key(fit: Fit) -> tuple[object, ...]:
    """Return a key that is equal for fits with the same minibatches and dropout bits; a worker draws each fold once."""
    config = fit.config
    return id(fit.fold), fit.seeds.order, fit.seeds.dropout, repr((config.preprocess, config.augmentation.in_use))
