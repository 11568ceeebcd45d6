"""The plan of a sweep: its fingerprinted specification, and its trials as pure functions of k."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from hpsearch.config import Config
from hpsearch.config.conversion import fingerprinted_tree, to_tree
from hpsearch.config.search import AdaptiveSearch, CoarseToFine, Objective, OptunaSearch, Search
from hpsearch.formatting import number_of, plural
from hpsearch.nn.source_digest import source_digest
from hpsearch.records import Key, Status, Trial, Value
from hpsearch.search.cohort_study import CohortStudy
from hpsearch.search.levels import Level
from hpsearch.search.narrowing import Change, narrowed_spaces
from hpsearch.search.sampler import Holds, Sampler
from hpsearch.search.space import Composed
from hpsearch.secrets import mask_secrets
from hpsearch.store.record_json import Record
from hpsearch.store.specification import Fingerprinted, StoredLevel

COUNTED = 10_000
"""Most configurations of a space that are counted one by one, as far as they are within `search.constraints`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep before it runs.

    Attributes:
        base: The composed configuration with no option varied and no level applied.
        levels: The compared levels, in the order given; a single one if nothing is compared.
        data_digest: Digest of the development and the sealed rows.
        cost_of: A cost of the network of a configuration, which `search.constraints` need.
    """

    base: Composed
    levels: tuple[Level, ...]
    data_digest: str
    cost_of: Callable[[Objective, Config], float] | None = field(default=None, compare=False, repr=False)
    _sizes: dict[str, float] = field(default_factory=dict, init=False, compare=False, repr=False)
    _samplers: dict[str, Sampler] = field(default_factory=dict, init=False, compare=False, repr=False)
    _studies: dict[str, CohortStudy] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def search(self) -> Search:
        """How trials are drawn and judged."""
        return self.base.config.search

    @property
    def rungs(self) -> list[int]:
        """Epochs of the rungs; empty without pruning."""
        return self.search.rungs_below(self.base.config.training.epochs)

    @property
    def names(self) -> list[str]:
        """Names of all values that a trial may draw, sorted."""
        return sorted({name for level in self.levels for name in level.space.names})

    def with_configs(self, change: Callable[[Config], Config]) -> "Plan":
        """The plan with every configuration changed."""

        def changed(composed: Composed) -> Composed:
            return replace(composed, config=change(composed.config))

        def changed_level(level: Level) -> Level:
            return replace(level, base=changed(level.base), compose=lambda options: changed(level.compose(options)))

        return Plan(changed(self.base), tuple(map(changed_level, self.levels)), self.data_digest, self.cost_of)

    def level(self, name: str) -> Level:
        """The level of this name."""
        return next(level for level in self.levels if level.name == name)

    def keys(self, trials: int) -> list[Key]:
        """The keys of a sweep with this many trials (per level), level by level for each k.

        In a comparison, k = 0 is the default recipe, which does not count, and draws are k = 1 … `trials`. A space with
        fewer points is enumerated. A level that draws nothing has the default recipe as its only point.
        """
        first = int(self.search.compares)
        # Rounds of a coarse-to-fine search train the same point again, for longer.
        repeats = isinstance(self.search, CoarseToFine)
        drawn = {level.name: trials if repeats else int(min(trials, self._size_of(level))) for level in self.levels}
        return [
            (level.name, k)
            for k in range(trials + first)
            for level in self.levels
            if (first <= k < first + drawn[level.name]) or (k < first and level.space.names)
        ]

    def cohorts(self, trials: int) -> list[list[Key]]:
        """The keys by cohort: trials of a cohort are independent of each other, and may depend on earlier cohorts."""
        keys = self.keys(trials)
        portions = [len(keys)] if self.search.compares else self.search.portions(len(keys))
        rest = iter(keys)
        return [list(itertools.islice(rest, size)) for size in portions]

    def trial(self, key: Key) -> Trial:
        """A trial drawn independently of all results and of the number of trials.

        Unless the search is adaptive, this is the trial that is trained.
        """
        name, k = key
        level = self.level(name)
        values = {} if self.is_default(key) else self._sampler(level).draw(name, k, level.chosen)
        return self.realize(key, values)

    def realize(self, key: Key, values: dict[str, Value]) -> Trial:
        """The trial with these drawn values."""
        name, k = key
        level, search = self.level(name), self.search
        config = level.base.config if self.is_default(key) else level.configure(values)
        if isinstance(search, CoarseToFine) and (number := search.round_of(k)) < len(search.rounds):
            config = replace(config, training=replace(config.training, epochs=search.rounds[number].epochs))
        return Trial(name, k, values, config)

    def is_default(self, key: Key) -> bool:
        """Whether a trial is the default recipe of its level, which draws nothing."""
        return self.search.compares and key[1] == 0

    def trials(self, cohort: Sequence[Key], keys: Sequence[Key], past: Sequence[Record]) -> list[Trial]:
        """The trials with these keys.

        Args:
            cohort: One of `cohorts`.
            keys: Keys of this cohort.
            past: Records of all trials of earlier cohorts, in order.
        """
        search = self.search
        if isinstance(search, CoarseToFine):
            (level,) = self.levels
            space, _ = narrowed_spaces(search, level, past)[-1]
            sampler = Sampler(search, space, self.base.config.seed, cohort[0][1], self.holds(level))
            return [self.realize(key, sampler.draw(*key, level.chosen)) for key in keys]
        if not isinstance(search, AdaptiveSearch):
            return [self.trial(key) for key in keys]
        (level,) = self.levels
        numbers = [k for _, k in cohort]
        if isinstance(search, OptunaSearch):
            drawn = self._study(search, level).draw(numbers, past)
        else:
            drawn = self._sampler(level).draw_cohort(level.name, numbers, level.chosen, past)
        values = dict(zip(cohort, drawn, strict=True))
        return [self.realize(key, values[key]) for key in keys]

    def narrowing(self, past: Sequence[Record]) -> list[Change]:
        """Changes of the space by the round that ends with these trials; empty if none has ended."""
        search = self.search
        if not isinstance(search, CoarseToFine) or not past:
            return []
        (level,) = self.levels
        return narrowed_spaces(search, level, past)[-1][1]

    def holds(self, level: Level) -> Holds | None:
        """Whether `search.constraints` hold for values of a level; None without constraints."""
        limits = self.search.limits
        if not limits:
            return None
        cost_of = self.cost_of
        assert cost_of is not None, "the rows are not known yet"

        def holds(values: Mapping[str, Value]) -> bool:
            config = level.configure(values)
            return all(cost_of(cost, config) <= limit for cost, limit in limits.items())

        return holds

    def _size_of(self, level: Level) -> float:
        """The number of configurations of a level's space, those within `search.constraints` if it has not many."""
        if not self.search.constraints or level.space.size > COUNTED:
            return level.space.size
        if level.name not in self._sizes:
            self._sizes[level.name] = sum(map(self._sampler(level).holds, level.space.points(level.chosen)))
        return self._sizes[level.name]

    def shares_within(self) -> list[str]:
        """Sentences on how much of the space `search.constraints` leave; empty without constraints."""
        if not self.search.constraints:
            return []
        (level,) = self.levels
        share = self._sampler(level).share_within(level.name, level.chosen)
        held = ", ".join(self.search.constraints)
        sentences = [f"{held} for {share:.0%} of random draws; others are drawn anew, and are not trained"]
        size, trials = self._size_of(level), self.search.trials
        if size < min(trials, level.space.size):
            kept = f"{number_of(int(size), 'configuration')} {plural(int(size), 'keeps', 'keep')} search.constraints"
            sentences.append(f"{kept}: each is trained once, not search.trials={trials}")
        return sentences

    def _sampler(self, level: Level) -> Sampler:
        if level.name not in self._samplers:
            first = int(self.search.compares)
            self._samplers[level.name] = Sampler(
                self.search, level.space, self.base.config.seed, first, self.holds(level)
            )
        return self._samplers[level.name]

    def _study(self, search: OptunaSearch, level: Level) -> CohortStudy:
        if level.name not in self._studies:
            name, chosen, sampler = level.name, level.chosen, self._sampler(level)
            seed_of, random = partial(sampler.draw_seed, name), partial(sampler.draw, name, chosen=chosen)
            self._studies[name] = CohortStudy(search, level.space, chosen, seed_of, random, sampler.holds)
        return self._studies[level.name]

    def foreseen(self, records: Mapping[Key, Record], trials: int) -> list[Config]:
        """Configurations of the missing trials; random draws stand in for trials that depend on others.

        The stand-ins have the same options, and sizes within the same bounds.
        """
        missing, cohorts = self.missing(records, trials), self.cohorts(trials)
        at = next((i for i, cohort in enumerate(cohorts) if missing and missing[0] in cohort), 0)
        past = [records[key] for cohort in cohorts[:at] for key in cohort]
        current = set(cohorts[at])
        now, later = [key for key in missing if key in current], [key for key in missing if key not in current]
        return [trial.config for trial in [*self.trials(cohorts[at], now, past), *map(self.trial, later)]]

    def missing(self, records: Mapping[Key, Record], trials: int) -> list[Key]:
        """The trials to run: those without a record, and those that failed with an error.

        Errors in cohorts that later ones depended on are final. After the end by `search.patience` none is missing.
        """
        keys = self.keys(trials)[: self.end_by_patience(records, trials)]
        statuses = {key: records[key].result.status for key in keys if key in records}
        settled: set[Key] = set()
        if self.search.depends:
            latest = max((k for _, k in records), default=0)
            settled = {key for cohort in self.cohorts(trials) if cohort[-1][1] < latest for key in cohort}
        return [key for key in keys if key not in statuses or (key not in settled and statuses[key].retried)]

    def end_by_patience(self, records: Mapping[Key, Record], trials: int) -> int | None:
        """The number of trials with which the search ends by `search.patience`; None if it does not.

        It ends with the first cohort after which that many trials or more have come since the best one.
        """
        patience, best, since, count = self.search.patience, -math.inf, 0, 0
        if patience is None:
            return None
        for cohort in self.cohorts(trials):
            if any(key not in records for key in cohort):
                return None
            for key in cohort:
                result, since = records[key].result, since + 1
                if result.status is Status.OK and result.score is not None and result.score > best:
                    best, since = result.score, 0
            count += len(cohort)
            if since >= patience and best > -math.inf:
                return count
        return None

    def fingerprinted(self) -> Fingerprinted:
        """Everything that identifies this sweep.

        That is the configuration except for keys that change no result, the configuration of every option that a trial
        may take, the space, the levels, and the digests of the data and of the user's own code.
        """
        options: dict[str, Any] = {}
        dimensions: dict[str, Any] = {}
        for level in self.levels:
            for name, composed in level.composed().items():
                options[name] = fingerprinted_tree(getattr(composed.config, name.partition(".")[0]))
            for name, of_option in level.space.dimensions.items():
                dimensions[name] = {**dimensions.get(name, {}), **to_tree(dict(of_option))}
        return Fingerprinted(
            config=self.base.config.fingerprinted(),
            options=options,
            space=dimensions,
            data=self.data_digest,
            levels=tuple(map(_stored, self.levels)) if self.search.compares else (),
            code=self._own_code(),
        )

    def _own_code(self) -> dict[str, str]:
        """Digests of the source files of the user's own code, by import path."""
        composed = [self.base, *(each for level in self.levels for each in [level.base, *level.composed().values()])]
        paths = {}
        for key, path in (item for each in composed for item in each.config.own_sources.items()):
            if path not in paths:
                paths[path] = source_digest(key, path)
        return paths | {path: source_digest(key, path) for key, path in self.search.own_code.items()}


def _stored(level: Level) -> StoredLevel:
    return StoredLevel(
        name=level.name,
        options=dict(level.options),
        values=mask_secrets(dict(level.values)),
        config=level.base.config.fingerprinted(),
        draws=level.space.names,
    )
