"""A final evaluates the code that was searched, or refuses."""

import pytest

from hpsearch.cli.champion import _require_same_code
from hpsearch.cli.compose import Composer
from hpsearch.cli.naming import Named
from hpsearch.config import ConfigError
from hpsearch.nn.imports import source_digest
from hpsearch.search.store import SweepStore


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
