"""What a sweep ran on and with: code, packages, machine. No environment variables; described once per sweep."""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pynvml

from hpsearch.secrets import mask_text
from hpsearch.tracking.system import gpu_handles

GIB = 2**30
GIT_S = 10
"""Longest wait for git, which may sit on a slow file system."""
DIFF_LENGTH = 1_000_000


def describe(directory: Path | None = None, nvml: Any = pynvml) -> dict[str, str]:
    """Tags of a sweep: git commit, Python and packages, platform, CPU, memory, GPUs.

    Args:
        directory: Where to look for a git repository; the current directory if None.
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
    tags |= _gpu_tags(nvml)
    return tags | {f"package/{name}": version for name, version in package_versions().items()}


def dirty_diff(directory: Path | None = None) -> str | None:
    """What the working tree changes against the commit, secrets masked; None if it is clean or there is no git.

    Files that git does not know are named at the end, without their content.
    """
    where = directory or Path.cwd()
    changed = _git(where, "diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color")
    unknown = _git(where, "ls-files", "--others", "--exclude-standard")
    text = (changed or "") + "".join(f"# untracked: {name}\n" for name in (unknown or "").splitlines())
    if len(text) > DIFF_LENGTH:
        text = f"{text[:DIFF_LENGTH]}\n# cut here: {len(text)} characters in all\n"
    return mask_text(text) or None


def package_versions() -> dict[str, str]:
    """The installed version of hpsearch and of each package that it depends on."""
    try:
        needed = importlib.metadata.requires("hpsearch") or []
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
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


def _git(directory: Path, *command: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    # A repository's own settings may name programs; describing it must run none of them.
    safe = ["-c", "core.fsmonitor=false", "-c", "core.quotePath=true", "--no-optional-locks"]
    try:
        done = subprocess.run(  # noqa: S603  # fixed arguments, no shell
            [program, *safe, *command], cwd=directory, capture_output=True, timeout=GIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


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
