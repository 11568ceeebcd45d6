"""Which keys of `report` each option of `+report=` reads, and which keys of a command a report does not."""

from collections.abc import Sequence

from hpsearch.cli.overrides import Overrides
from hpsearch.config import ConfigError
from hpsearch.config.run import UNCOVERED

OF_SWEEP = ("sweep", "run", "started_by")
READ = {"table": ("path", "metric", "delta", "alpha", "control"), "leaderboard": ("data", "sweep")}
"""Keys that an option reads, beside `report.directory`; other options read those of `OF_SWEEP`."""


def keys_read(option: str) -> tuple[str, ...]:
    """Keys of `report` that an option reads, the folder first."""
    return "directory", *READ.get(option, OF_SWEEP)


def refuse_settings(overrides: Overrides, option: str) -> None:
    """A report shows what was run: nothing that makes a sweep what it is can be set."""
    given = [*overrides.values, *(f"{group}={choice}" for group, choice in overrides.options.items())]
    useless = [key for key in given if key.partition("=")[0].partition(".")[0] not in (*UNCOVERED, "report")]
    useless += [f"{edit.group}.space.{edit.name}" for edit in overrides.edits]
    read = [f"report.{key}" for key in keys_read(option)]
    unread = [key for key in overrides.values if key.startswith("report.") and key not in read]
    problems = [_useless(key, option, read) for key in useless]
    problems += [f"{key} has no effect on +report={option}, which reads {', '.join(read)}: drop it" for key in unread]
    if problems:
        raise ConfigError(*problems)


def _useless(key: str, option: str, read: Sequence[str]) -> str:
    """Why a key of a sweep does nothing, and the key of a table's report that says the same where there is one."""
    own = key.replace("search.", "report.", 1)
    if option == "table" and key.startswith("search.") and own in read:
        return f"{key} has no effect on the report of a table: give {own} instead"
    return f"{key} has no effect on a report, which shows what was run: drop it"
