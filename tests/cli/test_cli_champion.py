"""A final evaluates the code that was searched, or refuses."""

import json

import pytest

from hpsearch.cli.champion import _refuse_contradictions, _require_same_code
from hpsearch.cli.compose import Composer
from hpsearch.cli.naming import Named
from hpsearch.config import ConfigError
from hpsearch.nn.imports import source_digest
from hpsearch.records import Status, TrialResult
from hpsearch.search.store import SweepStore
from hpsearch.search.trial_records import Record


def test_a_module_that_was_edited_after_the_sweep_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = tmp_path / "edited_later.py"
    module.write_text("from torch import nn\n\nNet = nn.Flatten\n")
    config = Composer(["data=digits", "model=custom", "model.import_path=edited_later:Net"]).compose().config
    code = {"edited_later:Net": source_digest("model.import_path", "edited_later:Net")}
    named = Named(SweepStore(tmp_path, "nets"), {"specification": {"code": code}}, known=True, note=None)
    _require_same_code(named, config)
    module.write_text("from torch import nn\n\nNet = nn.Identity\n")
    with pytest.raises(ConfigError, match="the code of edited_later:Net has changed since sweep 'nets': restore it"):
        _require_same_code(named, config)


CSV = ("data=csv", "data.path=t.csv", "data.target=y", "data.drop=[id]", "name=tab", "training.epochs=7")


@pytest.fixture
def refusals(tmp_path):
    """What a final of a sweep of a table says against these overrides."""
    covered = Composer(CSV).compose().config.covered()
    result = TrialResult(Status.OK, None, 0.5, None, {}, {}, [], [])
    champion = Record("-", 0, {}, json.loads(json.dumps(covered)), result, "0" * 64)
    named = Named(SweepStore(tmp_path, "tab"), {}, known=True, note=None)

    def refuse(*overrides):
        composer = Composer(["+final=sweep", "final.sweep=tab", *overrides])
        try:
            _refuse_contradictions(composer, composer.compose_uncovered().config, champion, named)
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
        (["data.pth=t.csv"], "data.pth is not a key of csv: did you mean path?"),
        (["search.choose.norm=[none]"], "search.choose.norm=['none'] contradicts sweep 'tab', which has None"),
    ],
)
def test_a_final_compares_what_it_is_given_with_the_stored_sweep(refusals, overrides, expected):
    assert refusals(*overrides) == (expected,)
