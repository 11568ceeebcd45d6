"""A user's own CSV file: what it may hold, and a sentence for everything else."""

import csv
import io
import subprocess

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from sklearn.preprocessing import OneHotEncoder

from hpsearch.config import ConfigError
from hpsearch.config.data import CsvData, Normalize, TaskChoice
from hpsearch.config.tree import build
from hpsearch.data.columns import Column
from hpsearch.data.csv_table import read_csv
from hpsearch.data.rows import DataError
from hpsearch.records import Task


@pytest.fixture
def read(tmp_path):
    def read(content, target="y", task="auto", delimiter=",", encoding="utf-8", drop=()):
        path = tmp_path / "own.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return read_csv(
            CsvData(
                kind="csv",
                normalize=Normalize.UNIT,
                limit=None,
                path=str(path),
                target=target,
                task=TaskChoice(task),
                test=0.2,
                delimiter=delimiter,
                drop=list(drop),
            )
        )

    return read


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


def test_a_text_column_is_one_feature_for_each_category(read):
    colours = ["red", "blue", "red", "green"]
    rows = read("colour,x,y\n" + "".join(f"{colour},7,{i % 2}\n" for i, colour in enumerate(colours)))
    expected = OneHotEncoder(sparse_output=False).fit_transform([[colour] for colour in colours])
    np.testing.assert_array_equal(rows.inputs, np.c_[expected, [7] * 4])


def test_the_columns_are_named_with_the_numbers_that_each_is(read):
    rows = read("area,y,city\n1.5,1,Bonn\n2.5,2,Ulm\n3.5,3,Aue\n")
    assert rows.columns == (Column("area", 1), Column("city", 3, ("Aue", "Bonn", "Ulm")))
    assert sum(column.width for column in rows.columns) == rows.inputs.shape[1]


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
        ("x,y\n1,2\n,3\n", "line 3, column 'x' is missing, got ''"),
        ("x,y\n1,2\nNA,3\n", "line 3, column 'x' is missing, got 'NA'"),
        ("x,y\n1,a\n2,?\n", "line 3, column 'y' is missing, got '?'"),
        ("x,y\n1,2\nnan,3\n", "line 3, column 'x' is missing, got 'nan'"),
        ("x,y\n1,2\n-inf,3\n", "line 3, column 'x' is not finite, got '-inf'"),
        ("x,y\n1,2\n1e39,3\n", "line 3, column 'x' is not finite, got '1e39'"),
        ("x,y\n1,0.5\n2,inf\n", "line 3, column 'y' is not finite, got 'inf'"),
        ("x,y\n1,2\n2_0,3\n", "line 3, column 'x' must be a number as other cells of the column are, got '2_0'"),
        ("x,y\n1,2.5\n2,oops\n", "line 3, column 'y' must be a number as other cells of the column are, got 'oops'"),
        ("x,y\n1,5\n2,5\n", "column 'y' of {path} holds one class only, 5: at least 2 are needed"),
        (
            "id,y\n" + "".join(f"row{i},{i % 2}\n" for i in range(101)),
            "text column 'id' has 101 distinct values, at most 100 can be categories",
        ),
        ("x,y\n1,é\n".encode("latin-1"), "cannot be read as a CSV file in UTF-8"),
    ],
)
def test_a_malformed_file_is_refused_with_the_place_and_the_reason(read, tmp_path, content, message):
    with pytest.raises(DataError) as caught:
        read(content)
    assert message.format(path=tmp_path / "own.csv") in str(caught.value)


def test_text_is_no_target_of_a_regression(read):
    with pytest.raises(DataError, match=r"holds text such as 'cat': data.task=regression needs numbers"):
        read("x,y\n1,cat\n2,dog\n", task="regression")


def test_a_delimiter_is_one_character(read):
    with pytest.raises(DataError, match=r"data.delimiter must be one character, got '::'"):
        read("x,y\n1,2\n", delimiter="::")


def test_a_missing_file_is_named_with_the_place_where_it_was_looked_for():
    data = CsvData(
        kind="csv",
        normalize=Normalize.UNIT,
        limit=None,
        path="nowhere.csv",
        target="y",
        task=TaskChoice.AUTO,
        test=0.2,
        delimiter=",",
        drop=[],
    )
    with pytest.raises(DataError, match=r"data.path=nowhere.csv: there is no such file \(looked for /.*nowhere.csv\)"):
        read_csv(data)


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


@pytest.mark.parametrize("name", ["id", "Name, full", 'it\'s "one"', "1e5", "${x}", "a]b", "ä $HOME `id` !"])
def test_a_column_of_identifiers_is_refused_with_the_override_that_drops_it(read, name):
    content = text_of([["a", name, "y"], *(["x", f"r{i}", i % 2] for i in range(101))])
    with pytest.raises(DataError) as caught:
        read(content, drop=["a"])
    printed = str(caught.value).partition("leave it out: ")[2]
    typed = subprocess.run(["bash", "-c", f"printf %s {printed}"], capture_output=True, text=True, check=True).stdout
    (parsed,) = OverridesParser.create().parse_overrides([typed])
    meant = OmegaConf.to_container(OmegaConf.create({"drop": parsed.value()}), resolve=True)["drop"]
    assert (parsed.key_or_group, meant) == ("data.drop", ["a", name])


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
    tree = {"kind": "csv", "path": "own.csv", "target": "y", "task": "auto", "test": 0.2, "delimiter": ","}
    problems = []
    build(CsvData, tree | {"normalize": "unit", "limit": None, "drop": drop}, "data", problems)
    assert message in problems[0]


def test_a_name_that_hydra_took_for_a_number_is_refused_with_advice_to_quote_it(read):
    with pytest.raises(DataError) as caught:
        read("1_000,a,y\n1,2,3\n", drop=["1000"])
    assert str(caught.value).endswith(
        "has no column '1000' (data.drop): did you mean 1_000? A name that reads as a number goes in quotes: "
        """'data.drop=["1_000"]'"""
    )
