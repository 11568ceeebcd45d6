"""Draws the learning rates of `+sweep=mnist`: those of its trials, and what so many more draws would look like.

Run in the folder of the sweep: python <this file> <picture.png>
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np

from hpsearch.compose.comparison import plan_levels
from hpsearch.compose.composer import Composer
from hpsearch.search.sampler import Sampler
from hpsearch.store.sweep_store import SweepStore

mpl.use("agg")
from matplotlib import pyplot as plt

MORE, BINS = 3000, 8
"""Trials that are drawn and never trained, for comparison; bins of a range."""

composer = Composer(["+sweep=mnist"])
base = composer.compose()
(level,) = plan_levels(composer, base)
sampler = Sampler(base.config.search, level.space, base.config.seed)
expected = [sampler.draw(level.name, k, level.chosen) for k in range(MORE)]
trained = [record.values for record in SweepStore(Path("mlruns"), "mnist").records().values()]

options = level.space.options["optimizer"]
figure, panels = plt.subplots(len(options), 1, figsize=(7, 5.2), dpi=200, layout="constrained")
for axes, option in zip(panels, options, strict=True):
    name, bounds = f"optimizer.{option}.lr", level.space.dimensions[f"optimizer.{option}"]["lr"]
    edges = np.geomspace(bounds.low, bounds.high, BINS + 1)
    rates = [values[name] for values in trained if name in values]
    more = [values[name] for values in expected if name in values]
    axes.hist(rates, edges, color="#0072B2", edgecolor="white", label=f"{len(rates)} trials")
    weights = np.full(len(more), len(rates) / len(more))
    axes.hist(more, edges, weights=weights, histtype="step", color="#D55E00", label="expected, from 3,000 draws")
    axes.plot(rates, np.zeros(len(rates)), "|", color="black", markersize=12, clip_on=False)
    axes.set_xscale("log")
    axes.set_xlim(bounds.low, bounds.high)
    axes.set_title(f"{option}, {len(rates)} trials", fontsize=10, loc="left")
    axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
panels[-1].set_xlabel("learning rate")
handles, _ = panels[0].get_legend_handles_labels()
figure.legend(handles, ["trials", "expected, from 3,000 draws"], loc="outside lower center", ncols=2, frameon=False)
figure.savefig(sys.argv[1])
