"""What a sweep is: its frozen specification, its fingerprint, and its trials as pure functions of k."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpsearch.config import Config
from hpsearch.config.network import CustomModel
from hpsearch.config.sweep import AdaptiveSearch, Search
from hpsearch.config.training import CustomLoss
from hpsearch.config.tree import covered_tree, to_tree
from hpsearch.nn.imports import source_digest
from hpsearch.records import NO_LEVEL, Trial, Value
from hpsearch.search.sampler import Sampler
from hpsearch.search.trial_records import Record
from hpsearch.space import Composed, Space, apply_values


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep before it runs.

    Attributes:
        base: The composed configuration with no option varied.
        space: What is drawn.
        compose: Composes with other options; called once for each distinct combination.
        data_digest: Digest of the development and the sealed rows.
    """

    base: Composed
    space: Space
    compose: Callable[[Mapping[str, str]], Composed]
    data_digest: str

    @property
    def sampler(self) -> Sampler:
        """Draws the values of the trials."""
        return Sampler(self.search, self.space, self.base.config.seed)

    @property
    def search(self) -> Search:
        """How trials are drawn and judged."""
        return self.base.config.search

    @property
    def chosen(self) -> dict[str, str]:
        """Group to option, for the groups that do not vary."""
        options = self.base.config.options
        return {group: option for group, option in options.items() if group not in self.space.options}

    @property
    def rungs(self) -> list[int]:
        """The epochs after which trials are judged; empty where none is pruned."""
        return self.search.rungs_below(self.base.config.training.epochs)

    def cohorts(self, trials: int) -> list[range]:
        """The trials 0 … `trials` - 1 in portions: those of one can run side by side, the next ones learn from it."""
        size = self.search.cohort_size or trials
        return [range(start, min(start + size, trials)) for start in range(0, trials, size)]

    def trial(self, k: int, level: str = NO_LEVEL) -> Trial:
        """Trial k as it is drawn whatever came out before.

        That is trial k itself unless the search is adaptive: the same whatever ran before, and however many trials the
        sweep has.
        """
        return self.realize(k, self.sampler.draw(level, k, self.chosen), level)

    def trials(self, cohort: range, wanted: Sequence[int], past: Sequence[Record]) -> list[Trial]:
        """Some trials of a cohort.

        Args:
            cohort: One of `cohorts`.
            wanted: Numbers within it.
            past: The records of all trials before it, in the order of k.
        """
        if not isinstance(self.search, AdaptiveSearch):
            return [self.trial(k) for k in wanted]
        drawn = dict(zip(cohort, self.sampler.draw_cohort(NO_LEVEL, cohort, self.chosen, past), strict=True))
        return [self.realize(k, drawn[k]) for k in wanted]

    def foreseen(self, records: Mapping[tuple[str, int], Record], trials: int) -> list[Config]:
        """The configurations of what is missing; where trials have still to learn from others, of random draws.

        They stand for what may come: the same options, sizes within the same bounds.
        """
        missing = self.missing(records, trials)
        first = next((c for c in self.cohorts(trials) if missing and missing[0] in c), range(0))
        past = [records[NO_LEVEL, k] for k in range(first.start)]
        now, later = [k for k in missing if k in first], [k for k in missing if k not in first]
        return [trial.config for trial in [*self.trials(first, now, past), *map(self.trial, later)]]

    def realize(self, k: int, values: dict[str, Value], level: str = NO_LEVEL) -> Trial:
        """Trial k with values that were drawn."""
        options = {group: str(values[group]) for group in self.space.options}
        composed = self.compose(options) if options else self.base
        return Trial(level, k, values, apply_values(composed.config, values))

    def missing(self, records: Mapping[tuple[str, int], Record], trials: int) -> list[int]:
        """The trials that have to be run: those without a record, and those that an error failed.

        Of cohorts that later ones have learned from, what an error failed stays as it is.
        """
        found = {k: records[NO_LEVEL, k].result.status for k in range(trials) if (NO_LEVEL, k) in records}
        latest = max((k for level, k in records if level == NO_LEVEL), default=0)
        settled = [] if self.search.cohort_size is None else [c for c in self.cohorts(trials) if c.stop <= latest]
        again = range(settled[-1].stop if settled else 0, trials)
        return [k for k in range(trials) if k not in found or (k in again and found[k].retried)]

    def specification(self) -> dict[str, Any]:
        """Everything that makes this sweep what it is, as a plain tree; `fingerprint` is its digest.

        It holds the whole configuration except the keys that do not change a result, the configuration of every
        option that a trial may take, the space, the digest of the data, and those of the user's own code.
        """
        options = {}
        for group, names in self.space.options.items():
            for name in names:
                options[f"{group}.{name}"] = covered_tree(getattr(self.compose({group: name}).config, group))
        code = self._own_code()
        dimensions = {key: to_tree(dict(found)) for key, found in self.space.dimensions.items()}
        return {
            "config": self.base.config.covered(),
            "options": options,
            "space": dimensions,
            "data": self.data_digest,
            **({"code": code} if code else {}),
        }

    def _own_code(self) -> dict[str, str]:
        """Digests of the source files of the user's own modules and losses, by import path."""
        composed = [self.base, *(self.compose({g: name}) for g, names in self.space.options.items() for name in names)]
        paths = {}
        for config in (one.config for one in composed):
            for option in (config.model, config.loss):
                if isinstance(option, CustomModel | CustomLoss):
                    paths[option.import_path] = source_digest(f"{option.group}.import_path", option.import_path)
        pruner = self.search.pruner
        if ":" in pruner and not pruner.startswith("optuna."):
            paths[pruner] = source_digest("search.pruner", pruner)
        return paths

    def fingerprint(self) -> str:
        """SHA-256 of the specification in canonical JSON, in hexadecimal."""
        return digest(self.specification())


def digest(tree: Any) -> str:
    """SHA-256 of a plain tree in canonical JSON, in hexadecimal."""
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """One line for each key in which two plain trees differ: `optimizer.lr: 0.1 -> 0.2`."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for key in sorted(old.keys() | new.keys()):
            inner = f"{path}.{key}" if path else str(key)
            if key not in old:
                lines.append(f"{inner}: new, {new[key]!r}")
            elif key not in new:
                lines.append(f"{inner}: gone, was {old[key]!r}")
            else:
                lines += differences(old[key], new[key], inner)
        return lines
    return [] if old == new else [f"{path}: {old!r} -> {new!r}"]
