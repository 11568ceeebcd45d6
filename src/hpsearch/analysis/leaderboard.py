"""Everything that was searched on one split, side by side: what may be read off it, and what may be claimed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.analysis.evidence import Design
from hpsearch.analysis.leaderboard_entries import Entry, Recipe, Split, Sweep, entries_of
from hpsearch.analysis.leaderboard_pairs import Comparison, compare_with_first
from hpsearch.analysis.leaderboard_twins import once_each
from hpsearch.analysis.selection import expected_max_binomial

__all__ = ["Comparison", "Entry", "Leaderboard", "Recipe", "Split", "Sweep", "standings"]


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The entries of one split.

    Attributes:
        data: Name of the data set.
        split: What all of them were scored on.
        val_rows: Rows that trials were picked on.
        report_rows: Rows that had no say in that; 0 under K-fold.
        entries: The highest score first, of those that selection had no say in.
        near: Entries after the first one that lie within its 95 % interval.
        luck: By how much the first of equal entries, as many, would exceed their mean by chance, at most; NaN if
            that is not known.
        comparisons: Of frozen recipes on fresh seeds, all with one entry.
        others: What else is there on the data set and may not be mixed with these: splits and names of their sweeps.
        left_out: Sweeps that could not be read, and why.
    """

    data: str
    split: Split
    val_rows: int
    report_rows: int
    entries: tuple[Entry, ...]
    near: tuple[str, ...]
    luck: float
    comparisons: tuple[Comparison, ...]
    others: tuple[tuple[Split, tuple[str, ...]], ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def sweeps(self) -> list[str]:
        """Names of its sweeps, sorted."""
        return sorted({name for entry in self.entries for name in entry.sweeps})

    @property
    def folded(self) -> bool:
        """Whether entries are put in order by scores of folds, freed of the luck of the choice."""
        return not self.report_rows


def standings(
    sweeps: Sequence[Sweep],
    others: Sequence[tuple[Split, tuple[str, ...]]] = (),
    left_out: Sequence[str] = (),
) -> Leaderboard:
    """The leaderboard of sweeps on one split.

    Args:
        sweeps: At least one, each with at least one trial.
        others: Splits of the same data set that are not shown, and names of their sweeps.
        left_out: Sweeps that could not be read, and why.

    Raises:
        ValueError: If the sweeps do not share one split: scores on other rows are not compared.
    """
    entries = once_each(sweeps, entries_of(sweeps))
    design = sweeps[0].evidence.design
    return Leaderboard(
        data=design.data,
        split=sweeps[0].split,
        val_rows=design.rows.get("val", 0),
        report_rows=design.rows.get("report", 0),
        entries=entries,
        near=within_first(entries),
        luck=luck_of_first(design, entries),
        comparisons=compare_with_first(sweeps, entries),
        others=tuple(others),
        left_out=tuple(left_out),
    )


def within_first(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Entries whose `shown` lies within the interval of the first one; none where it has no interval."""
    if not entries or math.isnan(entries[0].interval[0]):
        return ()
    low, high = entries[0].interval
    return tuple(entry.name for entry in entries[1:] if low <= entry.shown <= high)


def luck_of_first(design: Design, entries: Sequence[Entry]) -> float:
    """By how much the highest of equal accuracies on the report rows, one for each entry, would exceed their mean.

    The first entry is a maximum, too. It is an upper bound: scores on the same rows vary together. NaN for other
    scores, or fewer than two entries.
    """
    shown = np.array([entry.shown for entry in entries if not math.isnan(entry.shown)])
    n = design.rows.get("report", 0)
    if not (design.is_share and n and len(shown) > 1 and ((shown >= 0) & (shown <= 1)).all()):
        return math.nan
    mean = float(shown.mean())
    return expected_max_binomial(len(shown), mean, n) - mean
