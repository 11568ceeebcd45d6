"""How the configuration of a trial is written down beside its results."""

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
    """Every option that was chosen and every value, flat; a value's name carries its option.

    `{"optimizer": "adam", "optimizer.adam.lr": 0.001, …}`. Paths and settings that change no result are left out.
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
    """The configuration of a trial as YAML, without the keys that change no result."""
    return "".join(_entry_text(json.dumps({key: entry})) for key, entry in config.fingerprinted().items())


@functools.lru_cache(maxsize=1024)
def _entry_text(entry: str) -> str:
    """One key with what is below it as YAML, from JSON; most keys are alike in all trials of a sweep."""
    text: str = yaml.dump(json.loads(entry), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True)
    return text


def stored_config(tree: Mapping[str, Any], asked: Config, given: Mapping[str, Any] | None = None) -> Config:
    """A stored configuration, with this command's settings where they change no result.

    Args:
        tree: What is stored: fingerprinted keys only.
        asked: This command's settings.
        given: What its command line gives, nested: secrets, which are not stored, are read from there.
    """
    now = asked.to_tree()
    full = {**now, **tree, **{key: now[key] for key in UNCOVERED if key in now}}
    return Config.from_tree(filled({**full, "search": {**full["search"], "trials": 1}}, given))
