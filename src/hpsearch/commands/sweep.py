"""Runs a sweep, or one configuration: a sweep of one trial."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hpsearch.commands.best_config import write_best
from hpsearch.commands.confirm import confirm, confirm_seeds, plan_retrainings, too_few_seeds
from hpsearch.commands.observer import Observer
from hpsearch.commands.previous_reports import tell_opened, tell_other_code, warn_of_earlier_views
from hpsearch.commands.progress import ProgressReporter
from hpsearch.commands.tracking_run import check_tracking, connect, describe_sweep, journal_path, load_tracking, running
from hpsearch.compose.overrides import Command
from hpsearch.config import Config
from hpsearch.data.datasets import Source, find_source
from hpsearch.data.seal import data_digest, load_development, seal
from hpsearch.execution.interrupts import StopSignals
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.execution.throughput import WorkerPool, build_executor, fits_of
from hpsearch.formatting import number_of
from hpsearch.jobs import TrialJob
from hpsearch.records import Key, Status
from hpsearch.scoring.score_format import Score
from hpsearch.search.checks import check_truth_table, exhausted
from hpsearch.search.driver import Driver
from hpsearch.search.levels import Level
from hpsearch.search.plan import Plan
from hpsearch.search.retraining import RetrainingLog, Retrainings
from hpsearch.search.search_loop import SearchLoop
from hpsearch.search.space import Composed
from hpsearch.search.sweep_identity import SweepIdentity, name_of
from hpsearch.search.trial_log import TrialLog
from hpsearch.secrets import mask_secrets
from hpsearch.store.atomic_files import check_directory
from hpsearch.store.champion_selection import find_champion
from hpsearch.store.loader import load_from_disk
from hpsearch.store.optuna_journal import name_score, open_study
from hpsearch.store.provenance import Provenance
from hpsearch.store.record_json import Record
from hpsearch.tracking.environment import requirements, uncommitted
from hpsearch.tracking.run_format import SweepRun, now_ms
from hpsearch.tracking.tracker import Tracker

if TYPE_CHECKING:
    from hpsearch.commands.publish import PublishedReport


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A sweep that was checked as far as this process can, and of which nothing is written yet.

    Attributes:
        plan: What it is.
        named: Its name, and what is stored under that.
        source: Where its rows come from.
        varied: Every name that a trial may draw.
        score: What trials are scored by.
        rows: Number of development rows.
        finished: The trials that are finished, of those that are asked for.
        missing: The configurations of the others.
        extra_trials: How many finished trials the sweep has beyond those that are asked for.
        seeds: Fresh seeds that retrain the recipe of each level; 0 where nothing is compared.
    """

    plan: Plan
    named: SweepIdentity
    source: Source
    varied: list[str]
    score: Score
    rows: int
    finished: list[Record]
    missing: list[Config]
    extra_trials: int
    seeds: int

    @property
    def retrainings(self) -> Retrainings:
        """The recipes on fresh seeds, as far as the search has come."""
        return plan_retrainings(self.plan, self.named.store, self.seeds)

    @property
    def to_train(self) -> list[Config]:
        """The configurations that are known to be trained: of trials, or else of recipes."""
        if self.missing or not self.seeds:
            return self.missing
        return [job.config for job in self.retrainings.jobs.values()]

    @property
    def config(self) -> Config:
        """The configuration with no option varied."""
        return self.plan.base.config

    @property
    def columns(self) -> list[str]:
        """What MLflow's table of trials shows beside the score."""
        return [*self.varied, *(f"report/{name}" for name in self.score.report)]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A sweep after its command.

    Attributes:
        identity: Its name, specification and records on disk.
        config: The configuration with no option varied.
        score: What trials are scored by.
        records: All trials that have ended.
        command: The command that ran it.
        uri: Of the tracking store.
        run: Its run there.
        report: The comparison's report; None where nothing is compared.
    """

    identity: SweepIdentity
    config: Config
    score: Score
    records: Sequence[Record]
    command: Command
    uri: str
    run: SweepRun
    report: "PublishedReport | None" = None

    @property
    def scored(self) -> bool:
        """Whether any trial has a score."""
        return any(record.result.status.scored for record in self.records)


def run_sweep(
    base: Composed, levels: tuple[Level, ...], command: Command, observer: Observer, signals: StopSignals
) -> SweepResult:
    """Starts, resumes or grows a sweep, or finds it finished.

    Args:
        base: The configuration with no option varied.
        levels: What is compared, each with its space; one level where nothing is.
        command: As it was given.
        observer: Is told what happens.
        signals: Stop it when they arrive.

    Raises:
        ConfigError: If something does not fit together; nothing is written then.
        StoppedError: By a signal; the same command resumes.
    """
    config = base.config
    check_tracking(config)
    check_directory(config.tracking.directory)
    if config.search.compares:
        check_directory(config.report.directory)
    sweep = _prepare(base, levels, command, observer)
    with signals, ExitStack() as stack:
        workers = _hire(sweep, signals, stack)
        if workers is not None:
            sweep = replace(sweep, named=sweep.named.on_device(workers.checked.device, sweep.config))
        # Only now, so that what is refused does not look like a run that has begun.
        _introduce(sweep, workers, observer)
        stack.enter_context(sweep.named.store.lock())
        tracker = stack.enter_context(connect(sweep.config, observer))
        return _run(sweep, workers, tracker, signals, command, observer)


def _hire(sweep: SweepPlan, signals: StopSignals, stack: ExitStack) -> WorkerPool | None:
    """Workers that have found out how to train what is missing; none where nothing is."""
    configs = sweep.to_train
    if not configs:
        return None
    trainings = len(configs) + sweep.seeds * len(sweep.plan.levels)
    fits = trainings * fits_of(sweep.config, sweep.rows)
    load_tracking(sweep.config)  # while the fork server loads torch, which takes longer
    executor = stack.enter_context(build_executor(sweep.config, sweep.source.data, fits))
    workers = WorkerPool(executor, sweep.named.engine, signals, sweep.rows)
    workers.probe(configs)
    return workers


def _introduce(sweep: SweepPlan, workers: WorkerPool | None, observer: Observer) -> None:
    tell_stand_in(observer, sweep.source, sweep.named)
    observer.sweep_started(sweep.named, sweep.plan, sweep.score, len(sweep.finished), sweep.extra_trials)
    if workers is not None:
        observer.engines_chosen(workers.checked)


def _run(
    sweep: SweepPlan,
    workers: WorkerPool | None,
    tracker: Tracker,
    signals: StopSignals,
    command: Command,
    observer: Observer,
) -> SweepResult:
    """Everything that writes."""
    config, named, trials = sweep.config, sweep.named, sweep.config.search.trials
    named.freeze()
    named.store.request(len(sweep.plan.keys(trials)))
    study = open_study(journal_path(config), named.name, named.identity)
    provenance = Provenance.here(str(named.specification.device) if workers is None else workers.checked.device)
    name_score(study, sweep.score.signed)
    own = {key: str(value) for key, value in mask_secrets(config.tracking.tags).items()}
    with running(tracker, named, sweep.columns, {} if workers is None else workers.tags, own) as run:
        diffs = uncommitted((config.tracking.directory, config.report.directory))
        tracker.log_artifacts(
            run.run_id, {"sweep.json": named.store.folder / "sweep.json", "requirements.txt": requirements(), **diffs}
        )
        if sweep.plan.search.compares and workers is not None:
            warn_of_earlier_views(observer, named, tracker.looks, run)
            tell_other_code(observer, named, provenance)
        log = TrialLog(tracker, run, provenance, sweep.plan, study, named.store)
        scheduler_for = _no_scheduler if workers is None else workers.scheduler_for
        total = len(sweep.plan.keys(trials))
        with ProgressReporter(observer, tracker, run, sweep.score, total, sweep.finished) as watch:
            driver = Driver(log, scheduler_for, signals, watch.trial_done, watch.tick)
            SearchLoop(sweep.plan, driver, watch).finish(trials)
        records = list(named.store.records().values())  # more than were asked for, if the sweep had more already
        best = write_best(named.store.folder, named.name, records, command.config_dir)
        if best is not None:
            tracker.log_artifacts(run.run_id, {"best.yaml": best})
        tracker.log_metrics(run.run_id, _totals(records), step=len(records), at_ms=now_ms())
        if sweep.plan.search.compares:
            retrainings = sweep.retrainings
            seed_log = RetrainingLog(tracker, run, provenance, retrainings.recipes)
            confirm(retrainings, seed_log, scheduler_for, signals, observer)
        report = _report(sweep, tracker, run) if sweep.plan.search.compares else None
        tracker.describe_sweep(run, describe_sweep(named, _result(sweep.score, records, report)))
    return SweepResult(named, config, sweep.score, records, command, tracker.uri, run, report)


def _report(sweep: SweepPlan, tracker: Tracker, run: SweepRun) -> "PublishedReport":
    # matplotlib and scipy take a second to load, which a search alone has no use for.
    from hpsearch.commands.publish import publish  # noqa: PLC0415

    return publish(load_from_disk(sweep.named.store), sweep.config, tracker, run)


def _result(score: Score, records: list[Record], report: "PublishedReport | None") -> str:
    """What came out, for the pages of MLflow."""
    if report is not None:
        return "\n".join(f"- {status}: {sentence}" for status, sentence in report.answers)
    champion, trials = find_champion(records), number_of(len(records), "trial")
    if champion is None:
        return f"None of {trials} has a score that counts."
    shown = score.show(champion.result.score, champion.result.score_se)
    return f"Of {trials}, trial {champion.name} is the best: {score.name} {shown}."


def _no_scheduler(jobs: Mapping[Key, TrialJob]) -> FleetScheduler:
    raise AssertionError(f"nothing is missing, got {sorted(jobs)}")


def _prepare(base: Composed, levels: tuple[Level, ...], command: Command, observer: Observer) -> SweepPlan:
    config = base.config
    for sentence in exhausted(levels, config.search.trials):
        observer.warn(sentence)
    source = find_source(config.data)
    development = load_development(config.data, source=source)
    sealed = seal(config.data, source=source, development=development)
    check_truth_table(config, development, sealed)
    plan = _with_resolved_data(base, levels, source, data_digest(development, sealed))
    named = name_of(plan, command.overrides, development, sealed)
    if sealed is not None:
        tell_opened(observer, config.tracking.directory, development, sealed)
    for sentence in named.store.survey()[1]:
        observer.warn(f"{sentence}; this trial is trained again")
    done = named.store.records()
    missing = plan.missing(done, config.search.trials)
    finished = [done[key] for key in plan.keys(config.search.trials) if key not in set(missing)]
    configs = plan.foreseen(done, config.search.trials)
    score = Score.of(config, development)
    extra_trials = len(done.keys() - set(plan.keys(config.search.trials)))
    seeds = confirm_seeds(config, len(levels)) if config.search.compares else 0
    few = too_few_seeds(config, len(levels)) if config.search.compares else None
    if few is not None:
        observer.warn(few)
    return SweepPlan(plan, named, source, plan.names, score, development.n, finished, configs, extra_trials, seeds)


def _with_resolved_data(base: Composed, levels: tuple[Level, ...], source: Source, digest: str) -> Plan:
    """The plan with full or packaged data decided, so that records and best.yaml mean the rows that were used."""

    def settle(composed: Composed) -> Composed:
        data = replace(source.data, limit=composed.config.data.limit)
        return replace(composed, config=replace(composed.config, data=data))

    def settle_level(level: Level) -> Level:
        return replace(level, base=settle(level.base), compose=lambda options: settle(level.compose(options)))

    return Plan(settle(base), tuple(map(settle_level, levels)), digest)


def tell_stand_in(observer: Observer, source: Source, named: SweepIdentity) -> None:
    """That other rows stand in for those that were asked for; why, only when the sweep is new."""
    for line in source.note:
        observer.warn(line)
    for line in () if named.known else source.reasons:
        observer.line(f"    {line}")


def _totals(records: list[Record]) -> dict[str, float]:
    """What the parent run says about all trials."""
    champion = find_champion(records)
    pruned = sum(r.result.status is Status.PRUNED for r in records)
    failed = sum(r.result.score is None for r in records) - pruned
    totals = {"trials/all": float(len(records)), "trials/failed": float(failed), "trials/pruned": float(pruned)}
    return totals if champion is None else {**totals, "best/score": float(champion.result.score or 0.0)}
