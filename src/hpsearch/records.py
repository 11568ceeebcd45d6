"""The immutable values that hpsearch passes around: folds, fits, trials and their results."""

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from hpsearch.config import Config
from hpsearch.seeding import FitSeeds

Rows = list[list[float | None]]
"""P points by L layers; None where a layer has no such statistic."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Statistics of the layers of one training at P points, on up to 100 of its training rows.

    Measured at the current weights, without dropout, and with batch normalization by the statistics of these rows. The
    loss is the fit's, averaged over the rows, without penalties.

    A layer of our own networks is a block, `convolutions.0` or `hidden.1`, or `output`. A layer of a user's module is a
    call of a module that has parameters and no child with parameters, or a call of an activation, by its name
    (`stack.0`; `relu#2` is the second call). Its units are the elements of one row of its output: for a convolution
    channels times positions, before pooling. Its weights are its parameters with two or more dimensions. Values may be
    infinite or NaN.

    Attributes:
        steps: Number of steps before each point: 0, 1, 10, then after 1, 2, 4, 8, … epochs and after the last one.
        epochs: Number of finished epochs at each point.
        layers: Names, in the order of the forward pass.
        activation_mean: Mean over units and rows of the layer's output after its activation; for `output`, of the
            logits.
        activation_sd: Their standard deviation (divisor n).
        activation_second_moment: The mean of their squares.
        dead: Share of units that are exactly 0 on every row; for ReLU, leaky ReLU and ELU only.
        saturated: Share of outputs below 0.01 or above 0.99 (sigmoid), or beyond 0.98 in absolute value (tanh).
        gradient_norm: Euclidean norm of the gradient of the loss with respect to the weights.
        gradient_second_moment: Mean square of the gradient of the loss with respect to the layer's output.
        weight_norm: Euclidean norm of the weights.
        update_ratio: Norm of the last step's change of the weights over the norm of the weights before it; None at step
            0.
    """

    steps: list[int]
    epochs: list[int]
    layers: list[str]
    activation_mean: Rows
    activation_sd: Rows
    activation_second_moment: Rows
    dead: Rows
    saturated: Rows
    gradient_norm: Rows
    gradient_second_moment: Rows
    weight_norm: Rows
    update_ratio: Rows

    def summary(self) -> dict[str, float]:
        """Summarize: the largest shares of dead and saturated units at the last point, and the initial gradient ratio.

        `signals/gradient_ratio` is the gradient norm of the first layer with weights over that of the last one at
        initialization: gradients vanish if it is far below 1, and explode if it is far above. Undefined values are left
        out.
        """
        summary = {}
        for name, rows in (("dead_units", self.dead), ("saturated", self.saturated)):
            if shares := [share for share in rows[-1] if share is not None]:
                summary[f"signals/{name}"] = max(shares)
        norms = [norm for norm in self.gradient_norm[0] if norm is not None]
        if len(norms) > 1 and norms[-1] != 0 and math.isfinite(norms[0] / norms[-1]):
            summary["signals/gradient_ratio"] = norms[0] / norms[-1]
        return summary


Value = bool | int | float | str | None | list[Any]

NO_LEVEL = "-"
"""The level of sweeps that compare nothing."""


class Task(StrEnum):
    """What is predicted."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class Status(StrEnum):
    """How a trial ended."""

    OK = "ok"
    STALLED = "stalled"  # no better than a constant output on the training rows; keeps its score
    PRUNED = "pruned"  # stopped at a rung as not promising
    DIVERGED = "diverged"  # a loss, weight or output was not finite
    OOM = "oom"
    ERROR = "error"
    INTERRUPTED = "interrupted"

    @property
    def scored(self) -> bool:
        """Whether a trial of this status has a score."""
        return self in (Status.OK, Status.STALLED)

    @property
    def retried(self) -> bool:
        """Whether resuming a sweep runs the trial again: the machine or the user's code failed, not the settings."""
        return self in (Status.OOM, Status.ERROR)


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows of the development set for one training; the parts are disjoint, except under `truth_table`.

    Attributes:
        index: Number of the fold, from 0.
        train: Shape (n,) int64: rows to train on.
        monitor: Shape (n,) int64: rows held out of the training rows for early stopping and plateau schedules; may be
            empty.
        val: Shape (n,) int64: rows that select configurations.
        report: Shape (n,) int64: rows for reported scores; empty for K-fold.
    """

    index: int
    train: np.ndarray
    monitor: np.ndarray
    val: np.ndarray
    report: np.ndarray


@dataclass(frozen=True, slots=True)
class Fit:
    """One training: trial x fold x replicate."""

    config: Config
    fold: Fold
    replicate: int
    seeds: FitSeeds


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a model that is no network gets on the rows of a sweep.

    Attributes:
        kind: `guess`, `linear` or `boosting`.
        label: What it is called, such as `logistic regression`.
        score: Its score, by the metric and the rows of trials; higher is better.
        score_se: The standard error of the score; None if nothing applies.
        report: Its metrics on the report rows; empty if there are none.
    """

    kind: str
    label: str
    score: float
    score_se: float | None
    report: dict[str, float]


@dataclass(frozen=True, slots=True)
class FitResult:
    """The result of one training. E epochs run, C outputs of the network.

    Attributes:
        status: `ok` or `diverged`; `stalled` is decided when scoring.
        failure: Why it diverged, with the epoch; None if it did not.
        train_loss: Shape (E,), mean loss of each epoch's minibatches, in training mode, without penalties.
        train_accuracy: Shape (E,), share of training rows classified correctly, in training mode; empty for regression.
        monitor_loss: Shape (E,), mean loss on the monitor rows; empty if there are none.
        lr: Shape (E,), learning rate at the last step of each epoch.
        val_outputs: Shape (E, n_val, C) float32, network outputs (logits) after each epoch.
        report_outputs: Shape (n_report, C) float32, network outputs after the chosen epoch.
        final_loss: Mean loss of up to 1,000 training rows in evaluation mode, at the kept weights; NaN if it diverged.
        chosen_epoch: The epoch, from 1, whose weights were kept: the last, or the best by monitor loss; 0 if it
            diverged in the first.
        state: Weights after the chosen epoch by name, if requested.
        fit_s: Seconds of training and prediction.
        rows: Number of training rows processed, over all epochs.
        width: Members of the fleet it was trained in; 0 for the reference engine.
        checkpoint: State from which its engine can continue; None if the training is complete.
        signals: Training diagnostics; only of the first fit of a trial, otherwise None.
    """

    status: Status
    failure: str | None
    train_loss: np.ndarray
    train_accuracy: np.ndarray
    monitor_loss: np.ndarray
    lr: np.ndarray
    val_outputs: np.ndarray
    report_outputs: np.ndarray
    final_loss: float
    chosen_epoch: int
    state: dict[str, np.ndarray] | None
    fit_s: float
    rows: int
    width: int = 0
    checkpoint: dict[str, np.ndarray] | None = None
    signals: Signals | None = None

    @property
    def epochs(self) -> int:
        """Number of epochs run."""
        return len(self.train_loss)


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration of a sweep.

    Attributes:
        level: Level of the compared factor; `NO_LEVEL` in sweeps that compare nothing.
        k: Number of the trial within its level, from 0.
        values: The sampled values, flat: `{"optimizer": "adam", "optimizer.adam.lr": 0.001}`.
        config: The complete configuration, including the sampled values.
    """

    level: str
    k: int
    values: dict[str, Value]
    config: Config

    @property
    def key(self) -> tuple[str, int]:
        """(level, k), unique within a sweep."""
        return self.level, self.k


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The scores of one trial.

    Attributes:
        status: See `Status`.
        failure: Why there is no score; None if there is one.
        score: Higher is better; None unless `status.scored`.
        score_se: Standard error of the score; None where it cannot be estimated.
        curves: Metric name to one value per epoch, averaged over fits: `train/loss`, `val/accuracy`, …
        summary: Metric name to value: `best/val/accuracy`, `last/val/loss`, `report/accuracy`, `fold/3/val/accuracy`,
            `fold/3/pooled/macro_f1`, `signals/dead_units`, …
        chosen_epochs: For each fit, the epoch whose weights were scored.
        seeds: For each fit, its seeds.
        predictions: Arrays stored next to the record, not in it (out-of-fold outputs, correctness).
        measured: Values that depend on machine and moment: `fit_s`, `rows_per_s`, `peak_mib`, …
        signals: Diagnostics of the first fit (fold 0, replicate 0); None where nothing was trained.
    """

    status: Status
    failure: str | None
    score: float | None
    score_se: float | None
    curves: dict[str, list[float]]
    summary: dict[str, float]
    chosen_epochs: list[int]
    seeds: list[FitSeeds]
    predictions: dict[str, np.ndarray] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    signals: Signals | None = None


# Keys of `TrialResult.summary`
FINAL_LOSS = "chosen/train/loss"  # training loss at the chosen epochs, the mean of `final_loss`
CONSTANT_LOSS = "chosen/train/constant_loss"  # training loss of the best output that is the same for every row
R2 = "chosen/val/r2"  # R^2 of the scored rows at the chosen epochs
CALIBRATED_LOSS = "report/calibrated_loss"  # a retraining's log loss of calibrated probabilities, see `calibration`
TEMPERATURE = "chosen/temperature"  # the temperature that calibrated them
RUNG = re.compile(r"rung/(\d+)/score")


def rung_key(epochs: int) -> str:
    """Return the key in `TrialResult.summary` of the score at the rung after this many epochs."""
    return f"rung/{epochs}/score"


def rung_scores(result: TrialResult) -> dict[int, float]:
    """Return the scores of a trial at its rungs, by number of epochs, ascending."""
    scores = {int(match[1]): value for key, value in result.summary.items() if (match := RUNG.fullmatch(key))}
    return dict(sorted(scores.items()))


Key = tuple[str, int]
"""(level, k) of a trial within a sweep."""
