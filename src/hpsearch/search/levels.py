"""The levels of a sweep: what is compared, each with a space of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hpsearch.config import Config
from hpsearch.records import Value
from hpsearch.search.space import Composed, Space, apply_values


@dataclass(frozen=True, slots=True)
class Level:
    """One value of the compared factor, with a space of its own; a sweep that compares nothing has a single level.

    Attributes:
        name: `NO_LEVEL` where nothing is compared.
        base: The composed configuration with no option varied.
        space: What its trials draw.
        compose: Composes with other options; called once for each distinct combination.
        options: Group to option: what makes the level what it is; empty where nothing is compared.
        values: Key to value, the same.
    """

    name: str
    base: Composed
    space: Space
    compose: Callable[[Mapping[str, str]], Composed]
    options: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def chosen(self) -> dict[str, str]:
        """Group to option, for the groups that do not vary."""
        options = self.base.config.options
        return {group: option for group, option in options.items() if group not in self.space.options}

    def configure(self, values: Mapping[str, Value]) -> Config:
        """The configuration of a trial.

        Args:
            values: What it has drawn, as `Space.draw` gives it.
        """
        options = {group: str(values[group]) for group in self.space.options}
        composed = self.compose(options) if options else self.base
        return apply_values(composed.config, values)

    def composed(self) -> dict[str, Composed]:
        """Each option that a trial may take or that makes the level, composed, by `group.option`."""
        varied = {f"{g}.{name}": self.compose({g: name}) for g, names in self.space.options.items() for name in names}
        return varied | {f"{group}.{option}": self.base for group, option in self.options.items()}
