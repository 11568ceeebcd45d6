"""Masking of secrets before they are stored, shown or raised.

A secret is a password or token in a URI or after `Bearer`, or a string with a telling key. Numbers are none, since
hyperparameters must distinguish sweeps. Configurations are masked when they become trees, commands when they are
quoted, messages when they are raised. All secrets have the same mask, since a digest would confirm guesses; so sweeps
do not differ by their secrets.
"""

import base64
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

MASK = "***"

ADDRESS = "${oc.env:MLFLOW_TRACKING_URI}"
"""Replaces a URI with a password in commands, which still work if the environment variable is set."""

_SPECIAL = ("n", "num", "max", "min", "pad", "eos", "bos", "unk", "cls", "sep", "mask", "special")

_TOKEN = (
    "".join(rf"(?<!(?<![a-z]){word}[_-])" for word in _SPECIAL) + r"tokens?"
)  # `n_tokens` is a size, `pad_token` is data

_PROSE = rf"(?:{_TOKEN}|secrets?|credentials?|bearer|(?<![a-z])o?auth|authorization|(?<![a-z0-9_-])pass)"
"""Words for secrets that are also ordinary words."""

_WORDS = (
    rf"(?:passw(?:or)?ds?|passphrase|(?:api|access|private|secret|auth)[_-]?keys?|{_PROSE}"
    r"|(?<![a-z0-9])(?:db|database|user|admin|root|mail|smtp|ftp|ssh|proxy|login)[_-]?pass|(?<![a-z])(?:pwd|pw))[_-]?\d*"
)

_KEY = re.compile(rf"{_WORDS}$", re.IGNORECASE)
_PROSE_KEY = re.compile(rf"(?:{_PROSE})$", re.IGNORECASE)
_TOKEN_KEY = re.compile(rf"{_TOKEN}[_-]?\d*$", re.IGNORECASE)

_ASSIGNMENT = re.compile(
    rf"(?<![\w.-])(?P<key>[\w.-]*{_WORDS})(?![\w.-])(?P<sign>\\?[\"']?[ \t]*(?:[:!]?=+>?|:)[ \t]*"
    r"(?:[\w.]+(?:\[[^]\n]*\])?(?:[ \t]*\|[ \t]*\w+)*[ \t]*=[ \t]*)?)"  # of `password: str = …`
    r"(?P<value>\\\"[^\"]*\\\"|\"[^\"\n]*\"?|'[^'\n]*'?|\[[^]\n]*\]|\{[^{}\n]*\}|[^\s,;&}\])\"']+)",
    re.IGNORECASE,
)

_NO_SECRET = ("${", MASK, "…")
"""Prefixes of values that stand in for a secret."""

_ISSUED = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END[^\n]*|\Z)"
    r"|\b(?:gh[oprsu]_\w{20,}|github_pat_\w{20,}|hf_\w{20,}|sk-[\w-]{20,}|xox[abps]-[\w-]{10,}|AKIA[0-9A-Z]{16})\b",
    re.DOTALL,
)
"""Keys and tokens with a known prefix."""

_LOGIN = re.compile(
    r"(?P<head>(?P<header>authorization\\?[\"']?[ \t]*[:=][ \t]*\\?[\"']?)?"
    r"(?<![\w-])(?P<kind>bearer|basic|token)[ \t]+)(?P<login>[\w.~+/*-]+=*)",
    re.IGNORECASE,
)
"""Credentials of an HTTP header, or possibly just words."""

_SAID = re.compile(r"[Tt]okens?|[Aa]uth[a-z]*")
_WORD = re.compile(rf"[a-z]{{1,15}}|{_SAID.pattern}|[a-z]+(?:-[a-z]+)+|[\d.]+|[A-Z]?[a-z]+[.]")

_NO_VALUES = ("none", "null", "true", "false", "basic", "bearer", "token", "digest", "oauth", "oauth2")
"""Strings that tell whether or how to log in."""

_SCHEME = r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
_WHOLE_URI = re.compile(rf"{_SCHEME}(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_URI = re.compile(rf"(?<![a-z0-9+.-]){_SCHEME}(?P<rest>[^\s\"'<>`]*)", re.IGNORECASE)
_QUERY = re.compile(rf"(?P<head>[?&;](?:[\w.%-]*{_WORDS}|odbc_connect|sig|[\w.%-]*signature)=)[^&#\s]*", re.IGNORECASE)
_OVERRIDE = re.compile(r"(?P<key>\+{0,2}[\w./@~-]+)=(?P<value>.*)", re.DOTALL)
_MASKED_PART = re.compile(r"://\S*\*{3}|\b(?:bearer|basic|token)[ \t]+\*{3}", re.IGNORECASE)

_OF_THE_SHELL = ("HOME", "HOST", "HOSTNAME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "USER")
_FILES = ("sqlite", "file")
_DATABASES = ("postgres", "postgresql", "mysql", "mariadb", "mssql", "oracle")


def mask_secrets(tree: Any) -> Any:
    """A copy of nested dictionaries and lists with secrets masked: by key, in URIs and in logins."""
    if isinstance(tree, dict):
        return {key: _hidden(value) if _is_secret(str(key)) else mask_secrets(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [mask_secrets(item) for item in tree]
    return _LOGIN.sub(_without_token, mask_uri(tree)) if isinstance(tree, str) else tree


def mask_uri(text: str) -> str:
    """A text with passwords, tokens and secret parameters of URIs masked.

    The user is kept in URIs of databases only, since elsewhere it may be a token.

    Examples:
        >>> mask_uri("postgresql://me:pw@host/db")
        'postgresql://me:***@host/db'
    """
    whole = _WHOLE_URI.fullmatch(text)
    return _without_login(whole) if whole else _URI.sub(_without_login, text)


def mask_text(text: str) -> str:
    """Free text with `password: …`, `token=…` and the like, and secrets of URIs, masked."""
    text = _URI.sub(_without_login, _ISSUED.sub(MASK, text))
    return _ASSIGNMENT.sub(_without_value, _LOGIN.sub(_without_token, text))


def mask_override(word: str) -> str:
    """A word of a command line with secrets masked, if possible by a reference to an environment variable.

    `tracking.uri=postgresql://me:pw@host/db` becomes `tracking.uri=${oc.env:MLFLOW_TRACKING_URI}`, and
    `model.kwargs.api_key=…` becomes `model.kwargs.api_key=${oc.env:API_KEY}`.
    """
    match = _OVERRIDE.fullmatch(word)
    if match is None:
        return mask_text(word)
    key, value = match["key"], match["value"]
    bare = value.strip("\"' ")
    if bare.startswith(_NO_SECRET):
        return word
    if key.endswith("tracking.uri") and mask_uri(bare) != bare:
        return f"{key}={ADDRESS}"
    last = _parts(key)[-1]
    if _is_secret(last):
        quoted = value.strip() != bare  # quotes make a number a string
        whole = (quoted or not is_number(bare)) and _hidden(bare) == MASK
    else:
        whole = key.lstrip("+") != "description" and bare[:1] not in ("{", "[") and mask_secrets(bare) != bare
    if whole:
        return f"{key}=${{oc.env:{_variable(key)}}}"
    return word if is_number(bare) else f"{key}={mask_text(value)}"


def secret_texts(tree: Any) -> set[str]:
    """The strings that `mask_secrets` masks, which may recur in messages of the user's code."""
    return {text for _, text, hidden in _leaves(tree, mask_secrets(tree)) if hidden == MASK and text}


def masked_keys(tree: Any) -> list[str]:
    """The keys whose value is a mask."""
    return [
        key
        for key, text, hidden in _leaves(tree, mask_secrets(tree))
        if (text == hidden == MASK and any(map(_is_secret, key.split(".")))) or _MASKED_PART.search(text)
    ]


def filled(stored: Any, given: Any) -> Any:
    """A stored tree with masks replaced by the values of another tree, where given."""
    if isinstance(stored, dict) and isinstance(given, dict):
        return {key: filled(value, given.get(key)) for key, value in stored.items()}
    secret = isinstance(stored, str) and MASK in stored
    return given if secret and given is not None else stored


def _leaves(tree: Any, masked: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Key, text and masked text of all strings and masked values in a tree."""
    if isinstance(tree, dict) and isinstance(masked, dict):
        for key, value in tree.items():
            yield from _leaves(value, masked[key], f"{path}.{key}" if path else str(key))
    elif isinstance(tree, list | tuple) and isinstance(masked, list):
        for item, hidden in zip(tree, masked, strict=True):
            yield from _leaves(item, hidden, path)
    elif isinstance(tree, str) or masked == MASK:
        yield path, str(tree), masked


@lru_cache(maxsize=4096)  # a driver creates several trees per trial
def _is_secret(key: str) -> bool:
    return _KEY.search(key) is not None


def _hidden(value: Any) -> Any:
    """The masked value of a secret key; numbers stay."""
    if isinstance(value, dict):
        return {key: _hidden(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(item) for item in value]
    return MASK if isinstance(value, str) and value and value.lower() not in _NO_VALUES else value


def _parts(key: str) -> list[str]:
    return re.split(r"[./]", key.lstrip("+"))


def _variable(key: str) -> str:
    """The environment variable for a key: its last part, with more of it if every shell has that variable."""
    *before, name = (re.sub("[^A-Z0-9_]", "_", part.upper()) for part in _parts(key))
    return "_".join([*before[-1:], name]) if name in _OF_THE_SHELL else name


def is_number(text: str) -> bool:
    """Whether a text reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _without_value(match: re.Match[str]) -> str:
    """The assignment with its value masked, except for numbers in overrides and for numbers of tokens."""
    key, sign, value = match["key"], match["sign"], match["value"]
    bare = value.strip("\\\"'")
    override = "." in key and sign == "="
    sizes = value == bare and all(map(is_number, bare.strip("[]").split(",")))
    size = (sizes and (override or _TOKEN_KEY.search(key))) or bare in ("[]", "{}")
    if size or bare.startswith(_NO_SECRET) or _hidden(bare) != MASK or (value == bare and _is_prose(match)):
        return match[0]
    return f"{key}{sign}{MASK}"


def _is_prose(match: re.Match[str]) -> bool:
    """Whether this is part of a sentence, such as `a secret: word`."""
    text, start, end = match.string, match.start(), match.end()
    if not (_PROSE_KEY.search(match["key"]) and re.fullmatch(r":[ \t]+", match["sign"])):
        return False
    amidst = re.search(r"(?:\w[ \t]+|\w:)\Z", text[:start]) or re.match(r"[ \t]+\w", text[end:])
    return amidst is not None and re.fullmatch(r"[A-Z]?[a-z]{0,15}[.!?]?|\d{1,3}", match["value"]) is not None


def _without_token(match: re.Match[str]) -> str:
    login = match["login"]
    if login.startswith(MASK) or not (
        match["header"] or _is_login(match["kind"], login, alone=match[0] == match.string)
    ):
        return match[0]
    return f"{match['head']}{MASK}"


def _is_login(kind: str, login: str, *, alone: bool) -> bool:
    """Whether the text after `Bearer` and the like is no word of a sentence; `alone` if there is no other text."""
    if kind.lower() == "basic":
        try:
            return b":" in base64.b64decode(login, validate=True)
        except ValueError:
            return False
    if kind.lower() == "token":
        return len(login) > 5 and bool(re.search(r"\d", login) and re.search(r"[A-Za-z]", login))
    return (_SAID if alone and kind == "Bearer" else _WORD).fullmatch(login) is None


def _without_login(match: re.Match[str]) -> str:
    scheme, rest = match["scheme"], match["rest"]
    base = scheme.lower().partition("+")[0]
    if base in _FILES:
        return match[0]
    login, at, place = rest.rpartition("@")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A slash in a password ends the host for URI parsers; an `@` in a path does not belong to the login.
    if not at or not ("@" in host or ":" in host or base in _DATABASES):
        return f"{scheme}://{_without_parameters(rest)}"
    user, colon, _ = login.partition(":")
    hidden = (f"{user}:{MASK}" if colon else user) if base in _DATABASES else MASK
    return f"{scheme}://{hidden}@{_without_parameters(place)}"


def _without_parameters(text: str) -> str:
    return _QUERY.sub(rf"\g<head>{MASK}", text)
