"""What is said of the columns of a table."""

import numpy as np
import pytest

from hpsearch.data.dataset import Column, describe_columns, identifiers


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ([("area", 1)], "area → 1 number"),
        ([("id", 1), ("city", 3), ("rooms", 1)], "id, city (3 categories), rooms → 5 numbers"),
        ([(f"x{i}", 1) for i in range(1200)], "x0, x1, x2, x3, x4, x5, x6, x7, … 1192 more → 1,200 numbers"),
    ],
)
def test_columns_are_named_and_counted(columns, text):
    assert describe_columns([Column(*column) for column in columns]) == text


def test_whole_numbers_that_all_differ_look_like_identifiers():
    columns = [Column("city", 2), Column("id", 1), Column("rooms", 1), Column("area", 1)]
    inputs = np.array([[0, 1, 17, 3, 50.5], [1, 0, 4, 3, 60.0], [1, 0, 9, 2, 70.0]], np.float32)
    assert identifiers(columns, inputs) == ["id"]
