"""Digest of the user's module and of the local files it imports, found without running any of them."""

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
from types import CodeType, FunctionType

from hpsearch.config import ConfigError
from hpsearch.import_path import make_importable


def source_digest(key: str, path: str) -> str:
    """Return the SHA-256 of the source of the module that `package.module:name` names, including its local imports.

    If the module imports nothing from its own folder or package, this is the digest of its file; otherwise it covers
    the digests of all these files by name, transitively. Installed packages are excluded, unless the module itself is
    installed: then its own package is covered.

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


def local_modules(path: str) -> list[str]:
    """Return the names of a module of the user's own and of all modules of its folder or package that it imports.

    Empty for an installed module, which is no file of the user's.

    Args:
        path: `package.module:name`.
    """
    name = path.partition(":")[0]
    origin = _origin(name)
    if origin is None or {"site-packages", "dist-packages"} & {*origin.parts}:
        return []
    return sorted(module for module in _with_imports(name, origin) if module in sys.modules)


def changed_since_import(path: str) -> list[str]:
    """Return the files of a module, and of its local imports, whose functions are not those that this process holds.

    A long session keeps what it has imported, whatever becomes of the file; worker processes import the file of now.

    Args:
        path: `package.module:name`.
    """
    name = path.partition(":")[0]
    origin = _origin(name)
    files = {} if origin is None else _with_imports(name, origin)
    return [str(file) for module, file in sorted(files.items()) if module in sys.modules and _is_stale(module, file)]


def _is_stale(module: str, file: Path) -> bool:
    """Whether a function of the loaded module is compiled from other source than the file's."""
    loaded = [code for value in vars(sys.modules[module]).values() for code in _codes_of(value, str(file))]
    compiled, pending = set(), [compile(file.read_bytes(), str(file), "exec", dont_inherit=True)]
    while pending:
        code = pending.pop()
        compiled.add(code)
        pending += [each for each in code.co_consts if isinstance(each, CodeType)]
    return not compiled.issuperset(loaded)


def _codes_of(value: object, file: str) -> list[CodeType]:
    """Return the code of a function, or of a class's methods, that was compiled from this file."""
    functions = vars(value).values() if isinstance(value, type) else [value]
    codes = [each.__code__ for each in functions if isinstance(each, FunctionType)]
    return [code for code in codes if code.co_filename == file]


def _with_imports(name: str, origin: Path) -> dict[str, Path]:
    """Return the files, by module name, of a module and of all modules of its folder or package that it imports."""
    depth = name.count(".") + (origin.name == "__init__.py")
    files, pending = {name: origin}, [name]
    while pending:
        module = pending.pop()
        for imported in _imported(module, files[module]):
            if imported not in files and (file := _local(imported, name, origin.parents[depth])):
                files[imported] = file
                pending.append(imported)
    return files


def _local(name: str, root: str, folder: Path) -> Path | None:
    """Return the file of a module in this folder, or in the package of the module `root`; None for any other."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "hpsearch" or (file := _origin(name)) is None:
        return None
    if not file.is_relative_to(folder):
        return None
    installed = "site-packages" in file.parts or "dist-packages" in file.parts
    return file if not installed or top == root.partition(".")[0] else None


def _imported(name: str, file: Path) -> Iterator[str]:
    """Yield the names that a file imports and that may be modules, each after the packages that contain it."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return  # importing it later raises an error with the location
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
    """Return the source file of a module, or None if there is none; parent packages are not executed."""
    top, *parts = name.split(".")
    try:
        spec: ModuleSpec | None = importlib.util.find_spec(top)
    except ValueError:  # a module that was created without a file
        return None
    for part in parts:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = _within(list(spec.submodule_search_locations), part)
    file = Path(spec.origin) if spec is not None and spec.origin is not None else None
    return file if file is not None and file.is_file() else None
