"""Which engine trains what, and how wide fleets are.

The kind of engine follows a rule, so that a sweep gives the same records wherever and whenever it is resumed. The width
of a fleet changes no result on a CPU, so that it is measured: a few steps of a few widths, once for each shape, device
and version of torch.
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
"""Copies of the outputs of every layer that are alive at the end of a forward pass: the layer's own, its activation,
its mask and its gradient."""


def member_bytes(fit: Fit, data: DeviceData) -> int:
    """Bytes of one member: an upper estimate."""
    config, fold = fit.config, fit.fold
    outputs = outputs_of(config, data)
    network = build_network(config, data.input_shape, outputs)
    parameters = sum(p.numel() for p in network.parameters())
    units = _units(network, data)
    narrow = config.training.precision is Precision.BF16  # a step holds the weights in bfloat16 too
    copies = 6 + MEMORIES[config.optimizer.kind] + narrow + probed(fit)
    inputs = torch.Size(data.input_shape).numel()
    rows = max(config.training.batch_size * (KEPT * units + 2 * inputs), PREDICTION_ROWS * 2 * (units + inputs))
    numbers = copies * parameters + rows + _predictions(fold, config.training.epochs) * outputs
    return int(numbers * data.dtype.itemsize)


def _units(network: nn.Module, data: DeviceData) -> int:
    """Outputs of all layers for one row."""
    counts: list[int] = []
    hooks = [
        module.register_forward_hook(lambda _m, _i, out: counts.append(out.numel()))
        for module in network.modules()
        if not list(module.children())
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, *data.input_shape))
    for hook in hooks:
        hook.remove()
    return sum(counts)


def _predictions(fold: Fold, epochs: int) -> int:
    return len(fold.val) * (epochs + 2) + len(fold.report)


class TimingRun:
    """Steps that are all on the first minibatch."""

    def __init__(
        self,
        fits: Sequence[Fit],
        data: DeviceData,
        stepper: Callable[[Step, torch.device], Step] = stepper,
    ) -> None:
        self._fleet = Fleet(sorted(fits, key=sort_key), data, stepper)
        crew, size = self._fleet.crew, self._fleet.config.training.batch_size
        self._rows = torch.as_tensor(crew.orders(0)[:, :size], device=data.device)
        self._lr = torch.zeros(len(crew.fits), dtype=data.dtype, device=data.device)

    def step(self) -> None:
        """One step of all members."""
        with arithmetic(self._fleet.config.training.precision, self._rows.device):
            self._fleet.run(self._rows, self._lr)


WIDTHS = (4, 16, 64, 128, 256)
"""Widths that are tried, and the widest."""

STEPS, LONG_S = 3, 0.05
"""Steps that are timed at least, after some that are not; and seconds until which more of them are, since the quickest
of three short ones is chance."""

WORTH = 0.95
"""A wider fleet is tried as long as it takes less than this share of a member's time."""

DENSE_WEIGHTS = 250_000
"""Weights of the hidden layers up to which fleets are faster on a CPU, see benchmarks/NOTES.md."""

FREE_SHARE = 0.5
"""Share of the free memory that all fleets on this machine may take, unless `execution.memory_gib` says otherwise."""


def engine_for(asked: Engine, fit: Fit, data: DeviceData) -> Engine:
    """The engine of a fit by rule number `RULE`.

    On a CPU, fleets for dense networks of up to `DENSE_WEIGHTS` weights; on a GPU, fleets for everything.

    Args:
        asked: `engine` of the configuration; anything but `auto` is obeyed.
        fit: The fit.
        data: The development set, on the device that trains.
    """
    if asked is not Engine.AUTO:
        return asked
    if data.device.type != "cpu":
        return Engine.FLEET
    model = fit.config.model
    if isinstance(model, CnnModel | CustomModel):
        return Engine.REFERENCE
    widths = [torch.Size(data.input_shape).numel(), *(model.hidden if isinstance(model, MlpModel) else [])]
    weights = sum(a * b for a, b in pairwise(widths))
    return Engine.FLEET if weights <= DENSE_WEIGHTS else Engine.REFERENCE


def pace(fits: Sequence[Fit], data: DeviceData, limit: int) -> FleetSettings:
    """The best width for fits like these, measured; not where only the narrowest would come into question.

    Args:
        fits: Of one trial, whose parts of the data are representative.
        data: The development set.
        limit: Most members, >= 1: what memory holds, see `widest`, or all that there will be.
    """
    if limit <= WIDTHS[0]:
        return FleetSettings(Engine.FLEET, limit, 0.0)
    alike = _alike(fits, data)
    best = FleetSettings(Engine.FLEET, 1, math.inf)
    for width in WIDTHS:
        if best.width == limit:
            break
        width = min(width, limit)  # noqa: PLW2901 - never wider than the limit
        crowd = [alike[i % len(alike)] for i in range(width)]
        step_ms = _step_ms(crowd, data) / width
        if step_ms >= WORTH * best.member_step_ms:
            break
        best = replace(best, width=width, member_step_ms=step_ms)
    return best


def throughput(fits: Sequence[Fit], data: DeviceData, width: int, seconds: float) -> float:
    """Member-steps a second of a fleet of fits like these.

    Args:
        fits: Of one trial.
        data: The development set.
        width: Members, >= 1.
        seconds: >= 0; 0 gets everything ready and measures nothing.
    """
    alike = _alike(fits, data)
    rehearsal = TimingRun([alike[i % len(alike)] for i in range(width)], data)
    for _ in range(WARM + 1):
        rehearsal.step()
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        rehearsal.step()
        _synchronize(data.device)
        steps += 1
    return width * steps / (time.perf_counter() - started)


def _alike(fits: Sequence[Fit], data: DeviceData) -> list[Fit]:
    """Those of the fits that can share a fleet with the first."""
    return [fits[place] for place in group_into_fleets(fits, len(fits), data.inputs[0].numel())[0]]


def widest(fit: Fit, data: DeviceData, memory_gib: float | None, workers: int) -> int:
    """Members that the memory budget holds, at least one, at most the widest that is tried."""
    budget = _free_bytes(data.device) * FREE_SHARE / workers if memory_gib is None else memory_gib * 2**30
    return max(1, min(WIDTHS[-1], int(budget // member_bytes(fit, data))))


def key(fit: Fit, data: DeviceData, workers: int) -> str:
    """Names what a pace depends on: shape, rows, device, number of workers and torch version."""
    device = torch.cuda.get_device_name(data.device) if data.device.type == "cuda" else "cpu"
    shape = (shape_key(fit.config), tuple(data.input_shape), len(fit.fold.train), str(data.dtype))
    digest = hashlib.sha256(repr(shape).encode()).hexdigest()[:16]
    return f"{digest} {device} torch-{torch.__version__} workers-{workers}"


def recall(
    fit: Fit, data: DeviceData, limit: int, known: Mapping[str, FleetSettings], workers: int
) -> FleetSettings | None:
    """A pace that was measured before, within the limit of now; None if there is none."""
    found = known.get(key(fit, data, workers))
    return None if found is None else replace(found, width=min(found.width, limit))


def _step_ms(fits: Sequence[Fit], data: DeviceData) -> float:
    rehearsal = TimingRun(fits, data)
    for _ in range(WARM + 1):
        rehearsal.step()
    times: list[float] = []
    while len(times) < STEPS or sum(times) < LONG_S:
        _synchronize(data.device)
        started = time.perf_counter()
        rehearsal.step()
        _synchronize(data.device)
        times.append(time.perf_counter() - started)
    return min(times) * 1000


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _free_bytes(device: torch.device) -> int:
    free: int = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return free
