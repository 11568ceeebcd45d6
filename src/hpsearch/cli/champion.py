"""Which trial a `+final` command evaluates, with its configuration, its data and its sealed test set."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpsearch.cli.compose import Composer
from hpsearch.cli.naming import Named, find_sweep, require_sweeps, require_target
from hpsearch.cli.stored_space import contradictions
from hpsearch.config import Config, ConfigError
from hpsearch.config.data import Data
from hpsearch.config.run import UNCOVERED
from hpsearch.data.rows import Development
from hpsearch.data.seal import SealedTest, data_digest, load_development, seal
from hpsearch.data.sources import find_source
from hpsearch.final.claims import pending_nonce
from hpsearch.nn.sources import source_digest
from hpsearch.quoting import command_line
from hpsearch.records import Trial
from hpsearch.search.champion import find_champion
from hpsearch.search.record_files import BrokenFileError, read_bytes, write_whole
from hpsearch.search.trial_records import Record, trial_name
from hpsearch.secrets import filled, masked_keys
from hpsearch.space import Composed
from hpsearch.tracking.runs import Attempt
from hpsearch.wording import number_of


@dataclass(frozen=True, slots=True)
class Final:
    """What one `+final` command works on."""

    named: Named
    champion: Record
    config: Config
    development: Development
    sealed: SealedTest
    data: Data
    trials: int

    @property
    def trial(self) -> Trial:
        """The champion as a trial."""
        return Trial(self.champion.level, self.champion.k, self.champion.values, self.config)

    @property
    def folder(self) -> Path:
        """Where the final of this champion is kept."""
        return self.named.store.final_folder(self.champion.level, self.champion.k)

    def freeze(self) -> None:
        """Writes down which trial is evaluated, before anything more is learned about it.

        Until its result is there, every later `+final` of the sweep means this trial, even if the sweep has grown.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        result = self.champion.result
        facts = {"level": self.champion.level, "k": self.champion.k, "trials": self.trials, "score": result.score}
        write_whole(_frozen(self.named), json.dumps(facts, indent=1).encode())


@dataclass(frozen=True, slots=True)
class Chosen:
    """The trial that a `+final` command evaluates.

    Attributes:
        named: Its sweep.
        champion: The trial.
        config: Its configuration, with this command's settings where they change no result.
        trials: Those that the sweep has.
        note: What a person must be told about the choice; None if there is nothing.
    """

    named: Named
    champion: Record
    config: Config
    trials: int
    note: str | None


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
    _refuse_contradictions(composer, asked, champion, named)
    config = Config.from_tree(_champion_tree(composer, asked, champion, named))
    return Chosen(named, champion, config, len(records), note)


def prepare_final(chosen: Chosen) -> Final:
    """Reads what a final needs; trains, writes and opens nothing.

    Raises:
        ConfigError: If the data or the code have changed.
    """
    named, config = chosen.named, chosen.config
    source = find_source(config.data)
    development = load_development(config.data, source=source)
    sealed = seal(config.data, source=source, development=development)
    if sealed is None:
        raise ConfigError(f"{development.name} has no test set: all its rows are searched on")
    if data_digest(development, sealed) != named.specification["specification"]["data"]:
        raise ConfigError(
            f"the data of sweep {named.name!r} ({named.specification['data']['name']}) are not the data found now "
            f"({development.name}): restore them"
        )
    _require_same_code(named, config)
    return Final(named, chosen.champion, config, development, sealed, source.data, chosen.trials)


def _require_same_code(named: Named, config: Config) -> None:
    """The user's own module and loss must be those that were searched."""
    stored = named.specification["specification"].get("code", {})
    for option in config.own_code:
        if source_digest(f"{option.group}.import_path", option.import_path) != stored.get(option.import_path):
            raise ConfigError(f"the code of {option.import_path} has changed since sweep {named.name!r}: restore it")


def _require_finished(composer: Composer, named: Named, found: int) -> None:
    acknowledged = composer.overrides.values.get("search.trials") == f"++search.trials={found}"
    if found < named.store.requested() and not acknowledged:
        command = command_line(named.specification["overrides"])
        raise ConfigError(
            f"sweep {named.name!r} has {found} of {number_of(named.store.requested(), 'trial')}: finish it by "
            f"{command}, or add search.trials={found} to evaluate the best of what is there"
        )


def _frozen(named: Named) -> Path:
    return named.store.folder / "final" / "champion.json"


def _frozen_champion(
    named: Named, records: dict[tuple[str, int], Record], champion: Record
) -> tuple[Record, str | None]:
    """The trial that an unfinished final has frozen, and what is to be said of that; or else the champion of now."""
    path = _frozen(named)
    data = read_bytes(path)
    if data is None:
        return champion, None
    way_out = f"move it away, and trial {champion.name}, the champion of now, is evaluated"
    try:
        facts = json.loads(data)
        key, trials = (str(facts["level"]), int(facts["k"])), int(facts["trials"])
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenFileError(path, f"{type(error).__name__}: {error}", way_out) from error
    if key not in records:
        raise BrokenFileError(path, f"trial {trial_name(key)}, which it names, has no whole record", way_out)
    folder = named.store.final_folder(*key)
    if key == champion.key or ((folder / "result.json").exists() and pending_nonce(folder) is None):
        return champion, None
    return records[key], (
        f"trial {trial_name(key)} was frozen as champion of {trials} trials and is evaluated; trial "
        f"{champion.name} has overtaken it since"
    )


def _champion_tree(composer: Composer, asked: Config, champion: Record, named: Named) -> dict[str, Any]:
    """The champion's configuration, with this command's settings where they change no result, and its secrets.

    Raises:
        ConfigError: If it was trained with a secret, which is not stored, and the command does not give that.
    """
    now = asked.to_tree()
    tree = {**now, **champion.config_tree, **{key: now[key] for key in UNCOVERED if key in now}}
    tree["search"] = {**champion.config_tree["search"], "trials": 1}
    found: dict[str, Any] = filled(tree, _with_values({}, composer.given_values()))
    if masked := masked_keys({key: node for key, node in found.items() if key not in ("search", *UNCOVERED)}):
        raise ConfigError(
            *(f"{key} of sweep {named.name!r} is a secret, which is not stored: give it, {key}=…" for key in masked)
        )
    return found


def _refuse_contradictions(composer: Composer, asked: Config, champion: Record, named: Named) -> None:
    """The stored specification is authoritative: what the command says otherwise must say the same."""
    stored = Config.from_tree(_champion_tree(composer, asked, champion, named)).to_tree()
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
        problems += contradictions(edit, named.specification["specification"]["space"], named.name)
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
