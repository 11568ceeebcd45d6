"""Runs a sweep; a single configuration is a sweep of one trial."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpsearch.commands.best_config import write_best
from hpsearch.commands.confirm import Confirmation, retrainings_left, too_few_seeds
from hpsearch.commands.observer import Observer
from hpsearch.commands.previous_reports import warn_of_earlier_views, warn_of_opened_rows, warn_of_other_code
from hpsearch.commands.tracking_run import connect, describe_sweep, running, tracking_uri
from hpsearch.compose.overrides import Command
from hpsearch.config import Config
from hpsearch.config.data import FolderData
from hpsearch.config.search import Objective, Search
from hpsearch.data.dataset import Development
from hpsearch.data.datasets import Source, find_source
from hpsearch.data.preprocessing import fit_preprocessing
from hpsearch.data.seal import data_digest, load_development, seal
from hpsearch.errors import HpsearchError
from hpsearch.execution.interrupts import StoppedError, StopSignals
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.execution.throughput import WorkerPool, build_executor, fits_of, train_baselines
from hpsearch.formatting import capital, number_of
from hpsearch.import_path import described
from hpsearch.jobs import TrialJob
from hpsearch.nn.output_layer import output_count
from hpsearch.records import Baseline, Key, Status
from hpsearch.scoring.score_format import Score, compare_with_baselines
from hpsearch.search.checks import check_truth_table, exhausted
from hpsearch.search.driver import Driver
from hpsearch.search.levels import Level
from hpsearch.search.plan import Plan
from hpsearch.search.search_loop import SearchLoop
from hpsearch.search.space import Composed
from hpsearch.search.sweep_identity import SweepIdentity, name_of
from hpsearch.search.trial_log import TrialLog
from hpsearch.search.warm_start import warm_start
from hpsearch.secrets import mask_secrets
from hpsearch.store.atomic_files import check_directory
from hpsearch.store.champion_selection import find_champion
from hpsearch.store.loader import load_from_disk
from hpsearch.store.optuna_journal import JOURNAL, name_values, open_study
from hpsearch.store.provenance import Provenance
from hpsearch.store.record_json import Record
from hpsearch.store.trial_config import common_axes
from hpsearch.tracking import connection
from hpsearch.tracking.environment import requirements, uncommitted
from hpsearch.tracking.run_format import SweepRun, now_ms
from hpsearch.tracking.system_metrics import SystemSampler
from hpsearch.tracking.tracker import Tracker

if TYPE_CHECKING:
    from hpsearch.commands.publish import PublishedReport

SEEDS = 10
"""Fresh seeds of a level that workers are reckoned with before the search is done."""

SAMPLE_S = 5.0
"""Interval between two samples of the machine's load."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A checked sweep of which nothing is written yet.

    Attributes:
        plan: Its levels, spaces and trials.
        named: Its name and stored state.
        source: The source of its rows.
        score: The score of trials.
        rows: Number of development rows.
        finished: The finished trials among the requested ones.
        missing: The configurations of the other requested trials.
        extra_trials: Number of finished trials beyond the requested ones.
        begins_with: Sentences on the trials of an earlier sweep that a new one begins with.
    """

    plan: Plan
    named: SweepIdentity
    source: Source
    score: Score
    rows: int
    finished: list[Record]
    missing: list[Config]
    extra_trials: int
    begins_with: tuple[str, ...] = ()

    @property
    def config(self) -> Config:
        """The configuration with the default options."""
        return self.plan.base.config

    @property
    def lacks_baselines(self) -> bool:
        """Return whether baselines were asked for by name that are not stored."""
        stored = self.named.store.baselines() or ()
        return not {each.kind for each in stored}.issuperset(self.config.evaluation.baseline or ())


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The result of a sweep.

    Attributes:
        identity: Its name, specification and records on disk.
        config: The configuration with the default options.
        score: The score of trials.
        records: All finished trials.
        command: The command that ran it.
        uri: Address of the tracking store.
        run: Its run there.
        report: The comparison's report; None without a comparison.
        baselines: What models that are no networks get on the same rows.
    """

    identity: SweepIdentity
    config: Config
    score: Score
    records: Sequence[Record]
    command: Command
    uri: str
    run: SweepRun
    report: "PublishedReport | None" = None
    baselines: tuple[Baseline, ...] = ()

    @property
    def scored(self) -> bool:
        """Return whether any trial has a score."""
        return any(record.result.status.scored for record in self.records)


def run_sweep(
    base: Composed, levels: tuple[Level, ...], command: Command, observer: Observer, signals: StopSignals
) -> SweepResult:
    """Start, resume or extend a sweep, or load it if it is complete.

    Args:
        base: The configuration with the default options.
        levels: The levels of a comparison, or the single level of a search, each with its space.
        command: The command as typed.
        observer: Receives events.
        signals: Stop signals of the process.

    Raises:
        ConfigError: If the configuration is inconsistent; nothing has been written.
        StoppedError: On a signal; the same command resumes.
    """
    config = base.config
    connection.check(tracking_uri(config))
    check_directory(config.tracking.directory)
    if config.search.compares:
        check_directory(config.report.directory)
    sweep = _prepare(base, levels, command, observer)
    with signals, ExitStack() as stack:
        workers = _start_workers(sweep, signals, stack)
        if workers is not None:
            sweep = replace(sweep, named=sweep.named.on_device(workers.checked.device, sweep.config))
        # Printed only now, so that a refused command does not look like a run that has begun.
        show_stand_in(observer, sweep.source, sweep.named)
        observer.sweep_started(sweep.named, sweep.plan, sweep.score, len(sweep.finished), sweep.extra_trials)
        for number, sentence in enumerate(sweep.begins_with):
            observer.line(f"  {'' if number else 'first':<7} {sentence}")
        for number, sentence in enumerate(sweep.plan.shares_within()):
            observer.line(f"  {'' if number else 'limits':<7} {sentence}")
        if workers is not None:
            observer.engines_chosen(workers.checked)
        stack.enter_context(sweep.named.store.lock())
        tracker = stack.enter_context(connect(sweep.config, observer))
        return _run(sweep, workers, tracker, signals, command, observer)


def _start_workers(sweep: SweepPlan, signals: StopSignals, stack: ExitStack) -> WorkerPool | None:
    """Return workers that have probed the missing configurations; None if there are none."""
    configs = sweep.missing
    compares = sweep.plan.search.compares
    if not configs and sweep.lacks_baselines:
        configs = [sweep.config]
    if compares and not configs:
        left = retrainings_left(sweep.config, sweep.plan, sweep.named.store)
        configs = [job.config for job in left.jobs.values()]
    if not configs:
        return None
    trainings = len(configs) + (SEEDS * len(sweep.plan.levels) if compares else 0)
    fits = trainings * fits_of(sweep.config, sweep.rows)
    connection.load(tracking_uri(sweep.config))  # while the fork server loads torch, which takes longer
    executor = stack.enter_context(build_executor(sweep.config, sweep.source.data, fits))
    workers = WorkerPool(executor, sweep.named.engine, signals, sweep.rows)
    workers.probe(configs)
    return workers


class _SearchProgress:
    """Passes events of a search on, and logs the machine's load to the parent run."""

    def __init__(self, observer: Observer, tracker: Tracker, run: SweepRun, sampler: SystemSampler) -> None:
        self.judged, self.narrowed = observer.rung_finished, observer.space_narrowed
        self._observer, self._tracker, self._run, self._sampler = observer, tracker, run, sampler
        self._samples, self._sampled_s = 0, -SAMPLE_S

    def tick(self, underway: str) -> None:
        self._observer.underway(underway)
        if time.monotonic() - self._sampled_s >= SAMPLE_S:
            self._sampled_s = time.monotonic()
            self._samples += 1
            self._tracker.log_metrics(self._run.run_id, self._sampler.sample(), step=self._samples, at_ms=now_ms())


def _run(
    sweep: SweepPlan,
    workers: WorkerPool | None,
    tracker: Tracker,
    signals: StopSignals,
    command: Command,
    observer: Observer,
) -> SweepResult:
    """Run a checked sweep, from the first thing written to the report."""
    config, named, trials = sweep.config, sweep.named, sweep.config.search.trials
    total = len(sweep.plan.keys(trials))
    named.freeze()
    named.store.request(total)
    objectives = config.search.objectives
    study = open_study(Path(config.tracking.directory) / JOURNAL, named.name, named.identity, objectives)
    provenance = Provenance.here(str(named.specification.device) if workers is None else workers.checked.device)
    name_values(study, [sweep.score.signed, *objectives])
    own = {key: str(value) for key, value in mask_secrets(config.tracking.tags).items()}
    columns = [*common_axes(sweep.plan.names), *(f"report/{name}" for name in sweep.score.report), *objectives]
    with running(tracker, named, columns, {} if workers is None else workers.tags, own) as run:
        diffs = uncommitted((config.tracking.directory, config.report.directory))
        tracker.log_artifacts(
            run.run_id, {"sweep.json": named.store.folder / "sweep.json", "requirements.txt": requirements(), **diffs}
        )
        if sweep.plan.search.compares and workers is not None:
            warn_of_earlier_views(observer, named, tracker.looks, run)
            warn_of_other_code(observer, named, provenance)
        log = TrialLog(tracker, run, provenance, sweep.plan, study, named.store)
        scheduler_for = _no_scheduler if workers is None else workers.scheduler_for
        with SystemSampler() as sampler, ExitStack() as stack:
            observer.search_started(sweep.score, total, sweep.finished)
            stack.callback(observer.search_finished)
            progress = _SearchProgress(observer, tracker, run, sampler)
            deadline_s = time.monotonic() + (config.search.timeout_s or math.inf)
            driver = Driver(log, scheduler_for, signals, observer.trial_finished, progress.tick, deadline_s)
            done = SearchLoop(sweep.plan, driver, progress).finish(trials)
        if ended := sweep.plan.end_by_patience(named.store.records(), trials):
            named.store.request(ended)
        if len(done) < total:
            observer.warn(_ended_early(config.search, len(done), total, by_patience=ended is not None))
        records = list(named.store.records().values())  # more than requested, if the sweep had more already
        best = write_best(
            named.store.folder, named.name, records, command.config_dir, compares=sweep.plan.search.compares
        )
        tracker.log_artifacts(run.run_id, best)
        tracker.log_metrics(run.run_id, _totals(records), step=len(records), at_ms=now_ms())
        baselines = _baselines(sweep, workers, signals, observer)
        tracker.log_baselines(run, sweep.score.metric, baselines, at_ms=now_ms())
        report = None
        if sweep.plan.search.compares:
            confirmation = Confirmation(config, sweep.plan, named.store, tracker, run, provenance, observer)
            confirmation.finish(scheduler_for, signals)
            from hpsearch.commands.publish import publish  # noqa: PLC0415 (matplotlib and scipy, a second)

            report = publish(load_from_disk(named.store), config, tracker, run)
        tracker.describe_sweep(run, describe_sweep(named, _summary(sweep.score, records, report, baselines)))
    return SweepResult(named, config, sweep.score, records, command, tracker.uri, run, report, baselines)


def _baselines(
    sweep: SweepPlan, workers: WorkerPool | None, signals: StopSignals, observer: Observer
) -> tuple[Baseline, ...]:
    """Return what baselines get on the rows of a sweep, which are trained unless they are stored."""
    asked, store = sweep.config.evaluation.baseline, sweep.named.store
    stored = store.baselines()
    known = {each.kind: each for each in stored or ()}
    wanted = None if asked is None and stored is None else [kind for kind in asked or () if kind not in known]

    def shown() -> tuple[Baseline, ...]:
        return tuple(each for each in known.values() if asked is None or each.kind in asked)

    if workers is None or wanted == []:
        return shown()
    evaluation = replace(sweep.config.evaluation, baseline=wanted)
    try:
        with observer.phase("training baselines"):
            trained = train_baselines(workers.executor, replace(sweep.config, evaluation=evaluation), signals)
    except HpsearchError as error:
        if isinstance(error, StoppedError):
            raise
        observer.warn(f"baselines could not be trained: {described(error)}")
        return shown()
    known |= {each.kind: each for each in trained}
    store.write_baselines(list(known.values()))
    return shown()


def _ended_early(search: Search, done: int, total: int, *, by_patience: bool) -> str:
    count = f"{done} of {number_of(total, 'trial')}"
    if by_patience:
        return (
            f"ended after {count}, since the last {search.patience} or more were no better (search.patience); "
            "search.patience=null goes on"
        )
    return f"search.timeout={search.timeout} is over after {count}; the same command goes on"


def _summary(
    score: Score, records: list[Record], report: "PublishedReport | None", baselines: Sequence[Baseline]
) -> str:
    if report is not None:
        from hpsearch.report.page import first_screen_markdown  # noqa: PLC0415 (matplotlib and scipy, a second)

        answers = "\n".join(f"- {status}: {sentence}" for status, sentence in report.answers)
        return answers if report.first is None else first_screen_markdown(report.first)
    champion, trials = find_champion(records), number_of(len(records), "trial")
    if champion is None:
        return f"None of {trials} has a score that counts."
    shown = score.show(champion.result.score, champion.result.score_se)
    summary = f"Of {trials}, trial {champion.name} is the best: {score.name} {shown}."
    if not baselines:
        return summary
    told, verdict = compare_with_baselines(score, baselines, (champion.name, champion.result), len(records))
    return " ".join([summary, told, *([f"{capital(verdict)}."] if verdict else [])])


def _no_scheduler(jobs: Mapping[Key, TrialJob]) -> FleetScheduler:
    raise AssertionError(f"nothing is missing, got {sorted(jobs)}")


def _prepare(base: Composed, levels: tuple[Level, ...], command: Command, observer: Observer) -> SweepPlan:
    config = base.config
    for sentence in exhausted(levels, config.search.trials):
        observer.warn(sentence)
    with observer.phase("reading the images") if isinstance(config.data, FolderData) else nullcontext():
        source = find_source(config.data_for_loss)
        development = load_development(source.data, source=source)
        sealed = seal(source.data, source=source, development=development)
    check_truth_table(config, development, sealed)
    plan = Plan(base, levels, data_digest(development, sealed), _cost_of(development))
    plan = plan.with_configs(lambda config: _with_resolved_data(config, source))
    plan, taken = warm_start(plan)
    named = name_of(plan, command.overrides, development, sealed)
    if sealed is not None:
        warn_of_opened_rows(observer, config.tracking.directory, development, sealed)
    for sentence in named.store.survey()[1]:
        observer.warn(f"{sentence}; this trial is trained again")
    records, requested = named.store.records(), plan.keys(config.search.trials)
    missing = set(plan.missing(records, config.search.trials))
    finished = [records[key] for key in requested if key in records and key not in missing]
    configs = plan.foreseen(records, config.search.trials)
    score = Score.of(config, development)
    extra_trials = len(records.keys() - set(requested))
    if config.search.compares and (warning := too_few_seeds(config, len(levels))):
        observer.warn(warning)
    return SweepPlan(plan, named, source, score, development.n, finished, configs, extra_trials, tuple(taken))


def _cost_of(development: Development) -> Callable[[Objective, Config], float]:
    """Costs of networks on rows with every category that there is: a fit without some of them has no higher ones."""
    shapes: dict[str, tuple[int, ...]] = {}

    def cost_of(objective: Objective, config: Config) -> float:
        from hpsearch.nn.costs import network_cost  # noqa: PLC0415 (torch, a second)

        key = repr(config.preprocess)
        if key not in shapes:
            rows = np.arange(development.n)
            shapes[key] = fit_preprocessing(development, rows, config.preprocess)[1].shape[1:]
        targets = 1 if development.classes else development.targets.shape[1]
        outputs = output_count(config.loss, development.task, development.classes, targets, data=development.name)
        return network_cost(objective, config, shapes[key], outputs)

    return cost_of


def _with_resolved_data(config: Config, source: Source) -> Config:
    # Records and best.yaml must name the rows that were used, full or packaged.
    return replace(config, data=replace(source.data, limit=config.data.limit))


def show_stand_in(observer: Observer, source: Source, named: SweepIdentity) -> None:
    """Warn that other rows replace the requested ones; the reasons are printed only for a new sweep."""
    for line in source.note:
        observer.warn(line)
    for line in () if named.known else source.reasons:
        observer.line(f"    {line}")


def _totals(records: list[Record]) -> dict[str, float]:
    champion = find_champion(records)
    pruned = sum(r.result.status is Status.PRUNED for r in records)
    failed = sum(r.result.score is None for r in records) - pruned
    totals = {"trials/all": float(len(records)), "trials/failed": float(failed), "trials/pruned": float(pruned)}
    return totals if champion is None else {**totals, "best/score": float(champion.result.score or 0.0)}
