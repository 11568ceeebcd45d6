"""The numbers of one comparison of frozen recipes, whichever way its differences came about."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from hpsearch.analysis.crossed import crossed
from hpsearch.analysis.explored import Interval
from hpsearch.analysis.paired import (
    differences,
    mean_interval,
    minimum_seeds,
    sign_flip,
    sign_flip_ranks,
    spread,
    superiority,
)
from hpsearch.analysis.pairing import Paired
from hpsearch.analysis.power import seeds_needed
from hpsearch.analysis.resampled import corrected_interval, corrected_se

OWN_ALPHA = 0.05
"""1 - coverage of a pair's own interval, whatever the family's alpha is."""
NOWHERE: Interval = (math.nan, math.nan)
POWER = 0.8
SMALLEST_EFFECT = 1e-3
"""In standard deviations: to detect less would take more than seven million seeds."""
COLLAPSE = 10.0
"""A seed has collapsed whose score lies so many robust standard deviations below the median of its level: of ten normal
scores, chance puts one there in a thousandth of all levels."""
SMALLEST_FALL = 0.05
"""Of the median, how far below it a collapse lies at least, where most scores tie."""
FEWEST_FOLDS = 10
"""Folds of all keys together that a claim under K-fold needs, over two keys or more."""


@dataclass(frozen=True, slots=True)
class Family:
    """What all comparisons of a report share.

    Attributes:
        m: Comparisons, also those that are refused; at least 1.
        alpha: Error rate of all claims together, already divided by the number of looks.
        delta: Smallest difference that matters; None if none is declared.
        ratio: n_val / n_train of folds; None for a hold-out.
    """

    m: int
    alpha: float
    delta: float | None
    ratio: float | None

    @property
    def each(self) -> float:
        """Alpha of one of m simultaneous intervals."""
        return self.alpha / self.m

    @property
    def fewest(self) -> int:
        """Common keys without which no claim is possible, however large an effect is."""
        return 2 if self.ratio is not None else minimum_seeds(self.m, self.alpha)


@dataclass(frozen=True, slots=True)
class Numbers:
    """What was measured of a pair; NaN or None where it does not exist.

    Attributes:
        n: Differences: keys, or folds of all keys.
        diff: Their mean.
        se: Its standard error.
        ci: 95 % interval of its own.
        ci_sim: Interval that holds for all of the family at once.
        wider: The interval for other rows than these, at the level of `ci_sim`: over images (S-12), or `ci_sim` itself
            where the rows were re-drawn (S-10).
        seed_part: Variance that comes from seeds, where it was split.
        image_part: Variance that comes from images.
        p: Two-sided.
        superiority: Share of keys on which a is ahead, ties counted half.
        needed: Seeds for 80 % power.
    """

    n: int
    diff: float = math.nan
    se: float = math.nan
    ci: Interval = NOWHERE
    ci_sim: Interval | None = None
    wider: Interval | None = None
    seed_part: float = math.nan
    image_part: float = math.nan
    p: float = math.nan
    superiority: float = math.nan
    needed: int | None = None


def enough(paired: Paired, family: Family) -> bool:
    """Whether a claim is possible on so many keys or folds (R07)."""
    folded = paired.folds is None or len(paired.folds) >= FEWEST_FOLDS
    return paired.n >= family.fewest and folded


def measure(paired: Paired, family: Family) -> Numbers:
    """All numbers of a pair; with too few keys, no more than the mean difference."""
    if not enough(paired, family):
        diff = math.nan if not paired.n or paired.diverged else float(np.mean(paired.scores_a - paired.scores_b))
        return Numbers(paired.n, diff)
    if paired.diverged:
        return _by_ranks(paired, folded=family.ratio is not None)
    if family.ratio is None:
        return _over_seeds(paired, family)
    if paired.folds is None:
        return Numbers(paired.n, float(np.mean(paired.scores_a - paired.scores_b)))
    return _over_folds(paired.folds, family, family.ratio)


def _by_ranks(paired: Paired, *, folded: bool) -> Numbers:
    """A mean difference does not exist; folds overlap, so that their signs are no coin tosses."""
    d = differences(paired.scores_a, paired.scores_b)
    p = math.nan if folded else sign_flip_ranks(d)
    return Numbers(paired.n, p=p, superiority=superiority(d))


def _over_seeds(paired: Paired, family: Family) -> Numbers:
    d = differences(paired.scores_a, paired.scores_b)
    se = spread(d) / math.sqrt(len(d))
    simple = Numbers(
        len(d), float(d.mean()), se, mean_interval(d, OWN_ALPHA), mean_interval(d, family.each),
        p=sign_flip(d if paired.bitmaps is None else _count_differences(*paired.bitmaps)),
        superiority=superiority(d), needed=None if _any_collapsed(paired) else needed(d, family),
    )  # fmt: skip
    return simple if paired.bitmaps is None else _with_images(simple, *paired.bitmaps, alpha=family.each)


def _count_differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(S,) rows that a has right more than b: integers, so that sums of them tie exactly."""
    counts: np.ndarray = a.sum(axis=1, dtype=np.int64) - b.sum(axis=1, dtype=np.int64)
    return counts


def _with_images(simple: Numbers, a: np.ndarray, b: np.ndarray, *, alpha: float) -> Numbers:
    if a.shape[1] < 2:
        return simple
    both = crossed(a, b, alpha)
    return replace(simple, wider=(both.low, both.high), seed_part=both.seed_part, image_part=both.image_part)


def _over_folds(d: np.ndarray, family: Family, ratio: float) -> Numbers:
    """Nadeau & Bengio's interval and test (S-10); more seeds do not make folds of the same rows independent."""
    mean, se = float(d.mean()), corrected_se(d, ratio, 1)
    simultaneous = corrected_interval(d, ratio, 1, family.each)
    return Numbers(
        len(d), mean, se, corrected_interval(d, ratio, 1, OWN_ALPHA), simultaneous, simultaneous,
        p=corrected_p(mean, se, len(d)), superiority=superiority(d),
    )  # fmt: skip


def collapsed(scores: np.ndarray) -> np.ndarray:
    """(S,) which seeds of a level have collapsed: by the median absolute deviation, times 1.4826 (Hampel, 1974)."""
    middle = float(np.median(scores))
    deviation = 1.4826 * float(np.median(np.abs(scores - middle)))
    far: np.ndarray = scores < middle - max(COLLAPSE * deviation, SMALLEST_FALL * abs(middle))
    return far


def _any_collapsed(paired: Paired) -> bool:
    """Whether any seed did: then no number of seeds is foretold, for the spread is that of a collapse."""
    return bool(collapsed(paired.scores_a).any() or collapsed(paired.scores_b).any())


def corrected_p(mean: float, se: float, n: int) -> float:
    """Two-sided p of the mean of n fold differences; in the limit of no spread, 1 for no difference and else 0."""
    if se == 0:
        return 0.0 if mean else 1.0
    return float(2 * stats.t.sf(abs(mean) / se, n - 1))


def needed(d: np.ndarray, family: Family) -> int | None:
    """Seeds for 80 % power at delta, or else at the observed difference; None where millions would not do (S-15)."""
    sd = spread(d)
    effect = family.delta if family.delta is not None else abs(float(d.mean()))
    if not 0 < effect < math.inf or not effect >= SMALLEST_EFFECT * sd or family.each >= POWER:
        return None
    return max(family.fewest, seeds_needed(effect, sd, family.each, POWER))
