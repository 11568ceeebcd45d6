"""Learning-rate schedules as pure functions of the step, so that many fits can be evaluated at once."""

import math
from collections.abc import Sequence

import numpy as np

from hpsearch.config import Config, ConfigError
from hpsearch.config.training import (
    CosineSchedule,
    CustomSchedule,
    ExponentialSchedule,
    LinearSchedule,
    OneCycleSchedule,
    PlateauSchedule,
    Schedule,
    StepSchedule,
    WarmRestarts,
)
from hpsearch.import_path import build_named


def multiplier(schedule: Schedule, step: int, steps_per_epoch: int, epochs: int) -> float:
    """Return the factor of the learning rate at one step: warm-up and schedule, without plateau reductions.

    Warm-up and schedule run on the same clock and multiply (Goyal et al., 2017): `step` and `exponential` change at the
    start of an epoch, the others at each step.

    Args:
        schedule: The schedule.
        step: Number of the step, from 0.
        steps_per_epoch: Minibatches per epoch.
        epochs: Number of epochs that the schedule spans.

    Raises:
        ConfigError: If the user's own function cannot be called, or returns no factor >= 0.
    """
    return _warm_up(schedule, (step + 1) / steps_per_epoch) * _decay(schedule, step, steps_per_epoch, epochs)


def plateau_factor(schedule: Schedule, monitor_losses: Sequence[float]) -> float:
    """Return the factor after plateau reductions, as torch's `ReduceLROnPlateau` counts them.

    Args:
        schedule: The schedule; anything but `plateau` gives 1.
        monitor_losses: Monitor loss after each finished epoch.

    Returns:
        `factor` to the power of the number of reductions. One happens whenever more than `patience` consecutive epochs
        did not improve on the best; the count then restarts.
    """
    if not isinstance(schedule, PlateauSchedule):
        return 1.0
    best, bad, factor = math.inf, 0, 1.0
    for loss in monitor_losses:
        best, bad = (loss, 0) if loss < best else (best, bad + 1)
        if bad > schedule.patience:
            factor, bad = factor * schedule.factor, 0
    return factor


def recorded_factors(schedule: Schedule, base_lr: float, lr: Sequence[float]) -> list[float]:
    """Recover the plateau factor of each epoch from a fit's learning rates, for a refit without monitor rows.

    Args:
        schedule: The schedule of that fit.
        base_lr: `optimizer.lr`.
        lr: `FitResult.lr`, the learning rate at the last step of each epoch.
    """
    if not isinstance(schedule, PlateauSchedule):
        return [1.0] * len(lr)
    return [rate / (base_lr * _warm_up(schedule, epoch + 1)) for epoch, rate in enumerate(lr)]


def epoch_rates(
    configs: Sequence[Config], monitor_losses: Sequence[Sequence[float]], steps: int, epoch: int
) -> np.ndarray:
    """Return the learning rates of several fits at each step of an epoch.

    Args:
        configs: Configurations of the M fits, with the same number of epochs.
        monitor_losses: Monitor losses of each fit, see `plateau_factor`.
        steps: Steps per epoch S.
        epoch: Number of the epoch, from 0.

    Returns:
        Shape (S, M).
    """
    factors: dict[str, np.ndarray] = {}
    columns = []
    for config, losses in zip(configs, monitor_losses, strict=True):
        schedule, key = config.schedule, repr(config.schedule)
        if key not in factors:
            clock = range(epoch * steps, (epoch + 1) * steps)
            factors[key] = np.array([multiplier(schedule, step, steps, config.training.epochs) for step in clock])
        columns.append(config.optimizer.lr * plateau_factor(schedule, losses) * factors[key])
    return np.stack(columns, axis=1)


def _warm_up(schedule: Schedule, epochs_done: float) -> float:
    return min(1.0, epochs_done / schedule.warmup_epochs) if schedule.warmup_epochs > 0 else 1.0


def _decay(schedule: Schedule, step: int, steps_per_epoch: int, epochs: int) -> float:  # noqa: PLR0911 - one a schedule
    epoch, steps = step // steps_per_epoch, steps_per_epoch * epochs
    match schedule:
        case StepSchedule():
            return schedule.gamma ** (epoch // schedule.every)
        case ExponentialSchedule():
            return schedule.gamma**epoch
        case CosineSchedule():
            return _cosine(1.0, schedule.floor, step / steps)
        case WarmRestarts():
            first, period = 0, schedule.period  # of the cycle, in epochs
            while epoch >= first + period:
                first, period = first + period, period * schedule.period_mult
            return _cosine(1.0, schedule.floor, (step / steps_per_epoch - first) / period)
        case OneCycleSchedule():
            start, top = 1 / schedule.div_factor, schedule.pct_start * steps - 1  # top: of the highest rate
            if step < top:
                return _cosine(start, 1.0, step / top)
            return _cosine(1.0, start / schedule.final_div_factor, (step - top) / (steps - 1 - top))
        case CustomSchedule():
            return _own_factor(schedule, step, steps_per_epoch, epochs)
        case LinearSchedule():
            return 1 - (1 - schedule.floor) * step / steps
        case _:
            return 1.0


def _cosine(start: float, end: float, share: float) -> float:
    """The value after a share of half a cosine from start to end."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _own_factor(schedule: CustomSchedule, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The factor that the user's own function returns, which gets those of the offered arguments that it names."""
    epoch, steps = step // steps_per_epoch, steps_per_epoch * epochs
    offered = {"step": step, "steps": steps, "epoch": epoch, "epochs": epochs, "steps_per_epoch": steps_per_epoch}
    factor = build_named("schedule", schedule.import_path, schedule.kwargs, offered)
    if not isinstance(factor, int | float) or not 0 <= factor < math.inf:
        raise ConfigError(
            f"schedule.import_path {schedule.import_path} must return a factor of the learning rate, a number >= 0, "
            f"got {factor!r} at step {step} of {steps}"
        )
    return float(factor)
