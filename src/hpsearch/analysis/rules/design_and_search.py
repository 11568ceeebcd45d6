"""The rules of honesty about the design and the search, each a small function from the evidence to what it found.

Those about retrainings and claims stand in `gates_confirm`, R17 in `edges`, R18 in `inclusion`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hpsearch.analysis.comparison.calibrated_losses import losses_differ
from hpsearch.analysis.comparison.paired_scores import ComparisonFamily
from hpsearch.analysis.comparison.refusals import in_words
from hpsearch.analysis.evidence import Evidence, LevelDesign
from hpsearch.analysis.exploration.findings import SearchSummary
from hpsearch.analysis.exploration.trial_pool import trial_pool
from hpsearch.analysis.findings import Pair, Rule, RuleResult
from hpsearch.analysis.rules.confirmation import (
    fewer_contenders,
    fresh_keys,
    missing_pairs,
    scores_of_folds,
    seeds_for_a_claim,
    single_opening,
    within_one_data_set,
)
from hpsearch.analysis.rules.under_tuned import under_tuned
from hpsearch.analysis.search_linter import is_exhausted
from hpsearch.formatting import number_of, plural, visible
from hpsearch.quoting import hydra_quoted, shell_quoted
from hpsearch.records import Status
from hpsearch.statistics.importance import FEWEST_TOP
from hpsearch.statistics.importance import FEWEST_TRIALS as FEWEST_FOR_IMPORTANCE
from hpsearch.statistics.tuning_curves import FEWEST_TRIALS, largest_claim

OF_R04 = ("training.epochs", "data", "schedule")
"""What equal effort needs: equal epochs, rows and schedules."""


def design_gates(evidence: Evidence, looks: int) -> list[RuleResult]:
    """What is known before any number is compared: all rules but R07, R12, R15, R17, R18 and R21."""
    rules = (
        no_test_numbers, independent_draws, no_pruning, equal_effort, enough_trials, fresh_keys, missing_pairs,
        alike_but_for_the_factor, comparable_losses, scores_of_folds, enough_for_importance, single_opening, no_seconds,
        unchanged_design, quasi_random, shuffled_parts,
    )  # fmt: skip
    return [gate for rule in rules for gate in rule(evidence)] + looks_taken(evidence, looks)


def search_gates(evidence: Evidence, explored: Mapping[str, SearchSummary]) -> list[RuleResult]:
    """What follows from the search: R17 and R21."""
    return [*under_tuned(evidence, explored), *above_noise(evidence, explored)]


def claim_gates(
    evidence: Evidence,
    family: ComparisonFamily,
    pairs: Sequence[Pair],
    contenders: Sequence[str],
    sentences: Sequence[str],
) -> list[RuleResult]:
    """What follows from the comparisons and their words: R07, R12 and R15."""
    return [
        *seeds_for_a_claim(evidence, family, pairs),
        *fewer_contenders(evidence, contenders),
        *within_one_data_set(evidence, sentences),
    ]


def in_order(gates: Sequence[RuleResult], *, ours: bool) -> tuple[RuleResult, ...]:
    """By code; those of one code as they were found.

    Args:
        gates: All.
        ours: Whether we have trained: of foreign results nothing can be trained again by an override.
    """
    told = gates if ours else [replace(gate, fix=in_words(gate.fix)) for gate in gates]
    return tuple(sorted(told, key=lambda gate: gate.rule))


def no_test_numbers(evidence: Evidence) -> list[RuleResult]:
    """R01: nothing of the search or of fresh seeds was measured on test rows."""
    names = {name for row in evidence.trials for name in (*row.curves, *row.summary)}
    names |= {name for row in evidence.confirm for name in (*row.curves, *row.summary)}
    seen = sorted(name for name in names if name.startswith("test/"))
    if seen:
        reason = f"{visible(', '.join(seen))} was measured before the final evaluation"
        return [Rule.NO_TEST_NUMBERS.refuses(reason, "train again without test rows")]
    return [Rule.NO_TEST_NUMBERS.holds("no number of the search or of fresh seeds is of test rows")]


def independent_draws(evidence: Evidence) -> list[RuleResult]:
    """R02: order statistics need trials of which none learned from another."""
    sampler = evidence.design.sampler
    if sampler in ("random", "qmc"):
        return [Rule.INDEPENDENT_DRAWS.holds(f"trials were drawn by {sampler}, none depends on another's score")]
    if evidence.design.is_foreign:
        reason = (
            "how trials were drawn is not known: order statistics hold if none learned from another, nor was pruned"
        )
        return [Rule.INDEPENDENT_DRAWS.warns(reason)]
    reason = f"trials were drawn by {visible(sampler)}, which learns from the scores of earlier ones"
    return [Rule.INDEPENDENT_DRAWS.refuses(reason, "search=random")]


def no_pruning(evidence: Evidence) -> list[RuleResult]:
    """R03: a trial that was ended because of others has no score that order statistics could read."""
    pruned = sum(row.status == Status.PRUNED for row in evidence.trials)
    if evidence.design.pruner == "none" and not pruned:
        return [Rule.NO_PRUNING.holds("no trial was ended because of another")]
    by = "" if evidence.design.pruner == "none" else f" by {visible(evidence.design.pruner)}"
    reason = f"trials may end because of others{by}, {pruned} of {len(evidence.trials)} did"
    return [Rule.NO_PRUNING.refuses(reason, "search.pruner=none")]


def equal_effort(evidence: Evidence) -> list[RuleResult]:
    """R04: equally many trials, epochs and data for each level, or every configuration of its space."""
    design = evidence.design
    counts = {level.name: len(trial_pool(evidence, level.name)) for level in design.levels}
    whole = [name for name in counts if is_exhausted(evidence, name)]  # more trials would repeat what was trained
    unequal = [name for name in design.mismatched if name.startswith(OF_R04)]
    gates = []
    if len({count for name, count in counts.items() if name not in whole}) > 1:
        listed = ", ".join(f"{visible(name)} {count}" for name, count in counts.items())
        most = max(design.trials, *counts.values())
        reason = f"levels have unequally many trials with a result ({listed}): compared at common budgets alone"
        gates.append(Rule.EQUAL_EFFORT.refuses(reason, f"search.trials={most}"))
    if unequal:
        gates.append(Rule.EQUAL_EFFORT.refuses(f"levels differ in {visible(', '.join(unequal))}", _equal(evidence)))
    compared = sorted({key for level in design.levels for key in level.settings if key.startswith(OF_R04)})
    if compared and not unequal:
        reason = (
            f"levels differ in {visible(', '.join(compared))}, which is compared: equal trials are not equal effort"
        )
        gates.append(Rule.EQUAL_EFFORT.warns(reason))
    but = f", or every configuration of its space ({visible(', '.join(whole))})" if whole else ""
    trials = number_of(max(counts.values()), "trial") if any(counts.values()) else "no trial"
    return gates or [Rule.EQUAL_EFFORT.holds(f"{trials} of each level{but}, trained alike")]


def _again(evidence: Evidence) -> str:
    """A sweep of its own for levels that were not trained alike."""
    return shell_quoted(f"name={hydra_quoted(f'{evidence.design.name}-again')}")


def _equal(evidence: Evidence) -> str:
    """What has to be the same, or varied for itself, for levels to be comparable."""
    return f"give all levels the same {visible(', '.join(evidence.design.mismatched))}, or every value to each of them"


def enough_trials(evidence: Evidence) -> list[RuleResult]:
    """R05: a band needs 20 trials of a level, and a claim about the best of k needs 5 k."""
    return [_enough(evidence, level.name) for level in evidence.design.levels]


def _enough(evidence: Evidence, level: str) -> RuleResult:
    n = len(trial_pool(evidence, level))
    if n < FEWEST_TRIALS:
        more = f"search.trials={max(FEWEST_TRIALS, evidence.design.trials)}"
        fix = "search=random" if evidence.design.sampler == "coarse_to_fine" else more
        if is_exhausted(evidence, level):
            reason = f"its space has {number_of(n, 'configuration')}, fewer than {FEWEST_TRIALS}: no bands"
            return Rule.ENOUGH_TRIALS.refuses(reason, level=level)
        few = f"{number_of(n, 'trial')} {plural(n, 'is', 'are')} fewer than {FEWEST_TRIALS}"
        return Rule.ENOUGH_TRIALS.refuses(f"{few}: no bands", fix, level)
    return Rule.ENOUGH_TRIALS.holds(f"{n} trials: bands and claims up to k = {largest_claim(n)}", level=level)


def alike_but_for_the_factor(evidence: Evidence) -> list[RuleResult]:
    """R09: levels differ in what is compared alone, on one kind of device and with one version of the code."""
    design, found = evidence.design, []
    if len(set(design.devices)) > 1:
        found.append(f"trainings ran on different kinds of devices ({visible(', '.join(sorted(set(design.devices))))})")
    if len(set(design.commits)) > 1:
        found.append(f"trainings ran with several versions of the code ({visible('; '.join(design.commits))})")
    if design.mismatched:
        found.append(f"levels differ in {visible(', '.join(design.mismatched))} besides what else they differ in")
    if not found:
        known = "of what is recorded, levels differ in what is compared alone; code and device of single runs are not"
        if design.devices and design.commits:
            where = f"all trainings ran on {visible(design.devices[0])}, with {visible(design.commits[0])}"
            known = f"levels differ in what is compared alone; {where}"
        return [Rule.LEVELS_OTHERWISE_ALIKE.holds(known)]
    return [
        Rule.LEVELS_OTHERWISE_ALIKE.refuses(
            "; ".join(found),
            _equal(evidence) if design.mismatched else _again(evidence),
        )
    ]


def comparable_losses(evidence: Evidence) -> list[RuleResult]:
    """R10: values of a loss are not compared across losses or label smoothing."""
    design = evidence.design
    if not losses_differ(design) or not design.metric.lower_is_better:
        return [Rule.COMPARABLE_LOSSES.holds(f"{visible(design.metric.name)} means the same for all levels")]
    if not design.metric.is_of_loss:
        reason = f"{design.metric} is one formula for all levels, but the loss that some of them are trained on"
        return [Rule.COMPARABLE_LOSSES.warns(reason)]
    reason = f"levels differ in the loss or in values of it, so that their {design.metric} has different meanings"
    return [Rule.COMPARABLE_LOSSES.refuses(reason, "search.metric=accuracy")]


def enough_for_importance(evidence: Evidence) -> list[RuleResult]:
    """R13: importance needs 50 trials of a level, at least 5 of them among the highest."""
    return [_important(evidence, level) for level in evidence.design.levels]


def _important(evidence: Evidence, level: LevelDesign) -> RuleResult:
    pool = trial_pool(evidence, level.name)
    finite = int((~pool.diverged).sum())
    more = f"search.trials={max(FEWEST_FOR_IMPORTANCE, evidence.design.trials)}"
    fix = "" if is_exhausted(evidence, level.name) else more
    if len(pool) < FEWEST_FOR_IMPORTANCE:
        few = number_of(len(pool), "trial")
        reason = f"{few} {plural(len(pool), 'is', 'are')} fewer than {FEWEST_FOR_IMPORTANCE}: no importance"
        return Rule.ENOUGH_FOR_IMPORTANCE.refuses(reason, fix, level.name)
    if finite < FEWEST_TOP:
        few = f"{number_of(finite, 'trial')} that did not diverge {plural(finite, 'is', 'are')}"
        reason = f"{few} fewer than {FEWEST_TOP}: no importance"
        return Rule.ENOUGH_FOR_IMPORTANCE.refuses(reason, fix, level.name)
    return Rule.ENOUGH_FOR_IMPORTANCE.holds(f"{len(pool)} trials are enough for importance", level=level.name)


def no_seconds(evidence: Evidence) -> list[RuleResult]:
    """R16: seconds mean nothing across kinds of devices, or where trainings shared one."""
    design, found = evidence.design, []
    if len(set(design.devices)) > 1:
        found.append(f"trainings ran on {visible(', '.join(sorted(set(design.devices))))}")
    if design.concurrent > 1:
        found.append(f"{design.concurrent} trainings ran at a time")
    if not found:
        return [Rule.NO_SECONDS.holds("effort is told in epochs and FLOP, not in seconds")]
    reason = f"seconds are not compared, for {' and '.join(found)}: effort is told in epochs and FLOP"
    return [Rule.NO_SECONDS.refuses(reason, "execution.workers=1" if design.concurrent > 1 else _again(evidence))]


def unchanged_design(evidence: Evidence) -> list[RuleResult]:
    """R19: metric, delta, alpha and levels are those of before the first look."""
    if evidence.design.exploratory is None and evidence.design.is_foreign:
        return [
            Rule.UNCHANGED_DESIGN.warns("whether metric, delta, alpha and levels were fixed in advance is not known")
        ]
    if evidence.design.exploratory is None:
        known = (
            "metric, delta, alpha and levels were fixed before any report in this tracking store has shown an answer"
        )
        return [Rule.UNCHANGED_DESIGN.holds(known)]
    reason = f"the whole report is exploratory: {visible(evidence.design.exploratory)}"
    seed = 0 if evidence.design.seed is None else evidence.design.seed
    fresh = f"seed={seed + 1} {_again(evidence)}"  # other rows and seeds, which nobody has looked at
    return [Rule.UNCHANGED_DESIGN.weakens(reason, fresh)]


def looks_taken(evidence: Evidence, looks: int) -> list[RuleResult]:
    """R20: alpha is shared by all looks at growing sets of retrainings."""
    alpha = evidence.design.alpha
    if looks <= 1:
        planned = ", ".join(map(str, evidence.design.looks))
        nothing = "no report has shown other retrainings of this question before"
        shared = f"{nothing}; the planned looks after {planned} seeds share alpha"
        return [Rule.NOTHING_ADDED.holds(shared if planned else nothing)]
    shared = f"alpha is divided by {looks}, {alpha / looks:.3g} instead of {alpha:g}"
    return [Rule.NOTHING_ADDED.weakens(f"look {looks} at retrainings of this question: {shared}")]


def above_noise(evidence: Evidence, explored: Mapping[str, SearchSummary]) -> list[RuleResult]:
    """R21: where no level's scores spread more than noise does, their order says nothing.

    That all trials of a level diverged is no noise, and no order either.
    """
    known = [one.shrinkage for one in explored.values() if one.recipe is not None and not math.isnan(one.shrinkage)]
    if not known or any(known):
        return [Rule.ABOVE_NOISE.holds("the scores of at least one level spread more than noise does, as far as known")]
    more = 4 * evidence.design.rows.get("val", 0)
    fix = f"evaluation.val={more}" if evidence.design.evaluation == "holdout" and more else ""
    return [
        Rule.ABOVE_NOISE.refuses(
            "the search found nothing above noise near the highest scores: lambda is 0 in every level", fix
        )
    ]


def quasi_random(evidence: Evidence) -> list[RuleResult]:
    """R22: quasi-random draws are no independent ones."""
    if evidence.design.sampler != "qmc":
        return [Rule.QUASI_RANDOM_NAMED.holds("no quasi-random draws")]
    reason = (
        "quasi-random draws: bands are conservative, order statistics approximate; blocks are aligned powers of two"
    )
    return [Rule.QUASI_RANDOM_NAMED.warns(reason)]


def shuffled_parts(evidence: Evidence) -> list[RuleResult]:
    """R23: the order of a source is seldom random."""
    if evidence.design.is_foreign:
        return [Rule.SHUFFLED_PARTS.warns("how the parts of the data were drawn is not known")]
    if not evidence.design.contiguous:
        return [Rule.SHUFFLED_PARTS.holds("the parts of the data are drawn at random, not slices of its order")]
    reason = "the parts of the data are contiguous slices of the source's order, which may follow its origin"
    return [Rule.SHUFFLED_PARTS.warns(reason, "split by a seeded, stratified shuffle")]
