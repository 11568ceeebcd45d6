"""The specification of a sweep, as stored in `sweep.json`, and the question that a comparison asks."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Self, TypeVar

from hpsearch.config.conversion import to_tree
from hpsearch.config.schema import with_defaults

T = TypeVar("T")

JUDGED_BY = ("metric", "delta", "alpha", "control")
"""Keys of `search` that affect the conclusions from the same retrainings."""

COMPARABLE = 2
"""Minimum number of levels that two comparisons with a common pair share."""


@dataclass(frozen=True, slots=True)
class StoredLevel:
    """One level of a comparison.

    Attributes:
        name: Name of the level.
        options: The options that it sets, by group.
        values: The values that it sets, by key.
        config: Its configuration, fingerprinted keys only.
        draws: Full names of the values that its trials draw.
    """

    name: str
    options: Mapping[str, str]
    values: Mapping[str, Any]
    config: Mapping[str, Any]
    draws: Sequence[str]

    @property
    def settings(self) -> dict[str, Any]:
        """All options and values that it sets, by group or key."""
        return {**self.options, **self.values}


@dataclass(frozen=True, slots=True)
class Fingerprinted:
    """Everything that the fingerprint of a sweep covers.

    Attributes:
        config: The configuration with no option varied, fingerprinted keys only.
        options: The configuration of each option that a trial may take, by `group.option`.
        space: The dimensions, by `group.option`, then by name.
        data: Digest of the development and the sealed rows.
        levels: The compared levels, in the given order; empty if nothing is compared.
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
        """The value of a tree from `to_tree`."""
        return _read(cls, {**tree, "levels": tuple(_read(StoredLevel, level) for level in tree.get("levels", ()))})

    def to_tree(self) -> dict[str, Any]:
        """The plain tree whose digest is the fingerprint."""
        return _plain(self, "levels", "code")

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of the tree in canonical JSON."""
        return digest(self.to_tree())

    @property
    def compared(self) -> set[str]:
        """Groups and keys that levels set."""
        return {key for level in self.levels for key in level.settings}


@dataclass(frozen=True, slots=True)
class SealedRows:
    """The sealed test set: number of rows, digest, and number of rows with the inputs of a development row."""

    rows: int
    digest: str
    duplicates: int


@dataclass(frozen=True, slots=True)
class DataFacts:
    """Facts about the data of a sweep.

    Attributes:
        name: Name of the data set.
        development_rows: Number of development rows.
        targets: `10 classes`, `numbers`, or `2 targets`, or `3 labels`.
        test: The sealed test set; None if there is none.
        input_shape: Shape of one row of inputs.
        outputs: Number of outputs of the network.
        input_second_moment: Mean square of the scaled inputs.
        inputs: Description of the columns of a user's own table.
        notes: How a file was read, one sentence each.
        warnings: Warnings about columns, one sentence each.
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
        """Number of classes; 0 for regression."""
        return int(self.targets.split()[0]) if self.targets.endswith("classes") else 0


@dataclass(frozen=True, slots=True)
class Specification:
    """The content of `sweep.json`.

    Attributes:
        name: Name of the sweep.
        named: Whether `name=` was given.
        started_by: The option of `+sweep=` that started it; None for a single configuration.
        fingerprint: Digest of `fingerprinted`.
        fingerprinted: Everything that identifies the sweep.
        data: Facts about its data.
        engine: Its engine, as `engine_text` returns it.
        overrides: The command line that started it, secrets masked.
        created_ms: Creation time, milliseconds since 1970.
        description: The user's description.
        version: Version of hpsearch that started it.
        device: Kind of device that it runs on; None before it has run.
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
        """The specification of a tree from `to_tree`.

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
        """Distinguishes this sweep from others of the same name, here or on a shared server."""
        return f"{self.fingerprint[:16]}-{self.created_ms}"

    def is_default_of(self, option: str | None) -> bool:
        """Whether `+sweep=<option>` without `name=` started this sweep."""
        return self.started_by == option and not self.named


def _read(kind: type[T], tree: Mapping[str, Any]) -> T:
    """A dataclass from a tree whose nested values are built already; keys of later versions are ignored."""
    every = fields(kind)  # type: ignore[arg-type]  # a dataclass
    needed = [f.name for f in every if f.default is MISSING and f.default_factory is MISSING]
    if missing := [name for name in needed if name not in tree]:
        raise ValueError(f"without {', '.join(missing).replace('fingerprinted', 'specification')}")
    return kind(**{f.name: tree[f.name] for f in every if f.name in tree})


def _plain(value: Any, *optional: str) -> dict[str, Any]:
    """The fields of a dataclass as a plain tree, without empty optional ones."""
    return {key: part for key, part in to_tree(value).items() if key not in optional or part not in (None, [], {})}


def question_of(asked: Fingerprinted) -> str:
    """A digest that is equal for comparisons of the same groups or keys with the same rows, seeds and settings.

    Sampling, spaces, the criteria of judgement and the levels are not part of it.
    """
    compared = asked.compared
    kept = {name: tree for name, tree in asked.config.items() if name != "search" and name not in compared}
    settings = {name: _without(name, tree, compared) for name, tree in kept.items()}
    return digest({"data": asked.data, "settings": settings, "compared": sorted(compared)})[:16]


def _without(name: str, tree: Any, compared: set[str]) -> Any:
    """A node without the keys that levels set; `options` without the compared groups and the search."""
    if not isinstance(tree, Mapping):
        return tree
    if name == "options":
        return {group: option for group, option in tree.items() if group not in {*compared, "search"}}
    return {key: value for key, value in tree.items() if f"{name}.{key}" not in compared}


def judgement_of(asked: Fingerprinted) -> dict[str, Any]:
    """The criteria by which a comparison is judged, and a digest of each level, sorted."""
    search = with_defaults(asked.config)["search"]
    levels = sorted(digest([level.options, level.values])[:8] for level in asked.levels)
    return {**{key: search[key] for key in JUDGED_BY}, "levels": levels}


def overlaps(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether two comparisons have a pair of levels in common."""
    return len(set(before["levels"]) & set(now["levels"])) >= COMPARABLE


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Differences of the criteria of two comparisons of the same question: `delta 0.01 instead of none`."""
    was, becomes = ({key: "none" if each[key] is None else each[key] for key in JUDGED_BY} for each in (before, now))
    changed = [f"{key} {becomes[key]} instead of {was[key]}" for key in JUDGED_BY if before[key] != now[key]]
    return changed + (["other levels"] if before["levels"] != now["levels"] else [])


def digest(tree: Any) -> str:
    """SHA-256 (hexadecimal) of a plain tree in canonical JSON."""
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
