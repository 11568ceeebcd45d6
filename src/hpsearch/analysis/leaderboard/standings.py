"""Everything that was searched on one split, side by side: what may be read off it, and what may be claimed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hpsearch.analysis.analyse import count_looks, digest_of
from hpsearch.analysis.comparison.judging import JudgingContext, PairCase, judge, orders_found, unknown_if_refused
from hpsearch.analysis.comparison.paired_scores import (
    NOWHERE,
    ComparisonFamily,
    PairedScores,
    PairStatistics,
    measure,
    pair_up,
    val_per_train,
)
from hpsearch.analysis.comparison.sentences import Refusal, Reliability, sentence
from hpsearch.analysis.comparison.verdict import ClaimKind, State, claims
from hpsearch.analysis.evidence import Design, Evidence, LevelDesign
from hpsearch.analysis.exploration.findings import Interval
from hpsearch.analysis.findings import RuleResult
from hpsearch.analysis.leaderboard.entries import Entry, Recipe, Split, Sweep, entries_of, once_each
from hpsearch.analysis.rules.confirmation import fresh_keys, missing_pairs, scores_of_folds
from hpsearch.analysis.rules.design_and_search import alike_but_for_the_factor, comparable_losses, unchanged_design
from hpsearch.analysis.rules.inclusion import inclusion
from hpsearch.analysis.rules.under_tuned import under_tuned
from hpsearch.formatting import number_of
from hpsearch.statistics.crossed_effects import crossed
from hpsearch.statistics.selection_bias import expected_max_binomial

IDENTIFYING = ("optimizer", "loss")
"""Settings by which rules about a pair tell what a recipe is."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """An entry against the first one that has fresh seeds.

    Attributes:
        a: The first one.
        b: The other.
        n: Common seeds.
        diff: Mean of a - b.
        ci_sim: Interval over seeds, adjusted for all comparisons; NaN where there is none.
        ci_images: Interval over seeds and images, or over folds, that holds for all pairs; NaN where there is none.
        p: Two-sided, of the sign-flip test.
        p_adjusted: Adjusted for all comparisons.
        state: The verdict.
        claim: For what it may be claimed.
        sentence: What may be said.
        code: Of the rule that refuses it; empty if none does.
    """

    a: str
    b: str
    n: int
    diff: float
    ci_sim: Interval
    ci_images: Interval
    p: float
    p_adjusted: float
    state: State
    claim: ClaimKind
    sentence: str
    code: str = ""


def compare_with_first(sweeps: Sequence[Sweep], entries: Sequence[Entry]) -> tuple[Comparison, ...]:
    """Each entry with fresh seeds against the first such one; none for fewer than two.

    Args:
        sweeps: Those of the entries.
        entries: In the order of the leaderboard.
    """
    seeded = [entry for entry in entries if entry.seeds]
    if len(seeded) < 2:
        return ()
    by_name = {sweep.name: sweep.evidence for sweep in sweeps}
    declared = [by_name[name] for one in seeded for name in one.sweeps]
    first, family, every = seeded[0], _family(declared, len(seeded)), math.comb(len(seeded), 2)
    pairs = [_two(by_name[first.sweep], first, by_name[other.sweep], other) for other in seeded[1:]]
    measured = [pair_up(pair, *(level.name for level in pair.design.levels)) for pair in pairs]
    known = zip(measured, measure(measured, family), strict=True)
    numbers = [(paired, _for_every_pair(one, paired, family.alpha / every)) for paired, one in known]
    cases = [PairCase(paired, one, claims(one.ci_sim, one.wider), family) for paired, one in numbers]
    grounds = [JudgingContext(pair, _gates(pair)) for pair in pairs]
    orders = [orders_found(one, [case]) for one, case in zip(grounds, cases, strict=True)]
    included = [gate for pair, found in zip(pairs, orders, strict=True) for gate in inclusion(pair.design, found)]
    return tuple(
        _told(replace(one, gates=[*one.gates, *included]), case, _budgets(first, other))
        for one, case, other in zip(grounds, cases, seeded[1:], strict=True)
    )


def _family(compared: Sequence[Evidence], entries: int) -> ComparisonFamily:
    """What all comparisons share; of alphas and deltas that sweeps have declared, the smallest."""
    design = compared[0].design
    looks = max(count_looks(one, digest_of(one)) for one in compared)
    alpha = min(one.design.alpha for one in compared) / looks
    delta = min((one.design.delta for one in compared if one.design.delta is not None), default=None)
    if design.folds > 1:
        return ComparisonFamily(math.comb(entries, 2), alpha, delta, val_per_train(design))
    return ComparisonFamily(entries - 1, alpha, delta, None)


def _for_every_pair(one: PairStatistics, paired: PairedScores, alpha: float) -> PairStatistics:
    """With the interval over seeds and images at the level of one of all pairs; under K-fold it has that already."""
    if paired.bitmaps is None or one.wider is None:
        return one
    both = crossed(*paired.bitmaps, alpha)
    return replace(one, wider=(both.low, both.high))


def _two(one: Evidence, first: Entry, two: Evidence, other: Entry) -> Evidence:
    """The two entries as the levels of one comparison."""
    designs = one.design, two.design
    design = replace(
        one.design,
        name=f"{first.name} and {other.name}",
        title="the recipe",
        levels=(_level(one, first), _level(two, other)),
        control=first.name,
        trials=max(first.draws, other.draws),
        confirm_seeds=max(each.confirm_seeds for each in designs),
        devices=tuple(device for each in designs for device in each.devices),
        commits=tuple(commit for each in designs for commit in each.commits),
        exploratory=one.design.exploratory or two.design.exploratory,
    )
    both = ((one, first), (two, other))
    trials = tuple(replace(row, level=entry.name) for each, entry in both for row in each.draws(entry.level))
    confirm = tuple(replace(row, level=entry.name) for each, entry in both for row in each.confirmed(entry.level))
    return Evidence(design, trials, confirm)


def _level(evidence: Evidence, entry: Entry) -> LevelDesign:
    """The level of an entry under its name, with what rules about a pair must know of its recipe."""
    assert entry.recipe is not None, entry
    level = next(level for level in evidence.design.levels if level.name == entry.level)
    known = {name: entry.recipe.settings[name] for name in IDENTIFYING if name in entry.recipe.settings}
    return replace(level, name=entry.name, settings={**level.settings, **known})


def _gates(pair: Evidence) -> list[RuleResult]:
    """The rules that can forbid a comparison of two recipes, or a claim about one."""
    rules = (alike_but_for_the_factor, comparable_losses, fresh_keys, missing_pairs, scores_of_folds, unchanged_design)
    return [*(gate for rule in rules for gate in rule(pair)), *under_tuned(pair, {})]


def _budgets(first: Entry, other: Entry) -> list[str]:
    """What a verdict on two recipes must add where they were not trained alike."""
    assert first.recipe is not None, first
    assert other.recipe is not None, other
    found = []
    if first.epochs != other.epochs:
        found.append(f"They were trained for {first.epochs} and {number_of(other.epochs, 'epoch')} (R04).")
    if first.recipe.train != other.recipe.train:
        found.append(f"They were trained on {first.recipe.train:,} and {number_of(other.recipe.train, 'row')} (R04).")
    return found


def _told(grounds: JudgingContext, case: PairCase, budgets: Sequence[str]) -> Comparison:
    said = judge(grounds, case)
    if isinstance(said, Refusal):
        case = unknown_if_refused(case, said)
        return _comparison(case, State.REFUSED, ClaimKind.NONE, sentence(State.REFUSED, said), said.rule)
    if isinstance(said, Reliability):
        return _comparison(case, said.state, ClaimKind.NONE, sentence(said.state, said), said.rule or "")
    said = replace(said, caveats=(*said.caveats, *budgets))
    return _comparison(case, said.state, said.claim, sentence(said.state, said))


def _comparison(case: PairCase, state: State, claim: ClaimKind, text: str, code: str = "") -> Comparison:
    paired, one = case.paired, case.numbers
    return Comparison(
        paired.a, paired.b, paired.n, one.diff, one.ci_sim or NOWHERE, one.wider or NOWHERE, one.p, one.p_adjusted,
        state, claim, text, code,
    )  # fmt: skip


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
    if not (design.metric.is_share and n and len(shown) > 1 and ((shown >= 0) & (shown <= 1)).all()):
        return math.nan
    mean = float(shown.mean())
    return expected_max_binomial(len(shown), mean, n) - mean
