"""Formulas, seeds, counts, and every trial."""

from collections.abc import Mapping

from hpsearch.analysis.evidence import Design
from hpsearch.analysis.exploration.trial_pool import ranked
from hpsearch.analysis.findings import Findings
from hpsearch.formatting import number_of, visible
from hpsearch.report.blocks import ALPHA, Block, Cell, Fold, Section, Subtitle, table
from hpsearch.report.levels import has_report, level_order, parameter_names, selection_rows, show_search_score, titles
from hpsearch.report.number_format import values

Formula = tuple[str, str, str]

MOST_TRIALS = 1000
"""Of more trials, the highest ones of each level are listed."""

FORMULAS = (
    (
        "S-01",
        "E_k = Σ w(i, k) v(i), w(i, k) = C(i - 1, k - 1) / C(N, k): expected maximum of k of N scores, unbiased",
        "Tang et al., ACL 2020",
    ),
    (
        "S-03",
        "R_k = Σ w(i, k) r(i): the same weights on report scores; ties in v share their mean",
        "after Dodge et al., EMNLP 2019",
    ),
    ("S-04", "M_k = Q(0.5^(1/k)): median maximum, Q the quantile of the scores", "Lourie, Cho & He, NAACL 2024"),
    (
        "S-05",
        "P(a is highest | k) = Σ p_a(y) ∫ Π [F_b(y-) + t p_b(y)] dt over t in 0…1: ties are shared",
        "after Sivaprasad et al., ICML 2020",
    ),
    (
        "S-06",
        "bootstrap over the trials of a level: percentiles and their mirror image about the estimate; k up to N / 5",
        "Davison & Hinkley, 1997",
    ),
    (
        "S-07",
        "w = ∫ φ_s(z) Π Φ_j(z) dz: probability that a trial is truly the highest, given the noise of its rows",
        "Bergstra & Bengio, JMLR 2012",
    ),
    (
        "S-09",
        "rows drawn with replacement choose a configuration; the rows left out score it",
        "Tsamardinos et al., Machine Learning 2018",
    ),
    (
        "S-10",
        "SE = s √(1/J + n_val / n_train), t with J - 1 degrees of freedom: means over J folds with common rows",
        "Nadeau & Bengio, Machine Learning 2003",
    ),
    (
        "S-12",
        "Var = (MS_seed + MS_image - MS_rest) / (S n): seeds and images crossed",
        "Owen, Annals of Applied Statistics 2007",
    ),
    ("S-14", "equivalent: the adjusted interval lies inside of ± δ", "Schuirmann, 1987"),
    ("S-15", "seeds for 80 % power, from the noncentral t distribution", "Cohen, 1988"),
    (
        "S-16",
        "p of the b rows that only one model has right among b + c, of fair coins; Wald with ½ in each cell",
        "McNemar, 1947; Agresti & Min, Statistics in Medicine 2005",
    ),
    (
        "S-17",
        f"± √(ln(2 m / {ALPHA}) / (2 n)) after m openings of a test set of n rows",
        "Hoeffding, 1963; union bound",
    ),
    ("S-19", "Y11 - Y10 - Y01 + Y00 for each seed: the interaction, with its t interval", "Fisher, 1935"),
    ("S-20", "median epoch at which the target was reached, misses at infinity; hit rate", "Dahl et al., 2023"),
    (
        "S-22",
        "½ ∫ (p_top / p_all - 1)² p_all: Pearson divergence of each value, normalized to sum 1",
        "Watanabe et al., IJCAI 2023",
    ),
    (
        "S-23",
        "q_l = E[φ(√(n Var W q_(l - 1)) z)²], z standard normal: second moment of layer l",
        "He et al., ICCV 2015; Poole et al., NeurIPS 2016",
    ),
    (
        "p",
        "exact sign-flip over all sign vectors up to 14 seeds, random ones beyond; adjusted by step-down min p",
        "Fisher, 1935; Westfall & Young, 1993",
    ),
    (
        "interval",
        "k-th lowest to k-th highest mean of the differences over all subsets of seeds, k = level x 2^(n - 1)",
        "Hartigan, JASA 1969",
    ),
    ("Wilson", "score interval of a share", "Wilson, 1927"),
    ("DKW", f"± √(ln(2 / {ALPHA}) / (2 N)) around a distribution function", "Massart, 1990"),
)
"""Name, formula and source of each."""

OF_REPORT_ROWS = ("S-03", "S-12", "S-15")
"""Those that a K-fold has no use for: there are no report rows, and more seeds are more folds of the same rows."""

OF_FOLDS = ("S-09", "S-10")
"""Those that nothing else has a use for."""

FOLDED: Mapping[str, Formula] = {
    "S-19": (
        "S-19",
        "Y11 - Y10 - Y01 + Y00 for each fold of each seed: the interaction, with its corrected interval (S-10)",
        "Fisher, 1935; Nadeau & Bengio, Machine Learning 2003",
    ),
    "p": (
        "p",
        "two sided, of t = mean / SE (S-10) with J - 1 degrees of freedom, J folds of all seeds; then Holm",
        "Nadeau & Bengio, Machine Learning 2003; Holm, 1979",
    ),
}
"""What is another formula under K-fold."""


def formulas_of(design: Design) -> list[Formula]:
    """Those that a report of this design may use."""
    folded = design.folds > 1
    left_out = OF_REPORT_ROWS if folded else OF_FOLDS
    kept = [formula for formula in FORMULAS if formula[0] not in left_out]
    return [FOLDED.get(formula[0], formula) if folded else formula for formula in kept]


def appendix(findings: Findings) -> Section:
    """Everything that a reader needs to check a number."""
    blocks: list[Block] = [
        Subtitle("Formulas"),
        table(
            ("name", "formula", "source"),
            formulas_of(findings.evidence.design),
            "Higher is better throughout; losses are negated first.",
            wide=(1,),
        ),
        Subtitle("Seeds and counts"),
        _counts(findings),
    ]
    if findings.evidence.trials:
        count, most = number_of(len(findings.evidence.trials), "trial"), _most_of_level(findings)
        which = f"All of {count}" if most is None else f"The highest {most} of each level; all of {count}: trials.csv"
        blocks += [Subtitle("Trials"), Fold(which, (_trials(findings, most),), printed=False)]
    return Section("appendix", "Appendix", "Appendix", tuple(blocks))


def _counts(findings: Findings) -> Block:
    evidence = findings.evidence
    rows: list[tuple[Cell | str, ...]] = [
        *([] if evidence.design.seed is None else [("seed of the sweep", str(evidence.design.seed))]),
        ("seed of every bootstrap", str(findings.seed)),
        ("trials, default recipes included", str(len(evidence.trials))),
        ("retrainings on fresh seeds", str(len(evidence.confirm))),
        *([] if evidence.design.is_foreign else [("openings of the test set, by any sweep", str(evidence.openings))]),
        ("look", str(findings.looks)),
        ("digest of the confirm records shown", Cell(visible(findings.digest), code=True)),
        *((visible(name), visible(text)) for name, text in findings.notes.items()),
    ]
    return table(("what", ""), rows, wide=(1,))


def _most_of_level(findings: Findings) -> int | None:
    """How many trials of each level are listed; None if all are."""
    few = len(findings.evidence.trials) <= MOST_TRIALS
    return None if few else max(1, MOST_TRIALS // len(findings.evidence.design.levels))


def _trials(findings: Findings, most: int | None) -> Block:
    design, named, reported, rows = findings.evidence.design, titles(findings), has_report(findings), []
    timed = any(row.epochs for row in findings.evidence.trials)
    for level in level_order(findings):
        drawn = findings.evidence.draws(level)
        drawn = drawn if most is None else ranked(drawn)[:most]
        default = findings.evidence.default(level)
        for row in [*([default] if default is not None else []), *findings.evidence.given(level), *drawn]:
            names = parameter_names(list(row.values), 40)
            listed = " ".join(f"{names[key]}={visible(values(value))}" for key, value in row.values.items())
            rows.append((
                named[level], "default" if row.default else f"{row.k}{' (given)' * row.enqueued}", row.status,
                show_search_score(design, row.val, "val"),
                *([show_search_score(design, row.report, "report")] if reported else []),
                *([str(row.epochs)] if timed else []), listed,
            ))  # fmt: skip
    scores = (selection_rows(findings), *(["report"] if reported else []))
    columns = ("level", "trial", "status", *scores, *(["epochs"] if timed else []), "values")
    return table(columns, rows, numbers=(1, *range(3, len(columns) - 1)), wide=(len(columns) - 1,))
