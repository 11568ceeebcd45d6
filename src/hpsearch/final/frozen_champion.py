"""The trial that a final evaluates, which is frozen beforehand, and what its evaluation needs."""

import json
from dataclasses import dataclass
from pathlib import Path

from hpsearch.config import Config, ConfigError
from hpsearch.config.data import Data
from hpsearch.data.dataset import Development
from hpsearch.data.datasets import find_source
from hpsearch.data.seal import SealedTest, data_digest, load_development, seal
from hpsearch.errors import BrokenFileError
from hpsearch.final.claims import pending_nonce
from hpsearch.nn.source_digest import changed_since_import, source_digest
from hpsearch.records import Trial
from hpsearch.search.sweep_identity import SweepIdentity
from hpsearch.store.atomic_files import read_bytes, write_atomic
from hpsearch.store.record_json import Record, trial_name


@dataclass(frozen=True, slots=True)
class Final:
    """The inputs of one `+final` command."""

    named: SweepIdentity
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
        """Folder of this champion's final."""
        return self.named.store.final_folder(self.champion.level, self.champion.k)

    def freeze(self) -> None:
        """Record which trial is evaluated, before anything else is learned about it.

        Until its result exists, every later `+final` of the sweep evaluates this trial, even if the sweep has grown.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        result = self.champion.result
        facts = {"level": self.champion.level, "k": self.champion.k, "trials": self.trials, "score": result.score}
        write_atomic(_frozen(self.named), json.dumps(facts, indent=1).encode())


@dataclass(frozen=True, slots=True)
class Chosen:
    """The trial that a `+final` command evaluates.

    Attributes:
        named: Its sweep.
        champion: The record of the trial.
        config: Its configuration, with this command's settings where they do not affect results.
        trials: Number of trials of the sweep.
        note: A note about the choice for the user; None if there is none.
    """

    named: SweepIdentity
    champion: Record
    config: Config
    trials: int
    note: str | None


def prepare_final(chosen: Chosen) -> Final:
    """Load what a final needs, without training, writing or opening anything.

    Raises:
        ConfigError: If the data or the code have changed.
    """
    named, config = chosen.named, chosen.config
    source = find_source(config.data_for_loss)
    development = load_development(source.data, source=source)
    sealed = seal(source.data, source=source, development=development)
    if sealed is None:
        raise ConfigError(f"{development.name} has no test set: all its rows are searched on")
    if data_digest(development, sealed) != named.specification.fingerprinted.data:
        raise ConfigError(
            f"the data of sweep {named.name!r} ({named.specification.data.name}) are not the data found now "
            f"({development.name}): restore them"
        )
    _require_same_code(named, config)
    return Final(named, chosen.champion, config, development, sealed, source.data, chosen.trials)


def _require_same_code(named: SweepIdentity, config: Config) -> None:
    """Refuse a custom module, loss or metric whose code differs from the one that was searched."""
    stored = named.specification.fingerprinted.code
    paths = config.own_sources
    paths |= {key: path for key, path in config.search.own_code.items() if key == "search.metric"}
    for key, path in paths.items():
        if source_digest(key, path) != stored.get(path):
            raise ConfigError(f"the code of {path} has changed since sweep {named.name!r}: restore it")
        if changed := changed_since_import(path):
            raise ConfigError(
                f"{', '.join(changed)} has changed since this process imported it, and the test set is evaluated here: "
                "restart the session, and call again"
            )


def _frozen(named: SweepIdentity) -> Path:
    return named.store.folder / "final" / "champion.json"


def frozen_champion(
    named: SweepIdentity, records: dict[tuple[str, int], Record], champion: Record
) -> tuple[Record, str | None]:
    """Return the trial frozen by an unfinished final, with a note; otherwise the current champion."""
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
