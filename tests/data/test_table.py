"""A user's own table: what it may hold, and a sentence for everything else."""

import csv
import io
import subprocess

import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from hpsearch.config import ConfigError
from hpsearch.config.conversion import build
from hpsearch.config.data import ColumnChoice, CsvData, ExcelData, MissingTarget, ParquetData, TaskChoice
from hpsearch.data.dataset import Column, ColumnKind
from hpsearch.data.table import read_table
from hpsearch.errors import DataError
from hpsearch.records import Task


@pytest.fixture
def read(tmp_path):
    def read(content, target="y", task="auto", delimiter=",", encoding="utf-8", drop=(), **keys):
        path = tmp_path / "own.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return read_table(
            CsvData(
                kind="csv",
                limit=None,
                path=str(path),
                target=target,
                task=TaskChoice(task),
                test=0.2,
                delimiter=delimiter,
                drop=list(drop),
                **CsvData.fingerprint_defaults | keys,
            )
        )

    return read


def table_at(path):
    values = {"limit": None, "target": "y", "task": TaskChoice.AUTO, "test": 0.2}
    return CsvData(kind="csv", path=str(path), delimiter=",", drop=[], **values, **CsvData.fingerprint_defaults)


def text_of(lines):
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()


def test_numbers_are_inputs_in_the_order_of_their_columns(read):
    rows = read("b,y,a\n1.5,no,-2\n3,yes,4e1\n")
    assert rows.name == "own"
    np.testing.assert_array_equal(rows.inputs, np.array([[1.5, -2], [3, 40]], np.float32))


def test_text_labels_are_numbered_in_sorted_order(read):
    rows = read("x,y\n1,cat\n2,ant\n3,cat\n4,bee\n")
    assert (rows.task, rows.classes, rows.class_names) == (Task.MULTICLASS, 3, ("ant", "bee", "cat"))
    assert rows.targets.tolist() == [2, 0, 2, 1]


def test_numeric_labels_are_numbered_in_the_order_of_numbers(read):
    rows = read("x,y\n1,10\n2,9\n3,10\n")
    assert (rows.task, rows.class_names, rows.targets.tolist()) == (Task.BINARY, ("9", "10"), [1, 0, 1])


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([i % 20 for i in range(60)], Task.MULTICLASS),
        ([i % 21 for i in range(60)], Task.REGRESSION),
        ([0.5 * (i % 2) for i in range(60)], Task.REGRESSION),
    ],
)
def test_at_most_twenty_whole_numbers_are_classes(read, values, task):
    assert read("x,y\n" + "".join(f"1,{value}\n" for value in values)).task is task


def test_whole_numbers_are_a_regression_when_asked(read):
    rows = read("x,y\n1,0\n2,1\n", task="regression")
    assert (rows.task, rows.classes, rows.targets.tolist()) == (Task.REGRESSION, 0, [[0.0], [1.0]])


def test_numbers_among_text_labels_are_labels_when_asked(read):
    assert read("x,y\n1,2\n2,other\n", task="classification").class_names == ("2", "other")


def kinds_of(rows):
    return [(column.name, column.kind.value) for column in rows.columns]


def test_a_text_column_holds_the_places_of_its_words_in_sorted_order(read):
    rows = read("area,y,city\n1.5,1,Ulm\n2.5,2,Bonn\n3.5,3,Aue\n4.5,1,Bonn\n")
    assert rows.columns == (Column("area"), Column("city", ColumnKind.CATEGORY, ("Aue", "Bonn", "Ulm")))
    np.testing.assert_array_equal(rows.inputs, [[1.5, 2], [2.5, 1], [3.5, 0], [4.5, 1]])


def test_missing_cells_are_nan_whatever_the_column_holds(read):
    rows = read("n,c,d,y\n1,a,2024-01-02,0\n,,NA,1\n?,n/a,,0\n4,b,2024-01-03,1\n")
    assert [kind for _, kind in kinds_of(rows)] == ["number", "category", "date"]
    assert np.isnan(rows.inputs).tolist() == [[False] * 3, [True] * 3, [True] * 3, [False] * 3]
    assert rows.columns[1].categories == ("a", "b")


def test_words_that_count_as_missing_can_be_named(read):
    content = "n,c,y\n1,NA,0\n-999,x,1\n3,,0\n"
    rows = read(content, missing=["", "-999"])
    assert rows.columns[1].categories == ("NA", "x")
    assert np.isnan(rows.inputs).tolist() == [[False, False], [True, False], [False, True]]


def test_a_word_that_counts_as_missing_among_words_is_said_with_the_way_out(read):
    rows = read("c,y\nNA,0\nx,1\nNA,0\nz,1\n")
    assert rows.notes == ("c: 'NA' counts as missing, in 2 rows; if it is a category: 'data.missing=[\"\"]'",)


@pytest.mark.parametrize(
    ("words", "keys", "days"),
    [
        (["2024-01-02", "1970-01-01"], {}, [19724, 0]),
        (["2024-01-02T12:00:00Z", "1970-01-01 18:00"], {}, [19724.5, 0.75]),
        (["31.12.1969", "02.01.2024"], {}, [-1, 19724]),
        (["2024-01-02 00:00:00+00", "1970-01-01 00:00:00 UTC"], {}, [19724, 0]),
        (["9999-12-31", "1970-01-01"], {}, [2932896, 0]),
        (["1/31/1970", "2/1/1970"], {}, [30, 31]),
        (["1/2/1970", "2/2/1970"], {"dayfirst": True}, [31, 32]),
        (["1/2/1970", "2/2/1970"], {"dayfirst": False}, [1, 32]),
        (["2 Jan 1970", "3 Feb 1970"], {}, [1, 33]),
        (["1-Jan-70 ", "12-Mar-71"], {}, [0, 435]),
    ],
)
def test_dates_are_seconds_since_1970(read, words, keys, days):
    rows = read(text_of([["d", "y"], *([word, at % 2] for at, word in enumerate(words * 2))]), **keys)
    assert kinds_of(rows) == [("d", "date")]
    assert (rows.inputs[:2, 0] / 86400).tolist() == days


def test_dates_whose_day_may_be_the_month_are_refused_with_the_keys_that_say_which(read):
    with pytest.raises(DataError, match=r"line 2, column 'd' may have its day or its month first, got '3/4/2024'"):
        read("d,y\n3/4/2024,0\n5/5/2024,1\n")


@pytest.mark.parametrize(
    ("choice", "kind", "cell"), [("category", "category", 0), ("number", "number", 2024), ("drop", None, None)]
)
def test_a_column_is_what_the_key_says(read, choice, kind, cell):
    rows = read("year,x,y\n2024,1,0\n2025,2,1\n", columns={"year": ColumnChoice(choice)})
    found = dict(kinds_of(rows))
    assert found.get("year") == kind
    assert kind is None or rows.inputs[0, 0] == cell


NAMES = ["id", "Name, full", 'it\'s "one"', "1e5", "${x}", "a]b", "ä $HOME `id` !", "größe (cm)", "a.b", "12"]


@pytest.mark.parametrize("name", NAMES)
def test_the_override_that_uses_a_column_can_be_typed(read, name):
    content = text_of([["x", name, "y"], *([i, f"r{i}", i % 2] for i in range(30))])
    printed = read(content).notes[0].partition("to use it: ")[2]
    typed = subprocess.run(["bash", "-c", f"printf %s {printed}"], capture_output=True, text=True, check=True).stdout
    (parsed,) = OverridesParser.create().parse_overrides([typed])
    tree = OmegaConf.to_container(OmegaConf.create({"value": parsed.value()}), resolve=True)["value"]
    key = parsed.key_or_group.removeprefix("data.columns").removeprefix(".")
    columns = {key: ColumnChoice(tree)} if key else tree
    assert [column.name for column in read(content, columns=columns).columns] == ["x", name]


def test_a_list_of_columns_needs_a_kind(read):
    with pytest.raises(ConfigError, match=r"data.columns must list names of columns under category.*, got 'words'"):
        read("x,y\n1,2\n", columns={"words": ["x"]})


def test_a_cell_that_is_no_date_is_refused_where_the_key_asks_for_dates(read):
    with pytest.raises(DataError, match=r"line 3, column 'd' must be a date in the format of the others .*got 'soon'"):
        read("d,y\n2024-01-02,0\nsoon,1\n", columns={"d": ColumnChoice.DATE})


def test_a_cell_among_dates_that_is_none_is_refused_with_the_ways_out(read):
    days = [f"2024-01-{1 + i % 28:02}" for i in range(30)]
    with pytest.raises(DataError, match=r"line 32, column 'd' must be a date as other cells .*'unknown'; if it is mis"):
        read(text_of([["d", "y"], *([day, i % 2] for i, day in enumerate(days)), ["unknown", 1]]))


def test_names_in_quotes_after_a_space_are_names(read):
    assert [column.name for column in read('a, "b c", y\n1,2,0\n2,3,1\n').columns] == ["a", "b c"]


def test_spellings_that_differ_in_case_are_one_category_and_said(read):
    rows = read("c,y\nred,Yes\nRed,yes\nblue,NO\nred,no\nblue,yes\nblue,no\n")
    assert (rows.columns[0].categories, rows.class_names) == (("blue", "red"), ("no", "yes"))
    assert rows.notes == (
        "c: 'Red' = 'red', which differ in case alone; if not: data.ignore_case=false",
        "y: 'Yes' = 'yes'; 'NO' = 'no', which differ in case alone; if not: data.ignore_case=false",
    )


def test_case_can_tell_categories_apart(read):
    rows = read("c,y\na,0\nA,1\n", ignore_case=False)
    assert rows.columns[0].categories == ("A", "a")


def names_of(n):
    return text_of([["name", "x", "y"], *([f"row {i}", i, i % 2] for i in range(n))])


def test_words_that_all_differ_are_left_out_and_said(read):
    rows = read(names_of(30))
    assert kinds_of(rows) == [("x", "number")]
    assert rows.notes == (
        "name: left out, 30 different words in 30 rows are text or names; to use it: data.columns.name=category",
    )


def test_words_that_all_differ_are_categories_if_asked_for(read):
    assert len(read(names_of(30), columns={"name": ColumnChoice.CATEGORY}).columns[0].categories) == 30


def test_a_missing_target_is_refused_with_the_place_the_count_and_the_way_out(read):
    with pytest.raises(DataError) as caught:
        read("x,y\n1,2\n2,\n3,4\n5,\n")
    assert "line 3, column 'y' is missing, as the target of 2 rows of 4 is: fill it in" in str(caught.value)
    assert str(caught.value).endswith("data.missing_target=drop")


def test_rows_without_a_target_are_left_out_if_asked_for(read):
    rows = read("x,y\n1,a\n2,\n3,b\n", missing_target=MissingTarget.DROP)
    assert (rows.inputs.tolist(), rows.targets.tolist()) == ([[1], [3]], [0, 1])
    assert rows.notes == ("1 row of 3 left out, whose y is missing",)


def test_whole_numbers_are_numbers_above_the_number_of_classes_asked_for(read):
    content = "x,y\n1,0\n2,1\n3,2\n"
    assert read(content, max_classes=3).task is Task.MULTICLASS
    assert read(content, max_classes=2).task is Task.REGRESSION


FRAME = pd.DataFrame(
    {
        "n": [1.5, None, -2.25, 1e-7],
        "i": [1, 2, 3, 2**53],
        "word": ["a", None, "b", "a"],
        "flag": [True, False, True, True],
        "day": pd.to_datetime(["2024-01-02", "2024-01-03 12:00", None, "2024-01-02"], format="ISO8601"),
        "y": ["u", "v", "u", "v"],
    }
)


@pytest.mark.parametrize("format_", ["csv", "parquet", "excel"])
def test_a_table_is_the_same_from_every_kind_of_file(tmp_path, format_):
    path = tmp_path / f"own.{format_}"
    getattr(FRAME, f"to_{format_}")(path, index=False, **({"engine": "openpyxl"} if format_ == "excel" else {}))
    kind = {"csv": CsvData, "parquet": ParquetData, "excel": ExcelData}[format_]
    more = {"csv": {"delimiter": ","}, "parquet": {}, "excel": {"sheet": None}}[format_]
    values = {"path": str(path), "target": "y", "task": TaskChoice.AUTO, "test": 0.2, "drop": [], "limit": None}
    rows = read_table(kind(kind=format_, **values, **more, **kind.fingerprint_defaults))
    assert kinds_of(rows) == [
        *(("n", "number"), ("i", "number"), ("word", "category"), ("flag", "category"), ("day", "date"))
    ]
    np.testing.assert_allclose(
        rows.inputs,
        np.array(
            [
                [1.5, 1, 0, 1, 19724 * 86400],
                [np.nan, 2, np.nan, 0, 19725.5 * 86400],
                [-2.25, 3, 1, 1, np.nan],
                [1e-7, 2**53, 0, 1, 19724 * 86400],
            ]
        ),
    )
    assert rows.class_names == ("u", "v")


def test_an_autoencoder_has_its_inputs_as_targets(read):
    rows = read("a,b\n1,2\n3,4\n", target=None, task="autoencoder")
    assert rows.autoencoder
    assert rows.task is Task.REGRESSION
    np.testing.assert_array_equal(rows.targets, rows.inputs)


def test_a_named_target_is_no_input_of_an_autoencoder(read):
    assert read("a,b,y\n1,2,cat\n3,4,dog\n", task="autoencoder").inputs.shape == (2, 2)


def test_delimiter_byte_order_mark_quotes_and_blank_lines_are_understood(read):
    rows = read('x;"the; y"\n1;"a"\n\n 2 ;b\n', target="the; y", delimiter=";", encoding="utf-8-sig")
    assert (rows.inputs.tolist(), rows.class_names) == ([[1], [2]], ("a", "b"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "own.csv is empty: a header line and rows are needed"),
        ("x,y\n", "own.csv has a header and no rows"),
        ("1,2\n3,4\n", "own.csv has no header: line 1 must name the columns, got 1, 2"),
        ("x,,y\n1,2,3\n", "column 2 has no name in the header"),
        ("x,x,y\n1,2,3\n", "column names must differ, got 'x' more than once"),
        ("x,y\n1,2\n3\n", "line 3 has 1 values, the header has 2; is data.delimiter right?"),
        ("x,y\n1,2\n\n3,4,5\n", "line 4 has 3 values, the header has 2"),
        ("x,Y2\n1,2\n", "has no column 'y' (data.target): did you mean Y2?"),
        ("x,yy\n1,2\n", "has no column 'y' (data.target): did you mean yy?"),
        ("y\n1\n2\n", "has no column besides data.target=y"),
        ("x,y\n1,a\n2,?\n", "line 3, column 'y' is missing, as the target of 1 row of 2 is"),
        ("x,y\n1,2\n-inf,3\n", "line 3, column 'x' is not finite, got '-inf'"),
        ("x,y\n1,2\n1e39,3\n", "line 3, column 'x' is not finite, got '1e39'"),
        ("x,y\n1,0.5\n2,inf\n", "line 3, column 'y' is not finite, got 'inf'"),
        ("x,y\n1,2\n2_0,3\n", "line 3, column 'x' must be a number as other cells of the column are, got '2_0'"),
        ("x,y\n1,2.5\n2,oops\n", "line 3, column 'y' must be a number as other cells of the column are, got 'oops'"),
        ("x,y\n1,5\n2,5\n", "column 'y' of {path} holds one class only, 5: at least 2 are needed"),
        ("name,y\n" + "".join(f"row{i},{i % 2}\n" for i in range(101)), "every input column is text (name)"),
        (b"x,y\n1,\x81\n", "cannot be read as a CSV file: 'utf-8' codec can't decode"),
        (b"PK\0\0,y\n1,2\n", "own.csv is no text, it holds zero bytes: save the table as CSV"),
    ],
)
def test_a_malformed_file_is_refused_with_the_place_and_the_reason(read, tmp_path, content, message):
    with pytest.raises(DataError) as caught:
        read(content)
    assert message.format(path=tmp_path / "own.csv") in str(caught.value)


def test_a_cell_of_a_frame_in_memory_is_named_by_its_row(tmp_path):
    path = tmp_path / f"frame-{'0' * 16}.csv"
    path.write_text("x,y\n1,2\ninf,3\n")
    with pytest.raises(DataError, match=r"row 1 \(from 0\) of the DataFrame kept as .*, column 'x' is not finite"):
        read_table(table_at(path))


def test_text_is_no_target_of_a_regression(read):
    with pytest.raises(DataError, match=r"holds text such as 'cat': data.task=regression needs numbers"):
        read("x,y\n1,cat\n2,dog\n", task="regression")


def test_a_delimiter_is_one_character(read):
    with pytest.raises(DataError, match=r"data.delimiter must be one character, or tab, got '::'"):
        read("x,y\n1,2\n", delimiter="::")


def test_a_missing_file_is_named_with_the_place_where_it_was_looked_for():
    with pytest.raises(DataError, match=r"data.path=nowhere.csv: there is no such file \(looked for /.*nowhere.csv\)"):
        read_table(table_at("nowhere.csv"))


def test_dropped_columns_are_no_inputs_and_may_hold_anything(read):
    rows = read("id,a,name,y\nx1,1,,cat\n7,2,Ann,dog\n", drop=["id", "name"])
    np.testing.assert_array_equal(rows.inputs, np.array([[1], [2]], np.float32))


def test_an_unknown_dropped_column_is_refused_with_the_nearest(read):
    with pytest.raises(DataError, match=r"has no column 'nane' \(data.drop\): did you mean name\?"):
        read("name,a,y\nx,1,2\n", drop=["nane"])


def test_the_target_cannot_be_dropped(read):
    with pytest.raises(ConfigError, match=r"data\.drop must not hold the target, got 'y'"):
        read("a,y\n1,2\n", drop=["y"])


def test_at_least_one_column_must_be_left(read):
    with pytest.raises(DataError, match=r"no column besides data.target=y and data.drop=\[a,b\]"):
        read("a,b,y\n1,2,3\n", drop=["a", "b"])


@pytest.mark.parametrize("name", ["id", "Name, full", 'it\'s "one"', "${x}", "a]b", "ä $HOME `id` !"])
def test_a_cell_that_is_no_number_is_refused_with_an_override_that_counts_it_as_missing(read, name):
    content = text_of([["a", "y"], *([i, i % 2] for i in range(9)), [name, 1]])
    with pytest.raises(DataError) as caught:
        read(content, missing=["?"])
    printed = str(caught.value).partition("if it is missing: ")[2].partition("; if these are")[0]
    typed = subprocess.run(["bash", "-c", f"printf %s {printed}"], capture_output=True, text=True, check=True).stdout
    (parsed,) = OverridesParser.create().parse_overrides([typed])
    meant = OmegaConf.to_container(OmegaConf.create({"missing": parsed.value()}), resolve=True)["missing"]
    assert (parsed.key_or_group, meant) == ("data.missing", ["?", name])


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ("id", "data.drop must be a list, each item text, got 'id'; write 'data.drop=[id]'"),
        ("Name, full", """got 'Name, full'; write 'data.drop=["Name, full"]'"""),
        (2020, """data.drop must be a list, each item text, got 2020; write 'data.drop=["2020"]'"""),
        ([1e5], """got [100000.0]; put an item that reads as a number in quotes: 'data.drop=["1e5"]'"""),
        (["id", None], """put an item that reads as a number in quotes: 'data.drop=["1e5"]'"""),
    ],
)
def test_what_is_no_list_of_names_is_refused_with_the_form(drop, message):
    tree = {
        "kind": "csv",
        "path": "own.csv",
        "target": "y",
        "task": "auto",
        "test": 0.2,
        "delimiter": ",",
    } | CsvData.fingerprint_defaults
    problems = []
    build(CsvData, tree | {"limit": None, "drop": drop}, "data", problems)
    assert message in problems[0]


def test_a_name_that_hydra_took_for_a_number_is_refused_with_advice_to_quote_it(read):
    with pytest.raises(DataError) as caught:
        read("1_000,a,y\n1,2,3\n", drop=["1000"])
    assert str(caught.value).endswith(
        "has no column '1000' (data.drop): did you mean 1_000? A name that reads as a number goes in quotes: "
        """'data.drop=["1_000"]'"""
    )


@pytest.mark.parametrize(
    ("words", "numbers", "told"),
    [
        (["0,5", "-1,25", "3"], [0.5, -1.25, 3], "decimal commas ('0,5' is 0.5; if not: 'data.decimal=\".\"')"),
        (["1.250,5", "-12,0", "1.000"], [1250.5, -12, 1000], "decimal commas, thousands separated by points"),
        (["1,250", "950", "1,250,000"], [1250, 950, 1_250_000], "thousands separated by commas ('1,250' is 1250"),
        (["$1,250", "$950.50", "-$7"], [1250, 950.5, -7], "thousands separated by commas, $ left out"),
        (["12 %", "7.5%", "3%"], [12, 7.5, 3], "% left out ('12 %' is 12)"),
        (["1 250,5", "1\u00a0300", "2"], [1250.5, 1300, 2], "decimal commas, thousands separated by spaces"),
        (["1'250", "3.5", "2"], [1250, 3.5, 2], "thousands separated by apostrophes ("),
        (["€ 5,20", "6,1 €", "7"], [5.2, 6.1, 7], "decimal commas, € left out"),
        (["(607.74)", "12", "(0)"], [-607.74, 12, 0], "parentheses as minus signs ('(607.74)' is -607.74)"),
        (["($1,250)", "$(7)", "$950.50"], [-1250, -7, 950.5], "thousands separated by commas, $ left out, parentheses"),
        (["(1.250,5)", "(3)%", "0,5"], [-1250.5, -3, 0.5], "decimal commas, thousands separated by points, % left out"),
    ],
)
def test_numbers_as_people_write_them_are_numbers_and_said(read, words, numbers, told):
    rows = read(text_of([["x", "y"], *([word, at % 2] for at, word in enumerate(words))]))
    np.testing.assert_array_equal(rows.inputs[:, 0], np.array(numbers, np.float32))
    assert rows.notes[0].startswith(f"x: {told}")


def test_a_target_in_decimal_commas_is_a_regression_unless_classes_are_asked_for(read):
    content = "x;y\n1;20,5\n2;21,0\n3;20,5\n"
    rows = read(content, delimiter=";")
    assert (rows.task, rows.targets.tolist()) == (Task.REGRESSION, [[20.5], [21.0], [20.5]])
    assert read(content, delimiter=";", task="classification").class_names == ("20,5", "21,0")


def test_columns_that_are_read_in_one_way_are_told_together(read):
    rows = read("a;b;y\n0,5;1,5;2,25\n1,5;0,5;3,5\n", delimiter=";")
    assert rows.notes == ("a, b, y: decimal commas ('0,5' is 0.5; if not: 'data.decimal=\".\"')",)


AMBIGUOUS = "x;y\n1,250;0\n2,500;1\n"


def test_what_may_be_thousands_or_decimals_is_refused_with_the_keys_that_say_which(read):
    with pytest.raises(DataError) as caught:
        read(AMBIGUOUS, delimiter=";")
    assert "column 'x' holds numbers such as '1,250', which may be 1.25 or 1250: say which by" in str(caught.value)
    assert str(caught.value).endswith("""'data.decimal=","' or 'data.thousands=","'""")


@pytest.mark.parametrize(("keys", "numbers"), [({"decimal": ","}, [1.25, 2.5]), ({"thousands": ","}, [1250, 2500])])
def test_keys_say_what_commas_are(read, keys, numbers):
    assert read(AMBIGUOUS, delimiter=";", **keys).inputs[:, 0].tolist() == numbers


def test_points_are_thousands_where_commas_are_decimals(read):
    rows = read("x;y\n1.250;0\n2.500;1\n", delimiter=";", decimal=",")
    assert rows.inputs[:, 0].tolist() == [1250, 2500]


GERMAN = "price;b;y\n400;-0,13;1\n2.999;0,64;2\n-1.000;2,5;3,5\n"
TOLD = "price: decimal commas, thousands separated by points ('2.999' is 2999; if not: data.thousands=none)"


def test_points_are_thousands_where_other_columns_have_decimal_commas(read):
    rows = read(GERMAN, delimiter=";")
    assert rows.inputs[:, 0].tolist() == [400, 2999, -1000]
    assert rows.notes[0] == TOLD


def test_a_target_and_a_column_that_is_left_out_tell_and_are_told_what_points_are(read):
    rows = read(GERMAN, delimiter=";", target="price", task="regression", drop=["b"])
    assert rows.targets[:, 0].tolist() == [400, 2999, -1000]
    assert rows.notes == ("y: decimal commas ('3,5' is 3.5; if not: 'data.decimal=\".\"')", TOLD)
    rows = read(GERMAN.replace("3,5", "NA"), delimiter=";", target="price", task="regression", drop=["y"])
    assert rows.targets[:, 0].tolist() == [400, 2999, -1000]
    rows = read(GERMAN.replace("3,5", "4"), delimiter=";", drop=["b"])
    assert rows.inputs[:, 0].tolist() == [400, 2999, -1000]


def test_points_are_decimals_if_the_keys_or_other_cells_of_the_column_say_so(read):
    rows = read(GERMAN, delimiter=";", thousands="none")
    np.testing.assert_array_equal(rows.inputs[:, 0], np.array([400, 2.999, -1], np.float32))
    assert read(GERMAN.replace("400", "0.125"), delimiter=";").inputs[0, 0] == 0.125
    assert read(GERMAN.replace("400", "40.5"), delimiter=";").inputs[0, 0] == 40.5
    assert read("x,y\n1.250,0\n2,1\n").inputs[:, 0].tolist() == [1.25, 2]


def test_points_are_thousands_where_the_key_says_so(read):
    rows = read("x,y\n1.250,0\n900,1\n", thousands=".")
    assert rows.inputs[:, 0].tolist() == [1250, 900]


@pytest.mark.parametrize("word", ["(-5)", "((5))", "(5", "()"])
def test_other_parentheses_are_no_numbers(read, word):
    with pytest.raises(DataError, match=r"line 4, column 'x' must be a number"):
        read(f"x,y\n7,0\n8,1\n{word},0\n")


def test_keys_leave_text_as_it_is(read):
    rows = read('x,y\n"0,5",0\n"1,5",1\n', decimal=".", thousands="none")
    assert rows.columns == (Column("x", ColumnKind.CATEGORY, ("0,5", "1,5")),)
    assert rows.notes == ()


def test_a_cell_among_numbers_in_another_way_is_refused_with_its_line(read):
    lines = [["x", "y"], *([f"{i},5", i % 2] for i in range(1, 20)), ["oops", 0]]
    with pytest.raises(DataError, match=r"line 21, column 'x' must be a number as .* \(decimal commas\), got 'oops'"):
        read(text_of(lines))


def test_words_with_numbers_in_them_stay_categories(read):
    rows = read("x,y\nA 12,0\nB 7,1\n12-14,0\n3/4,1\n2024-01-02,1\n")
    assert rows.columns == (Column("x", ColumnKind.CATEGORY, ("12-14", "2024-01-02", "3/4", "A 12", "B 7")),)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"decimal": ";"}, "data.decimal must be one of . , or null, got ';'"),
        ({"thousands": "x"}, "data.thousands must be a comma, a point, a space, an apostrophe, none or null, got 'x'"),
        ({"decimal": ",", "thousands": ","}, "data.thousands must differ from data.decimal, got ','"),
    ],
)
def test_marks_of_numbers_are_checked(read, keys, message):
    with pytest.raises(ConfigError) as caught:
        read("x,y\n1,2\n", **keys)
    assert str(caught.value) == message


PLAIN = "a,b,y\n0.5,1,0\n1.5,2,1\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (",a,b,y\n0,0.5,1,0\n1,1.5,2,1\n", "the first column, which has no name and numbers the rows, is left out"),
        ("a,b,y,\n0.5,1,0,\n1.5,2,1,\n", "the last column, which has neither name nor value, is left out"),
        (PLAIN + ",,\n , ,\n", "2 lines without any value at the end are left out"),
        ("sep=;\n" + PLAIN.replace(",", ";"), "columns are separated by semicolons, as line 1 says"),
        (PLAIN.replace(",", "\t"), "columns are separated by tabs"),
        (PLAIN.encode("utf-16"), "the file is in UTF-16"),
    ],
)
def test_what_other_programs_write_is_read_and_said(read, content, told):
    rows, plain = read(content), read(PLAIN)
    np.testing.assert_array_equal(rows.inputs, plain.inputs)
    assert (rows.targets.tolist(), rows.columns, rows.notes) == ([0, 1], plain.columns, (told,))


def test_latin_letters_in_another_encoding_are_read_and_said(read):
    rows = read("größe,y\n1,0\n2,1\n", encoding="latin-1")
    assert (rows.columns[0].name, rows.notes) == ("größe", ("the file is in Windows-1252 (Latin-1), not UTF-8",))


@pytest.mark.parametrize("delimiter", ["tab", "\\t", "\t"])
def test_tabs_can_be_typed(read, delimiter):
    rows = read(PLAIN.replace(",", "\t"), delimiter=delimiter)
    assert (rows.inputs.tolist(), rows.notes) == ([[0.5, 1], [1.5, 2]], ())


def test_lines_are_counted_below_quoted_line_ends_and_a_line_that_names_the_delimiter(read):
    with pytest.raises(DataError, match=r"line 6, column 'x' is not finite"):
        read('sep=;\nx;t;y\n1;"two\nlines";2\n\ninf;a;3\n')


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_one(read, end):
    assert read(f"x,y{end}1.5,0{end}2,1{end}").inputs.tolist() == [[1.5], [2]]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=5), st.sampled_from(["r", ".17e", "+.3g"]))
def test_cells_have_the_value_that_python_gives_them(tmp_path_factory, values, form):
    words = [repr(value) if form == "r" else format(value, form) for value in values]
    path = tmp_path_factory.getbasetemp() / "floats.csv"
    path.write_text("x,z,y\n" + "".join(f" {word} ,{word},{at % 2}\n" for at, word in enumerate(words)))
    expected = np.array([float(word) for word in words])
    lost = np.spacing(np.abs(expected).max()) / 2 > 1e-6 * np.ptp(expected) > 0
    assume(not lost and len(set(words)) == len(set(expected)))
    inputs = read_table(table_at(path)).inputs
    np.testing.assert_array_equal(inputs, np.column_stack([expected] * 2).astype(inputs.dtype))


def test_a_large_offset_stays_in_float64_where_float32_would_lose_the_rows(read):
    times = [1_700_000_000 + 7 * i for i in range(40)]
    rows = read("t,y\n" + "".join(f"{time},{time / 100:.2f}\n" for time in times))
    assert rows.inputs[:, 0].tolist() == times
    assert rows.targets[:, 0].tolist() == [time / 100 for time in times]
    assert rows.targets.dtype == np.float64


def test_numbers_that_float32_holds_or_nearly_holds_stay_in_float32(read):
    rows = read("year,share,y\n" + "".join(f"{1990 + i},{1 + i / 7},{i % 2}\n" for i in range(40)))
    assert rows.inputs.dtype == np.float32


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["120000000000000001", "120000000000000050"], "column 'x' lies near 1.2e+17 and spreads over 48 only"),
        (["100000000000000000001", "100000000000000000002"], "column 'x' differs in digits that even float64 does not"),
    ],
)
def test_numbers_that_float64_cannot_tell_apart_are_refused(read, words, message):
    with pytest.raises(DataError) as caught:
        read("x,y\n" + "".join(f"{word},{at % 2}\n" for at, word in enumerate(words)))
    assert message in str(caught.value)


def test_a_constant_number_is_no_target(read):
    with pytest.raises(DataError, match=r"column 'y' of .* is 7.5 in every row: there is nothing to predict"):
        read("x,y\n1,7.5\n2,7.50\n")
