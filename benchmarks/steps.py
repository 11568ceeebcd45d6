"""Training steps a second of one fleet against the reference engine, on the same device.

The networks of the MNIST job: 784-100-100-10 with dropout, batch 100, 50,000 rows, 5,000 of which are scored after each
epoch; Adam and momentum in turn, rates, decays and dropout of their own. The rows are random bytes, which cost what
images cost. A rate is that of whole trainings, by the slope over epochs, so that no start-up is in it; a member-step is
one step of one network.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.fits import NONE, fit_of, random_rows
from benchmarks.rates import best, lasting
from hpsearch.engine.device_data import DeviceData
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.engine.minibatches import batch_sizes
from hpsearch.engine.reference import train
from hpsearch.records import Fit, FitResult, Fold, Status

VAL = 5_000
FEW, MANY = 1, 3
"""Epochs of the two trainings."""
RUNS = 2
"""Of each training, after one that does not count."""
LEAST, AIM = 50, 300
"""Ratios asked for on one H200-class GPU with 256 members."""
Engine = Callable[[list[Fit]], list[FitResult]]
JOB = ("model.widths=[100,100]", "training.batch_size=100", "regularization=both")


def main(arguments: list[str]) -> None:
    """Prints both rates and their ratio."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks steps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--width", type=int, default=256, help="members of the fleet")
    parser.add_argument("--rows", type=int, default=50_000, help="training rows")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    device = torch.device(options.device)
    data = random_rows(options.rows + VAL, 784, 10, device)
    fits = mnist_fits(options.width, options.rows)
    alone = _rate(lambda some: [train(fit, data) for fit in some], fits[:1], data)
    print(f"  reference engine {alone:14,.0f} member-steps/s", flush=True)
    fleet = _rate(lambda some: train_fleet(some, data), fits, data)
    print(f"  fleet of {options.width:<8} {fleet:13,.0f} member-steps/s")
    ratio = f"  ratio {fleet / alone:.1f} x"
    asked = f"; asked for on an H200-class GPU with 256 members: {LEAST} x at least, {AIM} x the aim"
    print(ratio + asked * (device.type == "cuda"))


def mnist_fits(width: int, rows: int) -> list[Fit]:
    """So many trials of the MNIST job; they share their minibatches, as the trials of a sweep do."""
    fold = Fold(0, np.arange(rows), NONE, np.arange(rows, rows + VAL), NONE)
    spread = np.linspace(0, 1, width)
    bases = [(fit_of([*JOB, "optimizer=adam"], fold), 1e-4), (fit_of([*JOB, "optimizer=momentum"], fold), 1e-3)]
    return [_varied(*bases[i % 2], float(spread[i])) for i in range(width)]


def _varied(base: Fit, lr: float, share: float) -> Fit:
    """With its own numbers: rates over a factor of 30, which random rows stand without diverging."""
    config = base.config
    optimizer = replace(config.optimizer, lr=lr * 30**share)
    numbers: dict[str, Any] = {"weight_decay": 1e-6 * 1e4**share, "dropout": 0.05 + 0.45 * share}
    return replace(
        base, config=replace(config, optimizer=optimizer, regularization=replace(config.regularization, **numbers))
    )


def _rate(engine: Engine, fits: Sequence[Fit], data: DeviceData) -> float:
    """Member-steps a second."""
    few, many = ([lasting(fit, epochs) for fit in fits] for epochs in (FEW, MANY))
    few_s, many_s = (best(partial(_trained, engine, some), data.device, RUNS) for some in (few, many))
    steps = len(batch_sizes(len(fits[0].fold.train), fits[0].config.training.batch_size))
    return (MANY - FEW) * steps * len(fits) / (many_s - few_s)


def _trained(engine: Engine, fits: list[Fit]) -> None:
    """Trains.

    Raises:
        SystemExit: If a member diverged: one that leaves early is not trained.
    """
    if lost := sum(result.status is not Status.OK for result in engine(fits)):
        raise SystemExit(f"{lost} of {len(fits)} members diverged: no rate")
