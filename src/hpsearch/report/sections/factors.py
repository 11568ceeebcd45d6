"""Of section 4: effects and interaction of two factors with two values each."""

from hpsearch.analysis.findings import Factorial, Findings
from hpsearch.analysis.refusals import possibly_under_tuned
from hpsearch.report.blocks import Block, Cell, Listing, Refused, Subtitle, Text, table
from hpsearch.report.drawings import gallery
from hpsearch.report.figures import INTERACTION
from hpsearch.report.levels import alpha_of_look, is_folded, over_seeds, titles
from hpsearch.report.numbers import difference, interval
from hpsearch.wording import show_coverage, visible

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
    cells = table(heads, means, f"Cell means [{over_seeds(findings)}].", numbers=(1, 2))
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
    return [Subtitle(TITLE), cells, Text(kinds), Listing((*said, main, *untuned)), *gallery(findings, [INTERACTION])]


def _cell_text(findings: Findings, effects: Factorial, row: str, column: str) -> str:
    level, mean = effects.cells[row, column]
    known = findings.confirmed.get(level)
    return f"{interval(mean, known.interval if known else None)} ({titles(findings)[level]})"
