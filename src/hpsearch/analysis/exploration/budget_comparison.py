"""Which level is ahead at a budget of trials: a statement about the search, conditional on one split and one seed.

Legend: J levels, K budgets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpsearch.analysis.evidence import Design, Evidence
from hpsearch.analysis.exploration.trial_pool import TrialPool, has_reports, order_refused, trial_pool
from hpsearch.formatting import listed, number_of, show_interval, visible
from hpsearch.statistics.bootstrap import simultaneous_bands
from hpsearch.statistics.tuning_curves import FEWEST_TRIALS, budgets, curves, largest_claim

MOST_COMPARED = 12
"""Levels up to which they are compared: of more, bands that hold for all of them at once are too wide to tell."""

EQUAL = 1.1
"""Ratio of mean costs up to which an equal number of trials is an equal budget."""

ROOM = 1e-9
"""For the rounding of ratios of costs."""

NAMED = 3
"""More levels behind another one than these are counted, not named."""


@dataclass(frozen=True, slots=True)
class BudgetScore:
    """What a level's search gives at a budget.

    Attributes:
        level: Its name.
        trials: Trials that the budget buys.
        score: Expected score of the selected one of them, on report rows where there are any.
        low: Lower end of the interval that holds together with those of all levels and budgets.
        high: Upper end.
    """

    level: str
    trials: int
    score: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Lead:
    """A level that is ahead of others at a budget: its interval lies above theirs.

    Attributes:
        ahead: It.
        behind: The others, the highest first, but for those that a still higher level is ahead of.
    """

    ahead: BudgetScore
    behind: tuple[BudgetScore, ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """All levels at one budget.

    Attributes:
        trials: Trials of the level whose trials cost most.
        scores: Of each level, the highest first.
        leads: What is ahead of what; empty where intervals overlap.
        sentence: What may be said.
    """

    trials: int
    scores: tuple[BudgetScore, ...]
    leads: tuple[Lead, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class BudgetComparison:
    """Which level is ahead at which budget.

    Attributes:
        budgets: From the smallest to the largest that the search supports; empty if it supports none.
        dearest: The level whose trials cost most, where costs differ: budgets are its trials; otherwise None.
        claim_to: Largest number of trials of every level that anything is said about.
        sentence: The answer in a sentence.
    """

    budgets: tuple[Budget, ...]
    dearest: str | None
    claim_to: int
    sentence: str


def compare_budgets(evidence: Evidence, *, seed: int) -> BudgetComparison | None:
    """Return which level is ahead at the declared budgets; None where no order statistic exists, or nothing to score.

    Where mean costs of a trial differ by more than 10 %, budgets are equal costs instead of equal numbers of trials.

    Args:
        evidence: Everything.
        seed: Of the resamples.
    """
    names = [level.name for level in evidence.design.levels]
    pools = [trial_pool(evidence, name) for name in names]
    fewest = min(map(len, pools))
    if order_refused(evidence) or not fewest:
        return None
    if fewest < FEWEST_TRIALS or len(names) > MOST_COMPARED:
        return BudgetComparison((), None, 0, _too_little(evidence.design, fewest))
    costs = _mean_costs(evidence, names)
    bought = _trials_bought(pools, costs)
    dearest = names[costs.index(max(costs))] if _differ(costs) else None
    found = tuple(_budget(evidence.design, scores, dearest) for scores in _scores(evidence, pools, bought, seed))
    return BudgetComparison(found, dearest, largest_claim(fewest), _answer(evidence, found, largest_claim(fewest)))


def _too_little(design: Design, fewest: int) -> str:
    if fewest < FEWEST_TRIALS:
        return f"Nothing is said of budgets: that takes {FEWEST_TRIALS} trials of each option, and there are {fewest}."
    most = f"bands of {len(design.levels)} {design.options} that hold at once are too wide"
    return f"No two {design.options} are compared at a budget: {most}."


def _mean_costs(evidence: Evidence, names: Sequence[str]) -> list[float]:
    """Mean cost of a trial of each level; 1 for all of them unless all are known."""
    known = [[row.cost for row in evidence.draws(name) if math.isfinite(row.cost)] for name in names]
    means = [sum(costs) / len(costs) if costs else 0.0 for costs in known]
    return means if all(mean > 0 for mean in means) else [1.0] * len(names)


def _differ(costs: Sequence[float]) -> bool:
    return max(costs) > EQUAL * min(costs)


def _trials_bought(pools: Sequence[TrialPool], costs: Sequence[float]) -> list[list[int]]:
    """For each budget the trials of each level, at most a fifth of what it has: declared budgets and the largest."""
    rates = [max(costs) / cost if _differ(costs) else 1.0 for cost in costs]
    most = min(int((largest_claim(len(pool)) + 1) / rate - ROOM) for pool, rate in zip(pools, rates, strict=True))
    ks = sorted({k for k in budgets(min(map(len, pools))) if k < most} | {most} - {0})
    return [[math.floor(k * rate + ROOM) for rate in rates] for k in ks]


def _scores(
    evidence: Evidence, pools: Sequence[TrialPool], bought: Sequence[Sequence[int]], seed: int
) -> list[list[BudgetScore]]:
    """Of each budget, every level with a finite score, the highest first."""
    if not bought:
        return []
    metric, names = evidence.design.metric, [level.name for level in evidence.design.levels]
    of_level = list(zip(*bought, strict=True))
    levels = [(pool.val, pool.shown) for pool in pools]
    bands = simultaneous_bands(levels, of_level, evidence.design.alpha, seed)
    expected = [curves(*level, ks)[1] for level, ks in zip(levels, of_level, strict=True)]
    ends = [np.clip(band, metric.worst, metric.best).tolist() for band in bands]
    rows = [
        [BudgetScore(name, ks[at], float(score[at]), low[at], high[at])
         for name, ks, score, (low, high) in zip(names, of_level, expected, ends, strict=True)
         if np.isfinite(score[at])]
        for at in range(len(bought))
    ]  # fmt: skip
    return [sorted(row, key=lambda one: -one.score) for row in rows]


def _budget(design: Design, scores: Sequence[BudgetScore], dearest: str | None) -> Budget:
    """What may be said of one budget."""
    trials = next((one.trials for one in scores if one.level == dearest), scores[0].trials if scores else 0)
    leads, apart = _leads(scores), len({one.trials for one in scores}) > 1
    with_ = f"For the cost of {number_of(trials, 'trial')} of {visible(dearest or '')}"
    if not apart:
        with_ = f"With {number_of(trials, 'trial')}{' each' if len(design.levels) > 1 else ''}"
    told = [_lead(design, lead, counted=apart) for lead in leads]
    if len(design.levels) == 1:
        told = [_alone(design, scores)]
    overlap = f"no two {design.options} can be told apart: their bands overlap"
    return Budget(trials, tuple(scores), leads, f"{with_}, {'; '.join(told) or overlap}.")


def _alone(design: Design, scores: Sequence[BudgetScore]) -> str:
    """Of a level that is compared with nothing."""
    if not scores:
        return "the selected one may have diverged"
    return f"the selected one is expected to score {design.metric.name} {_value(design, scores[0])}"


def _leads(scores: Sequence[BudgetScore]) -> tuple[Lead, ...]:
    """Each level behind the highest of those that are ahead of it."""
    behind: dict[str, list[BudgetScore]] = {}
    for one in scores:
        above = next((other for other in scores if other.low > one.high), None)
        if above is not None:
            behind.setdefault(above.level, []).append(one)
    return tuple(Lead(one, tuple(behind[one.level])) for one in scores if one.level in behind)


def _lead(design: Design, lead: Lead, *, counted: bool) -> str:
    """What is ahead of what: `adam is ahead of sgd: accuracy 0.957 [0.951, 0.962] against 0.919 [0.901, 0.933]`."""
    first, several = lead.behind[0], len(lead.behind) > 1
    names = [visible(one.level) for one in lead.behind]
    names = names if len(names) <= NAMED else [*names[: NAMED - 1], f"{len(names) - NAMED + 1} more"]
    trials = [number_of(one.trials, "trial") if counted else "" for one in (lead.ahead, first)]
    aside = visible(first.level) if several else ""
    ahead, behind = (
        f"{_value(design, one)}{f' ({noted})' if noted else ''}"
        for one, noted in ((lead.ahead, trials[0]), (first, ", ".join(filter(None, (aside, trials[1])))))
    )
    most = "at least" if design.metric.lower_is_better else "at most"
    against = f"against {most} {behind}" if several else f"against {behind}"
    return f"{visible(lead.ahead.level)} is ahead of {listed(names)}: {design.metric.name} {ahead} {against}"


def _value(design: Design, one: BudgetScore) -> str:
    """`0.957 [0.951, 0.962]`, of a loss its value, not its score."""
    low, high = sorted((design.metric.score(one.low), design.metric.score(one.high)))
    known = all(map(math.isfinite, (low, high)))
    return show_interval(design.metric.score(one.score), *((low, high) if known else (None, None)))


def _answer(evidence: Evidence, found: Sequence[Budget], claim_to: int) -> str:
    """The largest budget at which anything is ahead; or that there is none."""
    options = evidence.design.options
    if not found:
        most = f"at most {number_of(claim_to, 'trial')} of each option can be"
        return f"No budget is compared: {most}, and their costs differ by more."
    telling = [one.sentence for one in found if one.leads or len(evidence.design.levels) == 1]
    if telling:
        rows = "" if has_reports(evidence) else " These are scores that selected, which makes them optimistic."
        return f"In the search, {telling[-1][0].lower()}{telling[-1][1:]}{rows}"
    *fewer, most = (str(one.trials) for one in found)
    budget = f"{', '.join(fewer)} or {most} trials" if fewer else number_of(found[0].trials, "trial")
    return f"In the search, no two {options} can be told apart with {budget} each: their bands overlap."
