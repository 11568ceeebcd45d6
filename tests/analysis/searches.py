"""Searches that tests explore: levels with a known optimum, drawn with noise, and odd but legal ones."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence, LevelDesign, TrialRow
from hpsearch.analysis.exploration.trial_pool import ranked, space_of, trial_pool
from hpsearch.analysis.next_space import narrowed, near_the_highest
from hpsearch.metrics import ACCURACY

LR = "optimizer.adam.lr"
SPACE: Mapping[str, Any] = {
    LR: {"low": 1e-4, "high": 1.0, "log": True},
    "training.default.batch_size": {"choices": [32, 64, 128]},
    "model.mlp.depth": {"low": 1, "high": 8},
}


def design(levels=("adam",), space=SPACE, **changes):
    values = {
        "name": "specimen", "title": "optimizer", "metric": ACCURACY, "classes": 10, "trials": 40, "epochs": 20,
        "levels": tuple(LevelDesign(name, {"optimizer": name}, space) for name in levels), "data": "digits",
        "sampler": "random", "pruner": "none", "evaluation": "holdout", "folds": 1, "delta": 0.01, "alpha": 0.05,
        "rows": {"train": 3000, "val": 1000, "report": 1000}, "control": None, "seed": 0, "confirm_seeds": 0,
        "model": "mlp 100", "fingerprint": "f" * 64,
    }  # fmt: skip
    return Design(**{**values, **changes})


def trial(k, val, report=math.nan, level="adam", status="ok", values=None, **more):
    return TrialRow(level, k, status, val, report, values or {}, **more)


def drawn(generator, level="adam", n=40, peak=1e-2, top=0.9, width=2.0, start=1):
    """n trials whose accuracy is a bell over the logarithm of the learning rate; all else is noise."""
    rows = []
    for k in range(start, start + n):
        lr = float(10 ** generator.uniform(-4, 0))
        clean = top * math.exp(-((math.log10(lr / peak) / width) ** 2))
        val, report = (generator.binomial(1000, clean) / 1000 for _ in range(2))
        values = {
            LR: lr,
            "training.default.batch_size": int(generator.choice([32, 64, 128])),
            "model.mlp.depth": int(generator.integers(1, 9)),
        }
        rows.append(trial(k, val, report, level, values=values, cost=1e9))
    return rows


def search(levels=("adam",), n=40, seed=0, tops=None, **changes):
    """A search of several levels, each with n trials; `changes` are those of the design."""
    generator = np.random.default_rng(seed)
    tops = tops or [0.9] * len(levels)
    rows = [row for name, top in zip(levels, tops, strict=True) for row in drawn(generator, name, n, top=top)]
    return Evidence(design(levels, trials=n, **changes), tuple(rows))


def of_rows(*rows, **changes):
    """A search of given trials; its levels are those of the trials."""
    names = tuple(dict.fromkeys(row.level for row in rows)) or ("adam",)
    return Evidence(design(names, trials=len(rows), **changes), tuple(rows))


def with_rows(evidence, *rows):
    return replace(evidence, trials=evidence.trials + rows)


def confirmed(level, *reports):
    return tuple(ConfirmRow(level, key, "ok", report, report) for key, report in enumerate(reports, 1))


def next_bounds(evidence, level="adam"):
    """What the next round draws each value of a level from."""
    pool, best = trial_pool(evidence, level), ranked(evidence.draws(level))
    near = near_the_highest(evidence, pool)
    recipe = best[0].values if best else {}
    found = narrowed(space_of(evidence.design, level), pool, recipe, None if near is None else near[0])
    return {name: one.bounds for name, one in found.items()}
