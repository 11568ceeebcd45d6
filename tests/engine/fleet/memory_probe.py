"""Trains the widest fleet that a budget allows and prints its width and what it took, in GiB.

A process of its own, whose peak is nobody else's: `memory_probe.py FOLDS GIB`, with the configuration's tree on stdin.
"""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from hpsearch.config import Config
from hpsearch.data.dataset import Development
from hpsearch.engine.device_data import DeviceData, to_device
from hpsearch.engine.fleet.autotune import widest
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.records import Fit, Fold, Task
from hpsearch.seeding import fit_seeds

ROWS, TRAIN, MONITOR, VAL = 2500, 200, 100, 2000


def kibibytes(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def fleet_of(config: Config, folds: int, gib: float, device: str = "cpu") -> tuple[list[Fit], DeviceData]:
    draw = np.random.default_rng(0)
    inputs = draw.integers(0, 256, (ROWS, 1, 28, 28), dtype=np.uint8)
    rows = Development("toy", Task.MULTICLASS, inputs, draw.integers(0, 10, ROWS), 10, digest="0" * 64)
    data = to_device(rows, device)
    cuts = np.cumsum([TRAIN, MONITOR, VAL])
    drawn = [Fold(index, *np.split(draw.permutation(ROWS), cuts)) for index in range(folds)]
    first = Fit(config, drawn[0], 0, fit_seeds(0, 0, 0))
    width = widest(first, data, gib, 1)
    seeds = [replace(fit_seeds(0, i % folds, 0), init=i) for i in range(width)]
    return [replace(first, fold=drawn[i % folds], seeds=seeds[i]) for i in range(width)], data


def main(folds: int, gib: float) -> None:
    torch.set_num_threads(1)
    fits, data = fleet_of(Config.from_tree(json.load(sys.stdin)), folds, gib)
    short = replace(fits[0].config, training=replace(fits[0].config.training, epochs=1))
    train_fleet([replace(fits[0], config=short)], data)  # what is loaded and allocated once
    Path("/proc/self/clear_refs").write_text("5")
    before = kibibytes("VmRSS")
    train_fleet(fits, data)
    sys.stdout.write(f"{len(fits)} {(kibibytes('VmHWM') - before) / 2**20}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
