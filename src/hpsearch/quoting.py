"""Quoting for Hydra, the shell and spreadsheets, so that printed commands can be pasted."""

import re
import shlex
from collections.abc import Iterable

from hpsearch.secrets import is_number, mask_override

PROGRAM = "python -m hpsearch"

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
_NO_TEXT = ("true", "false", "null", "nan", "inf")

_LIVE_IN_DOUBLE = frozenset("$`\\!")
"""Characters that bash interprets in double quotes; the exclamation mark only interactively."""


def command_line(words: Iterable[str]) -> str:
    """The command line of the program with these arguments, for bash and zsh, with secrets masked."""
    return " ".join([PROGRAM, *(shell_quoted(mask_override(word)) for word in words)])


def shell_quoted(word: str) -> str:
    r"""A word quoted for the shell, if necessary: `a`, `'a b'`, `"it's"`, `$'two\012lines'`.

    Examples:
        >>> print(shell_quoted("seed=1"), shell_quoted("name=my sweep"), shell_quoted("name=it's"))
        seed=1 'name=my sweep' "name=it's"
    """
    if word.isprintable() and "'" not in word:
        return shlex.quote(word)
    if word.isprintable() and not _LIVE_IN_DOUBLE & set(word):
        return '"' + word.replace('"', '\\"') + '"'
    return "$'" + "".join(map(_ansi_c, word)) + "'"


def _ansi_c(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if char.isprintable():
        return char
    # Bytes, since \u depends on the locale; three octal digits, since hexadecimal ones have no fixed length.
    return "".join(f"\\{byte:03o}" for byte in char.encode(errors="surrogateescape"))


def hydra_quoted(text: str) -> str:
    """A value in Hydra's grammar, in double quotes unless it is plain and parsed as a string.

    Examples:
        >>> print(hydra_quoted("adam"), hydra_quoted("my sweep"), hydra_quoted("null"))
        adam "my sweep" "null"
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT:
        return text
    return in_quotes(escaped(text))


def in_quotes(text: str) -> str:
    """A value in double quotes of Hydra's grammar, in which `${…}` is still interpolated."""
    # In Hydra a backslash escapes only a quote (in OmegaConf an interpolation).
    quoted = re.sub(r'(\\*)("|\Z)', lambda match: 2 * match[1] + match[2].replace('"', '\\"'), text)
    return f'"{quoted}"'


def list_override(key: str, items: Iterable[str]) -> str:
    """The override that sets a key to a list of strings, as typed: `'data.drop=[id,"Name, full"]'`."""
    return shell_quoted(f"{key}=[{','.join(map(hydra_quoted, items))}]")


def escaped(text: str) -> str:
    """The text with each `${` escaped for OmegaConf."""
    return re.sub(r"(\\*)\$\{", lambda match: 2 * match[1] + "\\${", text)


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Prefixes of texts that a spreadsheet may evaluate."""

_NEEDS_QUOTES = re.compile('[,"\r\n]')


def spreadsheet_quoted(cell: str) -> str:
    """A CSV cell that a spreadsheet shows as this text instead of evaluating it; numbers are unchanged."""
    return f"'{cell}" if _computes(cell) and not is_number(cell) else cell


def spreadsheet_unquoted(cell: str) -> str:
    """The inverse of `spreadsheet_quoted`."""
    return cell[1:] if cell.startswith("'") and _computes(cell) else cell


def csv_cell(text: str) -> str:
    """A text as a cell of a CSV file that a spreadsheet does not evaluate, in quotation marks where they are needed."""
    cell = spreadsheet_quoted(text)
    # The writer of `csv` leaves a carriage return bare, at which readers begin a line, and so the cell of a formula.
    return '"' + cell.replace('"', '""') + '"' if _NEEDS_QUOTES.search(cell) else cell


def _computes(cell: str) -> bool:
    """Whether a spreadsheet may evaluate the text, ignoring quoting apostrophes; a single sign is not evaluated."""
    text = cell.lstrip("'")
    return len(text) > 1 and text.startswith(FORMULA)
