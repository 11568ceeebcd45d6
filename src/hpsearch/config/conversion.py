"""Conversion of nested dictionaries to configuration dataclasses and back, with all mistakes reported at once."""

import contextlib
import functools
import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Annotated, Any, TypeVar

from hpsearch.config.bounds import EXACT, null_word, shown
from hpsearch.config.option import Option
from hpsearch.errors import ConfigError
from hpsearch.quoting import list_override
from hpsearch.secrets import mask_secrets

T = TypeVar("T")

_SCALARS = frozenset((str, int, float, bool, types.NoneType))

_TYPE_NAMES = {
    dict: "keys and values", int: "a whole number", float: "a number", str: "text", bool: "true or false",
    types.NoneType: "null",
}  # fmt: skip


def nearest(word: str, known: typing.Iterable[str]) -> str:
    """Names the closest known words, or all of them if none is close, for messages."""
    known = sorted(known)
    matches = get_close_matches(word.lower(), dict.fromkeys(each.lower() for each in known), n=3, cutoff=0.6)
    if close := [each for match in matches for each in known if each.lower() == match]:
        return f"did you mean {' or '.join(close)}?"
    return f"known here: {', '.join(known) or 'none'}"


def one_of(key: str, word: str, known: typing.Iterable[str]) -> str:
    """The sentence about an unknown word; it suggests the closest known one, if any is close."""
    known = sorted(known)
    hint = nearest(word, known)
    asks = f": {hint}" if hint.startswith("did") else ""
    return f"{key} must be one of {', '.join(known)}, got {shown(word)}{asks}"


def build(cls: type[T], tree: object, path: str, problems: list[str], option: str = "") -> T | None:
    """An instance of the dataclass `cls` from a nested dictionary.

    Args:
        cls: A dataclass whose annotations are scalars, enums, lists, dictionaries, dataclasses, or unions of them.
        tree: The dictionary; it must have all fields of `cls` without a default.
        path: The dotted key of `tree`, for messages.
        problems: One sentence per mistake is appended.
        option: The option of `tree`, such as `optimizer=adam`, for messages.

    Returns:
        The instance, or None if there are mistakes.
    """
    if not isinstance(tree, dict):
        problems.append(f"{path} must hold keys and values, got {shown(tree)}")
        return None
    before = len(problems)
    hints = typing.get_type_hints(cls, include_extras=True)
    known = {f.name: f for f in fields(cls) if f.init}  # type: ignore[arg-type]  # T is a dataclass by contract
    for key in tree:
        if key not in known:
            problems.append(f"{_join(path, key)} is not a key: {nearest(str(key), known)}")
    values = {}
    for name, field in known.items():
        if name in tree:
            values[name] = convert(hints[name], tree[name], _join(path, name), problems)
        elif field.default is MISSING and field.default_factory is MISSING:
            needed = f": {option} needs it" if option else ""
            problems.append(f"{_join(path, name)} must be given{needed}")
    if len(problems) > before:
        return None
    try:
        return cls(**values)
    except ConfigError as error:
        problems.extend(error.problems)
        return None


def convert(hint: Any, value: object, path: str, problems: list[str]) -> Any:
    """The value as the annotated type; a mismatch is appended to `problems` as a sentence."""
    plain, *notes = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
    if value == null_word(notes) != "null":
        return None
    if EXACT not in notes or type(value) in typing.get_args(plain):
        with contextlib.suppress(TypeError, ValueError):
            return _convert(plain, value, path, problems)
    problems.append(f"{path} must be {describe(hint)}, got {shown(value)}{_way_out(plain, value, path)}")
    return None


def _way_out(hint: Any, value: object, path: str) -> str:
    """Advice for a value that Hydra parsed as another type."""
    hints = typing.get_args(hint) if typing.get_origin(hint) is types.UnionType else (hint,)
    if str in hints:
        return "; put it in quotes"
    if list[str] in hints and isinstance(value, list):
        return f"; put an item that reads as a number in quotes: {list_override(path, ['1e5'])}"
    if list[str] in hints and type(value) in (str, int):
        return f"; write {list_override(path, [str(value)])}"
    return ""


def _convert(hint: Any, value: object, path: str, problems: list[str]) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _convert_union(args, value, path, problems)
    if origin is list:
        if not isinstance(value, list):
            raise TypeError
        return [_convert(args[0], item, f"{path}[{i}]", problems) for i, item in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise TypeError
        if len(set(map(str, value))) < len(value):
            problems.append(f"{path} must not name a key twice, as a number and as text, got {list(value)}")
        return {str(key): convert(args[1], item, f"{path}.{key}", problems) for key, item in value.items()}
    if is_dataclass(hint):
        return build(typing.cast("type[Any]", hint), value, path, problems)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    return _convert_scalar(hint, value)


def _convert_union(args: tuple[Any, ...], value: object, path: str, problems: list[str]) -> Any:
    if type(None) in args and value is None:
        return None
    inner = [arg for arg in args if arg is not type(None)]
    if type(value) in inner:  # 1.0 stays a share where both counts and shares are allowed
        return value
    for arg in inner[:-1]:
        try:
            return _convert(arg, value, path, problems)
        except (TypeError, ValueError):
            continue
    return _convert(inner[-1], value, path, problems)


def _convert_scalar(hint: Any, value: object) -> Any:
    if hint is Any or (type(value) is hint):
        return value
    if hint is float and type(value) is int:
        return float(value)
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if hint is str and type(value) is int:  # not floats, whose notation is lost: 1e5 became 100000.0
        return str(value)
    raise TypeError


def to_tree(value: Any) -> Any:
    """Dataclasses, enums, lists and dictionaries as plain dictionaries, lists and scalars."""
    kind = type(value)
    if kind in _SCALARS:  # fast path: a driver makes several trees of every trial
        return value
    names = _field_names(kind)  # type: ignore[arg-type]  # mypy takes classes for unhashable
    if names is not None:
        return {name: to_tree(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {key: to_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_tree(item) for item in value]
    return value


def fingerprinted_tree(option: Option) -> dict[str, Any]:
    """The fingerprinted keys of an option: those that differ from `fingerprint_defaults`, with secrets masked."""
    defaults = option.fingerprint_defaults
    tree = {key: value for key, value in to_tree(option).items() if key not in defaults or value != defaults[key]}
    fingerprinted: dict[str, Any] = mask_secrets(tree)
    return fingerprinted


@functools.cache
def _field_names(kind: type[Any]) -> tuple[str, ...] | None:
    return tuple(f.name for f in fields(kind) if f.init) if is_dataclass(kind) else None


def describe(hint: Any) -> str:
    """Describes the values of an annotation, for messages."""
    if typing.get_origin(hint) is Annotated:
        inner, *notes = typing.get_args(hint)
        return describe(inner).replace(" or null", f" or {null_word(notes)}")
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "one of " + ", ".join(str(member.value) for member in hint)
    args = typing.get_args(hint)
    if typing.get_origin(hint) is list:
        return f"a list, each item {describe(args[0])}"
    if args and typing.get_origin(hint) is not dict:
        return " or ".join(describe(arg) for arg in args)
    if is_dataclass(hint):
        return "{" + ", ".join(f"{each.name}: ..." for each in fields(hint)) + "}"
    return _TYPE_NAMES.get(typing.get_origin(hint) or hint, str(hint))


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)
