"""Seconds of one training step, by fleets and by the reference engine, and the ceilings of the machine."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import psutil
import torch

from hpsearch.engine.device_data import DeviceData
from hpsearch.engine.fleet.autotune import TimingRun, member_bytes
from hpsearch.engine.fleet.cuda_graph import WARM, plain, stepper
from hpsearch.engine.minibatches import batch_sizes
from hpsearch.engine.reference import train
from hpsearch.records import Fit

STEPS = 5
"""Runs of which the fastest counts, after one."""
SPARE = 0.8
"""Share of the free memory that a fleet may take: the rest is for what the estimate does not know."""
FEW, MANY = 2, 12
"""Epochs of the two trainings whose difference is the time of the steps between them."""


def ceilings(device: torch.device) -> tuple[float, float]:
    """Operations a second of a large matrix product, and bytes a second read and written by a copy."""
    n = 8192 if device.type == "cuda" else 1536
    a, b = torch.rand(n, n, device=device), torch.rand(n, n, device=device)
    big = torch.rand(2**26, device=device)
    out = torch.empty_like(big)
    product_s = best(lambda: torch.mm(a, b), device)
    copy_s = best(lambda: out.copy_(big), device)
    return 2.0 * n**3 / product_s, 2.0 * big.nbytes / copy_s


def fleet_s(fit: Fit, data: DeviceData, width: int, *, captured: bool) -> float:
    """Seconds of one step of a fleet of so many members, all of them."""
    rehearsal = TimingRun([fit] * width, data, stepper if captured else plain)
    for _ in range(WARM + 1):
        rehearsal.step()
    return best(rehearsal.step, data.device)


def reference_s(fit: Fit, data: DeviceData) -> float:
    """Seconds of one step of the reference engine: by the slope over epochs, so that no start-up is in it."""
    steps = len(batch_sizes(len(fit.fold.train), fit.config.training.batch_size))
    few, many = lasting(fit, FEW), lasting(fit, MANY)
    few_s, many_s = best(lambda: train(few, data), data.device), best(lambda: train(many, data), data.device)
    return (many_s - few_s) / ((MANY - FEW) * steps)


def lasting(fit: Fit, epochs: int) -> Fit:
    """The same for so many epochs."""
    return replace(fit, config=replace(fit.config, training=replace(fit.config.training, epochs=epochs)))


def too_large(fit: Fit, data: DeviceData, width: int) -> str:
    """Why a fleet is not tried, in words; empty if its memory is there."""
    needed, free = width * member_bytes(fit, data) / 2**30, free_bytes(data.device) / 2**30
    if needed <= SPARE * free:
        return ""
    return f"needs {needed:.1f} GiB, and {free:.1f} GiB are free, of which it may take {SPARE:.0%}"


def free_bytes(device: torch.device) -> int:
    """Memory that nobody uses, after giving back what is only kept in store."""
    if device.type != "cuda":
        return int(psutil.virtual_memory().available)
    torch.cuda.empty_cache()
    return int(torch.cuda.mem_get_info(device)[0])


def best(work: Callable[[], object], device: torch.device, runs: int = STEPS) -> float:
    """Seconds of the fastest of some runs; the first does not count."""
    times = []
    for _ in range(runs + 1):
        wait(device)
        started = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - started)
    return float(np.min(times[1:]))


def wait(device: torch.device) -> None:
    """Until the device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
