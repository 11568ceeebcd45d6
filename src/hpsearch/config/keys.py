"""What the keys of a configuration hold, whichever options are chosen."""

import types
import typing
from dataclasses import is_dataclass
from typing import Annotated, Any

from hpsearch.config.run import KINDS, Config


def takes_text(key: str) -> bool:
    """Whether the dotted key holds text in some option, so that `1e5` or `true` are meant as they are typed."""
    group, *names = key.split(".")
    holders: list[Any] = list(KINDS[group].values()) if group in KINDS else [Config]
    path = names if group in KINDS else [group, *names]
    for name in path:
        hints = [typing.get_type_hints(holder, include_extras=True) for holder in holders if is_dataclass(holder)]
        holders = [_plain(found[name]) for found in hints if name in found]
    return bool(path) and str in holders


def _plain(hint: Any) -> Any:
    """Without notes and without null."""
    if typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return next(arg for arg in typing.get_args(hint) if arg is not types.NoneType)
    return hint
