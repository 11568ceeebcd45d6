"""What a comparison asks, whatever it is called: to tell whether its answer was seen before it was put."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from hpsearch.config.schema import with_defaults

JUDGED_BY = ("metric", "delta", "alpha", "control")
"""Keys of `search` that decide what is said about the same retrainings."""

COMPARABLE = 2
"""Levels that two comparisons share at least, if any pair is in both."""


def question_of(frozen: Mapping[str, Any]) -> str:
    """A digest that is equal for comparisons of the same groups or keys on the same rows, seeds and settings.

    How trials are drawn, from which spaces, and what is judged by, is not part of it, nor is which levels there are.

    Args:
        frozen: A specification with levels, see `Plan.specification`.
    """
    compared = {key for level in frozen["levels"] for key in (*level["options"], *level["values"])}
    kept = {name: tree for name, tree in frozen["config"].items() if name != "search" and name not in compared}
    settings = {name: _without(name, tree, compared) for name, tree in kept.items()}
    return digest({"data": frozen["data"], "settings": settings, "compared": sorted(compared)})[:16]


def _without(name: str, tree: Any, compared: set[str]) -> Any:
    """A group without the keys that levels set, and the options without those of compared groups and of the search."""
    if not isinstance(tree, Mapping):
        return tree
    if name == "options":
        return {group: option for group, option in tree.items() if group not in {*compared, "search"}}
    return {key: value for key, value in tree.items() if f"{name}.{key}" not in compared}


def judgement_of(frozen: Mapping[str, Any]) -> dict[str, Any]:
    """How the answer is judged, and a digest of each level, sorted.

    Args:
        frozen: A specification with levels.
    """
    search = with_defaults(frozen["config"])["search"]
    judged = {key: search[key] for key in JUDGED_BY}
    return {**judged, "levels": sorted(digest([level["options"], level["values"]])[:8] for level in frozen["levels"])}


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
