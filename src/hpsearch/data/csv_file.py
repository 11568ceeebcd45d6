"""A user's own table in a CSV file.

A column whose cells are all numbers is one feature. A text column is categorical: it becomes one 0/1 feature per
category, in sorted order. Categories, number formats and the need for float64 belong to the table's schema and are
determined from all rows; no other statistic is computed here.
"""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from hpsearch.config.conversion import nearest
from hpsearch.config.data import CsvData, TaskChoice
from hpsearch.data.dataset import Column, Rows, as_floats, name_columns, reconstructed
from hpsearch.data.number_parsing import Reading, plain_number, readings_of
from hpsearch.data.target_encoding import encode_targets
from hpsearch.errors import DataError
from hpsearch.formatting import plural
from hpsearch.quoting import hydra_quoted, list_override, shell_quoted
from hpsearch.records import Task

MAX_CATEGORIES = 100
"""A text column with more distinct values is taken for an identifier, and refused."""

MISSING = frozenset({"", "na", "n/a", "nan", "null", "?"})
"""Cells that count as missing, in any case."""

_GROUPED = r"^\s*[+-]?(\d+|[1-9]\d{0,2}\.\d{3})\s*$"
"""A whole number, or one whose only ambiguity is whether its point separates thousands."""

FRAME = "frame"
"""Start of the name of a file in which a DataFrame of the session is kept; its messages count rows, not lines."""

_FIRST = 100
"""Number of cells examined before all are."""

_TAB = frozenset({"tab", "\\t"})
_DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", " ": "spaces"}

_BETWEEN_WORDS = str.maketrans(dict.fromkeys(',;\t|"', " "))
"""Usual separators and quotation marks, replaced by spaces for `csv_digest`."""


@dataclass(frozen=True, slots=True)
class _Table:
    path: Path
    content: bytes  # UTF-8, without a byte order mark, lines ended by \n or \r\n
    delimiter: str
    names: list[str]
    skipped: int  # lines before the header
    cells: Any = None  # pyarrow.Table of text, a column for each name
    notes: tuple[str, ...] = ()  # how the file was decoded and parsed

    def column(self, name: str) -> Any:
        return self.cells.column(self.names.index(name))

    def place(self, row: int, name: str) -> str:
        """Return where a cell is, for messages."""
        if re.fullmatch(rf"{FRAME}-[0-9a-f]{{16}}\.csv", self.path.name):
            return f"row {row} (from 0) of the DataFrame kept as {self.path}, column {name!r}"
        line = next(line for at, (line, _) in enumerate(self.rows()) if at == row)
        return f"{self.path}: line {line}, column {name!r}"

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and cells of each row below the header; slow, used for messages only."""
        reader = csv.reader(io.StringIO(self.content.decode(), newline=""), delimiter=self.delimiter)
        numbered = ((reader.line_num, row) for row in reader if row)
        for line, _ in numbered:
            if line > self.skipped:
                break  # the header
        yield from numbered


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


@dataclass(frozen=True, slots=True)
class _Values:
    """A column: (N,) float64 numbers or (N,) text, and how its numbers are written if not as `float` reads them."""

    name: str
    array: np.ndarray
    read: _Read | None = None


def read_csv(data: CsvData) -> Rows:
    """Read the rows of the file at `data.path`.

    Inputs (N, D) are floating point, see `as_floats`, in the order of the columns, without the target and the columns
    of `data.drop`.

    Raises:
        DataError: If the file is not a table of at least two columns with a header line, or a cell in use is missing,
            not finite or text among numbers; the message gives line and column.
    """
    table, columns, features, read = _read_table(data), [], [], []
    names = _input_names(table, data)
    target = None if data.task is TaskChoice.AUTOENCODER else data.target
    options = _keys_of_columns(table, data, [*names, *([target] if target else [])])
    for name in names:
        values = _values(table, options[name], name, as_text=False)
        numbers, categories = _features(table, values, data.drop)
        features.append(numbers)
        columns.append(Column(name, numbers.shape[1], categories))
        read.append(values.read)
    targets = None
    if target is not None:
        values = _values(table, options[target], target, as_text=data.task is TaskChoice.CLASSIFICATION)
        if values.array.dtype.kind == "f":
            _to_floats(table, values)
        targets = encode_targets(values.array, data.task, f"column {target!r} of {table.path}")
        read.append(values.read)
    about: dict[str, Any] = {"columns": tuple(columns), "notes": (*table.notes, *_tell(read))}
    del table  # release the text before the features are joined
    stem, inputs = Path(data.path).stem, np.concatenate(features, axis=1)
    if targets is None:
        return reconstructed(Rows(stem, Task.REGRESSION, inputs, inputs, 0, **about))
    return Rows(stem, targets.task, inputs, targets.values, targets.classes, targets.class_names, **about)


def csv_digest(data: CsvData) -> str:
    """Return the SHA-256 of the whole file at `data.path`: the words of every line, whatever other options say.

    All columns of all rows count, in order, as written. What lies between cells does not: commas, semicolons, tabs,
    bars and quotation marks, spaces around cells, blank lines, line endings, a byte order mark and the encoding.

    Raises:
        DataError: If the file is not text.
    """
    sha = hashlib.sha256()
    _, content, _ = _read_text(data)
    for line in io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline=""):
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
    """Return advice for the case that Hydra parsed a list item as a number, so that `1_000` became `1000`."""
    number = plain_number(name)
    meant = [] if number is None else [each for each in names if plain_number(each.replace("_", "")) == number]
    return f" A name that reads as a number goes in quotes: {list_override('data.drop', meant)}" if meant else ""


def _read_text(data: CsvData) -> tuple[Path, bytes, tuple[str, ...]]:
    """Return path, content in UTF-8, and notes about the encoding."""
    path = Path(data.path).expanduser()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"data.path={data.path}: there is no such file (looked for {path.absolute()})") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    content, encoding = _in_utf8(content, path)
    if b"\r" in content and b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    return path, content, (f"the file is in {encoding}",) if encoding else ()


def _in_utf8(content: bytes, path: Path) -> tuple[bytes, str]:
    """Return the text in UTF-8 without byte order mark, and the name of its encoding if it was another."""
    try:
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            return content.decode("utf-16").encode(), "UTF-16"
        content = content.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in content:
            raise DataError(f"{path} is no text, it holds zero bytes: save the table as CSV")
        if not content.isascii():
            content.decode()
    except UnicodeDecodeError as error:
        try:
            return content.decode("cp1252").encode(), "Windows-1252 (Latin-1), not UTF-8"
        except UnicodeDecodeError:
            raise DataError(f"{path} cannot be read as a CSV file: {error}; save it in UTF-8") from error
    return content, ""


def _read_table(data: CsvData) -> _Table:
    delimiter = "\t" if data.delimiter in _TAB else data.delimiter
    if len(delimiter) != 1:
        raise DataError(f"data.delimiter must be one character, or tab, got {data.delimiter!r}")
    path, content, notes = _read_text(data)
    start = 0
    # Excel names the delimiter in a first line such as `sep=;`
    if sep_line := re.match(rb'"?sep=([^\w\s"]|\t)"?\r?\n', content):
        delimiter, start = sep_line[1].decode(), sep_line.end()
        notes = (*notes, f"columns are separated by {_named(delimiter)}, as line 1 says")
    names, end = _header(path, content, start, delimiter)
    if not sep_line and len(names) == 1:
        other = max(_DELIMITERS, key=lambda each: len(_header(path, content, start, each)[0]))
        if len(_header(path, content, start, other)[0]) > 1:
            delimiter = other
            names, end = _header(path, content, start, delimiter)
            notes = (*notes, f"columns are separated by {_named(delimiter)}")
    table = _Table(path, content, delimiter, names, 1 if sep_line else 0)
    return _named_columns(replace(table, cells=_parsed(table, end), notes=notes))


def _named(delimiter: str) -> str:
    return _DELIMITER_NAMES.get(delimiter, repr(delimiter))


def _header(path: Path, content: bytes, start: int, delimiter: str) -> tuple[list[str], int]:
    """Return the column names, and the offset of the line after them."""
    stream = io.BytesIO(content)
    stream.seek(start)
    try:
        for row in csv.reader((line.decode() for line in iter(stream.readline, b"")), delimiter=delimiter):
            if row:
                return [cell.strip() for cell in row], stream.tell()
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a CSV file: {error}") from error
    raise DataError(f"{path} is empty: a header line and rows are needed")


def _parsed(table: _Table, start: int) -> Any:
    """Return the cells below the header as a pyarrow.Table of text."""
    import pyarrow as pa  # noqa: PLC0415 - only for tables, and it takes a while
    import pyarrow.csv as reader  # noqa: PLC0415

    _check_names(table)
    content, numbers = table.content, [str(number) for number in range(len(table.names))]
    if not content[start : start + 2**12].strip() and not content[start:].strip():
        raise DataError(f"{table.path} has a header and no rows")
    try:
        return reader.read_csv(
            pa.py_buffer(memoryview(content)[start:]),
            # one thread: there is already one worker per core
            read_options=reader.ReadOptions(use_threads=False, block_size=2**24, column_names=numbers),
            parse_options=reader.ParseOptions(delimiter=table.delimiter, newlines_in_values=b'"' in content),
            convert_options=reader.ConvertOptions(column_types=dict.fromkeys(numbers, pa.string())),
        )
    except pa.ArrowInvalid as error:
        width = len(table.names)
        for line, row in table.rows():
            if len(row) != width:
                raise DataError(
                    f"{table.path}: line {line} has {len(row)} values, the header has {width}; is data.delimiter right?"
                ) from None
        raise DataError(f"{table.path} cannot be read as a CSV file: {error}") from error


def _check_names(table: _Table) -> None:
    path, names = table.path, table.names
    if all(plain_number(name) is not None for name in names):
        line = table.skipped + 1
        raise DataError(f"{path} has no header: line {line} must name the columns, got {', '.join(names[:5])}")
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise DataError(f"{path}: column names must differ, got {', '.join(map(repr, twice))} more than once")


def _named_columns(table: _Table) -> _Table:
    """Return the table without empty trailing lines, an unnamed leading index and unnamed empty trailing columns."""
    names, cells, notes = list(table.names), table.cells, list(table.notes)
    if empty := _empty_tail(cells):
        cells = cells.slice(0, len(cells) - empty)
        notes.append(
            f"{empty} {plural(empty, 'line')} without any value at the end {plural(empty, 'is', 'are')} left out"
        )
    while len(names) > 1 and not names[-1] and _is_empty(cells.column(len(names) - 1)):
        names.pop()
        notes.append("the last column, which has neither name nor value, is left out")
    columns = list(range(len(names)))
    if len(names) > 1 and not names[0] and _numbers_rows(cells.column(0).to_pylist()):
        columns, names = columns[1:], names[1:]
        notes.append("the first column, which has no name and numbers the rows, is left out")
    if "" in names:
        raise DataError(
            f"{table.path}: column {columns[names.index('')] + 1} has no name in the header; name it, then it can be "
            "used or left out by data.drop"
        )
    if not len(cells):
        raise DataError(f"{table.path} has a header and no rows")
    return replace(table, names=names, cells=cells.select(columns), notes=tuple(notes))


def _is_empty(column: Any) -> bool:
    return not any(cell.strip() for cell in column.unique().to_pylist())


def _empty_tail(cells: Any) -> int:
    """Return how many rows at the end have no value in any column."""
    count = 0
    while count < len(cells) and not any(column[-1 - count].as_py().strip() for column in cells.columns):
        count += 1
    return count


def _numbers_rows(column: list[str]) -> bool:
    return all(cell.isascii() and cell.isdigit() for cell in column) and len(set(column)) == len(column)


def _features(table: _Table, values: _Values, dropped: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (N, 1) numbers and no categories, or (N, categories) zeros and ones and the categories."""
    if values.array.dtype.kind == "f":
        return _to_floats(table, values)[:, None], ()
    categories, numbers = np.unique(values.array, return_inverse=True)
    if len(categories) > MAX_CATEGORIES:
        raise DataError(
            f"{table.path}: text column {values.name!r} has {len(categories)} distinct values, at most "
            f"{MAX_CATEGORIES} can be categories; if it is an identifier, leave it out: "
            f"{list_override('data.drop', [*dropped, values.name])}"
        )
    return np.eye(len(categories), dtype=np.float32)[numbers], tuple(map(str, categories))


def _to_floats(table: _Table, values: _Values) -> np.ndarray:
    with np.errstate(over="ignore"):
        wrong = np.flatnonzero(~np.isfinite(values.array.astype(np.float32)))
    if wrong.size:
        cell = table.column(values.name)[wrong[0]].as_py().strip()
        raise DataError(f"{table.place(wrong[0], values.name)} is not finite, got {cell!r}")
    label = f"{table.path}: column {values.name!r}"
    if values.read is None and values.array.min() == values.array.max():
        cells = table.column(values.name).unique().to_pylist()
        if len({Decimal(cell.strip()) for cell in cells}) > 1:
            raise DataError(f"{label} differs in digits that even float64 does not hold: subtract a constant from it")
    return as_floats(values.array, label)


@dataclass(frozen=True, slots=True)
class _Words:
    """The cells of a column, encoded as (N,) indices into its distinct words."""

    table: _Table
    name: str
    words: list[str]
    codes: np.ndarray

    def refused(self, code: int, rule: str) -> DataError:
        row = int(np.flatnonzero(self.codes == code)[0])
        return DataError(f"{self.table.place(row, self.name)} {rule.format(repr(self.words[code]))}")

    def numbers(self, values: list[float | None]) -> np.ndarray:
        numbers: np.ndarray = np.array(values, np.float64)[self.codes]
        return numbers


def _values(table: _Table, data: CsvData, name: str, *, as_text: bool) -> _Values:
    """Return a column: numbers if every cell is one, otherwise text; a mix is refused unless `as_text`."""
    column = table.column(name)
    usual = data.decimal != "," and data.thousands != "."
    if usual and (numbers := _plain_numbers(column)) is not None:
        return _Values(name, numbers)
    cells = _words(table, name, column)
    plain = [plain_number(word) for word in cells.words]
    if None not in plain and (as_text or usual):
        return _Values(name, cells.numbers(plain))
    if not as_text and (reading := _reading(cells, data)):
        return _read_as(cells, reading)
    if None not in plain:
        return _Values(name, cells.numbers(plain))
    if not as_text and any(number is not None for number in plain):
        raise cells.refused(plain.index(None), "must be a number as other cells of the column are, got {}")
    return _Values(name, np.array(cells.words)[cells.codes])


def _keys_of_columns(table: _Table, data: CsvData, names: list[str]) -> dict[str, CsvData]:
    """Return the options with which each column is read: in a file with decimal commas, `1.250` is 1250.

    A column of 1.250 and 900 is ambiguous by itself; any other column can decide it, even one that is dropped.
    """
    keys = dict.fromkeys(names, data)
    if data.decimal or data.thousands or not any(_may_be_grouped(table, name, _FIRST) for name in names):
        return keys
    if any(_has_decimal_commas(table, name) for name in table.names):
        keys |= {name: replace(data, decimal=",") for name in names if _may_be_grouped(table, name)}
    return keys


def _may_be_grouped(table: _Table, name: str, first: int | None = None) -> bool:
    """Return whether the first cells, or all, are whole numbers with points as thousands separators, at least one."""
    from pyarrow import compute  # noqa: PLC0415

    column = table.column(name)
    if compute.max(compute.binary_length(column)).as_py() < len("1.000"):
        return False
    fits = compute.match_substring_regex(column.slice(0, first), _GROUPED)
    return bool(compute.all(fits).as_py() and compute.any(compute.match_substring(column, ".")).as_py())


def _has_decimal_commas(table: _Table, name: str) -> bool:
    from pyarrow import compute  # noqa: PLC0415

    column = table.column(name)
    if _plain_numbers(column) is not None:
        return False
    words = compute.utf8_trim_whitespace(column).value_counts()
    counts = {each["values"]: each["counts"] for each in words.to_pylist() if each["values"].lower() not in MISSING}
    readings = readings_of(list(counts), list(counts.values()))
    return bool(readings) and all(each.decimal == "," for each in readings)


def _plain_numbers(column: Any) -> np.ndarray | None:
    """Convert the column to (N,) float64 at once; None if a cell is not a plain number."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    try:
        cast = compute.cast(column, pa.float64())
    except pa.ArrowInvalid:
        return None
    numbers: np.ndarray = cast.to_numpy()
    return None if bool(np.isnan(numbers).any()) else numbers


def _words(table: _Table, name: str, column: Any) -> _Words:
    """Return the cells as words; a missing one is refused."""
    from pyarrow import compute  # noqa: PLC0415

    encoded = compute.utf8_trim_whitespace(column).combine_chunks().dictionary_encode()
    cells = _Words(table, name, encoded.dictionary.to_pylist(), encoded.indices.to_numpy())
    for code, word in enumerate(cells.words):
        if word.lower() in MISSING:
            raise cells.refused(code, "is missing, got {}; fill it in, or remove the row")
    return cells


def _read_as(cells: _Words, reading: Reading) -> _Values:
    numbers = [reading.number(word) for word in cells.words]
    if None in numbers:
        rule = f"must be a number as other cells of the column are ({reading}), got {{}}"
        raise cells.refused(numbers.index(None), rule)
    example = next((word for word in cells.words if plain_number(word) != reading.number(word)), None)
    read = None if example is None else _Read(cells.name, reading, example)
    return _Values(cells.name, cells.numbers(numbers), read)


def _reading(cells: _Words, data: CsvData) -> Reading | None:
    """Return how the column's numbers are written, if not as `float` reads them.

    Raises:
        DataError: If a separator may mark thousands or decimals.
    """
    counts = np.bincount(cells.codes, minlength=len(cells.words)).tolist()
    readings = readings_of(cells.words, counts, data.decimal, data.thousands)
    if len(readings) <= 1:
        return next(iter(readings), None)
    # in a comma-separated file a number with a comma was quoted, so the comma separates thousands
    grouped = next((each for each in readings if each.thousands == ","), None)
    if cells.table.delimiter == "," and grouped:
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
