"""From a description of a figure to the figure in its place, or to the gates that forbid it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from matplotlib.figure import Figure

from hpsearch.analysis.findings import Action, Findings, Gate
from hpsearch.report import rendering
from hpsearch.report.blocks import Ban, Block, Gallery, Picture, Refused
from hpsearch.report.style import short
from hpsearch.wording import visible


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure that a report may have.

    Attributes:
        number: `F1`.
        stem: Of its files.
        title: What it is.
        caption: How it is read, or what says so of findings.
        draw: Makes it; None if there is nothing to draw.
        codes: Gates that can forbid it.
        otherwise: Why it may be missing although no gate forbids it.
    """

    number: str
    stem: str
    title: str
    caption: str | Callable[[Findings], str]
    draw: Callable[[Findings], Figure | None]
    codes: tuple[str, ...] = ()
    otherwise: str = "There are no data for it."


def gallery(findings: Findings, drawings: Iterable[Drawing]) -> list[Block]:
    """The figures, and before them what is not shown: once for all that the same gates forbid."""
    missing: dict[tuple[str, tuple[Ban, ...]], list[str]] = {}
    pictures = []
    for drawing in drawings:
        found = shown(drawing, findings)
        if isinstance(found, Picture):
            pictures.append(found)
        else:
            missing.setdefault((found.why, found.bans), []).append(found.title)
    refused: list[Block] = [Refused("; ".join(names), why, bans) for (why, bans), names in missing.items()]
    return [*refused, Gallery(tuple(pictures))] if pictures else refused


def shown(drawing: Drawing, findings: Findings) -> Picture | Refused:
    """The figure, or why it is missing."""
    figure, title = drawing.draw(findings), f"{drawing.number}. {drawing.title}"
    if figure is None:
        return refusal(title, findings, drawing.codes, drawing.otherwise)
    svg = rendering.svg(figure, drawing.stem, title)
    caption = drawing.caption if isinstance(drawing.caption, str) else drawing.caption(findings)
    caption += _left_out(findings, drawing.codes)
    return Picture(drawing.number, drawing.stem, drawing.title, caption, svg, rendering.png(figure))


def _left_out(findings: Findings, codes: Iterable[str]) -> str:
    """Levels that a gate of their own keeps out of a figure."""
    named = [f"{short(one.level)} ({one.code}: {one.reason})" for one in banned(findings, codes) if one.level]
    return f" Not shown: {'; '.join(map(visible, named))}." if named else ""


def refusal(title: str, findings: Findings, codes: Iterable[str], otherwise: str) -> Refused:
    """What stands in place of something: the gates that forbid it, or else this sentence."""
    bans = banned(findings, codes)
    return Refused(title, "" if bans else otherwise, bans)


def banned(findings: Findings, codes: Iterable[str]) -> tuple[Ban, ...]:
    """Those of the gates that refuse something."""
    closed = [gate for gate in findings.gates if gate.action is Action.REFUSE and gate.code in codes]
    return tuple(map(ban, closed))


def ban(gate: Gate) -> Ban:
    """A gate as it stands in place of what it forbids."""
    return Ban(gate.code, visible(gate.level or ""), visible(gate.reason), visible(gate.fix))
