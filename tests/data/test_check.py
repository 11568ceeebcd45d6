"""What is told of data before anything is trained."""

from dataclasses import replace

import numpy as np
import pytest

from hpsearch.data.check import (
    LEAK,
    Duplicates,
    check_columns,
    count_duplicates,
    describe_targets,
    share_explained,
    tell_data,
)
from hpsearch.data.dataset import Column, ColumnKind

NUMBER = Column("x")
WORD = Column("x", ColumnKind.CATEGORY, ("a", "b", "c"))


@pytest.fixture
def rows(make_rows):
    return make_rows(400, task="multiclass")


def test_the_label_itself_explains_everything(rows):
    assert share_explained(NUMBER, rows.targets.astype(np.float32), rows) == 1
    assert share_explained(WORD, rows.targets.astype(np.float32), rows) == 1


def test_what_has_nothing_to_do_with_the_label_explains_next_to_nothing(rows):
    draw = np.random.default_rng(1)
    assert share_explained(NUMBER, draw.normal(size=400), rows) < 0.1
    assert share_explained(WORD, draw.integers(0, 3, 400) * 1.0, rows) < 0.1


def test_an_identifier_explains_nothing_although_every_row_has_its_own_word(rows):
    words = Column("x", ColumnKind.CATEGORY, tuple(f"w{number:03}" for number in range(400)))
    assert share_explained(words, np.arange(400.0), rows) == 0


def test_of_classes_it_is_the_share_of_what_guessing_the_most_frequent_one_gets_wrong(make_rows):
    rows = make_rows(400, task="binary")
    labels = (np.arange(400) // 2 % 4 == 0).astype(np.int64)  # one row in four, of even and odd rows alike
    cells = labels.astype(np.float64)
    cells[np.flatnonzero(labels)[1::4]] = 0  # half of the odd ones look like the others
    assert share_explained(NUMBER, cells, replace(rows, targets=labels)) == pytest.approx(0.5)


@pytest.mark.parametrize("copy", [lambda prices: 1.1 * prices, np.log, lambda prices: -prices])
def test_a_copy_of_a_skewed_target_explains_it(make_rows, copy):
    rows = make_rows(300, task="regression", targets=1)
    prices = np.random.default_rng(2).lognormal(0, 1, 300)
    found = share_explained(NUMBER, copy(prices), replace(rows, targets=prices[:, None].astype(np.float32)))
    assert found == pytest.approx(1)


def test_a_threshold_in_a_column_explains_the_classes_that_it_makes(make_rows):
    rows, cells = make_rows(300, task="binary"), np.random.default_rng(2).normal(size=300)
    assert share_explained(NUMBER, cells, replace(rows, targets=(cells > 0).astype(np.int64))) >= LEAK


def test_numbers_are_explained_by_the_r_squared_of_the_nearest_known_row(make_rows):
    rows = make_rows(8, task="regression", targets=1)
    cells = np.array([0.0, 1, 10, 11, 20, 29, 30, np.nan])  # 1 and 11 are nearest to 0 and 10, 29 to 30
    targets = np.array([1.0, 2, 3, 5, 7, 8, 8, 4])[:, None]
    guesses, truth = np.array([1.0, 3, 8, 4.75]), np.array([2.0, 5, 8, 4])  # no even row lacks its cell: the mean
    wanted = 1 - ((truth - guesses) ** 2).sum() / ((truth - 4.75) ** 2).sum()
    assert share_explained(NUMBER, cells, replace(rows, targets=targets)) == pytest.approx(wanted)


def test_missing_cells_are_a_part_of_their_own(make_rows):
    rows = make_rows(400, task="binary")
    cells = np.where(rows.targets == 1, np.nan, np.random.default_rng(3).normal(size=400))
    assert share_explained(NUMBER, cells, rows) == 1


def test_a_column_that_tells_the_target_alone_is_pointed_out_with_the_way_out(make_config, rows):
    inputs = rows.inputs.copy()
    inputs[:, 1] = 3 * rows.targets + 1
    columns = tuple(Column(name) for name in ("age", "paid", "c", "d", "e"))
    told = tell_data(replace(rows, inputs=inputs, columns=columns), make_config(data="csv").data)
    (warning,) = told["warnings"]
    assert warning.startswith("column paid tells the target alone, as what is known only afterwards does")
    assert warning.endswith("to leave it out: 'data.drop=[paid]'")


def test_a_column_that_explains_most_is_not_pointed_out(make_config, rows):
    inputs, wrong = rows.inputs.copy(), np.random.default_rng(4).random(400) < 0.1
    inputs[:, 1] = np.where(wrong, 0, rows.targets)
    assert 0.5 < share_explained(NUMBER, inputs[:, 1], rows) < LEAK
    columns = tuple(Column(name) for name in ("age", "paid", "c", "d", "e"))
    assert "warnings" not in tell_data(replace(rows, inputs=inputs, columns=columns), make_config(data="csv").data)


def test_columns_are_told_by_their_range_or_most_frequent_words(rows):
    date = Column("day", ColumnKind.DATE, format="ISO 8601")
    cells = np.array([[7, np.nan, 0], [1.5, 1, 86400], [2, 1, 86400 * 2.5], [2, 0, np.nan]])
    table = replace(rows, inputs=cells, targets=rows.targets[:4], columns=(NUMBER, replace(WORD, name="word"), date))
    number, word, day = check_columns(table)
    assert (number.kind, number.values, number.missing, number.example) == ("number", "1.5 to 7", 0, "7")
    assert (word.kind, word.values, word.missing, word.example) == ("category", "2: b, a", 1, "")
    assert (day.values, day.example) == ("1970-01-01 to 1970-01-03 12:00:00", "1970-01-01")


def test_duplicates_are_counted_with_those_that_contradict(rows):
    inputs, targets = rows.inputs.copy(), rows.targets.copy()
    inputs[[10, 20, 30]] = inputs[0]
    targets[[0, 10, 20]], targets[30] = 1, 2
    assert count_duplicates(replace(rows, inputs=inputs, targets=targets), 5) == Duplicates(3, 1, 5)


def test_targets_are_told_by_their_counts_or_their_range(rows, make_rows):
    few = replace(rows, targets=np.array([2, 2, 0]), inputs=rows.inputs[:3])
    assert describe_targets(few) == "3 classes: class 2 2, class 0 1, class 1 0"
    numbers = make_rows(4, task="regression", targets=1)
    numbers = replace(numbers, targets=np.array([[1.0], [2], [3], [6]]))
    assert describe_targets(numbers) == "1 to 6, mean 3.000, standard deviation 1.871"
