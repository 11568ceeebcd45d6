"""`+report=…`: writes reports of logged runs, without training."""

from pathlib import Path

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.external_results import read_table
from hpsearch.commands.leaderboard import PublishedLeaderboard, report_leaderboard
from hpsearch.commands.observer import Observer
from hpsearch.commands.publish import PublishedReport, publish, summarize
from hpsearch.commands.report_target import OF_SWEEP, ReportRequest, find_target
from hpsearch.commands.tracking_run import connect_reader
from hpsearch.compose.overrides import Overrides
from hpsearch.config import Config
from hpsearch.metrics import metric_of
from hpsearch.report.write import write_report
from hpsearch.search.space import Composed
from hpsearch.store.atomic_files import check_directory, slug


def run_report(overrides: Overrides, base: Composed, observer: Observer) -> PublishedReport | PublishedLeaderboard:
    """Write a report.

    Raises:
        ConfigError: If its sweep or table does not exist.
    """
    config, option = base.config, base.actions["report"]
    check_directory(config.report.directory)
    if option == "table":
        return _report_table(config)
    targets = {f"report.{key}" for key in (*OF_SWEEP, "data")}
    kept = [override.lstrip("+") for key, override in overrides.values.items() if key not in targets]
    request = ReportRequest(config, option, kept)
    with connect_reader(config, observer) as tracker:
        if option == "leaderboard":
            return report_leaderboard(request, tracker)
        sweep, run = find_target(request, tracker, observer)
        return publish(sweep, config, tracker, run)


def _report_table(config: Config) -> PublishedReport:
    report = config.report
    evidence = read_table(
        Path(str(report.path)),
        metric=metric_of(str(report.metric)),
        delta=report.delta,
        alpha=report.alpha,
        control=report.control,
        name=config.name,
    )
    findings = analyse(evidence)
    folder = Path(report.directory) / slug(f"table-{evidence.design.name}")  # does not overwrite the report of a sweep
    return summarize(findings, write_report(findings, folder))
