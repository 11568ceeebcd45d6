"""Rows that belong together, and rows in the order of time."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, TimeSeriesSplit

from hpsearch.config import ConfigError
from hpsearch.config.data import CsvData, NpzData, TaskChoice
from hpsearch.data.npz_file import read_npz
from hpsearch.data.seal import Claim, load_development, seal
from hpsearch.data.splits import folds, split_seed
from hpsearch.errors import DataError

EVALUATIONS = (
    "holdout",
    {"kind": "kfold", "folds": 4},
    {"kind": "stratified_kfold", "folds": 3},
    {"kind": "repeated_kfold", "folds": 3, "repeats": 2},
)


def grouped(rows, sizes):
    """The rows with groups of these sizes, shuffled."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    return replace(rows, groups=np.random.default_rng(0).permutation(groups))


def parts_of(fold):
    return [part for part in (fold.train, fold.monitor, fold.val, fold.report) if len(part)]


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), redraw=st.integers(0, 3), each=st.sampled_from(EVALUATIONS), monitor=st.booleans())
def test_no_group_is_on_two_sides_and_no_row_is_lost(make_config, make_rows, seed, redraw, each, monitor):
    rows = grouped(make_rows(120), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    evaluation = make_config(evaluation=each).evaluation
    for fold in folds(rows, evaluation, seed=seed, redraw=redraw, monitor=monitor):
        parts = parts_of(fold)
        assert sorted(np.concatenate(parts)) == list(range(120))
        of_parts = [set(rows.groups[part]) for part in parts]
        assert sum(map(len, of_parts)) == len(set.union(*of_parts))


@pytest.mark.parametrize(("kind", "splitter"), [("kfold", GroupKFold), ("stratified_kfold", StratifiedGroupKFold)])
def test_folds_of_groups_are_those_of_scikit_learn(make_config, make_rows, kind, splitter):
    rows = grouped(make_rows(60), [5] * 12)
    theirs = splitter(4, shuffle=True, random_state=split_seed(7)).split(np.arange(60), rows.targets, rows.groups)
    ours = folds(rows, make_config(evaluation={"kind": kind, "folds": 4}).evaluation, seed=7)
    assert [(f.train.tolist(), f.val.tolist()) for f in ours] == [(a.tolist(), b.tolist()) for a, b in theirs]


def test_a_limit_keeps_exactly_so_many_rows_whatever_their_groups(make_config, make_rows):
    rows = grouped(make_rows(60), [10] * 6)
    (fold,) = folds(rows, make_config().evaluation, seed=0, limit=17)
    assert len(fold.train) == 17


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ({"kind": "kfold", "folds": 5}, "evaluation.folds must be <= 4 groups of data.groups, got 5"),
        ("loocv", "evaluation=loocv tears groups apart: use evaluation=kfold"),
    ],
)
def test_what_would_tear_groups_apart_is_refused(make_config, make_rows, evaluation, message):
    with pytest.raises(ConfigError, match=message):
        folds(grouped(make_rows(20), [5] * 4), make_config(evaluation=evaluation).evaluation, seed=0)


def test_rows_of_one_group_cannot_be_held_out(make_config, make_rows):
    with pytest.raises(ConfigError, match=r"they are of one group \(data.groups\)"):
        folds(grouped(make_rows(20), [20]), make_config().evaluation, seed=0)


def timed(rows, times):
    return replace(rows, times=np.asarray(times, np.float64))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), ties=st.integers(1, 9), monitor=st.booleans())
def test_what_is_held_out_is_later_than_what_trains(make_config, make_rows, seed, ties, monitor):
    times = np.random.default_rng(seed).permutation(100) // ties
    rows = timed(make_rows(100), times)
    for each in ("holdout", {"kind": "time_series", "folds": 4}):
        for fold in folds(rows, make_config(evaluation=each).evaluation, seed=seed, monitor=monitor):
            parts = parts_of(fold)
            for earlier, later in itertools.pairwise(parts):
                assert times[earlier].max() < times[later].min()


@pytest.mark.parametrize("keys", [{}, {"gap": 3}, {"window": 20}])
def test_folds_in_time_are_those_of_scikit_learn(make_config, make_rows, keys):
    order = np.random.default_rng(0).permutation(60)
    evaluation = make_config(evaluation={"kind": "time_series", "folds": 5, **keys}).evaluation
    ours = folds(timed(make_rows(60), np.argsort(order)), evaluation, seed=0)
    theirs = TimeSeriesSplit(5, gap=keys.get("gap", 0), max_train_size=keys.get("window")).split(order)
    assert [(f.train.tolist(), f.val.tolist()) for f in ours] == [
        (sorted(order[train]), sorted(order[val])) for train, val in theirs
    ]


@pytest.mark.parametrize(
    ("evaluation", "times", "message"),
    [
        ("kfold", range(20), "draws rows of all times, and data.time holds out later ones: use evaluation=time_series"),
        ({"kind": "time_series", "folds": 50}, range(20), "evaluation.folds=50 and evaluation.gap=0 are too many"),
        ("holdout", [1] * 20, r"all have the time of the latest 2 \(data.time\)"),
        ("time_series", None, "evaluation=time_series needs data.time"),
    ],
)
def test_what_cannot_be_split_by_time_is_refused(make_config, make_rows, evaluation, times, message):
    rows = make_rows(20)
    with pytest.raises(ConfigError, match=message):
        folds(
            rows if times is None else timed(rows, list(times)), make_config(evaluation=evaluation).evaluation, seed=0
        )


def table(folder, content, name="own.csv", **keys) -> CsvData:
    (folder / name).write_text(content)
    values = {"path": str(folder / name), "target": "y", "test": 0.2, "limit": None, "drop": [], "delimiter": ","}
    return CsvData(kind="csv", task=TaskChoice.AUTO, **values, **CsvData.fingerprint_defaults | keys)


def sealed_rows(data):
    sealed = seal(data)
    return sealed.open(Claim(sealed.digest, 1, "run 7", "2025-01-01T00:00:00Z", "final"))


VISITS = "patient,a,day,y\n" + "".join(
    f"p{i // 4},{i / 7:.3f},2024-{1 + i * 7 % 80 // 28:02}-{1 + i * 7 % 80 % 28:02},{i % 3 % 2}\n" for i in range(80)
)


def test_the_seal_keeps_groups_whole_and_they_are_no_input(tmp_path):
    data = table(tmp_path, VISITS, groups="patient")
    development, sealed = load_development(data), sealed_rows(data)
    assert [column.name for column in development.columns] == ["a", "day"]
    assert (development.n, sealed.n) == (64, 16)
    assert not set(development.groups) & set(sealed.groups)


def test_the_seal_holds_the_latest_rows(tmp_path):
    data = table(tmp_path, VISITS, time="day")
    development, sealed = load_development(data), sealed_rows(data)
    assert [column.name for column in development.columns] == ["patient", "a", "day"]
    assert development.times.max() < sealed.times.min()


def test_a_file_of_test_rows_is_sealed_and_shares_the_categories(tmp_path):
    table(tmp_path, "y,c,a,more\n0,red,1,x\n1,green,,x\n", "test.csv")
    data = table(tmp_path, "a,c,y\n1,red,0\n2,blue,1\n3,red,1\n", test_path=str(tmp_path / "test.csv"))
    development, sealed = load_development(data), sealed_rows(data)
    assert development.inputs.tolist() == [[1, 2], [2, 0], [3, 2]]
    assert sealed.columns[1].categories == ("blue", "green", "red")
    np.testing.assert_array_equal(sealed.inputs, [[1, 2], [np.nan, 1]])
    assert sealed.targets.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,y\n1,0\n", r"test.csv \(data.test_path\) lacks columns of .*own.csv: c"),
        ("a,c,y\n1,red,2\n", r"test.csv \(data.test_path\) holds y '2', and no row of .*own.csv does: add rows"),
        ("a,c,y\n1,red,0\n1e99,red,1\n", r"test.csv: line 3, column 'a' is not finite, got '1e99'"),
    ],
)
def test_a_file_of_test_rows_that_does_not_fit_is_refused(tmp_path, content, message):
    table(tmp_path, content, "test.csv")
    data = table(tmp_path, "a,c,y\n1,red,0\n2,blue,1\n3,red,1\n", test_path=str(tmp_path / "test.csv"))
    with pytest.raises(DataError, match=message):
        load_development(data)


def test_another_file_of_test_rows_has_another_seal(tmp_path):
    content = "a,c,y\n1,red,0\n2,blue,1\n3,red,1\n"
    for name, cell in (("one.csv", 1), ("two.csv", 2)):
        table(tmp_path, f"a,c,y\n{cell},red,0\n", name)
    one, two = (table(tmp_path, content, test_path=str(tmp_path / name)) for name in ("one.csv", "two.csv"))
    assert len({seal(data).digest for data in (one, two)}) == 2


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"groups": "y"}, "data.groups must not be the target, got 'y'"),
        ({"groups": "patient", "time": "day"}, "data.time must be null where data.groups is given"),
    ],
)
def test_keys_that_contradict_are_refused(tmp_path, keys, message):
    with pytest.raises(ConfigError, match=message):
        table(tmp_path, VISITS, **keys)


def test_groups_of_arrays_are_an_array(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, x=np.arange(20.0).reshape(10, 2), y=np.arange(10) % 2, who=np.repeat(["a", "b"], 5))
    values = {"path": str(path), "inputs": "x", "target": "y", "test": 0.2, "limit": None, "task": TaskChoice.AUTO}
    data = NpzData(kind="npz", **values, **NpzData.fingerprint_defaults | {"groups": "who"})
    assert read_npz(data).groups.tolist() == [0] * 5 + [1] * 5
