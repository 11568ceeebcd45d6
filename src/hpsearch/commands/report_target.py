"""Which sweep `+report=…` means: from its folder, or from the tracking store where there is no folder."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hpsearch.commands.observer import Observer
from hpsearch.compose.overrides import Overrides
from hpsearch.config import Config, ConfigError
from hpsearch.config.after_search import Report
from hpsearch.config.conversion import nearest, one_of
from hpsearch.config.schema import UNCOVERED
from hpsearch.errors import NotFoundError
from hpsearch.formatting import visible
from hpsearch.metrics import METRICS
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
from hpsearch.tracking.connection import resolve_uri
from hpsearch.tracking.reader import names_in_file
from hpsearch.tracking.run_format import SweepRun
from hpsearch.tracking.sanitize import TAG_LENGTH, clip
from hpsearch.tracking.tracker import Tracker

OF_SWEEP = ("sweep", "run", "started_by")

READ = {"table": ("path", "metric", "delta", "alpha", "control"), "leaderboard": ("data", "sweep")}
"""Keys that an option reads, beside `report.directory`; other options read those of `OF_SWEEP`."""


def keys_read(option: str) -> tuple[str, ...]:
    """Keys of `report` that an option reads, the folder first."""
    return "directory", *READ.get(option, OF_SWEEP)


def refuse_settings(overrides: Overrides, option: str) -> None:
    """A report shows what was run: nothing that makes a sweep what it is can be set."""
    given = [*overrides.values, *(f"{group}={choice}" for group, choice in overrides.options.items())]
    useless = [key for key in given if key.partition("=")[0].partition(".")[0] not in (*UNCOVERED, "report")]
    useless += [f"{edit.group}.space.{edit.name}" for edit in overrides.edits]
    read = [f"report.{key}" for key in keys_read(option)]
    unread = [key for key in overrides.values if key.startswith("report.") and key not in read]
    problems = [_useless(key, option, read) for key in useless]
    problems += [f"{key} has no effect on +report={option}, which reads {', '.join(read)}: drop it" for key in unread]
    if problems:
        raise ConfigError(*problems)


def _useless(key: str, option: str, read: Sequence[str]) -> str:
    """Why a key of a sweep does nothing, and the key of a table's report that says the same where there is one."""
    own = key.replace("search.", "report.", 1)
    if option == "table" and key.startswith("search.") and own in read:
        return f"{key} has no effect on the report of a table: give {own} instead"
    return f"{key} has no effect on a report, which shows what was run: drop it"


SHOWN = 8
"""Digits of a fingerprint."""

Target = tuple[LoadedSweep, SweepRun]


@dataclass(frozen=True, slots=True)
class Asked:
    """A report that is asked for.

    Attributes:
        config: With `report`, and where sweeps are kept.
        option: The option of `+report=`.
        kept: What else the command line gives, as typed: it stands in the commands that are printed.
    """

    config: Config
    option: str
    kept: Sequence[str] = ()

    def command(self, *overrides: str) -> str:
        """The same command with these keys in place of those that say which sweep is meant."""
        return command_line([f"+report={self.option}", *self.kept, *overrides])


def require_known(config: Config, option: str) -> None:
    """Refuses a report of nothing, as far as that is known without asking a tracking store.

    Raises:
        ConfigError: If what the option needs is not given, or there is no such sweep: no folder of it is here, and the
            store is a file that does not have it.
    """
    report = config.report
    if option == "table":
        _require_table(report)
    if option in READ or report.run is not None:
        return
    sweeps = list_sweeps(config.tracking.directory)
    if report.sweep in sweeps or any(found.is_default_of(report.started_by) for found in sweeps.values()):
        return
    uri = resolve_uri(config.tracking.uri, Path(config.tracking.directory))
    names = names_in_file(uri)
    if report.sweep is None and report.started_by is None:
        known = None if names is None else {*sweeps, *names}
        raise ConfigError(f"report.sweep must be given: +report={option} report.sweep=…{_known(known)}")
    if names is None:
        return
    if report.sweep is None:
        if not any(name.startswith(str(report.started_by)) for name in names):
            find_sweep(config, None, "report")
    elif clip(report.sweep, TAG_LENGTH) not in names:
        raise NotFoundError(_nowhere(report.sweep, uri, names))


def _require_table(report: Report) -> None:
    problems = [] if report.path is not None else ["report.path must be given: report.path=<file.csv>"]
    if report.metric is None:  # no default: losses, read as accuracies, would turn every claim round
        scores = f"what the scores of the table are, one of {', '.join(METRICS)}"
        problems.append(f"report.metric must be given: {scores}; errors and losses come negated, higher is better")
    elif report.metric not in METRICS:
        problems.append(one_of("report.metric", report.metric, METRICS))
    if problems:
        raise ConfigError(*problems)


def _nowhere(sweep: str, uri: str, names: Iterable[str]) -> str:
    return f"report.sweep={sweep} is no sweep at {uri}: {nearest(sweep, names)}"


def find_target(asked: Asked, tracker: Tracker, observer: Observer) -> Target:
    """The sweep that a command means, with everything that was measured, and its run.

    Raises:
        ConfigError: If there is none, or more than one.
        TrackingError: If the run that is asked for is not that of a sweep, or does not say what it is.
    """
    config, report = asked.config, asked.config.report
    if report.run is not None:
        return _of_run(config, report.run, tracker, observer)
    sweeps = list_sweeps(config.tracking.directory)
    local = report.sweep in sweeps or any(found.is_default_of(report.started_by) for found in sweeps.values())
    if not local and (tracked := _tracked(asked, tracker, observer)) is not None:
        return tracked
    named = find_sweep(config, None, "report")
    run = tracker.find_sweep(named.name, named.identity)
    if run is None:
        raise ConfigError(
            f"the runs of sweep {named.name!r} are not at {tracker.uri}: give the tracking.uri that it was run with"
        )
    return _gathered(named.store, observer), run


def _gathered(store: SweepStore, observer: Observer) -> LoadedSweep:
    """The sweep from its folder, and what of it is damaged is told."""
    found = load_from_disk(store)
    for sentence in found.damaged:
        observer.warn(f"left out: {sentence}")
    return found


def _known(names: Iterable[str] | None) -> str:
    return f" (known here: {', '.join(sorted(names))})" if names else ""


def _of_run(config: Config, run_id: str, tracker: Tracker, observer: Observer) -> Target:
    """The sweep of `report.run`, from its folder if that is here."""
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
            return _gathered(named.store, observer), own
    return load_from_mlflow(tracker.stored, run, tracked_specification(tracker.stored, run)), run


def _tracked(asked: Asked, tracker: Tracker, observer: Observer) -> Target | None:
    """The sweep as a tracking store has it; None if it has none that is meant. It alone is gathered."""
    report, names = asked.config.report, tracker.stored.names()
    wanted = [report.sweep] if report.sweep is not None else [n for n in names if n.startswith(str(report.started_by))]
    found, unreadable = _readable([run for name in wanted for run in tracker.stored.find(name)], tracker)
    if report.sweep is None:
        found = [one for one in found if one[1].is_default_of(report.started_by)]
    elif not found:
        if unreadable:
            raise unreadable[0]
        raise NotFoundError(_nowhere(report.sweep, tracker.uri, names))
    for error in unreadable:
        observer.warn(f"left out: {error}")
    if len(found) > 1:
        raise ConfigError(_choices(asked, [run for run, _ in found], tracker))
    return (load_from_mlflow(tracker.stored, *found[0]), found[0][0]) if found else None


def _readable(
    runs: Iterable[SweepRun], tracker: Tracker
) -> tuple[list[tuple[SweepRun, Specification]], list[SpecificationError]]:
    """The sweeps with what they are, and those that do not say it."""
    found, unreadable = [], []
    for run in runs:
        try:
            found.append((run, tracked_specification(tracker.stored, run)))
        except SpecificationError as error:
            unreadable.append(error)
    return found, unreadable


def _choices(asked: Asked, runs: Sequence[SweepRun], tracker: Tracker) -> str:
    """The refusal that lists sweeps with what tells them apart, each with the command that means it."""
    lines = [f"{len(runs)} sweeps at {tracker.uri} are meant; say which one:"]
    for run in runs:
        origin = tracker.stored.origin(run)
        started = datetime.fromtimestamp(origin.started_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        fingerprint = origin.fingerprint[:SHOWN] or "unknown"
        lines += [
            f"  {visible(run.name)}, started {started} by {visible(origin.user)}, fingerprint {fingerprint}",
            f"    {asked.command(f'report.run={run.run_id}')}",
        ]
    return "\n".join(lines)
