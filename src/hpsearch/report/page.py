"""The report as one page of HTML and as Markdown: the same blocks, in the same order."""

import re
from dataclasses import replace
from html import escape

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hpsearch.analysis.findings import Findings
from hpsearch.formatting import visible
from hpsearch.report.blocks import Answers, Beside, Block, Fold, Gallery, Picture, Report, Section, Sentence
from hpsearch.report.figures import render as rendering
from hpsearch.report.figures.mechanism import Theory
from hpsearch.report.first_screen import FirstScreen
from hpsearch.report.levels import factor_title
from hpsearch.report.sections.answer import answer
from hpsearch.report.sections.appendix import appendix
from hpsearch.report.sections.budget import budget
from hpsearch.report.sections.confirmation import confirm
from hpsearch.report.sections.design import design, gates
from hpsearch.report.sections.exploration import explore
from hpsearch.report.sections.mechanism import mechanism
from hpsearch.report.sections.order import order
from hpsearch.report.sections.speed import speed
from hpsearch.report.sections.test_set import test_set
from hpsearch.report.sections.tuning import tuning

_ACTIVE = re.compile(r"([\\`*_\[\]|~$])")
"""Characters that Markdown, or a formula in it, may act on within a line."""

_BEGINNING = re.compile(r"^([#+=-]|\d+(?=[.)](\s|$)))")
"""What it may act on at the beginning of a line."""


def compose(findings: Findings, theory: Theory | None = None) -> Report:
    """Everything that is shown, figures drawn.

    Args:
        findings: What is to be said.
        theory: For each level the second moment that theory expects in each layer, where it is known.
    """
    plan = findings.evidence.design
    parts = (
        answer(findings),
        budget(findings),
        tuning(findings),
        speed(findings),
        order(findings),
        mechanism(findings, theory),
        confirm(findings),
        test_set(findings) if findings.evidence.tests else None,
        explore(findings),
        design(findings),
        gates(findings),
        appendix(findings),
    )
    first, *others = (part for part in parts if part is not None)
    sections = (first, *(replace(part, folded=findings.headline is not None) for part in others))
    title = f"{factor_title(plan)} on {visible(plan.data)}" if len(plan.levels) > 1 else visible(plan.name)
    what = "table" if plan.is_foreign else "sweep"
    pictures = tuple(picture for section in sections for picture in pictures_of(section.blocks))
    return Report(title, f"Report of the {what} {visible(plan.name)}", sections, pictures)


def pictures_of(blocks: tuple[Block, ...]) -> list[Picture]:
    """Every figure among the blocks, in the order of the page."""
    found: list[Picture] = []
    for block in blocks:
        if isinstance(block, Gallery):
            found += [item for item in block.items if isinstance(item, Picture)]
        elif isinstance(block, Fold | Beside):
            found += pictures_of(block.blocks)
    return found


def html(report: Report) -> str:
    """One file with everything in it: no network, no script."""
    environment = _environment(autoescape=True)
    environment.finalize = _shown  # whatever a text holds, it is one line of visible characters
    environment.filters["svg"] = lambda picture: Markup(rendering.embedded(picture.svg))  # noqa: S704 - our own drawing
    styles = Markup(rendering.JOINS + "\n" + rendering.dark_rules(".figure svg"))  # noqa: S704 - our own text
    template = environment.get_template("report.html.j2")
    return template.render(report=report, figure_styles=styles, newline=Markup("\n"))


def _shown(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def markdown(report: Report) -> str:
    """The same for viewers of Markdown; figures are files beside it."""
    text = _markdown_environment().get_template("report.md.j2").render(report=report)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def first_screen_markdown(first: FirstScreen) -> str:
    """What is read first, without the figure."""
    blocks = (Answers((Sentence(first.status, first.sentence),), lead=True), first.standings, *first.next_step)
    page = Report("", "", (Section("answer", "", "", blocks),), ())
    return markdown(page).split("##", 1)[1].strip()


def _environment(*, autoescape: bool) -> Environment:
    return Environment(
        loader=PackageLoader("hpsearch.report"),
        autoescape=autoescape,  # noqa: S701 - Markdown escapes by a filter of its own
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _markdown_environment() -> Environment:
    environment = _environment(autoescape=False)
    environment.filters |= {"md": markdown_text, "code": markdown_code, "fence": fence}
    return environment


def markdown_text(text: str) -> str:
    """A text that Markdown shows as it is, on one line: neither markup nor HTML nor a link acts."""
    line = " ".join(visible(text).split())
    escaped = _ACTIVE.sub(r"\\\1", escape(line, quote=False))
    escaped = _BEGINNING.sub(lambda found: found[1] + "\\" if found[1].isdigit() else "\\" + found[1], escaped)
    return escaped.replace("://", ":&#47;&#47;").replace("@", "&#64;")


def markdown_code(text: str) -> str:
    """A text as code within a line, or a cell of a table."""
    line = visible(text)
    ticks = "`" * (1 + max(map(len, re.findall(r"`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{space}{line}{space}{ticks}".replace("|", "\\|") if line else ""


def fence(lines: tuple[str, ...]) -> str:
    """Lines as a block of code that none of them can end."""
    ticks = "`" * max(3, 1 + max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0))
    return "\n".join([ticks, *map(visible, lines), ticks])
