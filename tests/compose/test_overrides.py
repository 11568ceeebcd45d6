"""What the command line may say, and what it may not."""

import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from hpsearch.compose.composer import Composer, conf_dir
from hpsearch.compose.overrides import SpaceEdit
from hpsearch.config import KINDS, ConfigError, synonyms
from hpsearch.config.schema import home_of

NOT_KNOWN = "is not an option of optimizer"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["optimizer=sgdd"], f"optimizer=sgdd {NOT_KNOWN}: did you mean sgd?"),
        (
            ["optimizer=qqq"],
            f"optimizer=qqq {NOT_KNOWN}: known here: adagrad, adam, adamw, custom, lamb, lion, momentum",
        ),
        (["optimizer="], f"optimizer= {NOT_KNOWN}: known here: "),
        (["optimizer=null"], f"optimizer=none {NOT_KNOWN}: known here: "),
        (["+optimizer=sgdd"], f"optimizer=sgdd {NOT_KNOWN}: did you mean sgd?"),
        (["+sweep=mnst"], "sweep=mnst is not an option of sweep: did you mean mnist?"),
        (["+final=mnst"], "final=mnst is not an option of final: did you mean mnist?"),
        (
            ["optimizer=adam,sgd"],
            "optimizer=adam,sgd: to search over options, write 'search.choose.optimizer=[adam,sgd]'",
        ),
        (
            ["optimizer.lr=0.1,0.2"],
            "optimizer.lr=0.1,0.2: to search over values, change the space of its option (…space.<name>.choices=[…])",
        ),
        (["seed=range(3)"], "seed=range(3): to search over values, change the space of its option "),
        (["~optimizer"], "~optimizer: keys cannot be deleted; give optimizer another value"),
        (["~optimizer.lr"], "~optimizer.lr: keys cannot be deleted; give optimizer.lr another value"),
        (["optimizer@other=sgd"], "optimizer@other=sgd: packages (@) cannot be given on the command line"),
        (["+sweep=mnist", "sweep=mnst"], "sweep=mnst is not an option of sweep: did you mean mnist?"),
        (["seed"], "'seed' is no override: write key=value, or group=option"),
        (["seed=[1"], "'seed=[1' is no override: no viable alternative at input '[1' (a list reads 'seed=[a,b]', a "),
        (
            ["name=a b'"],
            '"name=a b\'" is no override: this value needs quotes inside the shell\'s quotes, "name=\\"a b\'\\""',
        ),
        (
            ["final.reopen.reason=a, b"],
            "final.reopen.reason=a, b: this value needs quotes inside the shell's quotes, 'final.reopen.reason=\"a",
        ),
        (["+sweeep=mnist"], "sweeep is not a key: did you mean +sweep=mnist?"),
        (["data=h.csv"], "data=h.csv is not an option of data: a file is given by its path: data=csv data.path=h.csv"),
        (["model=MLP"], "model=MLP is not an option of model: did you mean mlp?"),
        (
            ["+final=houses"],
            "final=houses is not an option of final: known here: mnist, run, sweep; of a sweep by its name: +final=",
        ),
        (["=3"], "'=3' is no override: "),
        (["k" * 300 + "=1"], "kkkkkkkkkkkkkkkkkkkk… is not a key: it has 300 characters"),
        (
            ["optimizer.space.lr.low.x=1"],
            "optimizer.space.lr.low.x is too deep: write optimizer.space.<name>.low, .high, .log, .step or .choices",
        ),
        (
            ["optimizer.space={lr: {low: 0.1}}"],
            "optimizer.space is a whole space: change a name in it, optimizer.space.<name>.low=… or optimizer.space",
        ),
        (["optimizer.kind=sgd"], "optimizer.kind comes with its option: write optimizer=…"),
        (
            ["options.optimizer=sgd"],
            "options.optimizer cannot be given: write <group>=<option>, or the key of a value",
        ),
        (
            ["hydra.run.dir="],
            "hydra.run.dir cannot be given, since nothing of Hydra itself is set here: did you mean tracking.directory",
        ),
        (["hydra/launcher=x"], "hydra/launcher cannot be given, since nothing of Hydra itself is set here: write "),
        (["loss=ce"], "loss=ce is not an option of loss: did you mean cross_entropy?"),
        (["optimizer=adamw2"], "optimizer=adamw2 is not an option of optimizer: did you mean adamw or adam or radam?"),
        (
            ["model=ResNet18"],
            "model=ResNet18 is not an option of model: did you mean custom? model.import_path=package.module:name",
        ),
        (["dataset=fashion-mnist"], "dataset is not a key: did you mean data=fashion?"),
        (
            ["+experiment=foo"],
            "experiment is not a key or a group of options (--help lists them); settings of your own are options of ",
        ),
    ],
)
def test_an_override_that_cannot_be_meant_is_refused_with_the_way_out(problems, overrides, expected):
    (problem,) = problems(Composer, overrides)
    assert problem.startswith(expected)


def test_a_folder_of_options_that_is_not_there_is_refused(problems):
    (problem,) = problems(Composer, ["seed=1"], Path("nope"))
    assert problem == "config_dir must be a folder of option files, got 'nope': there is none"


def test_all_wrong_overrides_are_reported_at_once(problems):
    assert problems(Composer, ["optimizer=sgdd", "~seed", "model=mpl"]) == (
        "optimizer=sgdd is not an option of optimizer: did you mean sgd?",
        "~seed: keys cannot be deleted; give seed another value",
        "model=mpl is not an option of model: did you mean mlp?",
    )


def test_all_unreadable_overrides_are_reported_at_once(problems):
    assert len(problems(Composer, ["seed", "seed=[1", "optimizer=sgd"])) == 2


@pytest.mark.parametrize("prefix", ["", "+"])
@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("optimizer.lrr=1", "optimizer.lrr is not a key of optimizer=adam: did you mean lr?"),
        ("sead=1", "sead is not a key: did you mean seed or search?"),
        ("search.trails=3", "search.trails is not a key of search=random: did you mean trials?"),
        ("optmizer.lr=1", "optmizer is not a key: did you mean optimizer?"),
        ("final.swep=a", "final.swep is not a key: did you mean sweep?"),
        ("search.choose.optimiser=[sgd]", "search.choose.optimiser is not a key: did you mean optimizer?"),
        ("optmizer=sgd", "optmizer is not a key: did you mean optimizer=sgd?"),
        ("n_trials=5", "n_trials is not a key: did you mean search.trials?"),
        ("num_samples=5", "num_samples is not a key: did you mean search.trials?"),
        ("storage=a.db", "storage is not a key: did you mean tracking.uri?"),
        ("sampler=TPESampler", "sampler is not a key: did you mean search=tpe?"),
        ("method=bayes", "method is not a key: did you mean search=tpe?"),
        ("direction=maximize", "direction is not a key: did you mean search.direction?"),
        (
            "mode=max",
            "mode is not a key: search.metric knows which way is better; of your own metric search.direction says it",
        ),
        ("lr=0.1", "lr is not a key: did you mean optimizer.lr?"),
        ("epoch=5", "epoch is not a key: did you mean training.epochs?"),
        (
            "optimizer.learning_rate=1",
            "optimizer.learning_rate is not a key of optimizer=adam: did you mean lr?",
        ),
        ("seed.x=1", "seed must be a whole number, got {'x': 1}"),
    ],
)
def test_a_mistyped_key_is_refused_with_and_without_a_plus(composed, problems, prefix, override, expected):
    assert problems(composed, prefix + override) == (expected,)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["data=csv", "data.target=y"], {"data.path must be given: data.path=…"}),
        (["model=custom"], {"model.import_path must be given: model.import_path=…"}),
        (["loss=custom"], {"loss.import_path must be given: loss.import_path=…"}),
        (
            ["data=npz", "model=custom"],
            {"data.path must be given: data.path=…", "model.import_path must be given: model.import_path=…"},
        ),
        (
            ["training.epochs=0", "seed=x", "optimizer.lr=-1"],
            {
                "training.epochs must be >= 1, got 0",
                "seed must be a whole number, got 'x'",
                "optimizer.lr must be > 0 and finite, got -1.0",
            },
        ),
        (["optimizer.lr=nan"], {"optimizer.lr must be > 0 and finite, got nan"}),
        (["evaluation.val=1.0"], {"evaluation.val must be a count >= 1 or a share between 0 and 1, got 1.0"}),
    ],
)
def test_every_missing_or_wrong_value_is_named(composed, problems, overrides, expected):
    assert set(problems(composed, *overrides)) == expected


def test_an_interpolation_of_nothing_is_refused_in_one_line(composed, problems):
    (problem,) = problems(composed, "name=${nothing}")
    assert "nothing" in problem
    assert "\n" not in problem


@pytest.mark.parametrize("name", ["run", "sweep", "mnist"])
def test_a_sweep_may_be_called_as_an_option_is(composed, name):
    assert composed("+final=sweep", f"final.sweep={name}").config.final.sweep == name


def test_overrides_are_sorted_by_what_they_fix():
    overrides = Composer(["+sweep=mnist", "optimizer=sgd", "optimizer.lr=0.5", "model.space.width.low=3"]).overrides
    assert overrides.options == {"sweep": "mnist", "optimizer": "sgd"}
    assert overrides.values == {"optimizer.lr": "++optimizer.lr=0.5"}
    assert overrides.edits == [SpaceEdit("model", "width", "low", 3)]
    assert overrides.fixed_values("optimizer") == {"lr": "optimizer.lr"}


@pytest.mark.parametrize("prefix", ["", "+", "++"])
def test_a_value_is_taken_with_and_without_a_plus(composed, prefix):
    assert composed(f"{prefix}optimizer.lr=0.25").config.optimizer.lr == 0.25


def test_of_what_is_given_twice_the_last_one_counts_as_in_hydra(composed):
    twice = ["seed=1", "optimizer=sgd", "optimizer.lr=1", "optimizer=adam", "++optimizer.lr=2", "seed=1"]
    config = composed(*twice).config
    assert (config.seed, config.optimizer.kind, config.optimizer.lr) == (1, "adam", 2.0)
    overrides = Composer([*twice, "optimizer.space.lr.low=1", "optimizer.space.lr.low=0.2"]).overrides
    assert overrides.edits == [SpaceEdit("optimizer", "lr", "low", 0.2)]
    assert overrides.replaced == [
        ("optimizer=sgd", "optimizer=adam"),
        ("optimizer.lr=1", "++optimizer.lr=2"),
        ("optimizer.space.lr.low=1", "optimizer.space.lr.low=0.2"),
    ]


def test_a_group_of_the_users_own_is_answered_with_where_its_files_belong(problems, tmp_path):
    (tmp_path / "experiment").mkdir()
    (problem,) = problems(Composer, ["+experiment=foo"], tmp_path)
    assert problem == (
        "experiment is not a group of options: settings of your own are options of sweep: move "
        f"{tmp_path}/experiment/foo.yaml into {tmp_path}/sweep, and give +sweep=foo"
    )
    (tmp_path / "experiment").rename(tmp_path / "sweep")
    (tmp_path / "sweep" / "foo.yaml").write_text("# @package _global_\nseed: 7\n")
    assert Composer(["+sweep=foo"], tmp_path).compose().config.seed == 7


def test_a_word_of_another_program_stands_for_a_key_or_an_option_that_there_is():
    for key in synonyms.KEYS.values():
        assert home_of(key) == key
        group, dot, name = key.partition(".")
        assert not dot or any(name in {f.name for f in fields(kind)} for kind in KINDS[group].values())
    known = {group: {path.stem for path in (conf_dir() / group).glob("*.yaml")} for group in KINDS}
    assert all(home_of(word) is None for word in synonyms.NEEDLESS)
    assert set(synonyms.GROUPS.values()) <= KINDS.keys()
    for group, options in synonyms.OPTIONS.items():
        assert set(options.values()) <= known[group]
        assert not set(options) & known[group]


def test_an_action_is_taken_with_and_without_a_plus(composed):
    assert composed("sweep=mnist").actions == composed("+sweep=mnist").actions == {"sweep": "mnist"}


def test_a_value_given_after_an_action_wins(composed):
    assert composed("+sweep=mnist", "training.epochs=3").config.training.epochs == 3


def test_an_option_given_beside_an_action_wins(composed):
    assert composed("+sweep=mnist", "data=digits").config.data.kind == "digits"


def test_no_regularization_may_be_written_as_null(composed):
    assert composed("regularization=null").config.regularization.kind == "none"


@pytest.mark.parametrize("name", ["1e5", "true", "007", "1_000", "nan", "auto"])
def test_a_name_is_taken_as_it_was_typed(composed, name):
    assert composed(f"name={name}").config.name == name


def test_a_run_id_that_reads_as_a_number_is_taken_as_it_was_typed(composed):
    assert composed("+final=run", f"final.run={'1' * 20}e{'2' * 11}").config.final.run == "1" * 20 + "e" + "2" * 11


def test_a_name_that_is_null_is_none(composed):
    assert composed("name=null").config.name is None


@pytest.mark.parametrize("name", ["", "' '"])
def test_an_empty_name_is_refused_with_the_way_out(composed, problems, name):
    (problem,) = problems(composed, f"name={name}")
    assert problem.startswith("name must not be empty (leave it out to get the default name), got ")


def test_the_quoted_form_that_a_refusal_advises_composes(composed, problems):
    (problem,) = problems(Composer, ["final.reopen.reason=it's new"])
    (argument,) = shlex.split(problem.rpartition("quotes, ")[2])
    assert composed(argument).config.final.reopen.reason == "it's new"


def test_a_folder_is_pointed_at_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pets").mkdir()
    with pytest.raises(ConfigError, match=r"images are given by their folder: data=folder data\.path=pets$"):
        Composer(["data=pets"]).compose()
