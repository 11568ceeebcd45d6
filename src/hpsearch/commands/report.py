"""`+report=…`: from logged runs to pages, without training anything."""

from pathlib import Path

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.external_results import read_table
from hpsearch.commands.leaderboard import PublishedLeaderboard, report_leaderboard
from hpsearch.commands.observer import Observer
from hpsearch.commands.publish import PublishedReport, publish, summarize
from hpsearch.commands.report_target import OF_SWEEP, Asked, find_target
from hpsearch.commands.tracking_run import connect_reader
from hpsearch.compose.overrides import Overrides
from hpsearch.config import Config
from hpsearch.metrics import METRICS
from hpsearch.report.write import write_report
from hpsearch.search.space import Composed
from hpsearch.store.atomic_files import check_directory, slug


def run_report(overrides: Overrides, base: Composed, observer: Observer) -> PublishedReport | PublishedLeaderboard:
    """Writes a report.

    Raises:
        ConfigError: If there is nothing that is meant.
    """
    config, option = base.config, base.actions["report"]
    check_directory(config.report.directory)
    if option == "table":
        return _report_table(config)
    asked = Asked(config, option, kept_words(overrides))
    with connect_reader(config, observer) as tracker:
        if option == "leaderboard":
            return report_leaderboard(asked, tracker)
        found, run = find_target(asked, tracker, observer)
        return publish(found, config, tracker, run)


def kept_words(overrides: Overrides) -> list[str]:
    """What a command line gives beside the sweep or the data set that is meant, as it was typed."""
    chosen = {f"report.{key}" for key in (*OF_SWEEP, "data")}
    return [given.lstrip("+") for key, given in overrides.values.items() if key not in chosen]


def _report_table(config: Config) -> PublishedReport:
    report = config.report
    evidence = read_table(
        Path(str(report.path)),
        metric=METRICS[str(report.metric)],
        delta=report.delta,
        alpha=report.alpha,
        control=report.control,
        name=config.name,
    )
    findings = analyse(evidence)
    folder = Path(report.directory) / slug(f"table-{evidence.design.name}")  # never over the report of a sweep
    return summarize(findings, write_report(findings, folder))
