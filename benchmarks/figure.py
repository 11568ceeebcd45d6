"""Draws throughput against fleet width from what `python -m benchmarks roofline --csv FILE` wrote.

Member-steps a second of the fleets, captured ones where there are any, and a dashed line at the rate of one plain
network, the reference engine's, for each shape.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SIZE_IN, DPI = (7.0, 4.9), 200
"""1400 pixels wide, for screens with two pixels to a point; text is 10 pt at 700 pixels."""
STYLES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"))
"""Colours that colour-blind readers tell apart (Okabe & Ito, 2008), each with a marker of its own."""


@dataclass(slots=True)
class Curve:
    """One shape: member-steps a second of the reference engine and, by width, of fleets."""

    name: str
    reference: float = 0.0
    fleets: dict[int, float] = field(default_factory=dict)


def main(arguments: list[str]) -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks figure", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", type=Path, help="what roofline --csv wrote")
    parser.add_argument("--out", type=Path, default=Path("docs/throughput.png"), help="PNG or SVG, by its ending")
    options = parser.parse_args(arguments)
    if find_spec("matplotlib") is None:
        sys.exit("figure needs matplotlib: pip install -r benchmarks/requirements.txt")
    if not options.csv.exists():
        sys.exit(f"{options.csv} does not exist: python -m benchmarks roofline --csv {options.csv}")
    rows = list(csv.DictReader(options.csv.read_text().splitlines()))
    draw(curves_of(rows), f"{rows[0]['device']}, torch {rows[0]['torch'].split('+')[0]}", options.out)
    print(f"written: {options.out}")


def curves_of(rows: Sequence[dict[str, str]]) -> list[Curve]:
    """One curve for each shape; of captured and plain fleets the captured ones, which are what trains on a GPU."""
    curves: dict[str, Curve] = {}
    shown = "captured" if any(row["engine"] == "captured" for row in rows) else "fleet"
    for row in rows:
        curve = curves.setdefault(row["shape"], Curve(row["shape"]))
        if row["engine"] == "reference":
            curve.reference = float(row["member_steps_per_s"])
        elif row["engine"] == shown:
            curve.fleets[int(row["width"])] = float(row["member_steps_per_s"])
    return list(curves.values())


def draw(curves: Sequence[Curve], machine: str, path: Path) -> None:
    """One picture, both axes logarithmic."""
    import matplotlib as mpl  # noqa: PLC0415 - optional, and `main` says so where it is missing

    mpl.use("agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=SIZE_IN, dpi=DPI, layout="constrained")
    for curve, (colour, marker) in zip(curves, STYLES, strict=False):
        axes.plot(list(curve.fleets), list(curve.fleets.values()), color=colour, marker=marker, label=curve.name)
        axes.axhline(curve.reference, color=colour, linestyle="--", linewidth=1)
    axes.plot([], [], color="0.3", linestyle="--", linewidth=1, label="reference engine, one network")
    _label(axes, sorted({width for curve in curves for width in curve.fleets}), machine)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)  # no curve runs through it
    figure.savefig(path)
    plt.close(figure)


def _label(axes: Any, widths: Sequence[int], machine: str) -> None:
    from matplotlib.ticker import LogLocator, StrMethodFormatter  # noqa: PLC0415

    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.minorticks_off()
    axes.set_xlabel("fleet width: networks trained as one")
    axes.set_ylabel("training steps a second, over all networks")
    axes.set_title(machine, fontsize=10)
    axes.grid(which="major", color="0.9")
