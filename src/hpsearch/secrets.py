"""What looks like a secret, replaced before it is stored, shown or raised.

A secret is the password or token in an address, or a value whose key says so. Nothing that a run leaves holds one:
configurations are masked where they become trees, commands where they are quoted, messages where they are raised.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

MASK = "***"
ADDRESS = "${oc.env:MLFLOW_TRACKING_URI}"
"""What a command says in place of an address with a password: the same, once the environment holds the address."""

_COUNTED = r"tokens?"  # `n_tokens=64` is a size
_WORDS = (
    rf"(?:passw(?:or)?ds?|passphrase|secrets?|credentials?|(?:api|access|private|secret|auth)[_-]?keys?|{_COUNTED}"
    r"|(?<![a-z])(?:pass|pwd|pw))[_-]?\d*"
)
_KEY = re.compile(rf"{_WORDS}$", re.IGNORECASE)
_COUNT_KEY = re.compile(rf"{_COUNTED}[_-]?\d*$", re.IGNORECASE)
_ASSIGNMENT = re.compile(
    rf"(?<![\w.-])(?P<key>[\w.-]*{_WORDS})(?![\w.-])(?P<sign>\\?[\"']?[ \t]*(?:[:!]?=+>?|:)[ \t]*"
    r"(?:[\w.]+(?:\[[^]\n]*\])?(?:[ \t]*\|[ \t]*\w+)*[ \t]*=[ \t]*)?)"  # of `password: str = …`
    r"(?P<value>\\\"[^\"]*\\\"|\"[^\"\n]*\"?|'[^'\n]*'?|[^\s,;&}\])\"']+)",
    re.IGNORECASE,
)
_NO_SECRET = ("${", MASK, "…")
"""Beginnings of what stands in the place of a secret."""
_ISSUED = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END[^\n]*|\Z)"
    r"|\b(?:gh[oprsu]_\w{20,}|github_pat_\w{20,}|hf_\w{20,}|sk-[\w-]{20,}|xox[abps]-[\w-]{10,}|AKIA[0-9A-Z]{16})\b",
    re.DOTALL,
)
"""Keys and tokens that are told by how they begin."""
_SCHEME = r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
_WHOLE_URI = re.compile(rf"{_SCHEME}(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_URI = re.compile(rf"(?<![a-z0-9+.-]){_SCHEME}(?P<rest>[^\s\"'<>`]*)", re.IGNORECASE)
_QUERY = re.compile(rf"(?P<head>[?&;](?:[\w.%-]*{_WORDS}|odbc_connect|sig|[\w.%-]*signature)=)[^&#\s]*", re.IGNORECASE)
_OVERRIDE = re.compile(r"(?P<key>\+{0,2}[\w./@~-]+)=(?P<value>.*)", re.DOTALL)
_MASKED_URI = re.compile(r"://\S*\*{3}")
_FILES = ("sqlite", "file")
_DATABASES = ("postgres", "postgresql", "mysql", "mariadb", "mssql", "oracle")


def mask_secrets(tree: Any) -> Any:
    """A copy of nested dictionaries and lists without secrets: values of keys that look like one, and addresses'."""
    if isinstance(tree, dict):
        return {key: _hidden(value, _kind(str(key))) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [mask_secrets(item) for item in tree]
    return mask_uri(tree) if isinstance(tree, str) else tree


def mask_uri(text: str) -> str:
    """A text that is or holds addresses, without their passwords, tokens and secret parameters.

    Of a database's address the user is left, of any other one nothing before the host, since a token is its user.
    """
    whole = _WHOLE_URI.fullmatch(text)
    return _without_login(whole) if whole else _URI.sub(_without_login, text)


def mask_text(text: str) -> str:
    """Free text without `password: …`, `token=…` and the like, and without the secrets of addresses in it."""
    return _ASSIGNMENT.sub(_without_value, _URI.sub(_without_login, _ISSUED.sub(MASK, text)))


def mask_override(word: str) -> str:
    """One word of a command line that still runs: what is secret is read from the environment, where it can be.

    `tracking.uri=postgresql://me:pw@host/db` becomes `tracking.uri=${oc.env:MLFLOW_TRACKING_URI}`, and
    `model.kwargs.api_key=…` becomes `model.kwargs.api_key=${oc.env:API_KEY}`.
    """
    found = _OVERRIDE.fullmatch(word)
    if found is None:
        return mask_text(word)
    key, value = found["key"], found["value"]
    bare = value.strip("\"' ")
    if bare.startswith(_NO_SECRET):
        return word
    if key.endswith("tracking.uri") and mask_uri(bare) != bare:
        return f"{key}={ADDRESS}"
    last = re.split(r"[./]", key)[-1]
    if _hidden(_scalar(bare), _kind(last)) == MASK:
        return f"{key}=${{oc.env:{re.sub('[^A-Z0-9_]', '_', last.upper())}}}"
    masked = mask_uri(bare)
    return f"{key}={mask_text(value if masked == bare else masked)}"


def secret_texts(tree: Any) -> set[str]:
    """The texts that `mask_secrets` hides: what own code may repeat in a message without saying what it is."""
    return {text for _, text, hidden in _leaves(tree, mask_secrets(tree)) if hidden == MASK and text}


def masked_keys(tree: Any) -> list[str]:
    """The keys whose value is no secret but what was put in the place of one."""
    return [
        key
        for key, text, hidden in _leaves(tree, mask_secrets(tree))
        if (text == hidden == MASK and any(map(_kind, key.split(".")))) or _MASKED_URI.search(text)
    ]


def filled(stored: Any, given: Any) -> Any:
    """A stored tree with the secrets of another one, as far as that holds what the stored one was masked from."""
    if isinstance(stored, dict) and isinstance(given, dict):
        return {key: filled(value, given.get(key)) for key, value in stored.items()}
    secret = isinstance(stored, str) and MASK in stored
    return given if secret and given is not None else stored


def _leaves(tree: Any, masked: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Key, text and masked text of everything below that is text, or was masked."""
    if isinstance(tree, dict) and isinstance(masked, dict):
        for key, value in tree.items():
            yield from _leaves(value, masked[key], f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list | tuple) and isinstance(masked, list):
        for item, hidden in zip(tree, masked, strict=True):
            yield from _leaves(item, hidden, path)
    elif isinstance(tree, str) or masked == MASK:
        yield path, str(tree), masked


@lru_cache(maxsize=4096)  # a driver makes several trees of every trial
def _kind(key: str) -> str:
    """`secret`, `count` where numbers are none, or nothing."""
    return "count" if _COUNT_KEY.search(key) else "secret" if _KEY.search(key) else ""


def _hidden(value: Any, kind: str) -> Any:
    """The value of a key of this kind."""
    if not kind or isinstance(value, bool) or value is None or value == "":
        return mask_secrets(value)
    if isinstance(value, dict):
        return {key: _hidden(item, kind) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(item, kind) for item in value]
    return value if kind == "count" and isinstance(value, int | float) else MASK


def _scalar(text: str) -> Any:
    """What a word says, as far as it matters here: nothing, a number, or text."""
    if text.lower() in ("", "null", "none", "true", "false"):
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _without_value(found: re.Match[str]) -> str:
    value = found["value"].strip("\\\"'")
    if value.startswith(_NO_SECRET) or _hidden(_scalar(value), _kind(found["key"])) != MASK:
        return found[0]
    return f"{found['key']}{found['sign']}{MASK}"


def _without_login(found: re.Match[str]) -> str:
    scheme, rest = found["scheme"], found["rest"]
    base = scheme.lower().partition("+")[0]
    if base in _FILES:
        return found[0]
    login, at, place = rest.rpartition("@")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A slash in a password ends what a reader of addresses takes for the host; an `@` in a path is not the login's.
    if not at or not ("@" in host or ":" in host or base in _DATABASES):
        return f"{scheme}://{_without_parameters(rest)}"
    user, colon, _ = login.partition(":")
    hidden = (f"{user}:{MASK}" if colon else user) if base in _DATABASES else MASK
    return f"{scheme}://{hidden}@{_without_parameters(place)}"


def _without_parameters(text: str) -> str:
    return _QUERY.sub(rf"\g<head>{MASK}", text)
