"""A user's own classes and functions, named by import path."""

import importlib
import sys
from pathlib import Path
from typing import Any

from hpsearch.config import ConfigError


def import_named(key: str, path: str) -> Any:
    """The object that `package.module:name` names; the current directory is importable.

    Whether the configuration may import code at all (`trust`) is for the caller to decide.

    Args:
        key: The configuration key that holds the path, for messages.
        path: `package.module:name`.

    Raises:
        ConfigError: If the module cannot be imported or lacks the name.
    """
    module_name, _, name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that a user's file never hides an installed package
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"{key} must name an importable module, got {path!r}: {error} (searched {here})") from error
    if not hasattr(module, name):
        raise ConfigError(f"{key} must name something in {module_name}, got {path!r}: {module.__file__} has no {name}")
    return getattr(module, name)
