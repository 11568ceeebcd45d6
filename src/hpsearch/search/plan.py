"""What a sweep is: its frozen specification, its fingerprint, and its trials as pure functions of k."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hpsearch.config.network import CustomModel
from hpsearch.config.training import CustomLoss
from hpsearch.config.tree import covered_tree, to_tree
from hpsearch.nn.imports import source_digest
from hpsearch.records import NO_LEVEL, Trial
from hpsearch.search.sampler import Sampler
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
        search = self.base.config.search
        return Sampler(search.kind, self.space, self.base.config.seed)

    @property
    def chosen(self) -> dict[str, str]:
        """Group to option, for the groups that do not vary."""
        options = self.base.config.options
        return {group: option for group, option in options.items() if group not in self.space.options}

    def trial(self, k: int, level: str = NO_LEVEL) -> Trial:
        """Trial k: the same whatever ran before, and however many trials the sweep has."""
        values = self.sampler.draw(level, k, self.chosen)
        options = {group: str(values[group]) for group in self.space.options}
        composed = self.compose(options) if options else self.base
        return Trial(level, k, values, apply_values(composed.config, values))

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
