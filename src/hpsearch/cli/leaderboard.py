"""`+report=leaderboard`: everything that is logged on one data set and one split, across sweeps; nothing is mixed."""

from collections.abc import Sequence
from pathlib import Path

from hpsearch.analysis.leaderboard import Entry, Leaderboard, Split, standings
from hpsearch.cli.leaderboard_sources import Found, find_sweeps, read_sweep, split_of
from hpsearch.cli.report_target import Asked
from hpsearch.config import Config, ConfigError
from hpsearch.config.tree import nearest
from hpsearch.quoting import hydra_quoted, shell_quoted
from hpsearch.report.leaderboard import confirmed_text, near_text, score_name, val_text, write_leaderboard
from hpsearch.report.numbers import interval
from hpsearch.report.style import short
from hpsearch.search.folders import slug
from hpsearch.terminal import Terminal
from hpsearch.tracking.mlflow import Tracker
from hpsearch.wording import number_of

SHOWN = 8
"""Entries that the terminal shows."""
NAME = 40
"""Characters of an entry's name there."""

Groups = dict[Split, list[Found]]


def report_leaderboard(asked: Asked, tracker: Tracker, terminal: Terminal) -> int:
    """Writes the leaderboard of `report.data`, and trains nothing; returns the exit status.

    Raises:
        ConfigError: If there is no such data set, or its sweeps do not share one split and none is chosen.
    """
    config = asked.config
    found, left_out = find_sweeps(config, tracker)
    groups = _groups(config, _on_data(config, found))
    split = _choose(asked, groups)
    chosen = groups.pop(split)
    others = [(other, tuple(one.name for one in sweeps)) for other, sweeps in groups.items()]
    sweeps = [read_sweep(one, config, tracker) for one in chosen]
    empty = [f"{sweep.name}, which has no finished trial" for sweep in sweeps if not sweep.evidence.trials]
    if len(empty) == len(sweeps):
        raise ConfigError(f"report.data={config.report.data} has no sweep with a finished trial: {'; '.join(empty)}")
    board = standings([sweep for sweep in sweeps if sweep.evidence.trials], others, [*left_out, *empty])
    folder = Path(config.report.directory) / slug(f"leaderboard-{board.data}-{split.digest}")
    for one, sweep in zip(chosen, sweeps, strict=True):  # before anything is shown, so that each look is counted
        one.note_look(tracker, sweep.evidence)
    files = write_leaderboard(board, folder)
    show_leaderboard(terminal, board, files)
    return 0


def _on_data(asked: Config, found: Sequence[Found]) -> list[Found]:
    known = sorted({one.data for one in found})
    name = asked.report.data
    if name is None:
        raise ConfigError(f"report.data must be given: report.data=… (known here: {', '.join(known) or 'none'})")
    chosen = [one for one in found if one.data == name]
    if not chosen:
        raise ConfigError(f"report.data={name} is the data set of no sweep: {nearest(name, known)}")
    return chosen


def _groups(asked: Config, found: Sequence[Found]) -> Groups:
    """The sweeps by what they are scored on, in the order of the splits' descriptions."""
    groups: Groups = {}
    for one in found:
        groups.setdefault(split_of(one.specification, asked), []).append(one)
    return dict(sorted(groups.items(), key=lambda group: (group[0].text, group[0].rows)))


def _choose(asked: Asked, groups: Groups) -> Split:
    """The split of `report.sweep`, or the only one."""
    report = asked.config.report
    wanted, data = report.sweep, str(report.data)
    names = [one.name for sweeps in groups.values() for one in sweeps]
    if wanted is not None:
        if wanted not in names:
            raise ConfigError(f"report.sweep={wanted} is no sweep on {data}: {nearest(wanted, names)}")
        return next(split for split, sweeps in groups.items() if wanted in [one.name for one in sweeps])
    if len(groups) > 1:
        raise ConfigError(_refusal(asked, data, groups))
    return next(iter(groups))


def _refusal(asked: Asked, data: str, groups: Groups) -> str:
    heading = f"the sweeps on {data} are scored on different rows or by different metrics, and are not mixed:"
    listed = [f"  {split.text}: {', '.join(one.name for one in sweeps)}" for split, sweeps in groups.items()]
    commands = [
        asked.command(f"report.data={hydra_quoted(data)}", f"report.sweep={hydra_quoted(sweeps[0].name)}")
        for sweeps in groups.values()
    ]
    return "\n".join([heading, *listed, "choose the split of one sweep:", *(f"  {line}" for line in commands)])


def show_leaderboard(terminal: Terminal, board: Leaderboard, files: Sequence[Path]) -> None:
    """Prints the first entries, and where the pages are; `files` begin with the page."""
    terminal.heading(f"Leaderboard of {board.data}: highest-scoring trials in the search, by {score_name(board)}")
    terminal.line(f"split {board.split.digest}: {board.split.text}")
    shown = board.entries[:SHOWN]
    for line in _aligned([("", "trial", "draws", "val", f"{score_name(board)} [95 %]", "fresh seeds"),
                          *(_row(board, entry) for entry in shown)]):  # fmt: skip
        terminal.line(f"  {line}")
    if left := len(board.entries) - len(shown):
        terminal.line(f"  and {number_of(left, 'more entry', 'more entries')}")
    for line in near_text(board):
        terminal.line(line)
    terminal.line("The order is no ranking: budgets may differ, and only paired fresh seeds make a claim.")
    terminal.steps(
        "Written", [("report", shell_quoted(str(files[0]))), ("numbers", str(files[0].with_suffix(".json")))]
    )


def _row(board: Leaderboard, entry: Entry) -> tuple[str, ...]:
    fresh = f"{confirmed_text(entry)} ({entry.seeds})" if entry.seeds else "none"
    trial = "none ok" if entry.recipe is None else str(entry.recipe.trial)
    shown = interval(entry.shown, entry.interval)
    return short(entry.name, NAME), trial, str(entry.draws), val_text(board, entry), shown, fresh


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
