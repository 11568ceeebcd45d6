"""Which engine trains which fit, and how wide fleets are.

The engine follows a fixed rule, so that a sweep gives the same records wherever and whenever it is resumed. The width
of a fleet changes no result on a CPU, so it is measured: a few steps at a few widths, once per shape, device and torch
version.
"""

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import psutil
import torch
from torch import nn

from hpsearch.config import Engine
from hpsearch.config.model import CnnModel, CustomModel, MlpModel
from hpsearch.config.training import Precision
from hpsearch.engine.device_data import DeviceData, outputs_of
from hpsearch.engine.diagnostics import probed
from hpsearch.engine.fleet.batch_layout import sort_key
from hpsearch.engine.fleet.cuda_graph import WARM, Step, stepper
from hpsearch.engine.fleet.grouping import group_into_fleets, shape_key
from hpsearch.engine.fleet.networks import PREDICTION_ROWS
from hpsearch.engine.fleet.trainer import Fleet
from hpsearch.engine.fleet.update_rules import MEMORIES
from hpsearch.engine.precision import arithmetic
from hpsearch.jobs import FleetSettings
from hpsearch.nn.models import build_network
from hpsearch.records import Fit, Fold

KEPT = 4
"""Copies of the outputs of every layer that are alive at the end of a forward pass: layer, activation, mask and
gradient."""

AUGMENTED = 12
"""Copies of the inputs of a minibatch while it is augmented: places to read, in two coordinates and with bits of 8
bytes, the images before and after, and the partners of `mixup`."""


def member_bytes(fit: Fit, data: DeviceData) -> int:
    """Return an upper estimate of the bytes that one member needs."""
    config, fold = fit.config, fit.fold
    outputs = outputs_of(config, data)
    shape = data.input_shape(fit)
    network = build_network(config, shape, outputs)
    parameters = sum(p.numel() for p in network.parameters())
    units = _units(network, shape)
    narrow = config.training.precision is Precision.BF16  # a step also holds the weights in bfloat16
    copies = 6 + MEMORIES[config.optimizer.kind] + narrow + probed(fit)
    inputs = math.prod(shape)
    copied = 2 + AUGMENTED * bool(config.augmentation.in_use)
    rows = max(config.training.batch_size * (KEPT * units + copied * inputs), PREDICTION_ROWS * 2 * (units + inputs))
    numbers = copies * parameters + rows + _predictions(fold, config.training.epochs) * outputs
    return int(numbers * data.dtype.itemsize)


def _units(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Return the number of outputs of all layers for one row."""
    counts: list[int] = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, out: counts.append(out.numel()))
        for module in network.modules()
        if not list(module.children())
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return sum(counts)


def _predictions(fold: Fold, epochs: int) -> int:
    return len(fold.val) * (epochs + 2) + len(fold.report)


class TimingRun:
    """Repeats a step on the first minibatch, for timing."""

    def __init__(
        self,
        fits: Sequence[Fit],
        data: DeviceData,
        stepper: Callable[[Step, torch.device], Step] = stepper,
    ) -> None:
        self._fleet = Fleet(sorted(fits, key=sort_key), data, stepper)
        batch, size = self._fleet.batch, self._fleet.config.training.batch_size
        self._rows = torch.as_tensor(batch.orders(0)[:, :size], device=data.device)
        self._lr = torch.zeros(len(batch.fits), dtype=data.dtype, device=data.device)

    def step(self) -> None:
        """Do one step of all members."""
        with arithmetic(self._fleet.config.training.precision, self._rows.device):
            self._fleet.run(self._rows, self._lr)


WIDTHS = (4, 16, 64, 128, 256)
"""Widths that are tried, ascending; the last is the maximum."""

STEPS, LONG_S = 3, 0.05
"""Minimum number of timed steps after warm-up, and the seconds they must add up to: the fastest of three short steps is
noise."""

WORTH = 0.95
"""A wider fleet is accepted only if a member's step takes less than this share of its time in the narrower one."""

DENSE_WEIGHTS = 250_000
"""Number of weights in hidden layers up to which fleets are faster on a CPU, see benchmarks/NOTES.md."""

FREE_SHARE = 0.5
"""Share of the free memory that all fleets on this machine may take, unless `execution.memory_gib` is set."""


def engine_for(asked: Engine, fit: Fit, data: DeviceData) -> Engine:
    """Return the engine of a fit, by version `RULE` of the rule.

    On a CPU, dense networks of up to `DENSE_WEIGHTS` weights train in fleets; on a GPU, everything does.

    Args:
        asked: `engine` of the configuration; anything but `auto` is returned unchanged.
        fit: The fit.
        data: The development set, on the training device.
    """
    if asked is not Engine.AUTO:
        return asked
    if data.device.type != "cpu":
        return Engine.FLEET
    model = fit.config.model
    if isinstance(model, CnnModel | CustomModel):
        return Engine.REFERENCE
    widths = [math.prod(data.input_shape(fit)), *(model.hidden if isinstance(model, MlpModel) else [])]
    weights = sum(a * b for a, b in pairwise(widths))
    return Engine.FLEET if weights <= DENSE_WEIGHTS else Engine.REFERENCE


def fastest_settings(fits: Sequence[Fit], data: DeviceData, limit: int) -> FleetSettings:
    """Measure which width is fastest for fits like these; nothing is measured if only the narrowest is allowed.

    Args:
        fits: All fits of one trial, whose parts of the data are representative.
        data: The development set.
        limit: Maximum number of members, >= 1: by memory, see `widest`, or by the number of fits to come.
    """
    if limit <= WIDTHS[0]:
        return FleetSettings(Engine.FLEET, limit, 0.0)
    compatible = _alike(fits, data)
    best = FleetSettings(Engine.FLEET, 1, math.inf)
    for width in WIDTHS:
        if best.width == limit:
            break
        width = min(width, limit)  # noqa: PLW2901 - never wider than the limit
        members = [compatible[i % len(compatible)] for i in range(width)]
        step_ms = _step_ms(members, data) / width
        if step_ms >= WORTH * best.member_step_ms:
            break
        best = replace(best, width=width, member_step_ms=step_ms)
    return best


def throughput(fits: Sequence[Fit], data: DeviceData, width: int, seconds: float) -> float:
    """Measure the throughput of a fleet of fits like these.

    Args:
        fits: Fits of one trial.
        data: The development set.
        width: Number of members, >= 1.
        seconds: Duration of the measurement, >= 0; 0 only warms up.

    Returns:
        Member-steps per second.
    """
    compatible = _alike(fits, data)
    run = TimingRun([compatible[i % len(compatible)] for i in range(width)], data)
    for _ in range(WARM + 1):
        run.step()
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        run.step()
        _synchronize(data.device)
        steps += 1
    return width * steps / (time.perf_counter() - started)


def _alike(fits: Sequence[Fit], data: DeviceData) -> list[Fit]:
    """Return those fits that can share a fleet with the first one."""
    return [fits[place] for place in group_into_fleets(fits, len(fits), data.input_shape)[0]]


def widest(fit: Fit, data: DeviceData, memory_gib: float | None, workers: int) -> int:
    """Return how many members fit into the memory budget: at least 1, at most the largest of `WIDTHS`.

    Args:
        fit: A representative fit.
        data: The development set, on the training device.
        memory_gib: Budget of one worker in GiB; None: its part of `FREE_SHARE` of the free memory.
        workers: Number of workers that share the device.
    """
    budget = _free_bytes(data.device) * FREE_SHARE / workers if memory_gib is None else memory_gib * 2**30
    return max(1, min(WIDTHS[-1], int(budget // member_bytes(fit, data))))


def key(fit: Fit, data: DeviceData, workers: int) -> str:
    """Return a name for a measurement that covers all it depends on: shape, rows, device, workers and torch version."""
    device = torch.cuda.get_device_name(data.device) if data.device.type == "cuda" else "cpu"
    shape = (shape_key(fit.config), data.input_shape(fit), len(fit.fold.train), str(data.dtype))
    digest = hashlib.sha256(repr(shape).encode()).hexdigest()[:16]
    return f"{digest} {device} torch-{torch.__version__} workers-{workers}"


def recall(
    fit: Fit, data: DeviceData, limit: int, known: Mapping[str, FleetSettings], workers: int
) -> FleetSettings | None:
    """Return earlier measured settings with the width limited to `limit`; None if there are none.

    Args:
        fit: A representative fit.
        data: The development set.
        limit: Maximum number of members now.
        known: Earlier measurements by `key`.
        workers: Number of workers that share the device.
    """
    settings = known.get(key(fit, data, workers))
    return None if settings is None else replace(settings, width=min(settings.width, limit))


def _step_ms(fits: Sequence[Fit], data: DeviceData) -> float:
    run = TimingRun(fits, data)
    for _ in range(WARM + 1):
        run.step()
    times: list[float] = []
    while len(times) < STEPS or sum(times) < LONG_S:
        _synchronize(data.device)
        started = time.perf_counter()
        run.step()
        _synchronize(data.device)
        times.append(time.perf_counter() - started)
    return min(times) * 1000


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _free_bytes(device: torch.device) -> int:
    free: int = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return free
