"""`+report=leaderboard`: every sweep on one split, side by side."""

import json
from collections import defaultdict
from pathlib import Path

from hpsearch.analysis.leaderboard import Leaderboard, standings
from hpsearch.cli.evidence import evidence_of, stored_config
from hpsearch.config import Config, ConfigError
from hpsearch.config.tree import nearest, to_tree
from hpsearch.metrics import metric_name
from hpsearch.quoting import hydra_quoted, shell_quoted
from hpsearch.report.leaderboard import score_name, write_leaderboard
from hpsearch.search.folders import slug
from hpsearch.search.gathered import Gathered, gather_local, gather_tracked
from hpsearch.search.store import SweepStore, list_sweeps
from hpsearch.terminal import Terminal
from hpsearch.tracking.mlflow import Tracker
from hpsearch.wording import show_number

SHOWN = 8
"""Entries that the terminal shows."""


def report_leaderboard(asked: Config, tracker: Tracker, terminal: Terminal) -> int:
    """Writes the leaderboard of a data set; returns the exit status.

    Raises:
        ConfigError: If there is no such data set, or its sweeps do not share one split.
    """
    found = _sweeps(asked, tracker)
    chosen = _same_split(asked, _on_data(asked, found))
    evidence = [evidence_of(sweep, asked, [], []) for sweep in chosen]
    board = standings(evidence)
    folder = Path(asked.report.directory) / slug(f"leaderboard-{board.data}")
    files = write_leaderboard(board, folder)
    _show(terminal, board, files)
    return 0


def _sweeps(asked: Config, tracker: Tracker) -> list[Gathered]:
    """Every sweep of the folder, and those that the tracking store alone has; by name."""
    local = list_sweeps(asked.tracking.directory)
    found = [gather_local(SweepStore(asked.tracking.directory, name)) for name in local]
    names = [name for name in tracker.stored.names() if name not in local]
    found += [gather_tracked(tracker.stored, run) for name in names for run in tracker.stored.find(name)]
    return sorted((sweep for sweep in found if sweep.records), key=lambda sweep: str(sweep.specification["name"]))


def _on_data(asked: Config, found: list[Gathered]) -> list[Gathered]:
    known = sorted({str(sweep.specification["data"]["name"]) for sweep in found})
    name = asked.report.data
    if name is None:
        raise ConfigError(f"report.data must be given: report.data=… (known here: {', '.join(known) or 'none'})")
    chosen = [sweep for sweep in found if sweep.specification["data"]["name"] == name]
    if not chosen:
        raise ConfigError(f"report.data={name} is no data set of a finished sweep: {nearest(name, known)}")
    return chosen


def _same_split(asked: Config, found: list[Gathered]) -> list[Gathered]:
    """The sweeps that share rows, split and metric; of several such groups, the one of `report.sweep`."""
    groups: dict[str, list[Gathered]] = defaultdict(list)
    for sweep in found:
        groups[_split_key(sweep, asked)].append(sweep)
    if asked.report.sweep is not None:
        names = [str(sweep.specification["name"]) for sweep in found]
        for group in groups.values():
            if any(sweep.specification["name"] == asked.report.sweep for sweep in group):
                return group
        raise ConfigError(f"report.sweep={asked.report.sweep} is no sweep on it: {nearest(asked.report.sweep, names)}")
    if len(groups) > 1:
        heading = f"the sweeps on {asked.report.data} are split or scored in {len(groups)} ways, which are not mixed:"
        lines = [f"  {_choice(group)}" for group in groups.values()]
        raise ConfigError("\n".join([heading, *lines]))
    return found


def _choice(group: list[Gathered]) -> str:
    names = [str(sweep.specification["name"]) for sweep in group]
    return f"{', '.join(names)}: add {shell_quoted(f'report.sweep={hydra_quoted(names[0])}')}"


def _split_key(sweep: Gathered, asked: Config) -> str:
    """Equal for sweeps whose trials are scored on the same rows by the same metric."""
    specification = sweep.specification["specification"]
    config = stored_config(specification["config"], asked)
    classes = str(sweep.specification["data"]["targets"]).endswith("classes")
    metric = metric_name(config.search.metric, classes=classes)
    split = [specification["data"], to_tree(config.evaluation), config.seed, metric]
    return json.dumps(split, sort_keys=True)


def _show(terminal: Terminal, board: Leaderboard, files: list[Path]) -> None:
    terminal.heading(f"Leaderboard of {board.data}, by {score_name(board)}")
    for entry in board.entries[:SHOWN]:
        name = f"{entry.sweep} {entry.level} {entry.trial}".replace("  ", " ")
        confirmed = f", {show_number(entry.confirmed)} on {entry.seeds} fresh seeds" if entry.seeds else ""
        terminal.line(f"  {show_number(entry.shown)}  {name}, of {entry.draws} draws{confirmed}")
    if len(board.entries) > SHOWN:
        terminal.line(f"  and {len(board.entries) - SHOWN} more")
    terminal.line("  no comparison of equal budgets: see the notes of the page")
    terminal.steps("Written", [("report", shell_quoted(str(files[0]))), ("numbers", str(files[2]))])
