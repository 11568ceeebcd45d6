"""Peer (e): skorch with scikit-learn, on digits. A script of its own: it shares no code with hpsearch.

`--trials`: `RandomizedSearchCV(cv=5)` over the learning rate. `--fits`: the first so many fits of `cross_val_score`
with `LeaveOneOut`. Both with `n_jobs` at the number of cores, for which joblib gives each process one thread. skorch's
own split of the training rows is switched off, and it prints and tracks nothing.
"""

import argparse
import os
from itertools import islice

import numpy as np
import torch
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.model_selection import LeaveOneOut, RandomizedSearchCV, cross_val_score, train_test_split
from skorch import NeuralNetClassifier
from torch import nn


class Network(nn.Module):
    """64-50-10 with ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(64, 50)
        self.output = nn.Linear(50, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (B, 10) of rows (B, 64)."""
        return self.output(torch.relu(self.hidden(x)))


def main() -> None:
    """A random search of `--trials` learning rates, or `--fits` fits of leave-one-out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int)
    parser.add_argument("--fits", type=int)
    args = parser.parse_args()

    bunch = load_digits()
    x, _, y, _ = train_test_split(bunch.data, bunch.target, test_size=359, stratify=bunch.target, random_state=0)
    x, cores = (x / 16).astype(np.float32), len(os.sched_getaffinity(0))
    net = NeuralNetClassifier(
        Network,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=10,
        batch_size=32,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    if args.fits:
        folds = list(islice(LeaveOneOut().split(x), args.fits))
        print(cross_val_score(net, x, y, cv=folds, n_jobs=cores).mean())
    else:
        search = RandomizedSearchCV(
            net, {"lr": loguniform(1e-4, 0.1)}, n_iter=args.trials, cv=5, n_jobs=cores, random_state=0
        )
        search.fit(x, y)
        print(search.best_score_, search.best_params_)


if __name__ == "__main__":
    main()
