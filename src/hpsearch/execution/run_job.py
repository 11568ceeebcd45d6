"""Runs jobs in a worker: trains and scores trials, refits champions, checks configurations."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import torch

from hpsearch.config import Config, ConfigError, Engine
from hpsearch.config.data import Data
from hpsearch.config.execution import Device
from hpsearch.config.training import CustomOptimizer
from hpsearch.data.dataset import Development
from hpsearch.data.seal import load_development
from hpsearch.data.splits import folds, refit_fold
from hpsearch.engine.custom_code_checks import PASSES, kept_besides, owner, try_step
from hpsearch.engine.device_data import DeviceData, outputs_of, to_device
from hpsearch.engine.diagnostics import missing_signals
from hpsearch.engine.fleet import autotune
from hpsearch.engine.fleet.grouping import shape_key
from hpsearch.engine.fleet.trainer import train_fits
from hpsearch.engine.precision import AGREEMENT
from hpsearch.engine.reference import check_fit, train
from hpsearch.import_path import described, trying
from hpsearch.jobs import (
    BaselineJob,
    CheckJob,
    FleetSettings,
    Job,
    JobResult,
    PartialTrialJob,
    ProbeResult,
    RefitJob,
    Rung,
    ScoreJob,
    TimingJob,
    TrainJob,
    TrialJob,
)
from hpsearch.nn.costs import network_cost
from hpsearch.nn.export import deploy
from hpsearch.records import Fit, FitResult, Fold, TrialResult
from hpsearch.scoring.baselines import score_baselines
from hpsearch.scoring.evaluate import search_metric
from hpsearch.scoring.own_metric import try_own_metric
from hpsearch.scoring.trial_score import score_trial
from hpsearch.seeding import Purpose, derive, fit_seeds

PROBE_ROWS = 4


@dataclass(slots=True)
class WorkerState:
    """State of a worker: the data on its device, and cached folds."""

    data: DeviceData
    drawn: dict[str, tuple[Fold, ...]] = field(default_factory=dict)

    @property
    def development(self) -> Development:
        """The development rows."""
        rows = self.data.rows
        assert isinstance(rows, Development)
        return rows


def set_up(data: Data, device: Device) -> WorkerState:
    """Set up a worker: load the development rows onto the device."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="There is a performance drop")  # from vmap, about a user's module
    return WorkerState(to_device(load_development(data), resolve_device(device)))


def resolve_device(device: Device) -> str:
    """Resolve a device to `cpu` or `cuda`; raises `ConfigError` if CUDA is requested but not available."""
    if device is Device.CUDA and not torch.cuda.is_available():
        raise ConfigError("execution.device=cuda needs a CUDA device, and torch finds none: use execution.device=cpu")
    if device is Device.AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device.value


def run_job(state: WorkerState, job: Job) -> JobResult:  # noqa: PLR0911 - one for each kind of job
    """Run one job."""
    match job:
        case TrainJob():
            return train_trials(state, job)
        case PartialTrialJob():
            fits = plan_fits(state, job.trial)
            mine = slice(job.share, None, job.shares)
            return tuple(
                _train(state, job.trial.stop_after, fits[mine], job.trial.resume_from[mine], job.engine, job.width)
            )
        case ScoreJob():
            return score(state, job)
        case RefitJob():
            return refit(state, job)
        case BaselineJob():
            return score_baselines(job.config, state.development, plan_fits(state, TrialJob(job.config)))
        case CheckJob():
            return check(state, job)
        case TimingJob():
            fits = plan_fits(state, TrialJob(job.config))
            return autotune.throughput(fits, state.data, job.width, job.seconds)


def train_trials(state: WorkerState, job: TrainJob) -> tuple[TrialResult | Rung, ...]:
    """Train all folds and replicates of trials to their end or rung, and score them."""
    fits = [plan_fits(state, trial) for trial in job.trials]
    all_fits = [fit for own in fits for fit in own]
    resume_from = tuple(result for trial in job.trials for result in trial.resume_from)
    results = iter(_train(state, job.trials[0].stop_after, all_fits, resume_from, job.engine, job.width))
    return tuple(
        _answer(state, trial, own, list(islice(results, len(own)))) for trial, own in zip(job.trials, fits, strict=True)
    )


def score(state: WorkerState, job: ScoreJob) -> TrialResult | Rung:
    """Score a trial whose fits were distributed round-robin."""
    fits, shares = plan_fits(state, job.trial), len(job.results)
    results = [job.results[place % shares][place // shares] for place in range(len(fits))]
    return _answer(state, job.trial, fits, results)


def _answer(state: WorkerState, trial: TrialJob, fits: list[Fit], results: list[FitResult]) -> TrialResult | Rung:
    """The result of a trial, or a `Rung` if any of its fits is unfinished and none has diverged."""
    result = score_trial(trial.config, state.development, fits, results, retrained=trial.confirm_seed > 0)
    result = replace(result, summary=result.summary | costs(state, fits[0]))
    unfinished = result.status.scored and any(each.checkpoint is not None for each in results)
    return Rung(result, tuple(results)) if unfinished else result


def costs(state: WorkerState, fit: Fit) -> dict[str, float]:
    """The values of `search.objectives` for the network of a fit; see `network_cost`."""
    config, shape, outputs = fit.config, state.data.input_shape(fit), outputs_of(fit.config, state.data)
    return {each.value: network_cost(each, config, shape, outputs) for each in config.search.objectives}


def _train(
    state: WorkerState,
    stop_after: int | None,
    fits: Sequence[Fit],
    resume_from: Sequence[FitResult],
    engine: Engine,
    width: int,
) -> list[FitResult]:
    """Train fits from their checkpoints; finished ones are returned unchanged."""
    results = dict(enumerate(resume_from))
    places = [place for place in range(len(fits)) if not resume_from or resume_from[place].checkpoint is not None]
    todo = [fits[place] for place in places]
    resume = [resume_from[place] for place in places] if resume_from else None
    if engine is Engine.FLEET:
        trained = train_fits(todo, state.data, width, stop_after=stop_after, resume=resume)
    else:
        starts: Sequence[FitResult | None] = resume or [None] * len(todo)
        trained = [
            train(fit, state.data, stop_after=stop_after, resume=start) for fit, start in zip(todo, starts, strict=True)
        ]
    results |= dict(zip(places, trained, strict=True))
    return [results[place] for place in range(len(fits))]


def plan_fits(state: WorkerState, job: TrialJob) -> list[Fit]:
    """The fits of a trial, folds times replicates, each with its own seeds."""
    config = job.config
    seed = derive(config.seed, Purpose.CONFIRM, job.confirm_seed) if job.confirm_seed else config.seed
    return [
        Fit(config, fold, replicate, fit_seeds(seed, fold.index, replicate))
        for fold in _folds(state, config, job.confirm_seed)
        for replicate in range(config.evaluation.replicates)
    ]


def refit(state: WorkerState, job: RefitJob) -> FitResult:
    """Train on all development rows, or `data.limit` of them, and return the weights in the result.

    Retrainings use the same rows as the shipped network, with their own initialization, order and dropout.
    """
    config = job.config
    fold = refit_fold(state.development, seed=config.seed, limit=config.data.limit)
    seed = derive(config.seed, Purpose.RETRAIN, job.retrain) if job.retrain else config.seed
    fit = Fit(config, fold, 0, fit_seeds(seed, 0, 0))
    return train(fit, state.data, keep_state=True, stop_after=job.stop_after, refit=True, recorded=job.recorded)


def check(state: WorkerState, job: CheckJob) -> ProbeResult:
    """Check configurations by training each for one step on a few rows, and find the fastest fleet settings.

    The user's own code is called in every way that a search and a final call it, with the same types.

    Raises:
        ConfigError: With all problems.
    """
    problems: list[str] = []
    missing: dict[str, None] = {}
    for config in job.configs:
        try:
            metric = search_metric(config, state.development)
            fit = plan_fits(state, TrialJob(config))[0]
            check_fit(fit, state.data)
            costs(state, fit)
            if config.search.own_metric:
                try_own_metric(metric, state.development.targets[fit.fold.val], outputs_of(config, state.data))
            if not config.own_code:
                train(_probe(fit), state.data)
            elif line := _try_own_code(state, _probe(fit)):
                missing[line] = None
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*dict.fromkeys(problems))
    fleet_settings, measured = {}, {}
    for config in job.shapes:
        fits = plan_fits(state, TrialJob(config))
        settings, name = _fastest_settings(state, fits, job)
        fleet_settings[shape_key(config)] = settings
        if name is not None:
            measured[shape_key(config)] = name
    return ProbeResult(state.data.device.type, fleet_settings, measured, tuple(missing))


def _fastest_settings(state: WorkerState, fits: list[Fit], job: CheckJob) -> tuple[FleetSettings, str | None]:
    """The fastest settings, and the key under which to store them if they were measured without constraints."""
    config, data = fits[0].config, state.data
    if autotune.engine_for(job.engine, fits[0], data) is Engine.REFERENCE:
        return FleetSettings(Engine.REFERENCE, 1, math.inf), None
    foreign = bool(config.own_code)
    if foreign and (problem := _obstacle(state, fits[0])):
        return FleetSettings(Engine.REFERENCE, 1, math.inf, problem), None
    most = math.ceil(job.expected.get(shape_key(config), autotune.WIDTHS[-1]) * len(fits) / job.workers)
    limit = min(most, autotune.widest(fits[0], data, job.memory_gib, job.workers))
    recalled = None if foreign else autotune.recall(fits[0], data, limit, job.known, job.workers)
    if recalled is not None:
        return recalled, None
    settings = autotune.fastest_settings(fits, data, limit)
    stored = not foreign and (settings.width < limit or limit == autotune.WIDTHS[-1])
    return settings, autotune.key(fits[0], data, job.workers) if stored else None


def _try_own_code(state: WorkerState, fit: Fit) -> str:
    """Train, score and deploy the user's own code on a few rows, and describe missing diagnostics, if any.

    Raises:
        ConfigError: If a step fails; the message names it.
    """
    config, data = fit.config, state.data
    who = owner(config)
    try_step(fit, data)
    with trying(who, "a training of one step"):
        result = train(fit, data, keep_state=True)
    assert result.state is not None
    if result.failure is None:
        with trying(who, f"scoring, on the CPU in {result.val_outputs.dtype}"):
            score_trial(config, state.development, [fit], [result], retrained=True)
    with trying(who, "a network of its stored weights"):
        seen = data.preprocessed(fit)
        outputs, shape = result.val_outputs.shape[-1], data.input_shape(fit)
        network = deploy(config, result.state, shape, outputs, seen.preprocessing)
        network(seen.inputs[torch.as_tensor(fit.fold.train)].to(torch.float32).cpu())
    missing = missing_signals(fit, data)
    return f"in {config.own_code[0].import_path}, {missing}" if missing else ""


def _obstacle(state: WorkerState, fit: Fit) -> str:
    """Why the user's own code cannot train in a fleet; empty if it can."""
    if isinstance(fit.config.optimizer, CustomOptimizer):
        return f"{fit.config.optimizer.import_path} is not among the update rules of fleets"
    if kept := kept_besides(fit, state.data):
        return f"{owner(fit.config)} changes {kept} as it is called, besides parameters and buffers"
    probes = [replace(_probe(fit, epochs=PASSES), seeds=fit_seeds(fit.config.seed, 0, i)) for i in range(2)]
    alone = [train(probe, state.data).val_outputs for probe in probes]
    try:
        together = [result.val_outputs for result in train_fits(probes, state.data, 2)]
    except Exception as error:  # noqa: BLE001 - user code that fails under `vmap` trains alone
        return described(error)
    near = AGREEMENT[fit.config.training.precision]
    equal = all(np.allclose(a, b, rtol=near, atol=near) for a, b in zip(alone, together, strict=True))
    return "" if equal else "in a fleet they learn something else than alone"


def _probe(fit: Fit, epochs: int = 1) -> Fit:
    """The same fit on a few rows and epochs, in which anything that cannot be trained fails quickly."""
    config = replace(
        fit.config,
        training=replace(fit.config.training, epochs=epochs, batch_size=PROBE_ROWS),
        schedule=replace(fit.config.schedule, warmup_epochs=0.0),
    )
    train = fit.fold.train[:PROBE_ROWS]
    monitor = fit.fold.monitor[:PROBE_ROWS]
    return replace(
        fit, config=config, fold=Fold(0, train, monitor, train, train if len(fit.fold.report) else train[:0])
    )


def _folds(state: WorkerState, config: Config, redraw: int) -> tuple[Fold, ...]:
    seed, limit, monitor = config.seed, config.data.limit, config.needs_monitor
    key = repr((config.evaluation, seed, limit, monitor, redraw))
    if key not in state.drawn:
        state.drawn[key] = folds(
            state.development, config.evaluation, seed=seed, limit=limit, monitor=monitor, redraw=redraw
        )
    return state.drawn[key]
