"""Time and memory of a sweep as its trials grow in number: time should be linear, memory flat.

Runs the whole command, tracking included, each time in an empty folder: random trials of a 64-50-10 network on digits,
hold-out, batch 32, Adam, which train in fleets. Prints the seconds a trial between two neighbouring sizes, and a line
by least squares through all of them.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.peers.jobs import data_root
from benchmarks.peers.table import print_machine
from benchmarks.peers.timing import CommandError, end_cleanly, environment_with, run
from benchmarks.tree_memory import Peaks

SIZES = (16, 32, 64, 128, 256)
JOB = ("-m", "hpsearch", "name=growth", "data=digits", "evaluation=holdout", "model.depth=1", "model.width=50")
JOB += ("training.batch_size=32", "training.epochs=5", "search.tune=[optimizer]")


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds = start + slope x trials, by least squares.

    Attributes:
        start_s, slope_s: Its two numbers.
        r2: Share of the variance that it explains.
        worst: The largest distance of a measurement from it, as a share of what it says.
    """

    start_s: float
    slope_s: float
    r2: float
    worst: float


def main(arguments: list[str]) -> None:
    """Prints a line for each size as soon as it is measured, then what they have in common."""
    options = _parse(arguments)
    end_cleanly()
    environment = environment_with(Path(options.data).expanduser().absolute())
    print_machine(sys.executable, environment)
    command = [*JOB, *options.overrides]
    print(f"python {' '.join(command)} search.trials=N\n")
    print("  trials   seconds   s a trial since the line above   driver MiB   largest worker MiB   all MiB")
    _measure([*command, "search.trials=1"], 1, 1, environment, Peaks())  # fills the disk cache
    seconds: dict[int, float] = {}
    for trials in sorted(set(options.sizes)):
        peaks = Peaks()
        seconds[trials] = _measure([*command, f"search.trials={trials}"], trials, options.repeat, environment, peaks)
        _print_size(seconds, peaks)
    _print_line(seconds)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks growth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of trials")
    parser.add_argument("--repeat", type=int, default=1, help="rounds of each size, of which the median counts")
    parser.add_argument("--data", default=data_root(), help="folder of cached data sets; HPSEARCH_DATA or else data")
    parser.add_argument("overrides", nargs="*", help="further overrides, such as evaluation=stratified_kfold")
    options = parser.parse_args(arguments)
    if len(set(options.sizes)) < 2 or min(options.sizes) < 1 or options.repeat < 1:
        parser.error("--sizes must hold at least two different numbers >= 1, and --repeat be at least 1")
    return options


def _measure(command: list[str], trials: int, rounds: int, environment: dict[str, str], peaks: Peaks) -> float:
    """Seconds of the whole command, the median of the rounds; peaks are those of all rounds."""
    times = []
    for _ in range(rounds):
        try:
            wall_s, statuses = run(sys.executable, command, environment, watch=peaks.watch)
        except CommandError as error:
            sys.exit(f"{trials} trials FAILED\n{error}")
        if statuses.total() != trials:
            sys.exit(f"{trials} trials were asked for, {statuses.total()} are recorded: {dict(statuses)}")
        times.append(wall_s)
    return median(times)


def _print_size(seconds: dict[int, float], peaks: Peaks) -> None:
    """The size that was measured last."""
    trials = max(seconds)
    since = f"{slopes(seconds)[-1]:.4f}" if len(seconds) > 1 else ""
    driver, worker, tree = (number / 2**20 for number in (peaks.driver, peaks.worker, peaks.tree))
    print(
        f"  {trials:6}   {seconds[trials]:7.2f}   {since:>30}   {driver:10.0f}   {worker:18.0f}   {tree:7.0f}",
        flush=True,
    )


def _print_line(seconds: dict[int, float]) -> None:
    line = line_through(list(seconds), list(seconds.values()))
    print(f"\nseconds = {line.start_s:.2f} + {line.slope_s:.4f} x trials by least squares, R^2 = {line.r2:.4f}")
    print(f"the measurement farthest from this line lies {line.worst:.1%} off it")


def slopes(seconds: dict[int, float]) -> list[float]:
    """Seconds a trial between neighbouring sizes, which ascend."""
    return [(many_s - few_s) / (many - few) for (few, few_s), (many, many_s) in pairwise(seconds.items())]


def line_through(trials: Sequence[float], seconds: Sequence[float]) -> Line:
    """The line of least squares through at least two points of different numbers of trials."""
    slope, start = np.polyfit(trials, seconds, 1)
    expected = start + slope * np.asarray(trials)
    off = np.asarray(seconds) - expected
    spread = np.square(seconds - np.mean(seconds)).sum()
    r2 = 1.0 - np.square(off).sum() / spread if spread else 1.0
    return Line(float(start), float(slope), float(r2), float(np.abs(off / expected).max()))
