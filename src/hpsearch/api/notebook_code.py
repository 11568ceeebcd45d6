"""Stores classes and functions of a session as modules that worker processes can import.

Code from a notebook cell or a script exists in that process alone. Its source, with all it uses from the same session,
is stored as a module beside the sweeps, named by its content.
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
"""Subfolder of the folder of runs."""


def import_path_of(key: str, code: Any, directory: Path) -> str:
    """Return `package.module:name` of a class or function.

    Args:
        key: The configuration key it is given for.
        code: The class or function.
        directory: The folder of runs, where source code of the session is stored.

    Raises:
        ConfigError: If it is not at the top level of a module, or its source cannot be stored.
    """
    name, module = getattr(code, "__qualname__", ""), getattr(code, "__module__", "")
    if not name.isidentifier() or not callable(code):
        raise ConfigError(
            f"{key} must be an option, package.module:name, or a class or function at the top of a module, got {code!r}"
        )
    if module != "__main__":
        return f"{module}:{name}"
    if directory.is_absolute() or not all(part.isidentifier() for part in directory.parts):
        raise ConfigError(
            f"{key}: {name} is defined in this session, whose source is kept below tracking.directory={directory}, "
            f"which must be a folder of the current one with a name like an identifier: or put {name} in a file, and "
            f"give {key}='module:{name}'"
        )
    text = _module_source(key, code)
    stem = f"{name.lower()}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    path = directory / FOLDER / f"{stem}.py"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode())
        importlib.invalidate_caches()  # this process may have cached the folder's listing
    return f"{'.'.join([*directory.parts, FOLDER, stem])}:{name}"


def _module_source(key: str, code: Any) -> str:
    """Return a module that defines `code` with the imports, constants and definitions of its session that it uses."""
    session = vars(sys.modules["__main__"])
    definitions: dict[str, str] = {}
    imports: dict[str, str] = {}
    pending = [(code.__name__, code)]
    while pending:
        name, value = pending.pop()
        own = getattr(value, "__name__", name)
        if name in definitions or name in imports:
            continue
        if (statement := _import(name, value)) is not None:
            imports[name] = statement
        elif isinstance(value, type | types.FunctionType) and own not in (name, "<lambda>"):
            definitions[name] = f"{name} = {own}"
            pending.append((own, value))
        elif isinstance(value, type | types.FunctionType):
            definitions[name] = _source(key, value)
            pending += [(used, session[used]) for used in _names(definitions[name]) if used in session]
        elif _is_literal(value):
            imports[name] = f"{name} = {value!r}"
        else:
            raise ConfigError(
                f"{key}: {code.__name__} uses {name}, a {type(value).__name__} of this session, which has no source "
                f"to keep: put {code.__name__} in a file, and give {key}='module:{code.__name__}'"
            )
    return "\n".join([*sorted(imports.values()), "", *_in_order(definitions)])


def _source(key: str, code: Any) -> str:
    try:
        source = (_class_source(code) if isinstance(code, type) else None) or textwrap.dedent(inspect.getsource(code))
        ast.parse(source)
    except (OSError, TypeError, SyntaxError) as error:
        raise ConfigError(
            f"{key}: the source of {code.__name__} cannot be read ({error}): put it in a file, and give "
            f"{key}='module:{code.__name__}'"
        ) from error
    return source


def _class_source(cls: type) -> str | None:
    """Return the source of a class of the session; None if it cannot be located.

    `inspect` reads a class from its module's file, which a notebook lacks. A class with methods is found where these
    were compiled, one without as the last of its name among the cells, which are not in files.
    """
    own = [method for method in vars(cls).values() if isinstance(method, types.FunctionType)]
    compiled = [method.__code__ for method in own if method.__qualname__.startswith(f"{cls.__qualname__}.")]
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
            if not isinstance(node, ast.ClassDef) or node.name != cls.__name__:
                continue
            first, last = min([node.lineno, *(part.lineno for part in node.decorator_list)]), node.end_lineno or 0
            if not compiled or any(first <= code.co_firstlineno <= last for code in compiled):
                return textwrap.dedent("".join(lines[first - 1 : last]))
    return None


def _names(source: str) -> list[str]:
    """Return the names, sorted, that the source uses but does not define; without built-in ones."""
    names: set[str] = set()
    tables = [symtable.symtable(source, "<session>", "exec")]
    while tables:
        table = tables.pop()
        nested = table.get_type() != "module"
        for symbol in table.get_symbols():
            free = symbol.is_global() if nested else symbol.is_referenced() and not symbol.is_assigned()
            if free and not hasattr(builtins, symbol.get_name()):
                names.add(symbol.get_name())
        tables += table.get_children()
    return sorted(names)


def _import(name: str, value: Any) -> str | None:
    """Return the statement that imports a value as `name`; None if the session defined it."""
    if isinstance(value, types.ModuleType):
        return f"import {value.__name__}" if value.__name__ == name else f"import {value.__name__} as {name}"
    module, own = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or getattr(sys.modules.get(module), own, None) is not value or module == "__main__":
        return None
    return f"from {module} import {own}" + ("" if own == name else f" as {name}")


def _is_literal(value: Any) -> bool:
    """Return whether `repr` reproduces the value, identically in every process, unlike that of a set."""
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
    """Sort definitions so that each follows those it uses, such as base classes."""
    ordered: list[str] = []

    def add(name: str, users: tuple[str, ...] = ()) -> None:
        for used in _names(definitions[name]):
            if used in definitions and used != name and used not in users:
                add(used, (*users, name))
        if definitions[name] not in ordered:
            ordered.append(definitions[name])

    for name in definitions:
        add(name)
    return ordered
