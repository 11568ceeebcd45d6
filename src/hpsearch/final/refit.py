"""How much of the champion's score remains on fresh seeds, and the plan of its refit on all development rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hpsearch.config import Config, ConfigError
from hpsearch.engine.schedules import recorded_factors
from hpsearch.errors import HpsearchError
from hpsearch.execution.interrupts import StoppedError, StopSignals
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.formatting import number_of
from hpsearch.jobs import RefitJob
from hpsearch.records import FitResult, TrialResult

WAIT_S = 0.2
"""Maximum wait for workers between two checks for signals."""

DEFAULT_SEEDS = 10
"""Fresh seeds of `confirm` in sweeps without a comparison."""


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """How much of the champion's score remains on fresh seeds.

    Attributes:
        search: Score of the winning trial.
        confirmed: Mean score over the fresh seeds; None if one of them has no score.
        sd: Standard deviation of these scores; None for fewer than two, or if one is missing.
        n: Number of fresh seeds.
        failed: Number of them without a score.
    """

    search: float
    confirmed: float | None
    sd: float | None
    n: int
    failed: int


def shrinkage(search: float, results: Sequence[TrialResult]) -> Shrinkage:
    """Compare the winning score with those of fresh seeds; if one failed, there is no mean."""
    scores = [result.score for result in results if result.score is not None]
    failed = len(results) - len(scores)
    mean = float(np.mean(scores)) if scores and not failed else None
    sd = float(np.std(scores, ddof=1)) if len(scores) > 1 and not failed else None
    return Shrinkage(search, mean, sd, len(results), failed)


def require_plan(config: Config, epochs: int | None, seeds: int) -> None:
    """Refuse settings from which no refit could be planned, before anything is trained.

    Args:
        config: The champion's configuration.
        epochs: `final.epochs`; None: those of the configuration.
        seeds: `confirm.seeds`, with its default filled in.

    Raises:
        ConfigError: If the refit would end within its warm-up, or needs fresh seeds and has none.
    """
    warmup = config.schedule.warmup_epochs
    if epochs is not None and epochs <= warmup:
        raise ConfigError(f"final.epochs must be > schedule.warmup_epochs={warmup}, which the sweep has, got {epochs}")
    if _follows_seeds(config, epochs) and not seeds:
        raise ConfigError(
            "confirm.seeds must be >= 1 for early stopping and plateau schedules: the refit follows the fresh seeds"
        )


def _follows_seeds(config: Config, epochs: int | None) -> bool:
    # Its stopping epoch or learning-rate reductions come from them.
    return config.schedule.kind == "plateau" or _stops_early(config, epochs)


def _stops_early(config: Config, epochs: int | None) -> bool:
    return config.training.patience is not None and epochs is None


def plan_refit(config: Config, epochs: int | None, confirmed: Sequence[TrialResult]) -> RefitJob:
    """Plan the refit on all development rows, which leaves none to monitor.

    With early stopping, it stops after the median epoch that the fresh seeds kept; a plateau schedule repeats the
    reductions of the seed that kept the median epoch.

    Args:
        config: The champion's configuration.
        epochs: `final.epochs`, which overrides early stopping; None: those of the configuration.
        confirmed: Results of the fresh seeds.

    Raises:
        HpsearchError: If the plan needs a fresh seed and none has a score.
    """
    early = _stops_early(config, epochs)
    if epochs is not None:
        config = replace(config, training=replace(config.training, epochs=epochs))
    if not _follows_seeds(config, epochs):
        return RefitJob(config, config.training.epochs, None)
    scored = sorted((r for r in confirmed if r.status.scored), key=lambda result: np.median(result.chosen_epochs))
    if not scored:
        raise HpsearchError(
            f"none of {number_of(len(confirmed), 'fresh seed')} has a score that the refit could follow; nothing was "
            "opened"
        )
    median = scored[(len(scored) - 1) // 2]
    stop = max(1, int(np.median(median.chosen_epochs))) if early else config.training.epochs
    factors = recorded_factors(config.schedule, config.optimizer.lr, median.curves["train/lr"])
    return RefitJob(config, stop, tuple(factors))


def train_refits(
    jobs: Sequence[RefitJob], scheduler: FleetScheduler, signals: StopSignals, on_tick: Callable[[str], None]
) -> Iterator[tuple[RefitJob, FitResult]]:
    """Train on all development rows, in parallel where there are workers.

    Args:
        jobs: Refits; no two have the same `retrain`.
        scheduler: The scheduler of the workers.
        signals: Stop signals of the process.
        on_tick: Called repeatedly with a description of the running trainings; empty if there are none.

    Yields:
        Each job with its result, as soon as it is done.

    Raises:
        StoppedError: On a signal.
        HpsearchError: If a worker failed.
    """
    pending = {job.name: job for job in jobs}
    for name, job in pending.items():
        scheduler.submit(name, job)
    signals.underway = lambda: scheduler.underway
    while pending:
        if signals.number is not None:
            scheduler.stop(now=True)
            raise StoppedError(signals.number)
        on_tick(scheduler.underway)
        for done in scheduler.wait(WAIT_S):
            name = str(done.key)
            if not isinstance(done.value, FitResult):
                cause = done.failure.cause if done.failure else "no result"
                raise HpsearchError(f"{name} on all development rows failed: {cause}; nothing was opened")
            yield pending.pop(name), done.value
