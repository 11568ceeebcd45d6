"""What is said of the columns of a table."""

import numpy as np
import pytest

from hpsearch.data.check import identifiers, tell_data
from hpsearch.data.dataset import Column, ColumnKind, Rows, name_columns, to_development
from hpsearch.records import Task


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["area"], "area"),
        (["id", "city", "rooms"], "id, city, rooms"),
        ([f"x{i}" for i in range(1200)], "x0, x1, x2, x3, x4, x5, x6, x7, … 1192 more"),
    ],
)
def test_columns_are_named_and_counted(names, text):
    assert name_columns(names) == text


def test_whole_numbers_that_all_differ_look_like_identifiers():
    columns = [Column("city", ColumnKind.CATEGORY, ("a", "b", "c")), Column("id"), Column("rooms"), Column("area")]
    inputs = np.array([[0, 17, 3, 50.5], [1, 4, 3, 60.0], [2, 9, 2, 70.0]], np.float32)
    assert identifiers(columns, inputs) == ["id"]


def test_kinds_of_columns_and_missing_cells_are_told(make_config):
    columns = (Column("age"), Column("city", ColumnKind.CATEGORY, ("a", "b", "sealed")), Column("day", ColumnKind.DATE))
    inputs = np.array([[1.5, 0, 86400], [np.nan, 1, np.nan], [2.5, np.nan, 0]])
    rows = to_development(Rows("own", Task.BINARY, inputs, np.array([0, 1, 0]), 2, ("u", "v"), columns=columns))
    assert tell_data(rows, make_config(data="csv").data) == {
        "inputs": "age, city (2 categories), day (date)",
        "notes": ["y: u 2, v 1", "3 cells missing, in age, city, day"],
    }


@pytest.mark.parametrize(
    ("name", "said"), [("patient", True), ("customer_id", True), ("Site Nr", True), ("age", False)]
)
def test_a_column_that_is_named_as_groups_are_is_said_with_the_key_that_keeps_them_whole(make_config, name, said):
    inputs = np.repeat(np.arange(8.0), 5)[:, None]
    rows = to_development(Rows("own", Task.BINARY, inputs, np.arange(40) % 2, 2, ("u", "v"), columns=(Column(name),)))
    warnings = tell_data(rows, make_config(data="csv").data).get("warnings", [])
    assert any("data.groups=" in warning for warning in warnings) is said


def test_classes_of_which_one_is_nearly_all_are_said_with_metrics_that_tell_more(make_config):
    rows = to_development(Rows("own", Task.BINARY, np.zeros((50, 1)), np.arange(50) // 48, 2, ("ok", "fraud")))
    told = tell_data(rows, make_config(data="npz").data)
    assert told["notes"] == ["y: ok 48, fraud 2"]
    assert told["warnings"][0].startswith("96.0% of the rows are ok, so guessing that has an accuracy of 0.960: ")
