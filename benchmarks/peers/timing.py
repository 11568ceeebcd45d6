"""Commands, timed in empty folders."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import IO

LIMIT_S = 1800
"""A command that takes longer is broken."""
SAID = "said.txt"
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class CommandError(Exception):
    """A command failed; the message holds the end of what it said."""


class TimeOverError(CommandError):
    """A command did not end in time."""


@dataclass(slots=True)
class Measured:
    """What one contender was measured to need.

    Attributes:
        few, many: The two numbers of units; equal: there is no slope.
        few_s, many_s: Seconds of the whole command, one for each round.
        statuses: How the trials of the last run of hpsearch ended.
    """

    few: int
    many: int
    few_s: list[float] = field(default_factory=list)
    many_s: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    @property
    def sloped(self) -> bool:
        """Whether start-up can be told from work."""
        return self.few < self.many

    @property
    def each(self) -> list[float]:
        """Seconds a unit in each round, without start-up; where there is no slope, with it."""
        if not self.sloped:
            return [many_s / self.many for many_s in self.many_s]
        pairs = zip(self.few_s, self.many_s, strict=True)
        return [(many_s - few_s) / (self.many - self.few) for few_s, many_s in pairs]

    @property
    def start_s(self) -> float:
        """Seconds that no unit accounts for: the median of the rounds."""
        return median(few_s - self.few * each for few_s, each in zip(self.few_s, self.each, strict=True))


Watch = Callable[[int], AbstractContextManager[object]]
"""Looks on at the process of this number while it runs."""


def run(
    python: str,
    arguments: list[str],
    environment: Mapping[str, str],
    *,
    limit_s: float = LIMIT_S,
    watch: Watch = nullcontext,
) -> tuple[float, Counter[str]]:
    """Seconds of a command in an empty folder, and how the trials ended that hpsearch left there, if it was hpsearch.

    Args:
        python: The interpreter.
        arguments: Its arguments.
        environment: All of it.
        limit_s: Seconds after which the command is ended.
        watch: Looks on.

    Raises:
        CommandError: If it failed; `TimeOverError` if it was ended.
    """
    folder = Path(tempfile.mkdtemp(prefix="peers-"))
    try:
        started = time.perf_counter()
        with (folder / SAID).open("w") as said:
            code = finish([python, *arguments], folder, environment, limit_s=limit_s, watch=watch, said=said)
        seconds = time.perf_counter() - started
        if code:
            raise CommandError((folder / SAID).read_text(errors="replace")[-1500:])
        records = folder.glob("mlruns/sweeps/*/trials/*/*/*/record.json")
        return seconds, Counter(json.loads(record.read_text())["body"]["status"] for record in records)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def finish(
    command: list[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    limit_s: float,
    watch: Watch = nullcontext,
    said: IO[str] | None = None,
) -> int:
    """The exit code of a command; however this ends, nothing of it goes on running.

    Args:
        command: Program and arguments.
        folder: Its working directory.
        environment: All of it.
        limit_s: Seconds after which it is ended.
        watch: Looks on.
        said: Takes what it prints; None: it is printed here.

    Raises:
        TimeOverError: If it was ended.
    """
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        with watch(process.pid):
            return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        raise TimeOverError(f"it did not end within {limit_s:.0f} s") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def end_cleanly() -> None:
    """From now on SIGTERM leaves as an exception does, so that no command and no folder stays behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))


def environment_with(data: Path) -> dict[str, str]:
    """This environment, tracking in the working directory and nobody sending usage statistics."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    fingerprint_defaults = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "RAY_USAGE_STATS_ENABLED": "0"}
    return kept | fingerprint_defaults | {"HPSEARCH_DATA": str(data)}


def require_mnist(data: Path, names: Sequence[str] = FILES) -> None:
    """Refuses a folder without MNIST's files.

    Raises:
        SystemExit: With those that are missing.
    """
    raw = data / "MNIST" / "raw"
    if missing := [name for name in names if not (raw / name).exists()]:
        raise SystemExit(f"{raw} lacks {' and '.join(missing)}, unpacked: give --data, or run hpsearch data=mnist once")


@contextmanager
def train_files_of(data: Path) -> Iterator[Path]:
    """A folder with MNIST's training files that torchvision takes for complete: the test files in it are empty.

    Raises:
        SystemExit: If `data` lacks a training file.
    """
    require_mnist(data, FILES[:2])
    raw = data / "MNIST" / "raw"
    with tempfile.TemporaryDirectory(prefix="peers-data-") as root:
        folder = Path(root) / "MNIST" / "raw"
        folder.mkdir(parents=True)
        for name in FILES[:2]:
            (folder / name).symlink_to(raw.absolute() / name)
        for name in FILES[2:]:
            (folder / name).touch()
        yield Path(root)
