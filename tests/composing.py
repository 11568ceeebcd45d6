"""Composing without composing the same a second time."""

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from hpsearch.compose.composer import Composer
from hpsearch.config import Config, ConfigError
from hpsearch.search.space import Composed

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
