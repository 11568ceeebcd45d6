"""Python values to overrides, in the words of the command line: there is no second way to configure a run."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.api.notebook_code import import_path_of
from hpsearch.compose.composer import options_of
from hpsearch.compose.overrides import key_of
from hpsearch.config import ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.quoting import hydra_quoted
from hpsearch.store.atomic_files import write_atomic

READERS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".npz": "npz"}
"""The option of `data` that reads a file, by its ending."""


def as_overrides(  # one parameter for each word of the public functions
    *,
    overrides: Sequence[str],
    name: str | None = None,
    data: Any = None,
    target: str | None = None,
    model: Any = None,
    loss: Any = None,
    trials: int | None = None,
    space: Mapping[str, Any] | None = None,
    choose: Mapping[str, Sequence[str]] | None = None,
    metric: str | None = None,
    evaluation: str | None = None,
    seed: int | None = None,
    workers: int | None = None,
    tracking_uri: str | None = None,
    config_dir: Path | None = None,
) -> tuple[str, ...]:
    """The overrides that say the same, those of `overrides` last.

    Raises:
        ConfigError: If a value is of a type that has no meaning here.

    Examples:
        >>> space = {"optimizer.lr": (1e-3, 0.1, "log")}
        >>> for override in as_overrides(overrides=["seed=1"], name="mine", data="digits", trials=8, space=space):
        ...     print(override)
        name=mine
        data=digits
        search.trials=8
        search.tune=[optimizer]
        optimizer.space.lr={low:0.001,high:0.1,log:true}
        seed=1
    """
    directory = tracking_directory(overrides)
    found = [] if name is None else [f"name={hydra_quoted(name)}"]
    found += _data(data, target, directory, config_dir)
    for group, given in (("model", model), ("loss", loss)):
        if isinstance(given, str) and ":" not in given:
            found.append(f"{group}={given}")
        elif given is not None:
            path = given if isinstance(given, str) else import_path_of(group, given, directory)
            found += [f"{group}=custom", f"{group}.import_path={path}"]
    plain = {"search.trials": trials, "search.metric": metric, "seed": seed, "execution.workers": workers}
    found += [f"{key}={_value(value)}" for key, value in plain.items() if value is not None]
    found += [] if evaluation is None else [f"evaluation={evaluation}"]
    found += [] if tracking_uri is None else [f"tracking.uri={hydra_quoted(tracking_uri)}"]
    found += [f"search.choose.{group}={_value(list(options))}" for group, options in (choose or {}).items()]
    found += _space(space or {}, {key_of(given) for given in overrides})
    return (*found, *overrides)


def tracking_directory(overrides: Sequence[str]) -> Path:
    """The folder of runs that overrides name, or the default one."""
    given = [each.partition("=")[2] for each in overrides if key_of(each) == "tracking.directory"]
    return Path(given[-1].strip("'\"") if given else "mlruns")


def _space(space: Mapping[str, Any], given: set[str]) -> list[str]:
    """Edits of bounds, and the groups that are tuned because of them."""
    groups: list[str] = []
    edits = []
    for key, entry in space.items():
        group, dot, value = key.partition(".")
        if not dot:
            raise ConfigError(f"space: {key} must be a key of an option, such as optimizer.lr, got {key!r}")
        groups.append(group)
        edits.append(f"{group}.space.{value}={_value(_dimension(key, entry))}")
    tuned = [] if not groups or "search.tune" in given else [f"search.tune={_value(list(dict.fromkeys(groups)))}"]
    return [*tuned, *edits]


def _dimension(key: str, entry: Any) -> Any:
    """`(low, high)`, `(low, high, "log")`, `(low, high, step)`, or a list of choices."""
    if isinstance(entry, Mapping):
        return dict(entry)
    if isinstance(entry, list):
        return {"choices": entry}
    if not isinstance(entry, tuple) or len(entry) not in (2, 3):
        raise ConfigError(
            f"space: {key} must be (low, high), (low, high, 'log'), (low, high, step) or a list of choices, got "
            f"{entry!r}"
        )
    bounds: dict[str, Any] = {"low": entry[0], "high": entry[1]}
    if len(entry) == 3:
        bounds |= {"log": True} if entry[2] == "log" else {"step": entry[2]}
    return bounds


def _value(value: Any) -> str:
    """A value in Hydra's grammar."""
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
            return "{" + ",".join(f"{key}:{_value(item)}" for key, item in value.items()) + "}"
        case Sequence():
            return "[" + ",".join(map(_value, value)) + "]"
    raise ConfigError(f"{value!r} has no spelling on the command line: use numbers, texts, lists and mappings")


def _data(data: Any, target: str | None, directory: Path, config_dir: Path | None) -> list[str]:
    if data is None:
        return [] if target is None else [f"data.target={hydra_quoted(target)}"]
    aimed = [] if target is None else [f"data.target={hydra_quoted(target)}"]
    if isinstance(data, str | Path):
        known = options_of("data", config_dir)
        suffix = Path(data).suffix.lower()
        if suffix in READERS:
            return [f"data={READERS[suffix]}", f"data.path={hydra_quoted(str(data))}", *aimed]
        if str(data) not in known:
            endings = ", ".join(READERS)
            hint = nearest(str(data), known)
            raise ConfigError(f"data must be an option or a file that ends in {endings}, got {str(data)!r}: {hint}")
        return [f"data={data}", *aimed]
    if hasattr(data, "to_csv"):
        text = data.to_csv(index=False).encode()
        return ["data=csv", f"data.path={hydra_quoted(str(_kept(text, 'frame', '.csv', directory)))}", *aimed]
    if target is not None:
        raise ConfigError(f"target={target!r} names a column: rows in memory bring their targets along, as (X, y)")
    inputs, targets = _arrays(data)
    stream = io.BytesIO()
    np.savez(stream, x=inputs, y=targets)
    path = _kept(stream.getvalue(), "arrays", ".npz", directory)
    return ["data=npz", f"data.path={hydra_quoted(str(path))}"]


def _arrays(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (N, ...) and targets (N,) or (N, C) of a pair of arrays or of a torch data set."""
    if isinstance(data, tuple) and len(data) == 2:
        inputs, targets = map(_array, data)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        rows = [data[at] for at in range(len(data))]
        if not rows or not all(isinstance(row, tuple | list) and len(row) == 2 for row in rows):
            raise ConfigError("data: each item of a data set must be a pair of inputs and target")
        inputs, targets = (np.stack([_array(row[part]) for row in rows]) for part in (0, 1))
    else:
        raise ConfigError(
            "data must be an option, a file, a DataFrame, a pair of arrays (X, y) or a torch data set, got a "
            f"{type(data).__name__}"
        )
    if len(inputs) != len(targets):
        raise ConfigError(f"data: inputs and targets must have equally many rows, got {len(inputs)} and {len(targets)}")
    return inputs, targets


def _array(values: Any) -> np.ndarray:
    """A NumPy array of what may be a tensor, on whichever device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    array = np.asarray(values)
    if array.dtype == object:
        if all(isinstance(value, str) for value in array.flat):
            return array.astype(str)
        raise ConfigError("data: arrays must hold numbers or texts, got objects: give a DataFrame or a file instead")
    return array


def _kept(content: bytes, what: str, suffix: str, directory: Path) -> Path:
    """The file that holds this content, named by it: the same rows are kept once, and every resume finds them."""
    path = directory / "data" / f"{what}-{hashlib.sha256(content).hexdigest()[:16]}{suffix}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    return path
