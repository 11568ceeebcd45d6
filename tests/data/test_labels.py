"""Several labels of two values, any of which may hold."""

import numpy as np
import pytest

from hpsearch.config import ConfigError
from hpsearch.config.data import ColumnChoice, MissingTarget, TaskChoice
from hpsearch.data.check import tell_data
from hpsearch.data.dataset import to_development
from hpsearch.data.image_folder import open_folder
from hpsearch.data.npz_file import read_npz
from hpsearch.data.table import read_table
from hpsearch.errors import DataError
from hpsearch.records import Task
from tests.data.images import fill, folder_data
from tests.data.test_targets import arrays, options

PEOPLE = "age,churn,fraud,size\n30,yes,0,L\n40,no,10,M\n50,Yes,0,S\n60,no,0,M\n"


@pytest.fixture
def read(tmp_path):
    def read(content=PEOPLE, **keys):
        path = tmp_path / "people.csv"
        path.write_text(content)
        return read_table(options(path, **{"target": ["churn", "fraud"], "task": TaskChoice.MULTILABEL} | keys))

    return read


def test_labels_are_0_and_1_in_the_order_of_their_words_or_numbers(read):
    rows = read()
    assert (rows.task, rows.classes, rows.target_names) == (Task.REGRESSION, 0, ("churn", "fraud"))
    assert rows.labels == (("no", "yes"), ("0", "10"))
    np.testing.assert_array_equal(rows.targets, [[1, 0], [0, 1], [1, 0], [0, 0]])
    assert (rows.targets.dtype, [column.name for column in rows.columns]) == (np.float32, ["age", "size"])


@pytest.mark.parametrize(
    ("content", "keys", "message"),
    [
        (PEOPLE, {"target": ["churn", "size"]}, "column 'size' of .* holds 3 different values, L, M, S: a label of"),
        (PEOPLE.replace("10", "0"), {}, "column 'fraud' of .* holds 1 different values, 0: a label of data.task=multi"),
        (PEOPLE.replace(",10", ","), {}, "line 3, column 'fraud' is missing, as a target of 1 row of 4 is"),
    ],
)
def test_what_is_no_label_is_refused_with_its_column(read, content, keys, message):
    with pytest.raises(DataError, match=message):
        read(content, **keys)


def test_rows_without_a_label_are_left_out(read):
    rows = read(PEOPLE.replace("60,no", "60,"), missing_target=MissingTarget.DROP)
    np.testing.assert_array_equal(rows.targets, [[1, 0], [0, 1], [1, 0]])


def test_a_label_that_is_declared_a_number_is_one_all_the_same(read):
    assert read(columns={"fraud": ColumnChoice.NUMBER}).labels == (("no", "yes"), ("0", "10"))


@pytest.mark.parametrize("target", ["churn", ["churn"]])
def test_one_label_is_refused(target):
    with pytest.raises(
        ConfigError, match=r"data.target must name two columns or more with data.task=multilabel: \[a,b"
    ):
        options("own.csv", target=target, task=TaskChoice.MULTILABEL)


def test_shares_are_said_and_rare_labels_pointed_out(read):
    told = tell_data(to_development(read()), options("own.csv"))
    assert "labels: churn is yes in 50.0%, fraud is 10 in 25.0% of the rows" in told["notes"]
    assert not any("hamming_loss" in each for each in told.get("warnings", ()))
    rare = "a,x,y\n" + "".join(f"{at},{at % 2},{int(at == 3)}\n" for at in range(12))
    told = tell_data(to_development(read(rare, target=["x", "y"])), options("own.csv"))
    assert any(
        "search.metric=label_macro_f1 or label_average_precision tells more" in each for each in told["warnings"]
    )


def test_an_array_of_labels_may_have_a_single_1_in_each_row(tmp_path):
    targets = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    rows = read_npz(arrays(tmp_path / "own.npz", targets, task=TaskChoice.MULTILABEL))
    assert (rows.classes, rows.labels, rows.target_names) == (0, (("0", "1"), ("0", "1")), ("y[0]", "y[1]"))
    np.testing.assert_array_equal(rows.targets, targets)
    with pytest.raises(DataError, match=r"must have shape \(rows, labels\) with data.task=multilabel, got \(4,\)"):
        read_npz(arrays(tmp_path / "own.npz", targets[:, 0], task=TaskChoice.MULTILABEL))


def test_columns_beside_images_are_labels(tmp_path):
    folder = tmp_path / "pets"
    fill(folder, {"x": 20})
    lines = [f"x/{at:02},{'cat' if at % 2 else 'dog'},{at % 3 == 0}" for at in range(20)]
    (tmp_path / "own.csv").write_text("\n".join(["file,animal,young", *lines]))
    labels = {"labels": str(tmp_path / "own.csv"), "target": ["animal", "young"], "task": TaskChoice.MULTILABEL}
    rows = open_folder(folder_data(folder, **labels)).rows
    assert rows.labels == (("cat", "dog"), ("False", "True"))
    np.testing.assert_array_equal(rows.targets, [[at % 2 == 0, at % 3 == 0] for at in range(20)])
    with pytest.raises(ConfigError, match=r"data.task must not be multilabel without data.labels: folders are classes"):
        folder_data(folder, task=TaskChoice.MULTILABEL)


LABELS = {"kind": "csv", "task": "multilabel", "target": ["a", "b"]}


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("cross_entropy", "loss must be bce with data.task=multilabel, got 'cross_entropy'"),
        ("mse", "loss must be bce with data.task=multilabel, got 'mse'"),
        (
            {"kind": "bce", "class_weight": "balanced"},
            "loss.class_weight must be null with data.task=multilabel, got 'balanced'",
        ),
    ],
)
def test_labels_are_learned_by_their_cross_entropy(make_config, loss, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        make_config(data=LABELS, loss=loss)
