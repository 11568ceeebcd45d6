"""A config group that came later than the first records changes no fingerprint where it says nothing."""

import pytest

from hpsearch.config import Config, schema
from hpsearch.config.model import Norm


@pytest.fixture
def norm_came_later(monkeypatch):
    monkeypatch.setitem(schema.LATER_GROUPS, "norm", Norm(kind="none"))


@pytest.mark.usefixtures("norm_came_later")
def test_a_late_group_with_its_default_is_left_out_of_the_fingerprint(make_config):
    covered = make_config(norm="none").fingerprinted()
    assert "norm" not in covered
    assert "norm" not in covered["options"]
    assert "norm" not in covered["search"]["choose"]


@pytest.mark.usefixtures("norm_came_later")
def test_what_was_stored_before_a_group_existed_has_its_default(make_config):
    config = make_config(norm="none")
    stored = schema.with_defaults(config.fingerprinted())
    assert Config.from_tree({**config.to_tree(), **stored, "search": config.to_tree()["search"]}) == config


@pytest.mark.usefixtures("norm_came_later")
def test_another_option_of_a_late_group_is_covered(make_config):
    covered = make_config(norm="before").fingerprinted()
    assert (covered["norm"]["kind"], covered["options"]["norm"]) == ("before", "before")


@pytest.mark.usefixtures("norm_came_later")
def test_a_late_group_that_varies_is_covered(make_config):
    config = make_config(norm="none", search={"choose": {"norm": ["none", "before"]}})
    assert config.fingerprinted()["search"]["choose"]["norm"] == ["none", "before"]
