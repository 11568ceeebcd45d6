"""What flows through hpsearch: folds, fits, trials and their results, all frozen."""

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from hpsearch.config import Config
from hpsearch.seeding import FitSeeds

Rows = list[list[float | None]]
"""P points by L layers; None where a layer has no such number."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Statistics of the layers of one training at P points, on up to 100 of its training rows.

    Measured with the weights of the moment, without dropout, and with batch normalization by the statistics of these
    rows. The loss is that of the fit, mean over the rows, without penalties. A layer is a block of our own networks,
    `convolutions.0`, `hidden.1`, and `output`; of a user's module a call of a module that has parameters and no part
    that has some, or of an activation, by its name (`stack.0`; `relu#2` is the second call). Its units are the elements
    of one row of its output: for a convolution channels by positions, before pooling. Its weights are its parameters of
    two or more dimensions. Numbers may be infinite or NaN.

    Attributes:
        steps: Steps done before each point: 0, 1, 10, then those of 1, 2, 4, 8 … epochs and of the last one.
        epochs: Epochs completed at each point.
        layers: Names, in the order of the forward pass.
        activation_mean: Mean over units and rows of the layer's output after its activation; of `output`, the logits.
        activation_sd: Their standard deviation, by n.
        activation_second_moment: The mean of their squares.
        dead: Share of units that are exactly 0 on every row; of ReLU, leaky ReLU and ELU alone.
        saturated: Share of outputs below 0.01 or above 0.99 (sigmoid), or beyond 0.98 either way (tanh).
        gradient_norm: Euclidean norm of the gradient of the loss with respect to the weights.
        gradient_second_moment: Mean square of its gradient with respect to the layer's output.
        weight_norm: Euclidean norm of the weights.
        update_ratio: Norm of the change of the weights by the step that led to the point, over their norm before it;
            None at step 0.
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
        """What is said of a trial: the largest shares at the last point, and how gradients begin.

        `signals/gradient_ratio` is the norm for the first layer with weights over that for the last one at
        initialization: far below 1 gradients vanish on their way back, far above they explode. What is not defined is
        left out.
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
    STALLED = "stalled"  # on training rows no better than a constant output: learned nothing, keeps its score
    PRUNED = "pruned"  # judged not worth going on, after the epochs of a rung
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
        """Whether the trial is tried again when its sweep is started again: the machine or foreign code failed it."""
        return self in (Status.OOM, Status.ERROR)


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows of the development set for one training; the parts are disjoint, except under `truth_table`.

    Attributes:
        index: Number of the fold, from 0.
        train: (n,) int64 rows that are trained on.
        monitor: (n,) int64 rows cut from the training rows, which early stopping
            and plateau schedules watch; may be empty.
        val: (n,) int64 rows that selection reads.
        report: (n,) int64 rows that readers are shown; empty for K-fold.
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
class FitResult:
    """What one training gives back. E epochs run, C outputs of the network.

    Attributes:
        status: `ok` or `diverged`; scoring decides about `stalled`.
        failure: Why it diverged, with the epoch; None if it did not.
        train_loss: (E,) mean loss of the epoch's minibatches, in training mode, without penalties.
        train_accuracy: (E,) share of training rows classified correctly, in training mode; empty for regression.
        monitor_loss: (E,) mean loss on the monitor rows; empty without any.
        lr: (E,) learning rate at the last step of each epoch.
        val_outputs: (E, n_val, C) float32 network outputs (logits) after each epoch.
        report_outputs: (n_report, C) float32 network outputs after the chosen epoch.
        final_loss: Mean loss of up to 1,000 training rows in evaluation mode, at the kept weights; NaN if it diverged.
        chosen_epoch: The epoch, from 1, whose weights were kept: the last, or the best of `monitor`; 0 if it
            diverged in the first.
        state: Weights after the chosen epoch by name, if they were asked for.
        fit_s: Seconds of training and prediction.
        rows: Training rows seen, counted over all epochs.
        width: Members of the fleet it was trained in; 0 if it was trained alone, by the reference engine.
        checkpoint: What its engine takes to go on as if it had not stopped; None where it has come to its end.
        signals: What flowed through the network; None of all fits of a trial but the first, and of a refit.
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
        """Epochs that were run."""
        return len(self.train_loss)


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration of a sweep.

    Attributes:
        level: Level of the compared factor; `NO_LEVEL` in sweeps that compare nothing.
        k: Number of the trial within its level, from 0.
        values: What was drawn, flat: `{"optimizer": "adam", "optimizer.adam.lr": 0.001}`.
        config: The complete configuration, drawn values included.
    """

    level: str
    k: int
    values: dict[str, Value]
    config: Config

    @property
    def key(self) -> tuple[str, int]:
        """(level, k): unique within a sweep."""
        return self.level, self.k


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The scores of one trial.

    Attributes:
        status: See `Status`.
        failure: Why there is no score; None if there is one.
        score: Higher is better; None unless `status.scored`.
        score_se: Standard error of the score; None where it cannot be estimated.
        curves: Metric name to one value for each epoch, averaged over fits: `train/loss`, `val/accuracy` …
        summary: Metric name to value: `best/val/accuracy`, `last/val/loss`, `report/accuracy`, `fold/3/val/accuracy`,
            `fold/3/pooled/macro_f1`, `signals/dead_units` …
        chosen_epochs: For each fit, the epoch whose weights were scored.
        seeds: For each fit, its seeds.
        predictions: Arrays that are kept beside the record, not in it (out-of-fold outputs, correctness).
        measured: What depends on machine and moment: `fit_s`, `rows_per_s`, `peak_mib` …
        signals: Of the first fit: fold 0, replicate 0; None where nothing was trained.
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


FINAL_LOSS = "chosen/train/loss"
"""The key in `TrialResult.summary` of the training loss at the chosen epochs, mean of `final_loss`."""

CONSTANT_LOSS = "chosen/train/constant_loss"
"""The key in `TrialResult.summary` of the training loss of the best output that is the same for every row."""

R2 = "chosen/val/r2"
"""The key of the R^2 of the scored rows at the chosen epochs."""

CALIBRATED_LOSS = "report/calibrated_loss"
"""The key in `TrialResult.summary` of a retraining's log loss on calibrated probabilities; see `calibration`."""

TEMPERATURE = "chosen/temperature"
"""The key of the temperature that calibrated them."""

RUNG = re.compile(r"rung/(\d+)/score")


def rung_key(epochs: int) -> str:
    """The key in `TrialResult.summary` of the score that a trial was judged by after so many epochs."""
    return f"rung/{epochs}/score"


def rung_scores(result: TrialResult) -> dict[int, float]:
    """The scores that a trial was judged by: epochs of each rung to score, ascending."""
    found = {int(match[1]): value for key, value in result.summary.items() if (match := RUNG.fullmatch(key))}
    return dict(sorted(found.items()))


Key = tuple[str, int]
"""(level, k): a trial of a sweep."""
