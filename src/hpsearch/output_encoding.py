"""Output on streams that cannot encode all characters, as behind a redirection on Windows, or under LC_ALL=C."""

import codecs
import io
import sys

ASCII = {
    "…": "...",
    "→": "->",
    "↓": "v",
    "±": "+-",
    "·": "-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "√": "sqrt ",
    "½": "1/2",
    "²": "^2",
    "³": "^3",
    "∞": "inf",
    "δ": "delta",
    "λ": "lambda",
    "μ": "mu",
    "\N{GREEK SMALL LETTER SIGMA}": "sigma",
    "Σ": "sum ",
}
"""What is written for our own signs where they cannot be encoded; any other character is written as its number."""

NAME = "hpsearch.ascii"


def make_streams_lenient() -> None:
    """From now on standard output and standard error write in ASCII what they cannot encode, and never fail at it."""
    codecs.register_error(NAME, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # and nothing that stands in for one, as in a notebook
            stream.reconfigure(errors=NAME)


def encoded(text: str, encoding: str) -> bytes:
    """The text in an encoding; in ASCII what that cannot encode."""
    codecs.register_error(NAME, _in_ascii)
    return text.encode(encoding, NAME)


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    chars = error.object[error.start : error.end]
    return "".join(ASCII.get(char) or ascii(char)[1:-1] for char in chars), error.end
