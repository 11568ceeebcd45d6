"""The best configuration as a Hydra file that runs again as it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from hpsearch.config.schema import with_defaults
from hpsearch.formatting import listed
from hpsearch.quoting import escaped
from hpsearch.store.atomic_files import write_atomic
from hpsearch.store.champion_selection import find_champion, find_recipe, pareto_front
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import recipe_name


def write_best(
    folder: Path, sweep: str, records: Sequence[Record], config_dir: Path | None = None, *, compares: bool = False
) -> dict[str, Path]:
    """Write `best.yaml`, the champion's options and values as a primary file; of a comparison each level's recipe, too.

    Args:
        folder: Folder of the sweep.
        sweep: Its name, for the comment.
        records: All its trials.
        config_dir: A folder of the user's own options.
        compares: Whether levels are compared: the recipe of each is `best-<level>.yaml`.

    Returns:
        The files by their names; without those of which no trial has a score.
    """
    chosen = {"best": find_champion(records)}
    if compares:
        draws = [record for record in records if record.k > 0]  # 0: the default recipe, which no search has found
        names = dict.fromkeys(record.level for record in draws)
        chosen |= {recipe_name(level): find_recipe(each for each in draws if each.level == level) for level in names}
    objectives = [] if chosen["best"] is None else chosen["best"].config_tree["search"].get("objectives", [])
    count = len(pareto_front(records))
    note = f", the highest of {count} on the Pareto front with {listed(objectives)}" if objectives else ""
    return {
        f"{name}.yaml": _write(folder / f"{name}.yaml", sweep, record, config_dir, note)
        for name, record in chosen.items()
        if record is not None
    }


def _write(path: Path, sweep: str, record: Record, config_dir: Path | None, note: str) -> Path:
    """Write the configuration of a trial as a primary file."""
    tree = with_defaults(record.config_tree)  # all values: a user's own option may have other defaults
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
    title = " ".join(f"Trial {record.name} of sweep {sweep}, score {record.result.score:.6g}{note}.".split())
    usage = f"Runs again: python -m hpsearch --config-dir <folder of this file> --config-name {path.stem}"
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
