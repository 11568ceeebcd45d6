"""Fits on random rows, for measurements that need no data set."""

import numpy as np
import torch

from hpsearch.cli.compose import Composer
from hpsearch.data.rows import Development
from hpsearch.engine.device_data import DeviceData, to_device
from hpsearch.records import Fit, Fold, Task
from hpsearch.seeding import fit_seeds


def plain_fit(layers: tuple[int, ...], batch: int, device: torch.device) -> tuple[Fit, DeviceData]:
    """A dense network of these layers with Adam, on ten minibatches of random bytes."""
    inputs, *hidden, outputs = layers
    overrides = ["data=digits", f"model.widths=[{','.join(map(str, hidden))}]", f"training.batch_size={batch}"]
    chance, n = np.random.default_rng(0), 10 * batch
    rows = Development(
        "random",
        Task.MULTICLASS,
        chance.integers(0, 256, (n, inputs), dtype=np.uint8).astype(np.float32),
        chance.integers(0, outputs, n),
        outputs,
        digest="0" * 64,
    )
    none = np.zeros(0, np.int64)
    fold = Fold(0, np.arange(n), none, np.arange(batch), none)
    return Fit(Composer(overrides).compose().config, fold, 0, fit_seeds(0, 0, 0)), to_device(rows, device)
