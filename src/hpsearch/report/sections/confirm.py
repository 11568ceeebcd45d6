"""Section 4: frozen recipes on fresh seeds, the only source of claims."""

import math
from collections.abc import Sequence

from hpsearch.analysis.confirmation import retrained_of, searched_as
from hpsearch.analysis.findings import Findings, Pair
from hpsearch.analysis.scoreless import lack_of
from hpsearch.analysis.verdicts import State
from hpsearch.report import captions
from hpsearch.report.blocks import (
    DASH,
    MINUS,
    TIMES,
    Block,
    Cell,
    Fold,
    Listing,
    Section,
    Table,
    Text,
    table,
)
from hpsearch.report.drawings import gallery, refusal
from hpsearch.report.figures import CONFIRM
from hpsearch.report.figures_confirm import shown_pairs
from hpsearch.report.figures_tuning import cost_text
from hpsearch.report.levels import (
    has_report,
    is_folded,
    is_sole_contender,
    level_order,
    selecting,
    show_search_score,
    titles,
)
from hpsearch.report.numbers import difference, ends, interval, like, p_value, percent, share, spread, two_digits
from hpsearch.report.sections.calibrated import calibrated
from hpsearch.report.sections.factors import two_factors
from hpsearch.report.sections.timing import timing
from hpsearch.report.style import short
from hpsearch.wording import ROUNDING, visible


def confirm(findings: Findings) -> Section:
    """Levels, pairs, parts of the variance, and their figures; or why there are none."""
    return Section(
        4, "confirm", "Confirm: recipes on fresh seeds", "Confirm", tuple(_blocks(findings)), "the evidence for claims"
    )


def _blocks(findings: Findings) -> list[Block]:
    if not findings.confirmed:
        what = "No retraining has a score" if findings.evidence.confirm else "No recipe was retrained on fresh seeds"
        why = f"{what}, so nothing can be claimed."
        return [refusal("T1 to T3, F9 to F11", findings, ("R01", "R06", "R07"), why)]
    blocks: list[Block] = [_levels(findings), *timing(findings)]
    if findings.pairs:
        blocks += [Text(_contenders(findings)), _pairs(findings), _sentences(findings)]
        blocks += [_variance(findings)] if _measured(findings.pairs) else []
    blocks += calibrated(findings)
    blocks += gallery(findings, [one for one in CONFIRM if findings.pairs or one is not CONFIRM[0]])
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
        "level", "recipe: trial", f"search, {selecting(findings)}", *reported, "confirm, mean [95 %]", "SD over seeds",
        "seeds", "optimism", "diverged in confirm", "diverged in search [Wilson 95 %]", "mean cost, FLOP",
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
    other = f"Retrained was another trial than {selecting(findings)} selects, and the search scores are of that one"
    return f" {other}: {'; '.join(said)}."


def _left_out(findings: Findings) -> str:
    """Levels without a row, each with what it lacks."""
    lacks = {name: lack_of(findings.evidence, name) for name in level_order(findings) if name not in findings.confirmed}
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
        f"{one.failed} / {one.n}" if one.failed <= one.n else str(one.failed),
        share(found.failed, found.n, found.failed_interval) if found else DASH,
        cost_text(found.mean_cost) if found and math.isfinite(found.mean_cost) else DASH,
    ]  # fmt: skip


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
    text = like(optimism, around)
    return f"+{text}" if optimism > 0 else text


def _pairs(findings: Findings) -> Table:
    crossed, folded = any(pair.ci_images is not None for pair in findings.pairs), is_folded(findings)
    columns = [
        f"A {MINUS} B", "common seeds" if folded else "pairs", "difference [95 %]", "simultaneous",
        *([f"seeds {TIMES} images, simultaneous"] if crossed else []),
        "p", "Holm p", "P(A > B)", *([] if folded else ["seeds for 80 % power"]), "state",
    ]  # fmt: skip
    rows = []
    for pair in shown_pairs(findings):
        found = [DASH] * (len(columns) - 3) if pair.refused else _numbers(pair, crossed=crossed, folded=folded)
        rows.append([_pair_name(findings, pair), _count(pair), *found, _state(pair)])
    return table(columns, rows, captions.pairs(findings), numbers=range(1, len(columns) - 1))


def _count(pair: Pair) -> str:
    return f"{pair.n} ({pair.dropped} dropped)" if pair.dropped else str(pair.n)


def _numbers(pair: Pair, *, crossed: bool, folded: bool) -> list[str]:
    """Of folds no number of seeds has a known power: more of them are more of the same rows."""
    power = [] if folded else [DASH if pair.needed is None else f"about {pair.needed}"]
    return [
        difference(pair.diff, pair.ci), ends(pair.ci_sim, pair.diff),
        *([ends(pair.ci_images, pair.diff)] if crossed else []), p_value(pair.p), p_value(pair.p_holm),
        two_digits(pair.superiority), *power,
    ]  # fmt: skip


def _pair_name(findings: Findings, pair: Pair) -> str:
    names = titles(findings, 32)
    return f"{names[pair.a]} {MINUS} {names[pair.b]}"


def _state(pair: Pair) -> str:
    if pair.refused:
        refused = f"refused: {', '.join(pair.refused)}"
        return refused if pair.state == State.REFUSED else f"{pair.state.replace('_', ' ')}, means {refused}"
    only = ", on this report set only" if pair.claim == "on_this_report_set_only" else ""
    return pair.state.replace("_", " ") + only


def _sentences(findings: Findings) -> Block:
    """What may be said about each pair; folded where the answers are few enough to stand above."""
    said = Listing(tuple(visible(pair.sentence) for pair in shown_pairs(findings)))
    return Fold("What may be said about each pair", (said,))


def _measured(pairs: Sequence[Pair]) -> bool:
    return any(not pair.refused and math.isfinite(pair.seed_part) for pair in pairs)


def _variance(findings: Findings) -> Table:
    rows = []
    for pair in shown_pairs(findings):
        if pair.refused or not math.isfinite(pair.seed_part):
            continue
        parts = max(pair.seed_part, 0.0), max(pair.image_part, 0.0)
        total = sum(parts) or math.nan
        rows.append((
            _pair_name(findings, pair),
            *(f"{two_digits(math.sqrt(part))} ({percent(part / total)})" for part in parts),
            ends(pair.ci_images, pair.diff),
        ))  # fmt: skip
    columns = (f"A {MINUS} B", "seeds: SE (share)", "images: SE (share)", f"interval over seeds {TIMES} images")
    caption = (
        "T3. Where the uncertainty of a difference comes from: retraining, and which images happen to be in the report "
        "set (S-12). More seeds make the first smaller, more report rows the second. Not measured: other splits, a "
        "repeated search, other data sets."
    )
    return table(columns, rows, caption, numbers=(1, 2, 3))
