"""How easily each option is tuned, and where in its space it scores well."""

from hpsearch.analysis.findings import Findings, Rule
from hpsearch.formatting import visible
from hpsearch.report import captions
from hpsearch.report.blocks import DASH, Block, Commands, Fold, Section, Subtitle, Table, Text, table
from hpsearch.report.figures.catalog import slice_drawings, tuning_drawings
from hpsearch.report.figures.render import banned, figure_blocks
from hpsearch.report.figures.style import short
from hpsearch.report.levels import drawn_levels, level_order, parameter_names, selection_rows, titles
from hpsearch.report.number_format import values


def tuning(findings: Findings) -> Section | None:
    """The answer, one picture of all options, the range of the good region, and slices; None without a search."""
    found = findings.tuning_ease
    if found is None or not findings.evidence.trials:
        return None
    several = len(findings.evidence.design.levels) > 1
    slices = tuple(figure_blocks(findings, slice_drawings(findings)))
    blocks: list[Block] = [
        *([Text(found.shared.sentence)] if found.shared is not None else []),
        *figure_blocks(findings, tuning_drawings(findings)),
        *([] if banned(findings, (Rule.ABOVE_NOISE,)) else [_recipes(findings)]),
        *([Fold("Every drawn value of every option", slices)] if several else slices),
        *_hints(findings),
    ]
    title = f"How easy is {'each' if several else 'it'} to tune?"
    return Section("tuning", title, "Tuning", tuple(blocks), captions.OF_SEARCH, lead=found.sentence)


def _recipes(findings: Findings) -> Table:
    named = titles(findings)
    rows = []
    for name in (name for name in level_order(findings) if name in findings.explored):
        one = findings.explored[name]
        drawn = {key: value for key, value in one.recipe_values.items() if not _is_option(findings, name, key)}
        spans = one.good.spans if one.good is not None else {}
        short_keys = parameter_names([*drawn, *(key for key in spans if key not in drawn)], 60)
        recipe = ", ".join(f"{short_keys[key]} {values(value)}" for key, value in drawn.items()) or "draws nothing"
        good = ", ".join(f"{short_keys[key]} {values(low)} to {values(high)}" for key, (low, high) in spans.items())
        rows.append((named[name], visible(recipe), good or DASH))
    columns = ("level", "recipe", "range of the good region")
    caption = (
        f"In the search, the highest-scoring trial by {selection_rows(findings)} score is the recipe of its level."
    )
    return table(columns, rows, caption, wide=(1, 2))


def _is_option(findings: Findings, level: str, key: str) -> bool:
    """Whether a value says only which level it is."""
    return any(one.name == level and key in one.settings for one in findings.evidence.design.levels)


def _hints(findings: Findings) -> list[Block]:
    if not findings.hints:
        return []
    levels, order = {level.name for level in findings.evidence.design.levels}, drawn_levels(findings)
    hints = [hint for hint in findings.hints if hint.level in order or hint.level not in levels]
    blocks: list[Block] = [Subtitle("For the next round")]
    for hint in sorted(hints, key=lambda hint: order.index(hint.level) if hint.level in order else -1):
        sentence = visible(hint.sentence)
        said = (
            sentence if sentence.startswith("In the search") else f"In the search, {short(hint.level, 48)}: {sentence}"
        )
        blocks.append(Text(said))
        if hint.overrides:
            blocks.append(Commands(tuple(map(visible, hint.overrides))))
    more = len(findings.hints) - len(hints)
    return [*blocks, Text(f"And {more} of the other levels, in report.json.", "note")] if more else blocks
