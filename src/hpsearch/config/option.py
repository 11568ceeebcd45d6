"""What every option of every config group has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

AUTO = object()
"""Annotates a key that may be given as `auto`, which stands for null."""


@dataclass(kw_only=True, slots=True)
class Option:
    """One option of one config group.

    Attributes:
        group: The config group.
        stands_in: A key that may be null, and the keys that are not read where it is not.
        quiet: Keys that came later than the first records, with the value that means what there was before: with it
            they are left out of what a fingerprint covers, so that earlier sweeps go on.
        kind: Names the class, as `KINDS` lists it.
    """

    group: ClassVar[str]
    stands_in: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    quiet: ClassVar[Mapping[str, Any]] = {}
    kind: str
