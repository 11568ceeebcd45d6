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


def write_best(folder: Path, sweep: str, records: Sequence[Record], config_dir: Path | None = None) -> Path | None:
    """Write `best.yaml`, the champion's options and values as a primary file; None if no trial has a score.

    Args:
        folder: Folder of the sweep.
        sweep: Its name, for the comment.
        records: All its trials.
        config_dir: A folder of the user's own options.
    """
    champion = find_champion(records)
    if champion is None:
        return None
    tree = with_defaults(champion.config_tree)  # all values: a user's own option may have other defaults
    defaults: list[Any] = ["config"]
    defaults += [{f"override {group}": option} for group, option in tree["options"].items() if group != "search"]
    values = {key: _literal(value) for key, value in tree.items() if key not in ("options", "search")}
    for node in values.values():
        if isinstance(node, dict):
            node.pop("kind", None)
    values["search"] = {"metric": tree["search"]["metric"]}
    if config_dir is not None:
        values["hydra"] = {"searchpath": [f"file://{config_dir.resolve()}"]}
    body = OmegaConf.to_yaml(OmegaConf.create({"defaults": [*defaults, "_self_"], **values}))
    title = " ".join(f"Trial {champion.name} of sweep {sweep}, score {champion.result.score:.6g}.".split())
    usage = "Runs again: python -m hpsearch --config-dir <folder of this file> --config-name best"
    path = folder / "best.yaml"
    write_atomic(path, f"# {title}\n# {usage}\n{body}".encode())
    return path


def _literal(value: Any) -> Any:
    """Escape `${` in all texts of a value."""
    match value:
        case dict():
            return {key: _literal(item) for key, item in value.items()}
        case list():
            return [_literal(item) for item in value]
        case str():
            return escaped(value)
    return value
