"""A user's own table in a CSV file.

A column whose cells are all numbers is one feature. A column of text is a category: it becomes one 0/1 feature for
each of its categories, in sorted order. Categories are part of the table's schema and are collected over all rows;
no other statistic is computed here.
"""

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from hpsearch.config.data import CsvData, TaskChoice
from hpsearch.config.tree import nearest
from hpsearch.data.columns import Column
from hpsearch.data.rows import DataError, Rows, reconstructed
from hpsearch.data.targets import encode_targets
from hpsearch.quoting import hydra_quoted, list_override
from hpsearch.records import Task

MAX_CATEGORIES = 100
"""A text column with more distinct values is taken for an identifier, and refused."""
MISSING = frozenset({"", "na", "n/a", "nan", "null", "?"})
"""Cells that count as missing, whatever their case."""
_BETWEEN_WORDS = str.maketrans(dict.fromkeys(',;\t|"', " "))
"""What separates and quotes cells in the usual ways, for `csv_digest`."""


@dataclass(frozen=True, slots=True)
class _Table:
    path: Path
    names: list[str]
    cells: list[list[str]]
    lines: list[int]  # the line of each row in the file, for messages

    def column(self, name: str) -> list[str]:
        at = self.names.index(name)
        return [row[at] for row in self.cells]


def read_csv(data: CsvData) -> Rows:
    """The rows of the file at `data.path`.

    Inputs (N, D) are float32, in the order of the columns, without the target and those of `data.drop`.

    Raises:
        DataError: If the file is no table of at least two columns with a header line, or a cell that is used is
            missing, not finite or text among numbers; with the line and the column.
    """
    table = _read_table(data)
    features = {name: _features(table, name, data.drop) for name in _input_names(table, data)}
    columns = tuple(Column(name, found.shape[1], words) for name, (found, words) in features.items())
    inputs = np.concatenate([found for found, _ in features.values()], axis=1)
    if data.target is None or data.task is TaskChoice.AUTOENCODER:
        return reconstructed(Rows(table.path.stem, Task.REGRESSION, inputs, inputs, 0, columns=columns))
    labels = _target(table, data.target, as_text=data.task is TaskChoice.CLASSIFICATION)
    targets = encode_targets(labels, data.task, f"column {data.target!r} of {table.path}")
    return Rows(
        table.path.stem, targets.task, inputs, targets.values, targets.classes, targets.class_names, columns=columns
    )


def csv_digest(data: CsvData) -> str:
    """SHA-256 of the whole file at `data.path`: of the words of every line, whatever any other key says.

    All columns of all rows count, in their order, as the text that is written there. What lies between two cells does
    not: commas, semicolons, tabs, bars and quotation marks, spaces at the ends of cells, blank lines, kinds of line
    ends and a byte order mark.

    Raises:
        DataError: If the file is no text in UTF-8.
    """
    sha = hashlib.sha256()
    with _opened(data) as file:
        for line in file:
            if words := line.translate(_BETWEEN_WORDS).split():
                sha.update(("\t".join(words) + "\n").encode())
    return sha.hexdigest()


def _input_names(table: _Table, data: CsvData) -> list[str]:
    for key, name in [("data.target", data.target), *(("data.drop", name) for name in data.drop)]:
        if name is not None and name not in table.names:
            way_out = f"{nearest(name, table.names)}{_unquoted(name, table.names)}"
            raise DataError(f"{table.path} has no column {name!r} ({key}): {way_out}")
    inputs = [name for name in table.names if name != data.target and name not in data.drop]
    if not inputs:
        dropped = f" and data.drop=[{','.join(map(hydra_quoted, data.drop))}]" if data.drop else ""
        besides = f"data.target={data.target}{dropped}"
        raise DataError(f"{table.path} has no column besides {besides}: at least one input is needed")
    return inputs


def _unquoted(name: str, names: list[str]) -> str:
    """Advice where Hydra took a name in a list for a number, and `1_000` became `1000`."""
    number = _number(name)
    meant = [] if number is None else [each for each in names if _number(each.replace("_", "")) == number]
    return f" A name that reads as a number goes in quotes: {list_override('data.drop', meant)}" if meant else ""


@contextmanager
def _opened(data: CsvData) -> Iterator[TextIO]:
    path = Path(data.path).expanduser()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except FileNotFoundError:
        raise DataError(f"data.path={data.path}: there is no such file (looked for {path.absolute()})") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a CSV file in UTF-8: {error}") from error


def _read_table(data: CsvData) -> _Table:
    if len(data.delimiter) != 1:
        raise DataError(f"data.delimiter must be one character, got {data.delimiter!r}")
    path = Path(data.path).expanduser()
    with _opened(data) as file:
        reader = csv.reader(file, delimiter=data.delimiter)
        numbered = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    if not numbered:
        raise DataError(f"{path} is empty: a header line and rows are needed")
    (_, names), *rows = numbered
    _check_header(path, names)
    _check_rows(path, names, rows)
    return _Table(path, names, [row for _, row in rows], [line for line, _ in rows])


def _check_header(path: Path, names: list[str]) -> None:
    if all(_number(name) is not None for name in names):
        raise DataError(f"{path} has no header: line 1 must name the columns, got {', '.join(names[:5])}")
    if "" in names:
        raise DataError(f"{path}: column {names.index('') + 1} has no name in the header")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: column names must differ, got {', '.join(map(repr, twice))} more than once")


def _check_rows(path: Path, names: list[str], rows: list[tuple[int, list[str]]]) -> None:
    if not rows:
        raise DataError(f"{path} has a header and no rows")
    for line, row in rows:
        if len(row) != len(names):
            raise DataError(
                f"{path}: line {line} has {len(row)} values, the header has {len(names)}; is data.delimiter right?"
            )


def _features(table: _Table, name: str, dropped: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """(N, 1) numbers, or (N, categories) zeros and ones; `dropped` are the columns that are left out already."""
    values = _values(table, name, as_text=False)
    if values.dtype.kind == "f":
        return _to_float32(table, name, values)[:, None], ()
    categories, numbers = np.unique(values, return_inverse=True)
    if len(categories) > MAX_CATEGORIES:
        raise DataError(
            f"{table.path}: text column {name!r} has {len(categories)} distinct values, at most {MAX_CATEGORIES} "
            f"can be categories; if it is an identifier, leave it out: {list_override('data.drop', [*dropped, name])}"
        )
    return np.eye(len(categories), dtype=np.float32)[numbers], tuple(map(str, categories))


def _target(table: _Table, name: str, *, as_text: bool) -> np.ndarray:
    values = _values(table, name, as_text=as_text)
    if values.dtype.kind == "f":
        _to_float32(table, name, values)
    return values


def _values(table: _Table, name: str, *, as_text: bool) -> np.ndarray:
    """(N,) float64 where every cell is a number, else (N,) text; numbers among text only if `as_text`."""
    column = table.column(name)
    for line, cell in zip(table.lines, column, strict=True):
        if cell.lower() in MISSING:
            raise DataError(
                f"{table.path}: line {line}, column {name!r} is missing, got {cell!r}; fill it in, or remove the line"
            )
    numbers = [_number(cell) for cell in column]
    texts = [row for row, number in enumerate(numbers) if number is None]
    if not texts:
        return np.array(numbers, np.float64)
    if len(texts) < len(column) and not as_text:
        raise DataError(
            f"{table.path}: line {table.lines[texts[0]]}, column {name!r} must be a number as other cells of the "
            f"column are, got {column[texts[0]]!r}"
        )
    return np.array(column)


def _to_float32(table: _Table, name: str, values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        floats = values.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(floats))
    if wrong.size:
        cell = table.column(name)[wrong[0]]
        raise DataError(f"{table.path}: line {table.lines[wrong[0]]}, column {name!r} is not finite, got {cell!r}")
    return floats


def _number(cell: str) -> float | None:
    """The number that the cell holds; Python's own `1_000` is text."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return None if "_" in cell or math.isnan(number) else number
