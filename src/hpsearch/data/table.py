"""A user's own table: what each column is, and its cells as numbers.

A column whose cells are all numbers is one; words are categories, in sorted order; dates are recognized by their
format. Kinds of columns, categories, number formats and the need for float64 belong to the table's schema and are
determined from all rows; no other statistic is computed here.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from hpsearch.config.conversion import nearest
from hpsearch.config.data import ColumnChoice, MissingTarget, TableData, TaskChoice
from hpsearch.data.check import about_groups, are_like_groups
from hpsearch.data.dataset import (
    Column,
    ColumnKind,
    Rows,
    as_floats,
    check_weights,
    name_columns,
    reconstructed,
)
from hpsearch.data.date_parsing import is_like_a_date, parse_dates
from hpsearch.data.number_parsing import NEARLY, Reading, plain_number, readings_of
from hpsearch.data.table_files import Table, open_table
from hpsearch.data.target_encoding import Targets, encode_targets
from hpsearch.errors import DataError
from hpsearch.formatting import number_of
from hpsearch.quoting import hydra_quoted, list_override, shell_quoted
from hpsearch.records import Task

MANY_WORDS = 100
"""A column with more distinct words than this, and than half its cells, is text and no category."""

FEW_ROWS = 20
"""Number of rows from which on a column of words that all differ is text and no category."""

MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "null", "?")
"""Cells that count as missing, in any case, unless `data.missing` names others."""

_GROUPED = r"^\s*[+-]?(\d+|[1-9]\d{0,2}\.\d{3})\s*$"
"""A whole number, or one whose only ambiguity is whether its point separates thousands."""

_FIRST = 100
"""Number of cells examined before all are."""


@dataclass(frozen=True, slots=True)
class _Read:
    """How a column's numbers are written, with an example that `float` would misread or reject."""

    name: str
    reading: Reading
    example: str

    def __str__(self) -> str:
        decimal = self.reading.decimal == "," and plain_number(self.example) is None
        otherwise = [_override("decimal", ".")] if decimal else []
        otherwise += [_override("thousands", "none")] if self.reading.thousands else []
        way_out = f"; if not: {' '.join(otherwise)}" if otherwise else ""
        return f"{self.reading} ({self.example!r} is {self.reading.number(self.example):.12g}{way_out})"


@dataclass(frozen=True, slots=True, eq=False)
class _Values:
    """A column.

    Attributes:
        column: Its name, kind and categories.
        cells: Shape (N,) float64: numbers, seconds or indices of categories, NaN where missing.
        read: How its numbers are written, if not as `float` reads them.
        note: What was recognized in it, besides.
        text: Whether it is text rather than a category.
    """

    column: Column
    cells: np.ndarray
    read: _Read | None = None
    note: str = ""
    text: bool = False


def read_table(data: TableData) -> Rows:
    """Read the rows of the file at `data.path`.

    Inputs (N, D) are the cells of the columns, see `Rows`, in the order of the file, without the target, the columns of
    `data.drop` and columns of text.

    Raises:
        DataError: If the file is not a table of at least two columns with a header line, or a cell in use is not
            finite or text among numbers; the message gives line and column.
    """
    table = open_table(data)
    names = _input_names(table, data)
    predicted = () if data.task is TaskChoice.AUTOENCODER else data.targets
    more = [name for name in (*predicted, data.time, data.weight) if name is not None and name not in names]
    options = _keys_of_columns(table, data, [*names, *more])
    values = [_values(table, options[name], name, data.choices.get(name)) for name in names]
    left_out = [each for each in values if each.text and each.column.name not in data.choices]
    values = [each for each in values if each not in left_out]
    if not values:
        texts = name_columns([each.column.name for each in left_out])
        raise DataError(f"{table.path}: every input column is text ({texts}): {_use(left_out[0].column.name)} uses one")
    targets, kept, notes = None, np.arange(len(table.cells)), list(table.notes)
    read = values
    if predicted:
        labels, kept, note = _targets(table, [options[name] for name in predicted], predicted)
        targets = _encoded(table, data, labels, kept)
        read, notes = [*values, *labels], notes + ([note] if note else [])
    inputs = np.stack([_to_floats(table, each)[kept] for each in values], axis=1)
    notes += _tell([each.read for each in read])
    notes += [each.note for each in read if each.note]
    notes += [
        f"{each.column.name}: left out, {number_of(len(each.column.categories), 'different word')} in "
        f"{number_of(len(each.cells), 'row')} are text or names; to use it: {_use(each.column.name)}"
        for each in left_out
    ]
    about: dict[str, Any] = {
        "columns": tuple(each.column for each in values),
        "notes": tuple(notes),
        "groups": None if data.groups is None else _groups(table, data)[kept],
        "times": None if data.time is None else _times(table, options[data.time], data.time)[kept],
        "test": None if table.test is None else kept >= table.own,
        "target_names": predicted if len(predicted) > 1 else (),
        "weights": None if data.weight is None else _weights(table, options[data.weight], data.weight, kept),
    }
    stem = Path(data.path).stem
    if targets is None:
        _require_numbers(table, values)
        return reconstructed(Rows(stem, Task.REGRESSION, inputs, inputs, 0, **about))
    about["labels"] = targets.labels
    return Rows(stem, targets.task, inputs, targets.values, targets.classes, targets.class_names, **about)


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels of files.

    Attributes:
        files: The N names of files, those of `data.path` before those of `data.test_path`.
        own: Number of those of `data.path`.
        targets: Their N targets; None for an autoencoder.
        groups: Shape (N,) int64; None if there are none.
        weights: Shape (N,) float64; None if there are none.
        notes: What was recognized, one sentence each.
    """

    files: list[str]
    own: int
    targets: Targets | None
    groups: np.ndarray | None
    weights: np.ndarray | None
    notes: tuple[str, ...]


def read_labels(data: TableData, files: str) -> Labels:
    """Read target, group and weight of each file that a table names, in the order of its rows.

    Args:
        data: The table.
        files: Its column of names of files.

    Raises:
        DataError: If a column does not exist, or the target cannot be used.
    """
    table = open_table(data)
    targeted = [("data.target", name) for name in data.targets]
    besides = [("data.groups", data.groups), ("data.weight", data.weight)]
    _require_columns(table, [("data.file_column", files), *targeted, *besides])
    names = np.array(table.column(files).to_pylist(), object)
    targets, kept, notes = None, np.arange(len(names)), table.notes
    if data.task is not TaskChoice.AUTOENCODER:
        try:
            labels, kept, note = _targets(table, [data] * len(data.targets), data.targets)
        except DataError as error:
            # there are no columns of inputs, for which the message is made
            raise DataError(str(error).replace(_use(data.targets[0]), "data.task=classification")) from error
        targets = _encoded(table, data, labels, kept)
        notes = (*table.notes, *filter(None, (note, *(each.note for each in labels))))
        if data.groups is None:
            others = [name for name in table.names if name not in (files, data.weight, *data.targets)]
            alike = [name for name in others if are_like_groups(name, np.array(table.column(name).to_pylist(), object))]
            notes = (*notes, *(about_groups(name) for name in alike[:1]))
    groups = None if data.groups is None else _groups(table, data)[kept]
    weights = None if data.weight is None else _weights(table, data, data.weight, kept)
    return Labels(list(names[kept]), int((kept < table.own).sum()), targets, groups, weights, notes)


def _use(name: str) -> str:
    """Return the override that makes a column a category; Hydra takes other names in lists alone."""
    if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        return shell_quoted(f"data.columns.{name}=category")
    return shell_quoted(f"data.columns={{category: [{hydra_quoted(name)}]}}")


def _require_numbers(table: Table, values: list[_Values]) -> None:
    """Refuse an autoencoder's inputs that are no numbers, or missing: they are the targets too."""
    for each in values:
        missing = np.isnan(each.cells).any()
        if each.column.kind is not ColumnKind.NUMBER or missing:
            what = "has missing cells" if missing else f"holds a {each.column.kind}"
            raise DataError(
                f"{table.path}: data.task=autoencoder takes numbers, and column {each.column.name!r} {what}: leave it "
                f"out by {list_override('data.drop', [each.column.name])}"
            )


def _targets(table: Table, options: Sequence[TableData], names: Sequence[str]) -> tuple[list[_Values], np.ndarray, str]:
    """Return the targets, the indices of the rows that have all of them, and a note about the others."""
    targets = [_target(table, data, name) for data, name in zip(options, names, strict=True)]
    missing_nt = np.isnan(np.stack([each.cells for each in targets], axis=1))
    missing = missing_nt.any(axis=1)
    if not missing.any():
        return targets, np.arange(len(missing)), ""
    have = f"{number_of(int(missing.sum()), 'row')} of {len(missing):,}"
    if options[0].missing_target is MissingTarget.REFUSE or missing.all():
        row, column = np.argwhere(missing_nt)[0]
        target = "the target" if len(names) == 1 else "a target"
        raise DataError(
            f"{table.place(int(row), names[column])} is missing, as {target} of {have} is: fill it in, or leave such "
            "rows out by data.missing_target=drop"
        )
    kept = np.flatnonzero(~missing)
    absent = " or ".join(name for name, cells in zip(names, missing_nt.T, strict=True) if cells.any())
    note = f"{have} left out, whose {absent} is missing"
    return [replace(each, cells=each.cells[kept]) for each in targets], kept, note


def _target(table: Table, data: TableData, name: str) -> _Values:
    of_words = data.task in (TaskChoice.CLASSIFICATION, TaskChoice.MULTILABEL)
    values = _values(table, data, name, data.choices.get(name, ColumnChoice.CATEGORY if of_words else None))
    if values.column.kind is ColumnKind.NUMBER:
        _check_range(table, values)
    elif len(data.targets) > 1 and data.task is not TaskChoice.MULTILABEL:
        what = "words" if values.column.kind is ColumnKind.CATEGORY else "dates"
        raise DataError(
            f"{table.path}: column {name!r} (data.target) holds {what}: several targets must all be numbers; predict "
            f"{name!r} alone, or labels of two values each by data.task=multilabel"
        )
    return values


def _encoded(table: Table, data: TableData, labels: Sequence[_Values], kept: np.ndarray) -> Targets:
    """Return the targets of the rows that are kept, as classes or numbers; several are numbers or labels."""
    if len(labels) > 1 and data.task is not TaskChoice.MULTILABEL:
        data = replace(data, task=TaskChoice.REGRESSION)
    encoded = [encode_targets(_array(each), data, f"column {each.column.name!r} of {table.path}") for each in labels]
    if encoded[0].classes and table.test is not None:
        _refuse_unknown_classes(table, labels[0].column.name, encoded[0], kept)
    if len(encoded) == 1:
        return encoded[0]
    values = np.concatenate([each.values for each in encoded], axis=1)
    return replace(encoded[0], values=values, labels=tuple(pair for each in encoded for pair in each.labels))


def _refuse_unknown_classes(table: Table, name: str, targets: Targets, kept: np.ndarray) -> None:
    """Refuse a class that only the file of test rows has: no network could learn it."""
    assert table.test is not None, table.path
    if unknown := set(targets.values.tolist()) - set(targets.values[kept < table.own].tolist()):
        raise DataError(
            f"{table.test.path} (data.test_path) holds {name} {targets.class_names[min(unknown)]!r}, and no row of "
            f"{table.path} does: add rows of it there, or leave its rows out"
        )


def _groups(table: Table, data: TableData) -> np.ndarray:
    """Return the group of each row (N,) int64; a row whose group is missing is one by itself."""
    assert data.groups is not None, data.kind
    values = _categories(_words(table, data.groups, table.column(data.groups), data.missing), data)
    alone = np.isnan(values.cells)
    groups = np.where(alone, 0, values.cells).astype(np.int64)
    groups[alone] = len(values.column.categories) + np.arange(alone.sum())
    return groups


def _times(table: Table, data: TableData, name: str) -> np.ndarray:
    """Return the time of each row (N,) float64."""
    values = _values(table, data, name, data.choices.get(name))
    if values.column.kind is ColumnKind.CATEGORY:
        raise DataError(f"{table.path}: column {name!r} (data.time) holds words: it must hold dates or numbers")
    if (missing := np.isnan(values.cells)).any():
        raise DataError(f"{table.place(int(np.flatnonzero(missing)[0]), name)} is missing: data.time needs all times")
    return values.cells


def _weights(table: Table, data: TableData, name: str, kept: np.ndarray) -> np.ndarray:
    """Return the weights of the rows that are kept, float64."""
    values = _values(table, data, name, data.choices.get(name))
    if values.column.kind is not ColumnKind.NUMBER:
        raise DataError(
            f"{table.path}: column {name!r} (data.weight) must hold numbers, got {values.column.kind} cells"
        )
    _check_range(table, values)
    weights = values.cells[kept]
    if (wrong := kept[np.isnan(weights) | (weights < 0)]).size:
        cell = values.cells[wrong[0]]
        got = "an empty cell" if np.isnan(cell) else f"{cell:g}"
        raise DataError(f"{table.place(int(wrong[0]), name)} must be a weight >= 0 (data.weight), got {got}")
    return check_weights(weights, f"{table.path}: column {name!r} (data.weight)")


def _array(values: _Values) -> np.ndarray:
    """Return a target as words or numbers."""
    if values.column.kind is ColumnKind.CATEGORY:
        words = [plain_number(word) for word in values.column.categories]
        # labels that are numbers keep the order of numbers
        names = np.array(values.column.categories if None in words else words)
        return names[values.cells.astype(np.int64)]
    return values.cells


def _input_names(table: Table, data: TableData) -> list[str]:
    named = [*(("data.target", name) for name in data.targets), ("data.groups", data.groups)]
    named += [("data.weight", data.weight), ("data.time", data.time)]
    named += [("data.drop", name) for name in data.drop]
    _require_columns(table, [*named, *(("data.columns", name) for name in data.choices)])
    inputs = [name for name in table.names if name not in (*data.targets, data.groups, data.weight, *data.drop)]
    inputs = [name for name in inputs if data.choices.get(name) is not ColumnChoice.DROP]
    if not inputs:
        dropped = f" and data.drop=[{','.join(map(hydra_quoted, data.drop))}]" if data.drop else ""
        target = data.target if isinstance(data.target, str) else f"[{','.join(map(hydra_quoted, data.targets))}]"
        besides = f"data.target={target}{dropped}"
        raise DataError(f"{table.path} has no column besides {besides}: at least one input is needed")
    return inputs


def _require_columns(table: Table, named: Iterable[tuple[str, str | None]]) -> None:
    """Refuse names, given with the keys that they come from, of columns that do not exist."""
    for key, name in named:
        if name is not None and name not in table.names:
            way_out = f"{nearest(name, table.names)}{_unquoted(name, table.names)}"
            raise DataError(f"{table.path} has no column {name!r} ({key}): {way_out}")


def _unquoted(name: str, names: list[str]) -> str:
    """Return advice for the case that Hydra parsed a list item as a number, so that `1_000` became `1000`."""
    number = plain_number(name)
    meant = [] if number is None else [each for each in names if plain_number(each.replace("_", "")) == number]
    return f" A name that reads as a number goes in quotes: {list_override('data.drop', meant)}" if meant else ""


def _to_floats(table: Table, values: _Values) -> np.ndarray:
    """Return the cells of an input as floats, see `as_floats`."""
    if values.column.kind is not ColumnKind.NUMBER:
        return values.cells.astype(np.float32) if values.column.kind is ColumnKind.CATEGORY else values.cells
    _check_range(table, values)
    return as_floats(values.cells, f"{table.path}: column {values.column.name!r}")


def _check_range(table: Table, values: _Values) -> None:
    name = values.column.name
    with np.errstate(over="ignore"):
        wrong = np.flatnonzero(np.isinf(values.cells.astype(np.float32)))
    if wrong.size:
        cell = table.column(name)[wrong[0]].as_py().strip()
        raise DataError(f"{table.place(wrong[0], name)} is not finite, got {cell!r}")
    if values.read is None and (values.cells == values.cells[0]).all():
        cells = table.column(name).unique().to_pylist()
        if len({Decimal(cell.strip()) for cell in cells}) > 1:
            label = f"{table.path}: column {name!r}"
            raise DataError(f"{label} differs in digits that even float64 does not hold: subtract a constant from it")


@dataclass(frozen=True, slots=True)
class _Words:
    """The cells of a column, encoded as (N,) indices into its distinct words, -1 where they are missing."""

    table: Table
    name: str
    words: list[str]
    codes: np.ndarray
    missing: Counter[str]

    @property
    def counts(self) -> np.ndarray:
        """Number of cells with each word."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.words))

    def refused(self, code: int, rule: str) -> DataError:
        row = int(np.flatnonzero(self.codes == code)[0])
        return DataError(f"{self.table.place(row, self.name)} {rule.replace('{}', repr(self.words[code]))}")

    def cells(self, values: Iterable[float | None]) -> np.ndarray:
        """Return the value of each cell's word, NaN where it is missing."""
        cells: np.ndarray = np.array([*values, np.nan], np.float64)[self.codes]
        return cells


def _values(table: Table, data: TableData, name: str, choice: ColumnChoice | None) -> _Values:
    """Return a column, as its cells are or as `data.columns` says.

    Raises:
        DataError: If a cell does not fit the others, or may be read in two ways.
    """
    column = table.column(name)
    usual = data.decimal != "," and data.thousands != "." and not _has_numbers(data.missing)
    if usual and choice in (None, ColumnChoice.NUMBER):
        numbers = _plain_numbers(column)
        if numbers is not None:
            return _Values(Column(name), numbers)
    cells = _words(table, name, column, data.missing)
    if not cells.words:
        return _Values(Column(name), cells.cells([]))
    if choice is ColumnChoice.CATEGORY:
        return _categories(cells, data)
    counts, plain = cells.counts, [plain_number(word) is not None for word in cells.words]
    found = _dates(cells, data, asked=True) if choice is ColumnChoice.DATE else _numbers(cells, data)
    if found is None and (choice is ColumnChoice.NUMBER or counts[plain].sum() >= counts.sum() / 2):
        _refuse_words(cells, data)
    return found or _dates(cells, data) or _categories(cells, data)


def _numbers(cells: _Words, data: TableData) -> _Values | None:
    """Return a column of numbers; None if it holds others."""
    plain = [plain_number(word) for word in cells.words]
    if None not in plain and data.decimal != "," and data.thousands != ".":
        return _Values(Column(cells.name), cells.cells(plain))
    if reading := _reading(cells, data):
        return _read_as(cells, reading)
    return None if None in plain else _Values(Column(cells.name), cells.cells(plain))


def _refuse_words(cells: _Words, data: TableData) -> NoReturn:
    plain = [plain_number(word) for word in cells.words]
    rule = f"must be a number as other cells of the column are, got {{}}{_or(cells, data, plain.index(None))}"
    raise cells.refused(plain.index(None), rule)


def _or(cells: _Words, data: TableData, code: int) -> str:
    """Return what else a cell that does not fit the others may be."""
    missing = list_override("data.missing", [*(data.missing or MISSING), cells.words[code]])
    return f"; if it is missing: {missing}; if these are categories: {_use(cells.name)}"


def _has_numbers(missing: list[str] | None) -> bool:
    return missing is not None and any(plain_number(word) is not None for word in missing)


def _categories(cells: _Words, data: TableData) -> _Values:
    """Return a column of words; spellings that differ in case alone are one, unless `data.ignore_case=false`."""
    counts = cells.counts
    spellings: dict[str, list[int]] = {}
    for code, word in enumerate(cells.words):
        spellings.setdefault(word.casefold() if data.ignore_case else word, []).append(code)
    named = {max(codes, key=lambda code: (counts[code], cells.words[code])): codes for codes in spellings.values()}
    order = sorted(named, key=lambda code: cells.words[code])
    categories = tuple(cells.words[code] for code in order)
    places = {code: place for place, named_code in enumerate(order) for code in named[named_code]}
    notes = []
    if len(categories) < len(cells.words):
        several = [sorted(cells.words[code] for code in codes) for codes in named.values() if len(codes) > 1]
        same = "; ".join(" = ".join(map(repr, words)) for words in several[:3])
        notes.append(f"{same}, which differ in case alone; if not: data.ignore_case=false")
    if words := {word: count for word, count in cells.missing.items() if word}:
        most = max(words, key=words.__getitem__)
        how = list_override("data.missing", [""])
        notes.append(f"{most!r} counts as missing, in {number_of(words[most], 'row')}; if it is a category: {how}")
    return _Values(
        Column(cells.name, ColumnKind.CATEGORY, categories),
        cells.cells([float(places[code]) for code in range(len(cells.words))]),
        note=f"{cells.name}: {'; '.join(notes)}" if notes else "",
        text=_is_text(len(categories), int(counts.sum())),
    )


def _is_text(words: int, cells: int) -> bool:
    return words > max(MANY_WORDS, cells / 2) or words == cells >= FEW_ROWS


def _dates(cells: _Words, data: TableData, *, asked: bool = False) -> _Values | None:
    """Return a column of dates; None if it holds others.

    Raises:
        DataError: If the day or the month may come first, or another cell is no date where dates are asked for.
    """
    found = parse_dates(cells.words, dayfirst=data.dayfirst)
    if not found and asked:
        undated = (at for at, word in enumerate(cells.words) if not parse_dates([word], dayfirst=data.dayfirst))
        rule = "must be a date in the format of the others (data.columns), got {}"
        raise cells.refused(next(undated, len(cells.words) - 1), rule)
    if not found:
        _refuse_undated(cells, data)
        return None
    if len(found) > 1:
        at = int(np.flatnonzero(found[0].seconds != found[1].seconds)[0])
        raise cells.refused(
            at, "may have its day or its month first, got {}: say which by data.dayfirst=true or data.dayfirst=false"
        )
    note = f"{cells.name}: dates ({found[0].format}); if not: {_use(cells.name)}"
    column = Column(cells.name, ColumnKind.DATE, format=found[0].format)
    return _Values(column, cells.cells(found[0].seconds), note="" if asked else note)


def _refuse_undated(cells: _Words, data: TableData) -> None:
    """Refuse a cell that is no date where nearly all are."""
    dated, counts = [is_like_a_date(word) for word in cells.words], cells.counts
    if NEARLY * counts.sum() <= counts[dated].sum() < counts.sum():
        others = f"must be a date as other cells of the column are, got {{}}{_or(cells, data, dated.index(False))}"
        raise cells.refused(dated.index(False), others)


def _keys_of_columns(table: Table, data: TableData, names: list[str]) -> Mapping[str, TableData]:
    """Return the options with which each column is read: in a file with decimal commas, `1.250` is 1250.

    A column of 1.250 and 900 is ambiguous by itself; any other column can decide it, even one that is dropped.
    """
    keys = dict.fromkeys(names, data)
    if data.decimal or data.thousands or not any(_may_be_grouped(table, name, _FIRST) for name in names):
        return keys
    if any(_has_decimal_commas(table, name, data) for name in table.names):
        keys |= {name: replace(data, decimal=",") for name in names if _may_be_grouped(table, name)}
    return keys


def _may_be_grouped(table: Table, name: str, first: int | None = None) -> bool:
    """Return whether the first cells, or all, are whole numbers with points as thousands separators, at least one."""
    from pyarrow import compute  # noqa: PLC0415

    column = table.column(name)
    if compute.max(compute.binary_length(column)).as_py() < len("1.000"):
        return False
    fits = compute.match_substring_regex(column.slice(0, first), _GROUPED)
    return bool(compute.all(fits).as_py() and compute.any(compute.match_substring(column, ".")).as_py())


def _has_decimal_commas(table: Table, name: str, data: TableData) -> bool:
    column = table.column(name)
    if _plain_numbers(column) is not None:
        return False
    cells = _words(table, name, column, data.missing)
    readings = readings_of(cells.words, cells.counts.tolist())
    return bool(readings) and all(each.decimal == "," for each in readings)


def _plain_numbers(column: Any) -> np.ndarray | None:
    """Convert the column to (N,) float64 at once, empty cells to NaN; None if another cell is not a plain number."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    empty = compute.equal(column, "")
    try:
        cast = compute.cast(compute.if_else(empty, pa.scalar(None, pa.string()), column), pa.float64())
    except pa.ArrowInvalid:
        return None
    numbers: np.ndarray = cast.to_numpy()
    # `nan` is a word that may be missing or not
    return (
        None if bool(np.isnan(numbers).sum() > compute.sum(empty).as_py()) or cast.null_count == len(cast) else numbers
    )


def _words(table: Table, name: str, column: Any, missing: list[str] | None) -> _Words:
    """Return the cells as words, without those that count as missing."""
    from pyarrow import compute  # noqa: PLC0415

    encoded = compute.utf8_trim_whitespace(column).combine_chunks().dictionary_encode()
    words, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    absent = {word.strip().casefold() for word in (MISSING if missing is None else missing)}
    numbers = {plain_number(word) for word in absent} - {None}
    present = [word.casefold() not in absent and not (numbers and plain_number(word) in numbers) for word in words]
    counts = np.bincount(codes, minlength=len(words))
    gone = Counter({word: int(count) for word, count, kept in zip(words, counts, present, strict=True) if not kept})
    places = np.where(present, np.cumsum(present) - 1, -1)
    return _Words(table, name, [word for word, kept in zip(words, present, strict=True) if kept], places[codes], gone)


def _read_as(cells: _Words, reading: Reading) -> _Values:
    numbers = [reading.number(word) for word in cells.words]
    if None in numbers:
        rule = f"must be a number as other cells of the column are ({reading}), got {{}}"
        raise cells.refused(numbers.index(None), rule)
    example = next((word for word in cells.words if plain_number(word) != reading.number(word)), None)
    read = None if example is None else _Read(cells.name, reading, example)
    return _Values(Column(cells.name, reading=reading), cells.cells(numbers), read)


def _reading(cells: _Words, data: TableData) -> Reading | None:
    """Return how the column's numbers are written, if not as `float` reads them.

    Raises:
        DataError: If a separator may mark thousands or decimals.
    """
    readings = readings_of(cells.words, cells.counts.tolist(), data.decimal, data.thousands)
    if len(readings) <= 1:
        return next(iter(readings), None)
    # in a comma-separated file a number with a comma was quoted, so the comma separates thousands
    grouped = next((each for each in readings if each.thousands == ","), None)
    if cells.table.lines is not None and cells.table.lines.delimiter == "," and grouped:
        return grouped
    word = next(word for word in cells.words if len({each.number(word) for each in readings}) > 1)
    values = " or ".join(f"{each.number(word):.12g}" for each in readings)
    raise DataError(
        f"{cells.table.path}: column {cells.name!r} holds numbers such as {word!r}, which may be {values}: say "
        f"which by {_override('decimal', ',')} or {_override('thousands', ',')}"
    )


def _override(key: str, mark: str) -> str:
    return shell_quoted(f"data.{key}={hydra_quoted(mark)}")


def _tell(read: Iterable[_Read | None]) -> list[str]:
    """Return a sentence for each way of writing numbers that `float` would not read."""
    columns: dict[str, list[_Read]] = {}
    for each in read:
        if each is not None:
            columns.setdefault(str(each.reading), []).append(each)
    return [f"{name_columns([each.name for each in those])}: {those[0]}" for those in columns.values()]
