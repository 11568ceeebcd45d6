"""Files of tables, read as text: CSV, Parquet and Excel.

Every format ends as one `Table` of text cells, so that numbers, categories, dates and missing cells are recognized in
one way, and messages can name line and column.
"""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpsearch.config.data import CsvData, ExcelData, ParquetData, TableData
from hpsearch.data.number_parsing import plain_number
from hpsearch.errors import DataError
from hpsearch.formatting import plural

FRAME = "frame"
"""Start of the name of a file in which a DataFrame of the session is kept; its messages count rows, not lines."""

_TAB = frozenset({"tab", "\\t"})
_DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", " ": "spaces"}

_BETWEEN_WORDS = str.maketrans(dict.fromkeys(',;\t|"', " "))
"""Usual separators and quotation marks, replaced by spaces for `table_digest`."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text.

    Attributes:
        path: Its file.
        names: Names of the columns.
        cells: A `pyarrow.Table` of text, a column for each name.
        notes: How the file was decoded and parsed, one sentence each.
        lines: The text of a CSV file, which tells lines; None for other formats.
        test: The table of `data.test_path`, whose cells follow the others; None if there is none.
    """

    path: Path
    names: list[str]
    cells: Any
    notes: tuple[str, ...] = ()
    lines: "_Lines | None" = None
    test: "Table | None" = None

    @property
    def own(self) -> int:
        """Number of rows without those of `test`."""
        return len(self.cells) - (len(self.test.cells) if self.test else 0)

    def column(self, name: str) -> Any:
        """Return a column as `pyarrow.ChunkedArray` of text."""
        return self.cells.column(self.names.index(name))

    def place(self, row: int, name: str) -> str:
        """Return where a cell is, for messages."""
        if self.test is not None and row >= self.own:
            return self.test.place(row - self.own, name)
        if re.fullmatch(rf"{FRAME}-[0-9a-f]{{16}}\.csv", self.path.name):
            return f"row {row} (from 0) of the DataFrame kept as {self.path}, column {name!r}"
        if self.lines is None:
            return f"{self.path}: row {row + 1} below the header, column {name!r}"
        line = next(line for at, (line, _) in enumerate(self.lines.rows()) if at == row)
        return f"{self.path}: line {line}, column {name!r}"


@dataclass(frozen=True, slots=True)
class _Lines:
    """A CSV file in UTF-8 without a byte order mark, with line feeds; `skipped` lines before the header."""

    content: bytes
    delimiter: str
    quote: str
    skipped: int

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and cells of each row below the header; slow, used for messages only."""
        text = io.StringIO(self.content.decode(), newline="")
        reader = csv.reader(text, delimiter=self.delimiter, quotechar=self.quote)
        numbered = ((reader.line_num, row) for row in reader if row)
        for line, _ in numbered:
            if line > self.skipped:
                break  # the header
        yield from numbered


def open_table(data: TableData) -> Table:
    """Read the file at `data.path` as text.

    Raises:
        DataError: If it cannot be read, or is not a table with a header and rows.
    """
    table = _named_columns(_open(data, Path(data.path).expanduser()))
    if data.test_path is None:
        return table
    import pyarrow as pa  # noqa: PLC0415

    test = _named_columns(_open(data, Path(data.test_path).expanduser()))
    if absent := [name for name in table.names if name not in test.names]:
        raise DataError(f"{test.path} (data.test_path) lacks columns of {table.path}: {', '.join(absent)}")
    test = replace(test, names=table.names, cells=test.cells.select([test.names.index(name) for name in table.names]))
    numbers = [str(number) for number in range(len(table.names))]
    cells = pa.concat_tables([part.cells.rename_columns(numbers) for part in (table, test)])
    return replace(table, cells=cells, test=test)


def _open(data: TableData, path: Path) -> Table:
    match data:
        case CsvData():
            return _open_csv(data, path)
        case ParquetData():
            return _open_parquet(data, path)
        case _:
            assert isinstance(data, ExcelData), data.kind
            return _open_excel(data, path)


def table_digest(data: TableData) -> str:
    """Return the SHA-256 of the whole table at `data.path`: the words of every line, whatever other options say.

    All columns of all rows count, in order, as written. What lies between cells does not: commas, semicolons, tabs,
    bars and quotation marks, spaces around cells, blank lines, line endings, a byte order mark and the encoding.

    Raises:
        DataError: If the file cannot be read.
    """
    sha = hashlib.sha256()
    paths = [data.path, *([data.test_path] if data.test_path else [])]
    for line in (line for path in paths for line in _text_lines(data, Path(path).expanduser())):
        if words := line.translate(_BETWEEN_WORDS).split():
            sha.update(("\t".join(words) + "\n").encode())
    return sha.hexdigest()


def _text_lines(data: TableData, path: Path) -> Iterator[str]:
    if isinstance(data, CsvData):
        content, _ = _read_text(data, path)
        yield from io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
        return
    table = _open(data, path)
    yield " ".join(table.names)
    for batch in table.cells.to_batches(max_chunksize=2**16):
        yield from map(" ".join, zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _read_bytes(data: TableData, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        key = "path" if path == Path(data.path).expanduser() else "test_path"
        given = getattr(data, key)
        raise DataError(f"data.{key}={given}: there is no such file (looked for {path.absolute()})") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _open_parquet(data: ParquetData, path: Path) -> Table:
    import pyarrow as pa  # noqa: PLC0415 - only for tables, and it takes a while
    import pyarrow.parquet as reader  # noqa: PLC0415

    try:
        table = reader.read_table(pa.BufferReader(_read_bytes(data, path)), use_threads=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise DataError(f"{path} cannot be read as a Parquet file: {error}") from error
    return Table(path, list(table.column_names), _as_text(table, path))


def _open_excel(data: ExcelData, path: Path) -> Table:
    try:
        import openpyxl  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise DataError("data=excel needs openpyxl: pip install 'hpsearch[excel]', or save the sheet as CSV") from None
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    sheet = 0 if data.sheet is None else data.sheet
    try:
        frame = pd.read_excel(io.BytesIO(_read_bytes(data, path)), sheet_name=sheet, dtype=object, na_filter=False)
    except ValueError as error:
        raise DataError(f"{path} cannot be read as an Excel file (data.sheet={data.sheet}): {error}") from error
    names = ["" if re.fullmatch(r"Unnamed: \d+", str(name)) else str(name).strip() for name in frame.columns]
    cells = {str(at): [_excel_text(cell) for cell in frame.iloc[:, at]] for at in range(len(names))}
    return Table(path, names, pa.table({name: pa.array(column, pa.string()) for name, column in cells.items()}))


def _excel_text(cell: Any) -> str:
    """Return a cell as one types it: midnight of a day is the day."""
    text = cell.isoformat(sep=" ") if hasattr(cell, "isoformat") else "" if cell is None else str(cell)
    return text.removesuffix(" 00:00:00")


def _as_text(table: Any, path: Path) -> Any:
    """Return a `pyarrow.Table` with all columns as text; what is missing is empty, and floats keep all digits."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import compute  # noqa: PLC0415

    columns = []
    for name, given in zip(table.column_names, table.columns, strict=True):
        column = given.combine_chunks()
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_floating(column.type):
            column = compute.if_else(compute.is_nan(column), pa.scalar(None, column.type), column)
        try:
            columns.append(compute.fill_null(compute.cast(column, pa.string()), ""))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise DataError(f"{path}: column {name!r} holds {column.type}, which is no number, text or date") from error
    return pa.table(dict(zip(map(str, range(len(columns))), columns, strict=True)))


def _open_csv(data: CsvData, path: Path) -> Table:
    delimiter = "\t" if data.delimiter in _TAB else data.delimiter
    if len(delimiter) != 1:
        raise DataError(f"data.delimiter must be one character, or tab, got {data.delimiter!r}")
    content, notes = _read_text(data, path)
    start = 0
    # Excel names the delimiter in a first line such as `sep=;`
    if sep_line := re.match(rb'"?sep=([^\w\s"]|\t)"?\r?\n', content):
        delimiter, start = sep_line[1].decode(), sep_line.end()
        notes = (*notes, f"columns are separated by {_named(delimiter)}, as line 1 says")
    lines = _Lines(content, delimiter, data.quote, 1 if sep_line else 0)
    names, end = _header(path, lines, start)
    if not sep_line and len(names) == 1:
        others = [replace(lines, delimiter=each) for each in _DELIMITERS]
        other = max(others, key=lambda each: len(_header(path, each, start)[0]))
        if len(_header(path, other, start)[0]) > 1:
            lines = other
            names, end = _header(path, lines, start)
            notes = (*notes, f"columns are separated by {_named(lines.delimiter)}")
    table = Table(path, names, None, notes, lines)
    return replace(table, cells=_parsed(table, lines, end))


def _read_text(data: CsvData, path: Path) -> tuple[bytes, tuple[str, ...]]:
    """Return the content in UTF-8, and notes about the encoding."""
    content = _read_bytes(data, path)
    if data.encoding is not None:
        try:
            content, encoding = content.decode(data.encoding).removeprefix("\ufeff").encode(), ""
        except (LookupError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read with data.encoding={data.encoding}: {error}") from error
    else:
        content, encoding = _in_utf8(content, path)
    if b"\r" in content and b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    return content, (f"the file is in {encoding}",) if encoding else ()


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
            raise DataError(
                f"{path} cannot be read as a CSV file: {error}; save it in UTF-8, or name its encoding by data.encoding"
            ) from error
    return content, ""


def _named(delimiter: str) -> str:
    return _DELIMITER_NAMES.get(delimiter, repr(delimiter))


def _header(path: Path, lines: _Lines, start: int) -> tuple[list[str], int]:
    """Return the column names, and the offset of the line after them."""
    stream = io.BytesIO(lines.content)
    stream.seek(start)
    decoded = (line.decode() for line in iter(stream.readline, b""))
    try:
        for row in csv.reader(decoded, delimiter=lines.delimiter, quotechar=lines.quote, skipinitialspace=True):
            if row:
                return [cell.strip() for cell in row], stream.tell()
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a CSV file: {error}") from error
    raise DataError(f"{path} is empty: a header line and rows are needed")


def _parsed(table: Table, lines: _Lines, start: int) -> Any:
    """Return the cells below the header as a pyarrow.Table of text."""
    import pyarrow as pa  # noqa: PLC0415 - only for tables, and it takes a while
    import pyarrow.csv as reader  # noqa: PLC0415

    if all(plain_number(name) is not None for name in table.names):
        names = ", ".join(table.names[:5])
        raise DataError(f"{table.path} has no header: line {lines.skipped + 1} must name the columns, got {names}")
    content, numbers = lines.content, [str(number) for number in range(len(table.names))]
    if not content[start : start + 2**12].strip() and not content[start:].strip():
        raise DataError(f"{table.path} has a header and no rows")
    try:
        return reader.read_csv(
            pa.py_buffer(memoryview(content)[start:]),
            # one thread: there is already one worker per core
            read_options=reader.ReadOptions(use_threads=False, block_size=2**24, column_names=numbers),
            parse_options=reader.ParseOptions(
                delimiter=lines.delimiter, quote_char=lines.quote, newlines_in_values=lines.quote.encode() in content
            ),
            convert_options=reader.ConvertOptions(column_types=dict.fromkeys(numbers, pa.string())),
        )
    except pa.ArrowInvalid as error:
        width = len(table.names)
        for line, row in lines.rows():
            if len(row) != width:
                raise DataError(
                    f"{table.path}: line {line} has {len(row)} values, the header has {width}; is data.delimiter right?"
                ) from None
        raise DataError(f"{table.path} cannot be read as a CSV file: {error}") from error


def _named_columns(table: Table) -> Table:
    """Return the table without empty trailing lines, an unnamed leading index and unnamed empty trailing columns."""
    names, cells, notes = list(table.names), table.cells, list(table.notes)
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise DataError(f"{table.path}: column names must differ, got {', '.join(map(repr, twice))} more than once")
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
