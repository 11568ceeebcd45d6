"""Import of the user's classes and functions by path, and reporting of the errors that they raise."""

import importlib
import inspect
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpsearch.config import ConfigError
from hpsearch.config.conversion import nearest
from hpsearch.errors import HpsearchError


def make_importable() -> str:
    """Append the current directory to `sys.path`, and return it."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last, so that a user's file never shadows an installed package
    return here


def import_named(key: str, path: str) -> Any:
    """Return the object that `package.module:name` names; modules in the current directory can be imported.

    Args:
        key: The configuration key that holds the path, for messages.
        path: `package.module:name`.

    Raises:
        ConfigError: If the module cannot be imported or lacks the name.
    """
    module_name, _, name = path.partition(":")
    here = make_importable()
    try:
        with trying(f"{key} {path}", "being imported"):
            module = importlib.import_module(module_name)
    except ConfigError as error:
        missing = error.__cause__.name if isinstance(error.__cause__, ModuleNotFoundError) else None
        if missing is None or not f"{module_name}.".startswith(f"{missing}."):
            raise
        raise ConfigError(
            f"{key} must name an importable module, got {path!r}: {error.__cause__} (searched {here})"
        ) from error
    if not hasattr(module, name):
        hint = nearest(name, [public for public in dir(module) if not public.startswith("_")])
        raise ConfigError(f"{key} must name something in {module_name}, got {path!r}: it has no {name}: {hint}")
    return getattr(module, name)


def build_named(key: str, path: str, kwargs: Mapping[str, Any], offered: Mapping[str, Any]) -> Any:
    """Call the class or function that `package.module:name` names, and return its result.

    Args:
        key: The configuration group that holds the path, such as `model`.
        path: `package.module:name`.
        kwargs: Its keyword arguments.
        offered: Further keyword arguments, passed only if its signature has them.

    Raises:
        ConfigError: If it cannot be imported or called, or does not take these arguments.
    """
    build = import_named(f"{key}.import_path", path)
    if not callable(build):
        kind = type(build).__name__
        raise ConfigError(f"{key}.import_path must name a class, got {path!r}, a {kind}")
    signature = inspect.signature(build)
    arguments = {**{name: value for name, value in offered.items() if name in signature.parameters}, **kwargs}
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ConfigError(f"{key}.kwargs must suit {path}, got {dict(kwargs)!r}: {error}") from error
    with trying(f"{key}.import_path {path}", f"its constructor ({key}.kwargs={dict(kwargs)!r})"):
        return build(**arguments)


@contextmanager
def trying(who: str, what: str) -> Iterator[None]:
    """Turn whatever the user's code raises in the block into a `ConfigError` that says what was tried and where.

    Args:
        who: The configuration key and the import path, such as `model.import_path my_nets:Net`.
        what: What is being tried, such as `its constructor`.

    Raises:
        ConfigError: For any exception except our own errors and lack of memory, which pass unchanged.
    """
    try:
        yield
    except (HpsearchError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        if type(error).__name__ == "OutOfMemoryError":  # by name: this module must not import torch
            raise
        raise ConfigError(f"{who} fails in {what}: {described(error)}") from error


def described(error: BaseException) -> str:
    """Return type and message of an exception in one line, with the innermost line of the user's code it passed."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    if isinstance(error, SyntaxError):
        text, place = f"{type(error).__name__}: {error.msg}", (error.filename, error.lineno)
    else:
        frames = traceback.extract_tb(error.__traceback__)
        place = next(((x.filename, x.lineno) for x in reversed(frames) if _is_own(x.filename)), (None, None))
    return text if place[0] is None else f"{text} ({_relative(place[0])}, line {place[1]})"


def _is_own(filename: str) -> bool:
    """Return whether a file belongs to the user: neither installed, nor in the standard library, nor ours."""
    parts = Path(filename).parts
    ours = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"))
    installed = {"site-packages", "dist-packages"} & {*parts} or any(map(Path(filename).is_relative_to, ours))
    return not filename.startswith("<") and not installed


def _relative(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
