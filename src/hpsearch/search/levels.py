"""The levels of a comparison, each with a space of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hpsearch.config import Config
from hpsearch.records import Value
from hpsearch.search.space import Composed, Space, apply_values


@dataclass(frozen=True, slots=True)
class Level:
    """One level of the compared factor; a sweep that compares nothing has a single level.

    Attributes:
        name: Name; `NO_LEVEL` if nothing is compared.
        base: The composed configuration with no option varied.
        space: The space its trials draw from.
        compose: Composes with other options; called once per distinct combination.
        options: The options that define the level, by group; empty if nothing is compared.
        values: The values that define the level, by key; likewise.
    """

    name: str
    base: Composed
    space: Space
    compose: Callable[[Mapping[str, str]], Composed]
    options: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def chosen(self) -> dict[str, str]:
        """The options of the groups that do not vary, by group."""
        options = self.base.config.options
        return {group: option for group, option in options.items() if group not in self.space.options}

    def configure(self, values: Mapping[str, Value]) -> Config:
        """The configuration of a trial with these values, as `Space.draw` returns them."""
        options = {group: str(values[group]) for group in self.space.options}
        composed = self.compose(options) if options else self.base
        return apply_values(composed.config, values)

    def composed(self) -> dict[str, Composed]:
        """The configuration of each option that a trial may take or that defines the level, by `group.option`."""
        varied = {f"{g}.{name}": self.compose({g: name}) for g, names in self.space.options.items() for name in names}
        return varied | {f"{group}.{option}": self.base for group, option in self.options.items()}
