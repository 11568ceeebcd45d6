"""Converts Python arguments to command-line overrides, so that a run is configured in a single way."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.api.notebook_code import import_path_of
from hpsearch.compose.composer import options_of
from hpsearch.compose.overrides import READERS, key_of
from hpsearch.config import ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.data.table_files import FRAME
from hpsearch.quoting import hydra_quoted
from hpsearch.store.atomic_files import write_atomic

Target = str | int | Sequence[str | int] | None
"""The column to predict, or several."""


def option_overrides(group: str, option: Any, directory: Path) -> list[str]:
    """Return the overrides that select an option, or custom code as `package.module:name`, a class or a function."""
    if option is None:
        return []
    if isinstance(option, str) and ":" not in option:
        return [f"{group}={option}"]
    path = option if isinstance(option, str) else import_path_of(group, option, directory)
    return [f"{group}=custom", f"{group}.import_path={path}"]


def value_overrides(values: Mapping[str, Any]) -> list[str]:
    """Return the overrides that set these keys, except to None.

    Examples:
        >>> value_overrides({"search.trials": 8, "seed": None, "search.choose.optimizer": ["adam", "sgd"]})
        ['search.trials=8', 'search.choose.optimizer=[adam,sgd]']
    """
    return [f"{key}={_hydra_value(value)}" for key, value in values.items() if value is not None]


def runs_folder(overrides: Sequence[str]) -> Path:
    """Return the folder of runs that the overrides set, or the default one."""
    values = [override.partition("=")[2] for override in overrides if key_of(override) == "tracking.directory"]
    return Path(values[-1].strip("'\"") if values else "mlruns")


def refuse_given_twice(arguments: Sequence[str], overrides: Sequence[str]) -> None:
    """Refuse keys that keyword arguments and overrides set to different values.

    Raises:
        ConfigError: With a sentence for each key.
    """
    by_argument = {key_of(each): each for each in arguments}
    pairs = [(by_argument[key_of(each)], each) for each in overrides if key_of(each) in by_argument]
    differing = [(ours, typed) for ours, typed in pairs if _unquoted_value(ours) != _unquoted_value(typed)]
    if differing:
        raise ConfigError(*(
            f"{key_of(typed)} is given twice, as an argument ({ours}) and as the override {typed!r}: drop one"
            for ours, typed in differing
        ))  # fmt: skip


def _unquoted_value(override: str) -> str:
    return override.partition("=")[2].strip(" '\"")


def choose_overrides(choose: Mapping[str, Sequence[str]] | None) -> list[str]:
    """Return the overrides that let a trial take any of these options, by group."""
    lists: dict[str, Any] = {}
    for group, options in _mapping("choose", choose, '{"optimizer": ["adam", "sgd"]}').items():
        if isinstance(options, str) or not isinstance(options, Sequence | np.ndarray) or not len(options):
            one = f": for one option alone, give '{group}={options}'" if isinstance(options, str) else ""
            raise ConfigError(f"choose: {group} must be a list of at least one option, got {options!r}{one}")
        lists[f"search.choose.{group}"] = list(options)
    return value_overrides(lists)


def _mapping(name: str, value: Any, example: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{name} must map keys to values, such as {name}={example}, got {value!r}")
    return value


def space_overrides(space: Mapping[str, Any] | None, overrides: Sequence[str]) -> list[str]:
    """Return the overrides that set bounds and, unless `overrides` set `search.tune`, tune their groups."""
    edits: dict[str, Any] = {}
    for key, entry in _mapping("space", space, '{"optimizer.lr": (1e-4, 1e-1, "log")}').items():
        group, dot, value = key.partition(".")
        if not dot:
            raise ConfigError(f"space: {key} must be a key of an option, such as optimizer.lr, got {key!r}")
        edits[f"{group}.space.{value}"] = _dimension(key, entry)
    tune = list(dict.fromkeys(key.partition(".")[0] for key in edits))
    tuned = {} if not tune or "search.tune" in map(key_of, overrides) else {"search.tune": tune}
    return value_overrides({**tuned, **edits})


def _dimension(key: str, entry: Any) -> Any:
    if isinstance(entry, Mapping):
        return dict(entry)
    if isinstance(entry, list | np.ndarray):
        return {"choices": entry if isinstance(entry, list) else entry.tolist()}
    if not isinstance(entry, tuple) or len(entry) not in (2, 3):
        raise ConfigError(
            f"space: {key} must be (low, high), (low, high, 'log'), (low, high, step) or a list of choices, got "
            f"{entry!r}"
        )
    bounds: dict[str, Any] = {"low": entry[0], "high": entry[1]}
    if len(entry) == 3:
        bounds |= {"log": True} if entry[2] == "log" else {"step": entry[2]}
    return bounds


def _hydra_value(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float() | np.integer() | np.floating():
            return repr(value.item() if isinstance(value, np.generic) else value)
        case str():
            return hydra_quoted(value)
        case Mapping():
            return "{" + ",".join(f"{key}:{_hydra_value(item)}" for key, item in value.items()) + "}"
        case Sequence():
            return "[" + ",".join(map(_hydra_value, value)) + "]"
    raise ConfigError(f"{value!r} has no spelling on the command line: use numbers, texts, lists and mappings")


def data_overrides(data: Any, target: Target, directory: Path, config_dir: Path | None) -> list[str]:
    """Return the overrides that select a data set; rows in memory are first stored in the folder of runs."""
    target_override = value_overrides({"data.target": target})
    if data is None:
        return target_override
    if isinstance(data, str | Path):
        return [*_named_data(Path(data), config_dir), *target_override]
    if isinstance(data, Mapping) and {"data", "target"} <= data.keys():  # what sklearn.datasets.load_… return
        data = (data["data"], data["target"])
    if hasattr(data, "to_csv"):
        return _frame_overrides(data, target, directory)
    if isinstance(data, tuple) and len(data) == 2 and target is None and _has_text(data[0]):
        return _frame_overrides(*_joined(*data), directory)
    if target is not None:
        raise ConfigError(f"target={target!r} names a column: rows in memory bring their targets along, as (X, y)")
    inputs, targets = _arrays(data)
    stream = io.BytesIO()
    np.savez(stream, x=inputs, y=targets)
    path = _store_once(stream.getvalue(), "arrays", ".npz", directory)
    return ["data=npz", *value_overrides({"data.path": path})]


def _named_data(data: Path, config_dir: Path | None) -> list[str]:
    """Return the overrides that select an option, a file or a folder of images."""
    options = options_of("data", config_dir)
    if reader := READERS.get(data.suffix.lower()):
        return [f"data={reader}", *value_overrides({"data.path": str(data)})]
    if str(data) in options:
        return [f"data={data}"]
    if data.is_dir():
        return ["data=folder", *value_overrides({"data.path": str(data)})]
    endings, hint = ", ".join(READERS), nearest(str(data), options)
    raise ConfigError(
        f"data must be an option, a folder of images or a file that ends in {endings}, got {str(data)!r}: {hint}"
    )


def _column(name: Any) -> Any:
    return f"column_{name}" if isinstance(name, int | np.integer) else name


def _frame_overrides(frame: Any, target: Target, directory: Path) -> list[str]:
    if all(isinstance(name, int | np.integer) for name in frame.columns):  # a header of numbers is taken for a row
        frame = frame.set_axis([f"column_{name}" for name in frame.columns], axis=1)
        target = [*map(_column, target)] if isinstance(target, list | tuple) else _column(target)
    path = _store_once(frame.to_csv(index=False).encode(), FRAME, ".csv", directory)
    return ["data=csv", *value_overrides({"data.path": path, "data.target": target})]


def _has_text(inputs: Any) -> bool:
    return hasattr(inputs, "to_csv") and np.asarray(inputs).dtype.kind not in "fiub"


def _joined(inputs: Any, targets: Any) -> tuple[Any, Target]:
    """Return a DataFrame of inputs with its targets as more columns, and the names of those."""
    several = [str(name) for name in getattr(targets, "columns", ())]
    names, values = several or [getattr(targets, "name", None) or "target"], np.asarray(targets)
    if twice := next((name for name in names if name in inputs.columns), None):
        raise ConfigError(f"data: X must not hold its target, got a column {twice!r}: give data=X, target={twice!r}")
    if values.shape != ((len(inputs), len(several)) if several else (len(inputs),)):
        raise ConfigError(f"data: y must have shape ({len(inputs)},), one value for each row of X, got {values.shape}")
    columns = [np.asarray(targets[each]) for each in targets.columns] if several else [values]
    return inputs.assign(**dict(zip(names, columns, strict=True))), several or names[0]


def _arrays(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (N, ...) and targets (N,) or (N, C) of a pair of arrays or a torch data set."""
    if isinstance(data, tuple) and len(data) == 2:
        inputs, targets = map(_array, data)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, Mapping):
        rows = [data[index] for index in range(len(data))]
        if not rows or not all(isinstance(row, tuple | list) and len(row) == 2 for row in rows):
            raise ConfigError("data: each item of a data set must be a pair of inputs and target")
        inputs, targets = (np.stack([_array(row[part]) for row in rows]) for part in (0, 1))
    else:
        raise ConfigError(
            "data must be an option, a file, a DataFrame, a pair of arrays (X, y) or a torch data set, got a "
            f"{type(data).__name__}{' with ' + ', '.join(map(repr, data)) if isinstance(data, Mapping) else ''}"
        )
    if len(inputs) != len(targets):
        raise ConfigError(f"data: inputs and targets must have equally many rows, got {len(inputs)} and {len(targets)}")
    return inputs, targets


def _array(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    if hasattr(values, "toarray"):
        raise ConfigError(f"data: arrays must be dense, got a sparse {type(values).__name__}: give X.toarray()")
    array = np.asarray(values)
    if array.dtype == object:
        if all(isinstance(value, str) for value in array.flat):
            return array.astype(str)
        raise ConfigError("data: arrays must hold numbers or texts, got objects: give a DataFrame or a file instead")
    return array


def _store_once(content: bytes, stem: str, suffix: str, directory: Path) -> str:
    # Named by its content: the same rows are stored once, and a resumed sweep finds them.
    path = directory / "data" / f"{stem}-{hashlib.sha256(content).hexdigest()[:16]}{suffix}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    return str(path)
