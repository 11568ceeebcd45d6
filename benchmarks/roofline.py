"""How close a fleet comes to what the machine can do, for some shapes and widths.

Prints floating-point operations and bytes a second of a training step, beside the ceilings that are measured first: a
large matrix product, and a copy. The operations are those of the matrix products alone (forward, and backward to the
weights and, but for the first layer, to the inputs); the bytes are the weights as the update reads and writes them and
the activations as forward and backward pass write and read them once, so that both are lower bounds of what is done.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.fits import plain_fit
from hpsearch.engine.capture import WARM, plain, stepper
from hpsearch.engine.device_data import DeviceData
from hpsearch.engine.rehearsal import Rehearsal
from hpsearch.records import Fit

WIDTHS = (1, 4, 16, 64, 256, 1024)
STEPS = 5


@dataclass(frozen=True, slots=True)
class Shape:
    """A dense network and its minibatches: rows, inputs, hidden layers, outputs."""

    batch: int
    layers: tuple[int, ...]

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


def main(arguments: list[str]) -> None:
    """Prints one table for each shape."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks roofline")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--widths", type=int, nargs="*", default=WIDTHS)
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    torch.set_num_threads(1)
    flops, copied = ceilings(device)
    print(
        f"{device}, torch {torch.__version__}: matrix product {flops / 1e9:.0f} GFLOP/s, copy {copied / 1e9:.0f} GB/s"
    )
    for shape in SHAPES:
        fit, data = plain_fit(shape.layers, shape.batch, device)
        print(f"\n{'-'.join(map(str, shape.layers))}, batch {shape.batch}, Adam")
        print(
            "  width   us a member-step   GFLOP/s  of ceiling   GB/s  of ceiling"
            + "   captured" * (device.type == "cuda")
        )
        for width in options.widths:
            step_s = seconds(fit, data, width, captured=False) / width
            rate, traffic = shape.flop / step_s, shape.bytes / step_s
            line = f"  {width:5}   {step_s * 1e6:16.1f}   {rate / 1e9:7.1f}  {rate / flops:9.0%}"
            line += f"   {traffic / 1e9:5.1f}  {traffic / copied:9.0%}"
            if device.type == "cuda":
                line += f"   {seconds(fit, data, width, captured=True) / width * 1e6:8.1f}"
            print(line, flush=True)


def ceilings(device: torch.device) -> tuple[float, float]:
    """Operations a second of a large matrix product, and bytes a second read and written by a copy."""
    n = 8192 if device.type == "cuda" else 1536
    a, b = torch.rand(n, n, device=device), torch.rand(n, n, device=device)
    big = torch.rand(2**26, device=device)
    out = torch.empty_like(big)
    product_s = best(lambda: torch.mm(a, b), device)
    copy_s = best(lambda: out.copy_(big), device)
    return 2.0 * n**3 / product_s, 2.0 * big.nbytes / copy_s


def seconds(fit: Fit, data: DeviceData, width: int, *, captured: bool) -> float:
    """Of one step of a fleet of so many members."""
    rehearsal = Rehearsal([fit] * width, data, stepper if captured else plain)
    for _ in range(WARM + 1):
        rehearsal.step()
    return best(rehearsal.step, data.device)


def best(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of some runs."""
    times = []
    for _ in range(STEPS):
        _wait(device)
        started = time.perf_counter()
        work()
        _wait(device)
        times.append(time.perf_counter() - started)
    return float(np.min(times[1:]))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
