"""Frozen recipes on fresh seeds, the only source of claims."""

import math

from hpsearch.analysis.comparison.calibrated_losses import Calibrated, CalibratedPair
from hpsearch.analysis.comparison.levels import retrained_of, searched_as
from hpsearch.analysis.comparison.paired_scores import MOST_SEEDS
from hpsearch.analysis.comparison.refusals import missing_score, possibly_under_tuned
from hpsearch.analysis.comparison.verdict import State
from hpsearch.analysis.findings import Confirmed, Factorial, Findings, Pair, Rule
from hpsearch.formatting import ROUNDING, show_coverage, visible
from hpsearch.report import captions
from hpsearch.report.blocks import (
    ALPHA,
    DASH,
    MINUS,
    TIMES,
    Block,
    Cell,
    Listing,
    Refused,
    Section,
    Subtitle,
    Table,
    Text,
    table,
)
from hpsearch.report.figures.catalog import CONFIRM, INTERACTION
from hpsearch.report.figures.render import figure_blocks, refusal
from hpsearch.report.figures.style import short
from hpsearch.report.figures.tuning import cost_text
from hpsearch.report.levels import (
    alpha_of_look,
    has_report,
    interval_label,
    is_folded,
    is_sole_contender,
    level_order,
    score_name,
    selection_rows,
    show_search_score,
    shown_pairs,
    titles,
)
from hpsearch.report.number_format import (
    difference,
    format_interval,
    format_like,
    interval,
    p_value,
    share,
    spread,
    two_digits,
)


def calibrated(findings: Findings) -> list[Block]:
    """T1b and T2b; nothing where levels do not differ in their loss."""
    found = findings.calibrated
    if found is None:
        return []
    pairs = [_calibrated_pairs(findings, found)] if found.pairs else []
    return [Subtitle("Different losses on calibrated probabilities"), _calibrated_levels(findings, found), *pairs]


def _calibrated_levels(findings: Findings, found: Calibrated) -> Table:
    rows = [_calibrated_level(findings, found, name) for name in level_order(findings) if name in found.levels]
    columns = ("level", "seeds", "diverged", "accuracy, mean [95 %]", "calibrated log loss, mean [95 %]", "median T")
    caption = (
        "T1b. Levels that train on different losses, whose values are not compared (R10), on two scores of report rows "
        "that mean the same for all of them. Calibrated log loss: mean negative log likelihood, in nats, under "
        "softmax(outputs / T), or the sigmoid of a single output / T; lower is better. Each retraining has its own T, "
        "which minimizes the same loss on its val rows (Guo et al., ICML 2017). Intervals: over seeds."
    )
    return table(columns, rows, caption, numbers=range(1, len(columns)))


def _calibrated_level(findings: Findings, found: Calibrated, name: str) -> list[str | Cell]:
    one = found.levels[name]
    return [
        titles(findings)[name], str(one.n), str(one.failed), interval(one.accuracy, one.accuracy_interval),
        interval(one.loss, one.interval), two_digits(one.temperature),
    ]  # fmt: skip


def _calibrated_pairs(findings: Findings, found: Calibrated) -> Table:
    plan = findings.evidence.design
    place = {name: at for at, name in enumerate(level_order(findings))}
    pairs = sorted(found.pairs, key=lambda pair: (place[pair.a], place[pair.b]))
    unknown = any(math.isnan(pair.diff) for pair in pairs)
    caption = (
        "T2b. Pairs, difference in calibrated log loss: below 0 where that of A is lower. Intervals are simultaneous "
        f"for all pairs, at the {ALPHA} of T2. A description: claims are made of {score_name(plan)} alone (T2)."
        + "".join(f" {said}" for said in possibly_under_tuned(findings.gates, *sorted(found.levels)))
        + (f" {DASH}: a seed diverged, or there are too few of them for a claim." if unknown else "")
    )
    columns = (f"A {MINUS} B", "pairs", "difference [simultaneous]")
    return table(columns, [_pair(findings, pair) for pair in pairs], caption, numbers=(1, 2))


def _pair(findings: Findings, pair: CalibratedPair) -> list[str | Cell]:
    names = titles(findings, 32)
    return [f"{names[pair.a]} {MINUS} {names[pair.b]}", str(pair.n), difference(pair.diff, pair.ci_sim)]


TITLE = "Two factors (S-19)"


def two_factors(findings: Findings) -> list[Block]:
    """Cell means, effects and their figure; or why there are none. Nothing for any other design."""
    if findings.factorial is not None:
        return _effects(findings, findings.factorial)
    why = findings.no_effects
    return [Subtitle(TITLE), Refused("Simple effects and interaction", f"{visible(why)}.")] if why else []


def _effects(findings: Findings, effects: Factorial) -> list[Block]:
    (first, second), (rows, columns) = effects.factors, effects.values
    first, second = visible(first), visible(second)
    means: list[list[Cell | str]] = [
        [f"{first}: {visible(row)}", *(_cell_text(findings, effects, row, column) for column in columns)]
        for row in rows
    ]
    heads = ["", *(f"{second}: {visible(column)}" for column in columns)]
    cells = table(heads, means, f"Cell means [{interval_label(findings)}].", numbers=(1, 2))
    level = show_coverage(alpha_of_look(findings))
    over = " over the folds of all seeds, corrected for their overlap (S-10)" if is_folded(findings) else " over seeds"
    kinds = f"{level} intervals{over}: those of the four effects hold at once, that of the interaction by itself."
    said = [
        f"Effect of {visible(factor)} where {second if factor == effects.factors[0] else first} is {visible(at)}: "
        f"{difference(value, around)}."
        for factor, at, value, around in effects.simple
    ]
    value, *around = effects.interaction
    together = difference(value, (around[0], around[1]))
    said.append(f"Interaction: {together}: by so much the two effects together differ from their sum.")
    main = (
        "The interaction is small enough for main effects to be stated."
        if effects.main_effects
        else "Main effects are not stated: the interaction excludes 0 or is not known well enough."
    )
    untuned = possibly_under_tuned(findings.gates, *(cell for cell, _ in effects.cells.values()))
    return [
        Subtitle(TITLE),
        cells,
        Text(kinds),
        Listing((*said, main, *untuned)),
        *figure_blocks(findings, [INTERACTION]),
    ]


def _cell_text(findings: Findings, effects: Factorial, row: str, column: str) -> str:
    level, mean = effects.cells[row, column]
    known = findings.confirmed.get(level)
    return f"{interval(mean, known.interval if known else None)} ({titles(findings)[level]})"


def confirm(findings: Findings) -> Section:
    """Levels, pairs, parts of the variance, and their figures; or why there are none."""
    return Section(
        "confirm", "Confirm: recipes on fresh seeds", "Confirm", tuple(_blocks(findings)), "the evidence for claims"
    )


def _blocks(findings: Findings) -> list[Block]:
    if not findings.confirmed:
        what = "No retraining has a score" if findings.evidence.confirm else "No recipe was retrained on fresh seeds"
        why = f"{what}, so nothing can be claimed."
        return [
            refusal("T1, T2, F9 and F10", findings, (Rule.NO_TEST_NUMBERS, Rule.FRESH_SEEDS, Rule.ENOUGH_SEEDS), why)
        ]
    blocks: list[Block] = [_levels(findings)]
    if findings.pairs:
        blocks += [Text(_contenders(findings)), _pairs(findings)]
    blocks += calibrated(findings)
    blocks += figure_blocks(findings, [one for one in CONFIRM if findings.pairs or one is not CONFIRM[0]])
    return [*blocks, *two_factors(findings)]


def _contenders(findings: Findings) -> str:
    members = sorted(findings.contenders, key=str.casefold)
    if all(pair.refused for pair in findings.pairs):
        return "The means of no pair may be compared, so that every level stays a contender."
    if len(members) == 1:
        return f"{short(members[0], 48)} is the only level that no other level is claimed to beat."
    named = ", ".join(short(name, 48) for name in members)
    return f"Levels that no other level is claimed to beat, by the alphabet: {named}."


def _levels(findings: Findings) -> Table:
    rows = [_level(findings, name) for name in level_order(findings) if name in findings.confirmed]
    reported = ["search, report"] if has_report(findings) else []
    columns = [
        "level", "recipe: trial", f"search, {selection_rows(findings)}", *reported, "confirm, mean [95 %]",
        "SD over seeds",
        "seeds", "optimism", "failed in confirm", "diverged in search [Wilson 95 %]", "mean cost, FLOP",
    ]  # fmt: skip
    known = [at for at in range(len(columns)) if any(row[at] != DASH for row in rows)]
    caption = captions.levels(findings) + _other_trials(findings) + _left_out(findings)
    shown = [[row[at] for at in known] for row in rows]
    return table([columns[at] for at in known], shown, caption, numbers=range(1, len(known)))


def _other_trials(findings: Findings) -> str:
    """Levels of which another trial was retrained than the one that `val` selects: their search score is no maximum."""
    said = []
    for name in (name for name in level_order(findings) if name in findings.confirmed):
        found, retrained = findings.explored.get(name), retrained_of(findings.evidence, name)
        if found is not None and found.recipe is not None and retrained and retrained != [found.recipe]:
            said.append(f"{short(name, 48)} (trial {_recipe(findings, name)}, selected: {found.recipe})")
    if not said:
        return ""
    other = (
        f"Retrained was another trial than {selection_rows(findings)} selects, and the search scores are of that one"
    )
    return f" {other}: {'; '.join(said)}."


def _left_out(findings: Findings) -> str:
    """Levels without a row, each with what it lacks."""
    lacks = {
        name: missing_score(findings.evidence, name) for name in level_order(findings) if name not in findings.confirmed
    }
    said = [f"{short(name, 48)} ({lack.reason})" for name, lack in lacks.items() if lack is not None]
    return f" Not shown: {'; '.join(said)}." if said else ""


def _level(findings: Findings, name: str) -> list[str | Cell]:
    plan, one, found = findings.evidence.design, findings.confirmed[name], findings.explored.get(name)
    val, report = _searched(findings, name)
    return [
        Cell(titles(findings)[name], strong=is_sole_contender(findings, name)),
        _recipe(findings, name),
        show_search_score(plan, val, "val"),
        *([show_search_score(plan, report, "report")] if has_report(findings) else []),
        f"refused: {', '.join(one.refused)}" if one.refused else interval(one.mean, one.interval),
        spread(one.sd, one.n),
        str(one.n),
        _signed(one.optimism, one.interval, one.mean),
        _failed(one),
        share(found.failed, found.n, found.failed_interval) if found else DASH,
        cost_text(found.mean_cost) if found and math.isfinite(found.mean_cost) else DASH,
    ]  # fmt: skip


def _failed(one: Confirmed) -> str:
    """`1 / 10`; how, where a seed failed that has a score all the same."""
    count = max(one.failures.count, one.failed)
    how = f" ({one.failures.word})" if count > one.failed else ""
    return f"{count} / {one.n}{how}"


def _recipe(findings: Findings, name: str) -> str:
    """The trials whose recipe was retrained; a dash where the retrainings do not say it."""
    return ", ".join(map(str, retrained_of(findings.evidence, name))) or DASH


def _searched(findings: Findings, name: str) -> tuple[float, float]:
    """`val` and report score in the search of what was retrained; of the selected trial if that is not known."""
    if retrained_of(findings.evidence, name):
        trial = searched_as(findings.evidence, name)
        return (math.nan, math.nan) if trial is None else (trial.val, trial.report)
    found = findings.explored.get(name)
    return (math.nan, math.nan) if found is None else (found.val, found.report)


def _signed(optimism: float, interval_: tuple[float, float], mean: float) -> str:
    """A difference from the mean, rounded as the mean is."""
    if not math.isfinite(optimism):
        return DASH
    optimism = 0.0 if abs(optimism) < ROUNDING else optimism
    around = (optimism + interval_[0] - mean, optimism + interval_[1] - mean)
    text = format_like(optimism, around)
    return f"+{text}" if optimism > 0 else text


def _pairs(findings: Findings) -> Table:
    crossed, folded = any(pair.ci_images is not None for pair in findings.pairs), is_folded(findings)
    columns = [
        f"A {MINUS} B", "common seeds" if folded else "pairs", "difference [95 %]", "adjusted",
        *([f"seeds {TIMES} images, adjusted"] if crossed else []),
        "p", "adjusted p", "P(A > B)", *([] if folded else ["seeds for 80 % power"]), "state",
    ]  # fmt: skip
    rows, named, pairs = [], titles(findings, 32), shown_pairs(findings)
    for pair in pairs:
        found = [DASH] * (len(columns) - 3) if pair.refused else _numbers(pair, crossed=crossed, folded=folded)
        rows.append([f"{named[pair.a]} {MINUS} {named[pair.b]}", _count(pair), *found, _state(pair)])
    caption = f"{captions.pairs(findings)}{_of_all(findings, len(pairs))}"
    return table(columns, rows, caption, numbers=range(1, len(columns) - 1))


def _of_all(findings: Findings, shown: int) -> str:
    """Which pairs are shown, and where all of them are; empty where none is left out."""
    if shown == len(findings.pairs):
        return ""
    return f" {shown} of {len(findings.pairs):,} pairs, those between the levels that figures show; all: pairs.csv."


def _count(pair: Pair) -> str:
    trained = f"{pair.compared} of " if 0 < pair.compared < pair.n else ""
    return f"{trained}{pair.n}{f' ({pair.dropped} dropped)' if pair.dropped else ''}"


def _numbers(pair: Pair, *, crossed: bool, folded: bool) -> list[str]:
    """Of folds no number of seeds has a known power: more of them are more of the same rows."""
    power = [] if folded else [_needed(pair.needed)]
    return [
        difference(pair.diff, pair.ci), format_interval(pair.ci_sim, pair.diff),
        *([format_interval(pair.ci_images, pair.diff)] if crossed else []), p_value(pair.p), p_value(pair.p_adjusted),
        two_digits(pair.superiority), *power,
    ]  # fmt: skip


def _needed(seeds: int | None) -> str:
    if seeds is None:
        return DASH
    return f"about {seeds}" if seeds <= MOST_SEEDS else f"over {MOST_SEEDS:,}"


def _state(pair: Pair) -> str:
    if pair.refused:
        refused = f"refused: {', '.join(pair.refused)}"
        return refused if pair.state == State.REFUSED else f"{pair.state.replace('_', ' ')}, means {refused}"
    only = ", on this report set only" if pair.claim == "on_this_report_set_only" else ""
    return pair.state.replace("_", " ") + only
