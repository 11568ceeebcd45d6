"""A user's own NPZ file: what it may hold, and a sentence for everything else."""

import numpy as np
import pytest

from hpsearch.config.data import Layout, NpzData, TaskChoice
from hpsearch.data.npz_file import read_npz
from hpsearch.errors import DataError
from hpsearch.records import Task

X = np.arange(12.0).reshape(6, 2)
Y = np.arange(6) % 3


def config(path, target="y", task="auto", **keys) -> NpzData:
    return NpzData(
        kind="npz",
        limit=None,
        path=str(path),
        target=target,
        task=TaskChoice(task),
        test=0.2,
        inputs="x",
        **NpzData.fingerprint_defaults | keys,
    )


@pytest.fixture
def read(tmp_path):
    def read(target="y", task="auto", keys=NpzData.fingerprint_defaults, **arrays):
        path = tmp_path / "own.npz"
        np.savez(path, **arrays)
        return read_npz(config(path, target, task, **keys))

    return read


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((6,), np.float64, ((6, 1), np.float32)),
        ((6, 2), np.int64, ((6, 2), np.float32)),
        ((6, 2), np.uint8, ((6, 2), np.float32)),
        ((6, 5, 4), np.uint8, ((6, 1, 5, 4), np.uint8)),
        ((6, 3, 5, 4), np.uint8, ((6, 3, 5, 4), np.uint8)),
        ((6, 5, 4), np.float16, ((6, 1, 5, 4), np.float32)),
        ((6, 2), np.bool_, ((6, 2), np.float32)),
    ],
)
def test_inputs_are_features_or_images_by_their_shape(read, shape, dtype, expected):
    inputs = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    rows = read(x=inputs, y=Y)
    assert (rows.inputs.shape, rows.inputs.dtype) == expected
    np.testing.assert_array_equal(rows.inputs.ravel(), inputs.ravel())


def test_class_numbers_are_kept_as_names(read):
    rows = read(x=X, y=Y + 5)
    assert (rows.task, rows.class_names, rows.targets.tolist()) == (Task.MULTICLASS, ("5", "6", "7"), Y.tolist())


def test_text_targets_are_classes(read):
    rows = read(x=X, y=np.array(["b", "a"] * 3))
    assert (rows.task, rows.class_names, rows.targets.tolist()) == (Task.BINARY, ("a", "b"), [1, 0] * 3)


def test_boolean_targets_are_classes(read):
    assert read(x=X, y=Y > 0).class_names == ("False", "True")


def test_several_outputs_are_a_regression(read):
    rows = read(x=X, y=np.arange(12).reshape(6, 2))
    assert (rows.task, rows.targets.shape, rows.targets.dtype) == (Task.REGRESSION, (6, 2), np.float32)


def test_an_autoencoder_has_its_flattened_inputs_as_targets(read):
    images = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
    rows = read(x=images, target=None, task="autoencoder")
    assert rows.autoencoder
    assert rows.targets.dtype == np.float32
    np.testing.assert_array_equal(rows.targets, images.reshape(6, 20))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X, "y": Y}, "has no array 'x' (data.inputs): did you mean X?"),
        ({"x": X, "yy": Y}, "has no array 'y' (data.target): did you mean yy?"),
        ({"x": X.astype(object), "y": Y}, "array 'x' (data.inputs) cannot be read without pickle"),
        ({"x": X, "y": Y.astype(object)}, "array 'y' (data.target) cannot be read without pickle"),
        ({"x": X[:5], "y": Y}, "array 'y' (data.target) has 6 rows, the inputs have 5: they must be as many"),
        ({"x": X + 1j, "y": Y}, "must hold real numbers, got complex128"),
        ({"x": X.astype(str), "y": Y}, "must hold real numbers, got <U"),
        ({"x": np.float64(3), "y": Y}, "with no axis of length 0, got ()"),
        ({"x": np.zeros((0, 2)), "y": Y[:0]}, "with no axis of length 0, got (0, 2)"),
        ({"x": np.zeros((6, 1, 1, 1, 1)), "y": Y}, "with no axis of length 0, got (6, 1, 1, 1, 1)"),
        ({"x": np.where(X == 5, np.inf, X), "y": Y}, "is not finite at (2, 1), got inf"),
        ({"x": np.where(X == 5, 1e300, X), "y": Y}, "is not finite at (2, 1), got 1e+300"),
        ({"x": X, "y": np.array([1, 2, np.inf, 1, 2, 1])}, "is not finite at (2,), got inf"),
        ({"x": X, "y": Y * 1j}, "must hold numbers or text, got complex128"),
        ({"x": X, "y": np.zeros((6, 1, 1))}, "must have shape (rows,) or (rows, outputs), got (6, 1, 1)"),
        ({"x": X, "y": np.ones(6, int)}, "holds one class only, 1: at least 2 are needed"),
    ],
)
def test_unusable_arrays_are_refused_with_the_reason(read, arrays, message):
    with pytest.raises(DataError) as caught:
        read(**arrays)
    assert message in str(caught.value)


def test_classes_are_one_for_each_row(read):
    with pytest.raises(DataError, match=r"must hold one class a row, got shape \(6, 2\): use data.task=regression"):
        read(x=X, y=np.eye(6, 2), task="classification")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"own.npz cannot be read as a NPZ file"):
        read_npz(config(path))


def test_a_truncated_archive_is_refused(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, x=X, y=Y)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"own.npz cannot be read as a NPZ file"):
        read_npz(config(path))


def test_a_flipped_byte_in_an_archive_is_refused(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, x=X, y=Y)
    raw = bytearray(path.read_bytes())
    at = raw.index(X.tobytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match="CRC"):
        read_npz(config(path))


def test_a_single_array_is_refused(tmp_path):
    path = tmp_path / "own.npz"
    with path.open("wb") as file:
        np.save(file, X)
    with pytest.raises(DataError, match="holds a single array: data=npz needs named ones"):
        read_npz(config(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"data.path=.*none.npz: there is no such file"):
        read_npz(config(tmp_path / "none.npz"))


ONE_HOT = np.eye(3)[Y]


@pytest.mark.parametrize("dtype", [np.float64, np.uint8, np.bool_])
@pytest.mark.parametrize("task", ["auto", "classification"])
def test_one_hot_targets_are_classes_and_that_is_said(read, dtype, task):
    rows = read(x=X, y=ONE_HOT.astype(dtype), task=task)
    assert (rows.task, rows.class_names, rows.targets.tolist()) == (Task.MULTICLASS, ("0", "1", "2"), Y.tolist())
    assert rows.notes == ("y: one-hot, 3 classes; if not: data.task=regression",)


def test_one_hot_targets_are_numbers_when_asked(read):
    rows = read(x=X, y=ONE_HOT, task="regression")
    assert (rows.task, rows.targets.tolist(), rows.notes) == (Task.REGRESSION, ONE_HOT.tolist(), ())


@pytest.mark.parametrize("y", [ONE_HOT / 2, ONE_HOT + np.array([0, 0, 1])], ids=["halves", "two ones"])
def test_other_rows_are_not_taken_for_one_hot_ones(read, y):
    with pytest.raises(DataError, match="must hold one class a row"):
        read(x=X, y=y, task="classification")


@pytest.mark.parametrize(
    ("shape", "layout", "channels", "told"),
    [
        ((6, 5, 4, 3), None, 3, "images of 5 x 4, channels (3) last; if not: data.layout=chw"),
        ((6, 3, 5, 4), None, 3, "images of 5 x 4, channels (3) first; if not: data.layout=hwc"),
        ((6, 8, 5, 7), None, 8, "images of 5 x 7, channels (8) first; if not: data.layout=hwc"),
        ((6, 5, 7, 8), "hwc", 8, "images of 5 x 7, channels (8) last"),
        ((6, 5, 4, 3), "chw", 5, "images of 4 x 3, channels (5) first"),
    ],
)
def test_channels_are_found_by_the_shape_or_the_key_and_said(read, shape, layout, channels, told):
    images = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    rows = read(x=images, y=Y, keys={"layout": None if layout is None else Layout(layout)})
    last = shape[3] == channels
    assert rows.inputs.shape[1] == channels
    np.testing.assert_array_equal(rows.inputs, images.transpose(0, 3, 1, 2) if last else images)
    assert rows.notes == (f"inputs: {told}",)


@pytest.mark.parametrize("dtype", [np.float64, np.int64])
def test_large_offsets_stay_in_float64(read, dtype):
    times = (1_700_000_000 + np.arange(6)).astype(dtype)
    rows = read(x=times, y=times, task="regression")
    assert (rows.inputs[:, 0].tolist(), rows.inputs.dtype) == (times.tolist(), np.float64)
    assert (rows.targets[:, 0].tolist(), rows.targets.dtype) == (times.tolist(), np.float64)


def test_images_with_a_large_offset_have_one_range(read):
    images = np.random.default_rng(0).normal(1e8, 1, (6, 5, 4))
    np.testing.assert_array_equal(read(x=images, y=Y).inputs[:, 0], images)


def test_numbers_that_float64_cannot_tell_apart_are_refused(read):
    with pytest.raises(DataError, match=r"array 'x' \(data.inputs\) \(column 1\) lies near 4e\+18 and spreads over"):
        read(x=np.column_stack([np.arange(6), 4 * 10**18 + 512 * np.arange(6)]), y=Y)


@pytest.mark.parametrize(
    ("y", "which"), [(np.full(6, 2.5), ""), (np.column_stack([X[:, 0], np.full(6, 2.5)]), r" \(output 1\)")]
)
def test_a_constant_number_is_no_target(read, y, which):
    with pytest.raises(DataError, match=rf"array 'y' \(data.target\){which} is 2.5 in every row"):
        read(x=X, y=y)


def test_missing_numbers_of_features_stay_missing(read):
    rows = read(x=np.where(X == 5, np.nan, X), y=Y)
    assert np.isnan(rows.inputs).sum() == (X == 5).sum()
