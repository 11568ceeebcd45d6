"""Python values and the overrides that say the same."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import own_metrics
import pandas as pd
import pytest
import scipy.sparse
import torch
from sklearn.datasets import load_iris

from hpsearch.api import functions
from hpsearch.commands.observer import Observer
from hpsearch.compose.comparison import plan_levels
from hpsearch.compose.composer import Composer
from hpsearch.config import ConfigError


@pytest.fixture
def given(tmp_path, monkeypatch):
    """The overrides that `hpsearch.sweep` composes from its arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    commands = []

    def run_action(command, _observer):
        commands.append(command)
        return SimpleNamespace(identity=None, config=None)

    def given(*overrides, **arguments):
        functions.sweep(None, *overrides, progress=False, **arguments)
        return commands[-1].overrides

    monkeypatch.setattr(functions, "run_action", run_action)
    return given


def test_words_of_the_command_line_are_passed_on_and_come_last(given):
    assert given("seed=3", "name=a", trials=2, name="a") == ("name=a", "search.trials=2", "seed=3", "name=a")


@pytest.mark.parametrize(
    ("override", "arguments", "message"),
    [
        (
            "data=digits",
            {"data": "xor"},
            r"data is given twice, as an argument \(data=xor\) and as the override 'data=d",
        ),
        ("++search.trials=3", {"trials": 2}, "search.trials is given twice"),
        ("model=mlp", {"model": "pkg.mod:Net"}, "model is given twice"),
    ],
)
def test_an_argument_and_an_override_that_contradict_each_other_are_refused(given, override, arguments, message):
    with pytest.raises(ConfigError, match=message):
        given(override, **arguments)


@pytest.mark.parametrize(
    ("arguments", "overrides"),
    [
        ({"name": "my sweep"}, ('name="my sweep"',)),
        ({"data": "digits"}, ("data=digits",)),
        ({"data": "a.csv", "target": "y"}, ("data=csv", "data.path=a.csv", "data.target=y")),
        ({"data": "a.npz"}, ("data=npz", "data.path=a.npz")),
        ({"model": "cnn"}, ("model=cnn",)),
        ({"loss": "mse"}, ("loss=mse",)),
        ({"model": "pkg.mod:Net"}, ("model=custom", "model.import_path=pkg.mod:Net")),
        ({"evaluation": "stratified_kfold"}, ("evaluation=stratified_kfold",)),
        ({"tracking_uri": "sqlite:///a.db"}, ('tracking.uri="sqlite:///a.db"',)),
        ({"choose": {"optimizer": ["adam", "sgd"]}}, ("search.choose.optimizer=[adam,sgd]",)),
        ({"metric": own_metrics.cost}, ('search.metric="own_metrics:cost"',)),
        ({"workers": 2, "metric": "accuracy", "seed": 3}, ("search.metric=accuracy", "seed=3", "execution.workers=2")),
    ],
)
def test_each_argument_is_an_override(given, arguments, overrides):
    assert given(**arguments) == overrides


def test_a_folder_is_one_of_images_and_an_option_goes_first(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pets", "digits"):
        (tmp_path / name).mkdir()
    assert given(data="pets") == ("data=folder", "data.path=pets")
    assert given(data=Path("pets")) == ("data=folder", "data.path=pets")
    assert given(data="digits") == ("data=digits",)


def test_a_space_becomes_bounds_of_tuned_groups(given):
    composer = Composer(given(space={"optimizer.lr": (1e-4, 1e-1, "log"), "model.width": [32, 64]}, trials=3))
    assert composer.compose().config.search.tune == ["optimizer", "model"]
    edits = {(edit.group, edit.name): edit.value for edit in composer.overrides.edits}
    assert edits[("optimizer", "lr")] == {"low": 1e-4, "high": 0.1, "log": True}
    assert edits[("model", "width")] == {"choices": [32, 64]}


def test_a_range_with_a_step(given):
    assert given(space={"regularization.dropout": (0.0, 0.5, 0.1)})[-1] == (
        "regularization.space.dropout={low:0.0,high:0.5,step:0.1}"
    )


def test_an_array_in_a_space_is_a_list_of_choices(given):
    assert given(space={"model.width": np.array([16, 32])})[-1] == "model.space.width={choices:[16,32]}"


def test_the_shipped_space_of_a_named_group_is_searched_except_what_is_given_a_value(given):
    space = {"model.width": [16, 32]}

    def drawn(*overrides):
        composer = Composer(given("data=digits", *overrides, space=space, trials=3))
        (level,) = plan_levels(composer, composer.compose())
        return sorted(name for by_name in level.space.dimensions.values() for name in by_name)

    assert drawn() == ["depth", "width"]
    assert drawn("model.depth=2") == ["width"]


def test_given_groups_of_search_tune_stay(given):
    found = given("search.tune=[training]", space={"optimizer.lr": (0.1, 1.0)})
    assert [each for each in found if each.startswith("search.tune")] == ["search.tune=[training]"]


def test_arrays_are_kept_once_by_their_content(given, tmp_path):
    inputs, targets = np.arange(12, dtype=np.float32).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])
    first = given(data=(inputs, targets))
    assert given(data=(inputs.tolist(), targets))[0] == "data=npz"
    assert given(data=(torch.tensor(inputs), torch.tensor(targets))) == first
    path = tmp_path / first[1].partition("=")[2]
    with np.load(path) as kept:
        np.testing.assert_array_equal(kept["x"], inputs)
        np.testing.assert_array_equal(kept["y"], targets)


def test_a_torch_data_set_is_its_stacked_pairs(given, tmp_path):
    inputs, targets = torch.randn(5, 3), torch.tensor([0, 1, 1, 0, 1])
    (_, path) = given(data=torch.utils.data.TensorDataset(inputs, targets))
    with np.load(tmp_path / path.partition("=")[2]) as kept:
        np.testing.assert_array_equal(kept["x"], inputs.numpy())
        np.testing.assert_array_equal(kept["y"], targets.numpy())


def test_a_frame_is_kept_as_a_table(given, tmp_path):
    frame = pd.DataFrame({"a": [1.5, 2.25], "city": ["Rome", "Oslo"], "price": [3, 4]})
    option, path, target = given(data=frame, target="price")
    assert (option, target) == ("data=csv", "data.target=price")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / path.partition("=")[2]), frame)


def test_a_frame_with_text_and_its_target_apart_are_one_table(given, tmp_path):
    inputs = pd.DataFrame({"a": [1.5, 2.25], "city": ["Rome", "Oslo"]})
    option, path, target = given(data=(inputs, pd.Series([3, 4], name="price")))
    assert (option, target) == ("data=csv", "data.target=price")
    kept = pd.read_csv(tmp_path / path.partition("=")[2])
    pd.testing.assert_frame_equal(kept, inputs.assign(price=[3, 4]))


def test_several_targets_are_a_list_of_columns_or_a_frame_of_their_own(given, tmp_path):
    inputs = pd.DataFrame({"a": [1.5, 2.25], "city": ["Rome", "Oslo"]})
    targets = pd.DataFrame({"price": [3, 4], "rent": [0.5, 0.25]})
    option, path, target = given(data=(inputs, targets))
    assert (option, target) == ("data=csv", "data.target=[price,rent]")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / path.partition("=")[2]), inputs.join(targets))
    assert given(data=inputs.join(targets), target=["price", "rent"]) == (option, path, target)
    assert given(data=pd.DataFrame([[1.5, 0], [2.5, 1]]), target=[0, 1])[2] == "data.target=[column_0,column_1]"


def test_columns_that_are_numbers_get_names(given, tmp_path):
    option, path, target = given(data=pd.DataFrame([[1.5, 0], [2.5, 1]]), target=1)
    assert (option, target) == ("data=csv", "data.target=column_1")
    assert list(pd.read_csv(tmp_path / path.partition("=")[2])) == ["column_0", "column_1"]


def test_what_scikit_learn_returns_is_its_arrays(given):
    iris = load_iris()
    assert given(data=iris) == given(data=(iris.data, iris.target))


def test_rows_lie_below_the_folder_of_runs(given):
    found = given("tracking.directory=runs", data=(np.zeros((2, 1)), np.zeros(2)))
    assert found[1].startswith("data.path=runs/data/arrays-")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"data": "digit"},
            "data must be an option, a folder of images or a file .*, got 'digit': did you mean digits",
        ),
        ({"data": (np.zeros((2, 1)), np.zeros(3))}, "equally many rows, got 2 and 3"),
        ({"data": {"X": [[1]], "y": [1]}}, "a pair of arrays .* got a dict with 'X', 'y'"),
        ({"data": (scipy.sparse.eye_array(3), np.zeros(3))}, r"must be dense, got a sparse .*: give X\.toarray\(\)"),
        ({"data": (pd.DataFrame({"y": ["a"]}), pd.Series([1], name="y"))}, "X must not hold its target"),
        ({"data": (pd.DataFrame({"a": ["a"]}), np.zeros(2))}, r"y must have shape \(1,\), .* got \(2,\)"),
        ({"data": 3}, "data must be an option, a file, a DataFrame, .* got a int"),
        ({"data": (np.array([{}], dtype=object), np.zeros(1))}, "arrays must hold numbers or texts"),
        ({"data": (np.zeros((2, 1)), np.zeros(2)), "target": "y"}, "target='y' names a column"),
        ({"space": {"lr": (0, 1)}}, "lr must be a key of an option, such as optimizer.lr"),
        ({"space": {"optimizer.lr": 3}}, r"optimizer.lr must be \(low, high\), .* got 3"),
        ({"space": ["optimizer.lr"]}, "space must map keys to values, such as space={.* got "),
        ({"choose": ["optimizer"]}, "choose must map keys to values, such as choose={.* got "),
        ({"choose": {"optimizer": "adam"}}, "choose: optimizer must be a list .* got 'adam': .* 'optimizer=adam'"),
        ({"choose": {"optimizer": []}}, r"optimizer must be a list of at least one option, got \[\]"),
        ({"observer": Observer}, "observer must be an instance of a subclass of hpsearch.Observer, got <class"),
        ({"observer": object()}, "observer must be an instance"),
        ({"callbacks": [3]}, r"callbacks must be functions of a sweep and a trial, got \[3\]"),
        ({"choose": {"optimizer": [object()]}}, "has no spelling on the command line"),
    ],
)
def test_what_has_no_meaning_is_refused_with_the_way_out(given, arguments, message):
    with pytest.raises(ConfigError, match=message):
        given(**arguments)


@pytest.mark.parametrize(
    "call", [lambda: functions.sweep(3), lambda: functions.sweep("a=1", 3), lambda: functions.load(3)]
)
def test_names_and_overrides_are_texts(call):
    with pytest.raises(ConfigError, match="got 3"):
        call()


def test_a_space_of_fewer_configurations_than_trials_is_a_warning_of_python_where_nothing_is_shown(given):
    composer = Composer(given("search.tune=[]", choose={"optimizer": ["adam", "sgd"]}, trials=5))
    base = composer.compose()
    plan = SimpleNamespace(levels=plan_levels(composer, base), base=base)
    with pytest.warns(UserWarning, match="the space has 2 configurations: each is trained once, not search.trials=5"):
        functions._observer(None, progress=False).sweep_started(None, plan, None, 0, 0)
