"""What a report says of a search: hypothesis-generating numbers of one level, and no evidence."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """Tuning curves of one level at budgets of `ks` trials.

    Attributes:
        ks: (K,) numbers of trials.
        expected: (K,) E_k: expected highest `val` score (S-01).
        report: (K,) R_k: expected report score of the trial selected on `val` (S-03); NaN without report rows.
        median: (K,) M_k: median highest `val` score (S-04).
        low: (K,) lower end of the 95 % band of R_k, or of E_k without report rows; NaN beyond `claim_to`.
        high: (K,) upper end.
        claim_to: Largest k for claims: N / 5; 0 if there are too few trials.
    """

    ks: np.ndarray
    expected: np.ndarray
    report: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    claim_to: int


@dataclass(frozen=True, slots=True)
class Importance:
    """How much one value matters among the best trials (S-22).

    Attributes:
        name: Of the value; `dummy` for the random numbers that are the yardstick.
        share: Of the divergence, all values together 1.
        interval: 95 % bootstrap.
        evidence: Whether it lies clearly above the dummy.
    """

    name: str
    share: float
    interval: Interval
    evidence: bool


@dataclass(frozen=True, slots=True)
class Isolation:
    """What one range of a value gives, other values being tuned, with equally many trials for each range.

    Attributes:
        low: Lower end of the range, or the label of a choice.
        high: Upper end, or the label again.
        n: Trials in the range.
        score: Expected report score of the best of m (the fewest trials of any range).
        interval: 95 % bootstrap; None where m is more than a fifth of n.
    """

    low: float | str
    high: float | str
    n: int
    score: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class GoodRegion:
    """The region of the space that gives scores within delta of the recipe's.

    Attributes:
        share: Of the trials.
        interval: Wilson 95 %.
        spans: For each number drawn, the smallest and largest value inside.
        threshold: The score from which on a trial is good.
    """

    share: float
    interval: Interval
    spans: Mapping[str, Interval]
    threshold: float


@dataclass(frozen=True, slots=True)
class SearchSummary:
    """What the search found in one level: hypothesis-generating, not evidence.

    Attributes:
        n: Draws that have a result.
        failed: Draws that diverged; they count with the worst score.
        failed_interval: Wilson 95 % of their share.
        stalled: Draws that learned hardly more than a constant guess.
        stalled_interval: Wilson 95 % of their share.
        missing: Draws without a result for reasons of the machine.
        curve: None if order statistics are refused.
        blocks: Budget k to the report scores of the winners of disjoint blocks of k trials.
        recipe: Number of the trial that `val` selects; None if no trial was scored.
        recipe_values: What it drew.
        val: Its score on `val`: a maximum, biased upward.
        report: Its score on the report rows.
        default_val: Of the default recipe, NaN if it was not run.
        default_report: The same on the report rows.
        curse: By how much the best of n equal trials would exceed them all by chance.
        shrinkage: Lambda: share of the spread of scores that is not noise; 0: indistinguishable from noise.
        shrunken: The best score, shrunken by it.
        contending: Trials that share 95 % of the probability of being the best.
        mixture: Mean and SD of the report score over that probability.
        corrected: Estimate and interval of the selected trial's score by BBC-CV; None for a hold-out.
        importance: Values by their share, the dummy among them; empty if it is refused.
        isolation: For each value, ranges of it.
        good: The good region; None without a recipe.
        top: Numbers of the five highest-scoring trials, the recipe first.
        mean_cost: Mean cost of a trial; NaN if it is not known.
    """

    n: int
    failed: int
    failed_interval: Interval
    stalled: int
    stalled_interval: Interval
    missing: int
    curve: Curve | None
    blocks: Mapping[int, np.ndarray]
    recipe: int | None
    recipe_values: Mapping[str, object]
    val: float
    report: float
    default_val: float
    default_report: float
    curse: float
    shrinkage: float
    shrunken: float
    contending: int
    mixture: Interval
    corrected: tuple[float, float, float] | None
    importance: tuple[Importance, ...]
    isolation: Mapping[str, tuple[Isolation, ...]]
    good: GoodRegion | None
    top: tuple[int, ...]
    mean_cost: float

    @property
    def learns(self) -> bool:
        """Whether any trial learned anything."""
        return self.failed + self.stalled < self.n
