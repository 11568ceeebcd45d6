"""Peer (b): Ray Tune in the style of its MNIST example. A script of its own: it shares no code with hpsearch.

As in `ray/tune/examples/mnist_pytorch.py`, each trial makes its `DataLoader`s from torchvision's dataset and reports
after each epoch; as in Ray's guide to MLflow, `MLflowLoggerCallback` logs what trials report. One trial per core.
"""

import argparse
from pathlib import Path
from typing import Any

import ray
import torch
import torch.nn.functional as F  # noqa: N812 - as everybody does
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.search import BasicVariantGenerator
from torch import nn, optim
from torchvision import datasets, transforms

EPOCHS, BATCH, SCORED = 2, 100, 5_000


def get_data_loaders(data: str, rows: int) -> list[torch.utils.data.DataLoader]:
    """Loaders of the training, `val` and `report` rows."""
    dataset = datasets.MNIST(data, train=True, transform=transforms.ToTensor())
    sizes = [rows, SCORED, SCORED, len(dataset) - rows - 2 * SCORED]
    train, *scored, _ = torch.utils.data.random_split(dataset, sizes, torch.Generator().manual_seed(0))
    loader = torch.utils.data.DataLoader(train, batch_size=BATCH, shuffle=True)
    return [loader, *(torch.utils.data.DataLoader(part, batch_size=1000) for part in scored)]


def make_model(dropout: float) -> nn.Module:
    """784-100-100-10 with ReLU and dropout."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 100),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(100, 100),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(100, 10),
    )


def train_func(model: nn.Module, optimizer: optim.Optimizer, loader: torch.utils.data.DataLoader) -> float:
    """One epoch; the mean training loss."""
    model.train()
    total = 0.0
    for data, target in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(data), target)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def test_func(model: nn.Module, loader: torch.utils.data.DataLoader) -> float:
    """Accuracy."""
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for data, target in loader:
            correct += (model(data).argmax(1) == target).sum().item()
            total += target.size(0)
    return correct / total


def train_mnist(config: dict[str, Any]) -> None:
    """The trainable: one trial."""
    train_loader, val_loader, report_loader = get_data_loaders(config["data"], config["rows"])
    model = make_model(config["dropout"])
    if config["optimizer"] == "adam":
        lr, decay = config["adam_lr"], config["weight_decay"]
        optimizer = optim.Adam(model.parameters(), lr=lr, weight_decay=decay)
    else:
        lr, decay = config["momentum_lr"], config["weight_decay"]
        optimizer = optim.SGD(model.parameters(), lr=lr, momentum=config["momentum"], weight_decay=decay)
    for epoch in range(EPOCHS):
        metrics = {"train_loss": train_func(model, optimizer, train_loader)}
        metrics["val_accuracy"] = test_func(model, val_loader)
        if epoch == EPOCHS - 1:
            metrics["report_accuracy"] = test_func(model, report_loader)
        tune.report(metrics)


def main() -> None:
    """A random search of `--trials` trials, logged in `mlflow.db` in the working directory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--data", required=True)
    args = parser.parse_args()

    ray.init(include_dashboard=False)
    store = f"sqlite:///{Path('mlflow.db').absolute()}"
    tuner = tune.Tuner(
        tune.with_resources(train_mnist, resources={"cpu": 1}),
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            num_samples=args.trials,
            search_alg=BasicVariantGenerator(random_state=0),
        ),
        run_config=tune.RunConfig(
            name="mnist",
            storage_path=str(Path("ray_results").absolute()),
            callbacks=[MLflowLoggerCallback(tracking_uri=store, experiment_name="mnist")],
        ),
        param_space={
            "data": args.data,
            "rows": args.rows,
            "optimizer": tune.choice(["adam", "momentum"]),
            "adam_lr": tune.loguniform(1e-4, 0.1),
            "momentum_lr": tune.loguniform(1e-4, 0.3),
            "momentum": tune.choice([0.8, 0.9, 0.95, 0.99]),
            "weight_decay": tune.loguniform(1e-6, 1e-2),
            "dropout": tune.uniform(0.05, 0.5),
        },
    )
    results = tuner.fit()
    if results.errors:
        raise SystemExit(f"{len(results.errors)} trials failed: {results.errors[0]}")
    print("Best config is:", results.get_best_result().config)


if __name__ == "__main__":
    main()
