"""What `--help group=option` tells: the keys of one option, their defaults, meanings and rules, and its space."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from hpsearch.cli.compose import ACTIONS, as_space, conf_dir, options_of
from hpsearch.cli.key_help import default_text, key_lines
from hpsearch.cli.report_keys import keys_read
from hpsearch.config import KINDS, ConfigError
from hpsearch.config.actions import Confirm, Report
from hpsearch.config.option import Option
from hpsearch.config.synonyms import nearest_option
from hpsearch.config.tree import nearest
from hpsearch.space import malformed


def option_help(arguments: Sequence[str], config_dir: Path | None) -> str:
    """What there is to know about each `group=option`, or about the options of a `group`.

    Values, as of a whole command that `--help` was added to, are passed over; nothing else given is an empty text.

    Raises:
        ConfigError: With each argument that names no group or no option.
    """
    problems: list[str] = []
    asked = [argument.lstrip("+") for argument in arguments if not _gives_value(argument.lstrip("+"))]
    pages = [_page(argument, config_dir, problems) for argument in asked]
    if problems:
        raise ConfigError(*problems)
    return "\n\n".join(pages)


def first_comment(path: Path) -> str:
    """What an option file says about itself: its first comment, which may go on over lines, on one."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("# @package")]
    begun = itertools.dropwhile(lambda line: not line.startswith("#"), lines)
    said = [line[1:].strip() for line in itertools.takewhile(lambda line: line.startswith("#"), begun)]
    return " ".join(filter(None, said))


def first_sentence(path: Path) -> str:
    """The first sentence of that, for lists."""
    return re.split(r"(?<=[.?!]) ", first_comment(path), maxsplit=1)[0]


def option_file(group: str, option: str, config_dir: Path | None) -> Path:
    """The file of an option; the user's own goes first."""
    own = config_dir / group / f"{option}.yaml" if config_dir else None
    return own if own is not None and own.exists() else conf_dir() / group / f"{option}.yaml"


def _gives_value(argument: str) -> bool:
    key, equals, _ = argument.partition("=")
    return bool(equals) and ("." in key or not get_close_matches(key, [*KINDS, *ACTIONS]))


def _page(argument: str, config_dir: Path | None, problems: list[str]) -> str:
    group, equals, option = argument.partition("=")
    groups = [*KINDS, *ACTIONS, "confirm"]
    if argument == "confirm":
        return "\n".join(["confirm", "", *_of_primary("confirm", Confirm, ["seeds"])])
    if group not in groups:
        problems.append(f"--help {argument}: {group} is not a group of options: {nearest(group, groups)}")
        return ""
    known = options_of(group, config_dir)
    if not equals:
        lines = [
            f"  {group + '=' + name:<28}  {first_sentence(option_file(group, name, config_dir))}" for name in known
        ]
        return "\n".join([f"options of {group}; --help {group}=… shows the keys of one", "", *map(str.rstrip, lines)])
    if option not in known:
        problems.append(f"{argument} is not an option of {group}: {nearest_option(group, option, known)}")
        return ""
    path = option_file(group, option, config_dir)
    if group in ACTIONS:
        return "\n".join(_about_action(group, option, path))
    return "\n".join(_about(group, option, path))


def _about_action(group: str, option: str, path: Path) -> list[str]:
    """The file of an action, if it sets anything, and what a report reads beside it."""
    own = _read(path).get(group)
    sets = [f"+{group}={option} sets, where the command line does not", "", path.read_text(encoding="utf-8").rstrip()]
    if group != "report":
        return sets
    reads = [f"+report={option} reads", "", *_of_primary("report", Report, keys_read(option), own)]
    return [*sets, "", *reads] if own else [f"+report={option}  {first_comment(path)}", "", *reads]


def _of_primary(group: str, kind: type, names: Sequence[str], own: Mapping[str, Any] | None = None) -> list[str]:
    """Keys whose defaults stand in the primary file, unless an action has its own."""
    return key_lines(group, kind, names, {**_read(conf_dir() / "config.yaml")[group], **(own or {})})


def _about(group: str, option: str, path: Path) -> list[str]:
    file = _read(path)
    kind = KINDS[group].get(str(file.get("kind")))
    if kind is None:  # a user's own option that builds on another one
        return [f"{group}={option} is {path}", "", path.read_text(encoding="utf-8").rstrip()]
    brought = [_brought(entry) for entry in file.get("defaults", []) if isinstance(entry, dict)]
    return [
        f"{group}={option}  {first_comment(path)}".rstrip(),
        *([f"  brings {' '.join(brought)} along, unless given"] if brought else []),
        "",
        *_keys(group, kind, file),
        *_space(group, option, _well_formed(group, option, file.get("space"))),
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        file = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} must be YAML: {' '.join(str(error).split())}") from error
    return file if isinstance(file, dict) else {}


def _brought(entry: Mapping[str, str]) -> str:
    ((key, option),) = entry.items()
    return f"{key.rpartition('.')[2].rpartition('/')[2]}={option}"


def _keys(group: str, kind: type[Option], file: Mapping[str, Any]) -> list[str]:
    names = [f.name for f in fields(kind) if f.init and f.name != "kind"]
    names.sort(key=[*file, *names].index)  # as the file has them, from the main to the fine
    return key_lines(group, kind, names, file) or ["  no keys"]


def _well_formed(group: str, option: str, space: object) -> dict[str, Mapping[str, Any]]:
    """The space of a file that may be a user's own; refused as a sweep would refuse it."""
    entries = as_space(group, space)
    problems = [
        each for name, raw in entries.items() for each in malformed(f"search.space.{group}.{option}.{name}", raw)
    ]
    if problems:
        raise ConfigError(*problems)
    return entries


def _space(group: str, option: str, space: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if option == "custom" and group == "model":
        return [
            "",
            "to search keyword arguments:",
            "  'search.tune=[model]' 'model.space.width={low: 8, high: 64}'",
        ]
    rows = [f"  {name}: {_bounds(bounds)}" for name, bounds in space.items()]
    how = f"changed by {group}.space.<name>.low=… .high=… .choices=[…]"
    return ["", f"space, sampled with 'search.tune=[{group}]', {how}", *rows] if rows else []


def _bounds(bounds: Mapping[str, Any]) -> str:
    if "choices" in bounds:
        return f"one of {default_text(bounds['choices'])[1:-1]}"
    notes = [", logarithmic"] if bounds.get("log") else []
    notes += [f", in steps of {bounds['step']}"] if bounds.get("step") is not None else []
    return f"{bounds['low']} to {bounds['high']}{''.join(notes)}"
