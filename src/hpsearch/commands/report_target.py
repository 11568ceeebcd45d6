"""Finds the sweep of a `+report=…` command, in its folder or else in the tracking store."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hpsearch.commands.observer import Observer
from hpsearch.commands.tracking_run import tracking_uri
from hpsearch.compose.overrides import Overrides
from hpsearch.config import Config, ConfigError
from hpsearch.config.after_search import Report
from hpsearch.config.conversion import nearest
from hpsearch.config.schema import UNCOVERED
from hpsearch.config.search import metric_problem
from hpsearch.errors import NotFoundError
from hpsearch.formatting import visible
from hpsearch.metrics import METRICS, metric_names
from hpsearch.quoting import command_line
from hpsearch.search.sweep_identity import SweepIdentity, find_sweep
from hpsearch.store.loader import (
    LoadedSweep,
    SpecificationError,
    load_from_disk,
    load_from_mlflow,
    tracked_specification,
)
from hpsearch.store.specification import Specification
from hpsearch.store.sweep_store import SweepStore, list_sweeps
from hpsearch.tracking.reader import names_in_file
from hpsearch.tracking.run_format import SweepRun
from hpsearch.tracking.sanitize import TAG_LENGTH, clip
from hpsearch.tracking.tracker import Tracker

OF_SWEEP = ("sweep", "run", "started_by")

READ = {"table": ("path", "metric", "delta", "alpha", "control"), "leaderboard": ("data", "sweep")}
"""Keys that an option reads, beside `report.directory`; other options read those of `OF_SWEEP`."""


def keys_read(option: str) -> tuple[str, ...]:
    """Return the keys of `report` that an option reads."""
    return "directory", *READ.get(option, OF_SWEEP)


def refuse_settings(overrides: Overrides, option: str) -> None:
    """Refuse settings of a sweep, which a report cannot change, and keys that the report does not read."""
    read = [f"report.{key}" for key in keys_read(option)]
    typed = [*overrides.values, *(f"{group}={choice}" for group, choice in overrides.options.items())]
    useless = [key for key in typed if key.partition("=")[0].partition(".")[0] not in (*UNCOVERED, "report")]
    problems = []
    for key in [*useless, *(f"{edit.group}.space.{edit.name}" for edit in overrides.edits)]:
        own = key.replace("search.", "report.", 1)
        if option == "table" and key.startswith("search.") and own in read:
            problems.append(f"{key} has no effect on the report of a table: give {own} instead")
        else:
            problems.append(f"{key} has no effect on a report, which shows what was run: drop it")
    unread = [key for key in overrides.values if key.startswith("report.") and key not in read]
    problems += [f"{key} has no effect on +report={option}, which reads {', '.join(read)}: drop it" for key in unread]
    if problems:
        raise ConfigError(*problems)


SHOWN = 8
"""Length of a displayed fingerprint."""

Target = tuple[LoadedSweep, SweepRun]


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """A requested report.

    Attributes:
        config: The configuration of the command.
        option: The option of `+report=`.
        kept: Other overrides, repeated in printed commands.
    """

    config: Config
    option: str
    kept: Sequence[str] = ()

    def command(self, *overrides: str) -> str:
        """Return the same command with these overrides in place of those that name its sweep."""
        return command_line([f"+report={self.option}", *self.kept, *overrides])


def require_known(config: Config, option: str) -> None:
    """Refuse a report without a target, as far as that is known without connecting to a tracking store.

    Raises:
        ConfigError: If a required key is missing, or the sweep has no folder here and is not in a SQLite store.
    """
    report = config.report
    if option == "table":
        _require_table(report)
    if option in READ or report.run is not None:
        return
    sweeps = list_sweeps(config.tracking.directory)
    if report.sweep in sweeps or any(each.is_default_of(report.started_by) for each in sweeps.values()):
        return
    uri = tracking_uri(config)
    names = names_in_file(uri)
    if report.sweep is None and report.started_by is None:
        every = sorted({*sweeps, *names}) if names is not None else []
        known = f" (known here: {', '.join(every)})" if every else ""
        raise ConfigError(f"report.sweep must be given: +report={option} report.sweep=…{known}")
    if names is None:
        return
    if report.sweep is None:
        if not any(name.startswith(str(report.started_by)) for name in names):
            find_sweep(config, None, "report")
    elif clip(report.sweep, TAG_LENGTH) not in names:
        raise NotFoundError(_no_sweep_at(uri, report.sweep, names))


def _require_table(report: Report) -> None:
    problems = [] if report.path is not None else ["report.path must be given: report.path=<file.csv>"]
    if report.metric is None:  # no default: losses, read as accuracies, would reverse every claim
        scores = f"what the scores of the table are, one of {', '.join(metric_names(METRICS.values()))}"
        problems.append(f"report.metric must be given: {scores}; errors and losses come negated, higher is better")
    elif problem := metric_problem(report.metric, sorted(metric_names(METRICS.values()))):
        problems.append(f"report.metric {problem}")
    if problems:
        raise ConfigError(*problems)


def _no_sweep_at(uri: str, sweep: str, names: Iterable[str]) -> str:
    return f"report.sweep={sweep} is no sweep at {uri}: {nearest(sweep, names)}"


def find_target(request: ReportRequest, tracker: Tracker, observer: Observer) -> Target:
    """Return the sweep of a report with its results, and its run.

    Raises:
        ConfigError: If there is none, or more than one.
        TrackingError: If `report.run` is not the run of a sweep, or lacks its specification.
    """
    config, report = request.config, request.config.report
    if report.run is not None:
        return _target_of_run(config, report.run, tracker, observer)
    sweeps = list_sweeps(config.tracking.directory)
    local = report.sweep in sweeps or any(each.is_default_of(report.started_by) for each in sweeps.values())
    if not local and (tracked := _tracked_target(request, tracker, observer)) is not None:
        return tracked
    named = find_sweep(config, None, "report")
    run = tracker.find_sweep(named.name, named.identity)
    if run is None:
        raise ConfigError(
            f"the runs of sweep {named.name!r} are not at {tracker.uri}: give the tracking.uri that it was run with"
        )
    return _load(named.store, observer), run


def _load(store: SweepStore, observer: Observer) -> LoadedSweep:
    sweep = load_from_disk(store)
    for sentence in sweep.damaged:
        observer.warn(f"left out: {sentence}")
    return sweep


def _target_of_run(config: Config, run_id: str, tracker: Tracker, observer: Observer) -> Target:
    """Return the sweep of `report.run`, from its folder if that exists here."""
    run = tracker.stored.of_run(run_id)
    if config.report.sweep not in (None, run.name):
        raise ConfigError(
            f"report.run={run_id} is the run of sweep {run.name!r}, not of report.sweep={config.report.sweep}: drop "
            "one of the two"
        )
    here = list_sweeps(config.tracking.directory).get(run.name)
    if here is not None:
        named = SweepIdentity(SweepStore(config.tracking.directory, run.name), here, known=True)
        own = tracker.find_sweep(run.name, named.identity)
        if own is not None and own.run_id == run_id:
            return _load(named.store, observer), own
    return load_from_mlflow(tracker.stored, run, tracked_specification(tracker.stored, run)), run


def _tracked_target(request: ReportRequest, tracker: Tracker, observer: Observer) -> Target | None:
    """Return the sweep from the tracking store; None if it has no matching one."""
    report, names = request.config.report, tracker.stored.names()
    wanted = [report.sweep] if report.sweep is not None else [n for n in names if n.startswith(str(report.started_by))]
    candidates: list[tuple[SweepRun, Specification]] = []
    unreadable: list[SpecificationError] = []
    for run in (run for name in wanted for run in tracker.stored.find(name)):
        try:
            candidates.append((run, tracked_specification(tracker.stored, run)))
        except SpecificationError as error:
            unreadable.append(error)
    if report.sweep is None:
        candidates = [(run, each) for run, each in candidates if each.is_default_of(report.started_by)]
    elif not candidates:
        if unreadable:
            raise unreadable[0]
        raise NotFoundError(_no_sweep_at(tracker.uri, report.sweep, names))
    for reason in unreadable:
        observer.warn(f"left out: {reason}")
    if len(candidates) > 1:
        raise ConfigError(_choices(request, [run for run, _ in candidates], tracker))
    return (load_from_mlflow(tracker.stored, *candidates[0]), candidates[0][0]) if candidates else None


def _choices(request: ReportRequest, runs: Sequence[SweepRun], tracker: Tracker) -> str:
    """List sweeps with their origins, each with the command that selects it."""
    lines = [f"{len(runs)} sweeps at {tracker.uri} are meant; say which one:"]
    for run in runs:
        origin = tracker.stored.origin(run)
        started = datetime.fromtimestamp(origin.started_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        fingerprint = origin.fingerprint[:SHOWN] or "unknown"
        lines += [
            f"  {visible(run.name)}, started {started} by {visible(origin.user)}, fingerprint {fingerprint}",
            f"    {request.command(f'report.run={run.run_id}')}",
        ]
    return "\n".join(lines)
