"""Number and meaning of a network's outputs; free of torch, so that the driver can check configurations without it."""

from enum import Enum, auto

from hpsearch.config import Config, ConfigError
from hpsearch.config.data import TaskChoice
from hpsearch.config.training import Loss
from hpsearch.records import Task

ALL = frozenset(Task)

CLASSES = frozenset({Task.BINARY, Task.MULTICLASS})

NUMBERS = frozenset({Task.REGRESSION})

FITS: dict[str, frozenset[Task]] = {
    "cross_entropy": CLASSES,
    "bce": ALL,
    "mse": ALL,
    "mae": ALL,
    "sse": ALL,
    "perceptron": frozenset({Task.BINARY}),
    "focal": CLASSES,
    "huber": ALL,
    "pinball": NUMBERS,
    "poisson_nll": NUMBERS,
    "gaussian_nll": NUMBERS,
    "multi_margin": CLASSES,
    "custom": ALL,
}
"""Tasks that each loss can be computed on. `bce` on regression needs targets in [0, 1], as an autoencoder has."""


def output_count(loss: Loss, task: Task, classes: int, target_width: int, *, data: str = "this data set") -> int:
    """Return how many outputs a network needs.

    One for `bce`, `focal` and `perceptron` on two classes; otherwise one per class (`mse`, `mae`, `sse` and `huber`
    learn one-hot targets), or one per target in regression, where `gaussian_nll` has two.

    Args:
        loss: The configured loss.
        task: What is predicted.
        classes: Number of classes; ignored for regression.
        target_width: Number of targets per row; ignored for classes.
        data: Name of the data set, for the message.

    Raises:
        ConfigError: If the loss cannot be computed on such targets.
    """
    if task not in FITS[loss.kind]:
        fits = [kind for kind, tasks in FITS.items() if task in tasks and (kind, task) != ("bce", Task.REGRESSION)]
        fitting = ", ".join(f"loss={kind}" for kind in fits)
        way_out = f"use one of {fitting}"
        if task is Task.REGRESSION and loss.kind == "cross_entropy":
            way_out = (
                f"add one of {fitting} (or loss=bce for an autoencoder of inputs within [0, 1]); "
                "without loss= it is cross_entropy"
            )
        raise ConfigError(f"loss {loss.kind} does not fit the {task} task of data {data}: {way_out}")
    if task is Task.REGRESSION:
        return 2 * target_width if loss.kind == "gaussian_nll" else target_width
    return 1 if task is Task.BINARY and loss.kind in SINGLE else classes


SINGLE = ("bce", "focal", "perceptron")
"""Losses of a single output on two classes, whose targets are 0 and 1."""


class Predicts(Enum):
    """What predictions of numbers are, given the outputs (n, C) of a network."""

    SCALED = auto()
    """The outputs are the scaled targets."""

    SIGMOID = auto()
    """Their sigmoid is: an autoencoder trained with `bce`, or labels."""

    EXPONENTIAL = auto()
    """Their exponential is the count, `poisson_nll`."""

    MEAN_AND_LOG_VARIANCE = auto()
    """The first half are the means of the scaled targets, the rest the logs of their variances, `gaussian_nll`."""


def predicts(config: Config) -> Predicts:
    """Return what the outputs mean in regression."""
    if config.loss.kind == "bce" and (config.data.task is TaskChoice.AUTOENCODER or config.multilabel):
        return Predicts.SIGMOID
    meanings = {"poisson_nll": Predicts.EXPONENTIAL, "gaussian_nll": Predicts.MEAN_AND_LOG_VARIANCE}
    return meanings.get(config.loss.kind, Predicts.SCALED)
