"""The evidence of a specimen: its design, trials, curves, signals and retrainings, from seeded random numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hpsearch.analysis.evidence import ConfirmRow, Design, LevelDesign, TrialRow
from hpsearch.metrics import ACCURACY

LAYERS = ("hidden1", "hidden2", "hidden3", "hidden4", "output")
EPOCHS = 20
ROWS = {"train": 3000, "val": 1000, "report": 1000, "test": 10000}


@dataclass(frozen=True)
class Shape:
    """How large a specimen is and where its levels lie."""

    levels: tuple[str, ...]
    tops: tuple[float, ...]
    trials: int
    seeds: int
    rows: Mapping[str, int] = field(default_factory=lambda: ROWS)
    delta: float | None = 0.005
    scale: float = 1.0
    costs: tuple[float, ...] = ()
    control: str | None = None
    factors: Sequence[Mapping[str, str]] = ()
    signals: bool = False
    widths: bool = False

    @property
    def reports(self) -> bool:
        return "report" in self.rows


def design_of(shape: Shape, title: str, parameter: str, more: Mapping[str, object]) -> Design:
    space = {
        f"optimizer.adam.{parameter}": {"low": 1e-5, "high": 1.0, "log": True, "step": None},
        "training.batch_size": {"choices": [32, 64, 128]},
    }
    if shape.widths:
        space["model.hidden"] = {"low": 50, "high": 200, "log": False, "step": 50}
    factors = shape.factors or [{} for _ in shape.levels]
    levels = tuple(
        LevelDesign(name, {title: name}, space, {"optimizer.adam.eps": 1e-8}, factor)
        for name, factor in zip(shape.levels, factors, strict=True)
    )
    values = {
        "name": "specimen",
        "title": title,
        "levels": levels,
        "metric": ACCURACY,
        "classes": 10,
        "trials": shape.trials,
        "epochs": EPOCHS,
        "sampler": "random",
        "pruner": "none",
        "evaluation": "holdout",
        "rows": shape.rows,
        "folds": 1,
        "delta": shape.delta,
        "alpha": 0.05,
        "control": shape.control,
        "seed": 0,
        "confirm_seeds": shape.seeds,
        "data": "digits",
        "model": "64-100x4-10, relu, he",
        "fingerprint": "3fa9c1" + "0" * 58,
        "facts": {"schedule": "constant", "batch size": "100"},
    }
    return Design(**{**values, **more})


def trials_of(shape: Shape, plan: Design, at: int, parameter: str, generator: np.random.Generator) -> list[TrialRow]:
    level, rows = shape.levels[at], []
    for k in range(shape.trials):
        lr = 10 ** generator.uniform(-5, 0)
        away = (math.log10(lr) + 2 + 0.2 * at) ** 2
        clean = shape.tops[at] - shape.scale * (0.02 * away + 0.004 * generator.exponential())
        noise = 0.004 * shape.scale
        failed = lr > 0.4 and generator.random() < 0.7
        val, report = (
            (plan.metric.worst,) * 2
            if failed
            else (clean + generator.normal(0, noise), clean + generator.normal(0, noise))
        )
        values = {
            f"optimizer.adam.{parameter}": lr,
            "training.batch_size": int(generator.choice([32, 64, 128])),
        }
        if shape.widths:
            values["model.hidden"] = int(generator.integers(1, 5) * 50)
        cost = shape.costs[at] if shape.costs else 1.5e12
        rows.append(
            TrialRow(
                level,
                k,
                "diverged" if failed else "stalled" if val < shape.tops[at] - 0.16 * shape.scale else "ok",
                float(val),
                float(report) if shape.reports else math.nan,
                values,
                k == shape.trials,
                EPOCHS,
                cost * generator.uniform(0.98, 1.02),
                {} if failed else _curves(plan, val, shape.scale),
                _signals(lr, at, generator) if shape.signals and not failed else None,
            )
        )
    val, report = shape.tops[at] - 0.03 * shape.scale, shape.tops[at] - 0.032 * shape.scale
    default = TrialRow(level, 10**6, "ok", val, report if shape.reports else math.nan, {}, default=True)
    return [*rows, default]


def _curves(plan: Design, final: float, scale: float) -> dict[str, list[float]]:
    epochs = np.arange(1, EPOCHS + 1)
    val = final - 0.3 * scale * np.exp(-epochs / 4)
    sign = 1.0 if plan.classes else -1.0
    name = plan.metric
    return {f"val/{name}": (sign * val).tolist(), f"train/{name}": (sign * (val + 0.01 * scale)).tolist()}


def _signals(lr: float, at: int, generator: np.random.Generator) -> dict[str, object]:
    steps = [0, 50, 200, 500, 1000, 2000]
    shape = (len(steps), len(LAYERS))
    depth = np.arange(1, len(LAYERS) + 1)
    second = np.array([1.0, 0.5, 1.2, 0.05, 2.0, 1.0])[at % 6] ** depth * generator.lognormal(0, 0.2, shape)
    dead = np.clip(np.linspace(0, lr, len(steps))[:, None] * depth / 5 + 0.02, 0, 1)
    table = {
        "activation_second_moment": second.tolist(),
        "gradient_second_moment": (1e-4 * second[:, ::-1]).tolist(),
        "dead": dead.tolist(),
        "saturated": (0.5 * dead).tolist(),
        "gradient_norm": (0.1 / depth * generator.lognormal(0, 0.3, shape)).tolist(),
        "update_ratio": (lr * 0.1 * generator.lognormal(0, 0.3, shape)).tolist(),
    }
    table["gradient_norm"][1][0] = None
    table["update_ratio"][-1][0] = math.inf
    return {"steps": steps, "epochs": [0, 0.5, 2, 5, 10, 20], "layers": list(LAYERS), **table}


def retrainings_of(shape: Shape, plan: Design, at: int, generator: np.random.Generator) -> list[ConfirmRow]:
    shared = np.random.default_rng(99).normal(0, 0.003 * shape.scale, shape.seeds)
    scores = shape.tops[at] - 0.002 * shape.scale + shared + generator.normal(0, 0.002 * shape.scale, shape.seeds)
    if plan.folds > 1:
        spread = np.random.default_rng(98).normal(0, 0.01 * shape.scale, (shape.seeds, plan.folds))
        folds = np.round(scores[:, None] + spread + generator.normal(0, 0.002 * shape.scale, spread.shape), 4)
        return [
            ConfirmRow(shape.levels[at], key, "ok", row.mean(), row.mean(), folds=tuple(row.tolist()), trial=at)
            for key, row in enumerate(folds, 1)
        ]
    return [
        ConfirmRow(shape.levels[at], key, "ok", float(score + 0.001), float(round(score, 4)), trial=at)
        for key, score in enumerate(scores, 1)
    ]
