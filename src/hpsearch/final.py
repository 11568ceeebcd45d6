"""From the champion of a search to one number on the sealed test set: freeze, confirm, refit, claim, evaluate."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save
from scipy import stats

from hpsearch.config import Config, ConfigError
from hpsearch.data.rows import Development, Rows
from hpsearch.data.scaling import Scaling, fit_scaling
from hpsearch.data.seal import Claim, SealedTest
from hpsearch.data.splits import refit_fold
from hpsearch.engine.device_data import to_device
from hpsearch.engine.reference import predict
from hpsearch.engine.schedules import recorded_factors
from hpsearch.errors import HpsearchError
from hpsearch.jobs import RefitJob
from hpsearch.measure import score_outputs
from hpsearch.nn.deployed import Deployed, deploy
from hpsearch.nn.outputs import output_count
from hpsearch.records import FitResult, TrialResult
from hpsearch.search.record_files import open_json, seal_json, write_whole
from hpsearch.tracking.ledger import Opening, SealLedger

DEFAULT_SEEDS = 10
"""Fresh seeds of `confirm` where nothing is compared."""
LEVEL = 0.95
"""Coverage of the interval of a test number."""


class SpentError(HpsearchError):
    """The test set was opened before, and this command does not acknowledge it."""


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """How much of the champion's score is left on fresh seeds.

    Attributes:
        search: Score of the winning trial.
        confirmed: Mean score over the fresh seeds; None if one of them diverged.
        sd: Standard deviation of these scores; None for fewer than two.
        n: Number of fresh seeds.
        failed: How many of them have no score.
    """

    search: float
    confirmed: float | None
    sd: float | None
    n: int
    failed: int


def shrinkage(search: float, results: Sequence[TrialResult]) -> Shrinkage:
    """Compares the winning score with those of fresh seeds; a failed seed leaves no mean to quote."""
    scores = [result.score for result in results if result.score is not None]
    failed = len(results) - len(scores)
    mean = float(np.mean(scores)) if scores and not failed else None
    sd = float(np.std(scores, ddof=1)) if len(scores) > 1 and not failed else None
    return Shrinkage(search, mean, sd, len(results), failed)


def plan_refit(config: Config, epochs: int | None, confirmed: Sequence[TrialResult]) -> RefitJob:
    """The refit on all development rows, which leaves none to monitor.

    With early stopping, it stops after the median epoch that the fresh seeds kept; a plateau schedule repeats the
    reductions of the seed that kept the median epoch.

    Args:
        config: The champion's configuration.
        epochs: `final.epochs`; None: those of the configuration.
        confirmed: Results of the fresh seeds.

    Raises:
        ConfigError: If the configuration monitors and no fresh seed has run that could be followed.
    """
    if epochs is not None:
        config = replace(config, training=replace(config.training, epochs=epochs))
    monitors = config.training.patience is not None or config.schedule.kind == "plateau"
    if not monitors:
        return RefitJob(config, config.training.epochs, None)
    ran = sorted((r for r in confirmed if r.chosen_epochs), key=lambda result: np.median(result.chosen_epochs))
    if not ran:
        raise ConfigError(
            "confirm.seeds must be >= 1 for early stopping and plateau schedules: the refit follows the fresh seeds"
        )
    middle = ran[(len(ran) - 1) // 2]
    stop = config.training.epochs if config.training.patience is None else int(np.median(middle.chosen_epochs))
    factors = recorded_factors(config.schedule, config.optimizer.lr, middle.curves["train/lr"])
    return RefitJob(config, stop, tuple(factors))


@dataclass(frozen=True, slots=True)
class Model:
    """A refitted network on disk: weights as safetensors, the rest as JSON.

    Attributes:
        folder: Where it lies.
        config: Its configuration.
        weights: Its weights by name.
        digest: SHA-256 of the weights' file.
        stop_after: Epochs that it was trained for.
    """

    folder: Path
    config: Config
    weights: dict[str, np.ndarray]
    digest: str
    stop_after: int


def save_model(folder: Path, job: RefitJob, result: FitResult) -> Model:
    """Writes a refitted network; `model.json` last, so that where it is whole the weights are too.

    Raises:
        HpsearchError: If the training diverged.
    """
    if result.state is None or result.failure is not None:
        raise HpsearchError(f"the refit on all development rows failed: {result.failure}; nothing was opened")
    data = save(result.state)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "model.safetensors", data)
    digest = hashlib.sha256(data).hexdigest()
    body = {"weights_sha256": digest, "stop_after": job.stop_after, "config": job.config.to_tree()}
    write_whole(folder / "model.json", seal_json(body))
    return Model(folder, job.config, result.state, digest, job.stop_after)


def load_model(folder: Path) -> Model | None:
    """The network that `save_model` wrote; None if there is none.

    Raises:
        HpsearchError: If the weights are not those that were saved.
    """
    path = folder / "model.json"
    if not path.exists():
        return None
    body = open_json(path.read_bytes(), path)
    data = (folder / "model.safetensors").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != body["weights_sha256"]:
        raise HpsearchError(f"{folder / 'model.safetensors'} was changed: delete {folder} and refit")
    return Model(folder, Config.from_tree(body["config"]), load(data), digest, body["stop_after"])


@dataclass(frozen=True, slots=True)
class Request:
    """What a claim says.

    Attributes:
        claimant: User, host, sweep and trial.
        now: ISO 8601.
        weights: Digest of the weights that will be evaluated.
        reason: Acknowledges that the set was opened before; None the first time.
        opening: The number of the opening that is acknowledged.
    """

    claimant: str
    now: str
    weights: str
    reason: str | None
    opening: int | None

    @property
    def purpose(self) -> str:
        """What the ledger stores: the reason and the weights, so that a crashed evaluation may finish."""
        return f"{self.reason or 'final evaluation'} [weights {self.weights}]"


def unfinished(openings: Sequence[Opening]) -> Opening | None:
    """The last opening, if it was claimed and no result was recorded."""
    return openings[-1] if openings and openings[-1].result is None else None


def require_right(openings: Sequence[Opening], reason: str | None, opening: int | None, weights: str | None) -> None:
    """Refuses an opening that is not the first and not acknowledged.

    Args:
        openings: Those that the ledger knows.
        reason: `final.reopen.reason`.
        opening: `final.reopen.opening`.
        weights: Digest of the weights; None if they are not known yet, and an unfinished opening may be theirs.

    Raises:
        SpentError: With when, by whom and with what result the set was opened.
        ConfigError: If the acknowledgement is not the next one.
    """
    following = len(openings) + 1
    open_end = unfinished(openings)
    if open_end is not None and (weights is None or f"[weights {weights}]" in open_end.purpose):
        return
    if reason is None and opening is None:
        if openings:
            raise SpentError(_spent(openings, following))
        return
    if not reason or not reason.strip() or opening != following:
        raise ConfigError(
            f"final.reopen needs a reason and the number of the next opening: final.reopen.reason=… "
            f"final.reopen.opening={following}, got reason={reason!r} and opening={opening!r}"
        )


def _spent(openings: Sequence[Opening], following: int) -> str:
    lines = [f"this test set was opened {len(openings)} time{'s' if len(openings) > 1 else ''} already:"]
    for opening in openings:
        result = f"result {opening.result}" if opening.result else "no result was recorded"
        lines.append(f"  opening {opening.opening} on {opening.granted_at} by {opening.claimant}: {result}")
    lines.append(
        "a number from a second look is no longer an honest test; where there is a good reason: "
        f"final.reopen.reason='…' final.reopen.opening={following}"
    )
    return "\n".join(lines)


def claim(ledger: SealLedger, sealed: SealedTest, request: Request) -> Opening:
    """The right to open the test set; granted to one process, before any of its rows is read.

    Raises:
        SpentError: If it was opened before and that is not acknowledged, or another process was faster.
    """
    openings = ledger.openings(sealed.digest)
    require_right(openings, request.reason, request.opening, request.weights)
    open_end = unfinished(openings)
    if open_end is not None and f"[weights {request.weights}]" in open_end.purpose:
        return open_end
    number = len(openings) + 1
    granted = ledger.grant(
        sealed.digest, number, claimant=request.claimant, granted_at=request.now, purpose=request.purpose
    )
    if granted is None:
        openings = ledger.openings(sealed.digest)
        raise SpentError("another process was faster: " + _spent(openings, len(openings) + 1))
    return granted


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
    scaling = _scaling(model, development)
    outputs = predict(model.config, model.weights, to_device(rows), scaling)
    return _intervals(model.config, rows, outputs, scaling)


def deployed(model: Model, development: Development) -> Deployed:
    """The refitted network as one module that takes raw inputs."""
    width = 0 if development.classes else development.targets.shape[1]
    outputs = output_count(model.config.loss, development.task, development.classes, width)
    shape = development.inputs.shape[1:]
    return deploy(model.config, model.weights, shape, outputs, _scaling(model, development))


def _scaling(model: Model, development: Development) -> Scaling:
    config = model.config
    train = refit_fold(development, seed=config.seed, limit=config.data.limit).train
    return fit_scaling(development, train, config.data.normalize)


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
