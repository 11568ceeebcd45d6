"""Everything that needs a GPU, in one command and under eight minutes, on a machine with one of the H100 or H200 class.

1. `conformance`: the tests marked `gpu`, in which fleets of captured steps must equal the reference engine.
2. `steps`: a fleet of 256 of the MNIST job against the reference engine on the same GPU.
3. `search`: 1,000 trials of 5 epochs on full MNIST by the real command, tracking included.
4. `roofline`: every shape and width with and without graph capture.

Each part is a process of its own with a limit of its own. What did not end in time, or failed, is said to be NOT
MEASURED or FAILED, and the exit status is 1. MNIST must lie in --data. `--device cpu` runs the same parts in small
sizes, to find out whether the command itself works.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.peers.jobs import MNIST_SEARCH, data_root
from benchmarks.peers.table import print_machine
from benchmarks.peers.timing import (
    CommandError,
    TimeOverError,
    end_cleanly,
    environment_with,
    finish,
    require_mnist,
    run,
)

ROOT = Path(__file__).parents[1]
TOTAL_S = 465.0
"""Seconds of all parts together; starting and ending processes takes the rest of the eight minutes."""
LEAST_S, AIM_S = 300, 60
"""Seconds asked for of 1,000 trials of 5 epochs."""
SOON_S = 5.0
"""A part that has less than this is not begun."""


@dataclass(frozen=True, slots=True)
class Part:
    """One measurement: it prints what it finds and raises `CommandError` if it does not find it within its seconds."""

    name: str
    limit_s: float
    work: Callable[[float], None]


def main(arguments: list[str]) -> None:
    """Runs all parts, then says which of them were measured."""
    options = _parse(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit(
            f"gpu needs a CUDA device, and torch {torch.__version__} finds none: run it on a machine with one; "
            "--device cpu tries the command itself in small sizes"
        )
    data = Path(options.data).expanduser().absolute()
    require_mnist(data)
    end_cleanly()
    environment = environment_with(data)
    print_machine(sys.executable, environment)
    parts = _parts(environment, options.csv.absolute()) if options.device == "cuda" else _small_parts(environment)
    outcomes = run_parts(parts, options.total_s)
    print("\nsummary" + " of a trial run on a CPU: none of it is a result" * (options.device == "cpu"))
    for name, outcome in outcomes.items():
        print(f"  {name:<12} {outcome}")
    if not all(outcome.startswith("measured") for outcome in outcomes.values()):
        sys.exit(1)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--csv", type=Path, default=Path("roofline-cuda.csv"), help="what `figure` draws")
    parser.add_argument("--data", default=data_root(), help="folder of cached data sets; HPSEARCH_DATA or else data")
    parser.add_argument("--total-s", type=float, default=TOTAL_S, help="seconds of all parts together")
    return parser.parse_args(arguments)


def _parts(environment: Mapping[str, str], csv: Path) -> list[Part]:
    search = partial(_search, environment, 1000, ("training.epochs=5", "execution.device=cuda"))
    tests = ("-m", "pytest", "-m", "gpu", "-n", "0", "-p", "no:cacheprovider", "tests")
    roofline = ("-m", "benchmarks", "roofline", "--device", "cuda", "--csv", str(csv))
    return [
        Part("conformance", 60, partial(_command, environment, tests)),
        Part("steps", 60, partial(_command, environment, ("-m", "benchmarks", "steps", "--device", "cuda"))),
        Part("search", LEAST_S + 5, search),
        Part("roofline", 120, partial(_command, environment, roofline)),
    ]


def _small_parts(environment: Mapping[str, str]) -> list[Part]:
    small = ("training.epochs=1", "execution.device=cpu", "data.limit=1000")
    tests = ("-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "tests/engine/fleet/test_cuda_graph.py")
    steps = ("-m", "benchmarks", "steps", "--device", "cpu", "--width", "4", "--rows", "500")
    roofline = ("-m", "benchmarks", "roofline", "--device", "cpu", "--widths", "1", "4")
    return [
        Part("conformance", 60, partial(_command, environment, tests)),
        Part("steps", 60, partial(_command, environment, steps)),
        Part("search", 120, partial(_search, environment, 4, small)),
        Part("roofline", 120, partial(_command, environment, roofline)),
    ]


def run_parts(parts: list[Part], total_s: float) -> dict[str, str]:
    """How each part went, in words that begin with `measured` if it did."""
    ends = time.monotonic() + total_s
    outcomes = {}
    for part in parts:
        started = time.monotonic()
        limit_s = max(0.0, min(part.limit_s, ends - started))
        print(f"\n{part.name}: {limit_s:.0f} s at most", flush=True)
        outcome = _attempt(part, limit_s)
        outcomes[part.name] = outcome or f"measured in {time.monotonic() - started:.0f} s"
    return outcomes


def _attempt(part: Part, limit_s: float) -> str:
    """What went wrong, in words; empty if nothing did."""
    if limit_s < SOON_S:
        return "NOT MEASURED: no time was left"
    try:
        part.work(limit_s)
    except TimeOverError as error:
        return f"NOT MEASURED, but for what is printed above: {error}"
    except CommandError as error:
        return f"FAILED: {error}"
    return ""


def _command(environment: Mapping[str, str], arguments: tuple[str, ...], limit_s: float) -> None:
    """Runs Python here; what it prints is seen at once."""
    if code := finish([sys.executable, *arguments], ROOT, environment, limit_s=limit_s):
        raise CommandError(f"it ended with exit status {code}, see above")


def _search(environment: Mapping[str, str], trials: int, overrides: tuple[str, ...], limit_s: float) -> None:
    """Runs a search in an empty folder."""
    arguments = [*MNIST_SEARCH, "name=gpu", f"search.trials={trials}", *overrides]
    print(f"  python {' '.join(arguments)}", flush=True)
    wall_s, statuses = run(sys.executable, arguments, environment, limit_s=limit_s)
    require_trained(statuses, trials)
    ended = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    print(f"  {trials:,} trials in {wall_s:.1f} s from start to end, tracking included: {ended}")
    print(f"  asked for of 1,000 trials of 5 epochs on one GPU: {LEAST_S} s at most, {AIM_S} s the aim", flush=True)


def require_trained(statuses: Counter[str], trials: int) -> None:
    """Refuses a search whose time does not count.

    Raises:
        CommandError: If not all trials ended as trainings do.
    """
    trained = statuses["ok"] + statuses["stalled"] + statuses["diverged"]
    if trained < trials:
        raise CommandError(f"of {trials} trials {trained} were trained: {dict(statuses)}")
