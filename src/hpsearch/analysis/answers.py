"""What may be said, most important first, what it applies to, and what was not varied."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np

from hpsearch.analysis.comparison.factorial import larger_than_two_by_two
from hpsearch.analysis.comparison.outcomes import failed_seeds, failures_of, outcomes
from hpsearch.analysis.comparison.refusals import diverged_throughout, missing_recipe, refusing_rules
from hpsearch.analysis.comparison.verdict import State
from hpsearch.analysis.evidence import Design, Evidence
from hpsearch.analysis.exploration.findings import SearchSummary
from hpsearch.analysis.findings import Action, Answer, Confirmed, Pair, Rule, RuleResult
from hpsearch.formatting import number_of, show_interval, show_number, visible
from hpsearch.statistics.tuning_curves import FEWEST_TRIALS

STATUS = {State.EQUIVALENT: "equivalent", State.INCONCLUSIVE: "inconclusive", State.REFUSED: "refused"}
"""Of a pair's answer; any other state is a claim."""

RELIABLE = (State.MORE_RELIABLE, State.LESS_RELIABLE)
"""Claims that are none of scores."""

RANK = ("claim", "equivalent", "inconclusive", "refused")
"""Pairs are told in this order, the larger difference first."""

HIDING = (Rule.INDEPENDENT_DRAWS, Rule.NO_PRUNING, Rule.ABOVE_NOISE)
"""Gates that take a question out of the report, and so belong into its answer."""

SCOPE = "scope"
"""Status of the line that says what all others apply to."""


def status_of(pair: Pair) -> str:
    """`claim`, `equivalent`, `inconclusive` or `refused`."""
    return STATUS.get(State(pair.state), "claim")


def answers_of(
    evidence: Evidence,
    explored: Mapping[str, SearchSummary],
    confirmed: Mapping[str, Confirmed],
    pairs: Sequence[Pair],
    gates: Sequence[RuleResult],
) -> tuple[Answer, ...]:
    """Every line of the box, the scope last; what to do is the headline's, where levels are compared."""
    reliable = [pair for pair in pairs if pair.state in RELIABLE]
    first = [*_pairs(reliable, gates), *_diverged(evidence), *_stalls(evidence, explored)]
    others = [pair for pair in pairs if pair.state not in RELIABLE]
    alone = [_alone(evidence, explored, confirmed)] if len(evidence.design.levels) < 2 else []
    lines = [*first, *alone, *_risks(evidence), *_pairs(others, gates), *_hidden(gates)]
    if evidence.design.exploratory is not None:
        why = f"This report is exploratory as a whole: {visible(evidence.design.exploratory)}."
        lines = [Answer("exploratory", why), *(Answer(_lowered(one.status), one.sentence) for one in lines)]
    return (*lines, Answer(SCOPE, scope(evidence)))


def _lowered(status: str) -> str:
    return status if status == "refused" else "exploratory"


def _diverged(evidence: Evidence) -> list[Answer]:
    """Of compared levels, those that never came to a score: no other line says anything about them."""
    levels = [level.name for level in evidence.design.levels if len(evidence.design.levels) > 1]
    said = [diverged_throughout(evidence, name) for name in levels]
    return [Answer("refused", one) for one in said if one]


def _risks(evidence: Evidence) -> list[Answer]:
    """Of levels of which some seeds stalled or collapsed, how often: a risk that no mean tells."""
    told = []
    for level in evidence.design.levels:
        failing, scores = failed_seeds(evidence, level.name), outcomes(evidence, level.name)
        lost = failures_of(evidence, level.name)
        worst = [scores[key] for key in failing if math.isfinite(scores[key])]
        if worst and lost.is_exception:
            fall = f"to {show_number(min(worst))} from a median of {show_number(float(np.median([*scores.values()])))}"
            share = f"{lost.of('fresh seed')} {lost.interval}"
            said = f"Risk: {share} of {visible(level.name)} {lost.word}, {fall} (Wilson 95 %)."
            told.append(Answer("exploratory", said))
    return told


def _stalls(evidence: Evidence, explored: Mapping[str, SearchSummary]) -> list[Answer]:
    """Of initializers, first how often training stalls, where that differs between levels."""
    initialized = any("init" in {name.partition(".")[0] for name in level.settings} for level in evidence.design.levels)
    known = [(name, one) for name, one in explored.items() if one.n >= FEWEST_TRIALS]
    if not initialized or len(known) < max(2, len(explored)) or len({one.stalled / one.n for _, one in known}) == 1:
        return []
    listed = "; ".join(
        f"{visible(name)} {one.stalled} of {one.n} [{100 * one.stalled_interval[0]:.1f} %, "
        f"{100 * one.stalled_interval[1]:.1f} %]"
        for name, one in sorted(known, key=lambda item: item[0].casefold())
    )
    return [Answer("exploratory", f"In the search, training stalled at chance (Wilson 95 %): {listed}.")]


def _alone(evidence: Evidence, explored: Mapping[str, SearchSummary], confirmed: Mapping[str, Confirmed]) -> Answer:
    """Of one level, which is compared with nothing."""
    recipe = _recipe(evidence, explored, confirmed)
    return Answer("exploratory", f"Nothing is compared: there is one level. {recipe}")


def _recipe(evidence: Evidence, explored: Mapping[str, SearchSummary], confirmed: Mapping[str, Confirmed]) -> str:
    """What a lone recipe scores on fresh seeds."""
    name = evidence.design.levels[0].name
    one, found = confirmed.get(name), explored[name]
    if one is None:
        lack = missing_recipe(evidence, name)
        if lack is not None:
            return f"{lack.reason[0].upper()}{lack.reason[1:]}."
        return "Its recipe has no score on fresh seeds." if found.recipe is not None else "No trial has a score."
    seeds = number_of(one.n, "fresh seed")
    if one.refused:
        why = f"{one.failed} of {seeds} diverged" if one.failed else "its seeds are not fresh"
        return f"Its recipe has no mean score: {why} ({', '.join(one.refused)})."
    known = all(map(math.isfinite, one.interval))
    score = show_interval(one.mean, *(one.interval if known else (None, None)))
    kind = "over folds, corrected for their overlap" if evidence.design.folds > 1 else "over seeds"
    return f"Its recipe scores {score} over {seeds}{f' (95 % {kind})' if known else ''}."


def _pairs(pairs: Sequence[Pair], gates: Sequence[RuleResult]) -> list[Answer]:
    """Each pair's sentence; one refusal where the same gate closes them all."""
    closed = refusing_rules(gates)
    if pairs and closed:
        return [Answer("refused", f"Not compared: {_because(gate)}") for gate in closed]
    ordered = sorted(pairs, key=lambda pair: (RANK.index(status_of(pair)), -_size(pair)))
    return [Answer(status_of(pair), pair.sentence) for pair in ordered]


def _size(pair: Pair) -> float:
    return 0.0 if math.isnan(pair.diff) else abs(pair.diff)


def _because(gate: RuleResult) -> str:
    fix = f" Fix: {gate.fix}." if gate.fix else ""
    return f"{gate.reason} ({gate.rule}).{fix}"


def _hidden(gates: Sequence[RuleResult]) -> list[Answer]:
    """What the report does not show."""
    what = {
        Rule.INDEPENDENT_DRAWS: "No tuning curves: ",
        Rule.NO_PRUNING: "No tuning curves: ",
        Rule.ABOVE_NOISE: "No leaderboard: ",
    }
    closed = [gate for gate in gates if gate.rule in HIDING and gate.action is Action.REFUSE]
    return [Answer("refused", f"{what[gate.rule]}{_because(gate)}") for gate in closed]


def scope(evidence: Evidence) -> str:
    """What all of it applies to."""
    design, each = evidence.design, "" if evidence.design.trials == 1 else " each"
    known = [
        visible(design.data),
        visible(design.model),
        f"spaces {space_hash(evidence)}" if evidence.trials else "",
        f"{number_of(design.trials, 'trial')}{each}" if design.trials else "",
        number_of(design.epochs, "epoch") if design.epochs else "",
        f"out-of-fold scores of {number_of(design.folds, 'fold')}" if design.folds > 1 else "",
        "" if design.is_foreign else f"{number_of(evidence.openings, 'test opening')} so far",
    ]
    return f"Applies to: {'; '.join(filter(None, known))}."


def space_hash(evidence: Evidence) -> str:
    """Eight digits that change with what any level is, draws or fixes."""
    levels = [
        [one.name, dict(one.settings), {name: dict(bounds) for name, bounds in one.space.items()}, dict(one.fixed)]
        for one in evidence.design.levels
    ]
    return hashlib.sha256(json.dumps(levels, sort_keys=True, default=str).encode()).hexdigest()[:8]


BOUNDED = "what other rows would change is bounded as if any two options erred on rows independently"

SAME_POOL = (
    "Retrainings score the same pool of rows that the search selected on: fresh seeds do not fully undo that selection."
)
"""Under K-fold, where no row is kept from the search."""


def limits_of(evidence: Evidence, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Sentence by sentence, the widest limit first."""
    return (*_scope(evidence), *_rows(evidence), *_search(evidence), *_claims(evidence, pairs))


def _scope(evidence: Evidence) -> list[str]:
    design = evidence.design
    found = [f"One data set: {visible(design.data)}. Nothing is known about other data.", *_network(design)]
    schedule = design.facts.get("schedule")
    if design.epochs:
        fixed = f", schedule {visible(schedule)}" if schedule else ""
        found.append(f"Fixed training: {number_of(design.epochs, 'epoch')}{fixed}. A longer one may turn an order.")
    found += [f"Fixed {visible(name)}: {visible(text)}." for name, text in design.facts.items() if "batch" in name]
    return found


def _network(design: Design) -> list[str]:
    """Of one network nothing else is known; of several, nothing beyond them; of foreign ones, not even that."""
    if not design.model:
        return []
    names = {name for level in design.levels for name in (*level.space, *level.settings)}
    if any(name.partition(".")[0] == "model" for name in names):
        return [f"Networks: {visible(design.model)}. Nothing is known about others."]
    return [f"One network: {visible(design.model)}. Nothing is known about other widths and depths."]


def _rows(evidence: Evidence) -> list[str]:
    design = evidence.design
    if design.evaluation == "truth_table":
        return ["Every row is trained on and scored: nothing is said about new rows."]
    if design.folds > 1:
        pool = f"{design.folds} folds of one pool of rows"
        overlap = f"{pool}: their training rows overlap, and more seeds do not make up for it."
        return [overlap, *([SAME_POOL] if evidence.confirm else [])]
    if design.rows.get("report"):
        same = ", the same in the search and on fresh seeds" if evidence.trials else ""
        return [f"One set of {number_of(design.rows['report'], 'report row')}{same}."]
    return []


def _search(evidence: Evidence) -> list[str]:
    design = evidence.design
    split, trials = "set of folds" if design.folds > 1 else "split", number_of(design.trials, "trial")
    found = [
        f"Bands of the search are conditional on one {split} and one seed, which all of its trials share.",
        f"One search of {trials} in each space: another one could have selected other recipes.",
    ]
    if not evidence.trials:
        return []
    if len(design.levels) > 1:
        found.append("Each level was tuned in its own space: other bounds may turn an order.")
    larger = larger_than_two_by_two(evidence)
    return [*found, larger] if larger else found


def _claims(evidence: Evidence, pairs: Sequence[Pair]) -> list[str]:
    design, found = evidence.design, []
    if design.delta is None and design.pairs:
        found.append("No smallest difference that matters was declared, so that nothing can be called equivalent.")
    if pairs and design.folds <= 1 and not any(row.correct is not None for row in evidence.confirm):
        unknown = all(math.isnan(pair.image_part) for pair in pairs)
        told = "differences are claimed for this report set alone" if unknown else BOUNDED
        found.append(f"Which report rows are right was not kept: {told}.")
    found += _no_overfitting(evidence)
    if not evidence.tests and not design.is_foreign:
        by = "was not opened" if not evidence.openings else "was opened by another sweep, not by this one"
        found.append(f"The test set {by}.")
    return found


def _no_overfitting(evidence: Evidence) -> list[str]:
    """Where training without regularization does not overfit, its remedies have nothing to show."""
    design = evidence.design
    plain = [level.name for level in design.levels if level.settings.get("regularization") == "none"]
    if design.delta is None or len(design.levels) < 2 or not plain:
        return []
    gaps = [row.curves[f"train/{design.metric}"][-1] - row.curves[f"val/{design.metric}"][-1]
            for row in evidence.confirmed(plain[0])
            if row.curves.get(f"train/{design.metric}") and row.curves.get(f"val/{design.metric}")]  # fmt: skip
    gap = sum(gaps) / len(gaps) if gaps else math.nan
    if math.isnan(gap) or not design.metric.is_share or gap >= design.delta:
        return []
    small = f"Without regularization training and val rows differ by {show_number(gap)}, less than {design.delta:g}"
    return [f"{small}: there is no overfitting that regularization could reduce."]
