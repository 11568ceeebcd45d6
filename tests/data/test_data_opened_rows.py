"""Rows that an opening has shown are known again, and data that only look alike are not taken for them."""

import json

import numpy as np
import pytest

from hpsearch.config.data import CsvData, MnistData, Normalize, NpzData, Packaged, TaskChoice
from hpsearch.data.opened_rows import OpenedRows, row_values
from hpsearch.data.rows import Rows
from hpsearch.data.seal import Claim, load_development, seal
from hpsearch.data.sources import find_source
from hpsearch.final.openings import Noted, recurring
from hpsearch.records import Task

COMMON = {"task": TaskChoice.AUTO, "normalize": Normalize.UNIT, "limit": None}
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
        "normalize": Normalize.UNIT,
        "limit": None,
        "path": str(path),
        "target": "y",
    }
    return CsvData(**known | {"test": 0.2, "delimiter": ",", "drop": [], **CsvData.quiet} | changes)


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


def test_rows_that_development_rows_equalled_are_not_kept():
    rows = OpenedRows.of([b"a", b"b", b"b", b"c"], [b"a", b"x"])
    assert (rows.total, rows.fresh, len(rows.digests)) == (4, 3, 2)
    assert len(rows.among([b"a", b"b", b"c", b"b"])) == 3


@pytest.mark.parametrize(("fresh", "again", "recurs"), [(1000, 10, False), (1000, 11, True), (400, 200, False)])
def test_more_than_a_hundredth_and_more_than_chance_is_a_second_look(fresh, again, recurs):
    """Of 1,000 opened rows 600 were known before: another 60 % of the 400 others may turn up by chance."""
    values = [str(at).encode() for at in range(1000)]
    rows = OpenedRows.of(values, values[fresh:])
    assert rows.recur(rows.among(values[:again])) is recurs


def test_digests_of_two_openings_have_nothing_in_common():
    one, other = (OpenedRows.of([b"a", b"b"], []) for _ in range(2))
    assert not set(one.digests) & set(other.digests)


def test_images_are_known_by_their_pixels_whatever_their_type_and_class(tmp_path):
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (30, 5, 5), dtype=np.uint8)
    for name, images in (("bytes", pixels), ("floats", pixels[::-1].astype(np.float64))):
        np.savez(tmp_path / f"{name}.npz", x=images, y=np.arange(30) % 3)
    common = {
        "kind": "npz",
        "task": TaskChoice.AUTO,
        "normalize": Normalize.UNIT,
        "limit": None,
        "inputs": "x",
        "target": "y",
    }
    one, other = (
        NpzData(**common, path=str(tmp_path / f"{name}.npz"), test=0.2, **NpzData.quiet) for name in ("bytes", "floats")
    )
    (found,) = found_in(opened(one), other)
    assert found.development + found.test == 6


def test_sealed_files_are_known_by_the_values_of_their_decoded_rows(tiny, tmp_path):
    tiny.write(tmp_path)
    data = MnistData(kind="mnist", task=TaskChoice.AUTO, normalize=Normalize.UNIT, limit=None, packaged=Packaged.NEVER)
    source = find_source(data, sets={"mnist": tiny.idx_set()}, root=tmp_path)
    development = load_development(data, source=source)
    sealed = seal(data, source=source, development=development)
    claim = Claim(sealed.digest, 1, "me", "now", "why")
    rows, values = sealed.opened(claim, development), row_values(sealed.open(claim))
    assert (rows.total, rows.fresh) == (10, 8)  # 2 test images are training images
    assert len(rows.among(values)) == 8


def test_a_number_is_the_same_as_input_and_as_class():
    inputs = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    as_class = Rows("t", Task.BINARY, inputs[:, :1], np.array([0, 1]), 2, ("2", "4"))
    as_target = Rows("t", Task.REGRESSION, inputs[:, 1:], inputs[:, :1], 0)
    assert row_values(as_class) == row_values(as_target)
