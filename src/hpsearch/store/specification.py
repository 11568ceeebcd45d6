"""What a sweep is, as `sweep.json` keeps it, and what a comparison asks, to tell whether its answer was seen before."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self, TypeVar

from hpsearch.config.conversion import to_tree
from hpsearch.config.schema import with_defaults

T = TypeVar("T")

JUDGED_BY = ("metric", "delta", "alpha", "control")
"""Keys of `search` that decide what is said about the same retrainings."""

COMPARABLE = 2
"""Levels that two comparisons share at least, if any pair is in both."""


@dataclass(frozen=True, slots=True)
class StoredLevel:
    """One value of what is compared.

    Attributes:
        name: Of the level.
        options: The options that it sets, by group.
        values: The values that it sets, by key.
        config: Its configuration, fingerprinted keys only.
        draws: Full names of what its trials draw.
    """

    name: str
    options: Mapping[str, str]
    values: Mapping[str, Any]
    config: Mapping[str, Any]
    draws: Sequence[str]

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that it sets, by group or key."""
        return {**self.options, **self.values}


@dataclass(frozen=True, slots=True)
class Fingerprinted:
    """What makes a sweep what it is: everything that its fingerprint covers.

    Attributes:
        config: The configuration with no option varied, fingerprinted keys only.
        options: The configuration of each option that a trial may take, by `group.option`.
        space: What describes each dimension, by `group.option`, then by name.
        data: Digest of the development and the sealed rows.
        levels: What is compared, in the order given; empty where nothing is.
        code: Digests of the source files of the user's own code, by import path.
    """

    config: Mapping[str, Any]
    options: Mapping[str, Any]
    space: Mapping[str, Mapping[str, Mapping[str, Any]]]
    data: str
    levels: Sequence[StoredLevel] = ()
    code: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Self:
        """What `to_tree` gave."""
        return _read(cls, {**tree, "levels": tuple(_read(StoredLevel, level) for level in tree.get("levels", ()))})

    def to_tree(self) -> dict[str, Any]:
        """The plain tree that the fingerprint is the digest of."""
        return _plain(self, "levels", "code")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the tree in canonical JSON, in hexadecimal."""
        return digest(self.to_tree())

    @property
    def compared(self) -> set[str]:
        """The groups and keys that levels set."""
        return {key for level in self.levels for key in level.settings}


@dataclass(frozen=True, slots=True)
class SealedRows:
    """The sealed test set: number of its rows, digest, and how many have the inputs of a development row."""

    rows: int
    digest: str
    duplicates: int


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What is known of the rows of a sweep before it runs.

    Attributes:
        name: Of the data set.
        development_rows: Number of rows that may be searched on.
        targets: `10 classes`, or `numbers`.
        test: The sealed test set; None if there is none.
        input_shape: Of one row.
        outputs: Width of the network's last layer.
        input_second_moment: Mean square of the inputs as a network sees them.
        inputs: The columns of a user's own table, in words.
        notes: How a file was read, sentence by sentence.
        warnings: What is odd about its columns, sentence by sentence.
    """

    name: str
    development_rows: int
    targets: str
    test: SealedRows | None
    input_shape: Sequence[int] | None = None
    outputs: int | None = None
    input_second_moment: float | None = None
    inputs: str | None = None
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()

    @property
    def classes(self) -> int:
        """Number of classes; 0 where targets are numbers."""
        return int(self.targets.split()[0]) if self.targets.endswith("classes") else 0


@dataclass(frozen=True, slots=True)
class Specification:
    """A sweep as `sweep.json` keeps it.

    Attributes:
        name: Of the sweep.
        named: Whether `name=` was given.
        started_by: The option of `+sweep=` that started it; None for a single configuration.
        fingerprint: Digest of what makes it what it is.
        fingerprinted: What makes it what it is.
        data: Facts of its rows.
        engine: What trains it, as `engine_text` gives it.
        overrides: The command line that started it, secrets masked.
        created_ms: When it was named, in milliseconds since 1970.
        description: The user's own words.
        version: Of hpsearch, that started it.
        device: The kind of device that it runs on; None before it has run.
    """

    name: str
    named: bool
    started_by: str | None
    fingerprint: str
    fingerprinted: Fingerprinted
    data: DataFacts
    engine: str
    overrides: Sequence[str]
    created_ms: int
    description: str | None = None
    version: str = "unknown"
    device: str | None = None

    @classmethod
    def from_tree(cls, tree: Any) -> Self:
        """What `to_tree` gave.

        Raises:
            ValueError: If keys are missing: `without named, started_by`.
        """
        given = dict(tree) if isinstance(tree, dict) else {}
        parts: dict[str, Any] = {}
        if "specification" in given:
            parts["fingerprinted"] = Fingerprinted.from_tree(given["specification"])
        if "data" in given:
            test = given["data"].get("test")
            parts["data"] = _read(DataFacts, {**given["data"], "test": test and _read(SealedRows, test)})
        return _read(cls, {**given, **parts})

    def to_tree(self) -> dict[str, Any]:
        """The body of `sweep.json`."""
        tree = _plain(self, "device")
        del tree["fingerprinted"]
        optional = ("input_shape", "outputs", "input_second_moment", "inputs", "notes", "warnings")
        return {**tree, "specification": self.fingerprinted.to_tree(), "data": _plain(self.data, *optional)}

    @property
    def identity(self) -> str:
        """What tells this sweep from another one of the same name, here or on a shared server."""
        return f"{self.fingerprint[:16]}-{self.created_ms}"

    def is_default_of(self, option: str | None) -> bool:
        """Whether `+sweep=<option>` without `name=` started this sweep."""
        return self.started_by == option and not self.named


def _read(kind: type[T], tree: Mapping[str, Any]) -> T:
    """The value of one tree whose parts are read; keys that a later version has added are passed over."""
    known = fields(kind)  # type: ignore[arg-type]  # a dataclass
    needed = [f.name for f in known if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in needed if name not in tree]:
        raise ValueError(f"without {', '.join(missing).replace('fingerprinted', 'specification')}")
    return kind(**{f.name: tree[f.name] for f in known if f.name in tree})


def _plain(value: Any, *optional: str) -> dict[str, Any]:
    """The fields of a value as a plain tree, without those optional ones that say nothing."""
    return {key: part for key, part in to_tree(value).items() if key not in optional or part not in (None, [], {})}


def question_of(asked: Fingerprinted) -> str:
    """A digest that is equal for comparisons of the same groups or keys on the same rows, seeds and settings.

    How trials are drawn, from which spaces, and what is judged by, is not part of it, nor is which levels there are.
    """
    compared = asked.compared
    kept = {name: tree for name, tree in asked.config.items() if name != "search" and name not in compared}
    settings = {name: _without(name, tree, compared) for name, tree in kept.items()}
    return digest({"data": asked.data, "settings": settings, "compared": sorted(compared)})[:16]


def _without(name: str, tree: Any, compared: set[str]) -> Any:
    """A group without the keys that levels set, and the options without those of compared groups and of the search."""
    if not isinstance(tree, Mapping):
        return tree
    if name == "options":
        return {group: option for group, option in tree.items() if group not in {*compared, "search"}}
    return {key: value for key, value in tree.items() if f"{name}.{key}" not in compared}


def judgement_of(asked: Fingerprinted) -> dict[str, Any]:
    """How the answer of a comparison is judged, and a digest of each level, sorted."""
    search = with_defaults(asked.config)["search"]
    levels = sorted(digest([level.options, level.values])[:8] for level in asked.levels)
    return {**{key: search[key] for key in JUDGED_BY}, "levels": levels}


def overlaps(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether any pair of levels is in both."""
    return len(set(before["levels"]) & set(now["levels"])) >= COMPARABLE


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What the later of two of the same question judges by something else, in words: `delta 0.01 instead of none`."""
    found = [f"{key} {_word(now[key])} instead of {_word(before[key])}" for key in JUDGED_BY if before[key] != now[key]]
    return found + (["other levels"] if before["levels"] != now["levels"] else [])


def _word(value: Any) -> str:
    return "none" if value is None else f"{value}"


def digest(tree: Any) -> str:
    """SHA-256 of a plain tree in canonical JSON, in hexadecimal."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """One line for each key in which two plain trees differ: `optimizer.lr: 0.1 -> 0.2`."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted(old.keys() | new.keys()):
            inner = f"{path}.{key}" if path else str(key)
            if key not in old:
                lines.append(f"{inner}: new, {new[key]!r}")
            elif key not in new:
                lines.append(f"{inner}: gone, was {old[key]!r}")
            else:
                lines += differences(old[key], new[key], inner)
        return lines
    return [] if old == new else [f"{path}: {old!r} -> {new!r}"]
