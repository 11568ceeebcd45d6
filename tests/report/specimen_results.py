"""What an analysis would find in a specimen: numbers of the right size, without the analysis."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from hpsearch.analysis.comparison.calibrated_losses import Calibrated, CalibratedLevel, CalibratedPair
from hpsearch.analysis.comparison.order_stability import order_stability
from hpsearch.analysis.comparison.time_to_target import speed_of
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.exploration.budget_comparison import compare_budgets
from hpsearch.analysis.exploration.findings import Curve, GoodRegion, Importance, Isolation, SearchSummary
from hpsearch.analysis.exploration.tuning_ease import tuning_ease
from hpsearch.analysis.findings import Action, Answer, Confirmed, Findings, Pair, Rule, RuleResult
from hpsearch.analysis.signals import mechanism_sentence
from tests.report.specimen_parts import Shape, design_of, retrainings_of, trials_of


def draw(shape: Shape, *, title: str = "optimizer", parameter: str = "lr", seed: int = 7, **design: object) -> Findings:
    """Findings about levels whose scores lie around their tops."""
    generator = np.random.default_rng(seed)
    plan = design_of(shape, title, parameter, design)
    trials = tuple(row for at in range(len(shape.levels)) for row in trials_of(shape, plan, at, parameter, generator))
    confirm = tuple(row for at in range(len(shape.levels)) for row in retrainings_of(shape, plan, at, generator))
    evidence = Evidence(plan, trials, confirm)
    confirmed = {level: _confirmed(evidence, level) for level in shape.levels if shape.seeds}
    pairs = tuple(pair_of(evidence, a, b) for a, b in plan.pairs if shape.seeds)
    headline = Answer("inconclusive", f"{len(shape.levels)} levels were compared.")
    scope = Answer("scope", "Applies to: digits; 64-100x4-10, relu, he; 20 epochs; not opened.")
    answers = (headline, *(Answer(_status(pair), pair.sentence) for pair in pairs), scope)
    explored = {level: _explored(evidence, level, parameter, generator) for level in shape.levels}
    return Findings(
        evidence=evidence,
        looks=1,
        answers=answers,
        gates=_gates(),
        explored=explored,
        best_probability=_best(evidence),
        flips=(),
        confirmed=confirmed,
        pairs=pairs,
        contenders=_contenders(shape.levels, pairs),
        factorial=None,
        hints=(),
        limits=("One data set: digits.", "One network: 4 hidden layers of 100 units.", "One schedule: constant."),
        digest="5f" * 32,
        seed=1993,
        at_budget=compare_budgets(evidence, seed=1993),
        tuning_ease=tuning_ease(plan, explored),
        speed=speed_of(evidence),
        mechanism=mechanism_sentence(evidence),
        stability=order_stability(evidence, explored, pairs, ()),
    )


def gate(code: str, action: Action, reason: str, fix: str, level: str | None = None) -> RuleResult:
    return RuleResult(Rule(code), action, reason, fix, level)


def _gates() -> tuple[RuleResult, ...]:
    passed = [gate(f"R{at:02d}", Action.PASS, "holds", "") for at in range(1, 23)]
    return (
        *passed,
        gate("R17", Action.WARN, "the recipe lies in the outer 5 % of lr", "optimizer.space.lr.high=10"),
    )


def _confirmed(evidence: Evidence, level: str) -> Confirmed:
    scores = np.array([row.report for row in evidence.confirmed(level)])
    mean, sd = float(scores.mean()), float(scores.std(ddof=1))
    half = 2.2 * sd / math.sqrt(len(scores))
    target = (6.0, 0.9, 0.6, 0.98) if evidence.design.classes else None
    optimism = max(row.val for row in evidence.draws(level)) - mean
    return Confirmed(len(scores), 0, mean, sd, (mean - half, mean + half), optimism, target)


def pair_of(evidence: Evidence, a: str, b: str) -> Pair:
    """A pair whose intervals are about right; its sentence follows the rules of wording."""
    delta = evidence.design.delta
    first, second = ({row.key: row.report for row in evidence.confirmed(level)} for level in (a, b))
    keys = sorted(first.keys() & second.keys())
    differences = np.array([first[key] - second[key] for key in keys])
    diff, se = float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(len(keys)))
    low, high = diff - 3.1 * se, diff + 3.1 * se
    claimed = low > 0 or high < 0
    state = (
        "worse"
        if high < 0
        else "better"
        if claimed
        else "equivalent"
        if delta and -delta < low and high < delta
        else "inconclusive"
    )
    ahead, behind = (a, b) if diff > 0 else (b, a)
    sentence = {
        "better": f"{ahead} is better than {behind}: {abs(diff):+.4f} ({len(keys)} paired seeds).",
        "worse": f"{ahead} is better than {behind}: {abs(diff):+.4f} ({len(keys)} paired seeds).",
        "equivalent": f"{a} and {b} are equivalent within {delta}: {diff:+.4f}.",
        "inconclusive": f"These data do not separate {a} and {b}: {diff:+.4f}. About 40 seeds would be needed.",
    }[state]
    p = 2.0 ** (1 - len(keys)) if claimed else 0.31
    images = (diff - 4 * se, diff + 4 * se) if evidence.design.metric.is_share else None
    return Pair(
        a, b, len(keys), 0, differences, diff, (diff - 2.2 * se, diff + 2.2 * se), (low, high), images,
        se**2 if images else math.nan, se**2 / 2 if images else math.nan, p, min(1.0, 3 * p), min(1.0, 3 * p),
        float((differences > 0).mean()), None if claimed else 40, state, "full" if claimed else "none", sentence,
    )  # fmt: skip


def calibrated_of(evidence: Evidence) -> Calibrated:
    """Log losses of levels that differ in their loss, a little lower from level to level."""
    names = [level.name for level in evidence.design.levels]
    losses = {name: 0.3 - 0.02 * at for at, name in enumerate(names)}
    levels = {
        name: CalibratedLevel(12, 0, 0.95, (0.94, 0.96), loss, (loss - 0.011, loss + 0.011), 1.37)
        for name, loss in losses.items()
    }
    diffs = [(a, b, losses[a] - losses[b]) for a, b in evidence.design.pairs]
    return Calibrated(levels, tuple(CalibratedPair(a, b, 12, d, (d - 0.013, d + 0.013)) for a, b, d in diffs))


def _contenders(levels: Sequence[str], pairs: Sequence[Pair]) -> tuple[str, ...]:
    beaten = {pair.b if pair.diff > 0 else pair.a for pair in pairs if pair.state in ("better", "worse")}
    return tuple(sorted(set(levels) - beaten))


def _status(pair: Pair) -> str:
    return {"better": "claim", "worse": "claim"}.get(pair.state, pair.state)


def _curve(val: np.ndarray, report: np.ndarray, *, reports: bool) -> Curve:
    n = len(val)
    ks = np.unique(np.round(np.geomspace(1, n, 25)).astype(int))
    order = np.argsort(val, kind="stable")
    weights = np.zeros((len(ks), n))
    for row, k in enumerate(ks):
        weights[row, n - 1] = k / n
        for i in range(n - 1, k - 1, -1):
            weights[row, i - 1] = weights[row, i] * (i + 1 - k) / i
    with np.errstate(invalid="ignore"):
        expected = np.array([np.nansum(np.where(row > 0, row * val[order], 0)) for row in weights])
        shown = np.array([np.nansum(np.where(row > 0, row * report[order], 0)) for row in weights])
    if not reports:
        shown = np.full(len(ks), math.nan)
    median = np.sort(val)[np.minimum(n - 1, np.ceil(n * 0.5 ** (1 / ks)).astype(int) - 1)]
    main = shown if reports else expected
    claim_to = n // 5 if n >= 20 else 0
    half = 0.015 * np.abs(np.where(np.isfinite(main), main, 0)) / np.sqrt(ks)
    inside = (ks <= claim_to) & np.isfinite(main)
    low, high = (np.where(inside, main + side * half, math.nan) for side in (-1, 1))
    return Curve(ks, expected, shown, median, low, high, claim_to)


def _blocks(val: np.ndarray, report: np.ndarray) -> dict[int, np.ndarray]:
    found, n, k = {}, len(val), 1
    while n // k >= 1 and k <= n:
        cut = [slice(at * k, (at + 1) * k) for at in range(n // k)]
        found[k] = np.array([report[piece][np.argmax(val[piece])] for piece in cut])
        k *= 2
    return found


def _explored(evidence: Evidence, level: str, parameter: str, generator: np.random.Generator) -> SearchSummary:
    rows = evidence.draws(level)
    val, report = (np.array([getattr(row, name) for row in rows]) for name in ("val", "report"))
    reports = bool(np.isfinite(report).any())
    shown = report if reports else val
    top, n, size = int(np.argmax(val)), len(rows), float(np.abs(val).max(where=np.isfinite(val), initial=0))
    failed, stalled = (sum(row.status == status for row in rows) for status in ("diverged", "stalled"))
    highest, default, name = float(val[top]), evidence.default(level), f"optimizer.adam.{parameter}"
    return SearchSummary(
        n=n,
        failed=failed,
        failed_interval=_around(failed, n),
        stalled=stalled,
        stalled_interval=_around(stalled, n),
        missing=0,
        curve=_curve(val, shown, reports=reports),
        blocks=_blocks(val, shown),
        recipe=rows[top].k,
        recipe_values=rows[top].values,
        val=highest,
        report=float(report[top]),
        default_val=default.val,
        default_report=default.report if reports else math.nan,
        curse=0.004 * size,
        shrinkage=0.83,
        shrunken=highest - 0.001 * size,
        contending=7,
        mixture=(float(shown[top]), 0.004 * size),
        corrected=None if reports else (highest - 0.004, highest - 0.02, highest + 0.01),
        importance=_importance([*rows[0].values, "dummy"], generator) if n >= 50 else (),
        isolation={name: _ranges(highest, size), "training.batch_size": _choices(highest - 0.01 * size)},
        good=GoodRegion(0.24, _around(n // 4, n), {name: (0.002, 0.05)}, highest - 0.005 * size),
        top=tuple(int(rows[at].k) for at in np.argsort(-val, kind="stable")[:5]),
        mean_cost=float(np.mean([row.cost for row in rows])),
    )


def _ranges(highest: float, size: float) -> tuple[Isolation, ...]:
    """Four ranges of a learning rate; the first has too few trials for an interval."""
    found = []
    for at, (low, high) in enumerate(pairwise(np.geomspace(1e-5, 1, 5).tolist())):
        score = highest - abs(at - 2) * 0.01 * size
        around = None if at == 0 else (score - 0.01 * size, score + 0.005 * size)
        found.append(Isolation(low, high, 20, score, around))
    return tuple(found)


def _choices(score: float) -> tuple[Isolation, ...]:
    return tuple(Isolation(text, text, 33, score, None) for text in ("32", "64", "128"))


def _importance(names: Sequence[str], generator: np.random.Generator) -> tuple[Importance, ...]:
    shares = generator.dirichlet([20, 3, 2, 1][: len(names)]).tolist()
    return tuple(
        Importance(name, share, (share * 0.6, min(1.0, share * 1.4)), at == 0)
        for at, (name, share) in enumerate(zip(names, shares, strict=True))
    )


def _around(hits: int, n: int) -> tuple[float, float]:
    share = hits / n
    half = 1.96 * math.sqrt(max(share * (1 - share), 0.25 / n) / n)
    return max(0.0, share - half), min(1.0, share + half)


def _best(evidence: Evidence) -> dict[int, np.ndarray]:
    names = [level.name for level in evidence.design.levels]
    if len(names) < 2:
        return {}
    tops = np.array([np.quantile([row.val for row in evidence.draws(name)], 0.9) for name in names])
    scale = np.abs(tops).max() + 1e-9
    found = {}
    for k in (1, 2, 5, 10, 20, 40):
        weight = np.exp((tops - tops.max()) / scale * 40 * math.log(k + 1))
        share = weight / weight.sum()
        half = 0.08 if k <= len(evidence.draws(names[0])) // 5 else math.nan
        found[k] = np.stack([share, np.maximum(0, share - half), np.minimum(1, share + half)])
    return found
