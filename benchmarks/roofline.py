"""How close a training step comes to what the machine can do, for some shapes, engines and fleet widths.

Prints floating-point operations and bytes a second beside the ceilings that are measured first: a large matrix product,
and a copy. The operations are those of the matrix products alone (forward, and backward to the weights and, but for the
first layer, to the inputs); the bytes are the weights as the update reads and writes them and the activations as
forward and backward pass write and read them once, so that both are lower bounds of what is done.

One thread on a CPU, as every worker has. `reference` is the plain loop, one network; `fleet` the batched step as it is
written; `captured` the same as a CUDA graph, which is how fleets train on a GPU.
"""

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.fits import plain_fit
from benchmarks.rates import ceilings, fleet_s, reference_s, too_large
from hpsearch.engine.device_data import DeviceData
from hpsearch.records import Fit

WIDTHS = (1, 4, 16, 64, 256, 1024)


@dataclass(frozen=True, slots=True)
class Shape:
    """A dense network and its minibatches: rows, inputs, hidden layers, outputs."""

    batch: int
    layers: tuple[int, ...]

    @property
    def name(self) -> str:
        """How tables and figures call it."""
        return f"{'-'.join(map(str, self.layers))}, batch {self.batch}"

    @property
    def flop(self) -> float:
        """Operations of the matrix products of one step of one member."""
        products = [a * b for a, b in zip(self.layers[:-1], self.layers[1:], strict=True)]
        return 2.0 * self.batch * (3 * sum(products) - products[0])

    @property
    def bytes(self) -> float:
        """Bytes of one step of one member with Adam: 4 tensors read, 3 written, gradients once more each way."""
        weights = sum((a + 1) * b for a, b in zip(self.layers[:-1], self.layers[1:], strict=True))
        activations = self.batch * sum(self.layers[1:])
        return 4.0 * (9 * weights + 4 * activations)


SHAPES = (Shape(32, (64, 50, 10)), Shape(100, (784, 100, 100, 10)), Shape(100, (784, 500, 10)))


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement; rates in units a second, shares of the machine's ceilings."""

    device: str
    torch: str
    shape: str
    engine: str
    width: int
    member_step_us: float
    member_steps_per_s: float
    flop_per_s: float
    flop_share: float
    bytes_per_s: float
    bytes_share: float


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it is measured, and its ceilings."""

    device: torch.device
    flop_per_s: float
    bytes_per_s: float

    @property
    def name(self) -> str:
        """What the device is called."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu, one thread"

    def row(self, shape: Shape, engine: str, width: int, member_step_s: float) -> Row:
        """What follows from the seconds of a step of one member."""
        rate = 1 / member_step_s
        flop, traffic = shape.flop * rate, shape.bytes * rate
        shares = flop / self.flop_per_s, traffic / self.bytes_per_s
        named = (self.name, torch.__version__, shape.name, engine, width)
        return Row(*named, member_step_s * 1e6, rate, flop, shares[0], traffic, shares[1])


def main(arguments: list[str]) -> None:
    """Prints one table for each shape."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks roofline", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--widths", type=int, nargs="*", default=WIDTHS)
    parser.add_argument("--csv", type=Path, help="writes all measurements there")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    machine = _machine(torch.device(options.device))
    rows: list[Row] = []
    for shape in SHAPES:
        for row in _measured(shape, machine, options.widths):
            _print(row)
            rows.append(row)
            if options.csv:  # after each, so that nothing is lost where time runs out
                write(rows, options.csv)


def _machine(device: torch.device) -> Machine:
    machine = Machine(device, *ceilings(device))
    told = f"matrix product {machine.flop_per_s / 1e9:.0f} GFLOP/s, copy {machine.bytes_per_s / 1e9:.0f} GB/s"
    print(f"{machine.name}, torch {torch.__version__}: {told}", flush=True)
    return machine


def _measured(shape: Shape, machine: Machine, widths: Sequence[int]) -> Iterator[Row]:
    """One row for the reference engine, then those of the fleets whose memory is there."""
    print(f"\n{shape.name}, Adam")
    print("  engine      width   us a member-step   member-steps/s    GFLOP/s  of ceiling     GB/s  of ceiling")
    fit, data = plain_fit(shape.layers, shape.batch, machine.device)
    yield machine.row(shape, "reference", 1, reference_s(fit, data))
    for width in widths:
        if reason := too_large(fit, data, width):
            print(f"  fleet       {width:5}   skipped: {reason}")
            continue
        yield from _fleets(shape, machine, width, fit, data)


def _fleets(shape: Shape, machine: Machine, width: int, fit: Fit, data: DeviceData) -> Iterator[Row]:
    engines = {"fleet": False, "captured": True} if machine.device.type == "cuda" else {"fleet": False}
    for engine, captured in engines.items():
        step_s = fleet_s(fit, data, width, captured=captured)
        yield machine.row(shape, engine, width, step_s / width)


def _print(row: Row) -> None:
    line = f"  {row.engine:<9}   {row.width:5}   {row.member_step_us:16.2f}   {row.member_steps_per_s:14,.0f}"
    line += f"   {row.flop_per_s / 1e9:8.1f}  {row.flop_share:9.1%}"
    print(f"{line}   {row.bytes_per_s / 1e9:6.1f}  {row.bytes_share:9.1%}", flush=True)


def write(rows: Sequence[Row], path: Path) -> None:
    """All measurements as a table with a header line."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(Row.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
