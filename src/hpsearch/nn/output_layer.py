"""Number and meaning of a network's outputs; free of torch, so that the driver can check configurations without it."""

from hpsearch.config import Config, ConfigError
from hpsearch.config.data import TaskChoice
from hpsearch.config.training import Loss
from hpsearch.records import Task

ALL = frozenset(Task)

CLASSES = frozenset({Task.BINARY, Task.MULTICLASS})

FITS: dict[str, frozenset[Task]] = {
    "cross_entropy": CLASSES,
    "bce": ALL,
    "mse": ALL,
    "mae": ALL,
    "sse": ALL,
    "perceptron": frozenset({Task.BINARY}),
    "custom": ALL,
}
"""Tasks that each loss can be computed on. `bce` on regression needs targets in [0, 1], as an autoencoder has."""


def output_count(loss: Loss, task: Task, classes: int, target_width: int, *, data: str = "this data set") -> int:
    """Return how many outputs a network needs.

    One for `bce` and `perceptron` on two classes; otherwise one per class (`mse`, `mae` and `sse` learn one-hot
    targets), or one per target in regression.

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
        return target_width
    single = task is Task.BINARY and loss.kind in ("bce", "perceptron")
    return 1 if single else classes


def sigmoid_predicts(config: Config) -> bool:
    """Return whether predictions are the sigmoid of the outputs: true for an autoencoder trained with `bce`."""
    return config.loss.kind == "bce" and config.data.task is TaskChoice.AUTOENCODER
