"""Classes and functions that a session defines, as modules that worker processes can import.

What is defined in a notebook's cell or in a script lives in that process alone. Its source, and that of what it uses
from the same session, is kept as a module beside the sweeps, named by its content.
"""

import ast
import builtins
import hashlib
import importlib
import inspect
import linecache
import math
import symtable
import sys
import textwrap
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpsearch.config import ConfigError
from hpsearch.store.atomic_files import write_atomic

FOLDER = "code"
"""Below the folder of runs."""


def import_path_of(key: str, what: Any, directory: Path) -> str:
    """`package.module:name` of a class or function.

    Args:
        key: What it is given for, for messages.
        what: The class or function.
        directory: The folder of runs, below which the source of a session is kept.

    Raises:
        ConfigError: If it has no name of its own, or its source cannot be kept.
    """
    name, module = getattr(what, "__qualname__", ""), getattr(what, "__module__", "")
    if not name.isidentifier() or not callable(what):
        raise ConfigError(
            f"{key} must be an option, package.module:name, or a class or function at the top of a module, got {what!r}"
        )
    if module != "__main__":
        return f"{module}:{name}"
    if directory.is_absolute() or not all(part.isidentifier() for part in directory.parts):
        raise ConfigError(
            f"{key}: {name} is defined in this session, whose source is kept below tracking.directory={directory}, "
            f"which must be a folder of the current one with a name like an identifier: or put {name} in a file, and "
            f"give {key}='module:{name}'"
        )
    text = source_of(key, what)
    stem = f"{name.lower()}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    path = directory / FOLDER / f"{stem}.py"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode())
        importlib.invalidate_caches()  # this process may have listed the folder a moment ago
    return f"{'.'.join([*directory.parts, FOLDER, stem])}:{name}"


def source_of(key: str, what: Any) -> str:
    """A module that defines `what`, with the imports, constants and definitions of its session that it uses.

    Raises:
        ConfigError: If it uses something that has no source, such as a tensor that the session has made.
    """
    session = vars(sys.modules["__main__"])
    definitions: dict[str, str] = {}
    imports: dict[str, str] = {}
    waiting = [(what.__name__, what)]
    while waiting:
        name, value = waiting.pop()
        own = getattr(value, "__name__", name)
        if name in definitions or name in imports:
            continue
        if (statement := _import(name, value)) is not None:
            imports[name] = statement
        elif isinstance(value, type | types.FunctionType) and own not in (name, "<lambda>"):
            definitions[name] = f"{name} = {own}"
            waiting.append((own, value))
        elif isinstance(value, type | types.FunctionType):
            definitions[name] = _source(key, value)
            waiting += [(used, session[used]) for used in _names(definitions[name]) if used in session]
        elif _is_literal(value):
            imports[name] = f"{name} = {value!r}"
        else:
            raise ConfigError(
                f"{key}: {what.__name__} uses {name}, a {type(value).__name__} of this session, which has no source "
                f"to keep: put {what.__name__} in a file, and give {key}='module:{what.__name__}'"
            )
    return "\n".join([*sorted(imports.values()), "", *_in_order(definitions)])


def _source(key: str, what: Any) -> str:
    try:
        source = (_class_source(what) if isinstance(what, type) else None) or textwrap.dedent(inspect.getsource(what))
        ast.parse(source)
    except (OSError, TypeError, SyntaxError) as error:
        raise ConfigError(
            f"{key}: the source of {what.__name__} cannot be read ({error}): put it in a file, and give "
            f"{key}='module:{what.__name__}'"
        ) from error
    return source


def _class_source(found: type) -> str | None:
    """The source of a class of a session; None if it is not known.

    `inspect` looks into the file of its module, and that of a notebook has none. A class with methods stands where they
    were compiled; one without is the last of its name among the cells, which no file holds.
    """
    own = [method for method in vars(found).values() if isinstance(method, types.FunctionType)]
    compiled = [each.__code__ for each in own if each.__qualname__.startswith(f"{found.__qualname__}.")]
    cells = [code.co_filename for code in compiled] or [
        name for name in reversed(linecache.cache) if not Path(name).exists()
    ]
    for name in cells:
        lines = linecache.getlines(name)
        try:
            tree = ast.parse("".join(lines))
        except SyntaxError:  # a cell that never ran
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef) or node.name != found.__name__:
                continue
            first, last = min([node.lineno, *(each.lineno for each in node.decorator_list)]), node.end_lineno or 0
            if not compiled or any(first <= code.co_firstlineno <= last for code in compiled):
                return textwrap.dedent("".join(lines[first - 1 : last]))
    return None


def _names(source: str) -> list[str]:
    """Names that the source looks up outside of itself, in order; built-in ones are left out."""
    found: list[str] = []
    tables = [symtable.symtable(source, "<session>", "exec")]
    while tables:
        table = tables.pop()
        within = table.get_type() != "module"
        for symbol in table.get_symbols():
            outside = symbol.is_global() if within else symbol.is_referenced() and not symbol.is_assigned()
            if outside and not hasattr(builtins, symbol.get_name()):
                found.append(symbol.get_name())
        tables += table.get_children()
    return sorted(set(found))


def _import(name: str, value: Any) -> str | None:
    """The statement that imports a value under its name in the session; None if it was defined there."""
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__}" if value.__name__ == name else f"import {value.__name__} as {name}"
    module, own = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or getattr(sys.modules.get(module), own, None) is not value or module == "__main__":
        return None
    return f"from {module} import {own}" + ("" if own == name else f" as {name}")


def _is_literal(value: Any) -> bool:
    """Whether its `repr` says all of it, in the same words in every process: that of a set does not."""
    match value:
        case float():
            return math.isfinite(value)
        case None | bool() | int() | str() | bytes():
            return True
        case tuple() | list():
            return all(map(_is_literal, value))
        case Mapping():
            return type(value) is dict and all(map(_is_literal, [*value.keys(), *value.values()]))
    return False


def _in_order(definitions: Mapping[str, str]) -> list[str]:
    """Definitions with those that others use, such as their bases, before them."""
    ordered: list[str] = []

    def add(name: str, within: tuple[str, ...] = ()) -> None:
        for used in _names(definitions[name]):
            if used in definitions and used != name and used not in within:
                add(used, (*within, name))
        if definitions[name] not in ordered:
            ordered.append(definitions[name])

    for name in definitions:
        add(name)
    return ordered
