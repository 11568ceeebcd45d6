"""The one look at the test rows, and the interval of what was seen."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from hpsearch.config import Config
from hpsearch.data.rows import Development, Rows
from hpsearch.data.scaling import Scaling
from hpsearch.data.seal import Claim, SealedTest
from hpsearch.engine.device_data import to_device
from hpsearch.engine.reference import predict
from hpsearch.final.model import Model, refit_scaling
from hpsearch.intervals import bootstrap_interval, wilson
from hpsearch.measure import own_units, score_outputs
from hpsearch.metrics import macro_f1, predicted, r2_of_rows, says_loss
from hpsearch.records import Task
from hpsearch.tracking.ledger import Opening


@dataclass(frozen=True, slots=True)
class TestScore:
    """One metric on the test rows with its 95 % interval, and the method of that; no interval for a single row."""

    __test__ = False  # no test class, whatever pytest takes the name for

    value: float
    low: float | None
    high: float | None
    method: str


def evaluate(model: Model, development: Development, sealed: SealedTest, opening: Opening) -> dict[str, TestScore]:
    """Opens the test set and scores the model on it.

    Args:
        model: The refitted network.
        development: The rows that it was trained on.
        sealed: The test set.
        opening: The granted claim.

    Returns:
        Metric name to score. Accuracy has the Wilson interval, all others that of the percentile bootstrap: see
        `intervals`. `loss` is left out where another metric says it.
    """
    right = Claim(opening.split_digest, opening.opening, opening.claimant, opening.granted_at, opening.purpose)
    rows = sealed.open(right)
    torch.set_num_threads(1)  # as in every fit: the last digits depend on it
    scaling = refit_scaling(model, development)
    outputs = predict(model.config, model.weights, to_device(rows), scaling)
    return score_test(model.config, rows, outputs, scaling)


def score_test(config: Config, rows: Rows, outputs: np.ndarray, scaling: Scaling) -> dict[str, TestScore]:
    """Every metric of the outputs (n, C) for the n test rows, with its interval; see `evaluate`."""
    scored = score_outputs(config, rows, np.arange(rows.n), outputs[None], scaling)
    means = {name: values[0] for name, values in scored.rows.items()}
    if says_loss(config, rows.task):
        del means["loss"]
    scores = {name: _of_rows(name, values) for name, values in means.items()}
    name, statistic = _of_all_rows(config, rows, outputs, scaling)
    low, high = bootstrap_interval(statistic, rows.n)
    return {**scores, name: TestScore(float(scored.values[name][0]), low, high, "bootstrap")}


def _of_rows(name: str, values: np.ndarray) -> TestScore:
    """A metric that is a mean over rows, from its values (n,)."""
    if name == "accuracy":
        return TestScore(float(values.mean()), *wilson(int(values.sum()), len(values)), "Wilson")
    low, high = bootstrap_interval(lambda index: float(values[index].mean()), len(values))
    return TestScore(float(values.mean()), low, high, "bootstrap")


def _of_all_rows(
    config: Config, rows: Rows, outputs: np.ndarray, scaling: Scaling
) -> tuple[str, Callable[[np.ndarray], float]]:
    """The metric that is no mean over rows, by name, and its value on any (n,) row numbers."""
    if rows.task is Task.REGRESSION:
        predictions, targets = own_units(config, outputs, scaling), rows.targets.astype(np.float64)
        return "r2", r2_of_rows(predictions, targets)
    classes = predicted(outputs)
    return "macro_f1", lambda index: float(macro_f1(classes[None, index], rows.targets[index], rows.classes)[0])


def result_text(scores: dict[str, TestScore]) -> str:
    """The scores as JSON, for the ledger."""
    return json.dumps({name: score.value for name, score in sorted(scores.items())})
