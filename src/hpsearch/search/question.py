"""What a comparison asks, whatever it is called: to tell whether its answer was seen before it was put."""

from collections.abc import Mapping
from typing import Any

from hpsearch.config.run import uttered
from hpsearch.search.plan import digest

JUDGED_BY = ("metric", "delta", "alpha", "control")
"""Keys of `search` that decide what is said about the same retrainings."""


def question_of(frozen: Mapping[str, Any]) -> str:
    """A digest that is equal for comparisons of the same groups on the same rows, seeds and settings.

    Args:
        frozen: A specification with levels, see `Plan.specification`.
    """
    compared = {key.partition(".")[0] for level in frozen["levels"] for key in (*level["options"], *level["values"])}
    settings = {group: tree for group, tree in frozen["config"].items() if group not in {"search", *compared}}
    return digest({"data": frozen["data"], "settings": settings, "compared": sorted(compared)})[:16]


def asked_of(frozen: Mapping[str, Any]) -> dict[str, Any]:
    """How the answer is judged, and a digest of the levels.

    Args:
        frozen: A specification with levels.
    """
    search = uttered(frozen["config"])["search"]
    judged = {key: search[key] for key in JUDGED_BY}
    levels = {level["name"]: [level["options"], level["values"]] for level in frozen["levels"]}
    return {**judged, "levels": digest(levels)[:16]}


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What the later of two of the same question judges by something else, in words: `delta 0.01 instead of none`."""
    found = [
        f"{key} {_word(now[key])} instead of {_word(before.get(key))}"
        for key in JUDGED_BY
        if before.get(key) != now[key]
    ]
    return found + (["other levels"] if before.get("levels") != now["levels"] else [])


def _word(value: Any) -> str:
    return "none" if value is None else f"{value}"
