"""What a training was done with, as far as it can change a result: the kind of device, and the code."""

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
"""Rooms that wire, show or keep: no digit of a comparison's records depends on them. From coarse to fine, the analysis
decides what is drawn, but nothing is compared there."""

NUMBERS = ("torch", "numpy", "optuna", "scikit-learn")
"""Packages that draw, split and train."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a training was done with.

    Attributes:
        device: Kind of device: `cpu`, `cuda`.
        code: Version and digest of hpsearch, and the versions of what draws, splits and trains:
            `0.1.0 (1f0c2b9a), torch 2.15.0, numpy 2.3.0, optuna 5.0.0, scikit-learn 1.7.0`.
    """

    device: str
    code: str

    @classmethod
    def here(cls, device: str) -> Self:
        """Of a training by this installation.

        Args:
            device: Kind of device.
        """
        return cls(device, code_version())

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self | None:
        """From `run.json`, or the tags of a run; None where it was not written down."""
        return cls(str(told["device"]), str(told["code"])) if {"device", "code"} <= told.keys() else None

    @property
    def tags(self) -> dict[str, str]:
        """For `run.json`, and for the tags of a run."""
        return {"device": self.device, "code": self.code}


@cache
def code_version() -> str:
    """Version of hpsearch with the beginning of the digest of its source, and those of the packages in `NUMBERS`."""
    packages = ", ".join(f"{name} {_version(name)}" for name in NUMBERS)
    return f"{__version__} ({digest_of_source(Path(__file__).parents[1])[:8]}), {packages}"


def digest_of_source(package: Path) -> str:
    """SHA-256 of all source files that can change a record, in hexadecimal.

    Args:
        package: The folder of hpsearch.
    """
    text = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0].removesuffix(".py") not in SILENT:
            text.update(name.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return text.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package).partition("+")[0]  # without the name of a build for one kind of device
    except PackageNotFoundError:  # put on the path without being installed
        return "unknown"
