"""The network that a fit starts from, the same for every engine."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hpsearch.config.model import LsuvInit
from hpsearch.engine.device_data import DeviceData, fit_data
from hpsearch.nn.initializers import scale_outputs
from hpsearch.nn.models import Network, build_network
from hpsearch.records import Fit
from hpsearch.seeding import epoch_order


def initial_network(fit: Fit, data: DeviceData, outputs: int) -> nn.Module:
    """Build the initialized network of a fit, in float32 on the CPU.

    Args:
        fit: Configuration, rows and seeds.
        data: The development set.
        outputs: Number of network outputs C.

    Raises:
        ConfigError: If the model does not fit the inputs, or the user's module cannot be used.
    """
    init = fit.config.init
    network = build_network(fit.config, data.input_shape(fit), outputs, seed=fit.seeds.init)
    if isinstance(init, LsuvInit) and isinstance(network, Network):
        rows = fit.fold.train[epoch_order(fit.seeds.order, 0, len(fit.fold.train))[: init.rows]]
        inputs = fit_data(fit, data).batch(torch.tensor(rows, device=data.device))
        scale_outputs(network, inputs.to("cpu", torch.float32), init.gain)
    return network


def same_start(fit: Fit) -> str:
    """Return a key that is equal for fits of one shape that start from the same weights."""
    config = fit.config
    key = repr((fit.seeds.init, config.init, config.model))
    if not isinstance(config.init, LsuvInit):
        return key
    return key + repr((fit.seeds.order, config.activation, config.preprocess, fit.fold.train.tolist()))


@contextmanager
def own_generator(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the default generators of the CPU and `device` within the block, and restore their states afterwards."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng([device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
