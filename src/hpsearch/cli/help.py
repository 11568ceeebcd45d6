"""What `--help` teaches: examples, actions, groups and their options."""

from pathlib import Path

from hpsearch.cli.compose import ACTIONS, conf_dir, options_of
from hpsearch.cli.option_help import first_sentence
from hpsearch.config import KINDS

HEAD = """\
hpsearch finds out, honestly and fast, how to train a neural network.

usage: python -m hpsearch [+sweep=NAME | +final=NAME] [group=option …] [key=value …]

  python -m hpsearch                            train one configuration, scored on validation rows
  python -m hpsearch +sweep=mnist               search; every trial is a run in MLflow under mlruns/
  python -m hpsearch +final=mnist               confirm the champion, then open the sealed test set, once

examples

  Another network, another data set, five folds:
    python -m hpsearch data=digits model=mlp model.depth=2 evaluation=stratified_kfold
  A search of your own: which options, which spaces, how many trials, how long each:
    python -m hpsearch name=mine data=fashion 'search.choose.optimizer=[adam,momentum]' \\
        'search.tune=[optimizer,model]' optimizer.space.lr.high=0.01 search.trials=30 training.epochs=5
  Your own table, then its champion on the sealed fifth of its rows:
    python -m hpsearch name=houses data=csv data.path=houses.csv data.target=price loss=mse \\
        'search.tune=[optimizer]' search.trials=20
    python -m hpsearch +final=sweep final.sweep=houses
  An autoencoder, whose targets are its inputs (of a table of your own, leave data.target out):
    python -m hpsearch data=digits data.task=autoencoder loss=bce 'model.widths=[32,8,32]'
"""

TAIL = """\
keys
  name=…, seed=…                    name and seed of the sweep
  search.trials=N                   trials in all; the same command with a larger N goes on
  search.choose.<group>=[…]         options that a trial may take
  search.tune=[<group>,…]           groups whose spaces are sampled
  <group>.space.<name>.low=…        change a space (low, high, log, step, choices)
  <group>.<name>=…                  fix a value: it leaves the space
  data.limit=N                      N training rows; as many rows as ever are scored and sealed
  confirm.seeds=N                   fresh seeds that retrain frozen recipes (--help confirm)
  training.epochs=N, execution.workers=N, tracking.uri=…, …

flags
  --cfg               print the composed configuration and stop
  --config-dir DIR    add your own option files: DIR/<group>/<option>.yaml
  --config-name NAME  start from another primary file, such as a best.yaml in --config-dir
  --help group=option the keys of an option with defaults, rules and space, such as --help data=csv optimizer=adam
  --help group        the options of a group
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


def _options(folders: list[Path]) -> list[str]:
    """One line for each option of each action, what it says in one column."""
    every = [(group, path) for group in ACTIONS for path in _files(group, folders)]
    rows = [(f"+{group}={path.stem}", first_sentence(path)) for group, path in every]
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {said}".rstrip() for name, said in rows]


def _files(group: str, folders: list[Path]) -> list[Path]:
    return sorted(path for folder in folders for path in (folder / group).glob("*.yaml"))
