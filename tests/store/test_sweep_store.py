import errno
import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.errors import BrokenFileError, StorageError
from hpsearch.records import Status
from hpsearch.seeding import FitSeeds
from hpsearch.store.atomic_files import check_directory, dump_checked_json, load_checked_json, slug, write_atomic
from hpsearch.store.lock import SweepLockedError
from hpsearch.store.record_json import decode_record, encode_record
from hpsearch.store.sweep_store import LateWriteError, SweepStore, damaged_sweeps, list_sweeps
from tests.specifications import fingerprinted, specification
from tests.store.store_drivers import result, start, trial
from tests.strategies import JSON_TEXTS, JSON_TREES

HOSTILE = [
    "../../etc",
    "a/b",
    "a\nb",
    "'\"`$(rm)",
    "🙂",
    "",
    ".",
    "..",
    "Mnist",
    "MNIST",
    "x" * 10_000,
    "con",
    "a.",
    "\ud800",
]


def alike(a, b):
    """Equal, of equal types, where nan equals nan and 0.0 is not -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, float):
        return a.hex() == b.hex()
    return a == b


@settings(max_examples=60, deadline=None)
@given(JSON_TREES)
def test_any_tree_comes_back_from_its_sealed_bytes(tree):
    assert alike(load_checked_json(dump_checked_json(tree), "x"), tree)


@settings(max_examples=60, deadline=None)
@given(JSON_TREES, st.data())
def test_a_file_that_was_cut_or_changed_is_recognized(tree, data):
    whole = dump_checked_json(tree)
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    for broken in (whole[:at], flipped, whole + b" ", b""):
        with pytest.raises(BrokenFileError):
            load_checked_json(broken, "x")


def test_sealed_bytes_are_canonical_and_plain_json():
    data = dump_checked_json(
        {"b": [1, math.nan, -math.inf], "a": "ü", "c": np.float32(0.5), "d": (np.int64(3), np.True_)}
    )
    assert data == dump_checked_json({"d": [3, True], "c": 0.5, "a": "ü", "b": [1, math.nan, -math.inf]})
    assert data.startswith(b'{"body":{"a":"\\u00fc","b":[1,"NaN","-Infinity"],"c":0.5,"d":[3,true]},"sha256":"')
    assert data.endswith(b'"}\n')
    assert json.loads(data)["body"]["b"] == [1, "NaN", "-Infinity"]


@settings(max_examples=60, deadline=None)
@given(
    level=JSON_TEXTS,
    k=st.integers(0, 10**6),
    tree=st.dictionaries(JSON_TEXTS, JSON_TREES, max_size=3),
    values=st.dictionaries(
        JSON_TEXTS, st.booleans() | st.integers() | st.floats() | JSON_TEXTS | st.none(), max_size=3
    ),
    status=st.sampled_from(list(Status)),
    score=st.none() | st.floats(),
    curve=st.lists(st.floats(), max_size=4),
    seeds=st.lists(st.builds(FitSeeds, *[st.integers(0, 2**63 - 1)] * 3), max_size=2),
)
def test_a_record_comes_back_as_it_was(*, level, k, tree, values, status, score, curve, seeds):
    before = result(status=status, score=score, curves={"c": curve}, summary=dict(enumerate_floats(curve)), seeds=seeds)
    data = encode_record(trial(level, k, tree or {"seed": 1}, values), before)
    record = decode_record(data)
    assert (record.key, record.result.status, record.result.seeds) == ((level, k), status, seeds)
    assert alike(record.values, values)
    assert alike(record.config_tree, tree or {"seed": 1})
    assert alike(record.result.score, score)
    assert alike(record.result.curves, before.curves)
    assert alike(record.result.summary, before.summary)
    assert encode_record(trial(level, k, record.config_tree, record.values), record.result) == data


def enumerate_floats(curve):
    return ((f"m/{i}", value) for i, value in enumerate(curve))


def test_what_depends_on_the_moment_is_not_in_a_record():
    assert encode_record(trial(), result(measured={"fit_s": 1.0})) == encode_record(trial(), result())


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec=None), max_size=30) | st.sampled_from(HOSTILE))
def test_a_slug_is_a_plain_folder_name(name):
    made = slug(name)
    assert made.isascii()
    assert not set(made) - set("abcdefghijklmnopqrstuvwxyz0123456789._-~")
    assert made[0].isalnum()
    assert made[-1] != "."
    assert len(made) <= 64


def test_hostile_names_have_a_folder_each_also_where_case_does_not_count(tmp_path):
    names = [*HOSTILE, "mnist", "mnist-packaged", "a", "b", "x" * 9_999]
    stores = [SweepStore(tmp_path, name) for name in names]
    assert len({store.folder.name.lower() for store in stores}) == len(names)
    for store in stores:
        with store.lock():
            store.freeze(specification(store.name))
        assert store.folder.parent == tmp_path / "sweeps"
    assert set(list_sweeps(tmp_path)) == set(names)
    assert slug("mnist-packaged") == "mnist-packaged"


def test_a_specification_is_kept_and_found(tmp_path):
    store = SweepStore(tmp_path / "mit Leerzeichen 🙂", "mnist")
    space = {"optimizer.sgd": {"lr": {"low": 0.1, "high": math.inf}}}
    stored = specification("mnist", fingerprinted(space=space), started_by="mnist")
    assert store.specification() is None
    with store.lock():
        store.freeze(stored)
    assert store.specification() == stored
    assert list_sweeps(tmp_path / "mit Leerzeichen 🙂") == {"mnist": stored}
    assert list_sweeps(tmp_path / "nowhere") == {}


def test_a_damaged_specification_is_an_error_of_its_own_sweep_that_names_file_and_remedy(tmp_path):
    stores = [SweepStore(tmp_path, name) for name in ("mnist-ab12", "other")]
    for store in stores:
        with store.lock():
            store.freeze(specification(store.name))
    path = stores[0].folder / "sweep.json"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(
        BrokenFileError, match=r"sweep\.json' is not whole: .*; the run of the sweep in MLflow has a copy"
    ):
        stores[0].specification()
    assert list_sweeps(tmp_path) == {"other": specification("other")}
    assert len(damaged_sweeps(tmp_path)) == len(damaged_sweeps(tmp_path, "mnist")) == 1
    assert damaged_sweeps(tmp_path, "digits") == []


def test_a_whole_file_that_does_not_say_what_the_sweep_is_counts_as_damaged(tmp_path):
    store = SweepStore(tmp_path, "s")
    store.folder.mkdir(parents=True)
    lacking = {key: part for key, part in specification().to_tree().items() if key != "engine"}
    (store.folder / "sweep.json").write_bytes(dump_checked_json(lacking))
    with pytest.raises(BrokenFileError, match=r"sweep\.json' is not whole: it is without engine; the run of the sweep"):
        store.specification()


def test_attempts_are_numbered_on_and_the_first_whole_one_counts(tmp_path):
    store = SweepStore(tmp_path, "s")
    assert store.latest("-", 3) is None
    assert [store.begin_attempt("-", 3) for _ in range(11)] == list(range(1, 12))
    store.write_attempt(11, trial(k=3), result(score=0.75), {"host": "here"})
    assert store.begin_attempt("-", 3) == 12
    attempts = store.attempts("-", 3)
    assert [attempt.number for attempt in attempts] == list(range(1, 13))
    assert [attempt.number for attempt in attempts if attempt.record] == [11]
    assert store.records()["-", 3].result.score == 0.75
    assert store.run_file("-", 3, 11) == {"host": "here", "measured": {}}


def test_levels_and_trials_keep_apart(tmp_path):
    store = SweepStore(tmp_path, "s")
    keys = [("-", 0), ("-", 1), ("he_relu", 0), ("He_relu", 0), ("../x", 10), ("../x", 9)]
    for i, (level, k) in enumerate(keys):
        store.write_attempt(store.begin_attempt(level, k), trial(level, k), result(score=float(i)), {})
    assert {key: record.result.score for key, record in store.records().items()} == {
        key: float(i) for i, key in enumerate(keys)
    }
    assert list(store.records()) == sorted(keys)


def test_a_broken_record_stays_in_place_and_is_not_used(tmp_path):
    store = SweepStore(tmp_path, "s")
    folder = store.write_attempt(store.begin_attempt("-", 0), trial(), result(), {})
    data = (folder / "record.json").read_bytes().replace(b"0.25", b"0.35")
    (folder / "record.json").write_bytes(data)
    assert store.records() == {}
    assert "checksum" in store.attempts("-", 0)[0].problem
    assert store.survey() == ({}, [store.attempts("-", 0)[0].problem])
    assert store.begin_attempt("-", 0) == 2
    store.write_attempt(2, trial(), result(), {})
    assert store.survey()[1] == []  # the trial has another one now
    assert (folder / "record.json").read_bytes() == data


def test_a_record_in_the_folder_of_another_trial_is_not_used(tmp_path):
    store = SweepStore(tmp_path, "s")
    folder = store.write_attempt(store.begin_attempt("-", 0), trial(), result(), {})
    store.begin_attempt("-", 1)
    (folder.parents[1] / "1" / "attempt-1" / "record.json").write_bytes((folder / "record.json").read_bytes())
    assert list(store.records()) == [("-", 0)]
    assert store.attempts("-", 1)[0].record is None


def test_a_late_result_is_refused(tmp_path):
    store = SweepStore(tmp_path, "s")
    store.begin_attempt("-", 0)
    store.begin_attempt("-", 0)
    with pytest.raises(LateWriteError, match="attempt 2 was begun"):
        store.write_attempt(1, trial(), result(), {})
    store.write_attempt(2, trial(), result(), {})
    with pytest.raises(LateWriteError, match="it is finished"):
        store.write_attempt(2, trial(), result(), {})


def test_predictions_are_kept_and_checked(tmp_path):
    store = SweepStore(tmp_path, "s")
    arrays = {
        "val": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "rows": np.array(7),
        "none": np.empty((0, 3), "i8"),
    }
    folder = store.write_attempt(store.begin_attempt("-", 0), trial(), result(predictions=arrays), {})
    attempt = store.latest("-", 0)
    kept = store.predictions(attempt)
    assert kept.keys() == arrays.keys()
    assert all(kept[name].shape == arrays[name].shape for name in arrays)
    assert all(np.array_equal(kept[name], arrays[name]) for name in arrays)
    path = folder / "predictions.safetensors"
    for broken in (path.read_bytes()[:-1] + b"\x01", path.read_bytes()[:20], None):
        path.unlink() if broken is None else path.write_bytes(broken)
        with pytest.raises(BrokenFileError, match="predictions"):
            store.predictions(attempt)


def test_a_full_disk_is_named_and_leaves_nothing_half_written(tmp_path):
    store = SweepStore(tmp_path, "s")
    attempt = store.begin_attempt("-", 0)
    folder = tmp_path / "sweeps/s/trials/-/0/attempt-1"
    (folder / "record.json.tmp").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="disk_full") as caught:
        store.write_attempt(attempt, trial(), result(), {})
    assert caught.value.cause == "disk_full"
    assert sorted(path.name for path in folder.iterdir()) == ["run.json"]
    store.write_attempt(attempt, trial(), result(), {})
    assert list(store.records()) == [("-", 0)]


def test_a_write_that_fails_keeps_what_was_there(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    (tmp_path / "file.tmp").mkdir()
    with pytest.raises(StorageError) as caught:
        write_atomic(path, b"new")
    assert caught.value.cause == errno.errorcode[errno.EISDIR]
    assert path.read_bytes() == b"old"


def test_a_directory_that_cannot_be_written_is_refused_with_the_reason(tmp_path):
    if os.getuid() == 0:  # no permission bits hold root back
        place = Path("/sys/hpsearch")
    else:
        place = tmp_path / "mlruns"
        place.mkdir(mode=0o500)
    with pytest.raises(StorageError, match=r"tracking\.directory") as caught:
        check_directory(place)
    assert caught.value.cause in ("read_only", "no_permission")


def test_a_file_in_the_place_of_the_directory_is_refused_and_a_link_to_one_is_not(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "mlruns"):
        with pytest.raises(StorageError, match="ENOTDIR"):
            check_directory(place)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mlruns").symlink_to("elsewhere")
    check_directory(tmp_path / "mlruns")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_directory_that_could_be_made_is_not_made_by_looking(tmp_path):
    check_directory(tmp_path / "deep" / "mlruns")
    assert list(tmp_path.iterdir()) == []


def test_a_second_driver_is_told_who_holds_the_sweep_until_that_one_is_killed(tmp_path):
    holder = start("hold_lock", tmp_path, "mnist")
    assert holder.stdout.readline() == "held\n"
    store = SweepStore(tmp_path, "mnist")
    with (
        pytest.raises(
            SweepLockedError, match=rf"'mnist' is being run by .+@.+, process {holder.pid}, since 2"
        ) as caught,
        store.lock(),
    ):
        pass
    assert "hold_lock" in caught.value.holder["command"]
    with SweepStore(tmp_path, "other").lock():
        pass
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with store.lock(), pytest.raises(SweepLockedError, match=str(os.getpid())), SweepStore(tmp_path, "mnist").lock():
        pass
    assert not (store.folder / "holder.json").exists()


@pytest.mark.slow
def test_whenever_a_writer_is_killed_its_whole_records_imply_the_rest(tmp_path):
    for round_ in range(8):
        store = SweepStore(tmp_path, f"s{round_}")
        writer = start("write_attempts", tmp_path, f"s{round_}")
        told = [writer.stdout.readline() for _ in range(3 + round_)]
        writer.send_signal(signal.SIGKILL)
        told += writer.communicate()[0].splitlines()
        records = store.records()
        assert len(told) <= len(records) <= len(told) + 1
        for level, k in records:
            attempt = store.latest(level, k)
            assert attempt.problem is None
            assert store.predictions(attempt)["val"][0, 0] == k
            assert store.run_file(level, k, attempt.number) == {"k": k, "measured": {}}
        assert all(attempt.problem is None for k in range(len(records) + 1) for attempt in store.attempts("-", k))
