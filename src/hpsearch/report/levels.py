"""In which order levels are shown, how each of them looks, and what their scores are called."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hpsearch.analysis.comparison.verdict import ClaimKind, State
from hpsearch.analysis.evidence import ConfirmRow, Design, TrialRow
from hpsearch.analysis.findings import Findings, Pair
from hpsearch.formatting import capital, plural, show_like, show_number, visible
from hpsearch.records import Status
from hpsearch.report.blocks import DASH
from hpsearch.report.figures.style import Look, look, short, short_names


@dataclass(frozen=True, slots=True)
class Series:
    """A level as figures and tables show it."""

    name: str
    label: str
    look: Look


def level_order(findings: Findings) -> list[str]:
    """Levels by the alphabet; the only contender comes first, for then there is one."""
    names = sorted((level.name for level in findings.evidence.design.levels), key=lambda name: (name.casefold(), name))
    if len(findings.contenders) == 1:
        names.sort(key=lambda name: name not in findings.contenders)
    return names


MOST_DRAWN = 12
"""Of more levels than these, figures show the foremost."""

MOST_PAIRS = 200
"""Of more pairs than these, tables show those of the levels that figures show."""


def drawn_levels(findings: Findings) -> list[str]:
    """The levels that figures show, in order: all, or of many the control and those with the highest scores."""
    names, control = level_order(findings), findings.evidence.design.control
    if len(names) <= MOST_DRAWN:
        return names
    foremost = sorted(names, key=lambda name: (name != control, *_place(findings, name)))[:MOST_DRAWN]
    return [name for name in names if name in foremost]


def _place(findings: Findings, level: str) -> tuple[float, float]:
    """By the mean on fresh seeds, then by the score in the search; levels without one come last."""
    confirmed, explored = findings.confirmed.get(level), findings.explored.get(level)
    scores = (confirmed.mean if confirmed else math.nan, explored.val if explored else math.nan)
    return tuple(math.inf if math.isnan(score) else -score for score in scores)  # type: ignore[return-value]


def drawn_of(findings: Findings) -> str:
    """Which levels figures show, in a sentence; empty where they show all."""
    count, control = len(findings.evidence.design.levels), findings.evidence.design.control
    if count <= MOST_DRAWN:
        return ""
    foremost = f"{visible(control)} and the {MOST_DRAWN - 1}" if control is not None else f"the {MOST_DRAWN}"
    return f"Shown: {foremost} levels with the highest scores, of {count}."


def shown_pairs(findings: Findings, most: int = MOST_PAIRS) -> list[Pair]:
    """Pairs in the order in which their levels are shown; of more than `most`, those of the levels that are drawn."""
    place = {name: at for at, name in enumerate(level_order(findings))}
    kept = place.keys() if len(findings.pairs) <= most else set(drawn_levels(findings))
    pairs = [pair for pair in findings.pairs if {pair.a, pair.b} <= kept]
    return sorted(pairs, key=lambda pair: (place[pair.a], place[pair.b]))


def is_sole_contender(findings: Findings, level: str) -> bool:
    """Whether every other level is claimed to be behind this one."""
    return tuple(findings.contenders) == (level,) and len(findings.evidence.design.levels) > 1


VERDICTS = {
    State.BETTER_BY_DELTA: "better",
    State.BETTER: "better",
    State.WORSE_BY_DELTA: "worse",
    State.WORSE: "worse",
    State.EQUIVALENT: "equivalent",
    State.INCONCLUSIVE: "not separated",
    State.MORE_RELIABLE: "more reliable",
    State.LESS_RELIABLE: "less reliable",
    State.REFUSED: "not compared",
}
"""What is said of an option beside the control."""


def against_control(findings: Findings) -> dict[str, str]:
    """The verdict on each level against the control, in a word or two; empty where all pairs are compared."""
    control = findings.evidence.design.control
    if control is None or not findings.pairs:
        return {}
    here = {pair.a: pair.claim == ClaimKind.ON_THIS_REPORT_SET_ONLY for pair in findings.pairs}
    return {control: "control"} | {
        pair.a: f"{VERDICTS[State(pair.state)]}{', on these rows' if here[pair.a] else ''}" for pair in findings.pairs
    }


def how_compared(findings: Findings) -> str:
    """How the options of the first screen are compared, in a sentence."""
    control = findings.evidence.design.control
    if all(pair.refused and pair.claim == ClaimKind.NONE for pair in findings.pairs):
        return "None was tested against another."
    if control is None:
        return "Options that share a letter cannot be told apart."
    return f"Each is compared with {visible(control)}, none with another."


def level_series(findings: Findings, length: int = 26) -> list[Series]:
    """The levels that figures show, in order; their looks follow the order of the design."""
    names = [level.name for level in findings.evidence.design.levels]
    labels, looks = short_names(names, length), {name: look(place) for place, name in enumerate(names)}
    return [Series(name, labels[name], looks[name]) for name in drawn_levels(findings)]


def factor_title(design: Design) -> str:
    """What is compared, as the title of a page has it: `Optimizers`."""
    return capital(design.options) if design.title.strip().isalpha() else visible(design.title)


def score_name(design: Design, part: str = "") -> str:
    """`report accuracy`; a loss is shown as its negation, `val -mse`."""
    return f"{rows_name(design, part)} {design.metric.score_name}".strip()


def rows_name(design: Design, part: str) -> str:
    """`val`, `report`; of K-fold, `out-of-fold` for the rows that every fold leaves out in its turn."""
    return "out-of-fold" if part == "val" and design.folds > 1 else part


def is_folded(findings: Findings) -> bool:
    """Whether scores are over the folds of a K-fold."""
    return findings.evidence.design.folds > 1


def selection_rows(findings: Findings) -> str:
    """The name of the rows whose score selects."""
    return rows_name(findings.evidence.design, "val")


def interval_label(findings: Findings) -> str:
    """What the interval of a level's mean is."""
    return "95 %, corrected (S-10)" if is_folded(findings) else "95 % over seeds"


def alpha_of_look(findings: Findings) -> float:
    """Error rate of all claims of this report together."""
    return findings.evidence.design.alpha / findings.looks


def has_report(findings: Findings) -> bool:
    """Whether networks of the search were scored on report rows."""
    return any(math.isfinite(row.report) for row in findings.evidence.trials)


def is_corrected(findings: Findings) -> bool:
    """Whether the luck of the choice was taken off the score of any selected trial (S-09)."""
    return any(one.corrected is not None for one in findings.explored.values())


def shown_part(findings: Findings) -> str:
    """The rows whose scores readers are shown."""
    return "report" if has_report(findings) else "val"


def shown_rows(findings: Findings) -> str:
    """Their name."""
    return rows_name(findings.evidence.design, shown_part(findings))


def shown_score(row: TrialRow, part: str) -> float:
    """The score of a trial on these rows."""
    return row.report if part == "report" else row.val


def share_error(design: Design, score: float, part: str) -> float | None:
    """Standard error of a share over the rows it was counted on; None for any other metric."""
    rows = design.rows.get(part, 0)
    if not design.metric.is_share or rows < 2 or not 0 <= score <= 1:
        return None
    return math.sqrt(score * (1 - score) / (rows - 1))


def show_search_score(design: Design, score: float, part: str) -> str:
    """A score of the search with the digits that its rows support; a dash if there is none."""
    if math.isnan(score):
        return DASH
    return show_like(score, share_error(design, score, part) or None) if math.isfinite(score) else show_number(score)


def numbers_of(counts: Sequence[int], noun: str = "") -> str:
    """`10 trials`, or `8 to 10 trials` where counts differ; without a noun the numbers alone."""
    least, most = min(counts), max(counts)
    numbers = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    return f"{numbers} {plural(least if least == most else 2, noun)}" if noun else numbers


def titles(findings: Findings, length: int = 60) -> dict[str, str]:
    """Each level's name as tables show it: on one line, and shortened if it is very long."""
    return short_names([level.name for level in findings.evidence.design.levels], length)


def failed(row: TrialRow | ConfirmRow) -> bool:
    """Whether a training diverged."""
    return row.status == Status.DIVERGED


def parameter_names(values: Sequence[str], length: int = 24) -> dict[str, str]:
    """Drawn values to short names: `optimizer.adam.lr` is `lr`, unless another value ends like it."""
    last = {name: name.rsplit(".", 1)[-1] for name in values}
    ends = list(last.values())
    return {name: short(end if ends.count(end) == 1 else name, length) for name, end in last.items()}
