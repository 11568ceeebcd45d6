"""The one look at the test rows, and the interval of what was seen."""

import json
import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from hpsearch.config import Config
from hpsearch.data.rows import Development, Rows
from hpsearch.data.scaling import Scaling
from hpsearch.data.seal import Claim, SealedTest
from hpsearch.engine.device_data import to_device
from hpsearch.engine.reference import predict
from hpsearch.final.model import Model, refit_scaling
from hpsearch.measure import score_outputs
from hpsearch.tracking.ledger import Opening

LEVEL = 0.95
"""Coverage of the interval of a test number."""


@dataclass(frozen=True, slots=True)
class TestScore:
    """One metric on the test rows with its 95 % interval; no interval where none is known."""

    __test__ = False  # no test class, whatever pytest takes the name for

    value: float
    low: float | None
    high: float | None


def evaluate(model: Model, development: Development, sealed: SealedTest, opening: Opening) -> dict[str, TestScore]:
    """Opens the test set and scores the model on it.

    Args:
        model: The refitted network.
        development: The rows that it was trained on.
        sealed: The test set.
        opening: The granted claim.

    Returns:
        Metric name to score. Accuracy has the Wilson interval (1927), other means over rows the normal one.
    """
    right = Claim(opening.split_digest, opening.opening, opening.claimant, opening.granted_at, opening.purpose)
    rows = sealed.open(right)
    torch.set_num_threads(1)  # as in every fit: the last digits depend on it
    scaling = refit_scaling(model, development)
    outputs = predict(model.config, model.weights, to_device(rows), scaling)
    return _intervals(model.config, rows, outputs, scaling)


def _intervals(config: Config, rows: Rows, outputs: np.ndarray, scaling: Scaling) -> dict[str, TestScore]:
    scored = score_outputs(config, rows, np.arange(rows.n), outputs[None], scaling)
    scores = {name: TestScore(float(values[0]), None, None) for name, values in scored.values.items()}
    for name, values in scored.rows.items():
        interval = wilson if name == "accuracy" else normal_interval
        scores[name] = TestScore(float(values[0].mean()), *interval(values[0]))
    return scores


def wilson(hits: np.ndarray) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson, 1927).

    Args:
        hits: (n,) ones and zeros.
    """
    interval = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def normal_interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """The 95 % interval of a mean over independent rows, by the central limit theorem; none for fewer than two rows.

    Args:
        values: (n,) one value a row.
    """
    if len(values) < 2:
        return None, None
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return float(values.mean()) - half, float(values.mean()) + half


def result_text(scores: dict[str, TestScore]) -> str:
    """The scores as JSON, for the ledger."""
    return json.dumps({name: score.value for name, score in sorted(scores.items())})
