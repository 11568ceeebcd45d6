"""Retrainings of two recipes, key by key: what a comparison is computed from.

S common keys, n report rows, K folds of each key, J = S K folds of all keys together.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from hpsearch.analysis.comparison.outcomes import Failures, counted, failed_seeds, outcomes
from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence
from hpsearch.analysis.exploration.findings import Interval
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
        lost: (S,) whether `a` failed on the key, and (S,) whether `b` did.
        failed: How many of the seeds of `a` and of `b` failed, on common keys or not.
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
    lost: tuple[np.ndarray, np.ndarray]
    failed: tuple[Failures, Failures]
    rows: int = 0

    @property
    def n(self) -> int:
        """Common keys."""
        return len(self.keys)

    @property
    def diverged(self) -> bool:
        """Whether any run of either level did, on a common key or not: the mean of the others would flatter it."""
        return any(failures.diverged for failures in self.failed)

    @property
    def unreliable(self) -> bool:
        """Whether any run of either level failed in any way."""
        return any(failures.count for failures in self.failed)


def pair_up(evidence: Evidence, a: str, b: str) -> PairedScores:
    """The common keys of two levels, with everything that is known on them."""
    return pair_up_all(evidence, [(a, b)])[0]


def pair_up_all(evidence: Evidence, pairs: Sequence[tuple[str, str]]) -> list[PairedScores]:
    """The same of several pairs; which seeds of a level failed is found out once."""
    names = {name for pair in pairs for name in pair}
    scores = {name: outcomes(evidence, name) for name in names}
    failed = {name: failed_seeds(evidence, name) for name in names}
    return [_pair_up(evidence, pair, scores, failed) for pair in pairs]


def _pair_up(
    evidence: Evidence,
    pair: tuple[str, str],
    scores: Mapping[str, Mapping[int, float]],
    failed: Mapping[str, Mapping[int, str]],
) -> PairedScores:
    design, (a, b) = evidence.design, pair
    keys = sorted(scores[a].keys() & scores[b].keys())
    rows_a, rows_b = _rows(evidence, a, keys), _rows(evidence, b, keys)
    of_a, of_b = (np.array([scores[name][key] for key in keys], dtype=np.float64) for name in pair)
    lost_a, lost_b = (np.array([key in failed[name] for key in keys], dtype=bool) for name in pair)
    return PairedScores(
        a=a, b=b, keys=tuple(keys), dropped=len(scores[a].keys() ^ scores[b].keys()), scores_a=of_a, scores_b=of_b,
        bitmaps=_bitmaps(design, rows_a, rows_b),
        folds=_fold_differences(rows_a, rows_b) if design.folds > 1 else None,
        lost=(lost_a, lost_b), failed=(counted(failed[a], len(scores[a])), counted(failed[b], len(scores[b]))),
        rows=design.rows.get("report", 0) if design.metric.is_share and design.folds == 1 else 0,
    )  # fmt: skip


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

MOST_SEEDS = 1000
"""More are told in words: nobody trains them, and the spread that they are computed from is known to no such digits."""

SMALLEST_EFFECT = 1e-3
"""In standard deviations: to detect less would take more than seven million seeds."""

FEWEST_FOLDS = 10
"""Folds of all keys together that a claim under K-fold needs, over two keys or more."""


@dataclass(frozen=True, slots=True)
class ComparisonFamily:
    """What all comparisons of a report share.

    Attributes:
        m: Comparisons, also those that are refused; at least 1.
        alpha: Error rate of all claims together, already divided by the number of unplanned looks.
        delta: Smallest difference that matters; None if none is declared.
        ratio: n_val / n_train of folds; None for a hold-out.
        part: Part of alpha that is spent by the planned look at which they are compared.
    """

    m: int
    alpha: float
    delta: float | None
    ratio: float | None
    part: float = 1.0

    @property
    def spent(self) -> float:
        """Error rate of all claims of this look together."""
        return self.alpha * self.part

    def for_looks(self, p: float) -> float:
        """A p that is adjusted for the comparisons of this look, adjusted for all looks: to compare with `alpha`."""
        return min(1.0, p / self.part)

    @property
    def each(self) -> float:
        """Alpha of one of m simultaneous intervals."""
        return self.spent / self.m

    @property
    def fewest(self) -> int:
        """Common keys without which no claim is possible, however large an effect is."""
        return 2 if self.ratio is not None else minimum_seeds(self.m, self.spent)


@dataclass(frozen=True, slots=True)
class PairStatistics:
    """What was measured of a pair; NaN or None where it does not exist.

    Attributes:
        n: Differences: keys on which both trained, as a rule, or folds of all keys.
        diff: Their mean.
        se: Its standard error.
        ci: 95 % interval of its own.
        ci_sim: Interval adjusted for all comparisons: without 0 exactly where `p_adjusted` is at most alpha.
        wider: The interval for other rows than these, at the level of `ci_sim`: over images (S-12), or `ci_sim` itself
            where the rows were re-drawn (S-10).
        seed_part: Variance that comes from seeds, where it was split.
        image_part: Variance that comes from images.
        p: Two-sided.
        p_adjusted: Adjusted for all comparisons and all planned looks.
        p_holm: Adjusted for the comparisons by Holm, which is at least as large, and for the looks.
        superiority: Share of keys on which a is ahead, ties counted half.
        needed: Seeds for 80 % power.
        mean: Mean difference of all keys, those on which either failed among them; NaN where one diverged.
        p_reliability: Of the ranks of all keys, with seeds that failed as the lowest, adjusted; NaN where none did.
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
    mean: float = math.nan
    p_reliability: float = math.nan


def trained_keys(paired: PairedScores) -> np.ndarray:
    """(S,) the keys on which neither failed."""
    trained: np.ndarray = ~(paired.lost[0] | paired.lost[1])
    return trained


def enough(paired: PairedScores, family: ComparisonFamily) -> bool:
    """Whether a claim is possible on so many keys or folds (R07)."""
    folded = paired.folds is None or len(paired.folds) >= FEWEST_FOLDS
    return paired.n >= family.fewest and folded


def measure(measured: Sequence[PairedScores], family: ComparisonFamily) -> list[PairStatistics]:
    """All numbers of each pair; of one with too few keys, no more than the mean difference."""
    found = [_over_folds(paired, family) if family.ratio is not None else _plain(paired) for paired in measured]
    tested = [at for at, paired in enumerate(measured) if enough(paired, family)]
    if family.ratio is None:
        for at, one in zip(tested, _over_seeds([measured[at] for at in tested], family), strict=True):
            found[at] = one
    tested = [at for at in tested if not math.isnan(found[at].p)]
    adjusted = holm_levels(np.array([found[at].p for at in tested]), family.spent, family.m)
    for at, (of_look, level) in zip(tested, adjusted, strict=True):
        p_holm = family.for_looks(of_look)
        found[at] = replace(found[at], p_holm=p_holm)
        folds = measured[at].folds
        if family.ratio is not None and folds is not None:
            interval = corrected_interval(folds, family.ratio, 1, level)
            found[at] = replace(found[at], p_adjusted=p_holm, ci_sim=interval, wider=interval)
    return found


def _plain(paired: PairedScores) -> PairStatistics:
    """No more than the mean difference, which does not exist where a run diverged."""
    diff = math.nan if not paired.n or paired.diverged else float(np.mean(paired.scores_a - paired.scores_b))
    return PairStatistics(paired.n, diff, mean=diff)


def _over_seeds(measured: Sequence[PairedScores], family: ComparisonFamily) -> list[PairStatistics]:
    """Of pairs with keys enough: differences where both trained, and ranks where any run failed, as one family.

    Two tests of a pair that say much the same cost little under min p, which counts how much they depend on each other.
    """
    differing = [at for at, paired in enumerate(measured) if not paired.diverged]
    ranked = [at for at, paired in enumerate(measured) if paired.unreliable]
    asked = [(measured[at].keys, ranks_of(measured[at])) for at in ranked]
    kept = {at: compared_keys(measured[at], family) for at in differing}
    asked += [(np.array(measured[at].keys)[kept[at]].tolist(), _flipped(measured[at], kept[at])) for at in differing]
    tests = step_down(asked, family.spent, family.m + len(asked) - len(measured))
    by_ranks = dict(zip(ranked, tests, strict=False))
    by_scores = dict(zip(differing, tests[len(ranked) :], strict=True))
    found = []
    for at, paired in enumerate(measured):
        d, main = differences(paired.scores_a, paired.scores_b), by_scores.get(at, by_ranks.get(at))
        assert main is not None, paired
        ranks = family.for_looks(by_ranks[at].p_adjusted) if at in by_ranks else math.nan
        tested = PairStatistics(
            paired.n, p=main.p, p_adjusted=family.for_looks(main.p_adjusted), superiority=superiority(d),
            p_reliability=ranks,
        )  # fmt: skip
        found.append(_with_scores(tested, paired, kept[at], main, family) if at in kept else tested)
    return found


def compared_keys(paired: PairedScores, family: ComparisonFamily) -> np.ndarray:
    """(S,) the keys whose differences are compared: those on which both trained, if they are enough for a claim.

    A mean over seeds of which one collapsed is that of none of them. Where more than half of the seeds of a level
    failed, the failures are what there is to compare.
    """
    trained = trained_keys(paired)
    typical = trained.sum() >= family.fewest and all(failures.is_exception for failures in paired.failed)
    return trained if typical else np.ones_like(trained)


def ranks_of(paired: PairedScores) -> np.ndarray:
    """(S,) signed ranks of the differences, with seeds that failed as the lowest of all and as ties."""
    scores = zip((paired.scores_a, paired.scores_b), paired.lost, strict=True)
    return signed_ranks(differences(*(np.where(lost, -math.inf, known) for known, lost in scores)))


def _flipped(paired: PairedScores, kept: np.ndarray) -> np.ndarray:
    """(S',) differences on these keys, as counts of rows where these are known."""
    if paired.bitmaps is None:
        return differences(paired.scores_a[kept], paired.scores_b[kept])
    return _count_differences(*(bitmap[kept] for bitmap in paired.bitmaps))


def _with_scores(
    tested: PairStatistics, paired: PairedScores, kept: np.ndarray, test: FamilyTest, family: ComparisonFamily
) -> PairStatistics:
    """With differences on these keys, of a pair of which no run diverged."""
    d = differences(paired.scores_a[kept], paired.scores_b[kept])
    rows = 1 if paired.bitmaps is None else paired.bitmaps[0].shape[1]
    own = sign_flip_interval(_flipped(paired, kept), OWN_ALPHA)
    simple = replace(
        tested, n=len(d), diff=float(d.mean()), se=spread(d) / math.sqrt(len(d)), ci=(own[0] / rows, own[1] / rows),
        ci_sim=(test.interval[0] / rows, test.interval[1] / rows),
        needed=needed(d, family) if trained_keys(paired)[kept].all() else None,
        mean=float(np.mean(paired.scores_a - paired.scores_b)),
    )  # fmt: skip
    if paired.bitmaps is not None:
        return _with_images(simple, *(bitmap[kept] for bitmap in paired.bitmaps), alpha=test.level)
    means = [float(scores[kept].mean()) for scores in (paired.scores_a, paired.scores_b)]
    return _with_bounded_images(simple, means, paired.rows, test.level)


def _count_differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(S,) rows that a has right more than b: integers, so that sums of them tie exactly."""
    counts: np.ndarray = a.sum(axis=1, dtype=np.int64) - b.sum(axis=1, dtype=np.int64)
    return counts


def _with_images(simple: PairStatistics, a: np.ndarray, b: np.ndarray, *, alpha: float) -> PairStatistics:
    if a.shape[1] < 2:
        return simple
    both = crossed(a, b, alpha)
    return replace(simple, wider=(both.low, both.high), seed_part=both.seed_part, image_part=both.image_part)


def _with_bounded_images(simple: PairStatistics, shares: Sequence[float], rows: int, alpha: float) -> PairStatistics:
    """Without bitmaps, with the most that images can add if the levels do not err on different ones on purpose.

    The variance of a mean difference of shares of n independent images is at most (p_a q_a + p_b q_b) / n where right
    answers of the two are not negatively correlated, and less the more seeds and levels agree about images.
    """
    if rows < 2 or not all(0 <= share <= 1 for share in shares):
        return simple
    image_part = sum(share * (1 - share) for share in shares) / rows
    half = crossed_half_width(simple.se**2, image_part, simple.se**2 + image_part, simple.n, alpha)
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
