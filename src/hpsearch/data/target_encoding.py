"""The targets of a user's own table: classes or numbers."""

from dataclasses import dataclass

import numpy as np

from hpsearch.config.data import OwnData, TaskChoice
from hpsearch.data.dataset import as_floats
from hpsearch.errors import DataError
from hpsearch.records import Task


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Targets as `Rows` holds them."""

    task: Task
    values: np.ndarray
    classes: int
    class_names: tuple[str, ...]
    labels: tuple[tuple[str, str], ...] = ()


def encode_targets(values: np.ndarray, data: OwnData, label: str) -> Targets:
    """Encode labels as class numbers in sorted order, or convert numbers by `as_floats`.

    Args:
        values: Shape (N,) or (N, T) labels or finite numbers.
        data: Whether they are classes or numbers; `data.task=auto` decides by their values.
        label: Name of the values in messages.

    Raises:
        DataError: If the values do not fit the task, or hold only one class or one number.
    """
    columns = values.reshape(len(values), -1)
    if data.task is TaskChoice.MULTILABEL:
        return _labels(columns, label)
    if not _are_classes(columns, data):
        if columns.dtype.kind in "US":
            raise DataError(f"{label} holds text such as {str(columns[0, 0])!r}: data.task=regression needs numbers")
        return Targets(Task.REGRESSION, _numbers(columns, label), 0, ())
    if columns.shape[1] != 1:
        raise DataError(f"{label} must hold one class a row, got shape {values.shape}: use data.task=regression")
    labels, numbers = np.unique(columns[:, 0], return_inverse=True)
    if len(labels) < 2:
        raise DataError(f"{label} holds one class only, {_name(labels[0])}: at least 2 are needed")
    task = Task.BINARY if len(labels) == 2 else Task.MULTICLASS
    return Targets(task, numbers.astype(np.int64), len(labels), tuple(_name(value) for value in labels))


def _labels(columns: np.ndarray, label: str) -> Targets:
    """Encode columns of two values as 0 and 1, in sorted order."""
    encoded, names = np.empty(columns.shape, np.float32), []
    for at, column in enumerate(columns.T):
        found, encoded[:, at] = np.unique(column, return_inverse=True)
        if len(found) != 2:
            which = f" (output {at})" if columns.shape[1] > 1 else ""
            shown = ", ".join(map(_name, found[:3])) + (", …" if len(found) > 3 else "")
            raise DataError(
                f"{label}{which} holds {len(found)} different values, {shown}: a label of data.task=multilabel has two"
            )
        names.append((_name(found[0]), _name(found[1])))
    return Targets(Task.REGRESSION, encoded, 0, (), tuple(names))


def _numbers(columns: np.ndarray, label: str) -> np.ndarray:
    constant = np.flatnonzero(columns.min(axis=0) == columns.max(axis=0))
    if constant.size:
        which = f" (output {constant[0]})" if columns.shape[1] > 1 else ""
        raise DataError(
            f"{label}{which} is {_name(columns[0, constant[0]])} in every row: there is nothing to predict, name "
            "another target"
        )
    return as_floats(columns, label)


def _are_classes(columns: np.ndarray, data: OwnData) -> bool:
    if data.task is not TaskChoice.AUTO:
        return data.task is TaskChoice.CLASSIFICATION
    if columns.dtype.kind in "USb":
        return True
    whole = columns.shape[1] == 1 and bool((columns == np.round(columns)).all())
    return whole and len(np.unique(columns)) <= data.max_classes


def _name(value: np.generic) -> str:
    if value.dtype.kind == "f" and float(value).is_integer():
        return str(int(value))
    return str(value)
