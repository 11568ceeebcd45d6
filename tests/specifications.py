"""What sweeps are that nobody has started, from the few facts that a test is about."""

from collections.abc import Callable, Mapping
from typing import Any

from hpsearch.records import NO_LEVEL
from hpsearch.search.levels import Level
from hpsearch.search.plan import Plan
from hpsearch.search.space import Composed, Space
from hpsearch.store.specification import DataFacts, Fingerprinted, Specification, StoredLevel

DIGITS = DataFacts("digits", 1438, "10 classes", None)


def stored_level(name: str, **facts: Any) -> StoredLevel:
    """A level that sets and draws nothing else."""
    return StoredLevel(**{"name": name, "options": {}, "values": {}, "config": {}, "draws": (), **facts})


def fingerprinted(**facts: Any) -> Fingerprinted:
    """What makes a sweep what it is, with these facts."""
    return Fingerprinted(**{"config": {}, "options": {}, "space": {}, "data": "3f2a9c1b" * 8, **facts})


def specification(name: str = "s", asked: Fingerprinted | None = None, **facts: Any) -> Specification:
    """A sweep of digits, with these facts."""
    asked = fingerprinted() if asked is None else asked
    given = {"named": True, "started_by": None, "fingerprint": "f", "data": DIGITS, "engine": "auto", "overrides": []}
    return Specification(**{"name": name, "fingerprinted": asked, "created_ms": 1, **given, **facts})


def single_level_plan(
    base: Composed, space: Space, compose: Callable[[Mapping[str, str]], Composed], data_digest: str
) -> Plan:
    """A sweep that compares nothing."""
    return Plan(base, (Level(NO_LEVEL, base, space, compose),), data_digest)
