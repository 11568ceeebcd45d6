"""Base class of all options, and the properties of a config group."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hpsearch.config.bounds import check_bounds


@dataclass(kw_only=True, slots=True)
class Option:
    """One option of one config group.

    Attributes:
        group: The config group.
        replaces: A key that may be null, and the keys that are ignored if it is not.
        fingerprint_defaults: Neutral values of keys that were added after the first release of records. Fingerprints
            leave out keys with this value, and stored trees may lack them, so that earlier sweeps can be resumed.
        kind: Name of the class in the group's `kinds`.
    """

    group: ClassVar[str]
    replaces: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {}
    kind: str

    def __post_init__(self) -> None:
        check_bounds(self, f"{self.group}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionGroup:
    """A config group and its properties.

    Attributes:
        name: Name as in `optimizer=adam`, and of a field of `Config`.
        kinds: Class of each `kind` in the option files.
        searchable: Whether trials may take other options of it, and levels be compared by them.
        tunable: Whether the spaces of its options can be sampled.
        fingerprinted: Whether it is part of the fingerprint.
        fingerprint_default: Neutral option (named as its kind) of a group that was added after the first release of
            records; see `Option.fingerprint_defaults`.
        shapes_fleet: Whether fits of one fleet must agree in it, except for the following keys.
        per_member: Keys that may differ between members of a fleet.
        per_member_if_any: Numbers that may differ between members, provided that all or none have them, since they
            change the program.
        unread_by: Kinds of model that ignore it.
        in_design: Whether the design table of a report shows its option.
        confounds: Whether it controls how much or how long a level is trained, or how it is scored.
    """

    name: str
    kinds: Mapping[str, type[Option]] = field(repr=False)
    searchable: bool = False
    tunable: bool = False
    fingerprinted: bool = True
    fingerprint_default: Option | None = None
    shapes_fleet: bool = False
    per_member: tuple[str, ...] = ()
    per_member_if_any: tuple[str, ...] = ()
    unread_by: frozenset[str] = frozenset()
    in_design: bool = False
    confounds: bool = False


recipe_group = functools.partial(OptionGroup, searchable=True, tunable=True, in_design=True)
"""Creates a group that is part of the recipe of a training."""
