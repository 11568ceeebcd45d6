"""Which trial a `+final` command evaluates, with its configuration, its data and its sealed test set."""

import copy
from collections.abc import Mapping
from typing import Any

from hpsearch.compose.composer import Composer
from hpsearch.compose.overrides import SpaceEdit
from hpsearch.config import Config, ConfigError
from hpsearch.config.schema import UNCOVERED
from hpsearch.final.frozen_champion import Chosen, _frozen_champion
from hpsearch.formatting import number_of
from hpsearch.quoting import command_line
from hpsearch.search.space import Composed
from hpsearch.search.sweep_identity import SweepIdentity, find_sweep, require_sweeps, require_target
from hpsearch.secrets import masked_keys
from hpsearch.store.champion_selection import find_champion
from hpsearch.store.record_json import Record
from hpsearch.store.trial_config import stored_config
from hpsearch.tracking.run_format import Attempt


def contradictions(edit: SpaceEdit, space: Mapping[str, Mapping[str, Any]], sweep: str) -> list[str]:
    """One sentence for each bound that the sweep does not have; none where it has them all.

    Args:
        edit: `<group>.space.<name>[.<bound>]=value`.
        space: The stored dimensions: `group.option` to name to what describes one.
        sweep: Its name.
    """
    key = f"{edit.group}.space.{edit.name}"
    drawn = [names[edit.name] for own, names in space.items() if own.split(".")[0] == edit.group and edit.name in names]
    if not drawn:
        return [f"{key} contradicts sweep {sweep!r}, which does not draw {edit.group}.{edit.name}"]
    bounds = edit.value if edit.bound is None and isinstance(edit.value, Mapping) else {edit.bound or "": edit.value}
    found = [
        f"{key}{bound and f'.{bound}'}={value} contradicts sweep {sweep!r}, which has {_show(dimension, bound)}"
        for bound, value in bounds.items()
        for dimension in drawn
        if not _has(dimension, bound, value)
    ]
    return list(dict.fromkeys(found))


def _has(dimension: Mapping[str, Any], bound: str, value: Any) -> bool:
    if bound == "choices":
        return bool(dimension.get("values") == value)
    if bound == "high" and dimension.get("step") and isinstance(value, int | float):
        return bool(0 <= value - dimension["high"] < dimension["step"])  # it was stored as the last step below
    return bound in dimension and bool(dimension[bound] == value)


def _show(dimension: Mapping[str, Any], bound: str) -> Any:
    """The bound of a dimension, or the whole of it where it has no such bound."""
    if "values" in dimension:
        return f"choices {dimension['values']}"
    return dimension[bound] if bound in dimension else f"{dimension['low']} to {dimension['high']}"


def plan_final(composer: Composer, base: Composed) -> Chosen | None:
    """The trial that is evaluated, from the folders of sweeps alone; None where a tracking store has to be asked.

    Raises:
        ConfigError: As `choose`, or if no sweep is named, or there is none at all.
    """
    require_target(base.config, base.actions["final"])
    require_sweeps(base.config)
    return choose(composer, base.config, None) if base.config.final.run is None else None


def choose(composer: Composer, asked: Config, wanted: Attempt | None) -> Chosen:
    """The trial that is wanted, or else the champion of the sweep that is asked for.

    Raises:
        ConfigError: If there is no such sweep or trial, the sweep is not finished, or the command contradicts what is
            stored.
    """
    named = find_sweep(asked, wanted.sweep if wanted else None)
    records = named.store.records()
    champion = records.get((wanted.level, wanted.k)) if wanted else find_champion(records.values())
    if champion is None or champion.result.score is None:
        what = f"run {asked.final.run}" if wanted else f"sweep {named.name!r}"
        raise ConfigError(f"{what} has no trial that learned something: there is nothing to evaluate")
    note = None
    if wanted is None:
        _require_finished(composer, named, len(records))
        champion, note = _frozen_champion(named, records, champion)
    config = _champion_config(composer, asked, champion, named)
    _refuse_contradictions(composer, config, named)
    return Chosen(named, champion, config, len(records), note)


def _require_finished(composer: Composer, named: SweepIdentity, found: int) -> None:
    acknowledged = composer.overrides.values.get("search.trials") == f"++search.trials={found}"
    if found < named.store.requested() and not acknowledged:
        command = command_line(named.specification.overrides)
        raise ConfigError(
            f"sweep {named.name!r} has {found} of {number_of(named.store.requested(), 'trial')}: finish it by "
            f"{command}, or add search.trials={found} to evaluate the best of what is there"
        )


def _champion_config(composer: Composer, asked: Config, champion: Record, named: SweepIdentity) -> Config:
    """The champion's configuration, with this command's settings where they change no result, and its secrets.

    Raises:
        ConfigError: If it was trained with a secret, which is not stored, and the command does not give that.
    """
    config = stored_config(champion.config_tree, asked, _with_values({}, composer.given_values()))
    tree = {key: node for key, node in config.to_tree().items() if key not in ("search", *UNCOVERED)}
    if masked := masked_keys(tree):
        raise ConfigError(
            *(f"{key} of sweep {named.name!r} is a secret, which is not stored: give it, {key}=…" for key in masked)
        )
    return config


def _refuse_contradictions(composer: Composer, config: Config, named: SweepIdentity) -> None:
    """The stored specification is authoritative: what the command says otherwise must say the same."""
    stored = config.to_tree()
    problems = []
    for group, option in composer.overrides.options.items():
        if group in stored["options"] and group not in UNCOVERED and stored["options"][group] != option:
            problems.append(f"{group}={option} contradicts sweep {named.name!r}, which has {stored['options'][group]}")
    if problems:
        raise ConfigError(*problems)
    given = {key: value for key, value in composer.given_values().items() if key.split(".")[0] not in UNCOVERED}
    given.pop("search.trials", None)
    now = Config.from_tree(_with_values(stored, given)).to_tree()
    for key in given:
        if (old := _at(stored, key)) != (new := _at(now, key)):
            problems.append(f"{key}={new} contradicts sweep {named.name!r}, which has {old}")
    for edit in composer.overrides.edits:
        problems += contradictions(edit, named.specification.fingerprinted.space, named.name)
    if problems:
        raise ConfigError(*problems)


def _with_values(tree: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the tree with values at dotted keys; mappings that are not there are made."""
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
