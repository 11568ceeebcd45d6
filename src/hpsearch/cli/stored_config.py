"""A configuration as a sweep has stored it."""

from collections.abc import Mapping
from typing import Any

from hpsearch.config import Config
from hpsearch.config.run import UNCOVERED, uttered


def stored_config(tree: Mapping[str, Any], asked: Config) -> Config:
    """A stored configuration, with this command's settings where they change no result."""
    now = asked.to_tree()
    full = {**now, **uttered(tree), **{key: now[key] for key in UNCOVERED if key in now}}
    return Config.from_tree({**full, "search": {**full["search"], "trials": 1}})
