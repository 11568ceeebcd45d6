"""Steps of a fleet that lead nowhere, to be timed."""

from collections.abc import Callable, Sequence

import torch

from hpsearch.engine.capture import Step, stepper
from hpsearch.engine.crew import sort_key
from hpsearch.engine.device_data import DeviceData
from hpsearch.engine.fleet import Fleet
from hpsearch.engine.precision import arithmetic
from hpsearch.records import Fit


class Rehearsal:
    """Steps that are all on the first minibatch."""

    def __init__(
        self,
        fits: Sequence[Fit],
        data: DeviceData,
        stepper: Callable[[Step, torch.device], Step] = stepper,
    ) -> None:
        self._fleet = Fleet(sorted(fits, key=sort_key), data, stepper)
        crew, size = self._fleet.crew, self._fleet.config.training.batch_size
        self._rows = torch.as_tensor(crew.orders(0)[:, :size], device=data.device)
        self._lr = torch.zeros(len(crew.fits), dtype=data.dtype, device=data.device)

    def step(self) -> None:
        """One step of all members."""
        with arithmetic(self._fleet.config.training.precision, self._rows.device):
            self._fleet.run(self._rows, self._lr)
