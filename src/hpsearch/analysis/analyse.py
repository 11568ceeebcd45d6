"""From the evidence to everything that a report says."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from hpsearch.analysis.answers import answers_of, limits_of, space_hash
from hpsearch.analysis.comparison.calibrated_losses import calibrated_losses
from hpsearch.analysis.comparison.factorial import effects_of, why_no_effects
from hpsearch.analysis.comparison.levels import (
    compare_levels,
    confirm_levels,
    contenders_of,
    family_of,
    undecided_levels,
)
from hpsearch.analysis.comparison.order_stability import order_stability
from hpsearch.analysis.comparison.refusals import is_refused, refusing_rules
from hpsearch.analysis.comparison.time_to_target import speed_of, time_ratios
from hpsearch.analysis.evidence import ConfirmRow, Evidence
from hpsearch.analysis.exploration.budget_comparison import compare_budgets
from hpsearch.analysis.exploration.findings import SearchSummary
from hpsearch.analysis.exploration.summary import best_probability, explore_level, flips
from hpsearch.analysis.exploration.tuning_ease import tuning_ease
from hpsearch.analysis.findings import Findings, Pair, Rule, RuleResult
from hpsearch.analysis.headline import headline
from hpsearch.analysis.rules.design_and_search import claim_gates, design_gates, in_order, search_gates
from hpsearch.analysis.search_linter import lint
from hpsearch.analysis.signals import mechanism_sentence
from hpsearch.analysis.test_set_results import errors_of, shipped_pairs
from hpsearch.formatting import visible
from hpsearch.statistics.intervals import BOOTSTRAP_SEED


def analyse(evidence: Evidence, seed: int = BOOTSTRAP_SEED) -> Findings:
    """Everything that may be said about it; the same evidence gives the same findings.

    Args:
        evidence: Of one sweep, or of a table of foreign results.
        seed: Of every bootstrap.

    Raises:
        ValueError: If the evidence contradicts itself, or a level has neither trials nor retrainings.
    """
    check(evidence)
    digest = digest_of(evidence)
    looks = count_looks(evidence, digest)
    gates, explored = _gates(evidence, looks, seed)
    refused = is_refused(gates, Rule.INDEPENDENT_DRAWS, Rule.NO_PRUNING)
    apart = refused or is_refused(gates, Rule.LEVELS_OTHERWISE_ALIKE, Rule.COMPARABLE_LOSSES)
    confirmed = confirm_levels(evidence, explored, gates)
    family = family_of(evidence, looks)
    pairs, included = compare_levels(evidence, family, gates)
    contenders = contenders_of(evidence, pairs)
    gates += included + claim_gates(evidence, family, pairs, contenders, [pair.sentence for pair in pairs])
    told, hints = in_order(gates, ours=not evidence.design.is_foreign), lint(evidence, explored)
    return Findings(
        evidence=evidence,
        looks=looks,
        answers=answers_of(evidence, explored, confirmed, pairs, told),
        gates=told,
        explored=explored,
        best_probability={} if apart else best_probability(evidence, seed=seed),
        flips=() if apart else flips(evidence, seed=seed),
        confirmed=confirmed,
        pairs=pairs,
        contenders=contenders,
        time_ratios=() if refusing_rules(gates) else time_ratios(evidence, seed),
        factorial=None if refusing_rules(gates) else effects_of(evidence, family.alpha),
        hints=hints,
        limits=limits_of(evidence, pairs),
        digest=digest,
        seed=seed,
        notes=_notes(evidence, family.alpha, pairs, gates),
        calibrated=calibrated_losses(
            evidence, family, comparable=not is_refused(gates, Rule.FRESH_SEEDS, Rule.LEVELS_OTHERWISE_ALIKE)
        ),
        no_effects="" if refusing_rules(gates) else why_no_effects(evidence, family.alpha),
        tested=errors_of(evidence),
        shipped=shipped_pairs(evidence.tests),
        headline=headline(evidence, explored, confirmed, pairs, family, told),
        at_budget=None if apart else compare_budgets(evidence, seed=seed),
        tuning_ease=tuning_ease(evidence.design, explored),
        speed=speed_of(evidence),
        mechanism=mechanism_sentence(evidence),
        stability=order_stability(evidence, explored, pairs, hints),
    )


def _gates(evidence: Evidence, looks: int, seed: int) -> tuple[list[RuleResult], dict[str, SearchSummary]]:
    """What the rules find before anything is compared, and what the search found."""
    gates = design_gates(evidence, looks)
    refused = is_refused(gates, Rule.INDEPENDENT_DRAWS, Rule.NO_PRUNING)
    explored = {
        level.name: explore_level(evidence, level.name, refused=refused, seed=seed) for level in evidence.design.levels
    }
    return gates + search_gates(evidence, explored), explored


def levels_to_retrain(evidence: Evidence, seed: int = BOOTSTRAP_SEED) -> list[str]:
    """The levels that more seeds are needed of, as `analyse` would judge; empty once all comparisons are decided.

    Args:
        evidence: As it is at a planned look.
        seed: Of every bootstrap.
    """
    looks = count_looks(evidence, digest_of(evidence))
    gates, _ = _gates(evidence, looks, seed)
    return undecided_levels(evidence, compare_levels(evidence, family_of(evidence, looks), gates)[0])


def _notes(evidence: Evidence, alpha: float, pairs: Iterable[Pair], gates: Iterable[RuleResult]) -> dict[str, str]:
    """Further lines for the appendix."""
    passed = Counter(gate.action.value for gate in gates)
    return {
        **({"spaces": space_hash(evidence)} if evidence.trials else {}),
        "alpha of this look": f"{alpha:.4g}",
        "comparisons in the family": str(sum(1 for _ in pairs)),
        "gates": ", ".join(f"{count} {action}" for action, count in sorted(passed.items())),
    }


def count_looks(evidence: Evidence, digest: str) -> int:
    """Distinct sets of retrainings that reports of this question have shown, this one included; no look at none.

    Planned looks of the same retrainings count as one: they share alpha among themselves.
    """
    nothing = digest_of_rows(())
    planned = {digest_of(evidence.at_look(seeds)) for seeds in evidence.design.looks}
    return max(1, len({*evidence.design.shown_before, digest} - {nothing} - (planned - {digest})))


def digest_of(evidence: Evidence) -> str:
    """Sixteen hexadecimal digits of everything that the retrainings say, whatever order they come in."""
    keys = Counter(row.key for row in evidence.confirm)
    # What no pair uses is not looked at: a final retrains one recipe on seeds of its own.
    several = len(evidence.design.levels) > 1
    rows = [row for row in evidence.confirm if keys[row.key] > 1 or not several]
    return digest_of_rows(rows, evidence.design.looks)


def digest_of_rows(rows: Iterable[ConfirmRow], looks: Sequence[int] = ()) -> str:
    """The digest of these rows, and of the looks at them that are planned."""
    told = sorted(json.dumps(_told(row), sort_keys=True) for row in rows)
    told += [json.dumps(looks)] if told and looks else []
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _told(row: ConfirmRow) -> list[object]:
    correct = None if row.correct is None else np.packbits(np.asarray(row.correct, dtype=bool)).tobytes().hex()
    size = 0 if row.correct is None else len(row.correct)
    scores = [repr(float(score)) for score in (row.val, row.report, *row.folds)]
    curves = {name: [repr(float(value)) for value in curve] for name, curve in row.curves.items()}
    return [row.level, row.key, row.status, scores, size, correct, curves, row.trial]


def check(evidence: Evidence) -> None:
    """Refuse evidence that contradicts itself.

    Raises:
        ValueError: With the first contradiction.
    """
    design = evidence.design
    names = [level.name for level in design.levels]
    if not names:
        raise ValueError(f"evidence of {design.name} must have at least one level, got none")
    _refuse_repeated("level", names)
    if design.control is not None and design.control not in names:
        raise ValueError(f"control must be a level, one of {', '.join(names)}, got {design.control!r}")
    if not 0 < design.alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {design.alpha}")
    if design.delta is not None and not 0 < design.delta < math.inf:
        raise ValueError(f"delta must be > 0, or None, got {design.delta}")
    _refuse_strangers(evidence, names)
    _refuse_repeated("trial", [(row.level, row.k) for row in evidence.trials])
    _refuse_repeated("retraining", [(row.level, row.key) for row in evidence.confirm])


def _refuse_strangers(evidence: Evidence, names: list[str]) -> None:
    """Rows of unknown levels, and levels without rows."""
    having = {row.level for row in evidence.trials} | {row.level for row in evidence.confirm}
    strangers, empty = sorted(having - set(names)), [name for name in names if name not in having]
    if strangers:
        known = ", ".join(map(visible, names))
        raise ValueError(f"rows must be of a level, one of {known}, got {visible(strangers[0])!r}")
    if empty:
        raise ValueError(f"level {visible(empty[0])!r} must have trials or retrainings, got none")


def _refuse_repeated(what: str, keys: Iterable[Hashable]) -> None:
    repeated = [key for key, count in Counter(keys).items() if count > 1]
    if repeated:
        raise ValueError(f"each {what} must occur once, got {repeated[0]!r} more than once")
