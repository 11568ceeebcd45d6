"""Peer (c) on digits: an expert's hand-written loop. A script of its own: it shares no code with hpsearch.

Tensors in memory, one single-threaded process per core, fused Adam; nothing is tracked.
"""

import argparse
import multiprocessing
import os

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as everybody does
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split
from torch import nn

EPOCHS, BATCH, FOLDS = 10, 32, 5
FITS: list[tuple[torch.Tensor, ...]] = []
"""Training inputs and labels, validation inputs and labels of each fold; filled before the processes are forked."""


def load() -> list[tuple[torch.Tensor, ...]]:
    """The folds of the 1,438 development rows."""
    bunch = load_digits()
    x, _, y, _ = train_test_split(bunch.data, bunch.target, test_size=359, stratify=bunch.target, random_state=0)
    inputs, labels = torch.from_numpy(x).float().div_(16), torch.from_numpy(y)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, y)
    return [(inputs[train], labels[train], inputs[val], labels[val]) for train, val in folds]


def train(lr: float, x: torch.Tensor, y: torch.Tensor, x_val: torch.Tensor, y_val: torch.Tensor) -> list[float]:
    """Validation accuracies of one fit of 64-50-10 after each epoch."""
    model = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, fused=True)
    accuracies = []
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(y)).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
        with torch.inference_mode():
            accuracies.append((model(x_val).argmax(1) == y_val).float().mean().item())
    return accuracies


def run(lr: float) -> tuple[float, float]:
    """One trial: its learning rate and its mean last accuracy over the folds."""
    return lr, float(np.mean([train(lr, *fit)[-1] for fit in FITS]))


def main() -> None:
    """A random search of `--trials` learning rates."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, required=True)
    args = parser.parse_args()

    FITS.extend(load())
    rates = np.exp(np.random.default_rng(0).uniform(np.log(1e-4), np.log(0.1), args.trials)).tolist()
    cores = len(os.sched_getaffinity(0))
    with multiprocessing.get_context("fork").Pool(cores, torch.set_num_threads, (1,)) as pool:
        print(max(pool.imap_unordered(run, rates), key=lambda result: result[1]))


if __name__ == "__main__":
    main()
