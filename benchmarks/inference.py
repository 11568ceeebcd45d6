"""False claims and power of the comparison of options, beside the tests that others use.

`python -m benchmarks.inference` prints a table: for each case, how many of so many simulated reports of equal options
make any claim (with the Monte-Carlo error of that share), and which share of true differences is claimed where one
option is ahead by 1.5 standard deviations. `--looks 10 20 40` compares at these planned looks until all is decided,
beside one comparison of the first and one of the last number of seeds, with the mean number of seeds of an option.
`--folds 5` has the seeds draw K-folds of one data set, on which nearest-centroid classifiers are trained and scored.
"""

import argparse
import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy import stats

from hpsearch.analysis.comparison.judging import claim_of, more_reliable
from hpsearch.analysis.comparison.levels import compare_levels, family_of
from hpsearch.analysis.comparison.outcomes import Failures, collapsed
from hpsearch.analysis.comparison.paired_scores import ComparisonFamily, PairedScores, measure
from hpsearch.analysis.comparison.verdict import ClaimKind
from hpsearch.analysis.evidence import ConfirmRow, Design, Evidence, LevelDesign
from hpsearch.metrics import R2
from hpsearch.statistics import paired_tests
from hpsearch.statistics.paired_tests import holm_levels, sign_flip, signed_ranks, step_down

ALPHA = 0.05
AHEAD = 1.5
DRAWS = 4000
"""Random sign vectors of a simulated look, of which a report draws 100,000."""

FOLD_ROWS, FEATURES, SIGNAL, MORE_SIGNAL = 200, 10, 0.3, 0.5
"""Rows of a data set, features of an option, their shift by class, and how much more of it the option ahead has."""

Scores = Callable[[np.random.Generator, int, int], np.ndarray]
"""Generator, options and seeds to scores (J, n)."""

CASES: dict[str, Scores] = {
    "normal": lambda draw, options, n: draw.normal(size=(options, n)),
    "t with 3 df": lambda draw, options, n: draw.standard_t(3, size=(options, n)),
    "skewed alike": lambda draw, options, n: 1 - draw.exponential(size=(options, n)),
    "skewed apart": lambda draw, options, n: (draw.exponential(size=(options, n)) - 1) * _signs(options),
    "one seed in ten fails": lambda draw, options, n: (
        draw.normal(size=(options, n)) - 10 * (draw.random((options, n)) < 0.1)
    ),
    "one in ten collapses": lambda draw, options, n: (
        draw.normal(size=(options, n)) - 1000 * (draw.random((options, n)) < 0.1)
    ),
    "variances 1 and 16": lambda draw, options, n: draw.normal(size=(options, n)) * (2.5 - 1.5 * _signs(options)),
    "accuracies that tie": lambda draw, options, n: (
        draw.binomial(500, 0.97, (options, n)) / math.sqrt(500 * 0.97 * 0.03)
    ),
}


def _signs(options: int) -> np.ndarray:
    return np.where(np.arange(options) % 2, 1.0, -1.0)[:, None]


METHODS = ("hpsearch", "sign-flip + Holm", "paired t + Holm", "Wilcoxon + Holm")


def claimed(scores: np.ndarray, pairs: Sequence[tuple[int, int]]) -> dict[str, np.ndarray]:
    """By method, which of the pairs (m,) are told apart, from the scores (J, n) of the options."""
    first, second = (list(side) for side in zip(*pairs, strict=True))
    differences = scores[first] - scores[second]
    raw = {
        "sign-flip + Holm": np.array([sign_flip(d) for d in differences]),
        "paired t + Holm": stats.ttest_1samp(differences, 0, axis=1).pvalue,
        "Wilcoxon + Holm": np.array([sign_flip(signed_ranks(d)) for d in differences]),
    }
    by_holm = {name: np.array([one for one, _ in holm_levels(p, ALPHA, len(p))]) <= ALPHA for name, p in raw.items()}
    return {"hpsearch": told_apart(scores, pairs), **by_holm}


def told_apart(scores: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Of which pairs (m,) a report claims anything: which is ahead, or which trains more reliably."""
    n = scores.shape[1]
    lost = [collapsed(one) for one in scores]
    if not np.any(lost):  # the intervals that a report adds change no claim, and take long
        tests = step_down([(range(n), scores[a] - scores[b]) for a, b in pairs], ALPHA, len(pairs))
        return np.array([test.p_adjusted <= ALPHA for test in tests])
    failed = [Failures(n, collapsed=int(one.sum())) for one in lost]
    measured = [
        PairedScores(
            f"{a}", f"{b}", tuple(range(n)), 0, scores[a], scores[b], None, None, (lost[a], lost[b]),
            (failed[a], failed[b]),
        )
        for a, b in pairs
    ]  # fmt: skip
    found = measure(measured, ComparisonFamily(len(pairs), ALPHA, None, None))
    return np.array([
        claim_of(paired, one) is not ClaimKind.NONE or more_reliable(paired, one.p_reliability, ALPHA) != 0
        for paired, one in zip(measured, found, strict=True)
    ])  # fmt: skip


def claims(
    case: str, options: int, n: int, control: bool, ahead: float, reports: int
) -> dict[str, tuple[float, float]]:
    """By method: the share of reports with a claim about equal options, and the share of true differences claimed."""
    draw = np.random.default_rng([options, n, control, *case.encode()])
    pairs = [pair for pair in itertools.combinations(range(options), 2) if not control or pair[0] == 0]
    shift = np.zeros((options, 1))
    shift[0] = ahead
    true = np.array([a == 0 and ahead > 0 for a, _ in pairs])
    wrong, found = dict.fromkeys(METHODS, 0), dict.fromkeys(METHODS, 0.0)
    for _ in range(reports):
        scores = CASES[case](draw, options, n) + shift
        for name, told in claimed(scores, pairs).items():
            wrong[name] += bool(told[~true].any())
            found[name] += float(told[true].mean()) if true.any() else 0.0
    return {name: (wrong[name] / reports, found[name] / reports) for name in METHODS}


def until_decided(
    case: str, options: int, looks: tuple[int, ...], control: bool, ahead: float, reports: int
) -> tuple[float, float, float]:
    """The shares of `claims` where options are compared at planned looks, and the mean number of seeds of an option."""
    paired_tests.DRAWS = DRAWS
    draw, names = np.random.default_rng([options, *looks, control, *case.encode()]), "abcdef"[:options]
    shift = np.zeros((options, 1))
    shift[0] = ahead
    wrong, found, seeds = 0, 0.0, 0.0
    for _ in range(reports):
        evidence = _evidence(CASES[case](draw, options, looks[-1]) + shift, names, looks, control=control)
        pairs, _ = compare_levels(evidence, family_of(evidence, 1), ())
        claimed = {(pair.a, pair.b): pair.claim != ClaimKind.NONE for pair in pairs}
        true = [names[0] in pair and ahead > 0 for pair in claimed]
        wrong += any(claim for claim, one in zip(claimed.values(), true, strict=True) if not one)
        found += float(np.mean([claim for claim, one in zip(claimed.values(), true, strict=True) if one] or [0]))
        used = {name: max(pair.n for pair in pairs if name in (pair.a, pair.b)) for name in names}
        seeds += sum(used.values()) / options
    return wrong / reports, found / reports, seeds / reports


def fold_scores(draw: np.random.Generator, options: int, seeds: int, folds: int, ahead: float) -> np.ndarray:
    """Accuracies (J, seeds, folds) of nearest-centroid classifiers in K-folds of one data set, drawn anew by each seed.

    Every option has features of its own, equally informative but for the first option's: over data sets of this size,
    equal options are equally accurate, and on one of them they are not.
    """
    labels = np.arange(FOLD_ROWS) % 2
    signal = SIGNAL * np.where(np.arange(options) == 0, 1 + ahead, 1.0)[:, None, None]
    features = draw.normal(size=(options, FOLD_ROWS, FEATURES)) + signal * (2 * labels - 1)[:, None]
    scores = np.empty((options, seeds, folds))
    for seed in range(seeds):
        for fold, scored in enumerate(np.array_split(draw.permutation(FOLD_ROWS), folds)):
            trained = np.ones(FOLD_ROWS, dtype=bool)
            trained[scored] = False
            low, high = (features[:, trained & (labels == label)].mean(axis=1, keepdims=True) for label in (0, 1))
            nearer = ((features[:, scored] - (low + high) / 2) * (high - low)).sum(axis=2) > 0
            scores[:, seed, fold] = (nearer == labels[scored]).mean(axis=1)
    return scores


def fold_claims(options: int, seeds: int, folds: int, ahead: float, reports: int) -> tuple[float, float, float]:
    """Shares of reports with a false claim, by the corrected test and by t of all folds, and of differences found."""
    draw, pairs = np.random.default_rng([options, seeds, folds]), [*itertools.combinations(range(options), 2)]
    family, keys = ComparisonFamily(len(pairs), ALPHA, None, 1 / (folds - 1)), tuple(range(seeds))
    false = np.array([a > 0 or ahead == 0 for a, _ in pairs])
    none, trained = np.zeros(seeds, dtype=bool), Failures(seeds)
    wrong = naive = found = 0.0
    for _ in range(reports):
        scores = fold_scores(draw, options, seeds, folds, ahead)
        differences = [(scores[a] - scores[b]).ravel() for a, b in pairs]
        paired = [
            PairedScores(str(a), str(b), keys, 0, scores[a].mean(1), scores[b].mean(1), None, d, (none, none),
                         (trained, trained))
            for (a, b), d in zip(pairs, differences, strict=True)
        ]  # fmt: skip
        claimed = np.array([one.p_adjusted <= ALPHA for one in measure(paired, family)])
        by_t = stats.ttest_1samp(np.array(differences), 0, axis=1).pvalue * len(pairs) <= ALPHA
        wrong += bool(claimed[false].any())
        naive += bool(by_t[false].any())
        found += float(claimed[~false].mean()) if not false.all() else 0.0
    return wrong / reports, naive / reports, found / reports


def _folds_table(folds: int, seeds: int, reports: int, workers: int) -> None:
    jobs = [(options, seeds, folds, ahead, reports) for options in (2, 3, 6) for ahead in (0.0, MORE_SIGNAL)]
    with ProcessPoolExecutor(workers) as pool:
        results = dict(zip(jobs, pool.map(fold_claims, *zip(*jobs, strict=True)), strict=True))
    error = math.sqrt(ALPHA * (1 - ALPHA) / reports)
    print(
        f"{reports} reports, {seeds} times {folds} folds of {FOLD_ROWS} rows; Monte-Carlo error of 0.05: {error:.3f}\n"
    )
    print("| options, all pairs | false claims | by t of all folds | differences found |\n| --- | --- | --- | --- |")
    for options in (2, 3, 6):
        wrong, naive, _ = results[options, seeds, folds, 0.0, reports]
        _, _, found = results[options, seeds, folds, MORE_SIGNAL, reports]
        print(f"| {options} | {wrong:.3f} | {naive:.3f} | {found:.3f} |")


def _evidence(scores: np.ndarray, names: str, looks: tuple[int, ...], *, control: bool) -> Evidence:
    levels = tuple(LevelDesign(name, {"option": name}, {}) for name in names)
    design = Design(
        name="simulated", title="option", levels=levels, metric=R2, classes=0, trials=0, epochs=0, sampler="random",
        pruner="none", evaluation="holdout", rows={}, folds=1, delta=None, alpha=ALPHA, data="simulated",
        control=names[0] if control else None, seed=0, confirm_seeds=looks[-1], model="", fingerprint="",
        looks=looks if len(looks) > 1 else (),
    )  # fmt: skip
    rows = [
        ConfirmRow(name, key, "ok", score, score)
        for name, of_name in zip(names, scores.tolist(), strict=True)
        for key, score in enumerate(of_name, 1)
    ]
    return Evidence(design, (), tuple(rows))


def _looks_table(looks: list[int], reports: int, workers: int, designs: list[tuple[int, bool]]) -> None:
    plans = [tuple(looks), (looks[0],), (looks[-1],)]
    heads = [f"after {', '.join(map(str, plan))} seeds" for plan in plans]
    print("Each cell: false claims among equal options; differences found; mean seeds of an option, equal and not\n")
    print(f"| options, pairs | case | {' | '.join(heads)} |\n| --- | --- |{' --- |' * len(plans)}", flush=True)
    with ProcessPoolExecutor(workers) as pool:
        rows = {
            (options, control, case): [
                [pool.submit(until_decided, case, options, plan, control, ahead, reports) for ahead in (0.0, AHEAD)]
                for plan in plans
            ]
            for options, control in designs
            for case in CASES
        }
        for (options, control, case), row in rows.items():
            known = [[job.result() for job in jobs] for jobs in row]
            cells = [f"{null[0]:.3f}; {power[1]:.3f}; {null[2]:.0f}, {power[2]:.0f}" for null, power in known]
            pairs = "with a control" if control else "all"
            print(f"| {options}, {pairs} | {case} | {' | '.join(cells)} |", flush=True)


def main(arguments: list[str]) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--looks", type=int, nargs="+")
    parser.add_argument("--folds", type=int)
    asked = parser.parse_args(arguments)
    designs = [(options, control) for options in (3, 6) for control in (True, False)]
    if asked.looks:
        _looks_table(asked.looks, asked.reports, asked.workers, designs)
        return
    if asked.folds:
        _folds_table(asked.folds, asked.seeds, asked.reports, asked.workers)
        return
    jobs = [(case, options, asked.seeds, control, ahead, asked.reports)
            for options, control in designs for case in CASES for ahead in (0.0, AHEAD)]  # fmt: skip
    with ProcessPoolExecutor(asked.workers) as pool:
        results = dict(zip(jobs, pool.map(claims, *zip(*jobs, strict=True)), strict=True))
    error = math.sqrt(ALPHA * (1 - ALPHA) / asked.reports)
    print(f"{asked.reports} reports of {asked.seeds} seeds each; Monte-Carlo error of 0.05: {error:.3f}\n")
    print(f"| options, pairs | case | {' | '.join(METHODS)} |\n| --- | --- |{' --- |' * len(METHODS)}")
    for options, control in designs:
        for case in CASES:
            null, power = (results[case, options, asked.seeds, control, ahead, asked.reports] for ahead in (0.0, AHEAD))
            cells = " | ".join(f"{null[name][0]:.3f}, {power[name][1]:.3f}" for name in METHODS)
            print(f"| {options}, {'with a control' if control else 'all'} | {case} | {cells} |")
