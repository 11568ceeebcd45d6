"""Reads a sweep's openings of the test set from the tracking store, as evidence for its report."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.analysis.evidence import Design, TestRow
from hpsearch.errors import BrokenFileError, TrackingError
from hpsearch.final.claims import stated
from hpsearch.final.evaluation import unpack
from hpsearch.tracking.reader import Child, StoredSweeps
from hpsearch.tracking.run_format import Role, SweepRun
from hpsearch.tracking.sanitize import key_name

SHOWN = 12
"""Length of a displayed digest, as on the terminal."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A completed opening of the sealed test set.

    Attributes:
        child: Its run.
        correct: Shape (n,), whether the shipped model classifies each test row correctly; None if not stored.
        unread: Why a stored bitmap could not be read; empty otherwise.
    """

    child: Child
    correct: np.ndarray | None
    unread: str = ""


def opened_by(stored: StoredSweeps, sweep: SweepRun) -> list[Opened]:
    """Return the openings by a sweep whose results were logged.

    Raises:
        BrokenFileError: If a bitmap contradicts the logged accuracy.
    """
    finals = stored.children(sweep, Role.FINAL)
    return [_opened(stored, child) for child in finals if any(name.startswith("test/") for name in child.metrics)]


def _opened(stored: StoredSweeps, child: Child) -> Opened:
    if "bitmaps" not in child.tags:
        return Opened(child, None)
    file, run_id = child.tags["bitmaps"], child.attempt.run_id
    name = f"{file} of run {run_id}"
    try:
        content = stored.artifact(run_id, file)
    except TrackingError:
        return Opened(child, None, f"{name} could not be read")
    correct: np.ndarray = unpack(content, name)[0]
    if correct.sum() != round(child.metrics["test/accuracy"] * len(correct)):
        raise BrokenFileError(name, "its rows are not those of the accuracy that was logged")
    return Opened(child, correct)


def _row(opened: Opened, design: Design, ledger: Mapping[str, Mapping[str, str]]) -> TestRow:
    child, metric = opened.child, f"test/{design.metric}"
    tags, metrics, opening = child.tags, child.metrics, child.tags.get("opening", "0")
    entry = ledger.get(opening, {})
    return TestRow(
        opening=int(opening),
        level=child.attempt.level,
        trial=child.attempt.k,
        value=metrics[key_name(metric)],
        low=metrics.get(key_name(f"{metric}/low"), math.nan),
        high=metrics.get(key_name(f"{metric}/high"), math.nan),
        n=design.rows.get("test", 0),
        who=entry.get("claimant", ""),
        purpose=stated(entry.get("purpose", "")),
        when=entry.get("granted_at", ""),
        config=tags.get("config_sha256", "")[:SHOWN],
        weights=tags.get("weights_sha256", "")[:SHOWN],
        # Non-finite values were not logged; as NaN they keep a mean from being taken without them.
        retrained=tuple(
            metrics.get(key_name(f"{metric}/retrain/{number}"), math.nan)
            for number in range(1, int(tags.get("retrains", "0")) + 1)
        ),
        correct=opened.correct,
        unread=opened.unread,
    )


def rows_of(opened: Sequence[Opened], design: Design, openings: Sequence[Mapping[str, str]]) -> tuple[TestRow, ...]:
    """Return the openings that measured the sweep's metric, by number.

    Args:
        opened: The openings by the sweep.
        design: The design, with the metric.
        openings: The ledger's entries: `opening`, `claimant`, `granted_at`, `purpose`.
    """
    ledger = {opening["opening"]: opening for opening in openings}
    rows = [_row(each, design, ledger) for each in opened if key_name(f"test/{design.metric}") in each.child.metrics]
    return tuple(sorted(rows, key=lambda row: row.opening))
