"""Output to streams that cannot encode all characters, e.g. redirected on Windows, or with LC_ALL=C."""

import codecs
import io
import sys

ASCII = {
    "…": "...", "→": "->", "↓": "v", "±": "+-", "·": "-", "≤": "<=", "≥": ">=", "≠": "!=", "√": "sqrt ", "½": "1/2",
    "²": "^2", "³": "^3", "∞": "inf", "δ": "delta", "λ": "lambda", "μ": "mu", "\N{GREEK SMALL LETTER SIGMA}": "sigma",
    "Σ": "sum ",
}  # fmt: skip
"""Replacements of our own symbols; other characters that cannot be encoded are escaped."""

NAME = "hpsearch.ascii"


def make_streams_lenient() -> None:
    """Make standard output and standard error replace characters that they cannot encode, instead of failing."""
    codecs.register_error(NAME, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not a substitute, as in a notebook
            stream.reconfigure(errors=NAME)


def encoded(text: str, encoding: str) -> bytes:
    """The encoded text, with ASCII replacements for characters that cannot be encoded."""
    codecs.register_error(NAME, _in_ascii)
    return text.encode(encoding, NAME)


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    chars = error.object[error.start : error.end]
    return "".join(ASCII.get(char) or ascii(char)[1:-1] for char in chars), error.end
