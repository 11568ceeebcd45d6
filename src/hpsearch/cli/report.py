"""`+report=…`: from logged runs to pages, without training anything."""

from collections.abc import Sequence
from pathlib import Path

from hpsearch.analysis.compare import analyse
from hpsearch.analysis.table import read_table
from hpsearch.cli.building import connect
from hpsearch.cli.leaderboard import report_leaderboard
from hpsearch.cli.overrides import Overrides
from hpsearch.cli.publishing import publish, summarize
from hpsearch.cli.report_keys import OF_SWEEP, keys_read
from hpsearch.cli.report_screen import show_report
from hpsearch.cli.report_target import Asked, find_target
from hpsearch.config import Config, ConfigError
from hpsearch.config.run import UNCOVERED
from hpsearch.config.tree import one_of
from hpsearch.metrics import NAMES
from hpsearch.report.write import write_report
from hpsearch.search.folders import check_directory, slug
from hpsearch.space import Composed
from hpsearch.terminal import Terminal


def run_report(overrides: Overrides, base: Composed, terminal: Terminal) -> int:
    """Writes a report; returns the exit status.

    Raises:
        ConfigError: If there is nothing that is meant, or the command sets what a report cannot change.
    """
    config, option = base.config, base.actions["report"]
    _refuse_settings(overrides, option)
    check_directory(config.report.directory)
    if option == "table":
        return _report_table(config, terminal)
    asked = Asked(config, option, kept_words(overrides))
    with connect(config, terminal) as tracker:
        if option == "leaderboard":
            return report_leaderboard(asked, tracker, terminal)
        found, run = find_target(asked, tracker, terminal)
        published = publish(found, config, tracker, run)
    show_report(terminal, published)
    return 0


def kept_words(overrides: Overrides) -> list[str]:
    """What a command line gives beside the sweep or the data set that is meant, as it was typed."""
    chosen = {f"report.{key}" for key in (*OF_SWEEP, "data")}
    return [given.lstrip("+") for key, given in overrides.values.items() if key not in chosen]


def _refuse_settings(overrides: Overrides, option: str) -> None:
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


def _report_table(config: Config, terminal: Terminal) -> int:
    report = config.report
    problems = [] if report.path is not None else ["report.path must be given: report.path=<file.csv>"]
    if report.metric is None:  # no default: losses, read as accuracies, would turn every claim round
        scores = f"what the scores of the table are, one of {', '.join(NAMES)}"
        problems.append(f"report.metric must be given: {scores}; errors and losses come negated, higher is better")
    elif report.metric not in NAMES:
        problems.append(one_of("report.metric", report.metric, NAMES))
    if problems:
        raise ConfigError(*problems)
    evidence = read_table(
        Path(str(report.path)),
        metric=str(report.metric),
        delta=report.delta,
        alpha=report.alpha,
        control=report.control,
        name=config.name,
    )
    findings = analyse(evidence)
    folder = Path(report.directory) / slug(f"table-{evidence.design.name}")  # never over the report of a sweep
    show_report(terminal, summarize(findings, write_report(findings, folder)))
    return 0
