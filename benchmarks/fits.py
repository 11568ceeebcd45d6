"""Fits on random rows, for measurements that need no data set."""

from collections.abc import Sequence

import numpy as np
import torch

from hpsearch.compose.composer import Composer
from hpsearch.data.dataset import Development
from hpsearch.engine.device_data import DeviceData, to_device
from hpsearch.records import Fit, Fold, Task
from hpsearch.seeding import fit_seeds

NONE = np.zeros(0, np.int64)


def random_rows(n: int, inputs: int, outputs: int, device: torch.device) -> DeviceData:
    """N rows of random bytes (n, inputs) and random classes."""
    chance = np.random.default_rng(0)
    bytes_nd = chance.integers(0, 256, (n, inputs), dtype=np.uint8).astype(np.float32)
    classes = chance.integers(0, outputs, n)
    return to_device(Development("random", Task.MULTICLASS, bytes_nd, classes, outputs, digest="0" * 64), device)


def plain_fit(layers: tuple[int, ...], batch: int, device: torch.device) -> tuple[Fit, DeviceData]:
    """A dense network of these layers with Adam, on ten minibatches of random bytes; nothing is validated."""
    inputs, *hidden, outputs = layers
    overrides = [f"model.widths=[{','.join(map(str, hidden))}]", f"training.batch_size={batch}"]
    fold = Fold(0, np.arange(10 * batch), NONE, NONE, NONE)
    return fit_of(overrides, fold), random_rows(10 * batch, inputs, outputs, device)


def fit_of(overrides: Sequence[str], fold: Fold) -> Fit:
    """A fit of the configuration that these overrides make."""
    return Fit(Composer(["data=digits", *overrides]).compose().config, fold, 0, fit_seeds(0, 0, 0))
