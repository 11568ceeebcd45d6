"""Every option of a comparison beside the others, with the numbers that it is chosen by."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from hpsearch.analysis.comparison.levels import order_of
from hpsearch.analysis.comparison.paired_scores import NOWHERE, ComparisonFamily, PairedScores, pair_up_all
from hpsearch.analysis.comparison.verdict import ClaimKind
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.exploration.findings import Interval, SearchSummary
from hpsearch.analysis.exploration.trial_pool import TrialPool, trial_pool
from hpsearch.analysis.findings import Confirmed, Pair, Standing
from hpsearch.statistics.compact_letters import compact_letters
from hpsearch.statistics.corrected_resampling import corrected_interval
from hpsearch.statistics.group_sequential import part_of_look
from hpsearch.statistics.paired_tests import differences, sign_flip_interval
from hpsearch.statistics.tuning_curves import curves

FEW_TRIALS, MORE_TRIALS = 5, 20
"""Budgets of a search at which options stand side by side."""


def standings(
    evidence: Evidence,
    explored: Mapping[str, SearchSummary],
    confirmed: Mapping[str, Confirmed],
    pairs: Sequence[Pair],
    family: ComparisonFamily,
) -> tuple[Standing, ...]:
    """Every option, the highest mean on fresh seeds first; then those without one, by what the search expects."""
    behind = _at_most_behind(evidence, family)
    rows = [
        _standing(evidence, level.name, explored[level.name], confirmed, behind) for level in evidence.design.levels
    ]
    rows.sort(key=lambda row: (math.isnan(row.mean), -row.mean if math.isfinite(row.mean) else 0.0, row.level))
    separated = [order_of(pair) for pair in pairs if pair.claim != ClaimKind.NONE]
    tested = any(not pair.refused for pair in pairs) or separated
    every_pair = tested and evidence.design.control is None
    letters = compact_letters([row.level for row in rows], separated) if every_pair else {}
    return tuple(replace(row, letters=letters.get(row.level, "")) for row in rows)


def _standing(
    evidence: Evidence,
    level: str,
    explored: SearchSummary,
    confirmed: Mapping[str, Confirmed],
    behind: Mapping[str, float],
) -> Standing:
    seeds = confirmed.get(level) or Confirmed(0, 0, math.nan, math.nan, NOWHERE, math.nan)
    rows, pool = evidence.confirmed(level), trial_pool(evidence, level)
    scores = [row.report if math.isfinite(row.report) else -math.inf for row in rows]
    known = [score for row, score in zip(rows, scores, strict=True) if row.status in ("ok", "stalled", "diverged")]
    default = evidence.default(level)
    reported = explored.default_report if math.isfinite(explored.default_report) else explored.default_val
    if default is not None and default.status == "diverged":
        reported = -math.inf
    return Standing(
        level=level,
        n=seeds.n,
        mean=seeds.mean,
        interval=seeds.interval,
        typical=seeds.typical,
        around=seeds.around,
        failures=seeds.failures,
        worst=min(known, default=math.nan),
        letters="",
        behind=behind.get(level, math.nan),
        failed=explored.failed + explored.stalled,
        trials=explored.n,
        failed_seeds=seeds.failed,
        untuned=reported,
        after_one=_expected(pool, explored, 1),
        after_few=_expected(pool, explored, FEW_TRIALS),
        after_more=_expected(pool, explored, MORE_TRIALS),
        good=math.nan if explored.good is None or not explored.learns else explored.good.share,
        main=_main_value(explored) if explored.learns else None,
        recipe=explored.recipe,
        drawn=explored.recipe_values,
    )


def _expected(pool: TrialPool, explored: SearchSummary, trials: int) -> float:
    """Expected score of the selected one of so many trials: on report rows if there are any."""
    if explored.curve is None or len(pool) < trials:
        return math.nan
    expected, report = curves(pool.val, pool.shown, [trials])
    return float(report[0] if pool.reported else expected[0])


def _main_value(explored: SearchSummary) -> tuple[str, float, float] | None:
    """The number that matters most by its importance, or else a learning rate, with its good range."""
    spans = {} if explored.good is None else explored.good.spans
    ranked = [one.name for one in sorted(explored.importance, key=lambda one: -one.share) if one.name in spans]
    rates = [name for name in spans if name.endswith(".lr")]
    name = next(iter([*ranked, *rates, *spans]), None)
    return None if name is None else (name, *spans[name])


def _at_most_behind(evidence: Evidence, family: ComparisonFamily) -> dict[str, float]:
    """How far each level lies behind the best one at most, all at once at the confidence of the report.

    Multiple comparisons with the best (Hsu, Annals of Statistics 1984): the largest of the one-sided upper bounds of
    the other levels minus this one, of which those of the best level hold at once. Each bound is that of the sign-flip
    test at alpha / (J - 1), or of the corrected t interval of folds. Levels without a mean have no bound.
    """
    names = [level.name for level in evidence.design.levels]
    each = 2 * family.alpha / (len(names) - 1)
    bounds: dict[str, list[float]] = {name: [] for name in names}
    for paired in pair_up_all(evidence, [*combinations(names, 2)]):
        part = part_of_look(evidence.design.looks, max(paired.keys, default=0))
        low, high = _difference(paired, family, each * part)
        bounds[paired.a].append(-low)
        bounds[paired.b].append(high)
    known = {name: [bound for bound in own if not math.isnan(bound)] for name, own in bounds.items()}
    return {name: max(0.0, *own) for name, own in known.items() if own and all(map(math.isfinite, own))}


def _difference(paired: PairedScores, family: ComparisonFamily, level: float) -> Interval:
    """The 1 - level interval of a minus b; NaN where either has no mean."""
    if not paired.n or paired.diverged or level >= 1:
        return NOWHERE
    if family.ratio is None:
        return sign_flip_interval(differences(paired.scores_a, paired.scores_b), level)
    if paired.folds is None or len(paired.folds) < 2:
        return NOWHERE
    return corrected_interval(paired.folds, family.ratio, 1, level)
