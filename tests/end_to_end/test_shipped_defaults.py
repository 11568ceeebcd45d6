"""What shipped data sets come to with the settings that they bring along, against scikit-learn on the same folds."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hpsearch.compose.composer import Composer
from hpsearch.config import Engine
from hpsearch.config.execution import Device
from hpsearch.data.splits import folds
from hpsearch.execution.run_job import set_up, train_trials
from hpsearch.jobs import TrainJob, TrialJob
from hpsearch.records import Status

pytestmark = pytest.mark.slow


def cross_validated(data, model, plain):
    """The status and the score of K-fold, and what the predictions of scikit-learn's `plain` come to, pooled."""
    rate = ["optimizer.lr=0.01"] if model == "linear" else []
    config = Composer([f"data={data}", f"model={model}", "evaluation=kfold", *rate]).compose().config
    bench = set_up(config.data, Device.CPU)
    (trial,) = train_trials(bench, TrainJob((TrialJob(config),), Engine.FLEET, 10))
    rows = bench.development
    targets = rows.targets.reshape(rows.n)
    predictions = np.zeros_like(targets)
    for fold in folds(rows, config.evaluation, seed=config.seed):
        predictions[fold.val] = plain.fit(rows.inputs[fold.train], targets[fold.train]).predict(rows.inputs[fold.val])
    return trial, (accuracy_score if rows.classes else r2_score)(targets, predictions)


@pytest.mark.parametrize(("model", "behind"), [("linear", 0.02), ("mlp", 0.02)])
def test_a_regression_comes_near_least_squares(model, behind):
    trial, least_squares = cross_validated("diabetes", model, LinearRegression())
    assert trial.status is Status.OK
    assert trial.summary["chosen/val/r2"] > least_squares - behind


@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_a_classification_comes_near_logistic_regression(model):
    plain = make_pipeline(StandardScaler(), LogisticRegression())
    trial, logistic = cross_validated("breast_cancer", model, plain)
    assert trial.status is Status.OK
    assert trial.score > logistic - 0.01
