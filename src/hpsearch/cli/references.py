"""Values that refer to other keys, as `name=run-${seed}`: what is said where one refers to nothing."""

from collections.abc import Mapping
from typing import Any

from omegaconf.errors import GrammarParseError, InterpolationResolutionError

from hpsearch.quoting import hydra_quoted, in_quotes, shell_quoted

FAULTS = (GrammarParseError, InterpolationResolutionError)


def about_reference(error: Exception, typed: Mapping[str, Any], key: str | None = None) -> str | None:
    """The sentence about a `${…}` that cannot be replaced, with what to type for the text itself.

    Args:
        error: What composing raised.
        typed: The values of the command line, by key.
        key: Which of them it is about; None: the error says it.

    Returns:
        None if the error is about something else.
    """
    cause = error if isinstance(error, FAULTS) else error.__cause__
    if not isinstance(cause, FAULTS):
        return None
    where = key or str(cause.full_key)
    reason = str(cause).splitlines()[0]
    return (
        f"{where} cannot be read: {reason}; ${{…}} stands for the value of another key, such as ${{seed}}: "
        f"for the text itself, write {_literal(where, typed)}"
    )


def about_text(problem: str, typed: Mapping[str, Any]) -> str:
    """The sentence about a wrong value, with the way out where the value is text because it is read from there.

    Args:
        problem: The sentence, which begins with the key.
        typed: The values of the command line, by key.
    """
    for key, value in typed.items():
        if isinstance(value, str) and value.startswith("${oc.env:") and problem.startswith(f"{key} must be"):
            decoded = shell_quoted(f"{key}={in_quotes('${oc.decode:' + value + '}')}")
            return f"{problem}; a variable of the environment is text, which oc.decode reads as a value: {decoded}"
    return problem


def _literal(where: str, typed: Mapping[str, Any]) -> str:
    value = typed.get(where)
    return shell_quoted(f"{where}={hydra_quoted(value)}") if isinstance(value, str) else "\\${…}"
