"""The single evaluation on the test rows, with confidence intervals.

M networks, the shipped one first; S = M - 1 retrained ones; n test rows; C outputs.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from hpsearch.config import Config
from hpsearch.data.dataset import Development, Rows
from hpsearch.data.scaling import TargetScaling, fit_target_scaling
from hpsearch.data.seal import Claim
from hpsearch.data.splits import refit_fold
from hpsearch.engine.device_data import to_device
from hpsearch.engine.precision import one_thread
from hpsearch.engine.reference import predict
from hpsearch.errors import BrokenFileError
from hpsearch.final.model import Models, refit_preprocessing
from hpsearch.metrics import ACCURACY, LOSS, Metric
from hpsearch.scoring.baselines import chosen_baselines, plain_config, predict_baseline
from hpsearch.scoring.evaluate import computed, of_targets, own_units, says_loss, score_outputs, search_metric
from hpsearch.statistics.intervals import bootstrap_interval, wilson
from hpsearch.tracking.claim_ledger import Opening


@dataclass(frozen=True, slots=True)
class TestScore:
    """A metric on the test rows with its 95 % interval and the interval's method; no interval for a single row."""

    __test__ = False  # keeps pytest from collecting it by its name

    value: float
    low: float | None
    high: float | None
    method: str


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """The results of one opening.

    Attributes:
        scores: Metric name to score of the shipped network.
        retrained: Metric name to values (S,) of the retrained networks.
        correct: Shape (M, n), whether each network classifies each test row correctly; None for regression.
        baselines: Scores of models that are no networks by kind, then by metric name.
    """

    scores: dict[str, TestScore]
    retrained: dict[str, np.ndarray]
    correct: np.ndarray | None
    baselines: dict[str, dict[str, TestScore]] = field(default_factory=dict)


def right_of(opening: Opening) -> Claim:
    """Return the claim that the ledger has granted."""
    return Claim(opening.split_digest, opening.opening, opening.claimant, opening.granted_at, opening.purpose)


def evaluate(models: Models, development: Development, rows: Rows) -> Evaluated:
    """Score every model on the opened test set.

    Args:
        models: The networks.
        development: The rows that they were trained on.
        rows: The test rows, opened by a granted claim.
    """
    with one_thread():
        config, preprocessing = models.shipped.config, refit_preprocessing(models.shipped, development)
        data = to_device(rows)
        outputs = [predict(config, model.weights, data, preprocessing) for model in (models.shipped, *models.retrained)]
    return score_models(config, rows, outputs, preprocessing.target)


def evaluate_baselines(config: Config, development: Development, rows: Rows) -> dict[str, dict[str, TestScore]]:
    """Train the baselines on the rows of a refit, and score them on the opened test set.

    Args:
        config: The champion's configuration.
        development: The development rows.
        rows: The test rows, opened by a granted claim.

    Returns:
        Scores by kind of the baseline and name of the metric.
    """
    train = refit_fold(development, seed=config.seed, limit=config.data.limit).train
    metric, plain = search_metric(config, development), plain_config(config, development)
    scaling = None if rows.classes else fit_target_scaling(development, train, plain.preprocess)
    scores = {}
    for kind in chosen_baselines(config, development, [len(train)]):
        (outputs,) = predict_baseline(config, kind, metric, development, train, (rows, np.arange(rows.n)))
        scores[kind.value] = score_test(plain, rows, outputs, scaling)
    return scores


def score_models(config: Config, rows: Rows, outputs: Sequence[np.ndarray], scaling: TargetScaling | None) -> Evaluated:
    """Score M networks by their outputs; see `evaluate`.

    Args:
        config: The shipped network's configuration.
        rows: The n test rows.
        outputs: Outputs (n, C) of each network, the shipped one first.
        scaling: Scaling of the targets, fitted to their training rows; None for classes.
    """
    scores = score_test(config, rows, outputs[0], scaling)
    every = np.arange(rows.n)
    scored = [score_outputs(config, rows, every, each[None], scaling, each_target=True) for each in outputs]
    retrained = {name: np.array([each.values[name][0] for each in scored[1:]]) for name in scores}
    correct = np.stack([each.rows[ACCURACY.name][0] == 1 for each in scored]) if rows.classes else None
    return Evaluated(scores, retrained, correct)


def score_test(config: Config, rows: Rows, outputs: np.ndarray, scaling: TargetScaling | None) -> dict[str, TestScore]:
    """Return every metric of the outputs (n, C) for the n test rows, by name.

    A share of rows has the Wilson interval, all others that of the percentile bootstrap: see `intervals`. `loss` is
    left out where another metric says it.
    """
    scored = score_outputs(config, rows, np.arange(rows.n), outputs[None], scaling, each_target=True)
    means = {name: values[0] for name, values in scored.rows.items()}
    if says_loss(config, rows):
        del means[LOSS.name]
    measures = computed(config, rows) | {metric.name: metric for metric in of_targets(rows)}
    scores = {name: _score_rows(measures[name], values) for name, values in means.items()}
    predictions = outputs if scaling is None else own_units(config, outputs, scaling)
    for metric in measures.values():
        if metric.pooling:
            low, high = bootstrap_interval(metric.pooling.of_rows(predictions, rows.targets), rows.n)
            scores[metric.name] = TestScore(float(scored.values[metric.name][0]), low, high, "bootstrap")
    return scores


def _score_rows(metric: Metric, values: np.ndarray) -> TestScore:
    """Return the score of a metric that is a mean over rows, from its values (n,)."""
    if metric.is_share:
        return TestScore(float(values.mean()), *wilson(int(values.sum()), len(values)), "Wilson")
    low, high = bootstrap_interval(lambda index: float(values[index].mean()), len(values))
    return TestScore(float(values.mean()), low, high, "bootstrap")


def result_json(opening: Opening, evaluated: Evaluated) -> bytes:
    """Return `result.json`: the scores of an opening with their intervals, and the retrained networks' values."""
    scores = {name: asdict(score) for name, score in evaluated.scores.items()}
    retrained = {name: values.tolist() for name, values in evaluated.retrained.items() if len(values)}
    baselines = {
        kind: {name: asdict(score) for name, score in of_kind.items()} for kind, of_kind in evaluated.baselines.items()
    }
    more = {"retrained": retrained, "baselines": baselines}
    result = {"opening": opening.opening, "scores": scores, **{key: value for key, value in more.items() if value}}
    return json.dumps(result, indent=1).encode()


BITMAPS = "correct.safetensors"
"""Name of the file of correctness bitmaps among the artifacts of a final run."""


def pack(correct: np.ndarray) -> bytes:
    """Pack `correct` (M, n) bool by `numpy.packbits` into (M, ceil(n / 8)) uint8, stored with `rows`, n."""
    packed = np.packbits(correct, axis=1)
    return save({"correct": np.ascontiguousarray(packed), "rows": np.array([correct.shape[1]])})


def unpack(data: bytes, name: str) -> np.ndarray:
    """Return the (M, n) bool that `pack` packed into a file of this name.

    Raises:
        BrokenFileError: If the file is damaged.
    """
    try:
        arrays = load(data)
        packed, rows = arrays["correct"], int(arrays["rows"][0])
        correct: np.ndarray = np.unpackbits(packed, axis=1, count=rows).astype(bool)
    except (SafetensorError, KeyError, IndexError, ValueError, TypeError) as error:
        raise BrokenFileError(name, f"{type(error).__name__}: {error}") from error
    return correct
