"""Where option files come from: the package, a checkout, the user's own folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hpsearch
from hpsearch.compose.composer import Composer, conf_dir

PACKAGE = Path(hpsearch.__file__).parent


@pytest.fixture
def own(tmp_path):
    """A folder of a user's own options."""
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "sweep").mkdir()
    (tmp_path / "optimizer" / "slow.yaml").write_text("kind: sgd\nlr: 1e-6\nspace: {lr: {low: 1e-7, high: 1e-5}}\n")
    (tmp_path / "optimizer" / "sgd.yaml").write_text("kind: sgd\nlr: 0.75\nspace: {}\n")
    (tmp_path / "sweep" / "mine.yaml").write_text(
        "# @package _global_\ndefaults:\n  - override /optimizer: slow\nsearch:\n  trials: 3\n  tune: [optimizer]\n"
    )
    return tmp_path


def test_a_users_option_can_be_chosen(own):
    config = Composer(["optimizer=slow"], own).compose().config
    assert (config.optimizer.lr, config.options["optimizer"]) == (1e-6, "slow")


def test_a_users_option_wins_over_the_shipped_one_of_the_same_name(own):
    assert Composer(["optimizer=sgd"], own).compose().config.optimizer.lr == 0.75


def test_the_shipped_options_stay_beside_a_users(own):
    assert Composer(["optimizer=adam"], own).compose().config.optimizer.kind == "adam"
    assert {"slow", "sgd", "adam"} <= set(Composer([], own).known_options("optimizer"))


def test_a_users_action_starts_its_own_search(own, planned):
    assert planned("+sweep=mine", config_dir=own).names == ["optimizer.slow.lr"]
    assert Composer(["+sweep=mine"], own).compose().config.search.trials == 3


def test_a_users_option_is_named_when_it_is_mistyped(own, problems):
    assert problems(Composer, ["optimizer=slwo"], own) == (
        "optimizer=slwo is not an option of optimizer: did you mean slow?",
    )


def test_a_users_option_of_no_known_kind_is_refused(own, problems):
    (own / "optimizer" / "sophia.yaml").write_text("kind: sophia\nlr: 1.0\n")
    (problem,) = problems(Composer(["optimizer=sophia"], own).compose)
    assert problem.startswith("optimizer.kind must name a kind of optimizer, got 'sophia': ")


def test_a_users_option_that_is_no_yaml_is_refused_in_one_line(own, problems):
    (own / "optimizer" / "broken.yaml").write_text("kind: [sgd\n")
    (problem,) = problems(Composer(["optimizer=broken"], own).compose)
    assert "broken.yaml" in problem
    assert "\n" not in problem


def test_a_users_option_with_a_mistyped_key_is_refused(own, problems):
    (own / "optimizer" / "typo.yaml").write_text("kind: sgd\nlr: 0.1\nlrate: 3\n")
    assert problems(Composer(["optimizer=typo"], own).compose) == (
        "optimizer.lrate is not a key of optimizer=typo: known here: lr",
    )


def test_a_space_that_is_no_mapping_is_refused(own, problems):
    (own / "optimizer" / "odd.yaml").write_text("kind: sgd\nlr: 0.1\nspace: 3\n")
    assert problems(Composer(["optimizer=odd"], own).compose) == (
        "optimizer.space must hold names and their bounds, got 3",
    )


def test_a_mistyped_edit_in_a_users_action_is_refused(own, problems, planned):
    text = (own / "sweep" / "mine.yaml").read_text()
    (own / "sweep" / "mine.yaml").write_text(text + "  space: {optimizer: {slwo: {lr: {high: 1e-4}}}}\n")
    assert problems(planned, "+sweep=mine", config_dir=own) == (
        "search.space.optimizer.slwo has no effect, since no trial takes optimizer=slwo: did you mean slow?",
    )


def test_a_primary_file_that_does_not_exist_is_refused_by_name(tmp_path, problems):
    (problem,) = problems(Composer, [], tmp_path, "bset")
    assert "bset" in problem
    assert "\n" not in problem


@pytest.mark.parametrize(("package", "conf"), [("site/hpsearch", "site/hpsearch/conf"), ("src/hpsearch", "conf")])
def test_the_shipped_options_are_found_in_a_wheel_and_in_a_checkout(tmp_path, package, conf):
    shutil.copytree(PACKAGE, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "conf"))
    shutil.copytree(conf_dir(), tmp_path / conf)
    program = "from hpsearch.compose.composer import Composer, conf_dir; Composer([]); print(conf_dir())"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str((tmp_path / package).parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == str(tmp_path / conf)
