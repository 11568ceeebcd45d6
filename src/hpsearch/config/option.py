"""What every option of every config group has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from hpsearch.config.bounds import check_bounds


@dataclass(kw_only=True, slots=True)
class Option:
    """One option of one config group.

    Attributes:
        group: The config group.
        replaces: A key that may be null, and the keys that are not read where it is not.
        fingerprint_defaults: Keys that came later than the first records, and the value with which they say nothing:
            fingerprints leave them out where they have it, and trees may lack them, so that earlier sweeps go on.
        kind: Names the class, as `KINDS` lists it.
    """

    group: ClassVar[str]
    replaces: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {}
    kind: str

    def __post_init__(self) -> None:
        check_bounds(self, f"{self.group}.")
