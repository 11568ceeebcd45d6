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


def require_finite(key: str, value: float) -> None:
    """Refuse infinity and NaN."""
    require(isfinite(value), key, "must be finite", value)


def require_positive(key: str, value: float) -> None:
    """Refuse zero, negative and non-finite values."""
    require(0 < value < float("inf"), key, "must be > 0 and finite", value)


def require_share(key: str, value: float) -> None:
    """Refuse what does not lie in [0, 1)."""
    require(0 <= value < 1, key, "must lie in [0, 1)", value)


def require_import_path(key: str, path: str) -> None:
    """Refuse what does not read as `package.module:name`."""
    module, _, name = path.partition(":")
    valid = bool(module) and all(part.isidentifier() for part in [*module.split("."), name])
    require(valid, key, "must read as package.module:name", path)


def require_kwargs(key: str, kwargs: Mapping[str, Any]) -> None:
    """Refuse keyword arguments for the user's own code that are infinite or NaN."""
    for name, value in kwargs.items():
        if isinstance(value, float):
            require_finite(f"{key}.{name}", value)
