"""What is printed."""

import os
import platform
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import gettempdir

from benchmarks.peers.jobs import Contender, Job
from benchmarks.peers.timing import Measured

BUSY = 0.3
"""Load average from which other work on this machine is mentioned."""
PACKAGES = ("torch", "torchvision", "mlflow", "optuna", "scikit-learn", "ray", "lightning", "skorch")


def print_machine(python: str, environment: Mapping[str, str]) -> None:
    """Cores, versions of packages that the peers see, and whether the machine is idle."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    print(f"machine   {cores} cores ({_processor()}), {platform.system()}, Python {platform.python_version()}")
    code = (
        "from importlib import metadata\n"
        f"found = {{d.name: d.version for d in metadata.distributions() if d.name in {PACKAGES}}}\n"
        f"print(', '.join(n + ' ' + found[n] for n in {PACKAGES} if n in found))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, env=environment)
    print(f"packages  {done.stdout.strip()}")
    warning = "; OTHER WORK IS RUNNING: no number below counts" if load > BUSY else ""
    print(f"load      {load:.2f} at the start{warning}", flush=True)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def print_title(job: Job) -> None:
    """What is done."""
    print(f"\n{job.name}: {job.title[0]}")
    for line in job.title[1:]:
        print(f"{' ' * len(job.name)}  {line}")


def print_table(job: Job, times: Mapping[str, Measured]) -> None:
    """Seconds, start-up and ratios of those who were measured, then how trials ended, then the commands."""
    chosen = [one for one in job.contenders if one.key in times]
    base = _total(job, times["hpsearch"]) if "hpsearch" in times else None
    heads = [f"s a {job.unit}", "over rounds", "start-up s", *(["whole job s"] if job.whole else []), "ratio"]
    _print_row("", heads)
    for one in chosen:
        measured = times[one.key]
        each = measured.each
        spread = f"{min(each):.4f}…{max(each):.4f}" if len(each) > 1 else "one round"
        start = f"{measured.start_s:.1f}" if measured.sloped else "in the whole"
        whole = [f"{'~' if measured.sloped else ''}{_total(job, measured):.1f}"] if job.whole else []
        ratio = f"{_total(job, measured) / base:.2f}" if base and base > 0 and median(each) > 0 else "lost in noise"
        _print_row(one.label, [f"{median(each):.4f}", spread, start, *whole, ratio])
    for one in chosen:
        _print_endings(one, times[one.key])
    print("  commands, each in an empty folder:")
    for one in chosen:
        command = shlex.join(["python", *(part.replace("{n}", "N") for part in one.command)])
        print(f"    {command.replace(str(Path.cwd()) + '/', '').replace(gettempdir(), '$TMPDIR')}", flush=True)


def _total(job: Job, measured: Measured) -> float:
    """What ratios compare: seconds a unit without start-up, or of the whole job with it."""
    if job.whole is None:
        return median(measured.each)
    return measured.start_s + job.whole * median(measured.each) if measured.sloped else median(measured.many_s)


def _print_row(label: str, cells: list[str]) -> None:
    print(f"  {label:<22} {'  '.join(f'{cell:>16}' for cell in cells)}")


def _print_endings(one: Contender, measured: Measured) -> None:
    ended = {status: n for status, n in measured.statuses.items() if status != "ok"}
    if ended:
        told = ", ".join(f"{n} {status}" for status, n in sorted(ended.items()))
        print(f"  of {measured.statuses.total()} trials of {one.label}: {told}; one that diverges ends there")
