"""Everything that was searched on one split, side by side: what may be read, and what may not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hpsearch.analysis.confirmation import confirm_levels
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.explore import explore_level
from hpsearch.analysis.explore_pool import order_refused
from hpsearch.analysis.findings import Interval
from hpsearch.intervals import wilson
from hpsearch.records import NO_LEVEL

SEED = 20_261_125
"""Of every bootstrap, so that the same records give the same page."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The highest-scoring trial of one level of one sweep.

    Attributes:
        sweep: Name of the sweep.
        level: Its level; empty where the sweep compares nothing.
        trial: Number of the trial.
        draws: Trials that it was picked from.
        failed: Of these, how many diverged.
        epochs: Of the training.
        train: Rows that it was trained on.
        model: The network, in words.
        val: Its score on `val`: a maximum, biased upward.
        curse: By how much the best of so many equal trials would exceed them all by chance; NaN if not known.
        report: Its score on the report rows, or NaN where there are none.
        interval: 95 % of that score over report rows (Wilson), of accuracies; NaN otherwise.
        confirmed: Mean score over fresh seeds; NaN without any.
        confirmed_se: Its standard error over seeds; NaN for fewer than two.
        seeds: Fresh seeds.
    """

    sweep: str
    level: str
    trial: int
    draws: int
    failed: int
    epochs: int
    train: int
    model: str
    val: float
    curse: float
    report: float
    interval: Interval
    confirmed: float
    confirmed_se: float
    seeds: int

    @property
    def shown(self) -> float:
        """What entries are put in order by: the report score, or `val` where there are no report rows."""
        return self.val if math.isnan(self.report) else self.report


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The entries of one split.

    Attributes:
        data: Name of the data set.
        metric: What scores are; losses are negated.
        rows: Rows of each part.
        entries: By report score, the highest first.
        tied: How many of them lie within the interval of the first, itself included; 0 where it has none.
        silent: Levels without any trial that has a score, as `sweep: level`.
    """

    data: str
    metric: str
    rows: dict[str, int]
    entries: tuple[Entry, ...]
    tied: int
    silent: tuple[str, ...]


def standings(sweeps: Sequence[Evidence]) -> Leaderboard:
    """The leaderboard of sweeps on one split.

    Args:
        sweeps: At least one; all with the same data, split and metric.

    Raises:
        ValueError: If their data or metric differ: scores of different rows are not compared.
    """
    designs = [evidence.design for evidence in sweeps]
    if (
        len({(design.data, design.metric, design.rows.get("val"), design.rows.get("report")) for design in designs})
        != 1
    ):
        raise ValueError("the sweeps of a leaderboard must have one data set, one split and one metric")
    entries: list[Entry] = []
    silent: list[str] = []
    for evidence in sweeps:
        for level in evidence.design.levels:
            found = _entry(evidence, level.name)
            name = evidence.design.name if level.name == NO_LEVEL else f"{evidence.design.name}: {level.name}"
            entries += [found] if found is not None else []
            silent += [name] if found is None else []
    entries.sort(key=lambda entry: (-entry.shown, entry.sweep, entry.level))
    design = designs[0]
    rows = {part: design.rows[part] for part in ("val", "report", "test") if design.rows.get(part)}
    return Leaderboard(design.data, design.metric, rows, tuple(entries), _tied(entries), tuple(silent))


def _entry(evidence: Evidence, level: str) -> Entry | None:
    explored = explore_level(evidence, level, refused=order_refused(evidence), seed=SEED)
    if explored.recipe is None:
        return None
    design = evidence.design
    trial = next(row for row in evidence.draws(level) if row.k == explored.recipe)
    confirmed = confirm_levels(evidence, {level: explored}).get(level)
    n = design.rows.get("report", 0)
    counted = design.is_share and n > 0 and math.isfinite(explored.report)
    return Entry(
        sweep=design.name,
        level="" if level == NO_LEVEL else level,
        trial=explored.recipe,
        draws=explored.n,
        failed=explored.failed,
        epochs=trial.epochs,
        train=design.rows["train"],
        model=design.model,
        val=explored.val,
        curse=explored.curse,
        report=explored.report,
        interval=wilson(round(explored.report * n), n) if counted else (math.nan, math.nan),
        confirmed=math.nan if confirmed is None else confirmed.mean,
        confirmed_se=math.nan if confirmed is None or confirmed.n < 2 else confirmed.sd / math.sqrt(confirmed.n),
        seeds=0 if confirmed is None else confirmed.n,
    )


def _tied(entries: Sequence[Entry]) -> int:
    if not entries or math.isnan(entries[0].interval[0]):
        return 0
    return sum(entry.report >= entries[0].interval[0] for entry in entries)
