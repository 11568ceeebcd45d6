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

import csv
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence, LevelDesign, TrialRow
from hpsearch.config.conversion import nearest, one_of
from hpsearch.errors import ConfigError
from hpsearch.metrics import ACCURACY, METRICS, Metric
from hpsearch.quoting import spreadsheet_unquoted
from hpsearch.records import Status, Value

EXPLORE, CONFIRM = "explore", "confirm"

REQUIRED = ("phase", "level", "report")

OPTIONAL = ("trial", "key", "select", "n", "status", "default", "epochs", "cost", "calibrated_loss")

KNOWN = frozenset((*REQUIRED, *OPTIONAL))

PREFIX = "hp."

MOST_SHOWN = 10
"""Mistakes that are listed; more are counted."""

PERCENT_FROM = 10.0
"""Scores above it, up to 100, look like percent where they should be shares: losses are rarely as large."""

FEWEST_SCORES = 3
"""Different scores of a level from which on its lowest one is hardly retrained by mistake."""

SCORE_WORDS = ("loss", "err", "acc", "score", *METRICS)
"""Parts of column names that speak of a score."""


class TableError(ConfigError):
    """A table that cannot be read."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        more = [f"… and {len(problems) - MOST_SHOWN} more"] if len(problems) > MOST_SHOWN else []
        super().__init__(*(f"{path}: {problem}" for problem in [*problems[:MOST_SHOWN], *more]))


@dataclass(frozen=True, slots=True)
class Cells:
    """One training.

    Attributes:
        line: Of the file, from 1.
        phase: `explore` or `confirm`.
        level: What is compared.
        trial: Its number, or that of the recipe; None if it is not given.
        key: Pairing key as it is written; empty if it is not given.
        select: Score that chose; NaN if it is missing.
        report: Score on other rows; NaN if it is missing.
        n: Scored rows; 0 if it is not known.
        status: A `records.Status`.
        default: Whether it is the default recipe.
        epochs: That were run; 0 if it is not known.
        cost: Of the training; NaN if it is not known.
        drawn: What it drew.
    """

    line: int
    phase: str
    level: str
    trial: int | None
    key: str
    select: float
    report: float
    n: int
    status: str
    default: bool
    epochs: int
    cost: float
    drawn: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Typed:
    """All trainings of a table, in the order of its lines."""

    rows: tuple[Cells, ...]

    def of(self, phase: str) -> list[Cells]:
        """Those of one phase."""
        return [row for row in self.rows if row.phase == phase]


def read_cells(path: Path, metric: Metric, delta: float | None = None) -> Typed:
    """The trainings of a table.

    Raises:
        TableError: With every mistake that was found.
    """
    header, written = _read(path)
    reader = _Reader(path, metric, header)
    reader.check_header()
    lines = reader.by_column(written)
    typed = {name: reader.typed(name, lines) for name in header if name.startswith(PREFIX)}
    rows = tuple(reader.row(number, cells, typed) for number, cells in lines)
    reader.check_scores(rows)
    reader.check_direction(rows)
    reader.check_delta(rows, delta)
    reader.check_repeated(rows)
    if not rows:
        reader.problems.append("the table must have a row for each training, got none")
    reader.finish()
    return Typed(rows)


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header, and for each line that is not empty its number and its cells."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, [spreadsheet_unquoted(cell.strip()) for cell in cells]) for cells in reader]
    except (OSError, UnicodeError, csv.Error) as error:
        raise TableError(path, [f"the table cannot be read as comma-separated UTF-8: {error}"]) from error
    return header, [(number, cells) for number, cells in lines if any(cells)]


def _rule(metric: Metric) -> str:
    """Which scores there are."""
    if metric.worst == 0:
        return f"must be a share between 0 and 1 for {metric}"
    return f"must be <= {metric.best:g} for {metric}" + (
        ", which comes negated: higher is better" if metric.lower_is_better else ""
    )


def _column_for(name: str) -> str:
    """Which column is meant by a name that is none."""
    if any(word in name.lower() for word in SCORE_WORDS):
        return "scores stand in report, those that chose the recipe in select; report.metric says what they are"
    return nearest(name, {*KNOWN, "hp.<name>"})


def _way_out(metric: Metric, scores: Sequence[float]) -> str:
    """What scores that their metric cannot reach may be instead."""
    if metric.lower_is_better:
        return f": write {-scores[0]:g}"
    if min(scores) > 0 and PERCENT_FROM < max(scores) <= 100:
        return ", which looks like percent: divide all scores by 100"
    return ", which looks like a loss or an error: say which by report.metric, and write it negated"


@dataclass(slots=True)
class _Reader:
    path: Path
    metric: Metric
    header: list[str]
    problems: list[str] = field(default_factory=list)

    def finish(self) -> None:
        if self.problems:
            raise TableError(self.path, self.problems)

    def check_header(self) -> None:
        """Unknown, repeated and missing columns; nothing else makes sense before these are right."""
        for name in dict.fromkeys(self.header):
            if self.header.count(name) > 1:
                self.problems.append(f"line 1, column {name}: must occur once, got {self.header.count(name)} times")
            elif name == PREFIX or (name not in KNOWN and not name.startswith(PREFIX)):
                self.problems.append(f"line 1, column {name!r} is not a column: {_column_for(name)}")
        missing = [name for name in REQUIRED if name not in self.header]
        if missing:
            self.problems.append(f"line 1: must name the columns {', '.join(REQUIRED)}, got no {', '.join(missing)}")
        self.finish()

    def by_column(self, lines: Iterable[tuple[int, list[str]]]) -> list[tuple[int, dict[str, str]]]:
        """The cells of each line by the name of their column."""
        named = []
        for number, cells in lines:
            if len(cells) == len(self.header):
                named.append((number, dict(zip(self.header, cells, strict=True))))
            else:
                rule = f"must have {len(self.header)} cells, as the header has"
                self.problems.append(f"line {number}: {rule}, got {len(cells)}")
        self.finish()
        return named

    def typed(self, name: str, lines: Iterable[tuple[int, Mapping[str, str]]]) -> dict[str, Value]:
        """Text to value of one drawn quantity: whole numbers or numbers where all of its cells are, else text."""
        texts = {cells[name] for _, cells in lines if cells[name]}
        for kind in (int, float):
            try:
                found: dict[str, Value] = {text: kind(text) for text in texts}
            except ValueError:
                continue
            if all(math.isfinite(value) for value in found.values() if isinstance(value, int | float)):
                return found
        return {text: text for text in texts}

    def row(self, line: int, cells: Mapping[str, str], typed: Mapping[str, Mapping[str, Value]]) -> Cells:
        """One line; a cell that is wrong has a harmless value, for the problems are raised before it is used."""
        phase = self._one_of(line, "phase", cells["phase"], (EXPLORE, CONFIRM))
        status = self._one_of(line, "status", cells.get("status", "") or Status.OK, tuple(Status))
        if not cells["level"]:
            self._wrong(line, "level", "must not be empty", "")
        if phase == CONFIRM and not cells.get("key"):
            self._wrong(line, "key", "must be given for a retraining", "")
        judged = "select" if phase == EXPLORE else "report"
        scored = status in (Status.OK, Status.STALLED)
        return Cells(
            line=line,
            phase=phase,
            level=cells["level"],
            trial=self._whole(line, "trial", cells.get("trial", ""), 0),
            key=cells.get("key", ""),
            select=self._score(line, "select", cells.get("select", ""), needed=scored and judged == "select"),
            report=self._score(line, "report", cells["report"], needed=scored and judged == "report"),
            n=self._whole(line, "n", cells.get("n", ""), 1) or 0,
            status=status,
            default=self._one_of(line, "default", cells.get("default", "").lower(), ("", "false", "true")) == "true",
            epochs=self._whole(line, "epochs", cells.get("epochs", ""), 0) or 0,
            cost=self._number(line, "cost", cells.get("cost", "")),
            drawn={name.removeprefix(PREFIX): values[cells[name]] for name, values in typed.items() if cells[name]},
        )

    def _wrong(self, line: int, column: str, rule: str, value: object) -> None:
        self.problems.append(f"line {line}, column {column}: {rule}, got {value!r}")

    def _one_of(self, line: int, column: str, text: str, known: Sequence[str]) -> str:
        if text not in known:
            self._wrong(line, column, f"must be one of {', '.join(known)}", text)
            return known[0]
        return text

    def _whole(self, line: int, column: str, text: str, least: int) -> int | None:
        if not text:
            return None
        if not text.isdecimal() or int(text) < least:
            self._wrong(line, column, f"must be a whole number >= {least}, or empty", text)
            return None
        return int(text)

    def _number(self, line: int, column: str, text: str) -> float:
        try:
            value = float(text) if text else math.nan
        except ValueError:
            self._wrong(line, column, "must be a number, or empty", text)
            return math.nan
        return value

    def _score(self, line: int, column: str, text: str, *, needed: bool) -> float:
        """A score; NaN where there is none."""
        value = self._number(line, column, text)
        if needed and not math.isfinite(value):
            self._wrong(line, column, "must be a finite number unless status says why there is none", text)
        return value

    def check_scores(self, rows: Iterable[Cells]) -> None:
        """No score lies beyond what its metric can reach; that of a training that diverged is not read."""
        metric, read = self.metric, [row for row in rows if row.status != Status.DIVERGED]
        for column in ("select", "report"):
            scores = [(row.line, getattr(row, column)) for row in read]
            wrong = [(line, score) for line, score in scores if score < metric.worst or score > metric.best]
            if wrong:
                more = f" (and {len(wrong) - 1:,} more up to line {wrong[-1][0]})" if wrong[1:] else ""
                way_out = _way_out(metric, [score for _, score in wrong])
                self._wrong(wrong[0][0], column, _rule(metric), wrong[0][1])
                self.problems[-1] += f"{more}{way_out}"

    def check_direction(self, rows: Sequence[Cells]) -> None:
        """Not every level has retrained its trial of the lowest score: then lower is better, and every claim wrong."""
        trials: dict[str, dict[int, float]] = {}
        for row in rows:
            if row.phase == EXPLORE and row.trial is not None and math.isfinite(row.select):
                trials.setdefault(row.level, {})[row.trial] = row.select
        recipes = [row for row in rows if row.phase == CONFIRM and row.trial in trials.get(row.level, ())]
        told = [(row, row.trial, trials[row.level]) for row in recipes if row.trial is not None]
        told = [(row, trial, scores) for row, trial, scores in told if len(set(scores.values())) >= FEWEST_SCORES]
        if told and all(scores[trial] == min(scores.values()) for _, trial, scores in told):
            row, trial, _ = told[0]
            rule = "must be a trial that select speaks for, and is the one of the lowest select in every level"
            self._wrong(row.line, "trial", rule, trial)
            self.problems[-1] += (
                ": losses and errors come negated, with their report.metric; leave trial empty if it is meant"
            )

    def check_delta(self, rows: Iterable[Cells], delta: float | None) -> None:
        """Some score could be better by delta than the lowest one: otherwise everything is equivalent beforehand."""
        judged = [row for row in rows if row.status in (Status.OK, Status.STALLED)]
        scores = [(score, row.line) for row in judged for score in (row.select, row.report) if math.isfinite(score)]
        lowest, line = min(scores, default=(self.metric.best, 0))
        room = self.metric.best - lowest
        if delta is not None and 0 < room <= delta:
            why = f"no score can be better by so much than the lowest one, {lowest:g} in line {line}"
            unit = "the unit of the scores" + (", in which half a point is 0.005" if self.metric.worst == 0 else "")
            self.problems.append(f"report.delta must be < {room:.4g}, got {delta:g}: {why}; give it in {unit}")

    def check_repeated(self, rows: Iterable[Cells]) -> None:
        """No trial and no retraining occurs twice."""
        seen: dict[tuple[str, str, object], int] = {}
        for row in rows:
            column, value = ("trial", row.trial) if row.phase == EXPLORE else ("key", row.key)
            if value is None or value == "":
                continue
            first = seen.setdefault((row.phase, row.level, value), row.line)
            if first != row.line:
                rule = f"must occur once in the {row.phase} rows of a level, and stands in line {first}"
                self._wrong(row.line, column, rule, value)


LOG_FROM = 100.0
"""Largest over smallest value from which on a range counts as logarithmic."""

MOST_CHOICES = 10


def read_table(
    path: Path,
    *,
    metric: Metric = ACCURACY,
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
    table = read_cells(path, metric, delta)
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
    val, report = (design.metric.worst if failed else score for score in (row.select, row.report))
    return TrialRow(row.level, number, row.status, val, report, row.drawn, row.default, row.epochs, row.cost)


def _confirm(row: Cells, key: int, design: Design) -> ConfirmRow:
    failed = row.status == Status.DIVERGED
    val, report = (design.metric.worst if failed else score for score in (row.select, row.report))
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
