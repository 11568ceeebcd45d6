"""`+report=…`: from logged runs to pages, without training anything."""

from collections.abc import Iterable
from pathlib import Path

from hpsearch.analysis.compare import analyse
from hpsearch.analysis.table import read_table
from hpsearch.cli.building import connect
from hpsearch.cli.leaderboard import report_leaderboard
from hpsearch.cli.naming import find_sweep
from hpsearch.cli.overrides import Overrides
from hpsearch.cli.publishing import publish, summarize
from hpsearch.cli.report_screen import show_report
from hpsearch.config import Config, ConfigError
from hpsearch.config.run import UNCOVERED
from hpsearch.config.tree import nearest
from hpsearch.quoting import hydra_quoted
from hpsearch.report.write import write_report
from hpsearch.search.folders import check_directory, slug
from hpsearch.search.gathered import Gathered, gather_local, gather_tracked
from hpsearch.search.store import list_sweeps
from hpsearch.space import Composed
from hpsearch.terminal import Terminal
from hpsearch.tracking.mlflow import Tracker
from hpsearch.tracking.runs import SweepRun

TABLE_ONLY = ("path", "metric", "delta", "alpha", "control")
"""Keys of `report` that a stored sweep says itself."""


def run_report(overrides: Overrides, base: Composed, terminal: Terminal) -> int:
    """Writes a report; returns the exit status.

    Raises:
        ConfigError: If there is nothing that is meant, or the command sets what a report cannot change.
    """
    asked, option = base.config, base.actions["report"]
    _refuse_settings(overrides, option)
    check_directory(asked.report.directory)
    if option == "table":
        return _report_table(asked, terminal)
    with connect(asked) as tracker:
        if option == "leaderboard":
            return report_leaderboard(asked, tracker, terminal)
        found, run = _find(asked, option, tracker)
        published = publish(found, asked, tracker, run)
    show_report(terminal, published)
    return 0


def _refuse_settings(overrides: Overrides, option: str) -> None:
    """A report shows what was run: nothing that makes a sweep what it is can be set."""
    given = [*overrides.values, *(f"{group}={choice}" for group, choice in overrides.options.items())]
    useless = [key for key in given if key.partition("=")[0].partition(".")[0] not in (*UNCOVERED, "report")]
    useless += [f"{edit.group}.space.{edit.name}" for edit in overrides.edits]
    if option != "table":
        useless += [f"report.{key}" for key in TABLE_ONLY if f"report.{key}" in overrides.values]
    problems = [f"{key} has no effect on a report, which shows what was run: drop it" for key in useless]
    if problems:
        raise ConfigError(*problems)


def _report_table(asked: Config, terminal: Terminal) -> int:
    if asked.report.path is None:
        raise ConfigError("report.path must be given: report.path=<file.csv>")
    report, path = asked.report, Path(asked.report.path)
    evidence = read_table(
        path, metric=report.metric, delta=report.delta, alpha=report.alpha, control=report.control, name=asked.name
    )
    findings = analyse(evidence)
    folder = Path(asked.report.directory) / slug(f"table-{evidence.design.name}")  # never over the report of a sweep
    show_report(terminal, summarize(findings, write_report(findings, folder)))
    return 0


def _find(asked: Config, option: str, tracker: Tracker) -> tuple[Gathered, SweepRun]:
    """The sweep that a command means: from its folder, or from the tracking store where there is no folder."""
    sweeps = list_sweeps(asked.tracking.directory)
    if asked.report.sweep is None and asked.report.started_by is None:
        raise ConfigError(f"report.sweep must be given: +report={option} report.sweep=…{_known(sweeps, tracker)}")
    local = asked.report.sweep in sweeps or any(
        found["started_by"] == asked.report.started_by and not found["named"] for found in sweeps.values()
    )
    if not local and (tracked := _tracked(asked, tracker)) is not None:
        return tracked
    named = find_sweep(asked, None, "report")
    run = tracker.find_sweep(named.name, named.identity)
    if run is None:
        raise ConfigError(
            f"the runs of sweep {named.name!r} are not at {tracker.uri}: give the tracking.uri that it was run with"
        )
    return gather_local(named.store), run


def _known(sweeps: Iterable[str], tracker: Tracker) -> str:
    names = sorted({*sweeps, *tracker.stored.names()})
    return f" (known here: {', '.join(names)})" if names else ""


def _tracked(asked: Config, tracker: Tracker) -> tuple[Gathered, SweepRun] | None:
    """The sweep as a tracking store has it; None if it has none that is meant."""
    report, names = asked.report, tracker.stored.names()
    wanted = [report.sweep] if report.sweep is not None else [n for n in names if n.startswith(str(report.started_by))]
    runs = [run for name in wanted for run in tracker.stored.find(name)]
    found = [(gather_tracked(tracker.stored, run), run) for run in runs]
    if report.sweep is None:
        found = [
            (sweep, run)
            for sweep, run in found
            if sweep.specification["started_by"] == report.started_by and not sweep.specification["named"]
        ]
    if len(found) > 1:
        lines = [f"  report.sweep={hydra_quoted(sweep.specification['name'])}" for sweep, _ in found]
        raise ConfigError("\n".join([f"{len(found)} sweeps at {tracker.uri} are meant; say which one:", *lines]))
    if not found and report.sweep is not None:
        raise ConfigError(f"report.sweep={report.sweep} is no sweep at {tracker.uri}: {nearest(report.sweep, names)}")
    return found[0] if found else None
