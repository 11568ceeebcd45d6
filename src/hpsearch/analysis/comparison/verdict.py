"""Whether a comparison of two levels is a claim, and which."""

from enum import StrEnum, auto


class State(StrEnum):
    """What the data say about A and B; `worse` is `better` seen from B, as less is more reliable."""

    BETTER_BY_DELTA = auto()
    BETTER = auto()
    WORSE_BY_DELTA = auto()
    WORSE = auto()
    EQUIVALENT = auto()
    INCONCLUSIVE = auto()
    MORE_RELIABLE = auto()
    LESS_RELIABLE = auto()
    REFUSED = auto()


class ClaimKind(StrEnum):
    """For what a difference may be claimed: for other images from the same source, too, if it is `full`."""

    NONE = auto()
    ON_THIS_REPORT_SET_ONLY = auto()
    FULL = auto()


def claims(ci_sim: tuple[float, float] | None, ci_crossed: tuple[float, float] | None) -> ClaimKind:
    """Whether a difference may be claimed: where the interval, and so the test that it inverts, excludes 0.

    Only full claims take a level out of `paired.contenders`.

    Args:
        ci_sim: Interval over seeds, adjusted for all comparisons; None where a run diverged, so that there is none.
        ci_crossed: Interval over seeds and images (S-12), at the level of `ci_sim`; where the scored rows are re-drawn,
            the corrected interval (S-10); None without either.
    """
    if ci_sim is None or side_of_zero(ci_sim) == 0:
        return ClaimKind.NONE
    if ci_crossed is None or side_of_zero(ci_crossed) != side_of_zero(ci_sim):
        return ClaimKind.ON_THIS_REPORT_SET_ONLY
    return ClaimKind.FULL


def side_of_zero(interval: tuple[float, float]) -> int:
    """1 for an interval above 0, -1 for one below, 0 for one that includes it."""
    low, high = interval
    return (low > 0) - (high < 0)


def verdict(low: float, high: float, delta: float | None, claim: bool) -> State:
    """The state of A against B; that of B against A is the verdict on (-high, -low).

    Equivalence is two one-sided tests at `delta`: the interval lies within ±delta (Schuirmann, 1987). A claimed
    difference that is smaller than delta is equivalent, too.

    Args:
        low: lower end of the adjusted interval.
        high: Upper end, >= `low`.
        delta: Smallest difference that matters, > 0; None if none is declared: nothing is equivalent then.
        claim: Whether `claims` allows one. It has no effect on an interval that includes 0.
    """
    if not low <= high or (delta is not None and not delta > 0):
        raise ValueError(f"needs low <= high and delta > 0 or none, got {low=}, {high=}, {delta=}")
    if delta is not None and -delta < low and high < delta:
        return State.EQUIVALENT
    side = side_of_zero((low, high)) if claim else 0
    nearest = min(abs(low), abs(high))
    match side, delta is not None and nearest > delta:
        case 1, by_delta:
            return State.BETTER_BY_DELTA if by_delta else State.BETTER
        case -1, by_delta:
            return State.WORSE_BY_DELTA if by_delta else State.WORSE
        case _:
            return State.INCONCLUSIVE
