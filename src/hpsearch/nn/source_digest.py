"""Which of the user's files their module consists of, found without running any."""

import ast
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from itertools import accumulate
from pathlib import Path
from pkgutil import get_importer

from hpsearch.config import ConfigError
from hpsearch.nn.import_path import make_importable


def source_digest(key: str, path: str) -> str:
    """SHA-256 of the source of the module that `package.module:name` names, and of what it imports beside itself.

    Of a module that imports nothing from its own folder or package it is that of its file; otherwise that of the
    digests of all these files by name, those included that they import in turn. What is installed is not covered,
    unless the module itself is: then its package is.

    Args:
        key: The configuration key that holds the path, for messages.
        path: `package.module:name`.

    Raises:
        ConfigError: If there is no such module, or it has no source file.
    """
    name = path.partition(":")[0]
    make_importable()
    origin = _origin(name)
    if origin is None:
        raise ConfigError(f"{key} must name a module with a source file, got {path!r} (searched {Path.cwd()})")
    files = _with_imports(name, origin)
    digests = {module: hashlib.sha256(file.read_bytes()).hexdigest() for module, file in sorted(files.items())}
    if len(digests) == 1:
        return digests[name]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _with_imports(name: str, origin: Path) -> dict[str, Path]:
    """By name, the file of a module and those of all modules of its folder or package that it needs."""
    depth = name.count(".") + (origin.name == "__init__.py")
    found, waiting = {name: origin}, [name]
    while waiting:
        module = waiting.pop()
        for imported in _imported(module, found[module]):
            if imported not in found and (file := _local(imported, name, origin.parents[depth])):
                found[imported] = file
                waiting.append(imported)
    return found


def _local(name: str, root: str, folder: Path) -> Path | None:
    """The file of a module in this folder, or in the package of the module `root`; None for any other."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "hpsearch" or (file := _origin(name)) is None:
        return None
    if not file.is_relative_to(folder):
        return None
    installed = "site-packages" in file.parts or "dist-packages" in file.parts
    return file if not installed or top == root.partition(".")[0] else None


def _imported(name: str, file: Path) -> Iterator[str]:
    """Names that may be modules which a file imports, each after the packages that it lies in."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return  # importing it will fail, and say where
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            above = ".".join(filter(None, [*parts, node.module]))
            modules = [above, *(f"{above}.{alias.name}" for alias in node.names)]
        else:
            continue
        for module in filter(None, modules):
            yield from accumulate(module.split("."), "{}.{}".format)


def _within(folders: list[str], name: str) -> ModuleSpec | None:
    """A module of a package that lies in these folders; a folder without `__init__.py` is one, too."""
    specs = [spec for folder in folders if (finder := get_importer(folder)) and (spec := finder.find_spec(name))]
    with_source = [spec for spec in specs if spec.loader is not None]
    # `PathFinder` would do the same, but for folders within folders, of which it asks that the outer one be imported.
    return next(iter([*with_source, *specs]), None)


def _origin(name: str) -> Path | None:
    """The source file of a module; None if there is none. Packages on the way are not run."""
    top, *parts = name.split(".")
    try:
        spec: ModuleSpec | None = importlib.util.find_spec(top)
    except ValueError:  # of what was made without a file
        return None
    for part in parts:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = _within(list(spec.submodule_search_locations), part)
    file = Path(spec.origin) if spec is not None and spec.origin is not None else None
    return file if file is not None and file.is_file() else None
