"""Figures as bytes: the same figure gives the same bytes, as PNG on white and as SVG for light and dark pages."""

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

from matplotlib.figure import Figure

from hpsearch.analysis.findings import Action, Findings, Rule, RuleResult
from hpsearch.formatting import visible
from hpsearch.report.blocks import Block, Gallery, Picture, Refused, RuleNote
from hpsearch.report.figures.style import DARK, drawing, short
from hpsearch.report.levels import drawn_of

DPI = 110

FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif'

JOINS = "svg *{stroke-linejoin:round;stroke-linecap:butt}"

_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def png(figure: Figure) -> bytes:
    """The figure on white, so that it reads wherever it is pasted."""
    target = io.BytesIO()
    with drawing():
        figure.savefig(target, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return target.getvalue()


def svg(figure: Figure, name: str, title: str) -> str:
    """The `<svg>` element of a figure, transparent, with its own ids, so that a page may hold several.

    Args:
        figure: It.
        name: Letters, digits and hyphens; each id begins with it.
        title: What it shows, for those who cannot see it.
    """
    target = io.StringIO()
    with drawing():
        figure.savefig(target, format="svg", metadata=_NO_METADATA)
    element = ("<svg" + target.getvalue().partition("<svg")[2]).strip()
    for left_out in (r"<!--.*?-->", r"<metadata>.*?</metadata>", r"<defs>\s*<style.*?</style>\s*</defs>"):
        element = re.sub(left_out, "", element, flags=re.DOTALL)
    element = re.sub(r"\s*\n\s*", "\n", element)
    element = re.sub(r"<[^>]*>", lambda tag: _own(tag[0], name), element)  # tags only: texts hold any characters
    element = re.sub(r'(<use [^>]*style="([^"]*)"/>)(\n<use [^>]*style="\2"/>)+', _gathered, element)
    return element.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)


def _own(tag: str, name: str) -> str:
    """A tag with ids of its figure alone, and without what the page decides."""
    tag = re.sub(r'(\bid="|"#|url\(#)', rf"\g<1>{name}-", tag)
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    if tag.startswith(
        '<path id="'
    ):  # a marker: its uses have the color, which a rule for dark pages reaches there alone
        tag = re.sub(
            r' style="stroke: #[0-9a-f]{6}(?:; )?(.*?)"', lambda left: f' style="{left[1]}"' if left[1] else "", tag
        )
    if tag.startswith("<svg"):
        return re.sub(r' width="[^"]*"| height="[^"]*"', "", tag)
    return re.sub(r"(\.\d\d)\d+", r"\1", tag)  # a hundredth of a point cannot be seen


def _gathered(uses: re.Match[str]) -> str:
    """Many markers of one style as a group: half the bytes."""
    style = f' style="{uses[2]}"'
    return f"<g{style}>\n{uses[0].replace(style, '')}\n</g>"


def standalone(element: str) -> str:
    """The element as a file of its own, which follows the reader's preference for light or dark."""
    width, height = re.findall(r'viewBox="0 0 (\S+) (\S+)"', element)[0]
    style = f"<style>svg{{font-family:{FONTS}}}\n{JOINS}\n{dark_rules('svg')}</style>"
    opened = element.replace("<svg", f'<svg width="{width}pt" height="{height}pt"', 1)
    head, _, body = opened.partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}>\n{style}\n{body}\n'


def embedded(element: str) -> str:
    """The element as it stands in a page: there it needs no name spaces."""
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", element, count=2)


def dark_rules(scope: str) -> str:
    """Style rules that give the figures below a selector the colours of a dark page.

    The drawing itself has the colours of a light one: programs that know no style sheets show it right.
    """
    rules = [
        f'{scope} [style*="{part}: {light}"]{{{part}:{dark}!important}}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
    ]
    return "@media screen and (prefers-color-scheme:dark){\n" + "\n".join(rules) + "\n}"


@dataclass(frozen=True, slots=True)
class FigureSpec:
    """A figure that a report may have.

    Attributes:
        number: `F1`.
        stem: Of its files.
        title: What it is.
        caption: How it is read, or what says so of findings.
        draw: Makes it; None if there is nothing to draw.
        rules: Those that can forbid it.
        otherwise: Why it may be missing although no gate forbids it.
        of_levels: Whether its caption says which levels it shows, where these are not all.
    """

    number: str
    stem: str
    title: str
    caption: str | Callable[[Findings], str]
    draw: Callable[[Findings], Figure | None]
    rules: tuple[Rule, ...] = ()
    otherwise: str = "There are no data for it."
    of_levels: bool = True


def figure_blocks(findings: Findings, drawings: Iterable[FigureSpec]) -> list[Block]:
    """The figures, and before them what is not shown: once for all that the same gates forbid."""
    missing: dict[tuple[str, tuple[RuleNote, ...]], list[str]] = {}
    pictures = []
    for each in drawings:
        found = shown(each, findings)
        if isinstance(found, Picture):
            pictures.append(found)
        else:
            missing.setdefault((found.why, found.bans), []).append(found.title)
    refused: list[Block] = [Refused("; ".join(names), why, bans) for (why, bans), names in missing.items()]
    return [*refused, Gallery(tuple(pictures))] if pictures else refused


def shown(drawing: FigureSpec, findings: Findings) -> Picture | Refused:
    """The figure, or why it is missing."""
    figure, title = drawing.draw(findings), f"{drawing.number}. {drawing.title}"
    if figure is None:
        return refusal(title, findings, drawing.rules, drawing.otherwise)
    vector = svg(figure, drawing.stem, title)
    caption = drawing.caption if isinstance(drawing.caption, str) else drawing.caption(findings)
    caption += f" {drawn_of(findings)}" if drawing.of_levels and drawn_of(findings) else ""
    caption += _left_out(findings, drawing.rules)
    return Picture(drawing.number, drawing.stem, drawing.title, caption, vector, png(figure))


def _left_out(findings: Findings, rules: Iterable[Rule]) -> str:
    """Levels that a gate of their own keeps out of a figure."""
    named = [f"{short(one.level)} ({one.rule}: {one.reason})" for one in banned(findings, rules) if one.level]
    return f" Not shown: {'; '.join(map(visible, named))}." if named else ""


def refusal(title: str, findings: Findings, rules: Iterable[Rule], otherwise: str) -> Refused:
    """What stands in place of something: the gates that forbid it, or else this sentence."""
    bans = banned(findings, rules)
    return Refused(title, "" if bans else otherwise, bans)


def banned(findings: Findings, rules: Iterable[Rule]) -> tuple[RuleNote, ...]:
    """Those of the gates that refuse something."""
    closed = [gate for gate in findings.gates if gate.action is Action.REFUSE and gate.rule in rules]
    return tuple(map(ban, closed))


def ban(gate: RuleResult) -> RuleNote:
    """A gate as it stands in place of what it forbids."""
    return RuleNote(gate.rule, visible(gate.level or ""), visible(gate.reason), visible(gate.fix))
