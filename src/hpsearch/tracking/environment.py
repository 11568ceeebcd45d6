"""The environment of a sweep: code, packages, machine. No environment variables; collected once per sweep."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pynvml

import hpsearch
from hpsearch.secrets import mask_text
from hpsearch.tracking.sanitize import digest
from hpsearch.tracking.system_metrics import gpu_handles

GIB = 2**30

GIT_S = 10
"""Maximum wait for git, which may run on a slow file system."""

DIFF_BYTES = 1_000_000
"""Maximum length of a stored diff."""

MOST_NAMES = 1_000
"""Maximum number of files listed by name only."""

PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color")

DATA = (".csv", ".tsv", ".npz", ".npy", ".parquet", ".gz", ".zip")
"""Suffixes of data files, possibly with sealed test rows, which never appear in a diff."""


def describe(directory: Path | None = None, nvml: Any = pynvml) -> dict[str, str]:
    """Return the tags of a sweep: git commit, Python, platform, CPU, memory, GPUs.

    Args:
        directory: Where to look for a git repository; None: the current directory.
        nvml: The NVIDIA management library.
    """
    tags = _git_tags(directory or Path.cwd())
    tags |= {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_model(),
        "cores": str(os.cpu_count()),
        "memory_gib": f"{psutil.virtual_memory().total / GIB:.1f}",
    }
    return tags | _gpu_tags(nvml)


def requirements() -> str:
    """Return the versions of hpsearch and its dependencies in the format of `pip install -r`, one per line."""
    return "".join(f"{name}=={version}\n" for name, version in package_versions().items())


def uncommitted(outputs: Sequence[str | Path] = ()) -> dict[str, str]:
    """Return the uncommitted changes of the code that a command runs, as artifacts by name; none if all is committed.

    Covers the repository of the current folder, and that of hpsearch if it runs from a checkout of its own. A name
    contains a digest: equal changes are stored once, and those of a later start are added.

    Args:
        outputs: Folders that the command writes to, whose files are not code.
    """
    here, own = Path.cwd(), Path(hpsearch.__file__)
    folders = {_top(here): "working_folder"}
    # A virtual environment may lie inside a repository that does not track it.
    if _git(own.parent, "ls-files", "--error-unmatch", own.name) is not None:
        folders.setdefault(_top(own.parent), "hpsearch")
    diffs = {name: dirty_diff(folder, outputs) for folder, name in folders.items() if folder is not None}
    return {f"code/{name}-{digest(text)[:8]}.diff": text for name, text in diffs.items() if text}


def dirty_diff(directory: Path, outputs: Sequence[str | Path] = ()) -> str | None:
    """Return the working tree's diff to the commit, with secrets masked; None if it is clean or there is no git.

    Data files and untracked files are listed at the end by name only.

    Args:
        directory: A folder of the repository.
        outputs: Folders whose files are not code.
    """
    top = _top(directory)
    changes = _git(top, "status", "--porcelain") if top is not None else None
    if top is None or not changes:
        return None
    data = [f":(exclude,icase)*{ending}" for ending in DATA]
    diff = _git(top, "diff", "HEAD", *PLAIN, "--", ".", *data, limit=DIFF_BYTES)
    notes = [note for line in changes.splitlines() if (note := _note(top, line[:2], line[3:], outputs))]
    if len(notes) > MOST_NAMES:
        notes[MOST_NAMES:] = [f"and {len(notes) - MOST_NAMES} more"]
    if diff is None:
        notes.append(f"git diff failed or took more than {GIT_S} s: there may be other changes")
    return mask_text((diff or "") + "".join(f"# {note}\n" for note in notes)) or None


def _note(top: Path, state: str, name: str, outputs: Sequence[str | Path]) -> str:
    """Return the line about a changed file whose content is not shown; empty for other files."""
    if any((top / name).resolve().is_relative_to(Path(output).resolve()) for output in outputs):
        return ""
    if state == "??":
        return f"untracked: {name}"
    return f"changed data: {name}" if name.lower().endswith(DATA) else ""


def _top(directory: Path) -> Path | None:
    """Return the root of a repository with at least one commit; None if there is none."""
    output = _git(directory, "rev-parse", "--show-toplevel", "--verify", "HEAD")
    return None if output is None else Path(output.splitlines()[0])


def package_versions() -> dict[str, str]:
    """Return the installed version of hpsearch and of each of its dependencies."""
    try:
        needed = importlib.metadata.requires("hpsearch") or []
    except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
        needed = ["torch", "torchvision", "optuna", "mlflow", "hydra-core", "scikit-learn", "scipy", "numpy"]
    names = [match[0] for text in needed if "extra ==" not in text and (match := re.match(r"[\w.-]+", text))]
    versions = {name: _version(name) for name in ["hpsearch", *names]}
    return {name: version for name, version in versions.items() if version}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_tags(directory: Path) -> dict[str, str]:
    commit = _git(directory, "rev-parse", "HEAD")
    if commit is None:
        return {}
    changes = _git(directory, "status", "--porcelain") or ""
    return {"git_commit": commit.strip(), "git_dirty": "true" if changes.strip() else "false"}


def _git(directory: Path, *command: str, limit: int | None = None) -> str | None:
    """Return git's output, cut at `limit` bytes with a note; None if it failed or is not installed."""
    program = shutil.which("git")
    if program is None:
        return None
    # A repository's own settings may name programs to run; reading it must not execute them.
    safe = ["-c", "core.fsmonitor=false", "-c", "core.quotePath=true", "--no-optional-locks"]
    with tempfile.TemporaryFile() as out:  # a diff may be larger than memory
        try:
            done = subprocess.run(  # noqa: S603  # fixed arguments, no shell
                [program, *safe, *command],
                cwd=directory,
                stdout=out,
                stderr=subprocess.DEVNULL,
                timeout=GIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        size = out.seek(0, os.SEEK_END)
        out.seek(0)
        text = out.read(limit).decode("utf-8", "replace")
    if limit is not None and size > limit:
        text = f"{text}\n# cut here: {size:,} bytes in all\n"
    return text if done.returncode == 0 else None


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else platform.processor() or platform.machine()


def _gpu_tags(nvml: Any) -> dict[str, str]:
    handles = gpu_handles(nvml)
    if not handles:
        return {}
    try:
        names = [_text(nvml.nvmlDeviceGetName(handle)) for handle in handles]
        memory = [nvml.nvmlDeviceGetMemoryInfo(handle).total / GIB for handle in handles]
        driver = _text(nvml.nvmlSystemGetDriverVersion())
    finally:
        nvml.nvmlShutdown()
    gpus = ", ".join(f"{name} ({gib:.0f} GiB)" for name, gib in zip(names, memory, strict=True))
    return {"gpu": gpus, "gpu_driver": driver}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
