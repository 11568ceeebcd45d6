"""What a driver asks of a worker, and what comes back."""

from dataclasses import dataclass

from hpsearch.config import Config
from hpsearch.records import FitResult, TrialResult


@dataclass(frozen=True, slots=True)
class TrialJob:
    """Train and score one configuration; `redraw` >= 1 is a fresh seed of `confirm`, 0 the search."""

    config: Config
    redraw: int = 0


@dataclass(frozen=True, slots=True)
class RefitJob:
    """Train on all development rows, and give the weights back.

    Attributes:
        config: The configuration; schedules span its `training.epochs`.
        stop_after: Epochs to train.
        recorded: Plateau factor of each epoch, from runs that had monitor rows; None for other schedules.
    """

    config: Config
    stop_after: int
    recorded: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class CheckJob:
    """Find out whether these configurations can be trained at all, without training; answers with the device kind."""

    configs: tuple[Config, ...]


Job = TrialJob | RefitJob | CheckJob
Answer = TrialResult | FitResult | str
