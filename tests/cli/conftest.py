"""What the tests of the command line share."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from hpsearch.cli.compose import Composer
from hpsearch.cli.planning import plan_space
from hpsearch.config import ConfigError
from hpsearch.space import Composed, Space


@pytest.fixture(scope="session")
def default_composer() -> Composer:
    """The bare command line."""
    return Composer([])


@pytest.fixture(scope="session")
def composed() -> Callable[..., Composed]:
    """`composed("optimizer=sgd", "optimizer.lr=0.5")`."""
    return lambda *overrides, **places: Composer(overrides, **places).compose()


@pytest.fixture(scope="session")
def planned() -> Callable[..., Space]:
    """The space that a command line asks for."""

    def plan(*overrides: str, config_dir: Path | None = None) -> Space:
        composer = Composer(overrides, config_dir)
        return plan_space(composer.compose, composer.overrides, composer.known_options)

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
