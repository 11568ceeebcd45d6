"""What a tracking store keeps of the openings by a sweep, as evidence: numbers, bitmaps, and the ledger's words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.analysis.evidence import Design, TestRow
from hpsearch.final.claims import stated
from hpsearch.final.evaluation import unpack
from hpsearch.store.atomic_files import BrokenFileError
from hpsearch.tracking.connection import TrackingError
from hpsearch.tracking.reader import Child, StoredSweeps
from hpsearch.tracking.run_format import Role, SweepRun

SHOWN = 12
"""Digits of a digest that are shown, as on the terminal."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A run of a sweep that has opened the sealed test set, to its end.

    Attributes:
        child: The run.
        correct: (n,) whether the shipped model classifies each test row correctly; None where it is not kept.
        unread: Why a bitmap that was kept is not there; empty if it is, or never was.
    """

    child: Child
    correct: np.ndarray | None
    unread: str = ""


def opened_by(stored: StoredSweeps, sweep: SweepRun) -> list[Opened]:
    """The runs of a sweep that have opened the sealed test set and logged what they found.

    Raises:
        BrokenFileError: If a bitmap is not the one whose accuracy was logged.
    """
    finals = [child for child in stored.children(sweep, Role.FINAL) if _ended(child)]
    return [_opened(stored, child) for child in finals]


def _ended(child: Child) -> bool:
    return any(name.startswith("test/") for name in child.metrics)


def _opened(stored: StoredSweeps, child: Child) -> Opened:
    """With its bitmap; what needs one that was deleted is left out, and said so, and all else is told."""
    if "bitmaps" not in child.tags:
        return Opened(child, None)
    file, run_id = child.tags["bitmaps"], child.attempt.run_id
    name = f"{file} of run {run_id}"
    try:
        kept = stored.artifact(run_id, file)
    except TrackingError:
        return Opened(child, None, f"{name} could not be read")
    return Opened(child, _correct(kept, child, name))


def _correct(kept: bytes, child: Child, name: str) -> np.ndarray:
    correct: np.ndarray = unpack(kept, name)[0]
    if correct.sum() != round(child.metrics["test/accuracy"] * len(correct)):
        raise BrokenFileError(name, "its rows are not those of the accuracy that was logged")
    return correct


def row_of(opened: Opened, design: Design, ledger: Mapping[str, Mapping[str, str]]) -> TestRow:
    """One opening by the sweep.

    Args:
        opened: It.
        design: Says which metric is shown.
        ledger: Who opened the test set, when and why, by the number of the opening.
    """
    child, metric = opened.child, f"test/{design.metric}"
    tags, metrics, opening = child.tags, child.metrics, child.tags.get("opening", "0")
    entry = ledger.get(opening, {})
    return TestRow(
        opening=int(opening),
        level=child.attempt.level,
        trial=child.attempt.k,
        value=metrics[metric],
        low=metrics.get(f"{metric}/low", math.nan),
        high=metrics.get(f"{metric}/high", math.nan),
        n=design.rows.get("test", 0),
        who=entry.get("claimant", ""),
        purpose=stated(entry.get("purpose", "")),
        when=entry.get("granted_at", ""),
        config=tags.get("config_sha256", "")[:SHOWN],
        weights=tags.get("weights_sha256", "")[:SHOWN],
        # What was not finite was not logged: it is missing, and there is no mean without it.
        retrained=tuple(
            metrics.get(f"{metric}/retrain/{number}", math.nan)
            for number in range(1, int(tags.get("retrains", "0")) + 1)
        ),
        correct=opened.correct,
        unread=opened.unread,
    )


def rows_of(opened: Sequence[Opened], design: Design, openings: Sequence[Mapping[str, str]]) -> tuple[TestRow, ...]:
    """The openings by the sweep that have measured its metric."""
    ledger = {opening["opening"]: opening for opening in openings}
    found = [row_of(one, design, ledger) for one in opened if f"test/{design.metric}" in one.child.metrics]
    return tuple(sorted(found, key=lambda row: row.opening))
