"""Runs a sweep, or one configuration: a sweep of one trial."""

from argparse import Namespace
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from hpsearch import __version__
from hpsearch.cli.best import write_best
from hpsearch.cli.building import build_executor, build_foreman, check_configs, connect, journal_path, open_run
from hpsearch.cli.compose import Composer
from hpsearch.cli.naming import Named, engine_text, name_sweep
from hpsearch.cli.planning import plan_space
from hpsearch.cli.scores import Score
from hpsearch.cli.screens import Closing, introduce, tell_engines
from hpsearch.cli.watching import Watching
from hpsearch.config import Config, ConfigError, Engine
from hpsearch.data.rows import Development
from hpsearch.data.seal import SealedTest, data_digest, load_development, seal
from hpsearch.data.sources import Source, find_source
from hpsearch.records import NO_LEVEL
from hpsearch.search.champion import find_champion
from hpsearch.search.folders import check_directory
from hpsearch.search.journal import open_study
from hpsearch.search.paces import remember_paces
from hpsearch.search.plan import Plan
from hpsearch.search.stop import StoppedError, StopSignals
from hpsearch.search.study import Driver, missing_trials, now_ms
from hpsearch.search.trial_records import Record
from hpsearch.space import Composed, Space
from hpsearch.terminal import Terminal
from hpsearch.tracking.runs import Ending


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sweep that was checked as far as this process can, and of which nothing is written yet."""

    plan: Plan
    named: Named
    source: Source
    varied: list[str]
    score: Score
    rows: int

    @property
    def config(self) -> Config:
        """The configuration with no option varied."""
        return self.plan.base.config

    @property
    def columns(self) -> list[str]:
        """What MLflow's table of trials shows beside the score."""
        return [*self.varied, *(f"report/{name}" for name in self.score.report)]


def run_sweep(composer: Composer, base: Composed, command: Namespace, terminal: Terminal) -> int:
    """Starts, resumes or grows a sweep, or shows a finished one; returns the exit status."""
    sweep = _prepare(composer, base, command, terminal)
    config, named = sweep.config, sweep.named
    trials = config.search.trials
    done = named.store.records()
    missing = [sweep.plan.trial(k).config for k in missing_trials(done, trials)]
    tell_stand_in(terminal, sweep.source, named)
    introduce(terminal, named, config, sweep.score, trials - len(missing))
    check_directory(config.tracking.directory)
    with StopSignals() as signals, ExitStack() as stack:
        executor = stack.enter_context(build_executor(config, sweep.source.data, len(missing))) if missing else None
        checked = check_configs(executor, missing, named.engine, signals) if executor is not None else None
        if checked is not None:
            named.require_device(checked.device, config)
            tell_engines(terminal, checked)
        stack.enter_context(named.store.lock())
        tracker = stack.enter_context(connect(config))
        named.freeze()
        named.store.request(trials)
        study = open_study(journal_path(config), named.name, named.identity)
        run = open_run(tracker, named, sweep.columns)
        foreman = None
        if executor is not None and checked is not None:
            remember_paces(Path(config.tracking.directory), checked.measured)
            foreman = build_foreman(executor, checked, missing, sweep.rows)
        finished = [done[NO_LEVEL, k] for k in range(trials) if k not in missing_trials(done, trials)]
        watch = stack.enter_context(Watching(terminal, tracker, run, sweep.score, trials, finished))
        driver = Driver(sweep.plan, study, named.store, tracker, run, foreman, watch, signals)
        records = _drive(driver, trials)
        best = write_best(named.store.folder, named.name, records, command.config_dir)
        if best is not None:
            tracker.log_artifacts(run.run_id, {"best.yaml": best})
        tracker.log_metrics(run.run_id, _totals(records), step=trials, at_ms=now_ms())
        tracker.close_sweep(run, Ending.FINISHED, ended_ms=now_ms())
        closing = Closing(named, config, sweep.score, records, command, tracker.uri, run)
    closing.show(terminal)
    return 0 if any(record.result.status.scored for record in records) else 1


def _prepare(composer: Composer, base: Composed, command: Namespace, terminal: Terminal) -> Prepared:
    config = base.config
    space = plan_space(composer.compose, composer.overrides, composer.known_options)
    _check_trials(config, space, terminal)
    source = find_source(config.data)
    development = load_development(config.data, source=source)
    sealed = seal(config.data, source=source, development=development)
    if config.evaluation.kind == "truth_table" and sealed is not None:
        raise ConfigError(
            "evaluation=truth_table trains and scores on the same rows: it must be used with data=xor, got "
            f"{development.name}"
        )

    def settle(composed: Composed) -> Composed:
        """With full or packaged data decided, so that records and best.yaml mean the rows that were used."""
        return replace(composed, config=replace(composed.config, data=source.data))

    plan = Plan(
        settle(base), space, lambda options: settle(composer.compose(options)), data_digest(development, sealed)
    )
    score = Score.of(config, development)
    named = _name(plan, command, development, sealed)
    return Prepared(plan, named, source, list(space.names), score, development.n)


def tell_stand_in(terminal: Terminal, source: Source, named: Named) -> None:
    """That other rows stand in for those that were asked for; why, only when the sweep is new."""
    for line in source.note:
        terminal.warn(line)
    for line in () if named.known else source.reasons:
        terminal.line(f"    {line}")


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


def _totals(records: list[Record]) -> dict[str, float]:
    """What the parent run says about all trials."""
    champion = find_champion(records)
    totals = {"trials/all": float(len(records)), "trials/failed": float(sum(r.result.score is None for r in records))}
    return totals if champion is None else {**totals, "best/score": float(champion.result.score or 0.0)}


def _check_trials(config: Config, space: Space, terminal: Terminal) -> None:
    trials = config.search.trials
    if trials > 1 and not space.names:
        tuned = (
            f"every value of search.tune={config.search.tune} is given" if config.search.tune else "nothing is tuned"
        )
        raise ConfigError(
            f"search.trials is {trials} and nothing varies ({tuned}): name groups in search.tune, or options in "
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
    data = {
        "name": development.name,
        "development_rows": development.n,
        "targets": f"{development.classes} classes" if development.classes else "numbers",
        "test": test,
    }
    facts = {
        "engine": engine_text(config.engine),
        "overrides": list(command.overrides),
        "data": data,
        "version": __version__,
        "created_ms": now_ms(),
    }
    named = name_sweep(plan, default, started_by, facts)
    stored = named.engine
    if config.engine not in (Engine.AUTO, stored):
        raise ConfigError(
            f"engine={config.engine}: sweep {named.name!r} was started with engine={stored}, use another `name=`"
        )
    return named
