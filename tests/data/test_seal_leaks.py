"""No number of a search depends on the rows of the sealed test set."""

import dataclasses
import shutil

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from hpsearch.config.data import CsvData, Data, TaskChoice
from hpsearch.data.dataset import Rows
from hpsearch.data.datasets import Source
from hpsearch.data.seal import TEST_STATE, SealedTest, data_digest, load_development, seal
from hpsearch.records import Task
from tests.driver_processes import InProcess, plan_of, record_bytes, search_in
from tests.program import new_program

SWEEP = ("model.width=8", "training.epochs=3", "search.trials=2", "search.tune=[optimizer]")
DIGITS = Data(kind="digits", task=TaskChoice.AUTO, limit=None)


def table(changed_rows, value):
    """100 rows in 3 classes; inputs of the named rows are set to a value."""
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(100, 5)).astype(np.float32)
    answers = (inputs @ draw.normal(size=(5, 3))).argmax(axis=1)
    inputs[changed_rows] = value
    return Rows("toy", Task.MULTICLASS, inputs, answers, 3, ("a", "b", "c"))


def sealed_rows():
    """Numbers of the rows that become the test set, from scikit-learn."""
    rows = table([], 0)
    return train_test_split(np.arange(100), test_size=20, stratify=rows.targets, random_state=TEST_STATE)[1]


def searched(folder, migrated, config, rows):
    """Runs a sweep on these rows, whose test set declares one and the same digest; gives its records."""
    folder.mkdir()
    shutil.copy(migrated / "mlflow.db", folder / "mlflow.db")
    source = Source(DIGITS, lambda: rows, 0.2)
    development = load_development(DIGITS, source=source)
    sealed = SealedTest(size=20, digest="d" * 64, duplicates=0, read=lambda: rows)
    plan = dataclasses.replace(plan_of(config), data_digest=data_digest(development, sealed))
    with search_in(folder, plan, InProcess(folder / "trained", development)) as search:
        search.finish(3)
    return plan.fingerprinted().fingerprint, record_bytes(folder)


def test_a_test_set_of_nan_gives_the_same_records_byte_for_byte(make_config, migrated, tmp_path):
    config = make_config(
        data="digits", preprocess="standard", training={"epochs": 2, "batch_size": 16}, model={"width": 4}
    )
    of = {
        "real": searched(tmp_path / "real", migrated, config, table([], 0)),
        "nan": searched(tmp_path / "nan", migrated, config, table(sealed_rows(), np.nan)),
    }
    assert len(of["real"][1]) == 3
    assert of["nan"] == of["real"]
    development_row = next(row for row in range(100) if row not in sealed_rows())
    other = searched(tmp_path / "other", migrated, config, table([development_row], 9.0))
    assert other[1][0] != of["real"][1][0], "a development row does reach the records"


@pytest.mark.slow
def test_other_test_rows_in_a_users_file_change_no_record_of_the_whole_program(migrated, tmp_path):
    records = {}
    for name, rows in (("real", table([], 0)), ("huge", table(sealed_rows(), 1e30))):
        program = new_program(tmp_path / name, migrated)
        np.savez(program.folder / "own.npz", x=rows.inputs, y=rows.targets)
        program.run("data=npz", "data.path=own.npz", *SWEEP, "name=s")
        records[name] = program.records("s")
    assert len(records["real"]) == 2
    assert records["huge"] == records["real"]


def test_a_share_of_test_rows_that_is_changed_makes_another_data_set(tmp_path):
    rows = table([], 0)
    lines = [",".join([*(f"{x:.6f}" for x in row), f"c{y}"]) for row, y in zip(rows.inputs, rows.targets, strict=True)]
    path = tmp_path / "own.csv"
    path.write_text("\n".join(["a,b,c,d,e,y", *lines]) + "\n")

    def digest(share):
        data = CsvData(
            kind="csv",
            limit=None,
            path=str(path),
            target="y",
            task=TaskChoice.AUTO,
            test=share,
            delimiter=",",
            drop=[],
            **CsvData.fingerprint_defaults,
        )
        return data_digest(load_development(data), seal(data))

    assert digest(0.2) == digest(0.2)
    assert digest(0.2) != digest(0.3)
