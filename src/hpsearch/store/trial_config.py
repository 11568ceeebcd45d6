"""Representations of a trial's configuration in records and runs."""

import functools
import json
from collections.abc import Mapping
from typing import Any

import yaml

from hpsearch.config import Config
from hpsearch.config.schema import UNCOVERED
from hpsearch.records import Value
from hpsearch.secrets import filled, mask_secrets


def option_params(config: Config) -> dict[str, Value]:
    """All chosen options and values, flat: `{"optimizer": "adam", "optimizer.adam.lr": 0.001, …}`.

    Paths and settings that change no result are left out.
    """
    tree = mask_secrets(config.to_tree())
    params: dict[str, Value] = {"seed": config.seed}
    for group, option in sorted(config.options.items()):
        if group in ("execution", "tracking", "search"):
            continue
        params[group] = option
        for name, value in tree[group].items():
            if name not in ("kind", "path"):
                params[f"{group}.{option}.{name}"] = value
    return params


def config_text(config: Config) -> str:
    """The configuration as YAML, without keys that change no result."""
    return "".join(_entry_text(json.dumps({key: entry})) for key, entry in config.fingerprinted().items())


@functools.lru_cache(maxsize=1024)
def _entry_text(entry: str) -> str:
    """One top-level key as YAML, from JSON; cached, since most keys are equal in all trials of a sweep."""
    text: str = yaml.dump(json.loads(entry), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    return text


def stored_config(tree: Mapping[str, Any], asked: Config, given: Mapping[str, Any] | None = None) -> Config:
    """A stored configuration, completed by the current command's settings that change no result.

    Args:
        tree: The stored tree, fingerprinted keys only.
        asked: The current command's configuration.
        given: The current command line as a nested dictionary, from which secrets are filled in.
    """
    now = asked.to_tree()
    full = {**now, **tree, **{key: now[key] for key in UNCOVERED if key in now}}
    return Config.from_tree(filled({**full, "search": {**full["search"], "trials": 1}}, given))
