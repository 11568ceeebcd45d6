"""Peer (d): Lightning's Trainer, leave-one-out on digits. A script of its own: it shares no code with hpsearch.

One `Trainer` per row that is left out; logger, checkpoints, progress bar and model summary are off; joblib runs one
single-threaded process per core.
"""

import argparse
import logging
import os
import warnings

import lightning
import torch
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Digits(lightning.LightningModule):
    """64-50-10 with ReLU, trained by Adam."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (B, 10) of rows (B, 64)."""
        return self.layers(x)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        """The loss of a minibatch."""
        x, y = batch
        return nn.functional.cross_entropy(self(x), y)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def fit(x: torch.Tensor, y: torch.Tensor, row: int) -> bool:
    """Trains on all rows but one; whether that one is classified correctly."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    rest = torch.arange(len(y)) != row
    loader = DataLoader(TensorDataset(x[rest], y[rest]), batch_size=32, shuffle=True)
    model = Digits()
    trainer = lightning.Trainer(
        max_epochs=10,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, loader)
    model.eval()
    with torch.no_grad():
        return bool(model(x[row : row + 1]).argmax() == y[row])


def main() -> None:
    """The first `--fits` fits of leave-one-out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fits", type=int, required=True)
    args = parser.parse_args()

    bunch = load_digits()
    x, _, y, _ = train_test_split(bunch.data, bunch.target, test_size=359, stratify=bunch.target, random_state=0)
    inputs, labels = torch.from_numpy(x).float() / 16, torch.from_numpy(y)
    cores = len(os.sched_getaffinity(0))
    correct = Parallel(n_jobs=cores)(delayed(fit)(inputs, labels, row) for row in range(args.fits))
    print(sum(correct) / args.fits)


if __name__ == "__main__":
    main()
