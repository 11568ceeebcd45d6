"""The report of one comparison on several data sets: what holds on how many, and the first screen of each."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hpsearch.analysis.across_data_sets import FEWEST_DATA_SETS, AcrossDataSets, OptionAcross
from hpsearch.analysis.comparison.verdict import State
from hpsearch.analysis.findings import Findings
from hpsearch.formatting import number_of, show_coverage, visible
from hpsearch.report import page as pages
from hpsearch.report.blocks import ALPHA, DASH, Answers, Beside, Block, Report, Section, Sentence, Table, Text, table
from hpsearch.report.export import json_text
from hpsearch.report.figures.catalog import STANDINGS
from hpsearch.report.figures.render import figure_blocks
from hpsearch.report.figures.style import short_names
from hpsearch.report.first_screen import FirstScreen
from hpsearch.report.levels import VERDICTS, against_control, factor_title
from hpsearch.report.number_format import format_like, p_value
from hpsearch.report.write import replace_report, with_figures
from hpsearch.store.atomic_files import slug

LONG = 32
"""Characters of a name in a table."""


def write_across_data_sets(across: AcrossDataSets, folder: Path, pages_of: dict[str, str]) -> list[Path]:
    """Write `report.html`, `report.md`, `report.json` and figures; the same findings give the same bytes.

    Args:
        across: What is said.
        folder: Is created if need be.
        pages_of: By data set, where its own report lies, as a reader of this one finds it.

    Returns:
        The files, `report.html` first.
    """
    report = compose(across, pages_of)
    texts = {"report.html": pages.html(report), "report.md": pages.markdown(report), "report.json": to_json(across)}
    return replace_report(folder, with_figures(texts, report))


def compose(across: AcrossDataSets, pages_of: dict[str, str]) -> Report:
    """Everything that is shown, figures drawn."""
    design, count = across.design, len(across.findings)
    answer: list[Block] = [
        Answers((Sentence(across.status, across.sentence),), lead=True),
        across_table(across),
        Text(_cost(across), "note"),
        Text(_counting(across), "note"),
    ]
    sections = (
        Section("answer", "Answer", "Answer", tuple(answer)),
        *(_one(data, found, pages_of[data]) for data, found in across.findings.items()),
        Section("ranks", "Ranks over data sets", "Ranks", _ranks(across)),
    )
    pictures = tuple(picture for section in sections for picture in pages.pictures_of(section.blocks))
    title = f"{factor_title(design)} on {number_of(count, 'data set')}"
    return Report(title, f"Report of the comparison {visible(across.name)}", sections, pictures)


def across_table(across: AcrossDataSets) -> Table:
    """Every option, the lowest mean rank first, with its mean on each data set."""
    control = across.design.control
    names = short_names([row.level for row in across.options], LONG)
    ahead = f"better than {names[control]} on" if control is not None else "ahead of all others on"
    columns = ["option", *map(visible, across.findings), ahead, "behind on", "mean rank"]
    rows = [
        [
            names[row.level],
            *(_on(across, data, row.level) for data in across.findings),
            _count(row.ahead, across) if row.level != control else "control",
            _count(row.behind, across) if row.level != control else DASH,
            DASH if math.isnan(row.rank) else f"{row.rank:.2f}",
        ]
        for row in across.options
    ]
    metric = across.design.metric
    better = "lower" if metric.lower_is_better else "higher"
    caption = f"Mean {metric.name} on fresh seeds of each data set, {better} is better, and the verdict there."
    return replace(table(columns, rows, caption, numbers=range(1, len(columns))), cards=True)


def _count(data: Sequence[str], across: AcrossDataSets) -> str:
    return f"{len(data)} of {len(across.findings)}"


def _on(across: AcrossDataSets, data: str, level: str) -> str:
    """`0.9712, better`: the mean on one data set, and the verdict or group there."""
    row, found = across.standing(data, level), across.findings[data]
    if not row.n or math.isnan(row.mean):
        return f"{row.failed_seeds} of {row.n} diverged" if row.failed_seeds else DASH
    mean = format_like(found.evidence.design.metric.score(row.typical), row.around)
    verdict = against_control(found).get(level, row.letters)
    return mean if verdict in ("", "control", VERDICTS[State.INCONCLUSIVE]) else f"{mean}, {verdict}"


def _cost(across: AcrossDataSets) -> str:
    every = [found.evidence for found in across.findings.values()]
    trials, retrainings = (
        sum(map(len, rows)) for rows in zip(*((one.trials, one.confirm) for one in every), strict=True)
    )
    return f"Cost: {number_of(trials, 'trial')} and {number_of(retrainings, 'retraining')} on fresh seeds in all."


def _counting(across: AcrossDataSets) -> str:
    sure = show_coverage(across.design.alpha)
    letters = "" if across.design.control is not None else " On one data set, options that share a letter are alike."
    return (
        f"Each data set is a comparison of its own, whose claims hold together with {sure} confidence; on how many of "
        f"them an option is ahead is counted, not tested.{letters}"
    )


def _one(data: str, findings: Findings, page: str) -> Section:
    """The first screen of one data set."""
    first = FirstScreen.of(findings)
    assert first is not None, data
    figure = replace(
        STANDINGS, stem=f"{STANDINGS.stem}-{slug(data).lower()}", title=f"{STANDINGS.title}: {visible(data)}"
    )
    blocks: tuple[Block, ...] = (
        Answers((Sentence(first.status, first.sentence),)),
        Beside((first.standings, *figure_blocks(findings, (figure,)))),
        *first.next_step,
        Text(f"Everything else: {page}", "note"),
    )
    return Section(f"on-{slug(data).lower()}", f"On {visible(data)}", visible(data), blocks)


def _ranks(across: AcrossDataSets) -> tuple[Block, ...]:
    count, ranked = len(across.findings), across.ranked
    if ranked is None:
        why = (
            f"here there are {count}" if count < FEWEST_DATA_SETS else "here options are two, or lack a mean somewhere"
        )
        return (
            Text(
                f"Whether options differ on data sets in general is tested from {FEWEST_DATA_SETS} data sets on, by "
                f"their mean ranks (Friedman; Nemenyi): {why}. Seeds of one data set are no sample of data sets."
            ),
        )
    alpha = across.design.alpha
    differ = "differ" if ranked.p <= alpha else "are not shown to differ"
    options = sorted(across.options, key=lambda row: row.rank)
    return (
        Text(
            f"Over {count} data sets, mean ranks {differ}: Friedman's test, F_F = {ranked.statistic:.2f}, "
            f"p = {p_value(ranked.p)}. With an error rate {ALPHA} = {alpha:g} for all pairs at once, mean ranks differ "
            f"where they lie {across.difference:.2f} or more apart (Nemenyi)."
        ),
        table(
            ("option", "mean rank", "not separated from"),
            [[visible(row.level), f"{row.rank:.2f}", _near(row, options, across)] for row in options],
            numbers=(1,),
        ),
    )


def _near(row: OptionAcross, options: Sequence[OptionAcross], across: AcrossDataSets) -> str:
    near = [each for each in options if each is not row and abs(each.rank - row.rank) < across.difference]
    significant = across.ranked is not None and across.ranked.p <= across.design.alpha
    return ", ".join(visible(each.level) for each in (near if significant else options) if each is not row) or DASH


def to_json(across: AcrossDataSets) -> str:
    """`report.json`: sorted keys; null for what is no number."""
    content: dict[str, Any] = {
        "format": 1,
        "name": across.name,
        "status": across.status,
        "sentence": across.sentence,
        "datasets": {
            data: {"digest": found.digest, "data": found.evidence.design.data}
            for data, found in across.findings.items()
        },
        "options": across.options,
        "friedman": across.ranked,
        "nemenyi_difference": across.difference,
    }
    return json_text(content)
