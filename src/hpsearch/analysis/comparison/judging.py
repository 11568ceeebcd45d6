"""What may be said about one pair of levels, given its numbers and the gates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hpsearch.analysis.comparison.paired_scores import (
    NOWHERE,
    OWN_ALPHA,
    ComparisonFamily,
    PairedScores,
    PairStatistics,
    enough,
    ranks_of,
    trained_keys,
)
from hpsearch.analysis.comparison.refusals import (
    WITHHELD,
    Withheld,
    about_divergence,
    about_seeds,
    against,
    missing_score_of_any,
    possibly_under_tuned,
    refusing_rules,
    shares_failed,
)
from hpsearch.analysis.comparison.sentences import Refusal, Reliability, Statement
from hpsearch.analysis.comparison.verdict import ClaimKind, State, claims
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.exploration.trial_pool import trial_pool
from hpsearch.analysis.findings import Rule, RuleResult
from hpsearch.analysis.rules.inclusion import tuned_in_part
from hpsearch.formatting import capital, number_of, plural, show_coverage, show_like, show_score, visible
from hpsearch.statistics.paired_tests import differences, sign_flip_interval, spread
from hpsearch.statistics.proportions import fisher

Names = tuple[str, str]
"""(winner, loser)."""


@dataclass(frozen=True, slots=True)
class PairCase:
    """One pair on its way to a verdict.

    Attributes:
        paired: What was measured.
        numbers: What follows from it.
        claim: What test and intervals allow.
        family: What it shares with the other pairs that were compared with it.
    """

    paired: PairedScores
    numbers: PairStatistics
    claim: ClaimKind
    family: ComparisonFamily

    @property
    def side(self) -> int:
        """1 if a is ahead of b by a claim, -1 if b is, 0 without one."""
        ahead = self.numbers.ci_sim is not None and self.numbers.ci_sim[0] > 0
        return 0 if self.claim is ClaimKind.NONE else 1 if ahead else -1

    @property
    def order(self) -> Names:
        """The level that is ahead, and the one behind; as they were compared without a claim."""
        names = self.paired.a, self.paired.b
        return names if self.side >= 0 else (names[1], names[0])


@dataclass(frozen=True, slots=True)
class JudgingContext:
    """What every pair is judged by.

    Attributes:
        evidence: Everything.
        gates: All rules that can stand against a comparison or a claim.
        cyclic_claims: Claims that contradict others, because they rest on other keys.
    """

    evidence: Evidence
    gates: Sequence[RuleResult]
    cyclic_claims: set[Names] = field(default_factory=set)


def judge(grounds: JudgingContext, case: PairCase) -> Refusal | Reliability | Statement:
    """A refusal, or everything that a sentence with a verdict says."""
    never = never_compared(grounds, case)
    if never is not None:
        means_alone = case.paired.diverged and never.rule is Rule.NO_MISSING_PAIR
        return (_reliability(grounds, case, never) if means_alone else None) or never
    if case.paired.unreliable and not case.side and (reliability := _reliability(grounds, case)) is not None:
        return reliability
    told, withheld = _statement(grounds, case), _withheld(grounds, case)
    equivalent = told.state is State.EQUIVALENT
    unclaimed = against(grounds.gates, Withheld.CLAIM, told.a, told.b)
    if unclaimed is not None and (case.side or equivalent):
        return Refusal(told.a, told.b, unclaimed.rule, unclaimed.reason)
    if withheld is not None and not equivalent:
        return withheld
    if withheld is not None:  # equivalence within delta needs no claim, and makes none
        told = replace(told, claim=ClaimKind.NONE)
    return replace(told, caveats=tuple(_caveats(grounds, case, told)))


def never_compared(grounds: JudgingContext, case: PairCase) -> Refusal | None:
    """Why no number of the pair says anything, if so."""
    design, names = grounds.evidence.design, (case.paired.a, case.paired.b)
    for closed in refusing_rules(grounds.gates):
        return Refusal(*names, closed.rule, closed.reason, closed.fix)
    lack = missing_score_of_any(grounds.evidence, names)
    if not enough(case.paired, case.family):
        about = about_seeds(design, case.family, case.paired)
        if lack is None:
            return Refusal(*names, Rule.ENOUGH_SEEDS, *about)
        return Refusal(*names, Rule.NO_MISSING_PAIR, *lack)
    gate = against(grounds.gates, Withheld.COMPARISON, *names)
    if gate is None:
        return None
    if not case.paired.diverged:
        assert gate.level is not None, gate
        return Refusal(*names, gate.rule, f"of {visible(gate.level)} {gate.reason}", gate.fix)
    reason = about_divergence(case.paired, case.numbers.p, case.numbers.p_adjusted, _typical(case))
    return Refusal(*names, gate.rule, reason, "" if lack is None else lack.fix)


def claim_of(paired: PairedScores, one: PairStatistics) -> ClaimKind:
    """What test and intervals allow; nothing where the level that is ahead failed on more of its seeds."""
    claim = claims(one.ci_sim, one.wider)
    fails_more = paired.failed[0].share - paired.failed[1].share
    return ClaimKind.NONE if one.diff * fails_more > 0 else claim


def more_reliable(paired: PairedScores, p: float, alpha: float) -> int:
    """1 if a is ahead with seeds that failed as the lowest, -1 if b is, 0 without a claim.

    It needs the sign-flip test on ranks, and that the level behind failed on more of its seeds.
    """
    a, b = paired.failed
    side = int(np.sign(ranks_of(paired).sum()))
    return side if p <= alpha and side * (b.share - a.share) > 0 else 0


def _reliability(grounds: JudgingContext, case: PairCase, means: Refusal | None = None) -> Reliability | None:
    """The claim that one level is ahead with seeds that failed as the lowest, by `more_reliable`.

    Whether it is said of the failures themselves is for Fisher's exact test of the shares to decide: ranks are of the
    other seeds, too.

    Args:
        grounds: What every pair is judged by.
        case: The pair.
        means: Why its means are not compared; None if they are.
    """
    paired, p = case.paired, case.numbers.p_reliability
    a, b = paired.failed
    side = more_reliable(paired, p, case.family.alpha)
    if not side:
        return None
    ahead, loser = (paired.a, paired.b) if side > 0 else (paired.b, paired.a)
    if against(grounds.gates, Withheld.LOSS, loser) or against(grounds.gates, Withheld.CLAIM, ahead, loser):
        return None
    shares = f"{shares_failed(paired)}; with these as the lowest, sign-flip test on ranks, adjusted p = {p:.2g}"
    by_shares = fisher(a.count, a.n, b.count, b.n) <= case.family.alpha
    rule, fix = (means.rule, means.fix) if means is not None else (None, "")
    return Reliability(paired.a, paired.b, ahead, shares, by_shares, _typical(case), rule, fix)


def _withheld(grounds: JudgingContext, case: PairCase) -> Refusal | None:
    """Why a difference that was found is no claim, if so."""
    names, (_, loser) = (case.paired.a, case.paired.b), case.order
    if not case.side:
        return None
    if case.order in grounds.cyclic_claims:
        fix = f"confirm.seeds={grounds.evidence.design.confirm_seeds + 2}"
        return Refusal(*names, Rule.NO_MISSING_PAIR, "claims on different keys go round in a circle", fix)
    gate = against(grounds.gates, Withheld.LOSS, loser)
    if gate is None:
        return None
    found = f"a difference of {_difference(case)} was found, but {visible(loser)} is possibly under-tuned"
    return Refusal(*names, gate.rule, f"{found}: {gate.reason}", gate.fix)


def _difference(case: PairCase) -> str:
    """`+0.0083 [0.0021, 0.0146]`, as a claim would show it."""
    low, high = case.numbers.ci_sim or NOWHERE
    shown = [show_like(value, case.numbers.se) for value in (case.numbers.diff, low, high)]
    return f"{'+' if case.numbers.diff > 0 else ''}{shown[0]} [{shown[1]}, {shown[2]}]"


def _statement(grounds: JudgingContext, case: PairCase) -> Statement:
    family, one, (low, high) = case.family, case.numbers, case.numbers.ci_sim or NOWHERE
    return Statement(
        a=case.paired.a, b=case.paired.b, diff=one.diff, low=low, high=high, se=one.se, n=one.n,
        n_trials=_common_trials(grounds.evidence, case.paired), delta=family.delta, claim=case.claim, crossed=one.wider,
        seeds_needed=one.needed if family.delta is not None else None, alpha=family.alpha,
        unit="paired seeds" if family.ratio is None else "folds",
        trained=case.paired.n if family.ratio is None and one.n < case.paired.n else None, risk=_risk(case),
    )  # fmt: skip


def _risk(case: PairCase) -> str:
    """How often each level failed, in a sentence, and what is typical where the pair was not compared by it."""
    paired = case.paired
    if case.family.ratio is not None or not paired.unreliable:
        return ""
    shares = f"{capital(shares_failed(paired))}."
    typical = "" if case.numbers.n < paired.n or trained_keys(paired).all() else _typical(case)
    return f"{shares} Where both trained, {typical}." if typical else shares


def _common_trials(evidence: Evidence, paired: PairedScores) -> int | None:
    """Trials of each of the two searches, if they had equally many."""
    counts = {len(trial_pool(evidence, name)) for name in (paired.a, paired.b)}
    return counts.pop() or None if len(counts) == 1 else None


def _caveats(grounds: JudgingContext, case: PairCase, told: Statement) -> list[str]:
    """Sentences without which the verdict would say too much."""
    names, found = (case.paired.a, case.paired.b), []
    if told.side:
        found += tuned_in_part(grounds.evidence.design, *case.order)
    else:
        found += possibly_under_tuned(grounds.gates, *names)
    counts = [len(trial_pool(grounds.evidence, name)) for name in names]
    if counts[0] != counts[1]:
        found.append(f"Their searches had {counts[0]} and {number_of(counts[1], 'trial')} (R04).")
    if case.paired.dropped:
        dropped = case.paired.dropped
        found.append(f"{number_of(dropped, 'key')} {plural(dropped, 'was', 'were')} dropped (R08).")
    return found


def _typical(case: PairCase) -> str:
    """The difference on the seeds on which both trained, to follow "where both trained, "; empty without two of them.

    With its own interval where it is not what the pair was compared by.
    """
    paired, kept = case.paired, trained_keys(case.paired)
    if kept.sum() < 2:
        return ""
    d = differences(paired.scores_a[kept], paired.scores_b[kept])
    interval = sign_flip_interval(d, OWN_ALPHA)
    se, seeds = spread(d) / math.sqrt(len(d)), number_of(len(d), "seed")
    names = f"{visible(paired.a)} minus {visible(paired.b)}"
    if math.isinf(interval[0]):
        return f"{names} is {show_score(float(d.mean()), se)} (SE, {seeds})"
    difference, low, high = (show_like(value, se) for value in (float(d.mean()), *interval))
    return f"{names} is {difference} [{low}, {high}] ({seeds}, {show_coverage(OWN_ALPHA)} interval)"


def orders_found(grounds: JudgingContext, cases: Sequence[PairCase]) -> list[Names]:
    """Winner and loser of each difference that was found, whether it may be claimed or not."""
    found = [case for case in cases if case.side and case.order not in grounds.cyclic_claims]
    return [case.order for case in found if never_compared(grounds, case) is None]


def cyclic_claims(claimed: Sequence[Names]) -> set[Names]:
    """Those claims whose loser is, through other claims, ahead of its winner.

    On the same keys that cannot be, for means add up; where keys are missing, pairs have different ones.
    """
    ahead: dict[str, set[str]] = {}
    for winner, loser in claimed:
        ahead.setdefault(winner, set()).add(loser)
    return {(winner, loser) for winner, loser in claimed if winner in _below(ahead, loser)}


def _below(ahead: Mapping[str, set[str]], level: str) -> set[str]:
    """All levels that a level is ahead of, by however many steps."""
    found: set[str] = set()
    left = [level]
    while left:
        new = ahead.get(left.pop(), set()) - found
        found |= new
        left += new
    return found


def unknown_if_refused(case: PairCase, refusal: Refusal) -> PairCase:
    """The case without numbers where a gate about all levels says that they mean nothing."""
    leaves_ranks = refusal.rule is Rule.NO_MISSING_PAIR
    if leaves_ranks or WITHHELD.get(refusal.rule) is not Withheld.COMPARISON:
        return case
    return replace(case, numbers=PairStatistics(case.paired.n))
