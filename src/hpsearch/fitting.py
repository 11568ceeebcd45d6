"""What a worker does: folds, fits and scores of one trial, or the refit of a champion."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from hpsearch.config import Config, ConfigError
from hpsearch.config.data import Data
from hpsearch.config.sweep import Device
from hpsearch.data.rows import Development
from hpsearch.data.seal import load_development
from hpsearch.data.splits import folds, refit_fold
from hpsearch.engine.device_data import DeviceData, to_device
from hpsearch.engine.reference import check_fit, train
from hpsearch.jobs import Answer, CheckJob, Job, RefitJob, TrialJob
from hpsearch.metrics import search_metric
from hpsearch.records import Fit, FitResult, Fold, TrialResult
from hpsearch.scoring import score_trial
from hpsearch.seeding import Purpose, derive, fit_seeds

PROBE_ROWS = 4


@dataclass(slots=True)
class Bench:
    """What a worker keeps between jobs: the data on its device, and folds that it has drawn."""

    data: DeviceData
    drawn: dict[str, tuple[Fold, ...]] = field(default_factory=dict)

    @property
    def development(self) -> Development:
        """The rows that a search may see."""
        rows = self.data.rows
        assert isinstance(rows, Development)
        return rows


def set_up(data: Data, device: Device) -> Bench:
    """Loads the development rows on the device; the first thing that a worker does.

    Args:
        data: Which data set.
        device: Where to train; `auto` is the first CUDA device, or else the CPU.
    """
    torch.set_num_threads(1)
    return Bench(to_device(load_development(data), resolve_device(device)))


def resolve_device(device: Device) -> str:
    """`cpu` or `cuda`.

    Raises:
        ConfigError: If CUDA is asked for and there is none.
    """
    if device is Device.CUDA and not torch.cuda.is_available():
        raise ConfigError("execution.device=cuda needs a CUDA device, and torch finds none: use execution.device=cpu")
    if device is Device.AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device.value


def work(bench: Bench, job: Job) -> Answer:
    """Does one job."""
    match job:
        case TrialJob():
            return run_trial(bench, job)
        case RefitJob():
            return refit(bench, job)
        case CheckJob():
            check(bench, job.configs)
            return bench.data.device.type


def run_trial(bench: Bench, job: TrialJob) -> TrialResult:
    """Trains every fold and replicate of a trial, and scores them."""
    fits = plan_fits(bench, job)
    results = [train(fit, bench.data) for fit in fits]
    return score_trial(job.config, bench.development, fits, results)


def plan_fits(bench: Bench, job: TrialJob) -> list[Fit]:
    """The fits of a trial: folds times replicates, each with its own seeds."""
    config = job.config
    seed = derive(config.seed, Purpose.CONFIRM, job.redraw) if job.redraw else config.seed
    return [
        Fit(config, fold, replicate, fit_seeds(seed, fold.index, replicate))
        for fold in _folds(bench, config, job.redraw)
        for replicate in range(config.evaluation.replicates)
    ]


def refit(bench: Bench, job: RefitJob) -> FitResult:
    """Trains on all development rows (`data.limit` of them, if it is set); the weights are in the result."""
    config = job.config
    fold = refit_fold(bench.development, seed=config.seed, limit=config.data.limit)
    fit = Fit(config, fold, 0, fit_seeds(config.seed, 0, 0))
    return train(fit, bench.data, keep_state=True, stop_after=job.stop_after, recorded=job.recorded)


def check(bench: Bench, configs: Sequence[Config]) -> None:
    """Draws the folds of each configuration, and trains it for one step on a few rows.

    Raises:
        ConfigError: With everything that does not fit together.
    """
    problems: list[str] = []
    for config in configs:
        try:
            search_metric(config, bench.development.task)
            fit = plan_fits(bench, TrialJob(config))[0]
            check_fit(fit, bench.data)
            train(_probe(fit), bench.data)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*dict.fromkeys(problems))


def _probe(fit: Fit) -> Fit:
    """The same fit on a handful of rows for one epoch: whatever cannot be trained fails in it, at once."""
    config = replace(fit.config, training=replace(fit.config.training, epochs=1, batch_size=PROBE_ROWS))
    config = replace(config, schedule=replace(config.schedule, warmup_epochs=0.0))
    train = fit.fold.train[:PROBE_ROWS]
    monitor = fit.fold.monitor[:PROBE_ROWS]
    return replace(fit, config=config, fold=Fold(0, train, monitor, train, fit.fold.report[:0]))


def _folds(bench: Bench, config: Config, redraw: int) -> tuple[Fold, ...]:
    monitor = config.needs_monitor
    key = repr((config.evaluation, config.seed, config.data.limit, monitor, redraw))
    if key not in bench.drawn:
        bench.drawn[key] = folds(
            bench.development,
            config.evaluation,
            seed=config.seed,
            limit=config.data.limit,
            monitor=monitor,
            redraw=redraw,
        )
    return bench.drawn[key]
