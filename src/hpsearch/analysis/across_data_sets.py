"""One comparison on several data sets: on how many of them its results hold."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.analysis.comparison.levels import order_of
from hpsearch.analysis.comparison.verdict import ClaimKind
from hpsearch.analysis.evidence import Design
from hpsearch.analysis.findings import Findings, Standing
from hpsearch.formatting import listed, plural, visible
from hpsearch.statistics.friedman import RankTest, friedman, mean_ranks, nemenyi_difference

FEWEST_DATA_SETS = 10
"""Fewer data sets are no sample that ranks are tested on (Demšar, JMLR 2006)."""


@dataclass(frozen=True, slots=True)
class OptionAcross:
    """One option over all data sets.

    Attributes:
        level: The option.
        ahead: Data sets on which it is claimed to be ahead of the control, or of every other option.
        behind: Data sets on which it is claimed to be behind the control, or behind any other option.
        rank: Mean rank of its mean score on fresh seeds, 1 the highest; NaN where it lacks one on any data set.
    """

    level: str
    ahead: tuple[str, ...]
    behind: tuple[str, ...]
    rank: float


@dataclass(frozen=True, slots=True)
class AcrossDataSets:
    """A comparison on several data sets.

    Attributes:
        name: Of the comparison.
        findings: By data set.
        options: Every option, the lowest mean rank first.
        status: `claim` if an option is ahead or behind on every data set, otherwise `inconclusive`.
        sentence: What holds on how many data sets.
        ranked: Friedman's test; None for fewer than ten data sets, or three options, or without all means.
        difference: Mean ranks that differ by this are different (Nemenyi); NaN without that test.
    """

    name: str
    findings: Mapping[str, Findings]
    options: tuple[OptionAcross, ...]
    status: str
    sentence: str
    ranked: RankTest | None
    difference: float

    @property
    def design(self) -> Design:
        """That of the first data set; of the others it differs in the rows."""
        return next(iter(self.findings.values())).evidence.design

    def standing(self, data: str, level: str) -> Standing:
        """An option on one data set."""
        head = self.findings[data].headline
        assert head is not None, data
        return next(row for row in head.standings if row.level == level)


def across_data_sets(name: str, findings: Mapping[str, Findings]) -> AcrossDataSets:
    """What holds on how many data sets.

    Each data set makes its own claims at its own error rate; how many of them agree is counted, not tested.

    Args:
        name: Of the comparison.
        findings: By data set: the same options on each, two or more.

    Raises:
        ValueError: If the options differ between data sets.
    """
    first = next(iter(findings.values())).evidence.design
    levels = [level.name for level in first.levels]
    for data, found in findings.items():
        if [level.name for level in found.evidence.design.levels] != levels:
            raise ValueError(f"options must be the same on all data sets, got others on {visible(data)}")
    means = np.array([[_mean(found, level) for level in levels] for found in findings.values()])
    known = bool(np.isfinite(means).all())
    ranks = mean_ranks(means) if known else np.full(len(levels), math.nan)
    rows = [_option(findings, level, float(rank)) for level, rank in zip(levels, ranks, strict=True)]
    rows.sort(key=lambda row: (math.isnan(row.rank), row.rank, len(row.behind), row.level))
    tested = known and len(findings) >= FEWEST_DATA_SETS and len(levels) >= 3
    words = _Words(first, tuple(rows), tuple(findings))
    decided = any(len(each) == len(findings) for row in rows for each in (row.ahead, row.behind))
    return AcrossDataSets(
        name=name,
        findings=findings,
        options=tuple(rows),
        status="claim" if decided else "inconclusive",
        sentence=words.sentence(),
        ranked=friedman(means) if tested else None,
        difference=nemenyi_difference(len(levels), len(findings), first.alpha) if tested else math.nan,
    )


def _mean(findings: Findings, level: str) -> float:
    """Mean over fresh seeds; minus infinity is no mean."""
    return findings.confirmed[level].mean if level in findings.confirmed else math.nan


def _option(findings: Mapping[str, Findings], level: str, rank: float) -> OptionAcross:
    ahead, behind = [], []
    for data, found in findings.items():
        orders = [order_of(pair) for pair in found.pairs if pair.claim != ClaimKind.NONE]
        others = {one.name for one in found.evidence.design.levels} - {level}
        if found.evidence.design.control is not None:
            others = {found.evidence.design.control} - {level}
        if others and others <= {loser for winner, loser in orders if winner == level}:
            ahead.append(data)
        if any(loser == level for _, loser in orders):
            behind.append(data)
    return OptionAcross(level, tuple(ahead), tuple(behind), rank)


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said first."""

    design: Design
    rows: Sequence[OptionAcross]
    data: Sequence[str]

    def sentence(self) -> str:
        """Which options are ahead on how many data sets, then which are behind."""
        ahead = sorted((row for row in self.rows if row.ahead), key=lambda row: -len(row.ahead))
        others = [row for row in self.rows if row.behind and row.level != self.design.control]
        behind = sorted(others, key=lambda row: -len(row.behind))
        said = [self._ahead(ahead)]
        if behind:
            whom = "it" if self.design.control is not None else "another"
            said.append(f"Behind {whom}: {', '.join(self._counted(row.level, row.behind) for row in behind)}.")
        return " ".join(said)

    def _ahead(self, rows: Sequence[OptionAcross]) -> str:
        control, options, count = self.design.control, self.design.options, len(self.data)
        over = f"ahead of {visible(control)}" if control is not None else f"ahead of all other {options}"
        every = [visible(row.level) for row in rows if len(row.ahead) == count]
        if every:
            others = [row for row in rows if len(row.ahead) < count]
            more = f"; {', '.join(self._counted(row.level, row.ahead) for row in others)}" if others else ""
            are = plural(len(every), "is", "are")
            return f"Use {listed(every)}, which {are} {over} on {count} of {count} data sets{more}."
        if rows:
            told = ", ".join(self._counted(row.level, row.ahead) for row in rows)
            return f"None of the {options} is {over} on all {count} data sets: {told}."
        if control is not None:
            return f"Stay with {visible(control)}: nothing is shown to be ahead of it on any of {count} data sets."
        return f"None of the {options} is shown to be {over} on any of {count} data sets."

    def _counted(self, level: str, data: Sequence[str]) -> str:
        """`sgd on 2 of 3 (mnist, digits)`."""
        which = f" ({', '.join(map(visible, data))})" if len(data) < len(self.data) else ""
        return f"{visible(level)} on {len(data)} of {len(self.data)}{which}"
