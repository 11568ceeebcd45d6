"""What a user should know of their data before anything is trained: how it was understood, and what looks wrong.

N rows, D columns, T targets.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpsearch.config.data import Data, FolderData, OwnData, TableData
from hpsearch.data.dataset import SHOWN, Column, ColumnKind, Development, columns_of, name_columns, row_keys
from hpsearch.formatting import number_of, plural, show_number
from hpsearch.quoting import hydra_quoted, list_override, shell_quoted

MANY_OF_ONE_CLASS = 0.9
"""Share of one class from which on accuracy says little."""

UNEQUAL = 3.0
"""Ratio of the standard deviations of two targets from which on one decides a mean of their errors."""

WHOLE = 1e15
"""Whole numbers below are shown with all their digits."""

LEAK = 0.98
"""Share of what can be explained from which on a column that explains it alone is pointed out."""

FEWEST = 40
"""Rows from which on columns are asked how much they explain."""


@dataclass(frozen=True, slots=True)
class ColumnCheck:
    """How a column of a table was understood, by the development rows.

    Attributes:
        name: Its name.
        kind: `number`, `category` or `date`.
        values: The range of numbers and dates; the number of categories and the most frequent ones.
        missing: Number of missing cells.
        example: The cell of the first row.
    """

    name: str
    kind: str
    values: str
    missing: int
    example: str


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Rows with the same inputs as another one.

    Attributes:
        development: Development rows that repeat an earlier one.
        contradicting: Those of them with another target.
        sealed: Sealed rows with the inputs of a development row.
    """

    development: int
    contradicting: int
    sealed: int


def check_columns(rows: Development) -> tuple[ColumnCheck, ...]:
    """Return how the columns of a table were understood; empty for images."""
    if rows.images:
        return ()
    return tuple(_checked(column, cells) for column, cells in zip(columns_of(rows), rows.inputs.T, strict=True))


def count_duplicates(rows: Development, sealed: int) -> Duplicates:
    """Return how many rows have the same inputs as another one.

    Args:
        rows: The development rows.
        sealed: Number of sealed rows with the inputs of a development row.
    """
    first: dict[bytes, int] = {}
    twins = [(first.setdefault(key, at), at) for at, key in enumerate(row_keys(rows.inputs))]
    again = [(one, other) for one, other in twins if one != other]
    differ = sum(not np.array_equal(rows.targets[one], rows.targets[other]) for one, other in again)
    return Duplicates(len(again), differ, sealed)


def describe_targets(rows: Development) -> str:
    """Return the classes with their numbers of rows, the number of labels, or the range of the numbers to predict."""
    if rows.autoencoder:
        return "the inputs themselves"
    if rows.classes:
        counts = np.bincount(rows.targets, minlength=rows.classes)
        order = np.argsort(-counts, kind="stable")
        named = name_columns([f"{rows.class_names[at]} {counts[at]:,}" for at in order])
        return f"{rows.classes:,} classes: {named}"
    if rows.labels:
        return f"{len(rows.labels):,} labels"  # a note tells their shares
    names = rows.target_names or ("",) * rows.targets.shape[1]
    told = []
    for name, own in zip(names, rows.targets.T, strict=True):
        spread = f"mean {show_number(float(own.mean()))}, standard deviation {show_number(float(own.std()))}"
        told.append(f"{name}{': ' * bool(name)}{_number(own.min())} to {_number(own.max())}, {spread}")
    return "; ".join(told)


def share_explained(column: Column, cells: np.ndarray, rows: Development) -> float:
    """Return how much of the targets a column explains alone, from 0 to 1.

    Odd rows are foretold by the even ones with the same cell, or of numbers with the nearest one. For classes it is the
    share of those that guessing the most frequent one gets wrong; for numbers R², or the squared correlation of values
    or ranks if it is higher, the highest of several targets.

    Args:
        column: The column.
        cells: Shape (N,), its cells, NaN where they are missing.
        rows: The rows.
    """
    known, places = np.unique(cells[::2], return_inverse=True, equal_nan=True)
    asked, targets, truth = cells[1::2], rows.targets[::2], rows.targets[1::2]
    values = known[~np.isnan(known)]
    if not len(values):
        return 0.0
    above = np.clip(np.searchsorted(values, asked), 1 if len(values) > 1 else 0, len(values) - 1)
    below = np.maximum(above - 1, 0)
    near = np.where(np.abs(asked - values[below]) <= np.abs(asked - values[above]), below, above)
    near = np.where(np.isnan(asked), len(known) - 1, near)  # missing cells are last, if even rows have any
    unseen = ~np.isin(asked, known) & ~(np.isnan(asked) & np.isnan(known[-1]))
    stranger = unseen & (np.isnan(asked) | (column.kind is ColumnKind.CATEGORY))
    if rows.classes:
        table = np.zeros((len(known), rows.classes))
        np.add.at(table, (places, targets), 1)
        most = table.sum(axis=0).argmax()
        guess = np.where(stranger, most, table.argmax(axis=1)[near])
        chance = float((truth == most).mean())
        return 0.0 if chance == 1 else max(0.0, (float((truth == guess).mean()) - chance) / (1 - chance))
    sums = np.zeros((len(known), targets.shape[1]))
    np.add.at(sums, places, targets.astype(np.float64))
    means = sums / np.bincount(places)[:, None]
    guesses = np.where(stranger[:, None], targets.mean(axis=0), means[near])
    left, whole = (((truth - each) ** 2).sum(axis=0) for each in (guesses, targets.mean(axis=0)))
    nearest = float(np.max(1 - left / np.where(whole > 0, whole, np.inf), initial=0.0, where=whole > 0))
    return nearest if column.kind is ColumnKind.CATEGORY else max(nearest, _correlated(cells, rows.targets))


def _correlated(cells: np.ndarray, targets: np.ndarray) -> float:
    """The highest squared correlation, of values or ranks, of known cells (N,) with a target (N, T); 0 for a few."""
    known = ~np.isnan(cells)
    if known.sum() < FEWEST or np.ptp(cells[known]) == 0:
        return 0.0
    found = 0.0
    for target in targets[known].astype(np.float64).T:
        if np.ptp(target) > 0:
            pairs = ((cells[known], target), (_ranks(cells[known]), _ranks(target)))
            found = max(found, *(float(np.corrcoef(*pair)[0, 1]) ** 2 for pair in pairs))
    return found


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of values (N,), equal ones alike."""
    different, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    del different
    ranks: np.ndarray = (np.cumsum(counts) - counts / 2)[places]
    return ranks


def _checked(column: Column, cells: np.ndarray) -> ColumnCheck:
    known, missing = cells[~np.isnan(cells)], int(np.isnan(cells).sum())
    example = _cell(column, cells[0])
    if not len(known):
        return ColumnCheck(column.name, column.kind.value, "none", missing, example)
    if column.kind is ColumnKind.CATEGORY:
        places, counts = np.unique(known.astype(np.int64), return_counts=True)
        words = [column.categories[at] for at in places[np.argsort(-counts, kind="stable")]]
        return ColumnCheck(column.name, column.kind.value, f"{len(words):,}: {name_columns(words)}", missing, example)
    low, high = _cell(column, known.min()), _cell(column, known.max())
    return ColumnCheck(column.name, column.kind.value, low if low == high else f"{low} to {high}", missing, example)


def _cell(column: Column, cell: float) -> str:
    if np.isnan(cell):
        return ""
    if column.kind is ColumnKind.CATEGORY:
        return column.categories[int(cell)]
    if column.kind is ColumnKind.DATE:
        time = np.datetime64(round(float(cell) * 1e6), "us")
        return str(time.astype("datetime64[D]" if float(cell) % 86400 == 0 else "datetime64[s]")).replace("T", " ")
    return _number(cell)


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) and abs(value) < WHOLE else f"{value:.6g}"


def identifiers(columns: Sequence[Column], inputs: np.ndarray) -> list[str]:
    """Return the names of columns of distinct whole numbers, as row numbers are, in inputs (N, D)."""
    names = []
    for each, values in zip(columns, inputs.T, strict=True):
        whole = each.kind is ColumnKind.NUMBER and bool((values == np.round(values)).all())
        if whole and len(np.unique(values)) == len(values):
            names.append(each.name)
    return names


def tell_data(rows: Development, data: Data, metric: str = "auto") -> dict[str, Any]:
    """Return what `sweep.json` stores about the contents of a user's own file, as sentences.

    Args:
        rows: Its rows.
        data: The data options.
        metric: The metric of the search.
    """
    facts: dict[str, Any] = {"notes": list(rows.notes), "warnings": []}
    if isinstance(data, OwnData):
        if rows.classes:
            _tell_classes(facts, rows, data)
        if rows.labels:
            _tell_labels(facts, rows)
        elif rows.target_names:
            _tell_targets(facts, rows, metric)
        if rows.weights is not None:
            _tell_weights(facts, rows, data)
        if not rows.images:
            _tell_columns(facts, rows, data)
    return {name: told for name, told in facts.items() if told}


def _tell_classes(facts: dict[str, Any], rows: Development, data: OwnData) -> None:
    counts = np.bincount(rows.targets, minlength=rows.classes)
    label = "classes" if isinstance(data, FolderData) and data.labels is None else data.target
    if rows.classes <= SHOWN:
        named = (f"{name} {count:,}" for name, count in zip(rows.class_names, counts, strict=True))
        facts["notes"].append(f"{label}: {', '.join(named)}")
    else:
        fewest, most = (f"{counts[at]:,} ({rows.class_names[at]})" for at in (counts.argmin(), counts.argmax()))
        facts["notes"].append(f"{label}: {rows.classes:,}, of {fewest} to {most} rows")
    share = counts.max() / rows.n
    if share > MANY_OF_ONE_CLASS:
        facts["warnings"].append(
            f"{share:.1%} of the rows are {rows.class_names[counts.argmax()]}, so guessing that has an accuracy of "
            f"{share:.3f}: search.metric=balanced_accuracy or roc_auc tells more, loss.class_weight=balanced weighs "
            "rare rows"
        )


def _tell_targets(facts: dict[str, Any], rows: Development, metric: str) -> None:
    spreads = rows.targets.std(axis=0, dtype=np.float64)
    widest, narrowest = (rows.target_names[at] for at in (spreads.argmax(), spreads.argmin()))
    facts["notes"].append(
        f"{name_columns(rows.target_names)} are predicted together: errors are means over them, each in its own unit"
    )
    if spreads.max() >= UNEQUAL * spreads.min() and metric != "r2":
        facts["warnings"].append(
            f"{widest} (standard deviation {show_number(float(spreads.max()))}) outweighs {narrowest} "
            f"({show_number(float(spreads.min()))}) in a mean of their errors, as mse, rmse and mae are: "
            "search.metric=r2 counts all alike"
        )


def _tell_labels(facts: dict[str, Any], rows: Development) -> None:
    shares = rows.targets.mean(axis=0, dtype=np.float64)
    names = rows.target_names or tuple(map(str, range(len(shares))))
    told = [f"{name} is {yes} in {share:.1%}" for name, (_, yes), share in zip(names, rows.labels, shares, strict=True)]
    more = f", … {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    facts["notes"].append(f"labels: {', '.join(told[:SHOWN])}{more} of the rows")
    if max(shares.max(), 1 - shares.min()) > MANY_OF_ONE_CLASS:
        facts["warnings"].append(
            f"some labels have one value in more than {MANY_OF_ONE_CLASS:.0%} of the rows, which guessing gets right: "
            "search.metric=label_macro_f1 or label_average_precision tells more than hamming_loss"
        )


def _tell_weights(facts: dict[str, Any], rows: Development, data: OwnData) -> None:
    weights = rows.weights
    assert weights is not None, data.kind
    none = int((weights == 0).sum())
    unused = f", {number_of(none, 'row')} of them 0" if none else ""
    facts["notes"].append(
        f"{data.weight}: weights of rows in training, {weights.min():.3g} to {weights.max():.3g}{unused}; scores count "
        "every row alike"
    )


def _tell_columns(facts: dict[str, Any], rows: Development, data: OwnData) -> None:
    columns, missing = columns_of(rows), np.isnan(rows.inputs).sum(axis=0)
    if rows.columns:
        facts["inputs"] = name_columns(list(map(_described, columns, rows.inputs.T)))
    if missing.any():
        names = [each.name for each, count in zip(columns, missing, strict=True) if count]
        cells = f"{missing.sum():,} {plural(missing.sum(), 'cell')}"
        facts["notes"].append(f"{cells} missing, in {name_columns(names)}")
    if isinstance(data, TableData) and (names := identifiers(columns, rows.inputs)):
        way_out = list_override("data.drop", [*data.drop, *names])
        facts["warnings"].append(
            f"{_hold(names)} whole numbers that all differ, as identifiers do; to leave them out: {way_out}"
        )
    alike = [each.name for each, own in zip(columns, rows.inputs.T, strict=True) if are_like_groups(each.name, own)]
    if alike and data.groups is None:
        facts["warnings"].append(about_groups(alike[0]))
    alone = [each.name for each, own in zip(columns, rows.inputs.T, strict=True) if _tells_all(each, own, rows)]
    if alone and isinstance(data, TableData):
        way_out = list_override("data.drop", [*data.drop, *alone])
        tells = plural(len(alone), "tells", "tell")
        facts["warnings"].append(
            f"{plural(len(alone), 'column')} {name_columns(alone)} {tells} the target alone, as what is known only "
            f"afterwards does; to leave {plural(len(alone), 'it', 'them')} out: {way_out}"
        )
    empty, constant = missing == rows.n, (rows.inputs == rows.inputs[:1]).all(axis=0)
    for told, which in (("no value in any", empty), ("one value in every", constant)):
        if names := [each.name for each, holds in zip(columns, which, strict=True) if holds]:
            nothing = f"{_hold(names)} {told} development row: nothing can be learned from that"
            dropped = list_override("data.drop", [*data.drop, *names]) if isinstance(data, TableData) else ""
            facts["warnings"].append(
                f"{nothing}; to leave {plural(len(names), 'it', 'them')} out: {dropped}" if dropped else nothing
            )


_GROUPS = re.compile(
    r"(.*[_\W])?(patient|subject|person|participant|user|customer|client|member|household|family|group|session|site|"
    r"hospital|school|speaker|donor|plate|batch|machine|device)s?([_\W]?(id|nr|no|number|code))?",
    re.IGNORECASE,
)
"""Names of columns that usually tell which rows belong together."""


def are_like_groups(name: str, values: np.ndarray) -> bool:
    """Return whether a column is named as groups are and has several rows of each of several values (N,)."""
    return bool(_GROUPS.fullmatch(name)) and 5 <= len(np.unique(values)) <= len(values) / 2


def about_groups(name: str) -> str:
    """Return advice about a column that may tell which rows belong together."""
    way_out = shell_quoted(f"data.groups={hydra_quoted(name)}")
    return f"rows of one {name} may be more alike than others: {way_out} keeps them on one side of splits"


def _described(column: Column, values: np.ndarray) -> str:
    """Describe a column for a message: `city (3 categories)`, counting those of values (N,)."""
    if column.kind is ColumnKind.NUMBER:
        return column.name
    if column.kind is ColumnKind.DATE:
        return f"{column.name} (date)"
    return f"{column.name} ({number_of(len(np.unique(values[~np.isnan(values)])), 'category', 'categories')})"


def _hold(names: list[str]) -> str:
    return f"{plural(len(names), 'column')} {name_columns(names)} {plural(len(names), 'holds', 'hold')}"


def _tells_all(column: Column, cells: np.ndarray, rows: Development) -> bool:
    return not rows.autoencoder and rows.n >= FEWEST and share_explained(column, cells, rows) >= LEAK
