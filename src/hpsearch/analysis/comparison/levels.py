"""Frozen recipes on fresh seeds: what each level scores, and what may be said about each pair of levels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hpsearch.analysis.comparison.judging import (
    JudgingContext,
    Names,
    PairCase,
    claim_of,
    cyclic_claims,
    judge,
    orders_found,
    unknown_if_refused,
)
from hpsearch.analysis.comparison.outcomes import failed_seeds, failures_of, outcome, outcomes
from hpsearch.analysis.comparison.paired_scores import (
    NOWHERE,
    OWN_ALPHA,
    ComparisonFamily,
    PairedScores,
    measure,
    pair_up_all,
    val_per_train,
)
from hpsearch.analysis.comparison.refusals import in_words, missing_recipe, without_mean
from hpsearch.analysis.comparison.sentences import Refusal, Reliability, Statement, sentence
from hpsearch.analysis.comparison.time_to_target import target_of, time_to
from hpsearch.analysis.comparison.verdict import ClaimKind, State
from hpsearch.analysis.evidence import Evidence, TrialRow
from hpsearch.analysis.exploration.findings import Interval, SearchSummary
from hpsearch.analysis.findings import Confirmed, Pair, Rule, RuleResult
from hpsearch.analysis.rules.inclusion import inclusion
from hpsearch.statistics.corrected_resampling import corrected_interval
from hpsearch.statistics.group_sequential import shares
from hpsearch.statistics.paired_tests import contenders, mean_interval, spread


def family_of(evidence: Evidence, looks: int) -> ComparisonFamily:
    """The family of all comparisons of a design.

    Args:
        evidence: With the design.
        looks: Unplanned looks, this one included: they share alpha.
    """
    design = evidence.design
    ratio = val_per_train(design) if design.folds > 1 else None
    return ComparisonFamily(max(1, len(design.pairs)), design.alpha / looks, design.delta, ratio)


def confirm_levels(
    evidence: Evidence, explored: Mapping[str, SearchSummary], gates: Sequence[RuleResult]
) -> dict[str, Confirmed]:
    """Each level's recipe on fresh seeds, in the order of the levels; without levels that have no score on any."""
    found = {}
    for level in evidence.design.levels:
        if outcomes(evidence, level.name):
            found[level.name] = _confirmed(evidence, level.name, explored.get(level.name), gates)
    return found


def _confirmed(
    evidence: Evidence, level: str, explored: SearchSummary | None, gates: Sequence[RuleResult]
) -> Confirmed:
    known, lost = outcomes(evidence, level), failures_of(evidence, level)
    n, failed = lost.n, lost.diverged
    times, refused = time_to(evidence, level, target_of(evidence)), without_mean(gates, level)
    if refused:
        return Confirmed(n, failed, math.nan, math.nan, NOWHERE, math.nan, times, refused, lost)
    scores = np.array(list(known.values()))
    mean, sd = float(scores.mean()), spread(scores) if n > 1 else math.nan
    optimism, interval = _search_score(evidence, level, explored) - mean, _mean_interval(evidence, level, scores)
    typical, around = mean, interval
    if evidence.design.folds == 1 and lost.count and lost.is_exception:
        failing = failed_seeds(evidence, level)
        trained = np.array([score for key, score in known.items() if key not in failing])
        typical, around = float(trained.mean()), _mean_interval(evidence, level, trained)
    return Confirmed(n, failed, mean, sd, interval, optimism, times, (), lost, typical, around)


def _mean_interval(evidence: Evidence, level: str, scores: np.ndarray) -> Interval:
    """Over seeds, or over folds with the correction for their overlap."""
    if evidence.design.folds <= 1:
        return mean_interval(scores, OWN_ALPHA) if len(scores) > 1 else NOWHERE
    folds = np.array(
        [score for row in evidence.confirmed(level) if not math.isnan(outcome(row)) for score in row.folds]
    )
    if len(folds) < 2 or not np.isfinite(folds).all():
        return NOWHERE
    return corrected_interval(folds, val_per_train(evidence.design), 1, OWN_ALPHA)


def _search_score(evidence: Evidence, level: str, explored: SearchSummary | None) -> float:
    """The `val` score that the recipe had in the search; NaN if it is not known."""
    if retrained_of(evidence, level):
        trial = searched_as(evidence, level)
        return math.nan if trial is None else trial.val
    return explored.val if explored is not None else math.nan


def retrained_of(evidence: Evidence, level: str) -> list[int]:
    """Numbers of the trials whose recipe was retrained, as far as the retrainings say; one, as a rule."""
    return sorted({row.trial for row in evidence.confirmed(level) if row.trial is not None})


def searched_as(evidence: Evidence, level: str) -> TrialRow | None:
    """The trial whose recipe was retrained; None if that is not known, are several, or was not in the search."""
    numbers, default = retrained_of(evidence, level), evidence.default(level)
    searched = [*evidence.draws(level), *([] if default is None else [default])]
    return next((row for row in searched if [row.k] == numbers), None)


def compare_levels(
    evidence: Evidence, family: ComparisonFamily, gates: Sequence[RuleResult]
) -> tuple[tuple[Pair, ...], list[RuleResult]]:
    """What may be said about each comparison of the design, and what R18 finds; no pairs if nothing was retrained.

    Args:
        evidence: The retrainings.
        family: What all comparisons share.
        gates: Of the design and the search; `refusals.WITHHELD` says which of them stand against what.
    """
    if not any(outcomes(evidence, level.name) for level in evidence.design.levels):
        return (), inclusion(evidence.design, ())
    cases: dict[Names, PairCase] = {}
    pairs: dict[Names, Pair] = {}
    included: list[RuleResult] = []
    before, looks = 0, evidence.design.looks or (1,)
    for seeds, part in zip(looks, shares(looks), strict=True):
        measured = pair_up_all(evidence.at_look(seeds), _to_compare(evidence, pairs))
        if cases:  # those that have got more seeds since
            measured = [paired for paired in measured if paired.keys[-1:] > (before,)]
        each = replace(family, part=part, m=len(measured) if cases else family.m)
        for paired, one in zip(measured, measure(measured, each), strict=True):
            cases[paired.a, paired.b] = PairCase(paired, one, claim_of(paired, one), each)
        ordered = cyclic_claims([case.order for case in cases.values() if case.side])
        grounds = JudgingContext(evidence, gates, ordered)
        included = inclusion(evidence.design, orders_found(grounds, list(cases.values())))
        grounds = replace(grounds, gates=[*gates, *included])
        pairs = {names: _pair(grounds, case) for names, case in cases.items()}
        before = seeds
    return tuple(pairs.values()), included


def _to_compare(evidence: Evidence, pairs: Mapping[Names, Pair]) -> list[Names]:
    """The pairs that the next look compares: those that more seeds could decide; all of them at the first look.

    Where all pairs are compared, a level that is behind another is out: it can be none of the best.
    """
    if not pairs:
        return evidence.design.pairs
    behind = {order_of(pair)[1] for pair in pairs.values() if pair.claim != ClaimKind.NONE}
    out = behind if evidence.design.control is None else set()
    open_ = [names for names, pair in pairs.items() if _more_seeds_could_decide(evidence, pair)]
    return [names for names in open_ if not out.intersection(names)]


def _more_seeds_could_decide(evidence: Evidence, pair: Pair) -> bool:
    if pair.claim != ClaimKind.NONE or pair.state == State.EQUIVALENT:
        return False
    lost = any(missing_recipe(evidence, level) for level in (pair.a, pair.b))
    return not lost and set(pair.refused) <= {Rule.ENOUGH_SEEDS, Rule.NO_MISSING_PAIR}


def undecided_levels(evidence: Evidence, pairs: Sequence[Pair]) -> list[str]:
    """The levels that the next look needs more seeds of, in the order of the design."""
    open_ = {level for names in _to_compare(evidence, {(pair.a, pair.b): pair for pair in pairs}) for level in names}
    return [level.name for level in evidence.design.levels if level.name in open_]


def _pair(grounds: JudgingContext, case: PairCase) -> Pair:
    told = judge(grounds, case)
    if not isinstance(told, Statement) and grounds.evidence.design.is_foreign:
        told = replace(told, fix=in_words(told.fix))
    if isinstance(told, Refusal):
        plain = _as_pair(unknown_if_refused(case, told), State.REFUSED, sentence(State.REFUSED, told))
        return replace(plain, refused=(told.rule,))
    if isinstance(told, Reliability):
        claim = ClaimKind.FULL if told.by_shares else ClaimKind.ON_THIS_REPORT_SET_ONLY
        refused = () if told.rule is None else (told.rule,)
        return replace(_as_pair(case, told.state, sentence(told.state, told)), claim=claim.value, refused=refused)
    return replace(_as_pair(case, told.state, sentence(told.state, told)), claim=told.claim.value)


def _as_pair(case: PairCase, state: State, said: str) -> Pair:
    paired, one = case.paired, case.numbers
    return Pair(
        a=paired.a, b=paired.b, n=paired.n, dropped=paired.dropped, differences=_shown_differences(paired),
        diff=one.diff, ci=one.ci, ci_sim=one.ci_sim or NOWHERE,
        ci_images=one.wider if math.isfinite(one.image_part) else None, seed_part=one.seed_part,
        image_part=one.image_part, p=one.p, p_adjusted=one.p_adjusted, p_holm=one.p_holm, superiority=one.superiority,
        needed=one.needed, state=state.value, claim=ClaimKind.NONE.value, sentence=said, compared=one.n, mean=one.mean,
        p_reliability=one.p_reliability, failed=paired.failed,
    )  # fmt: skip


def _shown_differences(paired: PairedScores) -> np.ndarray:
    """(S,) by key, infinite where one of the two diverged, 0 where both did."""
    a, b = paired.scores_a, paired.scores_b
    shown: np.ndarray = np.subtract(a, b, out=np.zeros(len(a)), where=a != b)
    return shown


def order_of(pair: Pair) -> tuple[str, str]:
    """The level that is ahead, and the one behind."""
    by_ranks = pair.state in (State.MORE_RELIABLE, State.LESS_RELIABLE)
    ahead = pair.state == State.MORE_RELIABLE if by_ranks else pair.diff > 0
    return (pair.a, pair.b) if ahead else (pair.b, pair.a)


def contenders_of(evidence: Evidence, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The levels that no other is claimed to beat, whatever the report rows, by the alphabet."""
    claimed = {order_of(pair) for pair in pairs if pair.claim == ClaimKind.FULL}
    claimed -= cyclic_claims(sorted(claimed))  # by ranks: means on the same keys cannot contradict each other
    names = sorted((level.name for level in evidence.design.levels), key=lambda name: (name.casefold(), name))
    return contenders(names, claimed)
