"""What a sweep is: its frozen specification, its fingerprint, and its trials as pure functions of k."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from hpsearch.config import Config
from hpsearch.config.conversion import fingerprinted_tree, to_tree
from hpsearch.config.search import AdaptiveSearch, CoarseToFine, Search
from hpsearch.nn.source_digest import source_digest
from hpsearch.records import NO_LEVEL, Key, Trial, Value
from hpsearch.search.levels import Level
from hpsearch.search.narrowing import Change, narrowed_spaces
from hpsearch.search.sampler import Sampler
from hpsearch.search.space import Composed, Space
from hpsearch.secrets import mask_secrets
from hpsearch.store.record_json import Record
from hpsearch.store.specification import Fingerprinted, StoredLevel


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep before it runs.

    Attributes:
        base: The composed configuration with no option varied and no level taken.
        levels: What is compared, in the order given; one level where nothing is.
        data_digest: Digest of the development and the sealed rows.
    """

    base: Composed
    levels: tuple[Level, ...]
    data_digest: str
    _samplers: dict[str, Sampler] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def single(
        cls, base: Composed, space: Space, compose: Callable[[Mapping[str, str]], Composed], data_digest: str
    ) -> Self:
        """A sweep that compares nothing."""
        return cls(base, (Level(NO_LEVEL, base, space, compose),), data_digest)

    @property
    def search(self) -> Search:
        """How trials are drawn and judged."""
        return self.base.config.search

    @property
    def rungs(self) -> list[int]:
        """The epochs after which trials are judged; empty where none is pruned."""
        return self.search.rungs_below(self.base.config.training.epochs)

    @property
    def names(self) -> list[str]:
        """Every name that any trial may draw, in a fixed order."""
        return sorted({name for level in self.levels for name in level.space.names})

    def level(self, name: str) -> Level:
        """The level of this name."""
        return next(level for level in self.levels if level.name == name)

    def keys(self, trials: int) -> list[Key]:
        """The trials of a sweep of so many trials (in each level), level by level for each k.

        Where levels are compared, k = 0 is the default recipe, an extra, and draws are k = 1 … `trials`. A space of
        fewer points has each of them once. Of a level that draws nothing the default recipe is the one point.
        """
        first = int(self.search.compares)
        drawn = {level.name: self._draws(level, trials) for level in self.levels}
        return [
            (level.name, k)
            for k in range(trials + first)
            for level in self.levels
            if (first <= k < first + drawn[level.name]) or (k < first and level.space.names)
        ]

    def _draws(self, level: Level, trials: int) -> int:
        """How many trials of a level draw; a point that is left from round to round trains longer each time."""
        return trials if isinstance(self.search, CoarseToFine) else int(min(trials, level.space.size))

    def cohorts(self, trials: int) -> list[list[Key]]:
        """The keys in portions: the trials of one can run side by side, the next ones learn from them."""
        keys = self.keys(trials)
        portions = [len(keys)] if self.search.compares else self.search.portions(len(keys))
        rest = iter(keys)
        return [list(itertools.islice(rest, size)) for size in portions]

    def trial(self, key: Key) -> Trial:
        """A trial as it is drawn whatever came out before.

        That is the trial itself unless the search is adaptive: the same whatever ran before, and however many trials
        the sweep has.
        """
        name, k = key
        level = self.level(name)
        values = {} if self.is_default(key) else self._sampler(level).draw(name, k, level.chosen)
        return self.realize(key, values)

    def realize(self, key: Key, values: dict[str, Value]) -> Trial:
        """A trial with values that were drawn."""
        name, k = key
        level, search = self.level(name), self.search
        config = level.base.config if self.is_default(key) else level.configure(values)
        if isinstance(search, CoarseToFine) and (number := search.round_of(k)) < len(search.rounds):
            config = replace(config, training=replace(config.training, epochs=search.rounds[number].epochs))
        return Trial(name, k, values, config)

    def is_default(self, key: Key) -> bool:
        """Whether a trial is the default recipe of its level, and drew nothing."""
        return self.search.compares and key[1] == 0

    def trials(self, cohort: Sequence[Key], wanted: Sequence[Key], past: Sequence[Record]) -> list[Trial]:
        """Some trials of a cohort.

        Args:
            cohort: One of `cohorts`.
            wanted: Some of its keys.
            past: The records of all trials before it, in their order.
        """
        search = self.search
        if isinstance(search, CoarseToFine):
            (level,) = self.levels
            space, _ = narrowed_spaces(search, level, past)[-1]
            sampler = Sampler(search, space, self.base.config.seed, first=cohort[0][1])
            return [self.realize(key, sampler.draw(*key, level.chosen)) for key in wanted]
        if not isinstance(search, AdaptiveSearch):
            return [self.trial(key) for key in wanted]
        (level,) = self.levels
        numbers = [k for _, k in cohort]
        drawn = self._sampler(level).draw_cohort(level.name, numbers, level.chosen, past)
        values = dict(zip(cohort, drawn, strict=True))
        return [self.realize(key, values[key]) for key in wanted]

    def narrowing(self, past: Sequence[Record]) -> list[Change]:
        """What the round that these trials have ended makes of each value of the space; empty where none has ended."""
        search = self.search
        if not isinstance(search, CoarseToFine) or not past:
            return []
        (level,) = self.levels
        return narrowed_spaces(search, level, past)[-1][1]

    def _sampler(self, level: Level) -> Sampler:
        if level.name not in self._samplers:
            first = int(self.search.compares)
            self._samplers[level.name] = Sampler(self.search, level.space, self.base.config.seed, first)
        return self._samplers[level.name]

    def foreseen(self, records: Mapping[Key, Record], trials: int) -> list[Config]:
        """The configurations of what is missing; where trials have still to learn from others, of random draws.

        They stand for what may come: the same options, sizes within the same bounds.
        """
        missing, cohorts = self.missing(records, trials), self.cohorts(trials)
        at = next((i for i, cohort in enumerate(cohorts) if missing and missing[0] in cohort), 0)
        past = [records[key] for cohort in cohorts[:at] for key in cohort]
        first = set(cohorts[at])
        now, later = [key for key in missing if key in first], [key for key in missing if key not in first]
        return [trial.config for trial in [*self.trials(cohorts[at], now, past), *map(self.trial, later)]]

    def missing(self, records: Mapping[Key, Record], trials: int) -> list[Key]:
        """The trials that have to be run: those without a record, and those that an error failed.

        Of cohorts that later ones have learned from, what an error failed stays as it is.
        """
        keys = self.keys(trials)
        found = {key: records[key].result.status for key in keys if key in records}
        settled: set[Key] = set()
        if self.search.depends:
            latest = max((k for _, k in records), default=0)
            settled = {key for cohort in self.cohorts(trials) if cohort[-1][1] < latest for key in cohort}
        return [key for key in keys if key not in found or (key not in settled and found[key].retried)]

    def fingerprinted(self) -> Fingerprinted:
        """Everything that makes this sweep what it is.

        It holds the whole configuration except the keys that do not change a result, the configuration of every
        option that a trial may take, the space, the levels, the digest of the data, and those of the user's own code.
        """
        options: dict[str, Any] = {}
        dimensions: dict[str, Any] = {}
        for level in self.levels:
            for name, composed in level.composed().items():
                options[name] = fingerprinted_tree(getattr(composed.config, name.partition(".")[0]))
            for name, found in level.space.dimensions.items():
                dimensions[name] = {**dimensions.get(name, {}), **to_tree(dict(found))}
        return Fingerprinted(
            config=self.base.config.fingerprinted(),
            options=options,
            space=dimensions,
            data=self.data_digest,
            levels=tuple(map(_stored, self.levels)) if self.search.compares else (),
            code=self._own_code(),
        )

    def _own_code(self) -> dict[str, str]:
        """Digests of the source files of the user's own modules and losses, by import path."""
        composed = [self.base, *(one for level in self.levels for one in [level.base, *level.composed().values()])]
        paths = {}
        for config in (one.config for one in composed):
            for option in config.own_code:
                if option.import_path not in paths:
                    paths[option.import_path] = source_digest(f"{option.group}.import_path", option.import_path)
        pruner = self.search.pruner
        if ":" in pruner and not pruner.startswith("optuna."):
            paths[pruner] = source_digest("search.pruner", pruner)
        return paths


def _stored(level: Level) -> StoredLevel:
    return StoredLevel(
        name=level.name,
        options=dict(level.options),
        values=mask_secrets(dict(level.values)),
        config=level.base.config.fingerprinted(),
        draws=level.space.names,
    )
