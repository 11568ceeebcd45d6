"""Provenance of a training: the kind of device and the code, as far as they can change results."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from hpsearch import __version__

SILENT = frozenset({
    "__main__", "analysis", "cli", "commands", "compose", "errors", "final", "formatting", "quoting", "report",
    "terminal", "tracking",
})  # fmt: skip
"""Packages and modules that cannot change the records of a comparison. The analysis affects coarse-to-fine searches,
which compare nothing."""

NUMBERS = ("torch", "numpy", "optuna", "scikit-learn")
"""Dependencies that sample, split and train."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Device and code of a training.

    Attributes:
        device: Kind of device: `cpu`, `cuda`.
        code: Version and digest of hpsearch, and versions of dependencies:
            `0.1.0 (1f0c2b9a), torch 2.15.0, numpy 2.3.0, optuna 5.0.0, scikit-learn 1.7.0`.
    """

    device: str
    code: str

    @classmethod
    def here(cls, device: str) -> Self:
        """Provenance of trainings by this installation on a kind of device."""
        return cls(device, code_version())

    @classmethod
    def read(cls, tags: Mapping[str, Any]) -> Self | None:
        """Provenance from `run.json` or the tags of a run; None if missing."""
        return cls(str(tags["device"]), str(tags["code"])) if {"device", "code"} <= tags.keys() else None

    @property
    def tags(self) -> dict[str, str]:
        """Entries of `run.json`, and tags of a run."""
        return {"device": self.device, "code": self.code}


@cache
def code_version() -> str:
    """Version of hpsearch with the start of its source digest, and versions of the packages in `NUMBERS`."""
    packages = ", ".join(f"{name} {_version(name)}" for name in NUMBERS)
    return f"{__version__} ({digest_of_source(Path(__file__).parents[1])[:8]}), {packages}"


def digest_of_source(package: Path) -> str:
    """SHA-256 (hexadecimal) of all source files of hpsearch's folder that can change a record."""
    text = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0].removesuffix(".py") not in SILENT:
            text.update(name.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return text.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package).partition("+")[0]  # without the build of a kind of device
    except PackageNotFoundError:  # on the path, but not installed
        return "unknown"
