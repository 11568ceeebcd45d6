"""Tells an observer and the parent run what a sweep does."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from hpsearch.commands.observer import Observer
from hpsearch.scoring.score_format import Score
from hpsearch.search.narrowing import Change
from hpsearch.store.record_json import Record
from hpsearch.tracking.run_format import SweepRun
from hpsearch.tracking.system_metrics import SystemSampler
from hpsearch.tracking.tracker import Tracker

SAMPLE_S = 5.0
"""Time between two samples of the machine's load."""


class ProgressReporter:
    """Shows progress while in its context, and samples the machine's load into the parent run."""

    def __init__(
        self, observer: Observer, tracker: Tracker, run: SweepRun, score: Score, total: int, done: Sequence[Record]
    ) -> None:
        self._observer, self._tracker, self._run = observer, tracker, run
        self._score, self._total, self._done = score, total, done
        self._sampler = SystemSampler()
        self._sampled = -SAMPLE_S
        self._samples = 0

    def __enter__(self) -> Self:
        self._observer.search_started(self._score, self._total, self._done)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._observer.search_finished()
        self._sampler.close()

    def trial_done(self, record: Record) -> None:
        """Counts one more trial."""
        self._observer.trial_finished(record)

    def judged(self, rung: int, trials: int, going_on: int) -> None:
        """Says how many trials go on after a rung."""
        self._observer.rung_finished(rung, trials, going_on)

    def narrowed(self, trials: int, changes: Sequence[Change]) -> None:
        """Says what the next round draws, and why."""
        self._observer.space_narrowed(trials, changes)

    def tick(self, underway: str) -> None:
        """Tells what is being trained where nothing else was told for long, and samples the machine's load."""
        self._observer.underway(underway)
        if time.monotonic() - self._sampled >= SAMPLE_S:
            self._sampled = time.monotonic()
            self._samples += 1
            at_ms = time.time_ns() // 1_000_000
            self._tracker.log_metrics(self._run.run_id, self._sampler.sample(), step=self._samples, at_ms=at_ms)
