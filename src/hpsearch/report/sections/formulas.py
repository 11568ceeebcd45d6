"""The formulas of a report and where they come from."""

from hpsearch.report.blocks import ALPHA

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
    ("S-06", "percentile bootstrap over the trials of each level, for k up to N / 5 alone", "Efron & Tibshirani, 1993"),
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
        "SE = s √(1/J + n_val / n_train): differences from overlapping training sets",
        "Nadeau & Bengio, Machine Learning 2003",
    ),
    (
        "S-12",
        "Var = (MS_seed + MS_image - MS_rest) / (S n): seeds and images crossed",
        "Owen, Annals of Applied Statistics 2007",
    ),
    ("S-14", "equivalent: the simultaneous interval lies inside of ± δ", "Schuirmann, 1987"),
    ("S-15", "seeds for 80 % power, from the noncentral t distribution", "Cohen, 1988"),
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
        "exact sign-flip over all sign vectors up to 14 seeds, 100,000 random ones beyond; then Holm",
        "Fisher, 1935; Holm, 1979",
    ),
    ("Wilson", "score interval of a share", "Wilson, 1927"),
    ("DKW", f"± √(ln(2 / {ALPHA}) / (2 N)) around a distribution function", "Massart, 1990"),
)
"""Name, formula and source of each."""
