"""From nested dictionaries to configurations and back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.config import KINDS, Config, ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.config.schema import LATER_GROUPS, with_defaults
from hpsearch.config.search import Search


def refusal(tree):
    with pytest.raises(ConfigError) as refused:
        Config.from_tree(tree)
    return refused.value.problems


def changed(tree, path, value):
    *groups, key = path.split(".")
    node = tree
    for group in groups:
        node = node[group]
    node[key] = value
    return tree


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("optimizer.lr", 1, 1.0),
        ("training.epochs", 3.0, 3),
        ("training.epochs", 1e2, 100),
        ("name", 2024, "2024"),
        ("name", "auto", "auto"),
        ("execution.workers", "auto", None),
        ("confirm.seeds", "until_decided", None),
        ("confirm.max_seeds", "auto", None),
        ("evaluation.val", "auto", None),
        ("evaluation.val", 500, 500),
        ("evaluation.val", 0.2, 0.2),
        ("evaluation.val", 1, 1),
        ("model.widths", [3.0, 4], [3, 4]),
        ("search.choose.norm", ["none", "before"], ["none", "before"]),
        ("preprocess.missing", "mean", "mean"),
        ("tracking.uri", None, None),
    ],
)
def test_a_value_is_converted_to_the_type_of_its_key(make_config, path, value, expected):
    node = Config.from_tree(changed(make_config().to_tree(), path, value))
    for key in path.split("."):
        node = getattr(node, key)
    assert node == expected
    assert isinstance(node, type(expected))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seed", "x", "seed must be a whole number, got 'x'"),
        ("seed", 1.5, "seed must be a whole number, got 1.5"),
        ("seed", True, "seed must be a whole number, got True"),
        ("seed", None, "seed must be a whole number, got null"),
        ("optimizer.lr", "fast", "optimizer.lr must be a number, got 'fast'"),
        ("optimizer.lr", False, "optimizer.lr must be a number, got False"),
        ("trust", "yes", "trust must be true or false, got 'yes'"),
        ("trust", 1, "trust must be true or false, got 1"),
        ("name", 1e5, "name must be text or null, got 100000.0; put it in quotes"),
        ("name", True, "name must be text or null, got True; put it in quotes"),
        ("training.patience", "auto", "training.patience must be a whole number or null, got 'auto'"),
        ("data.limit", "auto", "data.limit must be a whole number or null, got 'auto'"),
        ("execution.workers", "all", "execution.workers must be a whole number or auto, got 'all'"),
        ("name", ["a"], "name must be text or null, got ['a']"),
        ("final.reopen.opening", 2.0, "final.reopen.opening must be a whole number or null, got 2.0"),
        ("data.limit", 2.5, "data.limit must be a whole number or null, got 2.5"),
        (
            "preprocess.missing",
            "zero",
            "preprocess.missing must be one of median, mean, most_frequent, constant, refuse, got 'zero'",
        ),
        ("extend", "gpu", "extend must be one of device or null, got 'gpu'"),
        ("evaluation.val", "half", "evaluation.val must be a whole number or a number or auto, got 'half'"),
        ("model.widths", [3, "x"], "model.widths must be a list, each item a whole number or null, got [3, 'x']"),
        (
            "search.choose.norm",
            "none",
            "search.choose.norm must be a list, each item text or null, got 'none'",
        ),
        ("search.space", [1], "search.space must be keys and values, got [1]"),
        (
            "search.levels",
            {1: {}, "1": {}},
            "search.levels must not name a key twice, as a number and as text, got [1, '1']",
        ),
        ("final.reopen", 3, "final.reopen must hold keys and values, got 3"),
        ("optimizer", 3, "optimizer.kind must name a kind of optimizer, got null: "),
        ("optimizer.kind", "adem", "optimizer.kind must name a kind of optimizer, got 'adem': did you mean adam"),
        ("optimizer.kind", ["adam"], "optimizer.kind must name a kind of optimizer, got ['adam']: "),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_it_must_be(make_config, path, value, message):
    (problem,) = refusal(changed(make_config().to_tree(), path, value))
    assert problem.startswith(message)


def test_a_mistyped_word_is_refused_with_the_nearest_one(make_config):
    (problem,) = refusal(changed(make_config().to_tree(), "search.metric", "kapa"))
    assert problem.endswith(", got 'kapa': did you mean kappa?")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("sead", "sead is not a key: did you mean seed or search?"),
        ("optimizer.lrr", "optimizer.lrr is not a key of optimizer=adam: did you mean lr?"),
        ("training.epoch", "training.epoch is not a key of training=default: did you mean epochs?"),
        ("search.choose.optimiser", "search.choose.optimiser is not a key: did you mean optimizer?"),
        ("final.reopen.raison", "final.reopen.raison is not a key: did you mean reason?"),
        ("activation.zzz", "activation.zzz is not a key of activation=relu: known here: none"),
        (
            "regularization.dropout",
            (
                "regularization.dropout is not a key of regularization=none: it is one of regularization=dropout, "
                "regularization=both"
            ),
        ),
        (
            "evaluation.folds",
            (
                "evaluation.folds is not a key of evaluation=holdout: it is one of evaluation=kfold, "
                "evaluation=stratified_kfold, evaluation=repeated_kfold, evaluation=time_series"
            ),
        ),
        (
            "training.quickly",
            (
                "training.quickly is not a key of training=default: known here: batch_size, clip_norm, epochs, "
                "patience, precision"
            ),
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_ones(make_config, path, message):
    assert refusal(changed(make_config().to_tree(), path, 1)) == (message,)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lr", "optimizer.lr"),
        ("epochs", "training.epochs"),
        ("device", "execution.device"),
        ("trials", "search.trials"),
        ("patience", "schedule.patience or training.patience or search.patience"),
    ],
)
def test_a_key_without_its_group_is_refused_with_the_group_that_has_it(make_config, key, meant):
    assert refusal(make_config().to_tree() | {key: 1}) == (f"{key} is not a key: did you mean {meant}?",)


def test_a_missing_key_is_named_with_the_kind_that_needs_it(make_config):
    tree = make_config().to_tree()
    del tree["optimizer"]["beta1"], tree["seed"], tree["norm"]
    assert set(refusal(tree)) == {
        "optimizer.beta1 must be given: optimizer=adam needs it",
        "seed must be given",
        "norm must be given",
    }


def test_all_mistakes_are_reported_at_once(make_config):
    tree = make_config().to_tree()
    tree["optimizer"]["lr"] = -1.0
    tree["optimizer_"] = 0
    tree["training"] |= {"epochs": "x", "batchsize": 3}
    tree["seed"] = -1
    assert set(refusal(tree)) == {
        "optimizer.lr must be > 0 and finite, got -1.0",
        "optimizer_ is not a key: did you mean optimizer?",
        "training.epochs must be a whole number, got 'x'",
        "training.batchsize is not a key of training=default: did you mean batch_size?",
        "seed must be >= 0, got -1",
    }


@pytest.mark.parametrize(("group", "kind"), [(group, kind) for group, kinds in KINDS.items() for kind in kinds])
def test_a_configuration_of_every_kind_comes_back_from_its_tree(make_config, group, kind):
    config = make_config(**{group: kind})
    assert Config.from_tree(config.to_tree()) == config


def test_a_tree_holds_plain_values_only(make_config):
    def leaves(node):
        if isinstance(node, dict):
            return [leaf for item in node.values() for leaf in leaves(item)]
        return [leaf for item in node for leaf in leaves(item)] if isinstance(node, list) else [node]

    tree = make_config(model="cnn", data="csv").to_tree()
    assert {type(leaf) for leaf in leaves(tree)} <= {str, int, float, bool, type(None)}


def test_the_fingerprint_leaves_out_exactly_the_documented_keys(make_config):
    tree = make_config().to_tree()
    fingerprinted = make_config().fingerprinted()
    assert tree.keys() - fingerprinted.keys() == {
        "execution",
        "tracking",
        "confirm",
        "final",
        "report",
        "engine",
        "name",
        "description",
        "extend",
        "trust",
        *LATER_GROUPS,
    }
    for group in LATER_GROUPS:
        del tree["options"][group], tree["search"]["choose"][group]
    assert tree["search"].keys() - fingerprinted["search"].keys() == {"trials"} | Search.fingerprint_defaults.keys()
    assert {key: tree["search"].pop(key) for key in Search.fingerprint_defaults} == dict(Search.fingerprint_defaults)
    del tree["search"]["trials"]
    assert tree["training"].pop("precision") == "float32"
    assert tree["loss"].pop("class_weight") is None
    assert tree["evaluation"].pop("baseline") is None
    assert fingerprinted == {key: tree[key] for key in fingerprinted}


def test_a_quiet_key_is_covered_where_it_says_something(make_config):
    fingerprinted = make_config(search={"pruner": "halving"}).fingerprinted()["search"]
    assert fingerprinted["pruner"] == "halving"
    assert "rungs" not in fingerprinted


def test_a_key_that_came_later_is_covered_where_it_says_something_new(make_config):
    assert "precision" not in make_config(training={"precision": "float32"}).fingerprinted()["training"]
    assert make_config(training={"precision": "bf16"}).fingerprinted()["training"]["precision"] == "bf16"


def test_a_tree_from_before_a_key_came_means_its_quiet_value(make_config):
    tree = make_config().to_tree()
    assert tree["training"].pop("precision") == "float32"
    assert Config.from_tree(tree) == make_config()


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_what_is_covered_can_be_filled_up_again(make_config, precision):
    config = make_config(training={"precision": precision})
    filled = with_defaults(config.fingerprinted())
    assert filled["training"] == config.to_tree()["training"]
    assert filled["seed"] == config.seed
    assert filled["options"] == config.options


@pytest.mark.parametrize(("group", "kind"), [(group, kind) for group, kinds in KINDS.items() for kind in kinds])
def test_quiet_values_are_taken_by_their_option_and_covered_by_nothing(make_config, group, kind):
    fingerprint_defaults = KINDS[group][kind].fingerprint_defaults
    tree = make_config(**{group: kind}).to_tree()
    tree[group] |= fingerprint_defaults
    assert Config.from_tree(tree).fingerprinted().get(group, {}).keys().isdisjoint(fingerprint_defaults)


def test_the_nearest_words_are_named():
    assert nearest("optimzer", ["optimizer", "model"]) == "did you mean optimizer?"


def test_the_nearest_words_are_found_whatever_their_case():
    assert nearest("MLP", ["mlp", "cnn"]) == "did you mean mlp?"
    assert nearest("price", ["Price", "Rooms"]) == "did you mean Price?"


def test_all_words_are_named_where_none_is_near():
    assert nearest("zzz", ["model", "data"]) == "known here: data, model"


def test_nothing_to_name_is_said_so():
    assert nearest("zzz", []) == "known here: none"


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_value_anywhere_is_taken_or_refused_by_name(make_config, value):
    for path in ("optimizer.lr", "model.widths", "seed", "preprocess.missing", "evaluation.val", "tracking.directory"):
        tree = changed(make_config().to_tree(), path, value)
        try:
            Config.from_tree(tree)
        except ConfigError as error:
            assert all(problem.startswith(path) for problem in error.problems)  # noqa: PT017 (both ways are right)


@pytest.mark.parametrize(
    ("patience", "schedule", "expected"),
    [(None, "constant", False), (3, "constant", True), (None, "plateau", True), (None, "cosine", False)],
)
def test_patience_and_plateaus_need_rows_to_watch(make_config, patience, schedule, expected):
    assert make_config(training={"patience": patience}, schedule=schedule).needs_monitor is expected


def test_a_number_tells_configurations_apart_whatever_its_key_is_called(make_config):
    own = {"kind": "custom", "import_path": "own:Net"}
    for name in ("n_pass", "password", "auth"):
        kept = [make_config(model={**own, "kwargs": {name: number}}).fingerprinted() for number in (3, 7)]
        assert [tree["model"]["kwargs"] for tree in kept] == [{name: 3}, {name: 7}]
