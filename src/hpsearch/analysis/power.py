"""How many seeds a comparison needs before it is run, or would have needed after it."""

from scipy import stats


def power_paired(n: int, delta: float, sd: float, alpha: float) -> float:
    """Probability that the two-sided t test of n differences finds a mean difference of `delta`.

    t^2 is then F(1, n - 1) with the noncentrality n (delta / sd)^2 (Cohen, 1988, chapter 2): exact for normal
    differences, both tails counted.

    Args:
        n: Pairing keys, >= 2.
        delta: The mean difference, of either sign, in units of the metric.
        sd: Standard deviation of the differences, >= 0, in the same unit.
        alpha: Level of the test; alpha / m where m pairs are compared.
    """
    if n < 2 or sd < 0:
        raise ValueError(f"power needs n >= 2 and sd >= 0, got n={n} and sd={sd}")
    if delta == 0:
        return alpha
    if sd == 0:
        return 1.0
    noncentrality = n * (delta / sd) ** 2
    critical = float(stats.t.ppf(1 - alpha / 2, n - 1)) ** 2
    # SciPy 1.17 has the tail of the noncentral F wrong at 0, and the far tail of the noncentral t as NaN.
    return float(stats.ncf.sf(critical, 1, n - 1, noncentrality)) if noncentrality else alpha


def seeds_needed(delta: float, sd: float, alpha: float, power: float = 0.8) -> int:
    """Fewest pairing keys, >= 2, with which the paired t test finds `delta` with probability `power`.

    A claim by `paired.sign_flip` needs `paired.minimum_seeds` besides, however small `sd` is.

    Args:
        delta: Smallest difference that matters, > 0.
        sd: Standard deviation of the differences, as observed or planned, >= 0.
        alpha: Level of the test; alpha / m where m pairs are compared.
        power: Below 1.
    """
    if delta <= 0 or not alpha < power < 1:
        raise ValueError(f"seeds are needed for delta > 0 and alpha < power < 1, got {delta=}, {alpha=}, {power=}")
    below, enough = 1, 2
    while power_paired(enough, delta, sd, alpha) < power:
        below, enough = enough, 2 * enough
    while enough - below > 1:
        middle = (below + enough) // 2
        if power_paired(middle, delta, sd, alpha) < power:
            below = middle
        else:
            enough = middle
    return enough
