"""What may be said about two levels, decided from numbers alone, and the words that it is said with.

Intervals are of A minus B, where higher is better: `low` and `high` are adjusted for all comparisons.
"""

from dataclasses import dataclass, replace

from hpsearch.analysis.comparison.paired_scores import MOST_SEEDS
from hpsearch.analysis.comparison.verdict import ClaimKind, State, side_of_zero, verdict
from hpsearch.analysis.findings import Rule
from hpsearch.formatting import number_of, show_coverage, show_like, visible

REPORT_SET_ONLY = " on this report set only"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Two levels that a gate keeps from being compared.

    Attributes:
        a: One level.
        b: The other.
        rule: Which refuses it.
        reason: What stands against it, to follow "Not compared: ".
        fix: The override that would help; empty where none does.
    """

    a: str
    b: str
    rule: Rule
    reason: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Reliability:
    """Two levels of which one is claimed to be ahead by ranks, with seeds that failed as the lowest.

    Attributes:
        a: One level.
        b: The other.
        ahead: The one that is ahead, and fails less often.
        shares: How often each of them failed, with interval and p, and the p of the ranks.
        by_shares: Whether the shares alone tell them apart, too: it is then the more reliable one.
        typical: The difference where both trained; empty if they hardly did.
        rule: Which refuses the means; None if they are not refused, but do not decide.
        fix: The override that would give them; empty where none does.
    """

    a: str
    b: str
    ahead: str
    shares: str
    by_shares: bool
    typical: str
    rule: Rule | None = None
    fix: str = ""

    @property
    def state(self) -> State:
        """The verdict on it."""
        return State.MORE_RELIABLE if self.ahead == self.a else State.LESS_RELIABLE


@dataclass(frozen=True, slots=True)
class Statement:
    """All that a sentence about two levels says.

    Attributes:
        a: One level.
        b: The other.
        diff: Mean of A minus B.
        low: Lower end of its adjusted interval.
        high: Upper end.
        se: Standard error of `diff`, which says how many digits are shown.
        n: Number of differences.
        n_trials: Trials of the search that chose each recipe; None for recipes that were not searched for.
        delta: Smallest difference that matters; None if none is declared.
        claim: What `claims` allows.
        crossed: The interval that `claims` read as `ci_crossed`.
        seeds_needed: Seeds for 80 % power at `delta`; None if not known.
        alpha: Family-wise level of the interval.
        unit: Of what `n` counts: `folds` under K-fold.
        trained: Common seeds, of which `n` are those on which both trained; None if they are all.
        risk: How often each level failed, in a sentence; empty if neither ever did.
        caveats: Further sentences that belong to it, each with its full stop.
    """

    a: str
    b: str
    diff: float
    low: float
    high: float
    se: float
    n: int
    n_trials: int | None = None
    delta: float | None = None
    claim: ClaimKind = ClaimKind.NONE
    crossed: tuple[float, float] | None = None
    seeds_needed: int | None = None
    alpha: float = 0.05
    unit: str = "paired seeds"
    trained: int | None = None
    risk: str = ""
    caveats: tuple[str, ...] = ()

    @property
    def side(self) -> int:
        """1 if A is claimed to be ahead, -1 if B is, 0 without a claim."""
        return 0 if self.claim is ClaimKind.NONE else side_of_zero((self.low, self.high))

    @property
    def state(self) -> State:
        """The verdict on it; levels of which a seed failed are not equivalent, whatever the others say."""
        found = verdict(self.low, self.high, self.delta, self.side != 0)
        within = found is State.EQUIVALENT and bool(self.risk)
        return (State.INCONCLUSIVE, State.BETTER, State.WORSE)[self.side] if within else found

    def mirrored(self) -> "Statement":
        """The same about B against A."""
        crossed = None if self.crossed is None else (-self.crossed[1], -self.crossed[0])
        return replace(self, a=self.b, b=self.a, diff=-self.diff, low=-self.high, high=-self.low, crossed=crossed)


def sentence(state: State, about: Statement | Reliability | Refusal) -> str:
    """The verdict in words, with the numbers, their interval, the seeds and the scope; a claimed winner comes first.

    Numbers are rounded to the second digit of the standard error.

    Raises:
        ValueError: If `state` is not what `about` allows: no words without their numbers.
    """
    allowed = State.REFUSED if isinstance(about, Refusal) else about.state
    if state is not allowed:
        raise ValueError(f"state of {about.a} against {about.b} must be {allowed}, got {state}")
    fix = f" Fix: {about.fix}." if not isinstance(about, Statement) and about.fix else ""
    if isinstance(about, Refusal):
        return f"Not compared: {visible(about.a)} and {visible(about.b)}, {about.reason} ({about.rule}).{fix}"
    if isinstance(about, Reliability):
        behind = about.b if about.ahead == about.a else about.a
        than = "trains more reliably than" if about.by_shares else "is ahead, failed seeds counted, of"
        head = f"{visible(about.ahead)} {than} {visible(behind)}"
        typical = f" Where both trained, {about.typical}." if about.typical else ""
        means = "" if about.rule is None else f" Their means are not compared ({about.rule})."
        return f"{head}: {about.shares}.{typical}{means}{fix}"
    ordered = about.mirrored() if about.side < 0 else about
    ordered = replace(ordered, a=visible(ordered.a), b=visible(ordered.b))
    head, more = _HEADS[ordered.state](ordered)
    risk = [ordered.risk] if ordered.risk else []
    return " ".join([f"{head} {_numbers(ordered)} ({_scope(ordered)}).", *risk, *more, *about.caveats])


def _better(told: Statement) -> tuple[str, list[str]]:
    only = _only(told)
    caution = "" if told.delta is None else f"; the difference may be smaller than {told.delta:g}"
    return f"{told.a} is better than {told.b}{only}{caution}:", []


def _better_by_delta(told: Statement) -> tuple[str, list[str]]:
    assert told.delta is not None
    less = told.claim is ClaimKind.FULL and told.crossed is not None and told.crossed[0] <= told.delta
    by = f"; by at least {told.delta:g}{REPORT_SET_ONLY}" if less else f" by at least {told.delta:g}{_only(told)}"
    return f"{told.a} is better than {told.b}{by}:", []


def _equivalent(told: Statement) -> tuple[str, list[str]]:
    assert told.delta is not None
    general = told.crossed is not None and -told.delta < told.crossed[0] and told.crossed[1] < told.delta
    head = f"{told.a} and {told.b} are equivalent within {told.delta:g}{'' if general else REPORT_SET_ONLY}:"
    return f"{head} {told.a} minus {told.b} is", [f"{told.a} is slightly higher{_only(told)}."] if told.side else []


def _inconclusive(told: Statement) -> tuple[str, list[str]]:
    minus = f"{told.a} minus {told.b} is"
    if told.trained is None:
        return f"These data do not separate {told.a} and {told.b}: {minus}", _outlook(told)
    if told.low > 0 or told.high < 0:
        ahead, behind = (told.a, told.b) if told.low > 0 else (told.b, told.a)
        return f"{ahead} is ahead of {behind} where both trained, and failed on more seeds: {minus}", []
    if told.delta is not None and max(-told.low, told.high) < told.delta:
        return f"{told.a} and {told.b} lie within {told.delta:g} of each other where both trained: {minus}", []
    return f"These data do not separate {told.a} and {told.b} where both trained: {minus}", _outlook(told)


_HEADS = {
    State.BETTER_BY_DELTA: _better_by_delta,
    State.BETTER: _better,
    State.EQUIVALENT: _equivalent,
    State.INCONCLUSIVE: _inconclusive,
}
"""The beginning and the further sentences of each state, the level that is ahead first."""


def _only(told: Statement) -> str:
    return REPORT_SET_ONLY if told.claim is ClaimKind.ON_THIS_REPORT_SET_ONLY else ""


def _outlook(told: Statement) -> list[str]:
    """How many seeds would tell."""
    if told.delta is None:
        return ["No smallest difference that matters is declared, so that equivalence cannot be told."]
    if told.seeds_needed is None:
        return []
    if told.seeds_needed > MOST_SEEDS:
        return [f"No number of seeds that anybody trains would show a difference of {told.delta:g}."]
    needed = f"About {told.seeds_needed} seeds {{}} a difference of {told.delta:g} with 80 % power."
    return [needed.format("would be needed to detect" if told.seeds_needed > told.n else "detect")]


def _numbers(told: Statement) -> str:
    diff, low, high = (show_like(value, told.se) for value in (told.diff, told.low, told.high))
    return f"{'+' if float(diff) > 0 else ''}{diff} [{low}, {high}]"


def _scope(told: Statement) -> str:
    trials = "" if told.n_trials is None else f"{number_of(told.n_trials, 'trial')} each"
    scope = f"these spaces, {trials}" if trials else "these recipes"
    of_all = "" if told.trained is None else f" of {told.trained}"
    return f"{told.n}{of_all} {told.unit}, adjusted {show_coverage(told.alpha)} interval; {scope}"
