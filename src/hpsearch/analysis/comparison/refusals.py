"""Which rules stand against a comparison or a claim, and why, to follow "Not compared: A and B,"."""

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum, auto
from typing import NamedTuple

from hpsearch.analysis.comparison.outcomes import FAILURES, outcomes
from hpsearch.analysis.comparison.paired_scores import FEWEST_FOLDS, ComparisonFamily, PairedScores
from hpsearch.analysis.evidence import Design, Evidence
from hpsearch.analysis.exploration.trial_pool import is_ranked, space_of
from hpsearch.analysis.findings import Action, Rule, RuleResult
from hpsearch.analysis.next_space import calmer
from hpsearch.formatting import number_of, plural, visible
from hpsearch.records import Status
from hpsearch.statistics.paired_tests import auto_seeds
from hpsearch.statistics.proportions import fisher


class Withheld(StrEnum):
    """What a rule that does not hold keeps from being said about the levels that it concerns."""

    COMPARISON = auto()
    """With any other level."""
    CLAIM = auto()
    """Of a difference or of equivalence, with any other level."""
    LOSS = auto()
    """A claim that the level is behind another: what it found of the level excuses it, whatever it lost to."""


WITHHELD: Mapping[Rule, Withheld] = {
    Rule.FRESH_SEEDS: Withheld.COMPARISON,
    Rule.NO_MISSING_PAIR: Withheld.COMPARISON,
    Rule.LEVELS_OTHERWISE_ALIKE: Withheld.COMPARISON,
    Rule.COMPARABLE_LOSSES: Withheld.COMPARISON,
    Rule.CORRECTED_FOLD_ERROR: Withheld.COMPARISON,
    Rule.INSIDE_ITS_RANGE: Withheld.LOSS,
    Rule.SPECIAL_CASE_INCLUDED: Withheld.LOSS,
    Rule.UNCHANGED_DESIGN: Withheld.CLAIM,
}
"""Of each rule that stands against comparisons or claims. R07 is about the common seeds of one pair, R20 is in alpha,
R12 and R15 follow from claims, and the others are about the search, seconds or test rows."""

NO_MEAN = (Rule.FRESH_SEEDS, Rule.NO_MISSING_PAIR)
"""Of these, the ones that leave no mean of a level either: seeds that are not fresh, seeds that diverged."""


def against(gates: Sequence[RuleResult], what: Withheld, *levels: str) -> RuleResult | None:
    """The first gate that keeps this from being said of any of the levels, because of one of them or of all."""
    concerned = [gate for gate in gates if gate.level is None or gate.level in levels]
    return next((gate for gate in concerned if _withholds(gate, what)), None)


def refusing_rules(gates: Sequence[RuleResult]) -> list[RuleResult]:
    """The gates that keep all levels from being compared."""
    return [gate for gate in gates if gate.level is None and _withholds(gate, Withheld.COMPARISON)]


def in_words(fix: str) -> str:
    """What would help where nothing can be trained again by an override, as of foreign results."""
    return "" if "=" in fix else fix


def without_mean(gates: Sequence[RuleResult], level: str) -> tuple[Rule, ...]:
    """The rules that refuse the mean of a level over fresh seeds, by itself or beside others."""
    concerned = [gate for gate in gates if gate.rule in NO_MEAN and gate.level in (None, level)]
    return tuple(dict.fromkeys(gate.rule for gate in concerned if _withholds(gate, Withheld.COMPARISON)))


def possibly_under_tuned(gates: Sequence[RuleResult], *levels: str) -> list[str]:
    """A sentence on each of these levels that may not be claimed to be behind another."""
    found = {level: against(gates, Withheld.LOSS, level) for level in levels}
    return [f"{visible(level)} is possibly under-tuned ({gate.rule})." for level, gate in found.items() if gate]


def _withholds(gate: RuleResult, what: Withheld) -> bool:
    return gate.action in (Action.DOWNGRADE, Action.REFUSE) and WITHHELD.get(gate.rule) is what


def is_refused(gates: Sequence[RuleResult], *rules: Rule) -> bool:
    """Whether any of these rules refuses something."""
    return any(gate.rule in rules and gate.action is Action.REFUSE for gate in gates)


def about_seeds(design: Design, family: ComparisonFamily, paired: PairedScores) -> tuple[str, str]:
    """What is missing for a claim to be possible at all, and the override that adds it."""
    common, are = number_of(paired.n, "common seed"), plural(paired.n, "is", "are")
    if family.ratio is not None:
        folds = 0 if paired.folds is None else len(paired.folds)
        seeds = max(2, math.ceil(FEWEST_FOLDS / design.folds))
        return (
            f"{common} with {number_of(folds, 'fold')} in all {are} fewer than 2 seeds with {FEWEST_FOLDS} folds",
            f"confirm.seeds={max(seeds, design.confirm_seeds + seeds - paired.n)}",
        )
    lacking = design.confirm_seeds + family.fewest - paired.n
    seeds = max(auto_seeds(family.m, family.alpha), lacking if paired.n else 0)
    return f"{common} {are} fewer than the {family.fewest} that a claim needs", f"confirm.seeds={seeds}"


def shares_failed(paired: PairedScores) -> str:
    """How often each of two levels failed: `0 of 10 seeds of a [0 %, 28 %] and 2 of 10 of b [6 %, 51 %] diverged`."""
    a, b = paired.failed
    both = a + b
    kinds = ", ".join(f"{getattr(both, kind)} {kind}" for kind in FAILURES if getattr(both, kind))
    how = f"failed ({kinds})" if both.word == "failed" else both.word
    other = f"{b.count} of {b.n} of {visible(paired.b)} {b.interval}"
    p = fisher(a.count, a.n, b.count, b.n)
    return f"{a.of('seed')} of {visible(paired.a)} {a.interval} and {other} {how} (Wilson 95 %, Fisher p = {p:.2g})"


def about_divergence(paired: PairedScores, p: float, p_adjusted: float, typical: str) -> str:
    """Runs that diverged leave no mean difference: how often they did, and what their ranks and the others say."""
    rates = f"{shares_failed(paired)}, so that there is no mean difference"
    ranks = "" if math.isnan(p) else f"; sign-flip test on ranks: p = {p:.2g}, adjusted {p_adjusted:.2g}"
    return f"{rates}{ranks}{f'; where both trained, {typical}' if typical else ''}"


def about_folds(design: Design) -> str:
    """The folds of a K-fold are needed one by one."""
    return (
        f"only means over {design.folds} folds are known, whose naive error is too small: the corrected one (S-10) "
        "needs the score of each fold"
    )


AGAIN = "start the same command again"
"""What a lost training needs: those that the machine failed are tried again."""

REPLICATES = 3
"""Seeds of each trial that make a recipe prove itself more than once: a trial of which any diverges has no score."""


class MissingScore(NamedTuple):
    """Why a level has no score to compare.

    Attributes:
        reason: In a sentence without its full stop.
        fix: An override, or what to do in words.
    """

    reason: str
    fix: str


def missing_score(evidence: Evidence, level: str, *, named: bool = False) -> MissingScore | None:
    """Why no score of a level can be compared; None if one can, or if only nobody has retrained any recipe yet.

    Args:
        evidence: Everything.
        level: Its name.
        named: Whether the reason names the level, to stand where nothing else does.
    """
    return missing_recipe(evidence, level, named=named) or _without_retraining(evidence, level, named=named)


def missing_recipe(evidence: Evidence, level: str, *, named: bool = False) -> MissingScore | None:
    """Why a level has no recipe: no trial of it has a score. None if it has one, or retrainings of one."""
    draws = evidence.draws(level)
    if not draws or any(map(is_ranked, draws)) or evidence.confirmed(level):
        return None
    diverged, n = sum(row.status == Status.DIVERGED for row in draws), len(draws)
    whose = _whose(level, named=named)
    if diverged == n:
        return MissingScore(f"{_every(n, 'trial', *whose)} diverged, so it has no recipe", _calmer(evidence, level))
    return MissingScore(f"{_none(n, 'trial', *whose)}{_aside(diverged)}, so it has no recipe", AGAIN)


def _without_retraining(evidence: Evidence, level: str, *, named: bool) -> MissingScore | None:
    """Why the retrainings of a recipe say nothing; None if one has a score, or no level has any retraining."""
    rows, scores = evidence.confirmed(level), outcomes(evidence, level)
    whose, n = _whose(level, named=named), len(rows)
    if any(map(math.isfinite, scores.values())):
        return None
    if rows and len(scores) == n:
        return MissingScore(f"{_every(n, 'retraining', *whose)} diverged", _sturdier(evidence, level))
    if rows:
        return MissingScore(f"{_none(n, 'retraining', *whose)}{_aside(len(scores))}", AGAIN)
    return MissingScore(f"{whose[0]} recipe{whose[1]} has no retraining", AGAIN) if evidence.confirm else None


def missing_score_of_any(evidence: Evidence, levels: Iterable[str]) -> MissingScore | None:
    """What these levels lack as one, each of them named; None if each has a score to compare."""
    lacks = [lack for level in levels if (lack := missing_score(evidence, level, named=True)) is not None]
    if not lacks:
        return None
    reasons, fixes = (list(dict.fromkeys(side)) for side in zip(*lacks, strict=True))
    return MissingScore("; ".join(reasons), " and ".join(fixes))


def diverged_throughout(evidence: Evidence, level: str) -> str:
    """The sentence that a level diverged in every trial, or with every fresh seed; empty if it did not."""
    lack, rows = missing_score(evidence, level, named=True), evidence.confirmed(level) or evidence.draws(level)
    if lack is None or not rows or any(row.status != Status.DIVERGED for row in rows):
        return ""
    if evidence.confirmed(level):
        return f"On fresh seeds, {lack.reason}: there is no mean to compare."
    return f"In the search, {lack.reason}: it is compared with no other level."


def _aside(diverged: int) -> str:
    return f" ({diverged} diverged)" if diverged else ""


def _whose(level: str, *, named: bool) -> tuple[str, str]:
    """What stands before and behind a noun: `its trials`, `the trials of sgd`."""
    return ("the", f" of {visible(level)}") if named else ("its", "")


def _every(n: int, what: str, before: str, behind: str) -> str:
    return f"{before} only {what}{behind}" if n == 1 else f"every one of {before} {number_of(n, what)}{behind}"


def _none(n: int, what: str, before: str, behind: str) -> str:
    if n == 1:
        return f"{before} only {what}{behind} has no score"
    return f"none of {before} {number_of(n, what)}{behind} has a score"


def _calmer(evidence: Evidence, level: str) -> str:
    """Smaller learning rates where the level draws them; foreign results, and other spaces, in words."""
    if evidence.design.is_foreign:
        return f"search {visible(level)} again in a wider space"
    overrides = calmer(space_of(evidence.design, level))
    return " ".join(overrides) or f"let {visible(level)} draw smaller learning rates, or name another default in it"


def _sturdier(evidence: Evidence, level: str) -> str:
    """A recipe that trained once may have been luck."""
    if evidence.design.is_foreign:
        return f"retrain another recipe of {visible(level)}"
    return f"evaluation.replicates={REPLICATES}"
