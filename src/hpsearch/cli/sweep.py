"""Runs a sweep, or one configuration: a sweep of one trial."""

from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hpsearch import __version__
from hpsearch.cli.best import write_best
from hpsearch.cli.building import build_executor, check_configs, connect, now_ms, open_run
from hpsearch.cli.compose import Composer
from hpsearch.cli.naming import Named, name_sweep
from hpsearch.cli.planning import plan_space
from hpsearch.cli.screens import Closing, introduce
from hpsearch.cli.watching import Watching, to_row
from hpsearch.config import Config, ConfigError
from hpsearch.data.rows import Development
from hpsearch.data.seal import SealedTest, data_digest, load_development, seal
from hpsearch.data.sources import find_source
from hpsearch.engine import resolve_engine
from hpsearch.records import NO_LEVEL
from hpsearch.search.journal import JOURNAL, open_study
from hpsearch.search.plan import Plan
from hpsearch.search.stop import StoppedError, StopSignals
from hpsearch.search.store import check_directory
from hpsearch.search.study import Driver
from hpsearch.search.trial_records import Record
from hpsearch.space import Composed, Space
from hpsearch.terminal import Terminal
from hpsearch.tracking.runs import Ending


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
    named = _name(plan, command, development, sealed)
    trials = [plan.trial(k) for k in range(config.search.trials)]
    done = {key: record for key, record in named.store.records().items() if key[1] < len(trials)}
    missing = [trial.config for trial in trials if (NO_LEVEL, trial.k) not in done]
    introduce(terminal, named, config, len(done))
    check_directory(config.tracking.directory)
    with StopSignals() as signals, ExitStack() as stack:
        executor = stack.enter_context(build_executor(config, source.data, len(missing))) if missing else None
        if executor is not None:
            _check_device(config, named, check_configs(executor, missing, signals))
        stack.enter_context(named.store.lock())
        tracker = stack.enter_context(connect(config))
        named.freeze()
        run = open_run(tracker, named.specification, [*space.names, *_shown(development)])
        watch = stack.enter_context(Watching(terminal, tracker, run, len(trials), list(map(to_row, done.values()))))
        study = open_study(Path(config.tracking.directory) / JOURNAL, named.name)
        driver = Driver(plan, study, named.store, tracker, run, executor, watch, signals)
        records = _drive(driver, len(trials))
        best = write_best(named.store.folder, named.name, records)
        if best is not None:
            tracker.log_artifacts(run.run_id, {"best.yaml": best})
        tracker.close_sweep(run, Ending.FINISHED, ended_ms=now_ms())
        closing = Closing(named, config, records, command.overrides, tracker.uri, run)
    closing.show(terminal)
    return 0 if best is not None else 1


def _drive(driver: Driver, trials: int) -> list[Record]:
    """All records; the parent run is closed whatever happens."""
    try:
        return driver.finish(trials)
    except StoppedError:
        driver.tracker.close_sweep(driver.run, Ending.KILLED, ended_ms=now_ms())
        raise
    except Exception:
        driver.tracker.close_sweep(driver.run, Ending.FAILED, ended_ms=now_ms())
        raise


def _check_trials(config: Config, space: Space, terminal: Terminal) -> None:
    trials = config.search.trials
    if trials > 1 and not space.names:
        raise ConfigError(
            f"search.trials is {trials} and nothing varies: name groups in search.tune, or options in "
            "search.choose.<group>"
        )
    if space.size < trials:
        terminal.warn(f"the space holds {space.size:g} distinct configurations: search.trials={trials} repeats some")


def _name(plan: Plan, command: Namespace, development: Development, sealed: SealedTest | None) -> Named:
    config, started_by = plan.base.config, plan.base.actions.get("sweep")
    default = started_by or "run"
    if development.name == "mnist-packaged":
        default = f"{default}-packaged"
    test = {"rows": sealed.size, "digest": sealed.digest, "duplicates": sealed.duplicates} if sealed else None
    facts: dict[str, Any] = {
        "engine": resolve_engine(config.engine).value,
        "overrides": list(command.overrides),
        "data": {"name": development.name, "development_rows": development.n, "test": test},
        "version": __version__,
        "created_ms": now_ms(),
    }
    named = name_sweep(plan, default, started_by, facts)
    stored = named.specification["engine"]
    if config.engine not in ("auto", stored):
        raise ConfigError(
            f"engine={config.engine}: sweep {named.name!r} was started with {stored}; use another `name=`"
        )
    return named


def _check_device(config: Config, named: Named, device: str) -> None:
    stored = named.specification.setdefault("device", device)
    if stored != device and config.extend is None:
        raise ConfigError(
            f"sweep {named.name!r} was run on {stored}, this is {device}: results differ in their last digits; "
            "extend=device goes on all the same"
        )


def _shown(development: Development) -> list[str]:
    return ["report/accuracy" if development.classes else "report/mse"]
