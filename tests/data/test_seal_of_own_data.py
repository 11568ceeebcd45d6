"""The seal of a user's own file: one for the whole file, whatever a configuration takes from it."""

import csv
import dataclasses
import hashlib
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from hpsearch.config.data import CsvData, NpzData, TaskChoice
from hpsearch.data.dataset import Rows
from hpsearch.data.seal import TEST_STATE, Claim, data_digest, load_development, seal
from hpsearch.data.table_files import table_digest
from hpsearch.errors import DataError

N = 60
COLUMNS = ["number", "a", "b", "y", "z"]
LABELS = [i % 3 for i in range(N)]
LINES = [[str(i), str(i * i % 17), f"c{i % 4}", f"l{LABELS[i]}", f"{i % 7}.5"] for i in range(N)]
KEYS = [
    {"target": "z"},
    {"target": "b"},
    {"target": "a", "task": TaskChoice.REGRESSION},
    {"task": TaskChoice.AUTOENCODER, "drop": ["b"]},
    {"task": TaskChoice.AUTOENCODER, "target": None, "drop": ["b", "y"]},
    {"drop": ["b"]},
    {"drop": ["a", "b", "z"]},
    {"test": 0.5},
    {"limit": 5},
]


def table_of(path, **changes) -> CsvData:
    values = {
        "target": "y",
        "task": TaskChoice.AUTO,
        "test": 0.2,
        "delimiter": ",",
        "drop": [],
        **CsvData.fingerprint_defaults,
    }
    return CsvData(kind="csv", limit=None, path=str(path), **values | changes)


def arrays_of(path, **changes) -> NpzData:
    values = {"inputs": "x", "target": "y", "task": TaskChoice.AUTO, "test": 0.2, **NpzData.fingerprint_defaults}
    return NpzData(kind="npz", limit=None, path=str(path), **values | changes)


def text_of(lines, **how):
    text = io.StringIO()
    csv.writer(text, **how).writerows(lines)
    return text.getvalue().encode()


def write(data, lines):
    Path(data.path).write_bytes(text_of(lines))


def both_digests(data):
    development = load_development(data)
    sealed = seal(data, development=development)
    return sealed.digest, data_digest(development, sealed)


def opened(data) -> Rows:
    sealed = seal(data)
    return sealed.open(Claim(sealed.digest, 1, "run 7", "2025-01-01T00:00:00Z", "final"))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "own.csv"
    path.write_bytes(text_of([COLUMNS, *LINES]))
    return table_of(path)


@pytest.fixture
def arrays(tmp_path):
    path = tmp_path / "own.npz"
    x = np.arange(2.0 * N).reshape(N, 2)
    np.savez(path, x=x, half=x[:, :1], y=np.arange(N) % 3, z=np.arange(N) % 7 / 2)
    return arrays_of(path)


@pytest.mark.parametrize("keys", KEYS, ids=str)
def test_a_table_has_one_seal_whatever_is_predicted_dropped_or_set_aside(table, keys):
    changed = dataclasses.replace(table, **keys)
    assert seal(changed).digest == seal(table).digest


@pytest.mark.parametrize("keys", KEYS[:8], ids=str)
def test_what_is_predicted_dropped_or_set_aside_makes_another_fingerprint(table, keys):
    changed = dataclasses.replace(table, **keys)
    assert both_digests(changed)[1] != both_digests(table)[1]


def test_a_table_that_can_be_read_with_two_delimiters_has_one_seal(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("a,b;c,y\n" + "".join(f"{i},{i % 5};{i % 7},{i % 2}\n" for i in range(50)))
    commas = seal(table_of(path))
    semicolons = seal(table_of(path, delimiter=";", target="c,y", task=TaskChoice.AUTOENCODER))
    assert semicolons.digest == commas.digest


@pytest.mark.parametrize(
    "keys",
    [
        {"target": "z"},
        {"target": "z", "task": TaskChoice.REGRESSION},
        {"task": TaskChoice.AUTOENCODER},
        {"task": TaskChoice.AUTOENCODER, "target": None},
        {"inputs": "half"},
        {"test": 0.5},
    ],
    ids=str,
)
def test_arrays_have_one_seal_whichever_are_used(arrays, keys):
    one, other = both_digests(arrays), both_digests(dataclasses.replace(arrays, **keys))
    assert other[0] == one[0]
    assert other[1] != one[1]


@pytest.mark.parametrize("drop", [["b"], ["a"], ["a", "b", "z"]], ids=str)
def test_dropping_columns_changes_no_sealed_row(table, drop):
    rows = opened(dataclasses.replace(table, drop=drop))
    expected = train_test_split(np.arange(N), test_size=12, stratify=LABELS, random_state=TEST_STATE)[1]
    assert rows.inputs[:, 0].tolist() == sorted(expected)


def test_a_copy_of_a_file_has_the_same_seal_and_fingerprint(table, arrays, tmp_path):
    for data, name in ((table, "copy.csv"), (arrays, "copy.npz")):
        shutil.copy(data.path, tmp_path / name)
        copied = dataclasses.replace(data, path=str(tmp_path / name))
        assert both_digests(copied) == both_digests(data)


def test_a_plain_table_separated_by_tabs_has_the_digest_of_its_bytes(tmp_path):
    path = tmp_path / "own.tsv"
    path.write_bytes(text_of([COLUMNS, *LINES], delimiter="\t", lineterminator="\n"))
    assert table_digest(table_of(path, delimiter="\t")) == hashlib.sha256(path.read_bytes()).hexdigest()


WORD = st.text("ab1.-é", min_size=1, max_size=4)


@given(
    st.lists(st.lists(WORD, min_size=3, max_size=3), min_size=1, max_size=5),
    st.sampled_from(",;\t|"),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["", "  "]),
)
def test_a_table_that_is_written_in_another_way_is_the_same_content(
    tmp_path_factory, lines, delimiter, quoting, end, encoding, space
):
    folder = tmp_path_factory.getbasetemp()
    (folder / "plain.csv").write_bytes(text_of(lines))
    padded = [[f"{space}{cell}{space}" for cell in line] for line in lines]
    again = text_of(padded, delimiter=delimiter, quoting=quoting, lineterminator=end)
    (folder / "again.csv").write_bytes(again.decode().encode(encoding))
    one, other = (table_digest(table_of(folder / name)) for name in ("plain.csv", "again.csv"))
    assert other == one


def without_last_row(lines):
    return lines[:-1]


def with_another_row(lines):
    return [*lines, ["60", "1", "c1", "l1", "0.5"]]


def with_two_rows_swapped(lines):
    return [lines[0], lines[2], lines[1], *lines[3:]]


def with_another_cell_in_b(lines):
    return [*lines[:-1], [*lines[-1][:2], "c9", *lines[-1][3:]]]


def with_b_renamed(lines):
    return [["number", "a", "beta", "y", "z"], *lines[1:]]


def without_b(lines):
    return [line[:2] + line[3:] for line in lines]


CHANGES = [
    without_last_row,
    with_another_row,
    with_two_rows_swapped,
    with_another_cell_in_b,
    with_b_renamed,
    without_b,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_table_with_another_row_cell_or_column_is_another_content(table, change):
    before = both_digests(table)
    write(table, change([COLUMNS, *LINES]))
    after = both_digests(table)
    assert (after[0] != before[0], after[1] != before[1]) == (True, True)


def test_a_column_that_is_dropped_belongs_to_the_fingerprint_as_to_the_seal(table):
    dropping = dataclasses.replace(table, drop=["b"])
    before = both_digests(dropping)
    write(table, with_another_cell_in_b([COLUMNS, *LINES]))
    after = both_digests(dropping)
    assert (after[0] != before[0], after[1] != before[1]) == (True, True)


def test_a_table_whose_dropped_column_changed_after_sealing_is_not_opened(table):
    sealed = seal(dataclasses.replace(table, drop=["b"]))
    write(table, with_another_cell_in_b([COLUMNS, *LINES]))
    with pytest.raises(DataError, match="the file of own has changed since its test set was sealed: restore it"):
        sealed.open(Claim(sealed.digest, 1, "run 7", "2025-01-01T00:00:00Z", "final"))


def test_arrays_that_are_compressed_or_in_another_order_are_the_same_content(arrays):
    before = both_digests(arrays)
    held = dict(np.load(arrays.path))
    np.savez_compressed(arrays.path, **dict(reversed(held.items())))
    assert both_digests(arrays) == before


@pytest.mark.parametrize(
    "change",
    [
        {"z": np.arange(N)},
        {"z": (np.arange(N) % 7 / 2).astype(np.float32)},
        {"z": (np.arange(N) % 7 / 2)[:, None]},
        {"more": np.zeros(1)},
        {"more": np.array([{}])},
    ],
    ids=["values", "type", "shape", "one more", "one more that needs pickle"],
)
def test_a_file_with_another_array_is_another_content_though_it_is_not_used(arrays, change):
    before = both_digests(arrays)
    held = dict(np.load(arrays.path))
    np.savez(arrays.path, **held | change)
    after = both_digests(arrays)
    assert (after[0] != before[0], after[1] != before[1]) == (True, True)


def test_two_arrays_that_change_names_are_another_content(arrays):
    before = seal(arrays).digest
    held = dict(np.load(arrays.path))
    np.savez(arrays.path, **held | {"half": held["z"], "z": held["half"]})
    assert seal(arrays).digest != before


def test_who_shares_the_openings_of_a_users_file_is_said(table):
    assert "whatever is predicted (data.target, data.task), left out (data.drop)" in seal(table).shared
