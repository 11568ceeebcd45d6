"""The sealed test set: hidden, bound to its content, and never opened by a search."""

import copy
import dataclasses
import gc
import hashlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from hpsearch.config.data import CsvData, Data, MnistData, Packaged, TaskChoice
from hpsearch.data.dataset import Rows, to_development
from hpsearch.data.datasets import Source, find_source
from hpsearch.data.seal import TEST_STATE, Claim, SealedTest, SealError, data_digest, load_development, seal
from hpsearch.errors import DataError
from hpsearch.records import Task
from tests.complete_config import preprocess

FULL = MnistData(kind="mnist", task=TaskChoice.AUTO, limit=None, packaged=Packaged.AUTO)
DIGITS = Data(kind="digits", task=TaskChoice.AUTO, limit=None)


def claim_for(digest: str) -> Claim:
    return Claim(digest, 1, "run 7", "2025-01-01T00:00:00Z", "final")


def rows_of(inputs, targets, name="table") -> Rows:
    classes = int(targets.max()) + 1
    names = tuple(f"class {c}" for c in range(classes))
    return Rows(name, Task.MULTICLASS, np.asarray(inputs, np.float32), targets, classes, names)


def table(n=50, seed=0) -> Rows:
    return rows_of(np.random.default_rng(seed).normal(size=(n, 3)), np.arange(n) % 3)


def source_of(rows: Rows, share=0.2) -> Source:
    return Source(DIGITS, lambda: rows, share)


@pytest.fixture
def files(tiny, tmp_path) -> Source:
    tiny.write(tmp_path)
    return find_source(FULL, sets={"mnist": tiny.idx_set()}, root=tmp_path)


def test_an_official_test_set_is_sealed_by_the_content_of_its_files(tiny, files):
    images, labels = (tiny.contents[f"t10k-{part}-ubyte"] for part in ("images-idx3", "labels-idx1"))
    sealed = seal(FULL, source=files)
    assert sealed.size == 10
    assert sealed.digest == hashlib.sha256(images + labels).hexdigest()


def test_exact_duplicates_of_development_rows_are_counted(files):
    assert seal(FULL, source=files).duplicates == 2


def test_a_claim_opens_the_official_test_rows(tiny, files):
    sealed = seal(FULL, source=files)
    rows = sealed.open(claim_for(sealed.digest))
    np.testing.assert_array_equal(rows.inputs[:, 0], tiny.test_images)
    np.testing.assert_array_equal(rows.targets, tiny.test_labels)


def test_official_files_that_changed_after_sealing_are_refused(tmp_path, files):
    sealed = seal(FULL, source=files)
    (tmp_path / "Tiny" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(b"other labels")
    with pytest.raises(DataError, match="is damaged"):
        sealed.open(claim_for(sealed.digest))


def test_the_sealed_share_is_the_stratified_split_of_scikit_learn():
    rows = table()
    development_rows, test_rows = train_test_split(
        np.arange(50), test_size=10, stratify=rows.targets, random_state=TEST_STATE
    )
    development = load_development(DIGITS, source=source_of(rows))
    sealed = seal(DIGITS, source=source_of(rows))
    np.testing.assert_array_equal(development.inputs, rows.inputs[np.sort(development_rows)])
    np.testing.assert_array_equal(sealed.open(claim_for(sealed.digest)).inputs, rows.inputs[np.sort(test_rows)])


def test_the_packaged_mnist_seals_a_hundred_of_each_digit():
    data = MnistData(kind="mnist", task=TaskChoice.AUTO, limit=None, packaged=Packaged.ALWAYS)
    development = load_development(data)
    sealed = seal(data, development=development)
    assert (development.name, development.n, sealed.size) == ("mnist-packaged", 4000, 1000)
    np.testing.assert_array_equal(np.bincount(development.targets), [400] * 10)


def test_the_digest_belongs_to_the_content_not_to_its_name():
    renamed = rows_of(table().inputs, table().targets, name="another name")
    assert seal(DIGITS, source=source_of(renamed)).digest == seal(DIGITS, source=source_of(table())).digest


def test_other_rows_have_another_digest():
    assert seal(DIGITS, source=source_of(table(seed=1))).digest != seal(DIGITS, source=source_of(table())).digest


def test_the_data_digest_covers_both_parts():
    a, b = (load_development(DIGITS, source=source_of(table(seed=seed))) for seed in (0, 1))
    one, two = (SealedTest(size=1, digest=d, duplicates=0, read=table) for d in "12")
    assert len({data_digest(d, s) for d in (a, b) for s in (one, two, None)}) == 6


def test_the_development_digest_is_the_same_for_the_same_rows_and_no_other():
    rows = table()
    changed = rows_of(rows.inputs + np.eye(50, 3), rows.targets)
    relabelled = rows_of(rows.inputs, rows.targets[::-1].copy())
    digests = [to_development(each).digest for each in (rows, table(), changed, relabelled)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_duplicates_in_a_cut_off_set_are_counted_without_their_labels():
    inputs = np.repeat(np.arange(25.0), 2)[:, None]  # every row twice
    sealed = seal(DIGITS, source=source_of(rows_of(inputs, np.arange(50) % 2)))
    values = sealed.open(claim_for(sealed.digest)).inputs[:, 0]
    alone = [value for value in values if (values == value).sum() == 1]
    assert sealed.duplicates == len(alone) > 0


def test_a_claim_for_another_test_set_opens_nothing():
    def read():
        raise AssertionError("a row was read")

    sealed = SealedTest(size=1, digest="a" * 64, duplicates=0, read=read)
    with pytest.raises(SealError, match="granted for test set bbbbbbbbbbbb, this is aaaaaaaaaaaa"):
        sealed.open(claim_for("b" * 64))


def test_a_file_that_changed_after_sealing_is_refused():
    current = [table(seed=0)]
    sealed = seal(DIGITS, source=Source(DIGITS, lambda: current[0], 0.2))
    current[0] = table(seed=1)
    with pytest.raises(DataError, match="has changed since its test set was sealed"):
        sealed.open(claim_for(sealed.digest))


def test_a_sealed_test_set_hides_its_rows():
    sealed = seal(DIGITS)
    assert repr(sealed) == f"SealedTest(size=359, digest={sealed.digest[:12]}, duplicates=0)"
    for look in (len, iter, list, lambda s: s[0], lambda s: s.inputs, vars, pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises((TypeError, AttributeError)):
            look(sealed)


def test_a_sealed_test_set_keeps_no_rows_in_memory(files):
    held = gc.get_referents(seal(FULL, source=files))
    closures = [cell.cell_contents for thing in held for cell in getattr(thing, "__closure__", None) or ()]
    assert not any(isinstance(thing, np.ndarray | bytes | Rows) for thing in [*held, *closures])


def test_a_fake_test_set_with_a_declared_digest_may_hold_anything():
    nothing = rows_of(np.full((5, 3), np.nan), np.arange(5) % 2)
    sealed = SealedTest(size=5, digest="declared", duplicates=0, read=lambda: nothing)
    assert np.isnan(sealed.open(claim_for("declared")).inputs).all()


def test_xor_has_no_test_set():
    assert seal(Data(kind="xor", task=TaskChoice.AUTO, limit=None)) is None


@pytest.mark.parametrize(
    ("rows", "share", "message"),
    [
        (rows_of(np.eye(20), np.arange(20) // 19), 0.2, "class 'class 1' has a single row"),
        (rows_of(np.eye(12), np.arange(12) % 6), 0.2, "2 rows cannot hold each of 6 classes"),
        (rows_of(np.eye(4), np.arange(4) % 2), 0.2, "table has 4 rows, at least 5 are needed"),
        (rows_of(np.eye(6), np.arange(6) % 2), 0.99, "data.test=0.99 of 6 rows leaves none to develop with"),
    ],
)
def test_rows_that_cannot_be_split_are_refused_with_the_reason(rows, share, message):
    with pytest.raises(DataError, match=message):
        load_development(DIGITS, source=source_of(rows, share))


def test_own_data_seals_the_share_that_was_asked_for(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    data = CsvData(
        kind="csv",
        limit=None,
        path=str(path),
        target="y",
        task=TaskChoice.AUTO,
        test=0.5,
        delimiter=",",
        drop=[],
        **CsvData.fingerprint_defaults,
    )
    assert (load_development(data).n, seal(data).size) == (20, 20)


AUDIT = """
import os, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import pickle
from hpsearch.config.search import Holdout, StratifiedKFold
from hpsearch.config.data import TaskChoice
from hpsearch.data.scaling import fit_scaling
from hpsearch.data.seal import load_development, seal
from hpsearch.data.datasets import find_source
from hpsearch.data.splits import folds
data, idx_set, root, preprocess = pickle.loads(sys.stdin.buffer.read())
source = find_source(data, sets={"mnist": idx_set}, root=root)
development = load_development(data, source=source)
kfold = StratifiedKFold(kind="stratified_kfold", replicates=1, baseline=None, folds=4, allow_rare=False)
holdout = Holdout(kind="holdout", replicates=1, baseline=None, val=10, report=10)
for fold in folds(development, kfold, seed=0) + folds(development, holdout, seed=0):
    fit_scaling(development.inputs, fold.train, preprocess)
print(sum("train-images" in name for name in opened), sum("t10k" in name for name in opened))
seal(data, source=source, development=development)
print(sum("t10k" in name for name in opened))
"""


@pytest.mark.parametrize("packed", [True, False])
def test_development_rows_folds_and_scaling_open_no_test_file(tiny, tmp_path, packed):
    tiny.write(tmp_path, packed=packed)
    sent = pickle.dumps((FULL, tiny.idx_set(), tmp_path, preprocess()))
    done = subprocess.run([sys.executable, "-c", AUDIT], input=sent, capture_output=True, check=True)
    (train_opened, test_opened), (by_seal,) = (map(int, line.split()) for line in done.stdout.decode().splitlines())
    assert train_opened > 0  # so that the hook is known to see these files
    assert test_opened == 0
    assert by_seal > 0


AUTOENCODER = dataclasses.replace(DIGITS, task=TaskChoice.AUTOENCODER)


def test_an_autoencoder_learns_its_inputs_on_the_rows_that_classification_develops_with():
    classes, rows = (load_development(data, source=source_of(table())) for data in (DIGITS, AUTOENCODER))
    np.testing.assert_array_equal(rows.inputs, classes.inputs)
    np.testing.assert_array_equal(rows.targets, classes.inputs)
    assert (rows.autoencoder, rows.task, rows.classes) == (True, Task.REGRESSION, 0)


def test_an_autoencoder_shares_the_sealed_rows_and_their_digest_with_classification():
    classes, sealed = (seal(data, source=source_of(table())) for data in (DIGITS, AUTOENCODER))
    assert sealed.digest == classes.digest
    opened = sealed.open(claim_for(sealed.digest))
    np.testing.assert_array_equal(opened.targets, classes.open(claim_for(sealed.digest)).inputs)


def test_the_official_test_rows_are_opened_as_those_of_an_autoencoder(files):
    sealed = seal(dataclasses.replace(FULL, task=TaskChoice.AUTOENCODER), source=files)
    opened = sealed.open(claim_for(sealed.digest))
    assert sealed.digest == seal(FULL, source=files).digest
    np.testing.assert_array_equal(opened.targets, opened.inputs.reshape(10, -1))


@pytest.mark.parametrize("kind", ["digits", "breast_cancer", "diabetes"])
def test_no_key_changes_which_rows_of_a_shipped_set_are_sealed(kind):
    keys = [(task, limit) for task in (TaskChoice.AUTO, TaskChoice.AUTOENCODER) for limit in (None, 7)]
    configured = [Data(kind=kind, task=task, limit=limit) for task, limit in keys]
    assert len({seal(data).digest for data in configured}) == 1


def test_the_sealed_rows_of_a_shipped_set_are_counted_by_their_own_content():
    inputs, targets = load_breast_cancer(return_X_y=True)
    rows = np.sort(train_test_split(np.arange(569), test_size=114, stratify=targets, random_state=TEST_STATE)[1])
    content = (
        b"<f4(114, 30)" + inputs[rows].astype("<f4").tobytes() + b"<i8(114,)" + targets[rows].astype("<i8").tobytes()
    )
    data = Data(kind="breast_cancer", task=TaskChoice.AUTO, limit=None)
    assert seal(data).digest == hashlib.sha256(content).hexdigest()
    assert seal(data).shared == ""
