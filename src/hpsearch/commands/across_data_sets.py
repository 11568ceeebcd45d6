"""`search.datasets=[…]`: one comparison on several data sets, each a sweep of its own, and a report of all."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hpsearch.analysis.across_data_sets import AcrossDataSets, across_data_sets
from hpsearch.commands.observer import Observer
from hpsearch.commands.sweep import SweepResult
from hpsearch.commands.tracking_run import connect_reader
from hpsearch.config import Config
from hpsearch.execution.interrupts import StopSignals
from hpsearch.report.across_data_sets import write_across_data_sets
from hpsearch.store.atomic_files import check_directory, slug

ARTIFACTS = "across_data_sets"
"""Folder of the report among the artifacts of each sweep."""


@dataclass(frozen=True, slots=True)
class PublishedAcrossDataSets:
    """A written report on several data sets.

    Attributes:
        across: What it says.
        results: The sweep of each data set.
        files: Its files; `report.html` first.
    """

    across: AcrossDataSets
    results: Mapping[str, SweepResult]
    files: tuple[Path, ...]


def run_on_each(
    name: str,
    config: Config,
    sweeps: Mapping[str, Callable[[Observer, StopSignals], SweepResult]],
    observer: Observer,
    signals: StopSignals,
) -> PublishedAcrossDataSets:
    """Run, resume or load the sweep of each data set, and write the report of all.

    Args:
        name: Of the comparison, and of the folder of its report.
        config: The configuration of the command.
        sweeps: By data set.
        observer: Receives events.
        signals: Stop signals of the process.

    Raises:
        StoppedError: On a signal; the same command resumes.
    """
    folder = Path(config.report.directory) / slug(name)
    check_directory(folder)
    results = {}
    for at, (data, run) in enumerate(sweeps.items(), 1):
        observer.line(f"data set {at} of {len(sweeps)}: {data}")
        results[data] = run(observer, signals)
    reports = {data: result.report for data, result in results.items() if result.report is not None}
    across = across_data_sets(name, {data: report.findings for data, report in reports.items()})
    own = {data: Path(os.path.relpath(report.page, folder)).as_posix() for data, report in reports.items()}
    files = write_across_data_sets(across, folder, own)
    with connect_reader(config, observer) as tracker:
        for result in results.values():
            tracker.log_artifacts(
                result.run.run_id, {f"{ARTIFACTS}/{path.relative_to(folder)}": path for path in files}
            )
    return PublishedAcrossDataSets(across, results, tuple(files))
