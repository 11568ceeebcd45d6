"""The leaderboard of a split as pages: the order of report scores, and why it is not a ranking."""

import csv
import io
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hpsearch.analysis.leaderboard import Entry, Leaderboard
from hpsearch.report import pages
from hpsearch.report.blocks import DASH, Block, Listing, Report, Section, Text, table
from hpsearch.report.write import replace_files
from hpsearch.wording import show_interval, show_number, show_score, visible

COLUMNS = ("sweep", "level", "trial", "draws", "report score", "confirmed (mean ± SE)", "seeds", "val (a maximum)",
           "by luck alone", "epochs", "trained on", "model")  # fmt: skip


def write_leaderboard(board: Leaderboard, folder: Path) -> list[Path]:
    """Writes `report.html`, `report.md`, `report.json` and `leaderboard.csv`; the same entries give the same bytes."""
    report = compose(board)
    texts = {
        "report.html": pages.html(report),
        "report.md": pages.markdown(report),
        "report.json": as_json(board),
        "leaderboard.csv": as_csv(board),
    }
    return replace_files(folder, {name: text.encode("utf-8", "backslashreplace") for name, text in texts.items()})


def compose(board: Leaderboard) -> Report:
    """The page as blocks."""
    score = score_name(board)
    rows = [_row(entry) for entry in board.entries]
    blocks: list[Block] = [
        Text(f"In the search, the highest-scoring trial of each level, in the order of its {score}.", "lead"),
        table(COLUMNS, rows, numbers=(2, 3, 4, 5, 6, 7, 8, 9, 10)),
        Listing(tuple(_notes(board))),
    ]
    section = Section(
        0, "leaderboard", "Leaderboard", "Leaderboard", tuple(blocks), "hypothesis-generating, not evidence"
    )
    return Report(f"{visible(board.data)}: {len(board.entries)} levels", "Leaderboard of one split", (section,), ())


def score_name(board: Leaderboard) -> str:
    """What the entries are put in order by, in words."""
    part = "report" if board.rows.get("report") else "val"
    return f"{part} score ({board.metric}, higher is better)"


def _row(entry: Entry) -> list[str]:
    confirmed = DASH if math.isnan(entry.confirmed) else show_score(entry.confirmed, _known(entry.confirmed_se))
    report = DASH if math.isnan(entry.report) else show_interval(entry.report, *map(_known, entry.interval))
    curse = DASH if math.isnan(entry.curse) else f"+{show_number(entry.curse)}"
    draws = f"{entry.draws}, {entry.failed} diverged" if entry.failed else str(entry.draws)
    numbers = [draws, report, confirmed, str(entry.seeds or DASH), show_number(entry.val), curse]
    return [entry.sweep, entry.level or DASH, str(entry.trial), *numbers, str(entry.epochs), f"{entry.train:,}",
            entry.model]  # fmt: skip


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _notes(board: Leaderboard) -> list[str]:
    rows = ", ".join(f"{count:,} {part}" for part, count in board.rows.items())
    notes = [
        f"All on the same rows of {visible(board.data)} ({rows}); sweeps on another split are left out.",
        "Brackets: 95 % over report rows (Wilson), for one training each. Another seed gives another score.",
        (
            "This is no comparison of equal budgets: draws, epochs, training rows and spaces differ (R04). "
            "A claim needs paired fresh seeds: search.compare makes them."
        ),
        (
            "The val score of a highest-scoring trial flatters: beside it stands by how much the highest of equal "
            "trials would exceed them all."
        ),
    ]
    if board.tied > 1:
        notes.append(f"{board.tied} entries lie within the interval of the first one.")
    if board.silent:
        notes.append(f"Without any trial that has a score: {', '.join(map(visible, board.silent))}.")
    return notes


def as_json(board: Leaderboard) -> str:
    """Every number, canonical; what is missing is null."""
    return json.dumps(_plain(asdict(board)), sort_keys=True, indent=1, ensure_ascii=True) + "\n"


def _plain(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value


def as_csv(board: Leaderboard) -> str:
    """One entry a line, all digits; empty for what is missing."""
    target = io.StringIO()
    names = [*Entry.__dataclass_fields__]
    at = names.index("interval")
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([*names[:at], "report_low", "report_high", *names[at + 1 :]])
    for entry in board.entries:
        values = [getattr(entry, name) for name in names]
        writer.writerow([_cell(value) for value in [*values[:at], *entry.interval, *values[at + 1 :]]])
    return target.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return visible(str(value))
