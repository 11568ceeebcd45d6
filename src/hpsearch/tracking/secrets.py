"""What looks like a secret, replaced by stars before it is stored or shown."""

import re
from typing import Any

MASK = "***"
_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)|token|secret|api_?key|access_?key|private_?key|credential", re.IGNORECASE
)
_URI_PASSWORD = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/@]+(?=@)", re.IGNORECASE)
_ASSIGNMENT = re.compile(
    rf"(?P<head>[\w.-]*(?:{_SECRET_KEY.pattern})[\w.-]*[\"']?\s*[:=]\s*)(?P<value>[^\s,}}\]]+)", re.IGNORECASE
)


def mask_secrets(tree: Any) -> Any:
    """A copy of nested dictionaries and lists without secrets: values of keys that look like one, passwords in URIs."""
    if isinstance(tree, dict):
        return {key: _mask_entry(key, value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [mask_secrets(item) for item in tree]
    return mask_uri(tree) if isinstance(tree, str) else tree


def mask_uri(text: str) -> str:
    """The text with the password of every `scheme://user:password@host` in it replaced."""
    return _URI_PASSWORD.sub(rf"\g<head>{MASK}", text)


def mask_text(text: str) -> str:
    """The text with `password: …`, `token=…` and the like, and passwords of URIs, replaced."""
    return _ASSIGNMENT.sub(rf"\g<head>{MASK}", mask_uri(text))


def _mask_entry(key: object, value: Any) -> Any:
    if value is not None and value != "" and _SECRET_KEY.search(str(key)):
        return MASK
    return mask_secrets(value)
