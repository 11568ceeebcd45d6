"""Generators of a fit's own, for random layers that know no other than the process's."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def own_generator(seed: int, device: torch.device) -> Iterator[None]:
    """A seeded default generator for random layers that know no other; the process's own are restored afterwards."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng([device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
