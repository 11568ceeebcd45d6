"""What a report is made from: the design of a comparison, and what was measured, whoever measured it.

Scores are higher where a result is better: losses and errors come negated.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from hpsearch.formatting import visible
from hpsearch.metrics import Metric
from hpsearch.records import Value

Space = Mapping[str, Mapping[str, Any]]
"""For each drawn value, as `optimizer.adam.lr`, its `low`, `high`, `log`, `step`, or its `choices`."""


PLURALS = {
    "init": "initializers",
    "norm": "normalizations",
    "loss": "losses",
    "data": "data sets",
    "preprocess": "preprocessings",
}
"""Of factors whose plural is not their name with an s."""


@dataclass(frozen=True, slots=True)
class LevelDesign:
    """One value of the compared factor.

    Attributes:
        name: Of the level.
        settings: What it consists of, as `{"optimizer": "adam"}`.
        space: What its trials draw, and from what.
        fixed: Values of its options that are not drawn, as `{"optimizer.adam.eps": 1e-8}`.
        factors: For a factorial, the value of each factor: `{"weight_decay": "yes", "dropout": "no"}`.
    """

    name: str
    settings: Mapping[str, Value]
    space: Space
    fixed: Mapping[str, Value] = field(default_factory=dict)
    factors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Design:
    """What was set before the first trial.

    Attributes:
        name: Of the sweep.
        title: What is compared, in words: `optimizer`.
        levels: In the order given.
        metric: What scores are made of.
        classes: Number of classes; 0 for regression.
        trials: Draws asked for in each level; the default recipe, trial 0, is not counted.
        epochs: Of each training; 0 if they are not known.
        sampler: `random`, `qmc`, `tpe` or, of foreign results, `unknown`.
        pruner: `none`, or the pruner's name.
        evaluation: Name of the evaluation: `holdout`, `kfold` …
        rows: Rows of `train`, `val` and `report` (and `test`, if there is one).
        folds: Of K-fold, times repeats; 1 for a hold-out.
        delta: The smallest difference that matters, in units of the metric; None if none was declared.
        alpha: Error rate of all claims of a family together.
        control: The level that all others are compared with; None: all pairs.
        seed: Of the sweep; None if it is not known.
        confirm_seeds: Fresh (seed, split) pairs asked for in each level.
        data: Name of the data set.
        model: The network, in words; empty if it is not known.
        fingerprint: Of the sweep.
        facts: Further lines for the design table, in order: `{"schedule": "constant", "batch size": "100"}`.
        shown_before: Digests of confirm records that earlier reports of this question have shown.
        contiguous: Whether the parts are slices of the source's order.
        exploratory: Why the report as a whole proves nothing, such as a metric changed after a look; None if it may.
        devices: Kinds of devices that trained, as `cpu` or `NVIDIA H100`; empty if they are not known.
        commits: Versions of the code that trained; empty if they are not known.
        mismatched: What levels differ in besides the compared factor, as `training.epochs` or `data.limit`.
        search_keys: Pairing keys that the search was trained with, which no retraining may have.
        concurrent: Trainings that ran at a time on one device, so that their seconds say nothing.
        openings: How often the sealed test set was opened, by any sweep on it.
        looks: Planned looks at the retrainings: how many seeds each of them waits for, ascending; empty for one look at
            whatever there is.
    """

    name: str
    title: str
    levels: tuple[LevelDesign, ...]
    metric: Metric
    classes: int
    trials: int
    epochs: int
    sampler: str
    pruner: str
    evaluation: str
    rows: Mapping[str, int]
    folds: int
    delta: float | None
    alpha: float
    control: str | None
    seed: int | None
    confirm_seeds: int
    data: str
    model: str
    fingerprint: str
    facts: Mapping[str, str] = field(default_factory=dict)
    shown_before: tuple[str, ...] = ()
    contiguous: bool = False
    exploratory: str | None = None
    devices: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    search_keys: tuple[int, ...] = (0,)
    concurrent: int = 1
    openings: int = 0
    looks: tuple[int, ...] = ()

    @property
    def is_foreign(self) -> bool:
        """Whether other programs have trained, of which no more is known than their table says."""
        return self.sampler == "unknown"

    @property
    def options(self) -> str:
        """`optimizers`: several levels, in the compared factor's own words."""
        title = self.title.strip()
        return visible(PLURALS.get(title, f"{title}s" if title.isalpha() else "options"))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The comparisons of the family: each level with the control, or all pairs, in the order of the levels."""
        names = [level.name for level in self.levels]
        if self.control is not None:
            return [(name, self.control) for name in names if name != self.control]
        return [(a, b) for at, a in enumerate(names) for b in names[at + 1 :]]


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial of the search.

    Attributes:
        level: Its level.
        k: Its number in the level, in the order of drawing.
        status: `ok`, `stalled`, `diverged`, `pruned`, `oom`, `error` …
        val: Score on the rows that selection reads; the worst value if it diverged, NaN if it is missing.
        report: Score of the same network on the report rows; NaN where there are none or it is missing.
        values: What was drawn, flat.
        default: Whether it is the library's default recipe, which no order statistic counts.
        epochs: Epochs that were run.
        cost: Optimizer steps times FLOPs of a step; NaN if it is not known.
        curves: Per epoch: `train/loss`, `train/accuracy`, `val/loss`, `val/accuracy` …
        signals: Statistics of the network's signals, as `record.json` has them; None without any.
        losses: (n,) loss of each row on its out-of-fold prediction, 0-1 for an accuracy; None for a hold-out.
        summary: What else was measured, `report/loss` for one.
        enqueued: Whether `search.enqueue` gave its values, so that none counts it either.
    """

    level: str
    k: int
    status: str
    val: float
    report: float
    values: Mapping[str, Value]
    default: bool = False
    epochs: int = 0
    cost: float = math.nan
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    signals: Mapping[str, Any] | None = None
    losses: np.ndarray | None = None
    summary: Mapping[str, float] = field(default_factory=dict)
    enqueued: bool = False


@dataclass(frozen=True, slots=True)
class ConfirmRow:
    """One retraining of a level's frozen recipe.

    Attributes:
        level: Its level.
        key: The pairing key, from 1: equal keys have equal splits, orders and initial weights where shapes agree.
        status: As of a trial.
        val: Score on the `val` rows.
        report: Score on the report rows, or over the folds' validation rows where there are none.
        correct: (n,) whether each report row is classified correctly; None where it is not kept.
        folds: (K,) scores of the folds of a K-fold; empty for a hold-out.
        curves: Per epoch.
        trial: Number of the trial whose recipe it is; None if it is not known.
        signals: As of a trial.
        summary: As of a trial; with `report/calibrated_loss` where it is a classifier on report rows.
    """

    level: str
    key: int
    status: str
    val: float
    report: float
    correct: np.ndarray | None = None
    folds: tuple[float, ...] = ()
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    trial: int | None = None
    signals: Mapping[str, Any] | None = None
    summary: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TestRow:
    """One opening of the sealed test set by a champion of the sweep.

    Attributes:
        opening: Its number, from 1.
        level: Level of the trial that was evaluated.
        trial: Its number.
        value: The metric on the test rows.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Test rows.
        who: By whom it was opened.
        purpose: What for, or why again; empty if it is not known.
        when: When, as the ledger says it.
        config: First digits of the digest of the model's configuration.
        weights: First digits of the digest of its weights.
        retrained: (S,) values of retrained networks of the same recipe; NaN where one is missing.
        correct: (n,) whether the shipped model classifies each test row correctly; None where it is not kept.
        unread: Why `correct`, which was kept, is not there; empty if it is, or never was.
    """

    __test__ = False  # no test case, whatever pytest makes of its name

    opening: int
    level: str
    trial: int
    value: float
    low: float
    high: float
    n: int
    who: str
    purpose: str = ""
    when: str = ""
    config: str = ""
    weights: str = ""
    retrained: tuple[float, ...] = ()
    correct: np.ndarray | None = None
    unread: str = ""


Row = TypeVar("Row", TrialRow, ConfirmRow)

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that one report is made from.

    Attributes:
        design: What was set before.
        trials: Of the search.
        confirm: Retrainings on fresh seeds.
        tests: Openings of the test set.
        retraining_s: Seconds that one retraining took here, among those that ran beside it; NaN if they are not known.
        training_s: Seconds in which any trial or retraining ran; NaN if they are not known.
        overrides: Those of the command that ran the sweep; empty if they are not known.
        folder: Where the sweep's files are; empty if there are none.
        baselines: Score of each model that is no network, on the rows that fresh seeds are scored on, by its name.
    """

    design: Design
    trials: tuple[TrialRow, ...]
    confirm: tuple[ConfirmRow, ...] = ()
    tests: tuple[TestRow, ...] = ()
    retraining_s: float = math.nan
    training_s: float = math.nan
    overrides: tuple[str, ...] = ()
    folder: str = ""
    baselines: Mapping[str, float] = field(default_factory=dict)
    _draws: Mapping[str, list[TrialRow]] = field(init=False, repr=False, compare=False)
    _confirmed: Mapping[str, list[ConfirmRow]] = field(init=False, repr=False, compare=False)
    _known: dict[tuple[object, str], Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Sorts the rows by level once: with many levels, looking through all of them for each takes minutes."""
        draws = sorted((row for row in self.trials if not (row.default or row.enqueued)), key=lambda row: row.k)
        object.__setattr__(self, "_draws", _by_level(draws))
        object.__setattr__(self, "_confirmed", _by_level(sorted(self.confirm, key=lambda row: row.key)))

    @property
    def openings(self) -> int:
        """How often the test set was opened, as far as is known."""
        return max([self.design.openings, len(self.tests), *(row.opening for row in self.tests)])

    def draws(self, level: str) -> list[TrialRow]:
        """The trials of a level that count, in the order of drawing: without the default recipe and given trials."""
        return list(self._draws.get(level, ()))

    def default(self, level: str) -> TrialRow | None:
        """The library's default recipe of a level, if it was run."""
        return next((row for row in self.trials if row.level == level and row.default), None)

    def given(self, level: str) -> list[TrialRow]:
        """The trials of a level whose values were given, which do not count as draws, by number."""
        return sorted((row for row in self.trials if row.level == level and row.enqueued), key=lambda row: row.k)

    def confirmed(self, level: str) -> list[ConfirmRow]:
        """The retrainings of a level's recipe, by key."""
        return list(self._confirmed.get(level, ()))

    def once(self, find: Callable[["Evidence", str], Found], level: str) -> Found:
        """What a function finds of a level, looked up from the second time on: every pair asks again."""
        if (find, level) not in self._known:
            self._known[find, level] = find(self, level)
        found: Found = self._known[find, level]
        return found

    def at_look(self, seeds: int) -> "Evidence":
        """What was known at the planned look at so many seeds; at the last one, everything."""
        if seeds >= max(self.design.looks, default=0):
            return self
        return replace(self, confirm=tuple(row for row in self.confirm if row.key <= seeds))


def _by_level(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.level, []).append(row)
    return found
