"""Results that other programs made, read from a table of comma-separated values.

One row is one training. Columns, of which those with a star must be there:

- `phase`*: `explore` for a trial of the search, `confirm` for a retraining of a level's recipe.
- `level`*: what is compared.
- `trial`: number of the trial in its level, counted in the order of rows where it is empty; of a retraining, the trial
  whose recipe it is.
- `key`: pairing key. Retrainings need it; trials may have it, and no retraining may then share it with them (R06).
- `select`: score that chose the recipe; higher is better, so that losses come negated.
- `report`*: score on rows that chose nothing.
- `n`: how many rows were scored.
- `status`: as of our own trials; empty for `ok`.
- `hp.<name>`: what a trial drew. `default`, `epochs`, `cost`: as in the tables that our own reports write.
- `calibrated_loss`: as in these, too, but not read, for a table does not say which levels differ in their loss.

Of a number that was drawn the range is inferred: from its smallest to its largest value in the level, logarithmic where
all are positive and the largest is 100 times the smallest or more. At most ten different numbers that repeat are
choices, and so is anything that is no number.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence, LevelDesign, TrialRow
from hpsearch.analysis.table_cells import CONFIRM, EXPLORE, Cells, TableError, Typed, read_cells
from hpsearch.config.tree import one_of
from hpsearch.records import Status, Value

LOG_FROM = 100.0
"""Largest over smallest value from which on a range counts as logarithmic."""
MOST_CHOICES = 10


def read_table(
    path: Path,
    *,
    metric: str = "accuracy",
    delta: float | None = None,
    alpha: float = 0.05,
    control: str | None = None,
    name: str | None = None,
) -> Evidence:
    """The evidence that a table holds; how its trials were drawn is not known.

    Args:
        path: The file, UTF-8.
        metric: What `select` and `report` measure.
        delta: Smallest difference that matters; None if none is declared.
        alpha: Error rate of all claims together.
        control: The level that all others are compared with; None: all pairs.
        name: Of the report; None: that of the file.

    Raises:
        TableError: With every mistake, each with its line, column, rule and value.
    """
    table = read_cells(path, metric)
    levels = tuple(_level(level, table) for level in dict.fromkeys(row.level for row in table.rows))
    if control is not None and control not in [level.name for level in levels]:
        raise TableError(path, [one_of("report.control", control, [level.name for level in levels])])
    explore, confirm = table.of(EXPLORE), table.of(CONFIRM)
    keys = _keys(table)
    design = Design(
        name=name or path.stem,
        title="level",
        levels=levels,
        metric=metric,
        classes=0,
        trials=_most([row for row in explore if not row.default]),
        epochs=max((row.epochs for row in table.rows), default=0),
        sampler="unknown",
        pruner="none",
        evaluation="unknown",
        rows=_rows(explore, confirm),
        folds=1,
        delta=delta,
        alpha=alpha,
        control=control,
        seed=None,
        confirm_seeds=_most(confirm),
        data=path.name,
        model="",
        fingerprint=hashlib.sha256(path.read_bytes()).hexdigest(),
        facts={"source": f"a table of other programs' results, {path.name}"},
        search_keys=tuple(sorted({keys[row.key] for row in explore if row.key})),
    )
    trials = tuple(_trial(row, number, design) for row, number in zip(explore, _numbers(table), strict=True))
    return Evidence(design, trials, tuple(_confirm(row, keys[row.key], design) for row in confirm))


def _most(rows: Sequence[Cells]) -> int:
    """Rows of the level that has most of them."""
    return max(Counter(row.level for row in rows).values(), default=0)


def _keys(table: Typed) -> dict[str, int]:
    """Numbers of the pairing keys: themselves if all are whole numbers, else counted in the order of rows."""
    texts = list(dict.fromkeys(row.key for row in table.rows if row.key))
    if all(re.fullmatch(r"-?[0-9]+", text) for text in texts) and len(set(map(int, texts))) == len(texts):
        return {text: int(text) for text in texts}
    return {text: at for at, text in enumerate(texts, 1)}


def _numbers(table: Typed) -> list[int]:
    """Of each trial: its own, or the first number from 1 that no trial of its level has."""
    taken: dict[str, set[int]] = {}
    for row in table.of(EXPLORE):
        if row.trial is not None:
            taken.setdefault(row.level, set()).add(row.trial)
    numbers, following = [], dict.fromkeys((row.level for row in table.rows), 0)
    for row in table.of(EXPLORE):
        number = row.trial
        while number is None:
            following[row.level] += 1
            number = following[row.level] if following[row.level] not in taken.get(row.level, set()) else None
        numbers.append(number)
    return numbers


def _trial(row: Cells, number: int, design: Design) -> TrialRow:
    failed = row.status == Status.DIVERGED
    val, report = (design.worst if failed else score for score in (row.select, row.report))
    return TrialRow(row.level, number, row.status, val, report, row.drawn, row.default, row.epochs, row.cost)


def _confirm(row: Cells, key: int, design: Design) -> ConfirmRow:
    failed = row.status == Status.DIVERGED
    val, report = (design.worst if failed else score for score in (row.select, row.report))
    return ConfirmRow(row.level, key, row.status, val, report, trial=row.trial)


def _rows(explore: Sequence[Cells], confirm: Sequence[Cells]) -> dict[str, int]:
    """Rows that scores were measured on: the fewest that any row of the table names."""
    searched = [row.n for row in explore if row.n]
    scored = [row.n for row in confirm if row.n] or searched
    reported = any(math.isfinite(row.report) for row in (*explore, *confirm))
    found = {"val": min(searched)} if searched else {}
    return {**found, "report": min(scored)} if scored and reported else found


def _level(name: str, table: Typed) -> LevelDesign:
    drawn = [row.drawn for row in table.of(EXPLORE) if row.level == name and not row.default]
    names = list(dict.fromkeys(key for values in drawn for key in values))
    space = {key: _bounds([values[key] for values in drawn if key in values]) for key in names}
    return LevelDesign(name, {"level": name}, space)


def _bounds(values: Sequence[Value]) -> Mapping[str, object]:
    """What a value was drawn from, as far as its draws show."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        return {"choices": list(dict.fromkeys(map(str, values)))}
    if len(set(numbers)) <= min(MOST_CHOICES, len(numbers) / 2):
        return {"choices": sorted(set(numbers))}
    low, high = min(numbers), max(numbers)
    return {"low": low, "high": high, "log": low > 0 and high >= LOG_FROM * low}
