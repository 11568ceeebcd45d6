"""How easily each level is tuned: how many of its trials come close to its recipe, and where their values lie."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpsearch.analysis.evidence import Design
from hpsearch.analysis.exploration.findings import Isolation, SearchSummary
from hpsearch.formatting import number_of, show_value, visible
from hpsearch.statistics.proportions import newcombe

RATE = "lr"
"""The value that most networks depend on most: it comes first where several are shared by as many levels."""

NAMED = 6
"""Levels up to which each is told where it scores highest."""


@dataclass(frozen=True, slots=True)
class SharedValue:
    """A number that several levels draw, each from a range of its own.

    Attributes:
        name: What it is called in all of them: `lr`.
        pieces: For each level that draws it, what each part of its range gives.
        sentence: In which part each level scores highest.
    """

    name: str
    pieces: Mapping[str, tuple[Isolation, ...]]
    sentence: str


@dataclass(frozen=True, slots=True)
class TuningEase:
    """How easily each level is tuned.

    Attributes:
        sentence: The answer in a sentence; why there is none.
        shared: The number that most levels share; None for fewer than two.
    """

    sentence: str
    shared: SharedValue | None


def tuning_ease(design: Design, explored: Mapping[str, SearchSummary]) -> TuningEase | None:
    """Return how easily each level is tuned; None without a search."""
    if not any(one.n for one in explored.values()):
        return None
    return TuningEase(_sentence(design, explored), _shared(explored))


def _sentence(design: Design, explored: Mapping[str, SearchSummary]) -> str:
    """How many trials come close to their recipe: of the level with most of them, and of that with the fewest."""
    known = [(name, one) for name, one in explored.items() if one.good is not None and one.learns]
    if not known:
        return "How many trials come close to their recipe is not known: see below."
    ordered = sorted(known, key=lambda item: -_hits(item[1]) / item[1].n)
    near = "one standard error" if design.delta is None else f"{design.delta:g}"
    (first, most), (last, fewest) = ordered[0], ordered[-1]
    if len(explored) == 1:
        return f"In the search, {_share(most)} come within {near} of the recipe{_span(most)}."
    told = f"In the search, {_share(most)} of {visible(first)} come within {near} of its recipe"
    if len(ordered) == 1:
        return f"{told}; of no other option is that known."
    if _hits(most) * fewest.n == _hits(fewest) * most.n:
        return f"{told}, and as many of each other option."
    apart = newcombe(_hits(most), most.n, _hits(fewest), fewest.n)[0] > 0
    unsure = "" if apart else ", which does not tell the two apart"
    return f"{told}, the most of any option; of {visible(last)} {_share(fewest)}, the fewest{unsure}."


def _hits(one: SearchSummary) -> int:
    assert one.good is not None
    return round(one.good.share * one.n)


def _share(one: SearchSummary) -> str:
    assert one.good is not None
    low, high = one.good.interval
    return f"{_hits(one)} of {number_of(one.n, 'trial')} [{100 * low:.0f} %, {100 * high:.0f} %]"


def _span(one: SearchSummary) -> str:
    """Where the good trials lie: `, lr 0.002 to 0.05`."""
    spans = {} if one.good is None else one.good.spans
    name = next((name for name in spans if _last(name) == RATE), next(iter(spans), None))
    return "" if name is None else f": {_last(name)} {show_value(spans[name][0])} to {show_value(spans[name][1])}"


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _shared(explored: Mapping[str, SearchSummary]) -> SharedValue | None:
    """The number that most levels draw, a learning rate first; None where no two levels share one."""
    of_level = {name: _numbers(one.isolation) for name, one in explored.items()}
    counts = Counter(value for pieces in of_level.values() for value in pieces)
    name, count = max(counts.items(), key=lambda item: (item[1], item[0] == RATE), default=("", 0))
    if count < 2:
        return None
    pieces = {level: found[name] for level, found in of_level.items() if name in found}
    return SharedValue(name, pieces, _where(name, pieces))


def _numbers(isolation: Mapping[str, tuple[Isolation, ...]]) -> dict[str, tuple[Isolation, ...]]:
    """By the last part of their names, the drawn numbers of a level; the first of two that end alike."""
    found: dict[str, tuple[Isolation, ...]] = {}
    for name, pieces in isolation.items():
        if not any(isinstance(piece.low, str) for piece in pieces) and any(math.isfinite(one.score) for one in pieces):
            found.setdefault(_last(name), pieces)
    return found


def _where(name: str, pieces: Mapping[str, Sequence[Isolation]]) -> str:
    """In which part of the range each level scores highest; of many levels, from where to where these parts lie."""
    tops = {level: max(found, key=lambda piece: piece.score) for level, found in pieces.items()}
    if len(tops) > NAMED:
        low, high = min(piece.low for piece in tops.values()), max(piece.high for piece in tops.values())
        return f"The parts of the range of {name} that score highest lie between {_number(low)} and {_number(high)}."
    told = [f"{visible(level)} {_number(piece.low)} to {_number(piece.high)}" for level, piece in tops.items()]
    return f"The part of the range of {name} that scores highest: {'; '.join(told)}."


def _number(value: float | str) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)
