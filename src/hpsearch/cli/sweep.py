"""Runs a sweep, or one configuration: a sweep of one trial."""

import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import optuna

from hpsearch import __version__, jobs
from hpsearch.cli.best import write_best
from hpsearch.cli.closing import show_result
from hpsearch.cli.compose import Composer
from hpsearch.cli.naming import Named, name_sweep
from hpsearch.cli.planning import plan_space
from hpsearch.cli.watching import Watching, to_row
from hpsearch.config import Config, ConfigError
from hpsearch.data.seal import SealedTest, data_digest, load_development, seal
from hpsearch.data.sources import find_source
from hpsearch.engine import resolve_engine
from hpsearch.execution.local import LocalExecutor
from hpsearch.jobs import Answer, CheckJob, Job
from hpsearch.records import Trial
from hpsearch.search.journal import open_journal
from hpsearch.search.plan import Plan
from hpsearch.search.stop import Stopped, StopSignals
from hpsearch.search.store import check_directory
from hpsearch.search.study import Driver
from hpsearch.search.trial_records import Record
from hpsearch.space import Composed, Space
from hpsearch.terminal import Terminal
from hpsearch.tracking.environment import describe
from hpsearch.tracking.mlflow import Ending, SweepRun, Tracker


def run_sweep(composer: Composer, base: Composed, command: Namespace, terminal: Terminal) -> int:
    """Starts, resumes or grows a sweep, or shows a finished one; returns the exit status."""
    config = base.config
    space = plan_space(composer.compose, composer.overrides, composer.known_options)
    _check_trials(config, space, terminal)
    source = find_source(config.data)
    if source.note:
        terminal.warn(source.note)
    development = load_development(config.data, source=source)
    sealed = seal(config.data, source=source, development=development)
    plan = Plan(base, space, composer.compose, data_digest(development, sealed))
    packaged = "-packaged" if development.name == "mnist-packaged" else ""
    started_by = base.actions.get("sweep")
    facts = _facts(config, command, development.name, development.n, sealed)
    named = name_sweep(plan, f"{started_by or 'run'}{packaged}", started_by, facts)
    _check_engine(config, named)
    if named.note:
        terminal.warn(named.note)
    trials = [plan.trial(k) for k in range(config.search.trials)]
    done = [attempt.record for attempt in named.store.finished().values() if attempt.record is not None]
    _introduce(terminal, named, trials, len(done))
    set_up = partial(jobs.set_up, source.data, config.execution.device)
    workers = _workers(config, len(trials) - len(done))
    with StopSignals() as signals, LocalExecutor[Job, Answer](set_up, jobs.work, workers=workers) as executor:
        device = _check(executor, trials, signals)
        _check_device(config, named, device)
        check_directory(config.tracking.directory)
        with named.store.lock(), _connect(config) as tracker:
            if not named.known:
                named.specification["device"] = device
            named.freeze()
            run = _open_run(tracker, named, sealed)
            study = _open_study(config, named)
            watch = Watching(terminal, tracker, run, len(trials), [to_row(r) for r in done])
            driver = Driver(plan, study, named.store, tracker, run, executor, watch, signals)
            records = _drive(driver, len(trials))
            best = write_best(named.store.folder, named.name, records)
            if best is not None:
                tracker.log_artifacts(run.run_id, {"best.yaml": best})
            tracker.close_sweep(run, Ending.FINISHED, ended_ms=_now_ms())
            uri = tracker.uri
    show_result(terminal, config, named, records, command, uri, run)
    return 0 if best is not None else 1


def _drive(driver: Driver, trials: int) -> list[Record]:
    """All records; the parent run is closed whatever happens."""
    try:
        with driver.watch:
            return driver.finish(trials)
    except Stopped:
        driver.tracker.close_sweep(driver.run, Ending.KILLED, ended_ms=_now_ms())
        raise
    except Exception:
        driver.tracker.close_sweep(driver.run, Ending.FAILED, ended_ms=_now_ms())
        raise


def _check_trials(config: Config, space: Space, terminal: Terminal) -> None:
    if config.search.trials > 1 and not space.names:
        raise ConfigError(
            f"search.trials is {config.search.trials} and nothing varies: name groups in search.tune, "
            "or options in search.choose.<group>"
        )
    if space.size < config.search.trials:
        terminal.warn(
            f"the space holds {space.size:g} distinct configurations, search.trials={config.search.trials} repeats some"
        )


def _check_engine(config: Config, named: Named) -> None:
    stored = named.specification["engine"]
    if named.known and config.engine != "auto" and config.engine != stored:
        raise ConfigError(
            f"engine={config.engine}: sweep {named.name!r} was started with {stored}; use another `name=`"
        )


def _check_device(config: Config, named: Named, device: str) -> None:
    stored = named.specification.get("device", device)
    if stored != device and config.extend is None:
        raise ConfigError(
            f"sweep {named.name!r} was run on {stored}, this is {device}: results differ in their last digits; "
            "extend=device goes on all the same"
        )


def _check(executor: LocalExecutor[Job, Answer], trials: list[Trial], signals: StopSignals) -> str:
    """Finds out in a worker whether all trials can be trained, before anything is written; returns the device kind."""
    distinct = {
        repr((t.config.model, t.config.norm, t.config.loss, t.config.schedule, t.config.training)): t for t in trials
    }
    executor.submit("check", CheckJob(tuple(trial.config for trial in distinct.values())))
    while True:
        if signals.number is not None:
            raise Stopped(signals.number)
        for done in executor.wait(0.2):
            if isinstance(done.value, str):
                return done.value
            failure = done.failure
            raise ConfigError(*(failure.message if hasattr(failure, "message") else str(failure)).splitlines())


def _facts(config: Config, command: Namespace, data: str, rows: int, sealed: SealedTest | None) -> dict[str, Any]:
    test = {"rows": sealed.size, "digest": sealed.digest, "duplicates": sealed.duplicates} if sealed else None
    return {
        "engine": resolve_engine(config.engine).value,
        "overrides": list(command.overrides),
        "data": {"name": data, "development_rows": rows, "test": test},
        "version": __version__,
        "created_ms": _now_ms(),
    }


def _introduce(terminal: Terminal, named: Named, trials: list[Trial], done: int) -> None:
    data, config = named.specification["data"], trials[0].config
    test = data["test"]
    sealed = f"{test['rows']:,} sealed" if test else "no test set: trained and scored on the same rows"
    terminal.line(f"sweep {named.name}", style="bold")
    terminal.line(f"  data    {data['name']}: {data['development_rows']:,} development rows, {sealed}")
    if test and test["duplicates"]:
        terminal.warn(f"{test['duplicates']} of the sealed rows also occur among the development rows")
    resumed = f", {done} done" if done else ""
    epochs = f"{config.training.epochs} epochs each" if "training" not in config.search.tune else "training is tuned"
    terminal.line(f"  trials  {len(trials)}{resumed}, {epochs}, scored by {config.options['evaluation']}")


def _workers(config: Config, missing: int) -> int:
    cores = _cores()
    asked = config.execution.workers or cores
    return max(1, min(asked, missing))


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _connect(config: Config) -> Tracker:
    return Tracker.connect(config.tracking.uri, Path(config.tracking.directory))


def _open_run(tracker: Tracker, named: Named, sealed: SealedTest | None) -> SweepRun:
    data = named.specification["data"]
    tags = {
        **describe(),
        "fingerprint": named.specification["fingerprint"],
        "data": data["name"],
        "engine": named.specification["engine"],
        "device": named.specification["device"],
        **({"test_digest": sealed.digest, "test_duplicates": str(sealed.duplicates)} if sealed else {}),
    }
    return tracker.open_sweep(
        named.name,
        identity=f"{named.specification['fingerprint']}-{named.specification['created_ms']}",
        started_ms=_now_ms(),
        description=_description(named),
        tags=tags,
    )


def _description(named: Named) -> str:
    data = named.specification["data"]
    command = " ".join(["python -m hpsearch", *named.specification["overrides"]])
    return (
        f"**{named.name}**, a sweep of hpsearch on `{data['name']}`: one child run for each trial, "
        f"`score` is the validation metric (higher is better), `report/…` is what to quote.\n\n    {command}\n"
    )


def _open_study(config: Config, named: Named) -> optuna.Study:
    storage = open_journal(Path(config.tracking.directory) / "optuna.journal")
    return optuna.create_study(storage=storage, study_name=named.name, direction="maximize", load_if_exists=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
