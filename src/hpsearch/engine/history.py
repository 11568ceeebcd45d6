"""What the finished epochs of a fit leave behind, in both engines."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from hpsearch.records import FitResult


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
