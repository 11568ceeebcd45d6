"""Peer (c) on MNIST: what an expert writes who wants speed. A script of its own: it shares no code with hpsearch.

All rows as one float tensor in memory, shared by one single-threaded process per core; fused optimizers; one index per
batch, no `DataLoader`, no `.item()` inside an epoch; the parent writes each trial to MLflow in one `log_batch` while
the children train.
"""

import argparse
import multiprocessing
import os
import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - as everybody does
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from torch import nn
from torchvision import datasets

EPOCHS, BATCH, SCORED = 2, 100, 5_000
Parts = dict[str, tuple[torch.Tensor, torch.Tensor]]
PARTS: Parts = {}
"""Filled before the processes are forked, which therefore share it."""


def load(data: str, rows: int) -> Parts:
    """Inputs (N, 784) float32 in [0, 1] and labels (N,) of the three parts."""
    mnist = datasets.MNIST(data, train=True)
    inputs, labels = mnist.data.reshape(-1, 784).float().div_(255), mnist.targets
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    cuts = {"report": order[:SCORED], "val": order[SCORED : 2 * SCORED], "train": order[2 * SCORED :][:rows]}
    return {name: (inputs[part], labels[part]) for name, part in cuts.items()}


def sample(rng: np.random.Generator) -> dict[str, Any]:
    """The parameters of one trial."""
    drawn: dict[str, Any] = {"optimizer": ("adam", "momentum")[rng.integers(2)]}
    high = 0.1 if drawn["optimizer"] == "adam" else 0.3
    drawn["lr"] = float(np.exp(rng.uniform(np.log(1e-4), np.log(high))))
    if drawn["optimizer"] == "momentum":
        drawn["momentum"] = (0.8, 0.9, 0.95, 0.99)[rng.integers(4)]
    drawn["weight_decay"] = float(np.exp(rng.uniform(np.log(1e-6), np.log(1e-2))))
    drawn["dropout"] = float(rng.uniform(0.05, 0.5))
    return drawn


def build(drawn: dict[str, Any]) -> tuple[nn.Module, torch.optim.Optimizer]:
    """784-100-100-10 with ReLU and dropout, and its optimizer."""
    p = drawn["dropout"]
    hidden = [nn.Linear(784, 100), nn.ReLU(), nn.Dropout(p), nn.Linear(100, 100), nn.ReLU(), nn.Dropout(p)]
    model = nn.Sequential(*hidden, nn.Linear(100, 10))
    options = {"lr": drawn["lr"], "weight_decay": drawn["weight_decay"], "fused": True}
    if drawn["optimizer"] == "adam":
        return model, torch.optim.Adam(model.parameters(), **options)
    return model, torch.optim.SGD(model.parameters(), momentum=drawn["momentum"], **options)


@torch.inference_mode()
def score(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
    """Mean loss and accuracy."""
    outputs = model.eval()(inputs)
    return F.cross_entropy(outputs, labels).item(), (outputs.argmax(1) == labels).float().mean().item()


def train(drawn: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, float, int]]]:
    """One trial: its parameters, and its metrics as (name, value, epoch)."""
    inputs, labels = PARTS["train"]
    model, optimizer = build(drawn)
    metrics = []
    for epoch in range(EPOCHS):
        model.train()
        losses = []
        for batch in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        val_loss, val_accuracy = score(model, *PARTS["val"])
        metrics += [("train_loss", torch.stack(losses).mean().item(), epoch)]
        metrics += [("val_loss", val_loss, epoch), ("val_accuracy", val_accuracy, epoch)]
    return drawn, [*metrics, ("report_accuracy", score(model, *PARTS["report"])[1], EPOCHS - 1)]


def log(client: MlflowClient, experiment: str, drawn: dict[str, Any], metrics: list[tuple[str, float, int]]) -> None:
    """One run."""
    run, now = client.create_run(experiment).info.run_id, int(time.time() * 1000)
    params = [Param(name, str(value)) for name, value in drawn.items()]
    client.log_batch(run, [Metric(name, value, now, step) for name, value, step in metrics], params)
    client.set_terminated(run)


def main() -> None:
    """A random search of `--trials` trials, logged in `mlflow.db` in the working directory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--data", required=True)
    args = parser.parse_args()

    PARTS.update(load(args.data, args.rows))
    rng = np.random.default_rng(0)
    trials = [sample(rng) for _ in range(args.trials)]
    cores = len(os.sched_getaffinity(0))
    with multiprocessing.get_context("fork").Pool(cores, torch.set_num_threads, (1,)) as pool:
        done = pool.imap_unordered(train, trials)
        client = MlflowClient("sqlite:///mlflow.db")
        experiment = client.create_experiment("mnist")
        for drawn, metrics in done:
            log(client, experiment, drawn, metrics)


if __name__ == "__main__":
    main()
