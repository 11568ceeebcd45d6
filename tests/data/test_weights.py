"""Weights of rows, by a column or an array."""

import numpy as np
import pytest

from hpsearch.config import ConfigError
from hpsearch.config.data import CsvData, MissingTarget, NpzData, TaskChoice
from hpsearch.data.check import tell_data
from hpsearch.data.dataset import Rows, content_digest, reconstructed, take, to_development
from hpsearch.data.datasets import find_source
from hpsearch.data.npz_file import read_npz
from hpsearch.data.seal import Claim, load_development, seal
from hpsearch.data.table import read_table
from hpsearch.errors import DataError
from hpsearch.records import Task

VISITS = "age,times,y\n30,1,no\n40,0,yes\n50,2.5,no\n60,3,yes\n"


def options(path, **keys):
    values = {"path": str(path), "limit": None, "test": 0.25, "drop": [], "delimiter": ",", "task": TaskChoice.AUTO}
    return CsvData(kind="csv", **values | CsvData.fingerprint_defaults | {"target": "y", "weight": "times"} | keys)


@pytest.fixture
def read(tmp_path):
    def read(content=VISITS, **keys):
        path = tmp_path / "visits.csv"
        path.write_text(content)
        return read_table(options(path, **keys))

    return read


def test_a_column_of_weights_is_no_input(read):
    rows = read()
    np.testing.assert_array_equal(rows.weights, [1, 0, 2.5, 3])
    assert [column.name for column in rows.columns] == ["age"]


def test_rows_that_are_left_out_take_their_weights_with_them(read):
    rows = read(VISITS.replace("2.5,no", "2.5,"), missing_target=MissingTarget.DROP)
    np.testing.assert_array_equal(rows.weights, [1, 0, 3])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2.5", "-1", r"line 4, column 'times' must be a weight >= 0 \(data.weight\), got -1$"),
        ("2.5", "", "line 4, column 'times' must be a weight >= 0 .*, got an empty cell"),
        ("2.5", "inf", "line 4, column 'times' is not finite, got 'inf'"),
        ("2.5", "often", "line 4, column 'times' must be a number as other cells"),
        ("times", "time", r"has no column 'times' \(data.weight\): did you mean time\?"),
    ],
)
def test_what_is_no_weight_is_refused_with_its_line(read, old, new, message):
    with pytest.raises(DataError, match=message):
        read(VISITS.replace(old, new))


def test_words_and_weights_that_are_all_0_are_refused(read):
    with pytest.raises(DataError, match=r"column 'city' \(data.weight\) must hold numbers, got category cells"):
        read("age,city,y\n3,Ulm,0\n4,Bonn,1\n", weight="city")
    with pytest.raises(DataError, match=r"column 'times' \(data.weight\) is 0 in every row: nothing would be trained"):
        read("age,times,y\n3,0,0\n4,0,1\n")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"target": ["times", "age"]}, "data.weight must not be the target or data.groups, got 'times'"),
        ({"groups": "times"}, "data.weight must not be the target or data.groups, got 'times'"),
        ({"time": "times"}, "data.weight must not be data.time, got 'times'"),
        ({"drop": ["times"]}, "data.drop must not hold data.weight, got 'times'"),
    ],
)
def test_a_column_of_weights_is_nothing_else(keys, message):
    with pytest.raises(ConfigError, match=message):
        options("own.csv", **keys)


def arrays(path, weights, **keys):
    np.savez(path, x=np.arange(12.0).reshape(6, 2), y=np.arange(6) % 2, w=weights)
    values = {"path": str(path), "limit": None, "target": "y", "test": 0.2, "inputs": "x", "task": TaskChoice.AUTO}
    return NpzData(kind="npz", **values | NpzData.fingerprint_defaults | {"weight": "w"} | keys)


def test_an_array_weighs_the_rows_of_a_npz_file_also_for_an_autoencoder(tmp_path):
    given = np.array([1, 2, 0, 4, 5, 6])
    for task in (TaskChoice.AUTO, TaskChoice.AUTOENCODER):
        weights = read_npz(arrays(tmp_path / "own.npz", given, task=task)).weights
        assert (weights.tolist(), weights.dtype) == (given.tolist(), np.float64)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(5), r"array 'w' \(data.weight\) must hold one number a row, got float64 of shape \(5,\)"),
        (np.array(list("abcdef")), "must hold one number a row, got <U1"),
        (np.array([1, np.nan, 1, 1, 1, 1]), r"is not finite at \(1,\), got nan"),
        (np.array([1, -2, 1, 1, 1, 1]), "must hold weights >= 0, got -2"),
    ],
)
def test_an_array_that_holds_no_weights_is_refused(tmp_path, weights, message):
    with pytest.raises(DataError, match=message):
        read_npz(arrays(tmp_path / "own.npz", weights))


ROWS = Rows("toy", Task.BINARY, np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1]), 2, weights=np.arange(4.0))


def test_weights_go_with_rows_that_are_taken_or_reconstructed():
    np.testing.assert_array_equal(take(ROWS, np.array([3, 1])).weights, [3, 1])
    np.testing.assert_array_equal(reconstructed(ROWS).weights, ROWS.weights)
    np.testing.assert_array_equal(to_development(ROWS).weights, ROWS.weights)


def test_weights_are_content_where_there_are_any():
    plain = Rows("toy", Task.BINARY, ROWS.inputs, ROWS.targets, 2)
    other = Rows("toy", Task.BINARY, ROWS.inputs, ROWS.targets, 2, weights=np.ones(4))
    assert len({content_digest(rows) for rows in (plain, ROWS, other)}) == 3


def test_development_and_sealed_rows_have_their_own_weights(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("a,times,y\n" + "".join(f"{at},{at / 4},{at % 2}\n" for at in range(40)))
    data = options(path)
    source = find_source(data)
    sealed, development = seal(data, source=source), load_development(data, source=source)
    opened = sealed.open(Claim(sealed.digest, 1, "me", "2025-01-01T00:00:00Z", "final"))
    for rows in (opened, development):
        np.testing.assert_array_equal(rows.weights, rows.inputs[:, 0] / 4)


def test_it_is_said_what_weights_do(read):
    told = tell_data(to_development(read()), options("own.csv"))
    expected = "times: weights of rows in training, 0 to 3, 1 row of them 0; scores count every row alike"
    assert expected in told["notes"]
