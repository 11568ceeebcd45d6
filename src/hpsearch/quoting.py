"""Texts as Hydra and the shell take them, so that every command that is printed can be pasted."""

import re
import shlex
from collections.abc import Iterable

from hpsearch.secrets import mask_override

PROGRAM = "python -m hpsearch"

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")

_NO_TEXT = ("true", "false", "null", "nan", "inf")

_LIVE_IN_DOUBLE = frozenset("$`\\!")
"""What bash acts on between double quotes; the exclamation mark only when it is typed or pasted."""


def command_line(words: Iterable[str]) -> str:
    """The command with these words behind the program's name, on one line, for bash and zsh; without secrets."""
    return " ".join([PROGRAM, *(shell_quoted(mask_override(word)) for word in words)])


def shell_quoted(word: str) -> str:
    r"""One word for the shell, with as few quotes as will do: `a`, `'a b'`, `"it's"`, `$'two\012lines'`.

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
    # The bytes one by one, for \u depends on the locale; three octal digits, for more hexadecimal ones may follow.
    return "".join(f"\\{byte:03o}" for byte in char.encode(errors="surrogateescape"))


def hydra_quoted(text: str) -> str:
    """The text as a value in Hydra's grammar: in double quotes unless it is plain and reads as text.

    Examples:
        >>> print(hydra_quoted("adam"), hydra_quoted("my sweep"), hydra_quoted("null"))
        adam "my sweep" "null"
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT:
        return text
    return in_quotes(escaped(text))


def in_quotes(text: str) -> str:
    """The text in double quotes of Hydra's grammar; a `${…}` in it stays a reference to another key."""
    # Hydra takes a backslash for an escape only before a quote (OmegaConf: before an interpolation).
    quoted = re.sub(r'(\\*)("|\Z)', lambda found: 2 * found[1] + found[2].replace('"', '\\"'), text)
    return f'"{quoted}"'


def list_override(key: str, items: Iterable[str]) -> str:
    """The override that gives the key a list of texts, as it is typed: `'data.drop=[id,"Name, full"]'`."""
    return shell_quoted(f"{key}=[{','.join(map(hydra_quoted, items))}]")


def escaped(text: str) -> str:
    """The text with each `${` written so that OmegaConf does not take it for an interpolation."""
    return re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + "\\${", text)


FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a text begins with that a spreadsheet computes, or may."""


def spreadsheet_quoted(cell: str) -> str:
    """The cell of a CSV file that a spreadsheet shows as this text, and computes nothing; numbers stay as they are."""
    return f"'{cell}" if _computes(cell) and not _is_number(cell) else cell


def spreadsheet_unquoted(cell: str) -> str:
    """The text of which `spreadsheet_quoted` has made a cell."""
    return cell[1:] if cell.startswith("'") and _computes(cell) else cell


def _computes(cell: str) -> bool:
    """Whether a spreadsheet might, apostrophes that quote it aside; a sign alone, such as `-`, is a text."""
    text = cell.lstrip("'")
    return len(text) > 1 and text.startswith(FORMULA)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
