"""Peer (a): the loop of the textbooks. A script of its own: it shares no code with hpsearch.

torchvision's dataset with `ToTensor`, `DataLoader`, Optuna's `study.optimize`, MLflow's fluent interface; nothing is
tuned for speed, torch has as many threads as it likes.
"""

import argparse

import mlflow
import optuna
import torch
from torch import nn
from torch.utils.data import DataLoader, random_split
from torchvision import datasets
from torchvision.transforms import ToTensor

EPOCHS, BATCH, SCORED = 2, 100, 5_000


class Network(nn.Module):
    """784-100-100-10 with ReLU and dropout."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 100),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(100, 100),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(100, 10),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (B, 10) of images (B, 1, 28, 28)."""
        return self.layers(x)


def train_one_epoch(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer) -> float:
    """One pass over the training rows; their mean loss."""
    criterion = nn.CrossEntropyLoss()
    model.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def evaluate(model: nn.Module, loader: DataLoader) -> tuple[float, float]:
    """Mean loss and accuracy."""
    criterion = nn.CrossEntropyLoss(reduction="sum")
    model.eval()
    loss, correct, rows = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            outputs = model(images)
            loss += criterion(outputs, labels).item()
            correct += (outputs.argmax(1) == labels).sum().item()
            rows += len(labels)
    return loss / rows, correct / rows


def suggest_optimizer(trial: optuna.Trial, model: nn.Module) -> torch.optim.Optimizer:
    """Adam or SGD with momentum, as drawn."""
    weight_decay = trial.suggest_float("weight_decay", 1e-6, 1e-2, log=True)
    if trial.suggest_categorical("optimizer", ["adam", "momentum"]) == "adam":
        lr = trial.suggest_float("adam_lr", 1e-4, 0.1, log=True)
        return torch.optim.Adam(model.parameters(), lr=lr, weight_decay=weight_decay)
    lr = trial.suggest_float("momentum_lr", 1e-4, 0.3, log=True)
    momentum = trial.suggest_categorical("momentum", [0.8, 0.9, 0.95, 0.99])
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)


def main() -> None:
    """A random search of `--trials` trials, logged in `mlflow.db` in the working directory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, required=True)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--data", required=True)
    args = parser.parse_args()

    dataset = datasets.MNIST(args.data, train=True, transform=ToTensor())
    sizes = [args.rows, SCORED, SCORED, len(dataset) - args.rows - 2 * SCORED]
    train, val, report, _ = random_split(dataset, sizes, torch.Generator().manual_seed(0))
    train_loader = DataLoader(train, batch_size=BATCH, shuffle=True)
    val_loader = DataLoader(val, batch_size=1000)
    report_loader = DataLoader(report, batch_size=1000)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.set_experiment("mnist")

    def objective(trial: optuna.Trial) -> float:
        with mlflow.start_run():
            model = Network(trial.suggest_float("dropout", 0.05, 0.5))
            optimizer = suggest_optimizer(trial, model)
            mlflow.log_params(trial.params)
            accuracy = 0.0
            for epoch in range(EPOCHS):
                train_loss = train_one_epoch(model, train_loader, optimizer)
                loss, accuracy = evaluate(model, val_loader)
                metrics = {"train_loss": train_loss, "val_loss": loss, "val_accuracy": accuracy}
                mlflow.log_metrics(metrics, step=epoch)
            mlflow.log_metric("report_accuracy", evaluate(model, report_loader)[1])
            return accuracy

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=args.trials)
    print(study.best_value, study.best_params)


if __name__ == "__main__":
    main()
