"""Range checks of configurations."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from hpsearch.errors import ConfigError


def require(holds: bool, key: str, rule: str, value: object) -> None:
    """Raise `ConfigError` as `key rule, got value` unless the rule holds."""
    if not holds:
        raise ConfigError(f"{key} {rule}, got {shown(value)}")


def shown(value: object) -> str:
    """A value in messages: as Python spells it, but null as configurations do."""
    return "null" if value is None else repr(value)


def require_kwargs(key: str, kwargs: Mapping[str, Any]) -> None:
    """Refuse keyword arguments for the user's own code that are infinite or NaN."""
    for name, value in kwargs.items():
        require(not isinstance(value, float) or isfinite(value), f"{key}.{name}", "must be finite", value)
