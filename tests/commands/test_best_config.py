"""The best configuration as a file that runs again."""

import json
from dataclasses import replace

import pytest

from hpsearch.commands.best_config import write_best
from hpsearch.compose.composer import Composer
from hpsearch.records import Status, TrialResult
from hpsearch.search.space import apply_values
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import recipe_name


def record(k, score, config, status=Status.OK):
    result = TrialResult(status, None, score, None, {}, {}, [], [])
    return Record("-", k, {}, json.loads(json.dumps(config.fingerprinted())), result, "0" * 64)


def without_search(fingerprinted):
    """What a best.yaml brings back: everything but how the search was done."""
    options = {group: option for group, option in fingerprinted["options"].items() if group != "search"}
    return {**{key: value for key, value in fingerprinted.items() if key != "search"}, "options": options}


@pytest.mark.parametrize(
    ("overrides", "drawn"),
    [
        (("seed=7", "data.limit=500", "search=qmc", "training.patience=3"), {"training.default.batch_size": 32}),
        (("data=xor", "loss=custom", "loss.import_path=own:loss"), {}),
        (("data=xor", "loss=mse", "evaluation=kfold"), {}),
        (("data=diabetes", "model=cnn"), {"optimizer.adam.lr": 0.0123456789012345, "model.cnn.filters": [8, 16]}),
        (("data=breast_cancer", "evaluation=stratified_kfold", "evaluation.folds=3"), {}),
        (("data=csv", "data.path='a b\\'s.csv'", "data.target=price", "data.delimiter=';'", "loss=mae"), {}),
        (("data=csv", r"data.path='äö,\${x}'", "data.target=y"), {}),
        (("data=npz", "data.path=a.npz", "data.task=autoencoder", "data.target=null", "loss=mse"), {}),
        (("model=custom", "model.import_path=own:Net", "model.kwargs={heads: 2, mode: fast}"), {}),
        (("model.widths=[3,4]", "regularization=both", "norm=before", "schedule=plateau"), {}),
        (("optimizer=momentum", "init=xavier_uniform"), {"optimizer.momentum.lr": 1e-07}),
        (("+sweep=mnist", "optimizer=sgd", "regularization=dropout"), {"regularization.dropout.dropout": 0.31}),
    ],
)
def test_the_written_file_composes_to_the_champions_configuration(tmp_path, overrides, drawn):
    config = apply_values(Composer(overrides).compose().config, drawn)
    write_best(tmp_path, "any sweep", [record(0, 0.5, config)])
    again = Composer([], tmp_path, "best").compose().config
    assert without_search(again.fingerprinted()) == without_search(config.fingerprinted())


def test_the_written_file_says_a_later_key_that_the_option_of_the_users_own_has_otherwise(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "rough.yaml").write_text(
        "kind: default\nepochs: 3\nbatch_size: 100\npatience: null\nclip_norm: null\nprecision: bf16\n"
    )
    config = Composer(["training=rough", "training.precision=float32"], tmp_path).compose().config
    write_best(tmp_path, "any sweep", [record(0, 0.5, config)], tmp_path)
    assert Composer([], tmp_path, "best").compose().config.training == config.training


def test_the_written_file_is_one_trial_that_varies_nothing(tmp_path, default_composer):
    config = Composer(["+sweep=mnist"]).compose().config
    written = write_best(tmp_path, "mnist", [record(0, 0.5, config)])
    search = Composer([], tmp_path, "best").compose().config.search
    assert search == default_composer.compose().config.search
    assert written == {"best.yaml": tmp_path / "best.yaml"}


def test_the_champion_is_the_one_that_is_written(tmp_path):
    composer = Composer([])
    records = [
        record(k, score, apply_values(composer.compose().config, {"optimizer.adam.lr": lr}))
        for k, score, lr in [(0, 0.5, 0.1), (1, 0.75, 0.2), (2, None, 0.3)]
    ]
    write_best(tmp_path, "any", records)
    assert Composer([], tmp_path, "best").compose().config.optimizer.lr == 0.2


def test_the_written_file_can_be_overridden(tmp_path, default_composer):
    write_best(tmp_path, "any", [record(0, 0.5, default_composer.compose().config)])
    assert Composer(["training.epochs=3"], tmp_path, "best").compose().config.training.epochs == 3


def test_nothing_is_written_where_no_trial_has_a_score(tmp_path, default_composer):
    config = default_composer.compose().config
    assert write_best(tmp_path, "any", [record(0, None, config, Status.DIVERGED)]) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["two\nlines: 3", "# hash", "ä 'quoted' \u2028 😀", "x" * 10_000])
def test_a_hostile_name_stays_in_the_comment(tmp_path, default_composer, name):
    config = default_composer.compose().config
    write_best(tmp_path, name, [record(0, 0.5, config)])
    again = Composer([], tmp_path, "best").compose().config
    assert without_search(again.fingerprinted()) == without_search(config.fingerprinted())


def test_a_champion_with_an_option_of_the_users_own_runs_again(tmp_path):
    own, place = tmp_path / "own", tmp_path / "place"
    (own / "optimizer").mkdir(parents=True)
    (own / "optimizer" / "mine.yaml").write_text("kind: sgd\nlr: 0.5\nspace: {}\n")
    place.mkdir()
    config = Composer(["optimizer=mine"], own).compose().config
    write_best(place, "any", [record(0, 0.5, config)], own)
    assert Composer([], place, "best").compose().config.optimizer.lr == 0.5


def test_each_level_of_a_comparison_has_a_file_of_its_recipe_which_is_no_default(tmp_path):
    config = Composer([]).compose().config
    scores = {("adam", 0): 0.9, ("adam", 1): 0.6, ("adam", 2): 0.7, ("He + ReLU", 0): 0.5, ("He + ReLU", 1): 0.8}
    records = [
        replace(record(k, score, apply_values(config, {"optimizer.adam.lr": score})), level=level)
        for (level, k), score in scores.items()
    ]
    written = write_best(tmp_path, "any", records, compares=True)
    assert list(written) == ["best.yaml", "best-adam.yaml", f"{recipe_name('He + ReLU')}.yaml"]
    rates = [Composer([], tmp_path, name.removesuffix(".yaml")).compose().config.optimizer.lr for name in written]
    assert rates == [0.9, 0.7, 0.8]
