"""The best configuration as a Hydra file that runs again as it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from hpsearch.config.schema import with_defaults
from hpsearch.quoting import escaped
from hpsearch.store.atomic_files import write_atomic
from hpsearch.store.champion_selection import find_champion
from hpsearch.store.record_json import Record

LEFT_OUT = ("options", "search")


def write_best(folder: Path, sweep: str, records: Sequence[Record], config_dir: Path | None = None) -> Path | None:
    """Writes `best.yaml`, the configuration of the highest-scoring trial; None if no trial has a score.

    Args:
        folder: Of the sweep.
        sweep: Its name, for the comment.
        records: All its trials.
        config_dir: Where options of the user's own lie, if any do.
    """
    champion = find_champion(records)
    if champion is None:
        return None
    path = folder / "best.yaml"
    write_atomic(path, best_text(sweep, champion, config_dir).encode())
    return path


def best_text(sweep: str, champion: Record, config_dir: Path | None = None) -> str:
    """A primary configuration file: every option, then every value of the champion."""
    tree = with_defaults(champion.config_tree)  # in full: an option of the user's own may have other defaults
    defaults: list[Any] = ["config"]
    defaults += [{f"override {group}": option} for group, option in tree["options"].items() if group != "search"]
    values = {key: _literal(_without_kind(value)) for key, value in tree.items() if key not in LEFT_OUT}
    values["search"] = {"metric": tree["search"]["metric"]}
    if config_dir is not None:
        values["hydra"] = {"searchpath": [f"file://{config_dir.resolve()}"]}
    body = OmegaConf.to_yaml(OmegaConf.create({"defaults": [*defaults, "_self_"], **values}))
    title = " ".join(f"Trial {champion.name} of sweep {sweep}, score {champion.result.score:.6g}.".split())
    return f"# {title}\n# Runs again: python -m hpsearch --config-dir <folder of this file> --config-name best\n{body}"


def _literal(value: Any) -> Any:
    """The value with its texts spelled so that composing takes no part of them for an interpolation."""
    match value:
        case dict():
            return {key: _literal(item) for key, item in value.items()}
        case list():
            return [_literal(item) for item in value]
        case str():
            return escaped(value)
    return value


def _without_kind(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if key != "kind"}
    return value
