"""The entries of a leaderboard: each level of each sweep on one split, as its highest-scoring trial stands for it.

Scores are higher where a result is better. The trial of an entry was picked on `val`; `report` had no say in that, so
that it is what entries are put in order by. It is an order of single trainings and no ranking.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hpsearch.analysis.comparison.outcomes import outcomes
from hpsearch.analysis.comparison.paired_scores import NOWHERE, val_per_train
from hpsearch.analysis.evidence import Design, Evidence, TrialRow
from hpsearch.analysis.exploration.findings import Interval
from hpsearch.analysis.exploration.trial_pool import TrialPool, order_refused, trial_pool
from hpsearch.analysis.exploration.winners_curse import corrected_score, luck_of
from hpsearch.metrics import Metric
from hpsearch.records import NO_LEVEL, Status, Value
from hpsearch.statistics.corrected_resampling import corrected_se
from hpsearch.statistics.intervals import BOOTSTRAP_SEED, wilson
from hpsearch.statistics.paired_tests import spread


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows are scored, and how: what sweeps must share to stand in one leaderboard.

    Attributes:
        rows: Digest of all rows of the data set.
        evaluation: Name and value of its settings, parts as numbers of rows.
        seed: With which the parts are drawn.
        metric: What scores are.
        loss: What was trained on, where the metric means something else under another loss (R10); otherwise empty.
    """

    rows: str
    evaluation: tuple[tuple[str, Value], ...]
    seed: int
    metric: Metric
    loss: str = ""

    @property
    def text(self) -> str:
        """`accuracy, holdout (replicates=1, report=180, val=180), seed 0, rows 3f2a9c1b`."""
        settings = dict(self.evaluation)
        kind = settings.pop("kind", "")
        listed = ", ".join(f"{name}={value}" for name, value in settings.items())
        under = f" under {self.loss}" if self.loss else ""
        return f"{self.metric}{under}, {kind} ({listed}), seed {self.seed}, rows {self.rows[:8]}"

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that tell it from other splits: the beginning of a SHA-256."""
        known = [self.rows, self.evaluation, self.seed, self.metric.name, self.loss]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The highest-scoring trial of status `ok` in one level.

    Attributes:
        trial: Its number.
        model: Its network, in words.
        train: Rows that each of its trainings read.
        settings: What else it was trained with, by name.
        configuration: Digest of all that its trainings read but data and seed; empty if it is not known.
    """

    trial: int
    model: str
    train: int
    settings: Mapping[str, str] = field(default_factory=dict)
    configuration: str = ""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep of a leaderboard.

    Attributes:
        name: Differs from that of all others.
        split: What it was scored on.
        evidence: Everything that was measured.
        recipes: By level; levels without any trial of status `ok` have none.
    """

    name: str
    split: Split
    evidence: Evidence
    recipes: Mapping[str, Recipe]


@dataclass(frozen=True, slots=True)
class Entry:
    """One level of one sweep, as its highest-scoring trial in the search represents it.

    Attributes:
        name: Differs from that of all other entries: `sweep`, or `sweep / level`.
        sweep: Name of the sweep.
        level: Its level; `NO_LEVEL` where the sweep compares nothing.
        recipe: The trial; None if no draw has the status `ok`: then nothing below is known but the counts.
        draws: Trials that were drawn.
        statuses: How many of them ended how.
        epochs: Epochs that the trial was trained for.
        values: What it drew.
        val: Its score on `val`: a maximum, biased upward.
        shown: What entries are put in order by: its score on the report rows, under K-fold that on `val` without the
            luck of the choice (S-09); NaN where there is neither.
        interval: 95 % of `shown` over its rows; NaN where it is not known.
        curse: By how much the highest `val` score of equal trials, as many, would exceed their mean by chance.
        shrinkage: Lambda: share of the spread of `val` scores that is not noise; 0: nothing was found above noise.
        seeds: Fresh seeds on which the recipe has a score.
        diverged: How many of these diverged.
        confirmed: Mean score over fresh seeds; NaN where one diverged (R08).
        confirmed_se: Its standard error over seeds, or over folds, corrected for their overlap (S-10); NaN for fewer
            than two, and without a mean.
        twins: Sweep and level of others that are the same recipe with the same scores, for which it stands, too.
    """

    name: str
    sweep: str
    level: str
    recipe: Recipe | None
    draws: int
    statuses: Mapping[str, int]
    epochs: int = 0
    values: Mapping[str, Value] = field(default_factory=dict)
    val: float = math.nan
    shown: float = math.nan
    interval: Interval = NOWHERE
    curse: float = math.nan
    shrinkage: float = math.nan
    seeds: int = 0
    diverged: int = 0
    confirmed: float = math.nan
    confirmed_se: float = math.nan
    twins: tuple[tuple[str, str], ...] = ()

    @property
    def sweeps(self) -> tuple[str, ...]:
        """Names of all sweeps that have it, its own first."""
        return tuple(dict.fromkeys([self.sweep, *(sweep for sweep, _ in self.twins)]))

    @property
    def failures(self) -> int:
        """Draws that came to no score; pruned ones are none of them."""
        unscored = [name for name in self.statuses if not Status(name).scored and name != Status.PRUNED]
        return sum(self.statuses[name] for name in unscored)


def entries_of(sweeps: Sequence[Sweep]) -> tuple[Entry, ...]:
    """Every level of every sweep, the highest `shown` first, those without one last; equal ones by name.

    Raises:
        ValueError: If the sweeps do not share one split: scores on other rows are not compared.
    """
    splits = sorted({sweep.split.text for sweep in sweeps})
    if len(splits) != 1:
        raise ValueError(f"a leaderboard must be of one split, got {len(splits)}: {'; '.join(splits)}")
    found = [_entry(sweep, level.name) for sweep in sweeps for level in sweep.evidence.design.levels]
    unknown = math.inf
    ordered = sorted(
        found,
        key=lambda one: (unknown if math.isnan(one.shown) else -one.shown, one.name.casefold(), one.name),
    )
    return tuple(_with_names_of_their_own(ordered))


def _with_names_of_their_own(entries: Sequence[Entry]) -> list[Entry]:
    """A sweep `a / b` and the level `b` of a sweep `a` would share one."""
    seen: Counter[str] = Counter()
    found = []
    for entry in entries:
        seen[entry.name] += 1
        again = seen[entry.name]
        found.append(entry if again == 1 else replace(entry, name=f"{entry.name} ({again})"))
    return found


def _entry(sweep: Sweep, level: str) -> Entry:
    evidence, recipe = sweep.evidence, sweep.recipes.get(level)
    draws = evidence.draws(level)
    name = sweep.name if level == NO_LEVEL else f"{sweep.name} / {level}"
    statuses = dict(sorted(Counter(row.status for row in draws).items()))
    plain = Entry(name, sweep.name, level, recipe, len(draws), statuses)
    if recipe is None:
        return plain
    trial = next(row for row in draws if row.k == recipe.trial)
    pool = trial_pool(evidence, level)
    shown, *ends = _shown(evidence, pool, trial)
    luck = luck_of(evidence.design, pool, refused=True)
    searched = replace(
        plain, epochs=trial.epochs, values=trial.values, val=trial.val, shown=shown, interval=(ends[0], ends[1]),
        curse=luck.curse, shrinkage=luck.shrinkage,
    )  # fmt: skip
    return _confirmed(searched, evidence)


def _shown(evidence: Evidence, pool: TrialPool, trial: TrialRow) -> tuple[float, float, float]:
    """The score that selection had no say in, low and high."""
    design = evidence.design
    if design.rows.get("report"):
        return trial.report, *report_interval(design, trial.report)
    corrected = None if order_refused(evidence) else corrected_score(design, pool, BOOTSTRAP_SEED)
    return corrected or (math.nan, math.nan, math.nan)


def report_interval(design: Design, report: float) -> Interval:
    """Wilson 95 % of an accuracy on the report rows: would other rows differ? NaN for any other score."""
    n = design.rows.get("report", 0)
    if not (design.metric.is_share and n and 0 <= report <= 1):
        return NOWHERE
    return wilson(round(report * n), n)


def _confirmed(entry: Entry, evidence: Evidence) -> Entry:
    """With the mean over fresh seeds, unless one diverged."""
    scores = outcomes(evidence, entry.level)
    failed, n = sum(map(math.isinf, scores.values())), len(scores)
    counted = replace(entry, seeds=n, diverged=failed)
    if failed or not n:
        return counted
    values = np.array(list(scores.values()))
    se = _standard_error(evidence, entry.level, values)
    return replace(counted, confirmed=float(values.mean()), confirmed_se=se)


def _standard_error(evidence: Evidence, level: str, scores: np.ndarray) -> float:
    if evidence.design.folds <= 1:
        return spread(scores) / math.sqrt(len(scores)) if len(scores) > 1 else math.nan
    folds = np.array([score for row in evidence.confirmed(level) for score in row.folds])
    known = len(folds) > 1 and np.isfinite(folds).all()
    return corrected_se(folds, val_per_train(evidence.design), 1) if known else math.nan


Retrainings = Mapping[int, tuple[object, ...]]


def once_each(sweeps: Sequence[Sweep], entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries, in their order, of which those that are one recipe with the same scores are one.

    Two are one if their recipes are configured alike, their trials have the same scores, and all retrainings of one of
    them are, key by key, among those of the other. The one with most retrainings stands for both, then one that was not
    begun after a look, then the one with most draws.

    Args:
        sweeps: Those of the entries.
        entries: In the order of the leaderboard, with names of their own.
    """
    by_name = {sweep.name: sweep.evidence for sweep in sweeps}
    alike: dict[object, list[list[Entry]]] = {}
    for at, entry in enumerate(sorted(entries, key=lambda one: _rank(one, by_name[one.sweep]))):
        groups = alike.setdefault(_recipe_of(entry, by_name[entry.sweep]) or at, [])
        group = next((one for one in groups if _same(one, entry, by_name)), None)
        groups.append([entry]) if group is None else group.append(entry)
    standing = {group[0].name: group for groups in alike.values() for group in groups}
    return tuple(_standing(standing[entry.name]) for entry in entries if entry.name in standing)


def _rank(entry: Entry, evidence: Evidence) -> tuple[int, bool, int]:
    return -len(_retrainings(entry, evidence)), evidence.design.exploratory is not None, -entry.draws


def _recipe_of(entry: Entry, evidence: Evidence) -> tuple[str, str, str] | None:
    """How its recipe is configured, and what it scored in the search; None if that is not known."""
    if entry.recipe is None or not entry.recipe.configuration:
        return None
    trial = next(row for row in evidence.draws(entry.level) if row.k == entry.recipe.trial)
    return entry.recipe.configuration, repr(trial.val), repr(trial.report)


def _same(group: Sequence[Entry], entry: Entry, by_name: Mapping[str, Evidence]) -> bool:
    """Whether an entry of another sweep has no retraining but those of the first of a group."""
    if entry.sweep in [one.sweep for one in group]:
        return False
    all_of, some = (_retrainings(one, by_name[one.sweep]) for one in (group[0], entry))
    return all(all_of.get(key) == outcome for key, outcome in some.items())


def _retrainings(entry: Entry, evidence: Evidence) -> Retrainings:
    """By pairing key: status, scores, and which rows are right; a score that is missing equals another one."""
    return {
        row.key: (
            row.status, *(None if math.isnan(score) else score for score in (row.val, row.report)), row.folds,
            b"" if row.correct is None else row.correct.tobytes(),
        )
        for row in evidence.confirmed(entry.level)
    }  # fmt: skip


def _standing(group: Sequence[Entry]) -> Entry:
    first, *others = group
    return replace(first, twins=tuple((one.sweep, one.level) for one in sorted(others, key=lambda one: one.name)))
