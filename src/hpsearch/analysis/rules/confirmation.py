"""The rules of honesty about retrainings, claims and the test set."""

import math
import re
from collections.abc import Sequence

from hpsearch.analysis.comparison.outcomes import outcome, outcomes
from hpsearch.analysis.comparison.paired_scores import ComparisonFamily, pair_up
from hpsearch.analysis.comparison.refusals import (
    AGAIN,
    about_folds,
    about_seeds,
    missing_recipe,
    missing_score,
    missing_score_of_any,
)
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.findings import Pair, Rule, RuleResult
from hpsearch.formatting import number_of, plural, show_coverage, show_number, visible
from hpsearch.statistics.paired_tests import auto_seeds
from hpsearch.statistics.proportions import reuse_half_width

_GENERAL = re.compile(
    r"\b(in general|generally|universally|on (any|all|every) (data|data ?sets?|problems?))\b", re.IGNORECASE
)


def fresh_keys(evidence: Evidence) -> list[RuleResult]:
    """R06: no retraining has a seed or split that the search had, the run that was selected least of all."""
    used = sorted({row.key for row in evidence.confirm} & set(evidence.design.search_keys))
    if not used:
        return [Rule.FRESH_SEEDS.holds("every retraining has a seed and split that the search never had")]
    listed = ", ".join(map(str, used))
    reason = f"retrainings with key {listed} repeat what the search was trained with"
    return [Rule.FRESH_SEEDS.refuses(reason, f"retrain with other keys than {listed}")]


def seeds_for_a_claim(evidence: Evidence, family: ComparisonFamily, pairs: Sequence[Pair]) -> list[RuleResult]:
    """R07: below a number of common seeds no claim is possible, however large an effect is."""
    design = evidence.design
    if not design.pairs:
        return [Rule.ENOUGH_SEEDS.holds("nothing is compared")]
    lack = (
        None
        if _possible(evidence, pairs, family)
        else missing_score_of_any(evidence, [one.name for one in design.levels])
    )
    if lack is not None:
        return [Rule.ENOUGH_SEEDS.refuses(f"no pair has scores of both levels: {lack.reason}", lack.fix)]
    if not pairs:
        reason = f"no recipe was retrained on fresh seeds, and a claim needs {family.fewest} at least"
        return [Rule.ENOUGH_SEEDS.refuses(reason, f"confirm.seeds={auto_seeds(family.m, family.alpha)}")]
    return [_fewest_seeds(evidence, family, pairs)]


def _possible(evidence: Evidence, pairs: Sequence[Pair], family: ComparisonFamily) -> bool:
    """Whether seeds are all that any pair needs, or it has them already."""
    lacking = {one.name for one in evidence.design.levels if missing_score(evidence, one.name) is not None}
    return any(pair.n >= family.fewest for pair in pairs) or any(
        not lacking.intersection(names) for names in evidence.design.pairs
    )


def _fewest_seeds(evidence: Evidence, family: ComparisonFamily, pairs: Sequence[Pair]) -> RuleResult:
    """Of the pairs that seeds could help, the one with the fewest."""
    few = [
        pair for pair in pairs if pair.n < family.fewest and missing_score_of_any(evidence, (pair.a, pair.b)) is None
    ]
    short = [pair for pair in pairs if Rule.ENOUGH_SEEDS in pair.refused] or few
    if not short:
        fewest = min(pair.n for pair in pairs if pair.n >= family.fewest)
        return Rule.ENOUGH_SEEDS.holds(f"{fewest} common seeds or more, of {family.fewest} that are needed")
    worst = min(short, key=lambda pair: pair.n)
    reason, fix = about_seeds(evidence.design, family, pair_up(evidence, worst.a, worst.b))
    return Rule.ENOUGH_SEEDS.refuses(f"{visible(worst.a)} and {visible(worst.b)}: {reason}", fix)


def missing_pairs(evidence: Evidence) -> list[RuleResult]:
    """R08: keys that a level lacks are dropped and counted; one that diverged stays, as the worst.

    A level without a recipe has no keys to lack: it cannot be compared at all.
    """
    gates = [gate for level in evidence.design.levels for gate in _missing(evidence, level.name)]
    return gates or [Rule.NO_MISSING_PAIR.holds("no key is missing, and no retraining diverged")]


def _missing(evidence: Evidence, level: str) -> list[RuleResult]:
    nothing = missing_recipe(evidence, level)
    if nothing is not None:
        return [Rule.NO_MISSING_PAIR.refuses(*nothing, level)] if evidence.design.pairs else []
    keys, scores = {row.key for row in evidence.confirm}, outcomes(evidence, level)
    diverged, missing = sum(map(math.isinf, scores.values())), len(keys) - len(scores)
    gates = []
    if diverged:
        seeds = number_of(len(scores), "seed")
        kept = f"{diverged} of {seeds} diverged: kept as the worst, compared by ranks, without a mean"
        lack = missing_score(evidence, level) if diverged == len(scores) else None
        gates.append(Rule.NO_MISSING_PAIR.weakens(kept, "" if lack is None else lack.fix, level))
    if missing:
        left = "dropped from every pair" if scores else "there is nothing to compare"
        lost = f"{missing} of {number_of(len(keys), 'seed')} {plural(missing, 'has', 'have')}"
        gates.append(Rule.NO_MISSING_PAIR.warns(f"{lost} no score: {left}", AGAIN, level))
    return gates


def scores_of_folds(evidence: Evidence) -> list[RuleResult]:
    """R11: folds share training rows, so that their means need the corrected interval, and it needs each fold."""
    design = evidence.design
    if design.folds <= 1:
        return [Rule.CORRECTED_FOLD_ERROR.holds("no folds: retrainings are compared seed by seed")]
    naive = [one.name for one in design.levels if not _every_fold(evidence, one.name)]
    if naive:
        return [Rule.CORRECTED_FOLD_ERROR.refuses(about_folds(design), level=name) for name in naive]
    return [Rule.CORRECTED_FOLD_ERROR.holds("folds are compared with the correction for their overlap (S-10)")]


def _every_fold(evidence: Evidence, level: str) -> bool:
    """Whether each retraining that has a score has that of every fold."""
    scored = [row.folds for row in evidence.confirmed(level) if math.isfinite(outcome(row))]
    return all(len(folds) == evidence.design.folds and all(map(math.isfinite, folds)) for folds in scored)


def fewer_contenders(evidence: Evidence, contenders: Sequence[str]) -> list[RuleResult]:
    """R12: words of rank need a single contender."""
    if len(evidence.design.levels) < 2:
        return [Rule.NO_RANKING.holds("nothing is compared")]
    if len(contenders) == 1:
        return [Rule.NO_RANKING.holds(f"one contender: {visible(contenders[0])}")]
    return [Rule.NO_RANKING.warns(f"{len(contenders)} contenders: no words of rank, levels by the alphabet")]


def single_opening(evidence: Evidence) -> list[RuleResult]:
    """R14: a test set that was opened before has told something."""
    tests, design = evidence.tests, evidence.design
    openings = evidence.openings
    if not tests and openings:
        reason = f"another sweep has opened the test set, {number_of(openings, 'time')}"
        return [Rule.SINGLE_OPENING.warns(reason)]
    if design.is_foreign:
        return [Rule.SINGLE_OPENING.warns("whether and how often a test set was opened is not known")]
    if openings <= 1:
        return [Rule.SINGLE_OPENING.holds(f"the test set was {'opened once' if tests else 'not opened'}")]
    reason = f"the test set was opened {openings} times"
    # The same trial refitted otherwise, for more epochs say, is another recipe.
    recipes = {(row.level, row.trial, row.config) for row in tests}
    if len(recipes) > 1 or len(tests) < openings or design.exploratory is not None:
        reason += " for different recipes: adaptive reuse, no interval of a later number is valid"
    elif design.metric.is_share:
        shown = sum(1 + len(row.retrained) for row in tests)  # every network that was scored on these rows
        half = reuse_half_width(min(row.n for row in tests), shown, design.alpha)
        sure = f"with {show_coverage(design.alpha)} confidence"
        reason += f": ± {show_number(half)} holds for all of its numbers at once {sure} (S-17)"
    return [Rule.SINGLE_OPENING.warns(reason)]


def within_one_data_set(evidence: Evidence, sentences: Sequence[str]) -> list[RuleResult]:
    """R15: one data set says nothing about others, so that no sentence may."""
    design = evidence.design
    texts = [design.title, *sentences]
    found = sorted({match[0].lower() for text in texts for match in _GENERAL.finditer(text)})
    if found:
        reason = f"{', '.join(found)!r} is said of one data set, {visible(design.data)}"
        return [Rule.ONE_DATA_SET.refuses(reason, "ten data sets or more, compared by ranks")]
    return [Rule.ONE_DATA_SET.holds(f"nothing is said about other data than {visible(design.data)}")]
