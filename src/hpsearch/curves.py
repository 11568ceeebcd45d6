"""Curves over epochs: means over fits, and their best and last values."""

from collections.abc import Sequence

import numpy as np

from hpsearch.metrics import LOWER_IS_BETTER
from hpsearch.records import FitResult


def mean_curve(curves: Sequence[np.ndarray]) -> list[float]:
    """Mean of curves, each held at its last value up to the length of the longest.

    Held rather than dropped: a mean over the fits that still run would jump whenever one stops early.
    """
    epochs = max(len(curve) for curve in curves)
    held = [curve if len(curve) == epochs else np.pad(curve, (0, epochs - len(curve)), mode="edge") for curve in curves]
    values: list[float] = np.mean(held, axis=0).tolist()
    return values


def train_curves(results: Sequence[FitResult]) -> dict[str, list[float]]:
    """`train/loss`, `train/accuracy`, `train/lr` and `monitor/loss`, as far as all fits have them."""
    curves = {"train/loss": mean_curve([result.train_loss for result in results])}
    if all(len(result.train_accuracy) for result in results):
        curves["train/accuracy"] = mean_curve([result.train_accuracy for result in results])
    if all(len(result.monitor_loss) for result in results):
        curves["monitor/loss"] = mean_curve([result.monitor_loss for result in results])
    return curves | {"train/lr": mean_curve([result.lr for result in results])}


def common_train_curves(results: Sequence[FitResult]) -> dict[str, list[float]]:
    """Training loss of a diverged trial, as far as every fit was finite."""
    epochs = min(len(result.train_loss) for result in results)
    return {"train/loss": mean_curve([result.train_loss[:epochs] for result in results])} if epochs else {}


def extremes(curves: dict[str, list[float]]) -> dict[str, float]:
    """`best/…` of the validation curves and `last/…` of all but the learning rate."""
    summary = {}
    for name, curve in curves.items():
        group, metric = name.split("/")
        if group == "val":
            summary[f"best/{name}"] = min(curve) if metric in LOWER_IS_BETTER else max(curve)
        if metric != "lr":
            summary[f"last/{name}"] = curve[-1]
    return summary
