"""The one look at the test rows, and the interval of what was seen.

M networks, the shipped one first; S = M - 1 retrained ones; n test rows; C outputs.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from hpsearch.config import Config
from hpsearch.data.dataset import Development, Rows
from hpsearch.data.scaling import Scaling
from hpsearch.data.seal import Claim, SealedTest
from hpsearch.engine.device_data import to_device
from hpsearch.engine.reference import predict
from hpsearch.final.model import Models, refit_scaling
from hpsearch.metrics import ACCURACY, LOSS, METRICS, Metric
from hpsearch.records import Task
from hpsearch.scoring.evaluate import available, own_units, says_loss, score_outputs
from hpsearch.statistics.intervals import bootstrap_interval, wilson
from hpsearch.store.atomic_files import BrokenFileError
from hpsearch.tracking.seal_ledger import Opening


@dataclass(frozen=True, slots=True)
class TestScore:
    """One metric on the test rows with its 95 % interval, and the method of that; no interval for a single row."""

    __test__ = False  # no test class, whatever pytest takes the name for

    value: float
    low: float | None
    high: float | None
    method: str


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """What one opening has shown.

    Attributes:
        scores: Metric name to score of the shipped network.
        retrained: Metric name to (S,) values of the retrained networks.
        correct: (M, n) whether each network classifies each test row correctly; None where nothing is classified.
    """

    scores: dict[str, TestScore]
    retrained: dict[str, np.ndarray]
    correct: np.ndarray | None


def right_of(opening: Opening) -> Claim:
    """The right that the ledger has granted."""
    return Claim(opening.split_digest, opening.opening, opening.claimant, opening.granted_at, opening.purpose)


def evaluate(models: Models, development: Development, sealed: SealedTest, right: Claim) -> Evaluated:
    """Opens the test set, once, and scores every model on it.

    Args:
        models: The networks.
        development: The rows that they were trained on.
        sealed: The test set.
        right: The granted claim.
    """
    rows = sealed.open(right)
    torch.set_num_threads(1)  # as in every fit: the last digits depend on it
    config, scaling = models.shipped.config, refit_scaling(models.shipped, development)
    data = to_device(rows)
    every = [predict(config, model.weights, data, scaling) for model in (models.shipped, *models.retrained)]
    return score_models(config, rows, every, scaling)


def score_models(config: Config, rows: Rows, outputs: Sequence[np.ndarray], scaling: Scaling) -> Evaluated:
    """Scores of M networks from the outputs (n, C) of each, the shipped one first; see `evaluate`."""
    scores = score_test(config, rows, outputs[0], scaling)
    measured = [score_outputs(config, rows, np.arange(rows.n), one[None], scaling) for one in outputs]
    retrained = {name: np.array([one.values[name][0] for one in measured[1:]]) for name in scores}
    correct = np.stack([one.rows[ACCURACY.name][0] == 1 for one in measured]) if rows.classes else None
    return Evaluated(scores, retrained, correct)


def score_test(config: Config, rows: Rows, outputs: np.ndarray, scaling: Scaling) -> dict[str, TestScore]:
    """Every metric of the outputs (n, C) for the n test rows, by name.

    A share of rows has the Wilson interval, all others that of the percentile bootstrap: see `intervals`. `loss` is
    left out where another metric says it.
    """
    scored = score_outputs(config, rows, np.arange(rows.n), outputs[None], scaling)
    means = {name: values[0] for name, values in scored.rows.items()}
    if says_loss(config, rows.task):
        del means[LOSS.name]
    scores = {name: _of_rows(METRICS[name], values) for name, values in means.items()}
    read = own_units(config, outputs, scaling) if rows.task is Task.REGRESSION else outputs
    for metric in available(config, rows.task):
        if metric.pooling:
            low, high = bootstrap_interval(metric.pooling.of_rows(read, rows.targets), rows.n)
            scores[metric.name] = TestScore(float(scored.values[metric.name][0]), low, high, "bootstrap")
    return scores


def _of_rows(metric: Metric, values: np.ndarray) -> TestScore:
    """A metric that is a mean over rows, from its values (n,)."""
    if metric.is_share:
        return TestScore(float(values.mean()), *wilson(int(values.sum()), len(values)), "Wilson")
    low, high = bootstrap_interval(lambda index: float(values[index].mean()), len(values))
    return TestScore(float(values.mean()), low, high, "bootstrap")


def described(opening: Opening, found: Evaluated) -> bytes:
    """`result.json`: the scores of an opening with their intervals, and the retrained networks' values."""
    scores = {name: asdict(score) for name, score in found.scores.items()}
    retrained = {name: values.tolist() for name, values in found.retrained.items() if len(values)}
    result = {"opening": opening.opening, "scores": scores, **({"retrained": retrained} if retrained else {})}
    return json.dumps(result, indent=1).encode()


def result_text(scores: dict[str, TestScore]) -> str:
    """The scores as JSON, for the ledger."""
    return json.dumps({name: score.value for name, score in sorted(scores.items())})


BITMAPS = "correct.safetensors"
"""Name of the file among the artifacts of a final run."""


def pack(correct: np.ndarray) -> bytes:
    """The file: `correct` (M, ceil(n / 8)) uint8, eight rows a byte as `numpy.packbits` packs them, and `rows`, n.

    Args:
        correct: (M, n) bool.
    """
    packed = np.packbits(correct, axis=1)
    return save({"correct": np.ascontiguousarray(packed), "rows": np.array([correct.shape[1]])})


def unpack(data: bytes, name: str) -> np.ndarray:
    """The (M, n) bool of `pack`.

    Raises:
        BrokenFileError: If the file is damaged; `name` is for its message.
    """
    try:
        arrays = load(data)
        packed, rows = arrays["correct"], int(arrays["rows"][0])
        correct: np.ndarray = np.unpackbits(packed, axis=1, count=rows).astype(bool)
    except (SafetensorError, KeyError, IndexError, ValueError, TypeError) as error:
        raise BrokenFileError(name, f"{type(error).__name__}: {error}") from error
    return correct
