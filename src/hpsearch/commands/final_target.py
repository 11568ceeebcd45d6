"""Selects the trial that a `+final` command evaluates, and checks the command against the stored sweep."""

import copy
from collections.abc import Mapping
from typing import Any

from hpsearch.compose.composer import Composer
from hpsearch.compose.overrides import SpaceEdit
from hpsearch.config import Config, ConfigError
from hpsearch.config.schema import UNCOVERED
from hpsearch.final.frozen_champion import Chosen, frozen_champion
from hpsearch.formatting import number_of
from hpsearch.quoting import command_line
from hpsearch.search.space import Composed
from hpsearch.search.sweep_identity import SweepIdentity, find_sweep, require_sweeps, require_target
from hpsearch.secrets import masked_keys
from hpsearch.store.champion_selection import find_champion
from hpsearch.store.record_json import Record
from hpsearch.store.trial_config import stored_config
from hpsearch.tracking.run_format import Attempt


def _contradictions(edit: SpaceEdit, space: Mapping[str, Mapping[str, Any]], sweep: str) -> list[str]:
    """Return one message per bound of an edit that differs from the stored dimensions."""
    key = f"{edit.group}.space.{edit.name}"
    stored = [names[edit.name] for o, names in space.items() if o.split(".")[0] == edit.group and edit.name in names]
    if not stored:
        return [f"{key} contradicts sweep {sweep!r}, which does not draw {edit.group}.{edit.name}"]
    bounds = edit.value if edit.bound is None and isinstance(edit.value, Mapping) else {edit.bound or "": edit.value}
    messages = [
        f"{key}{bound and f'.{bound}'}={value} contradicts sweep {sweep!r}, which has {_show(dimension, bound)}"
        for bound, value in bounds.items()
        for dimension in stored
        if not _has(dimension, bound, value)
    ]
    return list(dict.fromkeys(messages))


def _has(dimension: Mapping[str, Any], bound: str, value: Any) -> bool:
    if bound == "choices":
        return bool(dimension.get("values") == value)
    if bound == "high" and dimension.get("step") and isinstance(value, int | float):
        return bool(0 <= value - dimension["high"] < dimension["step"])  # stored as the last step below
    return bound in dimension and bool(dimension[bound] == value)


def _show(dimension: Mapping[str, Any], bound: str) -> Any:
    if "values" in dimension:
        return f"choices {dimension['values']}"
    return dimension[bound] if bound in dimension else f"{dimension['low']} to {dimension['high']}"


def plan_final(composer: Composer, base: Composed) -> Chosen | None:
    """Return the trial to evaluate; None if that takes a tracking store, because `final.run` is set.

    Raises:
        ConfigError: As `choose`, or if no sweep is named, or there is none at all.
    """
    require_target(base.config, base.actions["final"])
    require_sweeps(base.config)
    return choose(composer, base.config, None) if base.config.final.run is None else None


def choose(composer: Composer, current: Config, wanted: Attempt | None) -> Chosen:
    """Return the wanted trial, else the champion of the named sweep.

    Raises:
        ConfigError: If there is no such sweep or trial, the sweep is not finished, or the command contradicts it.
    """
    named = find_sweep(current, wanted.sweep if wanted else None)
    records = named.store.records()
    champion = records.get((wanted.level, wanted.k)) if wanted else find_champion(records.values())
    if champion is None or champion.result.score is None:
        source = f"run {current.final.run}" if wanted else f"sweep {named.name!r}"
        raise ConfigError(f"{source} has no trial that learned something: there is nothing to evaluate")
    note = None
    if wanted is None:
        acknowledged = composer.overrides.values.get("search.trials") == f"++search.trials={len(records)}"
        if len(records) < named.store.requested() and not acknowledged:
            raise ConfigError(
                f"sweep {named.name!r} has {len(records)} of {number_of(named.store.requested(), 'trial')}: finish it "
                f"by {command_line(named.specification.overrides)}, or add search.trials={len(records)} to evaluate "
                "the best of what is there"
            )
        champion, note = frozen_champion(named, records, champion)
    config = _champion_config(composer, current, champion, named)
    _refuse_contradictions(composer, config, named)
    return Chosen(named, champion, config, len(records), note)


def _champion_config(composer: Composer, current: Config, champion: Record, named: SweepIdentity) -> Config:
    """Return the champion's configuration, with this command's secrets and settings that do not affect results."""
    config = stored_config(champion.config_tree, current, _with_values({}, composer.given_values()))
    tree = {key: node for key, node in config.to_tree().items() if key not in ("search", *UNCOVERED)}
    if masked := masked_keys(tree):
        raise ConfigError(
            *(f"{key} of sweep {named.name!r} is a secret, which is not stored: give it, {key}=…" for key in masked)
        )
    return config


def _refuse_contradictions(composer: Composer, config: Config, named: SweepIdentity) -> None:
    """Refuse overrides that differ from the stored specification."""
    stored = config.to_tree()
    problems = [
        f"{group}={option} contradicts sweep {named.name!r}, which has {stored['options'][group]}"
        for group, option in composer.overrides.options.items()
        if group not in UNCOVERED and stored["options"].get(group, option) != option
    ]
    if problems:
        raise ConfigError(*problems)
    given = {key: value for key, value in composer.given_values().items() if key.split(".")[0] not in UNCOVERED}
    given.pop("search.trials", None)
    now = Config.from_tree(_with_values(stored, given)).to_tree()
    for key in given:
        if (old := _at(stored, key)) != (new := _at(now, key)):
            problems.append(f"{key}={new} contradicts sweep {named.name!r}, which has {old}")
    for edit in composer.overrides.edits:
        problems += _contradictions(edit, named.specification.fingerprinted.space, named.name)
    if problems:
        raise ConfigError(*problems)


def _with_values(tree: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(tree)
    for key, value in given.items():
        *groups, last = key.split(".")
        node = changed
        for group in groups:
            inner = node.get(group)
            node[group] = node = inner if isinstance(inner, dict) else {}
        node[last] = value
    return changed


def _at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
