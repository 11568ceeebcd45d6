"""What every option of every config group has, and what there is to know about a group."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
        kind: Names the class, as the group's `kinds` list it.
    """

    group: ClassVar[str]
    replaces: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    fingerprint_defaults: ClassVar[Mapping[str, Any]] = {}
    kind: str

    def __post_init__(self) -> None:
        check_bounds(self, f"{self.group}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionGroup:
    """One config group: its kinds of options, and all that other rooms must know about it.

    Attributes:
        name: As in `optimizer=adam`; the schema of a run has a field of this name.
        kinds: The class of each `kind` that an option file may name.
        searchable: Trials may take other options of it, and levels be compared by them.
        tunable: The spaces of its options can be sampled.
        fingerprinted: It changes what a sweep is.
        fingerprint_default: Of a group that came later than the first records, the option, called as its kind, with
            which it says nothing: see `Option.fingerprint_defaults`.
        shapes_fleet: Fits that differ in it cannot train in one fleet, but for the keys that follow.
        per_member: Keys that each member of a fleet has for itself.
        per_member_if_any: Numbers that each member has for itself, but all have them or none has: they change the
            program.
        unread_by: Kinds of model that it does not reach.
        in_design: The design table of a report names its option.
        confounds: It says how much and how long a level is trained, or how it is scored.
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
