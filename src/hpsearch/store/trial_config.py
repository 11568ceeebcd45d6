"""Representations of a trial's configuration in records and runs."""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import yaml

from hpsearch.config import KINDS, Config
from hpsearch.config.schema import SEARCHABLE, UNCOVERED, with_defaults
from hpsearch.records import Value
from hpsearch.secrets import filled, mask_secrets


def option_params(config: Config) -> dict[str, Value]:
    """All chosen options and values, flat: `{"optimizer": "adam", "optimizer.adam.lr": 0.001, …}`.

    A value that several options of its group have stands under its `shared_name`, too, which is one axis for all of
    them: `{"lr": 0.001, …}`. Paths and settings that change no result are left out.
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
                shared = shared_name(f"{group}.{option}.{name}")
                if shared and value is not None:
                    params[shared] = value
    return params


def shared_name(name: str) -> str | None:
    """The last part of a value's name, `lr` of `optimizer.adam.lr`, if several kinds of its group have such a value.

    None if no other kind has it, another group has one of this name, or it is no value of an option.
    """
    group, _, rest = name.partition(".")
    last = rest.partition(".")[2]
    groups = _groups_sharing().get(last, [])
    return last if len(groups) > 1 and set(groups) == {group} else None


def common_axes(names: Sequence[str]) -> list[str]:
    """Names of drawn values, where those that share a name are replaced by it: one column for all learning rates."""
    shared = [shared_name(name) for name in names]
    axes = [own if own and shared.count(own) > 1 else name for name, own in zip(names, shared, strict=True)]
    return list(dict.fromkeys(axes))


@functools.cache
def _groups_sharing() -> dict[str, list[str]]:
    """The groups that have a value of this name, once for each of their kinds that has it, where kinds differ."""
    groups: dict[str, list[str]] = {}
    for group in SEARCHABLE:
        if len(set(KINDS[group].values())) == 1:
            continue  # all its options have all keys
        for kind in KINDS[group].values():
            for name in (f.name for f in fields(kind) if f.init):
                groups.setdefault(name, []).append(group)
    return groups


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
    full = {**now, **with_defaults(tree), **{key: now[key] for key in UNCOVERED if key in now}}
    return Config.from_tree(filled({**full, "search": {**full["search"], "trials": 1}}, given))
