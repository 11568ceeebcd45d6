"""A final evaluates the code that was searched, or refuses."""

import json

import pytest

from hpsearch.commands.final_target import _champion_config, _refuse_contradictions
from hpsearch.compose.composer import Composer
from hpsearch.config import ConfigError
from hpsearch.errors import BrokenFileError
from hpsearch.final.frozen_champion import _require_same_code, frozen_champion
from hpsearch.nn.source_digest import source_digest
from hpsearch.records import Status, TrialResult
from hpsearch.search.sweep_identity import SweepIdentity
from hpsearch.store.record_json import Record
from hpsearch.store.sweep_store import SweepStore
from tests.specifications import fingerprinted, specification


def test_a_module_that_was_edited_after_the_sweep_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "edited_later.py"
    module.write_text("from torch import nn\n\nNet = nn.Flatten\n")
    config = Composer(["data=digits", "model=custom", "model.import_path=edited_later:Net"]).compose().config
    code = {"edited_later:Net": source_digest("model.import_path", "edited_later:Net")}
    named = SweepIdentity(
        SweepStore(tmp_path, "nets"), specification("nets", fingerprinted(code=code)), known=True, note=None
    )
    _require_same_code(named, config)
    module.write_text("from torch import nn\n\nNet = nn.Identity\n")
    with pytest.raises(ConfigError, match="the code of edited_later:Net has changed since sweep 'nets': restore it"):
        _require_same_code(named, config)


def test_a_metric_that_was_edited_after_the_sweep_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "edited_metric.py"
    module.write_text("def cost(y_true, y_pred): ...\n")
    overrides = ["data=digits", "search.metric=edited_metric:cost", "search.direction=minimize"]
    config = Composer(overrides).compose().config
    code = {"edited_metric:cost": source_digest("search.metric", "edited_metric:cost")}
    named = SweepIdentity(
        SweepStore(tmp_path, "costs"), specification("costs", fingerprinted(code=code)), known=True, note=None
    )
    _require_same_code(named, config)
    module.write_text("def cost(y_true, y_pred): return 1.0\n")
    with pytest.raises(ConfigError, match="the code of edited_metric:cost has changed since sweep 'costs': restore it"):
        _require_same_code(named, config)


CSV = ("data=csv", "data.path=t.csv", "data.target=y", "data.drop=[id]", "name=tab", "training.epochs=7")


RATE = {"low": 0.001, "high": 0.1, "log": True, "step": None, "whole": False}
WIDTH = {"low": 8, "high": 58, "log": False, "step": 10, "whole": True}
SPACE = {"optimizer.sgd": {"lr": RATE}, "optimizer.adam": {"lr": RATE}, "model.mlp": {"width": WIDTH}}
SPACE["model.mlp"]["depth"] = {"values": [1, 2]}


@pytest.fixture
def refusals(tmp_path):
    """What a final of a sweep of a table says against these overrides."""
    tree = Composer(CSV).compose().config.fingerprinted()
    result = TrialResult(Status.OK, None, 0.5, None, {}, {}, [], [])
    champion = Record("-", 0, {}, json.loads(json.dumps(tree)), result, "0" * 64)
    named = SweepIdentity(
        SweepStore(tmp_path, "tab"), specification("tab", fingerprinted(space=SPACE)), known=True, note=None
    )

    def refuse(*overrides):
        composer = Composer(["+final=sweep", "final.sweep=tab", *overrides])
        try:
            config = _champion_config(composer, composer.compose_uncovered().config, champion, named)
            _refuse_contradictions(composer, config, named)
        except ConfigError as error:
            return error.problems
        return ()

    return refuse


@pytest.mark.parametrize(
    "overrides",
    [(), CSV, ("data.path=t.csv",), ("data.drop=[id]", "execution.workers=1", "search.trials=1"), ("name=other",)],
)
def test_a_final_takes_what_the_stored_sweep_says_too(refusals, overrides):
    assert refusals(*overrides) == ()


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["data.path=u.csv"], "data.path=u.csv contradicts sweep 'tab', which has t.csv"),
        (["data=digits"], "data=digits contradicts sweep 'tab', which has csv"),
        (["data.drop=[]"], "data.drop=[] contradicts sweep 'tab', which has ['id']"),
        (["training.epochs=8"], "training.epochs=8 contradicts sweep 'tab', which has 7"),
        (["data.pth=t.csv"], "data.pth is not a key of data=csv: did you mean path?"),
        (["search.choose.norm=[none]"], "search.choose.norm=['none'] contradicts sweep 'tab', which has None"),
    ],
)
def test_a_final_compares_what_it_is_given_with_the_stored_sweep(refusals, overrides, expected):
    assert refusals(*overrides) == (expected,)


@pytest.mark.parametrize(
    "override",
    [
        "optimizer.space.lr.low=0.001",
        "optimizer.space.lr={low: 0.001, high: 1e-1, log: true}",
        "model.space.depth.choices=[1,2]",
        "model.space.width.high=64",  # a grid of 8, 18, … ends at 58
    ],
)
def test_a_final_takes_a_space_that_the_stored_sweep_has(refusals, override):
    assert refusals(override) == ()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("optimizer.space.lr.high=1e-9", "optimizer.space.lr.high=1e-09 contradicts sweep 'tab', which has 0.1"),
        ("optimizer.space.lr.hihg=1", "optimizer.space.lr.hihg=1 contradicts sweep 'tab', which has 0.001 to 0.1"),
        ("optimizer.space.lr=3", "optimizer.space.lr=3 contradicts sweep 'tab', which has 0.001 to 0.1"),
        (
            "optimizer.space.lr.choices=[1]",
            "optimizer.space.lr.choices=[1] contradicts sweep 'tab', which has 0.001 to 0.1",
        ),
        ("model.space.depth.high=3", "model.space.depth.high=3 contradicts sweep 'tab', which has choices [1, 2]"),
        ("model.space.width.high=68", "model.space.width.high=68 contradicts sweep 'tab', which has 58"),
        ("model.space.nix.low=1", "model.space.nix contradicts sweep 'tab', which does not draw model.nix"),
        ("data.space.limit.low=1", "data.space.limit contradicts sweep 'tab', which does not draw data.limit"),
        ("search.space.nix.low=1", "search.space.nix.low=1 contradicts sweep 'tab', which has None"),
    ],
)
def test_a_final_refuses_a_space_that_the_stored_sweep_does_not_have(refusals, override, expected):
    assert refusals(override) == (expected,)


@pytest.mark.parametrize("garbage", ["", "[]", '{"level": "-", "k": 0}', '{"level": "-", "k": 7, "trials": 1}'])
def test_a_damaged_note_of_the_frozen_champion_is_named_with_the_remedy(tmp_path, garbage):
    champion = Record("-", 0, {}, {}, TrialResult(Status.OK, None, 0.5, None, {}, {}, [], []), "0" * 64)
    named = SweepIdentity(SweepStore(tmp_path, "tab"), {}, known=True)
    path = named.store.folder / "final" / "champion.json"
    path.parent.mkdir(parents=True)
    path.write_text(garbage)
    with pytest.raises(BrokenFileError, match=r"champion.json' is not whole: .*; move it away, and trial 0, the"):
        frozen_champion(named, {champion.key: champion}, champion)
