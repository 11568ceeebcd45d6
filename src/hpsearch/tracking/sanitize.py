"""Make arbitrary names and values safe for MLflow, and make every cut visible.

MLflow truncates long tags and params silently, refuses metric and tag names with some characters, and accepts any text
as the name of an experiment (3.17).
"""

import functools
import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from hpsearch.secrets import mask_secrets

T = TypeVar("T")

NAME_LENGTH = 120
"""Maximum length of an experiment's or run's name, in characters: MLflow accepts 500, its pages show about this
many."""

KEY_LENGTH = 250

TAG_LENGTH = 8000

PARAM_LENGTH = 6000

NOTE_LENGTH = 20_000
"""Maximum length of an experiment's tag, which holds its description."""

METRICS_PER_BATCH = 1000

PARAMS_PER_BATCH = 100


def digest(text: str) -> str:
    """Return the SHA-256 of the text, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def clip(text: str, limit: int) -> str:
    """Shorten the text to at most `limit` characters; a cut is marked with the length and digest of the whole."""
    text = text.encode("utf-8", "replace").decode()
    if len(text) <= limit:
        return text
    mark = f"… [{len(text)} characters, sha256 {digest(text)[:12]}]"
    return text[: limit - len(mark)] + mark


def display_name(name: str) -> str:
    """Return a printable one-line name of at most `NAME_LENGTH` characters; different names stay different."""
    line = "".join(c if c.isprintable() else " " for c in name).strip()
    if line == name and 0 < len(name) <= NAME_LENGTH:
        return name
    return f"{line[: NAME_LENGTH - 10].rstrip()} ~{digest(name)[:8]}".strip()


@functools.lru_cache(maxsize=4096)  # each trial logs about 100 names, which all trials of a sweep share
def key_name(key: str) -> str:
    """Return a key that MLflow accepts for metric, param or tag: at most `KEY_LENGTH` letters, digits and `_-. :/`.

    The `@` of metrics becomes a colon: `val/recall@fraud` is `val/recall:fraud` there.
    """
    key = key.replace("@", ":")
    safe = re.sub(r"[^\w./ :-]", "_", key)
    parts = [part for part in safe.split("/") if part.strip(".")]
    safe = "/".join(parts)
    if safe == key and 0 < len(key) <= KEY_LENGTH:
        return key
    return f"{safe[: KEY_LENGTH - 10]}~{digest(key)[:8]}".replace("~", "-").lstrip("-")


def param_text(value: Any) -> str:
    """Format a value as in YAML and on the command line: `true`, `null`, `0.001`, `[100, 50]`."""
    if isinstance(value, str):
        return clip(value, PARAM_LENGTH)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return clip(json.dumps(value, ensure_ascii=False), PARAM_LENGTH)


def tag_texts(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags of a run with safe keys, visibly clipped values and masked secrets."""
    return {key_name(key): clip(value, TAG_LENGTH) for key, value in mask_secrets(dict(tags)).items()}


def batches(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the items in lists of at most `size`."""
    rows = list(items)
    return (rows[i : i + size] for i in range(0, len(rows), size))
