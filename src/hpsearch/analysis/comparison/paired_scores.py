"""Retrainings of two recipes, key by key: what a comparison is computed from.

S common keys, n report rows, K folds of each key, J = S K folds of all keys together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence
from hpsearch.analysis.exploration.findings import Interval
from hpsearch.records import Status
from hpsearch.statistics.corrected_resampling import corrected_interval, corrected_se
from hpsearch.statistics.crossed_effects import crossed, crossed_half_width
from hpsearch.statistics.paired_tests import (
    FamilyTest,
    differences,
    holm_levels,
    minimum_seeds,
    seeds_needed,
    sign_flip_interval,
    signed_ranks,
    spread,
    step_down,
    superiority,
)


@dataclass(frozen=True, slots=True)
class PairedScores:
    """Level `a` against level `b` on their common keys.

    Attributes:
        a: A level.
        b: Another.
        keys: S keys on which both have a score, ascending.
        dropped: Keys on which only one of them has.
        scores_a: (S,) of `a`; -inf where it diverged.
        scores_b: (S,) of `b`.
        bitmaps: Two (S, n) bool, whether each report row is right, where the score is the share of these rows; None
            unless all are kept.
        folds: (J,) differences a - b of folds, key after key; None for a hold-out, or where a fold is missing.
        failed: Of `a` and of `b`: how many of its seeds diverged, and how many have an outcome, common or not.
        rows: Report rows that the scores are shares of; 0 if they are no shares, or it is not known.
    """

    a: str
    b: str
    keys: tuple[int, ...]
    dropped: int
    scores_a: np.ndarray
    scores_b: np.ndarray
    bitmaps: tuple[np.ndarray, np.ndarray] | None
    folds: np.ndarray | None
    failed: tuple[tuple[int, int], tuple[int, int]]
    rows: int = 0

    @property
    def n(self) -> int:
        """Common keys."""
        return len(self.keys)

    @property
    def diverged(self) -> bool:
        """Whether any run of either level did, on a common key or not: the mean of the others would flatter it."""
        return any(diverged for diverged, _ in self.failed)


def outcome(row: ConfirmRow) -> float:
    """The score of a retraining: -inf if it diverged, NaN if the machine or foreign code failed it."""
    if row.status == Status.DIVERGED:
        return -math.inf
    if row.status not in (Status.OK, Status.STALLED):
        return math.nan
    score = float(np.mean(row.folds)) if row.folds and math.isnan(row.report) else row.report
    return score if math.isnan(score) or math.isfinite(score) else -math.inf


def outcomes(evidence: Evidence, level: str) -> dict[int, float]:
    """Key to score of all retrainings of a level that have one."""
    scores = {row.key: outcome(row) for row in evidence.confirmed(level)}
    return {key: score for key, score in scores.items() if not math.isnan(score)}


def pair_up(evidence: Evidence, a: str, b: str) -> PairedScores:
    """The common keys of two levels, with everything that is known on them."""
    of_a, of_b = outcomes(evidence, a), outcomes(evidence, b)
    keys = sorted(of_a.keys() & of_b.keys())
    rows_a, rows_b = _rows(evidence, a, keys), _rows(evidence, b, keys)
    return PairedScores(
        a,
        b,
        tuple(keys),
        len(of_a.keys() ^ of_b.keys()),
        np.array([of_a[key] for key in keys], dtype=np.float64),
        np.array([of_b[key] for key in keys], dtype=np.float64),
        _bitmaps(evidence.design, rows_a, rows_b),
        _fold_differences(rows_a, rows_b) if evidence.design.folds > 1 else None,
        (failures(of_a), failures(of_b)),
        evidence.design.rows.get("report", 0) if evidence.design.metric.is_share and evidence.design.folds == 1 else 0,
    )


def failures(scores: Mapping[int, float]) -> tuple[int, int]:
    """Of `outcomes`: how many diverged, and how many there are."""
    return sum(map(math.isinf, scores.values())), len(scores)


def _rows(evidence: Evidence, level: str, keys: Sequence[int]) -> list[ConfirmRow]:
    by_key = {row.key: row for row in evidence.confirmed(level)}
    return [by_key[key] for key in keys]


def _bitmaps(design: Design, a: Sequence[ConfirmRow], b: Sequence[ConfirmRow]) -> tuple[np.ndarray, np.ndarray] | None:
    """Only of an accuracy on one fixed set of rows: of other metrics they say something else."""
    kept = [np.asarray(row.correct) for row in (*a, *b) if row.correct is not None]
    if not design.metric.is_share or design.folds > 1 or not kept or len(kept) < len(a) + len(b):
        return None
    if any(one.ndim != 1 or one.shape != kept[0].shape for one in kept):
        return None
    stacked = np.stack(kept).astype(bool)
    return stacked[: len(a)], stacked[len(a) :]


def _fold_differences(a: Sequence[ConfirmRow], b: Sequence[ConfirmRow]) -> np.ndarray | None:
    """(J,) in the order of keys and folds; None unless both have as many finite scores on every key."""
    counts = {len(row.folds) for row in (*a, *b)}
    if len(counts) != 1 or counts == {0}:
        return None
    first, second = (np.array([row.folds for row in rows], dtype=np.float64).ravel() for rows in (a, b))
    return first - second if np.isfinite([first, second]).all() else None


def val_per_train(design: Design) -> float:
    """n_val / n_train of K folds, 1 / (K - 1).

    `folds` counts repeats, too, so that K is read off the rows where these are known; `val` may count those of one
    fold or, each once, those of all. Repeats count as folds where nothing better is known.
    """
    train, val = design.rows.get("train", 0), design.rows.get("val", 0)
    scored = val - train if val > train else val
    partition = round(train / scored) + 1 if train > 0 and scored > 0 else design.folds
    return 1 / (min(design.folds, max(2, partition)) - 1)


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
class ComparisonFamily:
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
class PairStatistics:
    """What was measured of a pair; NaN or None where it does not exist.

    Attributes:
        n: Differences: keys, or folds of all keys.
        diff: Their mean.
        se: Its standard error.
        ci: 95 % interval of its own.
        ci_sim: Interval adjusted for all comparisons: without 0 exactly where `p_adjusted` is at most alpha.
        wider: The interval for other rows than these, at the level of `ci_sim`: over images (S-12), or `ci_sim` itself
            where the rows were re-drawn (S-10).
        seed_part: Variance that comes from seeds, where it was split.
        image_part: Variance that comes from images.
        p: Two-sided.
        p_adjusted: Adjusted for all comparisons.
        p_holm: Adjusted by Holm, which is at least as large.
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
    p_adjusted: float = math.nan
    p_holm: float = math.nan
    superiority: float = math.nan
    needed: int | None = None


def enough(paired: PairedScores, family: ComparisonFamily) -> bool:
    """Whether a claim is possible on so many keys or folds (R07)."""
    folded = paired.folds is None or len(paired.folds) >= FEWEST_FOLDS
    return paired.n >= family.fewest and folded


def measure(measured: Sequence[PairedScores], family: ComparisonFamily) -> list[PairStatistics]:
    """All numbers of each pair; of one with too few keys, no more than the mean difference."""
    found = [_over_folds(paired, family) if family.ratio is not None else _plain(paired) for paired in measured]
    tested = [at for at, paired in enumerate(measured) if enough(paired, family)]
    if family.ratio is None:
        tests = step_down([(measured[at].keys, _flipped(measured[at])) for at in tested], family.alpha, family.m)
        for at, test in zip(tested, tests, strict=True):
            found[at] = _over_seeds(measured[at], test, family)
    tested = [at for at in tested if not math.isnan(found[at].p)]
    adjusted = holm_levels(np.array([found[at].p for at in tested]), family.alpha, family.m)
    for at, (p_holm, level) in zip(tested, adjusted, strict=True):
        found[at] = replace(found[at], p_holm=p_holm)
        folds = measured[at].folds
        if family.ratio is not None and folds is not None:
            interval = corrected_interval(folds, family.ratio, 1, level)
            found[at] = replace(found[at], p_adjusted=p_holm, ci_sim=interval, wider=interval)
    return found


def _plain(paired: PairedScores) -> PairStatistics:
    """No more than the mean difference, which does not exist where a run diverged."""
    diff = math.nan if not paired.n or paired.diverged else float(np.mean(paired.scores_a - paired.scores_b))
    return PairStatistics(paired.n, diff)


def _flipped(paired: PairedScores) -> np.ndarray:
    """(S,) what the signs of are flipped: differences, as counts of rows where these are known, or signed ranks."""
    d = differences(paired.scores_a, paired.scores_b)
    if paired.diverged:
        return signed_ranks(d)
    return d if paired.bitmaps is None else _count_differences(*paired.bitmaps)


def _over_seeds(paired: PairedScores, test: FamilyTest, family: ComparisonFamily) -> PairStatistics:
    """With the test of the pair; where a run diverged, a mean difference and its intervals do not exist."""
    d = differences(paired.scores_a, paired.scores_b)
    tested = PairStatistics(paired.n, p=test.p, p_adjusted=test.p_adjusted, superiority=superiority(d))
    if paired.diverged:
        return tested
    rows = 1 if paired.bitmaps is None else paired.bitmaps[0].shape[1]
    own = sign_flip_interval(_flipped(paired), OWN_ALPHA)
    simple = replace(
        tested, diff=float(d.mean()), se=spread(d) / math.sqrt(len(d)), ci=(own[0] / rows, own[1] / rows),
        ci_sim=(test.interval[0] / rows, test.interval[1] / rows),
        needed=None if _any_collapsed(paired) else needed(d, family),
    )  # fmt: skip
    if paired.bitmaps is not None:
        return _with_images(simple, *paired.bitmaps, alpha=test.level)
    return _with_bounded_images(simple, paired, test.level)


def _count_differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(S,) rows that a has right more than b: integers, so that sums of them tie exactly."""
    counts: np.ndarray = a.sum(axis=1, dtype=np.int64) - b.sum(axis=1, dtype=np.int64)
    return counts


def _with_images(simple: PairStatistics, a: np.ndarray, b: np.ndarray, *, alpha: float) -> PairStatistics:
    if a.shape[1] < 2:
        return simple
    both = crossed(a, b, alpha)
    return replace(simple, wider=(both.low, both.high), seed_part=both.seed_part, image_part=both.image_part)


def _with_bounded_images(simple: PairStatistics, paired: PairedScores, alpha: float) -> PairStatistics:
    """Without bitmaps, with the most that images can add if the levels do not err on different ones on purpose.

    The variance of a mean difference of shares of n independent images is at most (p_a q_a + p_b q_b) / n where right
    answers of the two are not negatively correlated, and less the more seeds and levels agree about images.
    """
    shares = [float(scores.mean()) for scores in (paired.scores_a, paired.scores_b)]
    if paired.rows < 2 or not all(0 <= share <= 1 for share in shares):
        return simple
    image_part = sum(share * (1 - share) for share in shares) / paired.rows
    half = crossed_half_width(simple.se**2, image_part, simple.se**2 + image_part, paired.n, alpha)
    wider = (simple.diff - half, simple.diff + half)
    return replace(simple, wider=wider, seed_part=simple.se**2, image_part=image_part)


def _over_folds(paired: PairedScores, family: ComparisonFamily) -> PairStatistics:
    """Nadeau & Bengio's interval and test (S-10); more seeds do not make folds of the same rows independent."""
    d = paired.folds
    if d is None or family.ratio is None or paired.diverged or not enough(paired, family):
        return _plain(paired)
    mean, se = float(d.mean()), corrected_se(d, family.ratio, 1)
    own = corrected_interval(d, family.ratio, 1, OWN_ALPHA)
    return PairStatistics(len(d), mean, se, own, p=corrected_p(mean, se, len(d)), superiority=superiority(d))


def collapsed(scores: np.ndarray) -> np.ndarray:
    """(S,) which seeds of a level have collapsed: by the median absolute deviation, times 1.4826 (Hampel, 1974)."""
    middle = float(np.median(scores))
    deviation = 1.4826 * float(np.median(np.abs(scores - middle)))
    far: np.ndarray = scores < middle - max(COLLAPSE * deviation, SMALLEST_FALL * abs(middle))
    return far


def _any_collapsed(paired: PairedScores) -> bool:
    """Whether any seed did: then no number of seeds is foretold, for the spread is that of a collapse."""
    return bool(collapsed(paired.scores_a).any() or collapsed(paired.scores_b).any())


def corrected_p(mean: float, se: float, n: int) -> float:
    """Two-sided p of the mean of n fold differences; in the limit of no spread, 1 for no difference and else 0."""
    if se == 0:
        return 0.0 if mean else 1.0
    return float(2 * stats.t.sf(abs(mean) / se, n - 1))


def needed(d: np.ndarray, family: ComparisonFamily) -> int | None:
    """Seeds for 80 % power at delta, or else at the observed difference; None where millions would not do (S-15)."""
    sd = spread(d)
    effect = family.delta if family.delta is not None else abs(float(d.mean()))
    if not 0 < effect < math.inf or not effect >= SMALLEST_EFFECT * sd or family.each >= POWER:
        return None
    return max(family.fewest, seeds_needed(effect, sd, family.each, POWER))
