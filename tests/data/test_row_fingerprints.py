"""Rows that an opening has shown are known again, and data that only look alike are not taken for them."""

import json

import numpy as np
import pytest

from hpsearch.config.data import CsvData, MnistData, NpzData, Packaged, TaskChoice
from hpsearch.data.dataset import Rows
from hpsearch.data.datasets import find_source
from hpsearch.data.row_fingerprints import OpenedRows, row_cells
from hpsearch.data.seal import Claim, load_development, seal
from hpsearch.final.earlier_openings import Noted, recurring
from hpsearch.records import Task

COMMON = {"task": TaskChoice.AUTO, "limit": None}
N, CITIES = 200, ("Bern", "Oslo", "Rom")


def table(seed=0):
    """Lines of (number, number, word, class, number)."""
    draw = np.random.default_rng(seed)
    return [
        (f"{a:.4f}", f"{b:.4f}", CITIES[at], "high" if a + b > 0 else "low", f"{a - b:.4f}")
        for a, b, at in zip(*draw.normal(size=(2, N)), draw.integers(0, 3, N), strict=True)
    ]


def write(path, lines, names=("a", "b", "city", "y", "z"), delimiter=","):
    path.write_text("\n".join(delimiter.join(line) for line in [names, *lines]) + "\n")
    return path


def data_of(path, **changes):
    known = {
        "kind": "csv",
        "task": TaskChoice.AUTO,
        "limit": None,
        "path": str(path),
        "target": "y",
    }
    return CsvData(**known | {"test": 0.2, "delimiter": ",", "drop": [], **CsvData.fingerprint_defaults} | changes)


def parts(data):
    development = load_development(data)
    return development, seal(data, development=development)


def opened(data):
    """What is kept of the rows that a final on the data has opened, read back as a ledger keeps it."""
    development, sealed = parts(data)
    rows = sealed.opened(Claim(sealed.digest, 1, "me", "now", "why"), development)
    kept = OpenedRows.from_tree(json.loads(json.dumps(rows.tree())))
    return Noted(sealed.digest, "e", "opening 1", kept)


def found_in(note, data, *, other=True):
    return recurring([note], *parts(data), other=other)


@pytest.fixture
def first(tmp_path):
    return opened(data_of(write(tmp_path / "own.csv", table())))


def rewritten(lines):
    """The same rows, one changed, in another order, with other columns first, other names and other digits."""
    changed = [("9.5", "9.5", "Paris", "high", "0"), *lines[1:]]
    return [(y, f"{float(b):.6f}", city, f"{float(a):e}", z) for a, b, city, y, z in reversed(changed)]


def test_rows_are_known_again_in_a_file_that_was_written_anew(first, tmp_path):
    path = write(tmp_path / "new.csv", rewritten(table()), ("t", "u", "v", "w", "x"), ";")
    (found,) = found_in(first, data_of(path, target="t", delimiter=";", test=0.02))
    assert found.development + found.test in (39, 40)  # the changed row may be one of the 40
    assert found.development >= 35
    assert not found.chance
    assert found.sentence.endswith(" were opened as test rows before: opening 1")


def test_rows_are_known_again_whatever_is_predicted(first, tmp_path):
    (found,) = found_in(first, data_of(write(tmp_path / "more.csv", table()[:-1]), target="z", test=0.5))
    assert found.development + found.test in (39, 40)


def test_opened_rows_of_the_same_file_are_told_where_they_are_development_rows_now(first, tmp_path):
    assert found_in(first, data_of(tmp_path / "own.csv"), other=False) == []
    (found,) = found_in(first, data_of(tmp_path / "own.csv", test=0.02), other=False)
    assert found.development >= 36
    assert found.test == 0  # counted by the digest of the file


def test_other_rows_of_the_same_kind_are_not_taken_for_them(first, tmp_path):
    assert found_in(first, data_of(write(tmp_path / "other.csv", table(1)))) == []


@pytest.mark.parametrize("columns", [2, 6])
def test_in_tables_of_few_distinct_rows_a_second_sample_repeats_no_more_than_chance_explains(tmp_path, columns):
    def sample(seed):
        draw = np.random.default_rng(seed)
        bits = draw.integers(0, 2, (N, columns))
        return [(*map(str, row), str(row[0] ^ row[1])) for row in bits]

    names = (*(f"c{at}" for at in range(columns)), "y")
    note = opened(data_of(write(tmp_path / "one.csv", sample(0), names)))
    for seed in range(1, 5):
        found = found_in(note, data_of(write(tmp_path / "two.csv", sample(seed), names)))
        assert all(each.chance for each in found)


def cells(*rows):
    return np.array(rows, np.uint64).reshape(len(rows), -1)


def test_rows_that_development_rows_equalled_are_not_kept():
    rows = OpenedRows.of(cells(1, 2, 2, 3), cells(1, 9))
    assert (rows.total, rows.fresh, len(rows.digests)) == (4, 3, 2)
    assert len(rows.among(cells(1, 2, 3, 2))) == 3


@pytest.mark.parametrize(
    ("fresh", "again", "recurs"), [(1000, 19, False), (1000, 20, True), (360, 310, False), (360, 311, True)]
)
def test_clearly_more_than_a_hundredth_and_than_chance_is_a_second_look(fresh, again, recurs):
    """By hand: 10 + 3 sqrt(9.9) = 19.4; with 640 of 1,000 known before, 0.8 of 360 and 3 sqrt(57.6): 310.8."""
    every = cells(*range(1000))
    rows = OpenedRows.of(every, every[fresh:])
    assert rows.recur(rows.among(every[:again])) is recurs


def test_digests_of_two_openings_have_nothing_in_common():
    one, other = (OpenedRows.of(cells(1, 2), cells(3)) for _ in range(2))
    assert not set(one.digests) & set(other.digests)


def test_ends_grow_until_they_tell_rows_apart():
    """Cells of each row: 1, 2, a number of its own, 3, 4; or 1, 2, 3, 4, 5 in all."""
    own = cells(*((1, 2, 10 + at, 3, 4) for at in range(50)))
    assert OpenedRows.of(own[:10], own[10:]).size == 3
    same = cells(*[(1, 2, 3, 4, 5)] * 50)
    alike = OpenedRows.of(same[:10], same[10:])
    assert (alike.size, alike.total, len(alike.digests)) == (5, 10, 0)


def three_columns(path, names, *, numbered=False):
    draw = np.random.default_rng(5)
    lines = [(f"{r:.4f}", f"{c:.4f}", "high" if r + c > 0 else "low") for r, c in draw.normal(size=(N, 2))]
    return write(path, [(str(at), *line) for at, line in enumerate(lines)] if numbered else lines, names)


@pytest.mark.parametrize(
    ("names", "changes", "least", "most"),
    [
        (("s", "d", "y"), {"drop": ["s"]}, 20, 32),
        (("s", "d", "y"), {"drop": ["d"], "test": 0.02}, 20, 32),
        (("r", "c", "y"), {"drop": ["c"], "test": 0.02}, 20, 32),  # the same file
        (("id", "r", "c", "y"), {"test": 0.1}, 40, 42),
        (("id", "r", "c", "y"), {"drop": ["id"], "test": 0.1}, 40, 40),
    ],
)
def test_rows_are_known_again_whatever_column_is_left_out_or_added(tmp_path, names, changes, least, most):
    """Of three cells, one that is left out leaves an end of two for 2 rows of 3; one that is added for all.

    Of 40 opened rows 4 or fewer are test rows of the same file again, which are counted by its digest.
    """
    note = opened(data_of(three_columns(tmp_path / "t.csv", ("r", "c", "y"))))
    data = data_of(three_columns(tmp_path / "u.csv", names, numbered=len(names) == 4), **changes)
    (found,) = found_in(note, data, other=False)
    assert least <= found.development + found.test <= most
    assert not found.chance


@pytest.mark.parametrize("changed", [{}, {"drop": ["z"]}, {"target": "z"}])
def test_other_rows_with_a_column_more_or_less_are_not_taken_for_them(first, tmp_path, changed):
    lines = [(str(at), *line) for at, line in enumerate(table(2))]
    path = write(tmp_path / "other.csv", lines, ("id", "a", "b", "city", "y", "z"))
    assert all(found.chance for found in found_in(first, data_of(path, **changed)))


def test_a_wide_table_of_few_values_is_known_again_with_a_column_more(tmp_path):
    """As images of digits in a table: 64 numbers of 0 to 16, most of them 0."""
    draw = np.random.default_rng(0)
    pixels = np.maximum(draw.integers(-20, 17, (N, 64)), 0)
    np.savez(tmp_path / "one.npz", x=pixels, y=np.arange(N) % 10)
    np.savez(tmp_path / "two.npz", x=np.column_stack([np.arange(N), pixels]), y=np.arange(N) % 10)
    common = {"kind": "npz", "task": TaskChoice.AUTO, "limit": None, "inputs": "x"}
    one, two = (
        NpzData(**common, target="y", path=str(tmp_path / f"{name}.npz"), test=0.2, **NpzData.fingerprint_defaults)
        for name in ("one", "two")
    )
    (found,) = found_in(opened(one), two)
    assert found.development + found.test >= 36
    assert not found.chance


def test_images_are_known_by_their_pixels_whatever_their_type_and_class(tmp_path):
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (30, 5, 5), dtype=np.uint8)
    for name, images in (("bytes", pixels), ("floats", pixels[::-1].astype(np.float64))):
        np.savez(tmp_path / f"{name}.npz", x=images, y=np.arange(30) % 3)
    common = {
        "kind": "npz",
        "task": TaskChoice.AUTO,
        "limit": None,
        "inputs": "x",
        "target": "y",
    }
    one, other = (
        NpzData(**common, path=str(tmp_path / f"{name}.npz"), test=0.2, **NpzData.fingerprint_defaults)
        for name in ("bytes", "floats")
    )
    (found,) = found_in(opened(one), other)
    assert found.development + found.test == 6


def test_sealed_files_are_known_by_the_values_of_their_decoded_rows(tiny, tmp_path):
    tiny.write(tmp_path)
    data = MnistData(kind="mnist", task=TaskChoice.AUTO, limit=None, packaged=Packaged.NEVER)
    source = find_source(data, sets={"mnist": tiny.idx_set()}, root=tmp_path)
    development = load_development(data, source=source)
    sealed = seal(data, source=source, development=development)
    claim = Claim(sealed.digest, 1, "me", "now", "why")
    rows, found = sealed.opened(claim, development), row_cells(sealed.open(claim))
    assert (rows.total, rows.fresh) == (10, 8)  # 2 test images are training images
    assert len(rows.among(found)) == 8


def test_a_number_is_the_same_as_input_and_as_class():
    inputs = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    as_class = Rows("t", Task.BINARY, inputs[:, :1], np.array([0, 1]), 2, ("2", "4"))
    as_target = Rows("t", Task.REGRESSION, inputs[:, 1:], inputs[:, :1], 0)
    assert (row_cells(as_class) == row_cells(as_target)).all()
