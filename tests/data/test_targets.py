"""Several numbers to predict, of a table or of arrays."""

import io

import numpy as np
import pandas as pd
import pytest

from hpsearch.config import ConfigError
from hpsearch.config.data import CsvData, ExcelData, MissingTarget, NpzData, ParquetData, TaskChoice
from hpsearch.data.check import tell_data
from hpsearch.data.dataset import take, to_development
from hpsearch.data.npz_file import read_npz
from hpsearch.data.table import read_table
from hpsearch.errors import DataError
from hpsearch.records import Task

HOUSES = "area,price,city,rent\n50,200000,Bonn,700\n80,310000,Ulm,1000.5\n65,240000,Ulm,850\n"


def options(path, kind=CsvData, **keys):
    names = {CsvData: "csv", ParquetData: "parquet", ExcelData: "excel"}
    values = {"limit": None, "path": str(path), "test": 0.2, "drop": [], "task": TaskChoice.AUTO}
    values |= {CsvData: {"delimiter": ","}, ExcelData: {"sheet": None}}.get(kind, {})
    return kind(kind=names[kind], **values | kind.fingerprint_defaults | {"target": ["price", "rent"]} | keys)


@pytest.fixture
def read(tmp_path):
    def read(content=HOUSES, **keys):
        path = tmp_path / "houses.csv"
        path.write_text(content)
        return read_table(options(path, **keys))

    return read


def test_several_columns_are_targets_in_the_order_given_and_no_inputs(read):
    rows = read(target=["rent", "price"])
    assert (rows.task, rows.classes, rows.target_names) == (Task.REGRESSION, 0, ("rent", "price"))
    np.testing.assert_array_equal(rows.targets, [[700, 200000], [1000.5, 310000], [850, 240000]])
    assert [column.name for column in rows.columns] == ["area", "city"]


@pytest.mark.parametrize("kind", [ParquetData, ExcelData])
def test_other_files_give_the_same_targets(read, kind, tmp_path):
    path = tmp_path / "houses.bin"
    write = {ParquetData: pd.DataFrame.to_parquet, ExcelData: pd.DataFrame.to_excel}[kind]
    stream = io.BytesIO()
    write(pd.read_csv(io.StringIO(HOUSES)), stream, index=False)
    path.write_bytes(stream.getvalue())
    rows = read_table(options(path, kind))
    np.testing.assert_array_equal(rows.targets, read().targets)
    assert rows.target_names == ("price", "rent")


def test_a_list_of_one_column_is_that_column(read):
    assert options("own.csv", target=["price"]) == options("own.csv", target="price")
    assert read(target=["city"]).class_names == ("Bonn", "Ulm")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"target": ["price", "price"]}, r"^data.target must not name a column twice, got \['price', 'price'\]$"),
        ({"target": []}, "^data.target must name the target unless data.task=autoencoder"),
        ({"drop": ["rent"]}, "^data.drop must not hold the target, got 'rent'$"),
        ({"groups": "rent"}, "^data.groups must not be the target, got 'rent'$"),
        ({"task": TaskChoice.CLASSIFICATION}, "^data.target must name one column with data.task=classification"),
    ],
)
def test_targets_that_contradict_other_options_are_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        options("own.csv", **keys)


@pytest.mark.parametrize(
    ("content", "keys", "message"),
    [
        (HOUSES, {"target": ["price", "rents"]}, r"has no column 'rents' \(data.target\): did you mean rent\?"),
        (HOUSES, {"target": ["price", "city"]}, "column 'city' .* holds words: several targets must all be numbers"),
        (HOUSES.replace("850", "?"), {}, "line 4, column 'rent' is missing, as a target of 1 row of 3 is"),
        (HOUSES.replace("850", "much"), {}, "line 4, column 'rent' must be a number as other cells"),
        ("x,price,rent\n1,2,5\n2,3,5\n", {}, "column 'rent' of .* is 5 in every row: there is nothing to predict"),
        ("price,rent\n1,2\n2,3\n", {}, r"has no column besides data.target=\[price,rent\]"),
    ],
)
def test_what_cannot_be_predicted_is_refused_with_the_column(read, content, keys, message):
    with pytest.raises(DataError, match=message):
        read(content, **keys)


def test_rows_without_one_of_the_targets_are_left_out_and_said(read):
    content = f"{HOUSES}1,,Ulm,500\n2,100000,Ulm,\n"
    rows = read(content, missing_target=MissingTarget.DROP)
    np.testing.assert_array_equal(rows.targets, read().targets)
    assert rows.notes == ("2 rows of 5 left out, whose price or rent is missing",)


def test_an_autoencoder_reads_no_target(read):
    rows = read("x,price,rent\n1,2,5\n2,3,5\n", task=TaskChoice.AUTOENCODER)
    assert (rows.target_names, rows.targets.tolist()) == ((), [[1], [2]])


def test_targets_of_very_different_units_are_pointed_out_unless_the_metric_has_none(read):
    development = to_development(read())
    told = tell_data(development, options("own.csv"))
    assert told["notes"] == ["price, rent are predicted together: errors are means over them, each in its own unit"]
    spreads = np.std([200000, 310000, 240000]), np.std([700, 1000.5, 850])
    expected = "price (standard deviation {:.0f}) outweighs rent ({:.1f}) in a mean of their errors".format(*spreads)
    assert told["warnings"][0].startswith(expected)
    assert not any("outweighs" in each for each in tell_data(development, options("own.csv"), "r2")["warnings"])


def test_names_go_with_rows_that_are_taken(read):
    assert take(read(), np.array([2])).target_names == ("price", "rent")


def arrays(path, targets, **keys):
    np.savez(path, x=np.zeros((4, 2)), y=targets)
    values = {"limit": None, "path": str(path), "target": "y", "test": 0.2, "inputs": "x", "task": TaskChoice.AUTO}
    return NpzData(kind="npz", **values | NpzData.fingerprint_defaults | keys)


def test_columns_of_an_array_are_targets_named_by_their_numbers(tmp_path):
    targets = np.arange(8).reshape(4, 2) / 2
    rows = read_npz(arrays(tmp_path / "own.npz", targets))
    assert (rows.task, rows.target_names) == (Task.REGRESSION, ("y[0]", "y[1]"))
    np.testing.assert_array_equal(rows.targets, targets)


def test_several_arrays_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"^data.target must name one array, whose columns may be several targets"):
        arrays(tmp_path / "own.npz", np.ones(4), target=["y", "z"])
