"""What a trial costs beside its training, and how long the first one waits.

Runs the same sweep with few and with many trials, one worker, and reads the records: the slope of the wall clock over
the number of trials, minus the seconds that the fits themselves took, is the overhead of a trial. The start-up is in
neither.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean


@dataclass(frozen=True, slots=True)
class Measured:
    """One sweep: seconds of wall clock, seconds until the first trial, mean seconds of training of a trial."""

    wall_s: float
    first_s: float
    fit_s: float


def main(arguments: list[str]) -> None:
    """Prints overhead per trial and start-up."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks overhead")
    parser.add_argument("--few", type=int, default=4)
    parser.add_argument("--many", type=int, default=24)
    parser.add_argument("overrides", nargs="*", help="further overrides, such as data.packaged=always")
    options = parser.parse_args(arguments)
    few, many = (measure(trials, options.overrides) for trials in (options.few, options.many))
    slope = (many.wall_s - few.wall_s) / (options.many - options.few)
    fit_s = (many.fit_s * options.many - few.fit_s * options.few) / (options.many - options.few)
    print(f"training of a trial (2 epochs)    {fit_s * 1000:8.1f} ms")
    print(f"overhead of a trial               {(slope - fit_s) * 1000:8.1f} ms  ({(slope - fit_s) / fit_s:.1%})")
    print(f"command to the first trial        {few.first_s:8.1f} s, {many.first_s:.1f} s")


def measure(trials: int, overrides: list[str]) -> Measured:
    """Runs the MNIST sweep with 2 epochs a trial and one worker in an empty folder."""
    folder = Path(tempfile.mkdtemp())
    command = [sys.executable, "-m", "hpsearch", "+sweep=mnist", "name=overhead", "training.epochs=2"]
    command += ["execution.workers=1", f"search.trials={trials}", *overrides]
    started = time.time()
    try:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        wall_s = time.time() - started
        runs = [json.loads(path.read_text()) for path in folder.glob("mlruns/sweeps/overhead/trials/*/*/*/run.json")]
    finally:
        shutil.rmtree(folder)
    bodies = [run["body"] for run in runs]
    first_s = min(body["started_ms"] for body in bodies) / 1000 - started
    return Measured(wall_s, first_s, mean(body["measured"]["fit_s"] for body in bodies))
