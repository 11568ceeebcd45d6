"""Five-fold cross-validation on digits, once through hpsearch and once as anybody would write it by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold
from torch import nn

from hpsearch.data.dataset import Development
from hpsearch.data.splits import folds, split_seed
from hpsearch.engine.device_data import to_device
from hpsearch.engine.reference import train
from hpsearch.nn.models import build_network
from hpsearch.records import Fit, Task
from hpsearch.scoring.trial_score import score_trial
from hpsearch.seeding import epoch_order, fit_seeds

EPOCHS, BATCH, WIDTH, LR = 2, 32, 20, 0.005


def by_hand(x: np.ndarray, y: np.ndarray, config) -> np.ndarray:
    """(5, EPOCHS) validation accuracies."""
    accuracies = []
    splitter = StratifiedKFold(5, shuffle=True, random_state=split_seed(0))
    for k, (train_rows, val_rows) in enumerate(splitter.split(x, y)):
        train_rows.sort()
        low, high = x[train_rows].min(axis=0), x[train_rows].max(axis=0)
        scaled = (x - low) / np.where(high > low, high - low, 1)
        inputs, labels = torch.tensor(scaled, dtype=torch.float32), torch.tensor(y)
        model = nn.Sequential(nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))
        start = build_network(config, (64,), 10, seed=fit_seeds(0, k, 0).init)
        model.load_state_dict(dict(zip(model.state_dict(), start.state_dict().values(), strict=True)))
        optimizer, loss = torch.optim.Adam(model.parameters(), lr=LR), nn.CrossEntropyLoss()
        accuracies.append([])
        for epoch in range(EPOCHS):
            order = torch.tensor(train_rows[epoch_order(fit_seeds(0, k, 0).order, epoch, len(train_rows))])
            for batch in order.split(BATCH):
                optimizer.zero_grad()
                loss(model(inputs[batch]), labels[batch]).backward()
                optimizer.step()
            with torch.no_grad():
                accuracies[-1].append((model(inputs[val_rows]).argmax(dim=1) == labels[val_rows]).float().mean().item())
    return np.array(accuracies)


def test_five_fold_cross_validation_equals_the_loop_written_by_hand(make_config):
    x, y = load_digits(return_X_y=True)
    x, y = x.astype(np.float32), y.astype(np.int64)
    rows = Development("digits", Task.MULTICLASS, x, y, 10, tuple("0123456789"), digest="0" * 64)
    config = make_config(
        evaluation="stratified_kfold",
        model={"kind": "mlp", "width": WIDTH},
        optimizer={"kind": "adam", "lr": LR},
        training={"epochs": EPOCHS, "batch_size": BATCH},
    )
    parts = folds(rows, config.evaluation, seed=0)
    fits = [Fit(config, replace(fold), 0, fit_seeds(0, fold.index, 0)) for fold in parts]
    trial = score_trial(config, rows, fits, [train(fit, to_device(rows)) for fit in fits])
    expected = by_hand(x, y, config)
    assert [trial.summary[f"fold/{k}/val/accuracy"] for k in range(5)] == pytest.approx(expected[:, -1], abs=1e-6)
    assert trial.curves["val/accuracy"] == pytest.approx(expected.mean(axis=0), abs=1e-6)
    assert trial.score == pytest.approx(expected[:, -1].mean(), abs=1e-6)
    assert trial.score > 0.8
