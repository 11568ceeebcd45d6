"""The text of `--help`: examples, actions, groups and their options."""

import itertools
import re
import textwrap
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import yaml

from hpsearch.commands.report_target import keys_read
from hpsearch.compose.composer import ACTIONS, as_space, conf_dir, options_of
from hpsearch.compose.overrides import DATA_CHECK
from hpsearch.config import KINDS, ConfigError
from hpsearch.config.after_search import Confirm, Report
from hpsearch.config.bounds import meaning
from hpsearch.config.conversion import describe, nearest
from hpsearch.config.synonyms import nearest_option
from hpsearch.quoting import PROGRAM
from hpsearch.search.space import malformed


def _key_lines(group: str, kind: type, names: Sequence[str], defaults: Mapping[str, Any]) -> list[str]:
    """Return one line per key of a group, in columns; a key without a default is required."""
    hints = typing.get_type_hints(kind, include_extras=True)
    rows = [(f"{group}.{name}", _default_text(defaults.get(name, "???")), _meaning(hints[name])) for name in names]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    return [f"  {key:<{widths[0]}}  {default:<{widths[1]}}  {text}" for key, default, text in rows]


def _default_text(value: Any) -> str:
    """Return a default as YAML on one line."""
    if value == "???":
        return "required"
    if isinstance(value, dict) and value:
        return "{…}"
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n...\n").strip()


def _meaning(hint: Any) -> str:
    plain = typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint
    kind = "one list for each group" if isinstance(plain, type) and is_dataclass(plain) else describe(hint)
    return f"{meaning(hint)} ({kind})".lstrip()


def option_help(arguments: Sequence[str], config_dir: Path | None) -> str:
    """Return the help on each `group=option` and each `group`; empty without any.

    Assignments of values are ignored, so that `--help` can be added to a whole command.

    Raises:
        ConfigError: With each argument that names no group or no option.
    """
    problems: list[str] = []
    topics = [argument.lstrip("+") for argument in arguments if not _gives_value(argument.lstrip("+"))]
    pages = [_page(topic, config_dir, problems) for topic in topics]
    if problems:
        raise ConfigError(*problems)
    return "\n\n".join(pages)


def first_comment(path: Path) -> str:
    """Return the first comment of an option file on one line."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("# @package")]
    start = itertools.dropwhile(lambda line: not line.startswith("#"), lines)
    comment = [line[1:].strip() for line in itertools.takewhile(lambda line: line.startswith("#"), start)]
    return " ".join(filter(None, comment))


def first_sentence(path: Path) -> str:
    """Return the first sentence of an option file's first comment."""
    return re.split(r"(?<=[.?!]) ", first_comment(path), maxsplit=1)[0]


def option_file(group: str, option: str, config_dir: Path | None) -> Path:
    """Return the file of an option; the user's own takes precedence."""
    own = config_dir / group / f"{option}.yaml" if config_dir else None
    return own if own is not None and own.exists() else conf_dir() / group / f"{option}.yaml"


def _gives_value(argument: str) -> bool:
    key, equals, _ = argument.partition("=")
    return bool(equals) and ("." in key or not get_close_matches(key, [*KINDS, *ACTIONS]))


def _page(argument: str, config_dir: Path | None, problems: list[str]) -> str:
    group, equals, option = argument.partition("=")
    groups = [*KINDS, *ACTIONS, "confirm"]
    if argument == "confirm":
        return "\n".join(["confirm", "", *_primary_keys("confirm", Confirm, ["seeds", "max_seeds", "budget"])])
    if group not in groups:
        problems.append(f"--help {argument}: {group} is not a group of options: {nearest(group, groups)}")
        return ""
    options = options_of(group, config_dir)
    if not equals:
        files = {f"{group}={name}": option_file(group, name, config_dir) for name in options}
        rows = [f"  {name:<28}  {first_sentence(path)}".rstrip() for name, path in files.items()]
        return "\n".join([f"options of {group}; --help {group}=… shows the keys of one", "", *rows])
    if option not in options:
        problems.append(f"{argument} is not an option of {group}: {nearest_option(group, option, options)}")
        return ""
    path = option_file(group, option, config_dir)
    return "\n".join((_action_help if group in ACTIONS else _group_help)(group, option, path))


def _action_help(group: str, option: str, path: Path) -> list[str]:
    own = _read(path).get(group)
    sets = [f"+{group}={option} sets, where the command line does not", "", path.read_text(encoding="utf-8").rstrip()]
    if group != "report":
        return sets
    reads = [f"+report={option} reads", "", *_primary_keys("report", Report, keys_read(option), own)]
    return [*sets, "", *reads] if own else [f"+report={option}  {first_comment(path)}", "", *reads]


def _primary_keys(group: str, kind: type, names: Sequence[str], own: Mapping[str, Any] | None = None) -> list[str]:
    return _key_lines(group, kind, names, {**_read(conf_dir() / "config.yaml")[group], **(own or {})})


def _group_help(group: str, option: str, path: Path) -> list[str]:
    file = _read(path)
    kind = KINDS[group].get(str(file.get("kind")))
    if kind is None:  # a user's own option that builds on another one
        return [f"{group}={option} is {path}", "", path.read_text(encoding="utf-8").rstrip()]
    defaults = [_default(entry) for entry in file.get("defaults", []) if isinstance(entry, dict)]
    names = [f.name for f in fields(kind) if f.init and f.name != "kind"]
    names.sort(key=[*file, *names].index)  # in the order of the file, from the main to the minor ones
    return [
        f"{group}={option}  {first_comment(path)}".rstrip(),
        *([f"  brings {' '.join(defaults)} along, unless given"] if defaults else []),
        "",
        *(_key_lines(group, kind, names, file) or ["  no keys"]),
        *_space(group, option, file.get("space")),
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        file = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} must be YAML: {' '.join(str(error).split())}") from error
    return file if isinstance(file, dict) else {}


def _default(entry: Mapping[str, str]) -> str:
    ((key, option),) = entry.items()
    return f"{key.rpartition('.')[2].rpartition('/')[2]}={option}"


def _space(group: str, option: str, space: object) -> list[str]:
    entries, place = as_space(group, space), f"search.space.{group}.{option}"
    # The file may be the user's own: it is refused as a sweep would refuse it.
    if problems := [each for name, raw in entries.items() for each in malformed(f"{place}.{name}", raw)]:
        raise ConfigError(*problems)
    if option == "custom" and group == "model":
        return ["", "to search keyword arguments:", "  'search.tune=[model]' 'model.space.width={low: 8, high: 64}'"]
    rows = [f"  {name}: {_bounds(bounds)}" for name, bounds in entries.items()]
    how = f"changed by {group}.space.<name>.low=… .high=… .choices=[…]"
    return ["", f"space, sampled with 'search.tune=[{group}]', {how}", *rows] if rows else []


def _bounds(bounds: Mapping[str, Any]) -> str:
    if "choices" in bounds:
        return f"one of {_default_text(bounds['choices'])[1:-1]}"
    notes = [", logarithmic"] if bounds.get("log") else []
    notes += [f", in steps of {bounds['step']}"] if bounds.get("step") is not None else []
    return f"{bounds['low']} to {bounds['high']}{''.join(notes)}"


NARROW = 24
"""Minimum width of the last column, in characters, for it to be wrapped within itself."""

HEAD = """\
hpsearch finds out, honestly and fast, how to train a neural network.

usage: python -m hpsearch [+sweep=NAME | +final=NAME | +report=NAME]
                          [group=option …] [key=value …]

  python -m hpsearch                train one configuration, score it on val rows
  python -m hpsearch +sweep=mnist   search; every trial is a run in MLflow
  python -m hpsearch +final=mnist   confirm the champion, open the test set, once
  python -m hpsearch +report=mnist  a page with what the search found

examples

  Another network, another data set, five folds:
    python -m hpsearch data=digits model=mlp model.depth=2 \\
        evaluation=stratified_kfold
  A search of your own: which options, which spaces, how many trials, how long:
    python -m hpsearch name=mine data=fashion \\
        'search.choose.optimizer=[adam,momentum]' \\
        'search.tune=[optimizer,model]' optimizer.space.lr.high=0.01 \\
        search.trials=30 training.epochs=5
  Your own table, as it is understood; a search; its champion on the sealed fifth of its rows:
    python -m hpsearch +data=check data=csv data.path=houses.csv \\
        data.target=price
    python -m hpsearch name=houses data=csv data.path=houses.csv \\
        data.target=price loss=mse 'search.tune=[optimizer]' search.trials=20
    python -m hpsearch +final=sweep final.sweep=houses
  An autoencoder, whose targets are its inputs (own tables: no data.target):
    python -m hpsearch data=digits data.task=autoencoder loss=bce \\
        'model.widths=[32,8,32]'
"""

TAIL = """\
keys
  name=…, seed=…              name and seed of the sweep
  search.trials=N             trials in all; the same command with a larger N goes on
  search.choose.<group>=[…]   options that a trial may take
  search.tune=[<group>,…]     groups whose spaces are sampled
  <group>.space.<name>.low=…  change a space (low, high, log, step, choices)
  <group>.<name>=…            fix a value: it leaves the space
  data.limit=N                N training rows; as many rows as ever are scored and sealed
  confirm.seeds=N             fresh seeds that retrain frozen recipes (--help confirm)
  training.epochs=N, execution.workers=N, tracking.uri=…, …
  Of a key or a group that is given more than once, the last one counts.

flags
  --cfg, --cfg job     print the composed configuration and stop
  --config-dir DIR     add your own option files: DIR/<group>/<option>.yaml
  --config-name NAME   start from another primary file, such as a best.yaml in --config-dir
  --help group=option  the keys of an option with defaults, rules and space, such as --help data=csv optimizer=adam
  --help group         the options of a group
  --version, --help

data is cached under $HPSEARCH_DATA (default: data/).\
"""


def help_text(config_dir: Path | None) -> str:
    """Return the whole help page, including the user's own options in `config_dir`."""
    folders = [conf_dir(), *([config_dir] if config_dir else [])]
    files = {group: sorted(path for folder in folders for path in (folder / group).glob("*.yaml")) for group in ACTIONS}
    rows = [(DATA_CHECK, "How data are understood: columns, missing cells, duplicates, leaks; nothing is trained.")]
    rows += [(f"+{group}={path.stem}", first_sentence(path)) for group in ACTIONS for path in files[group]]
    width = max(len(name) for name, _ in rows)
    lines = [HEAD, "actions (added with +)", *(f"  {name:<{width}}  {text}".rstrip() for name, text in rows)]
    lines += ["", "groups and options (--help data=csv, or any other, shows the keys of one)"]
    lines += [f"  {group + '=':<16}{' | '.join(options_of(group, config_dir))}" for group in KINDS]
    return "\n".join([*lines, "", TAIL])


def fitted(text: str, width: int) -> str:
    """Wrap lines longer than `width` characters within their last column.

    Columns are two or more spaces apart. Commands are not wrapped, so that they can be copied; a wrapped comment of a
    YAML file stays a comment.
    """
    return "\n".join(_fitted_lines(text.splitlines(), width))


def _fitted_lines(lines: list[str], width: int) -> Iterator[str]:
    command = False
    for line in lines:
        command = line.startswith(f"    {PROGRAM}") or (command and line.startswith("        "))
        if command or len(line) <= width:
            yield line
        else:
            yield from textwrap.wrap(
                line, width, subsequent_indent=_indent(line, width), break_long_words=False, break_on_hyphens=False
            )


def _indent(line: str, width: int) -> str:
    if "# " in line:
        return " " * line.index("# ") + "# "
    *_, last = [0, *(match.end() for match in re.finditer(r"\S {2,}(?=\S)", line))]
    margin = len(line) - len(line.lstrip())
    return " " * (last if margin < last <= width - NARROW else margin + 4)
