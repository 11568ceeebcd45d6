"""Time and memory of reports about large tables of other programs' results.

Makes each table, with three hyperparameters, failures and 10 seeds an option, and runs the whole command on it. On a
busy machine the seconds of the processor say more than those of the clock.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SEEDS = 10


@dataclass(frozen=True, slots=True)
class Case:
    """A table and how it is compared.

    Attributes:
        options: Of the comparison.
        trials: Of the search of each option.
        control: Whether the others are compared with the first option, instead of all pairs.
        digits: Of the scores; with four, many trials tie.
    """

    options: int
    trials: int
    control: bool = False
    digits: int = 4


CASES = {
    "rows": Case(10, 9990),
    "digits": Case(10, 9990, digits=16),
    "pairs": Case(200, 20),
    "control": Case(200, 20, control=True),
}


def main(arguments: list[str]) -> None:
    """Prints a line for each case as soon as it is measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks tables", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", default=list(CASES), help=f"of {', '.join(CASES)}; all unless given")
    options = parser.parse_args(arguments)
    print("case      options   trials     rows   seconds   of the processor   peak MiB   page MiB")
    for name in options.cases:
        if name not in CASES:
            parser.error(f"cases must be of {', '.join(CASES)}, got {name}")
        with tempfile.TemporaryDirectory() as folder:
            _measure(name, CASES[name], Path(folder))


def table(case: Case, seed: int = 1) -> str:
    """A table in which options differ by less than their seeds do."""
    rng = np.random.default_rng(seed)
    lines = ["phase,level,trial,key,select,report,n,status,hp.lr,hp.weight_decay,hp.width"]
    for option in range(case.options):
        name, top = f"option {option:03d}", 0.9 + 0.01 * option / case.options
        lr, decay = 10 ** rng.uniform(-4, 0, case.trials), 10 ** rng.uniform(-6, -1, case.trials)
        width = rng.integers(16, 512, case.trials)
        val = top - 0.02 * (np.log10(lr) + 2) ** 2 - 0.002 * (np.log10(decay) + 3) ** 2
        val, report = val + rng.normal(0, 0.003, (2, case.trials))
        for at in range(case.trials):
            scores = f"{val[at]:.{case.digits}f},{report[at]:.{case.digits}f}" if lr[at] < 0.7 else ","
            status = "" if lr[at] < 0.7 else "diverged"
            lines.append(f"explore,{name},{at + 1},,{scores},10000,{status},{lr[at]:.6g},{decay[at]:.6g},{width[at]}")
        best = 1 + int(np.argmax(np.where(lr < 0.7, val, -np.inf)))
        seeds = top + rng.normal(0, 0.003, SEEDS)
        lines += [f"confirm,{name},{best},{key},,{score:.4f},10000,,,," for key, score in enumerate(seeds, 1001)]
    return "\n".join(lines) + "\n"


def _measure(name: str, case: Case, folder: Path) -> None:
    path, text = folder / "table.csv", table(case)
    path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "hpsearch", "+report=table", f"report.path={path}", "report.metric=accuracy"]
    command += ["report.delta=0.002", f"report.directory={folder}", *['report.control="option 000"'] * case.control]
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    start = time.perf_counter()
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        sys.exit(f"{name} FAILED\n{(folder / 'output.txt').read_text(errors='replace')}")
    (page,) = folder.rglob("report.html")
    cpu, rows, mib = used.ru_utime + used.ru_stime, text.count("\n") - 1, page.stat().st_size / 2**20
    print(
        f"{name:<7}   {case.options:7}   {case.trials:6}   {rows:6}   {wall:7.1f}   {cpu:16.1f}   "
        f"{used.ru_maxrss / 1024:8.0f}   {mib:8.1f}",
        flush=True,
    )
