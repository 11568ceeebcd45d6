"""A user's own classes and functions, named by import path."""

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from hpsearch.config import ConfigError
from hpsearch.config.tree import nearest


def source_digest(key: str, path: str) -> str:
    """SHA-256 of the source file of the module that `package.module:name` names, found without running it.

    Args:
        key: The configuration key that holds the path, for messages.
        path: `package.module:name`.

    Raises:
        ConfigError: If there is no such module, or it has no source file.
    """
    module_name = path.partition(":")[0]
    _make_importable()
    try:
        found = importlib.util.find_spec(module_name)
    except ImportError:
        found = None
    if found is None or found.origin is None or not Path(found.origin).is_file():
        raise ConfigError(f"{key} must name a module with a source file, got {path!r} (searched {Path.cwd()})")
    return hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()


def _make_importable() -> str:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that a user's file never hides an installed package
    return here


def import_named(key: str, path: str) -> Any:
    """The object that `package.module:name` names; the current directory is importable.

    Args:
        key: The configuration key that holds the path, for messages.
        path: `package.module:name`.

    Raises:
        ConfigError: If the module cannot be imported or lacks the name.
    """
    module_name, _, name = path.partition(":")
    here = _make_importable()
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(f"{key} must name an importable module, got {path!r}: {error} (searched {here})") from error
    if not hasattr(module, name):
        hint = nearest(name, [known for known in dir(module) if not known.startswith("_")])
        raise ConfigError(f"{key} must name something in {module_name}, got {path!r}: it has no {name}: {hint}")
    return getattr(module, name)
