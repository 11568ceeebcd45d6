"""What all figures share: size, type, and colours that read on light and dark pages and by every kind of eye."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import matplotlib as mpl

from hpsearch.formatting import visible

WIDTH = 400.0
"""Of every figure in points: on a telephone it is shown at 0.9 of its size, so that 10 points are 9 pixels."""

SMALL, NORMAL = 9.5, 10.5
"""Sizes of type, points."""

INK, MUTED, GRID, SHADE = "#24292f", "#656d76", "#d8dee4", "#8c959f"

_DARK_INK = {INK: "#e6edf3", MUTED: "#9aa4af", GRID: "#30363d", SHADE: "#7d8590"}

# Okabe & Ito (2008), a palette that all common kinds of colour vision tell apart. Its black and yellow do not show on
# black and white pages: black is the ink of the page, yellow is darker on white, and all are lighter on black.
_SERIES = {
    "#0072b2": "#409fdc",
    "#d55e00": "#f27a28",
    "#009e73": "#2cc596",
    "#cc79a7": "#e39cc4",
    "#e69f00": "#f4b63f",
    "#56b4e9": "#9cd6f7",
    INK: _DARK_INK[INK],
    "#9a8f00": "#f0e442",
    "#8a6d5a": "#c4a48f",
}

_MARKERS = "os^DvPX<>"

_SIZES = {"D": 4.5, "s": 5.0, "P": 6.0, "X": 6.0}

DARK = MappingProxyType({**_SERIES, **_DARK_INK})
"""Each colour of a figure to the one in its place on a dark page."""

SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine measures texts alike
    "font.size": NORMAL,
    "axes.labelsize": NORMAL,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "axes.titlesize": NORMAL,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "text.parse_math": False,  # a name may hold dollars
    "text.usetex": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",  # texts stay texts: they can be searched, copied and read aloud
    "svg.hashsalt": "hpsearch",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a level, or a layer, is drawn wherever it appears."""

    color: str
    marker: str
    size: float
    filled: bool

    @property
    def face(self) -> str:
        """Colour inside of a marker."""
        return self.color if self.filled else "none"


def look(place: int) -> Look:
    """The look of the series at this place, from 0; nine differ by colour and marker, nine more have open markers."""
    marker = _MARKERS[place % len(_MARKERS)]
    return Look(list(_SERIES)[place % len(_SERIES)], marker, _SIZES.get(marker, 5.5), place < len(_SERIES))


def short(text: str, length: int = 26) -> str:
    """One visible line of at most so many characters, its middle left out if need be."""
    line = " ".join(visible(text).split())
    if len(line) <= length:
        return line
    head = (length - 1) * 2 // 3
    return f"{line[:head].rstrip()}…{line[head + 1 - length :].lstrip()}"


def short_names(names: Sequence[str], length: int = 26) -> dict[str, str]:
    """Each name to a short one; names that would look alike get their number."""
    cut = [short(name, length) for name in names]
    pairs, counts = zip(names, cut, strict=True), Counter(cut)
    return {name: one if counts[one] == 1 else f"{one} ({at})" for at, (name, one) in enumerate(pairs, 1)}


@contextmanager
def drawing() -> Iterator[None]:
    """Within it figures are built and saved in this style; outside of it nothing has changed."""
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        # A character that the font lacks is an empty box in a PNG; in an SVG the reader's own font has it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        yield
