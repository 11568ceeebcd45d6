"""What the search found in each level, and between levels at a budget: hypothesis-generating, not evidence.

Legend: N trials of a level, K budgets, J levels. The seed is that of every bootstrap, so that the same evidence gives
the same numbers.
"""

import math
from collections.abc import Sequence

import numpy as np

from hpsearch.analysis.evidence import Evidence, TrialRow
from hpsearch.analysis.exploration.findings import Curve, Interval, SearchSummary
from hpsearch.analysis.exploration.space import columns_of, good_of, importances_of, isolations_of
from hpsearch.analysis.exploration.trial_pool import (
    TOP,
    TrialPool,
    has_reports,
    is_ranked,
    order_refused,
    ranked,
    space_of,
    trial_pool,
)
from hpsearch.analysis.exploration.winners_curse import corrected_score, luck_of
from hpsearch.analysis.findings import Flip
from hpsearch.metrics import Metric
from hpsearch.records import Status
from hpsearch.statistics.best_probability import StepCdfs
from hpsearch.statistics.bootstrap import Differences, best_bands, budget_flips, curve_bands, curve_differences
from hpsearch.statistics.bootstrap import Flip as Turned
from hpsearch.statistics.intervals import wilson
from hpsearch.statistics.tuning_curves import (
    FEWEST_TRIALS,
    budgets,
    curves,
    efficiency_blocks,
    largest_claim,
    median_best,
    tied_weights,
)

MOST_BANDS = 50
"""Levels up to which probabilities of being the best have bands, which take long to resample."""

MOST_TURNING = 12
"""Levels of which an order that turns with the budget is looked for."""

MANY = 2000
"""Trials from which on ten thousands of resamples take long."""

POINTS = 24
"""Budgets of a tuning curve, evenly spaced on a log axis."""

ALPHA = 0.05
"""Of every interval that stands by itself."""


def explore_level(evidence: Evidence, name: str, *, refused: bool, seed: int) -> SearchSummary:
    """What the search found in one level.

    Args:
        evidence: Everything.
        name: Of the level.
        refused: Whether trials depended on each other (adaptive sampler, pruning). Then there are no tuning curves,
            blocks, isolation points, importances, good region, probabilities of being the highest or BBC-CV: all of
            these need independent draws.
        seed: Of every bootstrap.
    """
    draws, pool, default = evidence.draws(name), trial_pool(evidence, name), evidence.default(name)
    best = ranked(draws)
    recipe = best[0] if best else None
    columns = columns_of(space_of(evidence.design, name), pool.rows)
    usable = recipe is not None and len(pool) > 0 and not refused
    missing = _missing(draws, pool)
    n = len(draws) - missing
    failed, stalled = (sum(row.status == status for row in draws) for status in (Status.DIVERGED, Status.STALLED))
    luck = luck_of(evidence.design, pool, refused=refused)
    return SearchSummary(
        n=n,
        failed=failed,
        failed_interval=_share(failed, n),
        stalled=stalled,
        stalled_interval=_share(stalled, n),
        missing=missing,
        curve=_curve(evidence.design.metric, pool, seed) if usable else None,
        blocks=_blocks(pool) if usable else {},
        recipe=None if recipe is None else recipe.k,
        recipe_values={} if recipe is None else recipe.values,
        val=math.nan if recipe is None else recipe.val,
        report=math.nan if recipe is None else recipe.report,
        default_val=_score(evidence, default, "val"),
        default_report=_score(evidence, default, "report"),
        curse=luck.curse,
        shrinkage=luck.shrinkage,
        shrunken=luck.shrunken,
        contending=luck.contending,
        mixture=luck.mixture,
        corrected=corrected_score(evidence.design, pool, seed) if usable else None,
        importance=importances_of(columns, pool, seed) if usable else (),
        isolation=isolations_of(columns, pool, evidence.design.metric, seed) if usable else {},
        good=good_of(evidence, pool, columns, recipe) if usable and recipe is not None else None,
        top=tuple(row.k for row in best[:TOP]),
        mean_cost=_mean_cost(draws),
    )


def _missing(draws: Sequence[TrialRow], pool: TrialPool) -> int:
    """Draws that have no score for reasons of the machine: neither judged nor diverged."""
    judged = {row.k for row in pool.rows} | {row.k for row in draws if row.status == Status.PRUNED}
    return sum(row.k not in judged for row in draws)


def _share(hits: int, n: int) -> Interval:
    """Wilson 95 %; without trials anything is possible."""
    return wilson(min(hits, n), n) if n else (0.0, 1.0)


def _score(evidence: Evidence, row: TrialRow | None, part: str) -> float:
    """Of the default recipe; the worst possible one if it diverged."""
    if row is None or (part == "report" and not has_reports(evidence)):
        return math.nan
    return evidence.design.metric.worst if row.status == Status.DIVERGED else float(getattr(row, part))


def _mean_cost(draws: Sequence[TrialRow]) -> float:
    known = [row.cost for row in draws if math.isfinite(row.cost)]
    return float(np.mean(known)) if known else math.nan


def _grid(n: int) -> list[int]:
    """All budgets of few trials; of many about `POINTS`, and the declared ones."""
    dense = range(1, n + 1) if n <= POINTS else np.geomspace(1, n, POINTS).round().astype(int).tolist()
    return sorted({*dense, *budgets(n)})


def _claims(n: int) -> int:
    """The largest budget that n trials support a claim about; 0 for too few trials (R05)."""
    return largest_claim(n) if n >= FEWEST_TRIALS else 0


def _curve(metric: Metric, pool: TrialPool, seed: int) -> Curve:
    n, ks = len(pool), _grid(len(pool))
    expected, shown = curves(pool.val, pool.shown, ks)
    low, high = np.full((2, len(ks)), math.nan)
    inside = [k for k in ks if k <= _claims(n)]
    if inside:
        bands = curve_bands(pool.val, pool.shown, inside, ALPHA, seed)
        low[: len(inside)], high[: len(inside)] = np.clip(bands, metric.worst, metric.best)
    report = shown if pool.reported else np.full(len(ks), math.nan)
    median = np.array([median_best(pool.val, k) for k in ks])
    return Curve(np.array(ks), expected, report, median, low, high, _claims(n))


def _blocks(pool: TrialPool) -> dict[int, np.ndarray]:
    """Scores of the selected trials of disjoint blocks of 1, 2, 4 … trials; for QMC, too, these are aligned (R22)."""
    sizes = [2**power for power in range(len(pool).bit_length())]
    return {k: efficiency_blocks(pool.val, pool.shown, k) for k in sizes}


def best_probability(evidence: Evidence, *, seed: int) -> dict[int, np.ndarray]:
    """Budget k to (3, J) probabilities that a level's selected trial scores highest: estimate, low, high (S-05).

    Budgets are 1, 2, 5, 10 … and the declared ones, up to the trials of the smallest level; the ends are NaN beyond a
    fifth of these, where it has fewer than 20, and for more than `MOST_BANDS` levels. Scores are those on the report
    rows, or on `val` where there are none. Empty for fewer than two levels, a level without a result, no trial with a
    score, or trials that depend on each other.
    """
    pools = _comparable(evidence)
    if not pools:
        return {}
    n = min(map(len, pools))
    round_numbers = {digit * 10**power for digit in (1, 2, 5) for power in range(len(str(n)))}
    ks = sorted({k for k in round_numbers if k <= n} | {*budgets(n)})
    weights = [np.stack([tied_weights(pool.val, k) for k in ks], axis=1) for pool in pools]
    found = np.full((3, len(pools), len(ks)), math.nan)
    found[0] = StepCdfs.of([pool.shown for pool in pools]).prob_best(weights)
    inside = [k for k in ks if k <= _claims(n)]
    if inside and len(pools) <= MOST_BANDS:
        levels = [(pool.val, pool.shown) for pool in pools]
        found[1, :, : len(inside)], found[2, :, : len(inside)] = best_bands(levels, inside, ALPHA, seed)
    return {k: found[:, :, at] for at, k in enumerate(ks)}


def _comparable(evidence: Evidence) -> list[TrialPool]:
    """The pools of all levels; empty where no order statistic may compare them, or no trial of any has a score."""
    names = [level.name for level in evidence.design.levels]
    pools = [trial_pool(evidence, name) for name in names]
    known = any(is_ranked(row) for pool in pools for row in pool.rows) and all(map(len, pools))
    return pools if len(names) > 1 and known and not order_refused(evidence) else []


def flips(evidence: Evidence, *, seed: int) -> tuple[Flip, ...]:
    """Pairs of levels of which one is ahead at a small budget and the other at a larger one (S-06).

    Both differences exclude 0 at declared budgets, by intervals that hold together for all pairs and budgets. A level
    in which a regression diverged has expectations of minus infinity: it takes no part. Of more than `MOST_TURNING`
    levels none is told: so many pairs leave no interval that could exclude 0, and take minutes.
    """
    pools = _comparable(evidence) if len(evidence.design.levels) <= MOST_TURNING else []
    names = [level.name for level in evidence.design.levels]
    ks = budgets(min(map(len, pools), default=0))
    turning = _turning_apart(pools, ks, _turning(pools, ks), seed)
    if len(turning) < 2:
        return ()
    share = math.comb(len(turning), 2) / math.comb(len(pools), 2)  # the others' part of alpha is theirs all the same
    levels = [(pools[at].val, pools[at].shown) for at in turning]
    found = curve_differences(levels, ks, evidence.design.alpha * share, seed)
    return tuple(_flip(found, flip, [names[at] for at in turning]) for flip in budget_flips(found))


def _turning(pools: Sequence[TrialPool], ks: Sequence[int]) -> list[int]:
    """Levels with a finite curve that crosses another such curve: the only ones whose order can turn."""
    finite = [at for at, pool in enumerate(pools) if np.isfinite(pool.shown).all()]
    known = {at: curves(pools[at].val, pools[at].shown, ks)[1] for at in finite} if ks else {}
    return [
        at
        for at, curve in known.items()
        if any((curve > other).any() and (curve < other).any() for other in known.values())
    ]


def _turning_apart(pools: Sequence[TrialPool], ks: Sequence[int], turning: Sequence[int], seed: int) -> Sequence[int]:
    """Of many trials, the levels whose order turns by intervals of their own: by wider ones, no others' does."""
    if len(turning) < 2 or max(len(pools[at]) for at in turning) < MANY:
        return turning
    alone = ALPHA * math.comb(len(turning), 2) * len(ks)
    found = budget_flips(curve_differences([(pools[at].val, pools[at].shown) for at in turning], ks, alone, seed))
    return sorted({turning[at] for flip in found for at in (flip.first, flip.second)})


def _flip(found: Differences, turned: Turned, names: Sequence[str]) -> Flip:
    """The level that is ahead at the smaller budget comes first."""
    pair = found.pairs.index((turned.first, turned.second))
    sign = 1 if turned.k_first < turned.k_second else -1
    small, large = sorted((turned.k_first, turned.k_second))
    first, second = (names[turned.first], names[turned.second])[::sign]
    at_small, at_large = (_difference(found, pair, found.ks.index(k), sign) for k in (small, large))
    return Flip(first, second, small, large, at_small, at_large)


def _difference(found: Differences, pair: int, k: int, sign: int) -> tuple[float, float, float]:
    low, high = (sign * float(end[pair, k]) for end in (found.low, found.high)[::sign])
    return sign * float(found.estimate[pair, k]), low, high
