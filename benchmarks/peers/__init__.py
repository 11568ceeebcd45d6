"""The same jobs by hpsearch and by its peers, as their own users write them: `python -m benchmarks peers`.

A ratio is one of slopes: (seconds of many trials - seconds of few) / (many - few), of whole commands from start to end,
each in an empty folder, tracking included. The start-up that this takes out is printed beside it. Peers run on all
cores where their way of working allows it. hpsearch and the expert's loop are measured in turn, in `--repeat` rounds,
of which the median counts; the slow peers are measured once, with fewer trials:

| job | hpsearch, (c) | (a) | (b) | (d) | (e) |
|---|---|---|---|---|---|
| mnist | 24 and 96 trials | 2, 10 | 4, 12 | | |
| digits | 24 and 96 trials | | | | 8, 32 trials |
| loocv | all 1,438 fits (hpsearch) | | | 8, 40 fits | 8, 40 fits |
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.peers.jobs import ROWS, Contender, Job, Sizes, data_root, digits, loocv, mnist
from benchmarks.peers.table import print_machine, print_table, print_title
from benchmarks.peers.timing import CommandError, Measured, end_cleanly, environment_with, run, train_files_of

OURS = ("hpsearch", "engine")
"""Contenders that need hpsearch, whatever `--python` says."""
JOBS = ("mnist", "digits", "loocv")


def main(arguments: list[str]) -> None:
    """Runs the jobs that were asked for and prints a table for each."""
    options = _parse(arguments)
    end_cleanly()
    environment = environment_with(Path(options.data).expanduser().absolute())
    print_machine(options.python, environment)
    with ExitStack() as stack:
        complete = [_do(job, options, environment) for job in _jobs(options, stack)]
    if not all(complete):
        sys.exit("what failed is missing in the tables above")


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--job", choices=(*JOBS, "all"), default="all")
    parser.add_argument("--only", default="a,b,c,d,e,engine", help="who is measured beside hpsearch, such as a,c")
    parser.add_argument("--few", type=int, default=24, help="trials of hpsearch and (c)")
    parser.add_argument("--many", type=int, default=96)
    parser.add_argument("--slow-few", type=int, help="trials or fits of the slow peers; see the table")
    parser.add_argument("--slow-many", type=int)
    parser.add_argument("--repeat", type=int, default=3, help="rounds of hpsearch and (c)")
    parser.add_argument("--rows", type=int, default=ROWS, help="training rows of MNIST: fewer for a quick look")
    parser.add_argument("--data", default=data_root(), help="folder of cached data sets; HPSEARCH_DATA or else data")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has benchmarks/requirements.txt")
    options = parser.parse_args(arguments)
    if not 0 < options.few < options.many:
        parser.error("--few must lie below --many")
    if (options.slow_few is None) != (options.slow_many is None):
        parser.error("--slow-few and --slow-many belong together")
    if options.slow_few is not None and not 0 < options.slow_few < options.slow_many:
        parser.error("--slow-few must lie below --slow-many")
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    return options


def _jobs(options: argparse.Namespace, stack: ExitStack) -> list[Job]:
    names = JOBS if options.job == "all" else (options.job,)
    slow = None if options.slow_few is None else (options.slow_few, options.slow_many)
    sizes = Sizes(options.few, options.many, slow, options.rows)
    jobs = []
    if "mnist" in names:
        jobs.append(mnist(sizes, stack.enter_context(train_files_of(Path(options.data).expanduser()))))
    return jobs + [make(sizes) for name, make in (("digits", digits), ("loocv", loocv)) if name in names]


def _do(job: Job, options: argparse.Namespace, environment: Mapping[str, str]) -> bool:
    """Measures and prints a job; whether everybody finished."""
    print_title(job)
    chosen = [one for one in job.contenders if _takes_part(one, options, environment)]
    times: dict[str, Measured] = {}
    failed: set[str] = set()
    for number in range(options.repeat):
        for one in chosen:
            if one.key in failed or (number and one.slow):
                continue
            python = sys.executable if one.key in OURS else options.python
            try:
                if not number:
                    run(python, one.short, environment)
                _add(times.setdefault(one.key, Measured(one.few, one.many)), one, python, environment)
            except CommandError as error:
                failed.add(one.key)
                times.pop(one.key, None)
                print(f"  {one.label} FAILED: {shlex.join([python, *one.arguments(one.many)])}\n{error}", flush=True)
    print_table(job, times)
    return not failed


def _takes_part(one: Contender, options: argparse.Namespace, environment: Mapping[str, str]) -> bool:
    if one.key == "hpsearch":
        return True
    if one.key not in options.only.split(","):
        return False
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({one.package!r}) is None)"
    if subprocess.run([options.python, "-c", code], check=False, env=environment).returncode == 0:
        return True
    print(f"  {one.label} is skipped: no {one.package} here; pip install -r benchmarks/requirements.txt, or --python")
    return False


def _add(measured: Measured, one: Contender, python: str, environment: Mapping[str, str]) -> None:
    """One round."""
    told = ""
    if measured.sloped:
        few_s, _ = run(python, one.arguments(one.few), environment)
        measured.few_s.append(few_s)
        told = f"{one.few}: {few_s:.1f} s, "
    many_s, measured.statuses = run(python, one.arguments(one.many), environment)
    measured.many_s.append(many_s)
    print(f"  {one.label:<22} {told}{one.many}: {many_s:.1f} s", flush=True)
