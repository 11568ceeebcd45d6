"""Fixtures for every room: complete configurations from short overrides, small data sets, fits."""

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpsearch.compose.composer import Composer
from hpsearch.compose.search_space import plan_space
from hpsearch.config import Config, ConfigError
from hpsearch.data.dataset import Development
from hpsearch.records import Fit, Fold, Task
from hpsearch.search.space import Composed, Space
from hpsearch.seeding import fit_seeds
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.tracker import Tracker
from tests.complete_config import config_tree
from tests.composing import compose_once, search_apart
from tests.specifications import DIGITS, fingerprinted, specification

os.environ["MKL_CBWR"] = "AUTO,STRICT"  # as in workers: bits that do not depend on where a matrix begins
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="hpsearch-tests-")  # what a user has opened
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)
os.environ["OMP_NUM_THREADS"] = "1"  # several processes test at once; more threads than cores run many times slower


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish():
    """What is imported stays: looking through all of it for garbage, again and again, took an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


MakeConfig = Callable[..., Config]


@pytest.fixture(scope="session")
def make_config() -> MakeConfig:
    """A complete `Config` from overrides by group.

    `make_config(optimizer="sgd", norm="before", training={"epochs": 3}, model={"kind": "cnn", "kernel": 5}, seed=1)`
    """
    return lambda **overrides: Config.from_tree(config_tree(**overrides))


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., Development]:
    """A small learnable development set: `make_rows(n=40, task="multiclass", images=False, width=5, seed=0)`."""

    def make(
        n: int = 40, *, task: str = "multiclass", images: bool = False, width: int = 5, targets: int = 2, seed: int = 0
    ) -> Development:
        draw = np.random.default_rng(seed)
        classes = {"binary": 2, "multiclass": 3, "regression": 0}[task]
        if images:
            inputs = draw.integers(0, 256, (n, 1, width, width), dtype=np.uint8)
        else:
            inputs = draw.normal(1.0, 2.0, (n, width)).astype(np.float32)
        flat = inputs.reshape(n, -1).astype(np.float64)
        teacher = draw.normal(size=(flat.shape[1], classes or targets))
        answers = (flat - flat.mean(axis=0)) @ teacher
        answers = answers.argmax(axis=1) if classes else (10 + answers).astype(np.float32)
        names = tuple(f"class {c}" for c in range(classes))
        return Development("toy", Task(task), inputs, answers, classes, names, digest="0" * 64)

    return make


@pytest.fixture(scope="session")
def make_fit() -> Callable[..., Fit]:
    """A fit on the first rows, the rest split for validation: `make_fit(config, n=40, monitor=4, fold=0, seed=0)`."""

    def make(
        config: Config,
        n: int = 40,
        *,
        train: int | None = None,
        monitor: int = 0,
        fold: int = 0,
        replicate: int = 0,
        seed: int = 0,
    ) -> Fit:
        train = n * 6 // 10 if train is None else train
        rows = np.random.default_rng(fold).permutation(n)
        middle = train + monitor + (n - train - monitor + 1) // 2
        parts = np.split(rows, [train, train + monitor, middle])
        return Fit(config, Fold(fold, *parts), replicate, fit_seeds(seed, fold, replicate))

    return make


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose database has MLflow's schema: creating one takes a second."""
    folder = tmp_path_factory.mktemp("migrated")
    Tracker.connect(f"sqlite:///{folder}/mlflow.db", folder).close()
    return folder


@pytest.fixture(scope="session")
def default_composer() -> Composer:
    """The bare command line."""
    return Composer([])


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
        asked = fingerprinted(config=config.fingerprinted(), data=rows)
        store.folder.mkdir(parents=True)
        facts = {"version": "0.1.0", "device": "cpu", "fingerprint": name.encode().hex()}
        store.freeze(specification(name, asked, **{"data": replace(DIGITS, name=data), **facts, **more}))
        return store, config

    return freeze


@pytest.fixture(scope="session")
def place(migrated, tmp_path_factory):
    """Makes a folder for a sweep, with a database that has its schema."""

    def make():
        folder = tmp_path_factory.mktemp("sweep")
        shutil.copy(migrated / "mlflow.db", folder / "mlflow.db")
        return folder

    return make


@pytest.fixture(scope="session")
def server():
    from tests.driver_processes import DriverServer  # noqa: PLC0415 (torch, which most tests have no use for)

    with DriverServer() as started:
        yield started
