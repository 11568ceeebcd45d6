"""The numbers of a leaderboard for other programs."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hpsearch.analysis.leaderboard import Entry, Leaderboard, Split
from hpsearch.records import NO_LEVEL, Status
from hpsearch.report.exports import csv_text
from hpsearch.wording import visible

COLUMNS = ("entry", "sweep", "level", "trial", "draws", "epochs", "model", "training_rows", "val", "shown", "low",
           "high", "seeds", "diverged_seeds", "confirmed", "confirmed_se", "by_chance", "lambda", "failures", "stalled",
           "pruned", "twins", "split")  # fmt: skip


def to_json(board: Leaderboard) -> str:
    """`report.json`: sorted keys; null for what is no number, infinity as the text "Infinity" or "-Infinity"."""
    content = {
        "format": 1,
        "data": board.data,
        "split": _split(board.split),
        "rows": {"val": board.val_rows, "report": board.report_rows},
        "entries": [{**asdict(entry), "failures": entry.failures} for entry in board.entries],
        "near": board.near,
        "luck": board.luck,
        "comparisons": [asdict(one) for one in board.comparisons],
        "others": [{"split": _split(split), "sweeps": names} for split, names in board.others],
        "left_out": board.left_out,
    }
    return json.dumps(_plain(content), sort_keys=True, indent=1, allow_nan=False) + "\n"


def _split(split: Split) -> dict[str, Any]:
    return {**asdict(split), "evaluation": dict(split.evaluation), "digest": split.digest}


def _plain(value: Any) -> Any:
    """The value in the types of JSON."""
    match value:
        case float() if not math.isfinite(value):
            return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value


def entries_csv(board: Leaderboard) -> str:
    """`leaderboard.csv`: one entry a line, all digits; empty for what is missing."""
    split = board.split.digest
    return csv_text(COLUMNS, [[*(_cell(value) for value in _row(entry)), split] for entry in board.entries])


def _row(entry: Entry) -> list[object]:
    recipe = entry.recipe
    known = [None] * 4 if recipe is None else [recipe.trial, entry.epochs, recipe.model, recipe.train]
    trial, epochs, model, train = known
    return [
        entry.name, entry.sweep, entry.level, trial, entry.draws, epochs, model, train, entry.val, entry.shown,
        *entry.interval, entry.seeds, entry.diverged, entry.confirmed, entry.confirmed_se, entry.curse, entry.shrinkage,
        entry.failures, entry.statuses.get(Status.STALLED, 0), entry.statuses.get(Status.PRUNED, 0),
        "; ".join(sweep if level == NO_LEVEL else f"{sweep} / {level}" for sweep, level in entry.twins) or None,
    ]  # fmt: skip


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return "" if value is None else visible(str(value))
