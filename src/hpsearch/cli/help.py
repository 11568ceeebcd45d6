"""What `--help` teaches: examples, actions, groups and their options."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from hpsearch.cli.compose import ACTIONS, conf_dir, options_of
from hpsearch.cli.option_help import first_sentence
from hpsearch.config import KINDS
from hpsearch.quoting import PROGRAM

NARROW = 24
"""Characters that the last column of a line must have, to be wrapped within itself."""
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
  Your own table, then its champion on the sealed fifth of its rows:
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
    """The whole help page, with the user's own options where `config_dir` holds some."""
    folders = [conf_dir(), *([config_dir] if config_dir else [])]
    lines = [HEAD, "actions (added with +)"]
    lines += _options(folders)
    lines += ["", "groups and options (--help data=csv, or any other, shows the keys of one)"]
    for group in KINDS:
        lines.append(f"  {group + '=':<16}{' | '.join(options_of(group, config_dir))}")
    return "\n".join([*lines, "", TAIL])


def fitted(text: str, width: int) -> str:
    """The text with its longer lines wrapped, each within its last column.

    Commands are left as they are, to be copied; a comment of a YAML file stays one.

    Args:
        text: Lines whose columns are two spaces or more apart.
        width: Characters of a line.
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
    """What the further lines of a wrapped one begin with: as far as its comment, or its last column."""
    if "# " in line:
        return " " * line.index("# ") + "# "
    *_, last = [0, *(found.end() for found in re.finditer(r"\S {2,}(?=\S)", line))]
    margin = len(line) - len(line.lstrip())
    return " " * (last if margin < last <= width - NARROW else margin + 4)


def _options(folders: list[Path]) -> list[str]:
    """One line for each option of each action, what it says in one column."""
    every = [(group, path) for group in ACTIONS for path in _files(group, folders)]
    rows = [(f"+{group}={path.stem}", first_sentence(path)) for group, path in every]
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {said}".rstrip() for name, said in rows]


def _files(group: str, folders: list[Path]) -> list[Path]:
    return sorted(path for folder in folders for path in (folder / group).glob("*.yaml"))
