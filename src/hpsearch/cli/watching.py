"""Tells the terminal and the parent run what a sweep does."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from hpsearch.search.trial_records import Record
from hpsearch.terminal import Row, Terminal
from hpsearch.tracking.mlflow import Tracker
from hpsearch.tracking.runs import SweepRun
from hpsearch.tracking.system import SystemSampler

SAMPLE_S = 5.0
"""Time between two samples of the machine's load."""


class Watching:
    """Shows progress while in its context, and samples the machine's load into the parent run."""

    def __init__(self, terminal: Terminal, tracker: Tracker, run: SweepRun, total: int, done: Sequence[Row]) -> None:
        self._terminal, self._tracker, self._run = terminal, tracker, run
        self._total, self._done = total, list(done)
        self._sampler = SystemSampler()
        self._sampled = -SAMPLE_S
        self._samples = 0

    def __enter__(self) -> Self:
        self._terminal.begin(self._total, self._done)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._terminal.end()
        self._sampler.close()

    def trial_done(self, record: Record) -> None:
        """Counts one more trial."""
        self._terminal.trial_done(to_row(record))

    def tick(self) -> None:
        """Samples the machine's load, every few seconds."""
        if time.monotonic() - self._sampled >= SAMPLE_S:
            self._sampled = time.monotonic()
            self._samples += 1
            at_ms = time.time_ns() // 1_000_000
            self._tracker.log_metrics(self._run.run_id, self._sampler.sample(), step=self._samples, at_ms=at_ms)


def to_row(record: Record) -> Row:
    """What the terminal shows of a record."""
    result = record.result
    report = result.summary.get(f"report/{score_metric([record])}")
    return Row(record.k, result.status, result.score, result.score_se, report, record.values)


def score_metric(records: Sequence[Record]) -> str:
    """The name of the metric that the score is, such as `accuracy`; `mse` has its sign changed there."""
    metric = str(records[0].config_tree["search"]["metric"])
    classes = any("last/val/accuracy" in record.result.summary for record in records)
    return ("accuracy" if classes else "mse") if metric == "auto" else metric
