"""What the tests of the command line share."""

import copy
import functools
import shutil
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boards import ROWS
from hydra.core.override_parser.overrides_parser import OverridesParser

from hpsearch.compose.composer import Composer
from hpsearch.compose.search_space import plan_space
from hpsearch.config import Config, ConfigError
from hpsearch.search.space import Composed, Space
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.tracker import Tracker


@pytest.fixture(scope="session")
def default_composer() -> Composer:
    """The bare command line."""
    return Composer([])


COMPOSED: dict[object, Composed | ConfigError] = {}
"""What was composed before, by what Hydra was given: composing is most of the time that these tests take."""


def compose_once(composer: Composer, place: Path | None = None) -> Callable[..., Composed]:
    """`composer.compose`, without composing the same a second time; files in `place` must not change."""

    def compose(options: Mapping[str, str] | None = None) -> Composed:
        key = (place, *composer.overrides.for_hydra(), *sorted((options or {}).items()))
        if key not in COMPOSED:
            try:
                COMPOSED[key] = composer.compose(options)
            except ConfigError as error:
                COMPOSED[key] = error
        found = COMPOSED[key]
        if isinstance(found, ConfigError):
            raise found
        return found

    return compose


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Sets a dotted key; mappings that are not there are made, as composing does."""
    *groups, last = key.split(".")
    for group in groups:
        tree = tree.setdefault(group, {})
    tree[last] = value


@functools.cache
def composer_of(overrides: tuple[str, ...], place: Path | None) -> Composer:
    """A composer that tests share."""
    return Composer(overrides, place)


def search_apart(overrides: Sequence[str], place: Path | None) -> Callable[..., Composed]:
    """Composes without the keys of `search`, and puts them in afterwards: so that most command lines share the rest."""
    others = tuple(each for each in overrides if not each.startswith("search.") and ".space." not in each)
    composed = compose_once(composer_of(others, place), place)
    parsed = OverridesParser.create().parse_overrides([each for each in overrides if each.startswith("search.")])
    done: dict[object, Composed] = {}

    def compose(options: Mapping[str, str] | None = None) -> Composed:
        key = tuple(sorted((options or {}).items()))
        if key not in done:
            found = composed(options)
            tree = copy.deepcopy(found.config.to_tree())
            for override in parsed:
                put(tree, override.key_or_group, override.value())
            done[key] = replace(found, config=Config.from_tree(tree))
        return done[key]

    return compose


@pytest.fixture(scope="session")
def composed() -> Callable[..., Composed]:
    """`composed("optimizer=sgd", "optimizer.lr=0.5")`."""
    return lambda *overrides: compose_once(Composer(overrides))()


@pytest.fixture(scope="session")
def planned() -> Callable[..., Space]:
    """The space that a command line asks for; files in `config_dir` must not change."""

    def plan(*overrides: str, config_dir: Path | None = None) -> Space:
        composer = Composer(overrides, config_dir)
        apart = all(key.startswith("search.") for key in composer.overrides.values)
        compose = search_apart(overrides, config_dir) if apart else compose_once(composer, config_dir)
        return plan_space(compose, composer.overrides, composer.known_options)

    return plan


@pytest.fixture(scope="session")
def problems() -> Callable[..., tuple[str, ...]]:
    """The sentences of the refusal that a call ends with."""

    def call(function, *arguments, **named) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as refused:
            function(*arguments, **named)
        return refused.value.problems

    return call


@pytest.fixture
def command() -> Callable[..., Namespace]:
    """A parsed command line, as the actions take it."""
    return lambda *overrides: Namespace(overrides=list(overrides))


@pytest.fixture
def asked(composed, tmp_path):
    """The configuration of a command in an empty folder; `report` as given."""

    def ask(**report):
        config = composed("+report=leaderboard").config
        tracking = replace(config.tracking, directory=str(tmp_path / "mlruns"))
        directory = str(tmp_path / "experiments")
        return replace(config, tracking=tracking, report=replace(config.report, directory=directory, **report))

    return ask


@pytest.fixture
def sweep(composed, tmp_path):
    """Freezes a sweep as a command with these overrides would, and gives its store; nothing is trained."""

    def freeze(name, *overrides, rows="3f2a9c1b" * 8, data="digits", place="mlruns", **more):
        config = composed("data=digits", *overrides).config
        store = SweepStore(tmp_path / place, name)
        tree = {"config": config.covered(), "options": {}, "space": {}, "data": rows}
        store.folder.mkdir(parents=True)
        facts = {"named": True, "started_by": None, "created_ms": 1, "version": "0.1.0", "device": "cpu"}
        facts |= {"fingerprint": name.encode().hex(), "specification": tree, "data": {**ROWS, "name": data}}
        store.freeze({"name": name, **facts, **more})
        return store, config

    return freeze


@pytest.fixture
def tracker(migrated, tmp_path):
    shutil.copy(migrated / "mlflow.db", tmp_path / "mlflow.db")
    with Tracker.connect(f"sqlite:///{tmp_path}/mlflow.db", tmp_path) as connected:
        yield connected
