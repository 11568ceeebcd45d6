"""The first screen of a comparison: one sentence to act on, and every option with the numbers that it is chosen by."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from hpsearch.analysis.comparison.levels import order_of
from hpsearch.analysis.comparison.paired_scores import NOWHERE, ComparisonFamily, PairedScores, pair_up
from hpsearch.analysis.comparison.refusals import refusing_rules
from hpsearch.analysis.comparison.verdict import ClaimKind, State
from hpsearch.analysis.evidence import Design, Evidence
from hpsearch.analysis.exploration.findings import Interval, SearchSummary
from hpsearch.analysis.exploration.trial_pool import trial_pool
from hpsearch.analysis.findings import Confirmed, Headline, Pair, Rule, RuleResult, Standing
from hpsearch.formatting import number_of, show_interval, show_like, show_number, visible
from hpsearch.statistics.compact_letters import compact_letters
from hpsearch.statistics.corrected_resampling import corrected_interval
from hpsearch.statistics.intervals import Z
from hpsearch.statistics.paired_tests import differences, sign_flip_interval
from hpsearch.statistics.proportions import newcombe
from hpsearch.statistics.tuning_curves import FEWEST_TRIALS, curves

FEW_TRIALS, MORE_TRIALS = 5, 20
"""Budgets of a search at which options stand side by side."""

FAR = 10
"""So many times the seeds that there are is more than anybody trains."""

NAMED = 6
"""More options than these are counted, not named."""

PLURALS = {"init": "initializers", "norm": "normalizations", "loss": "losses", "data": "data sets"}
"""Of factors whose plural is not their name with an s."""


def headline(
    evidence: Evidence,
    explored: Mapping[str, SearchSummary],
    confirmed: Mapping[str, Confirmed],
    pairs: Sequence[Pair],
    family: ComparisonFamily,
    gates: Sequence[RuleResult],
) -> Headline | None:
    """The first screen; None where one level is all there is.

    Args:
        evidence: Everything.
        explored: What the search found, by level.
        confirmed: Recipes on fresh seeds, by level.
        pairs: What may be said about each comparison.
        family: What all comparisons share.
        gates: Every rule of honesty.
    """
    if len(evidence.design.levels) < 2:
        return None
    said = _Sentences(evidence.design, standings(evidence, explored, confirmed, pairs, family), pairs, gates)
    status, sentence = said.answer()
    return Headline(status, sentence, said.settle(), _cost(evidence), said.standings)


def standings(
    evidence: Evidence,
    explored: Mapping[str, SearchSummary],
    confirmed: Mapping[str, Confirmed],
    pairs: Sequence[Pair],
    family: ComparisonFamily,
) -> tuple[Standing, ...]:
    """Every option, the highest mean on fresh seeds first; then those without one, by what the search expects."""
    behind = _at_most_behind(evidence, family)
    rows = [
        _standing(evidence, level.name, explored[level.name], confirmed, behind) for level in evidence.design.levels
    ]
    rows.sort(key=lambda row: (math.isnan(row.mean), -row.mean if math.isfinite(row.mean) else 0.0, row.level))
    separated = [order_of(pair) for pair in pairs if pair.claim != ClaimKind.NONE]
    letters = compact_letters([row.level for row in rows], separated) if pairs else {}
    return tuple(replace(row, letters=letters.get(row.level, "")) for row in rows)


def _standing(
    evidence: Evidence,
    level: str,
    explored: SearchSummary,
    confirmed: Mapping[str, Confirmed],
    behind: Mapping[str, float],
) -> Standing:
    seeds, rows = confirmed.get(level), evidence.confirmed(level)
    scores = [row.report if math.isfinite(row.report) else -math.inf for row in rows]
    known = [score for row, score in zip(rows, scores, strict=True) if row.status in ("ok", "stalled", "diverged")]
    reported = explored.default_report if math.isfinite(explored.default_report) else explored.default_val
    return Standing(
        level=level,
        n=0 if seeds is None else seeds.n,
        mean=math.nan if seeds is None else seeds.mean,
        interval=NOWHERE if seeds is None else seeds.interval,
        worst=min(known, default=math.nan),
        letters="",
        behind=behind.get(level, math.nan),
        failed=explored.failed + explored.stalled,
        trials=explored.n,
        failed_seeds=0 if seeds is None else seeds.failed,
        untuned=reported,
        after_few=_expected(evidence, level, explored, FEW_TRIALS),
        after_more=_expected(evidence, level, explored, MORE_TRIALS),
        good=math.nan if explored.good is None else explored.good.share,
        main=_main_value(explored),
        recipe=explored.recipe,
        drawn=explored.recipe_values,
    )


def _expected(evidence: Evidence, level: str, explored: SearchSummary, trials: int) -> float:
    """Expected score of the selected one of so many trials: on report rows if there are any."""
    pool = trial_pool(evidence, level)
    if explored.curve is None or len(pool) < trials:
        return math.nan
    expected, report = curves(pool.val, pool.shown, [trials])
    return float(report[0] if pool.reported else expected[0])


def _main_value(explored: SearchSummary) -> tuple[str, float, float] | None:
    """The number that matters most by its importance, or else a learning rate, with its good range."""
    spans = {} if explored.good is None else explored.good.spans
    ranked = [one.name for one in sorted(explored.importance, key=lambda one: -one.share) if one.name in spans]
    rates = [name for name in spans if name.endswith(".lr")]
    name = next(iter([*ranked, *rates, *spans]), None)
    return None if name is None else (name, *spans[name])


def _at_most_behind(evidence: Evidence, family: ComparisonFamily) -> dict[str, float]:
    """How far each level lies behind the best one at most, all at once at the confidence of the report.

    Multiple comparisons with the best (Hsu, Annals of Statistics 1984): the largest of the one-sided upper bounds of
    the other levels minus this one, of which those of the best level hold at once. Each bound is that of the sign-flip
    test at alpha / (J - 1), or of the corrected t interval of folds. Levels without a mean have no bound.
    """
    names = [level.name for level in evidence.design.levels]
    each = 2 * family.alpha / (len(names) - 1)
    bounds: dict[str, list[float]] = {name: [] for name in names}
    for a, b in combinations(names, 2):
        low, high = _difference(pair_up(evidence, a, b), family, each)
        bounds[a].append(-low)
        bounds[b].append(high)
    known = {name: [bound for bound in own if not math.isnan(bound)] for name, own in bounds.items()}
    return {name: max(0.0, *own) for name, own in known.items() if own and all(map(math.isfinite, own))}


def _difference(paired: PairedScores, family: ComparisonFamily, level: float) -> Interval:
    """The 1 - level interval of a minus b; NaN where either has no mean."""
    if not paired.n or paired.diverged or level >= 1:
        return NOWHERE
    if family.ratio is None:
        return sign_flip_interval(differences(paired.scores_a, paired.scores_b), level)
    if paired.folds is None or len(paired.folds) < 2:
        return NOWHERE
    return corrected_interval(paired.folds, family.ratio, 1, level)


def _cost(evidence: Evidence) -> str:
    """What was trained."""
    design, parts = evidence.design, []
    if evidence.trials:
        parts.append(f"{number_of(len(evidence.trials), 'trial')} of {number_of(len(design.levels), 'option')}")
    if evidence.confirm:
        parts.append(f"{number_of(len(evidence.confirm), 'retraining')} on fresh seeds")
    epochs = f", {number_of(design.epochs, 'epoch')} each" if design.epochs else ""
    return f"{' and '.join(parts)}{epochs}" if parts else ""


@dataclass(frozen=True, slots=True)
class _Sentences:
    """The words of the first screen, from the standings and the verdicts."""

    design: Design
    standings: tuple[Standing, ...]
    pairs: Sequence[Pair]
    gates: Sequence[RuleResult]

    @property
    def options(self) -> str:
        """`optimizers`: several values of what is compared, in its own words."""
        title = self.design.title.strip()
        word = PLURALS.get(title, f"{title}s" if title.isalpha() else "options")
        return visible(word)

    @property
    def behind(self) -> dict[str, Pair]:
        """Levels that a claim puts behind another, with the claim of the largest difference."""
        found: dict[str, Pair] = {}
        for pair in sorted(self.pairs, key=lambda pair: abs(pair.diff) if math.isfinite(pair.diff) else math.inf):
            if pair.claim != ClaimKind.NONE:
                found[order_of(pair)[1]] = pair
        return found

    @property
    def left(self) -> list[Standing]:
        """Options that no claim puts behind another, the highest mean first."""
        behind = self.behind
        return [row for row in self.standings if row.level not in behind]

    def answer(self) -> tuple[str, str]:
        """Status, and the sentence that a person can act on."""
        if self.design.exploratory is None or refusing_rules(self.gates):
            return self._verdict()
        first, why = self.standings[0], visible(self.design.exploratory)
        found = f"{visible(first.level)} has the highest mean: {self._score(first)}. " if first.n else ""
        return "exploratory", f"{found}It proves nothing, for this report is exploratory: {why}."

    def _verdict(self) -> tuple[str, str]:
        if closed := refusing_rules(self.gates):
            fix = f" {_capital(closed[0].fix)}." if closed[0].fix else ""
            return "refused", f"These {self.options} cannot be compared: {closed[0].reason}.{fix}"
        if not any(row.n for row in self.standings):
            return "exploratory", self._unconfirmed()
        if len(self.left) == 1 and self.behind:
            return "claim", f"{self._winner(self.left[0])}{self._avoid(self.left)}"
        tested = [pair for pair in self.pairs if not pair.refused]
        among = [pair for pair in tested if {pair.a, pair.b} <= {row.level for row in self.left}]
        if among and all(pair.state == State.EQUIVALENT for pair in among):
            return "equivalent", f"{self._equivalent()}{self._easiest(self.left)}{self._avoid(self.left)}"
        if not tested and not self.behind:
            return "refused", self._nothing_tested()
        return "inconclusive", f"{self._tie()}{self._easiest(self.left)}{self._avoid(self.left)}"

    def _unconfirmed(self) -> str:
        ranked = sorted((row for row in self.standings if math.isfinite(row.after_few)), key=lambda row: -row.after_few)
        first = (
            f" In the search, {visible(ranked[0].level)} is expected to score highest after {FEW_TRIALS} trials: "
            f"{self._value(ranked[0].after_few)}."
            if ranked
            else ""
        )
        return f"Too little was run to choose: no recipe was retrained on fresh seeds.{first}"

    def _nothing_tested(self) -> str:
        why = next((pair for pair in self.pairs if pair.refused), None)
        if why is not None and Rule.ENOUGH_SEEDS in why.refused:
            seeds = max(row.n for row in self.standings)
            few = f"{number_of(seeds, 'fresh seed')} of each cannot tell {self.options} apart"
            return f"Too little was run to choose: {few}."
        return f"No two {self.options} can be compared: see the rules below."

    def _winner(self, row: Standing) -> str:
        followers = [other for other in self.standings if other is not row and math.isfinite(other.mean)]
        second = ""
        if followers and math.isfinite(row.mean):
            gap = row.mean - followers[0].mean
            pair = self._pair(row.level, followers[0].level)
            ends = "" if pair is None else self._ends(pair)
            second = f"; the next, {visible(followers[0].level)}, is {self._gap(gap, pair)}{ends} behind"
        return f"Use {visible(row.level)}: {self._score(row)}{second}{self._only_here()}."

    def _equivalent(self) -> str:
        within = f"{self.design.delta:g}" if self.design.delta is not None else "the smallest difference that matters"
        names = self._names(self.left)
        return f"Nothing to choose between {names} by their scores: each lies within {within} of the others."

    def _tie(self) -> str:
        names = self._names(self.left)
        safe = min((row for row in self.left if math.isfinite(row.behind)), key=lambda row: row.behind, default=None)
        costs = ""
        if safe is not None:
            error = (safe.interval[1] - safe.interval[0]) / (2 * Z)
            most = f"at most {show_like(safe.behind, error if error > 0 else None)} behind the best"
            sure = most if safe.behind else "with none ahead of it at the confidence of this report"
            costs = f" {visible(safe.level)} costs least if wrong: {self._score(safe)}, {sure}."
        return f"{names} cannot be told apart yet.{costs}"

    def _easiest(self, rows: Sequence[Standing]) -> str:
        """Which of several is easiest to tune, or was in this search if the shares do not tell the first two apart."""
        known = sorted(
            (row for row in rows if row.trials >= FEWEST_TRIALS and math.isfinite(row.good)), key=lambda row: -row.good
        )
        if len(known) < 2 or not known[0].good > known[1].good:
            return ""
        first, second = known[:2]
        counts = [count for row in (first, second) for count in (round(row.good * row.trials), row.trials)]
        share, name = f"{100 * first.good:.0f} % of its trials", visible(first.level)
        if newcombe(*counts)[0] > 0:
            return f" {name} is the easiest to tune: {share} come close to its best."
        return f" In the search, {name} came close to its best most often: {share}."

    def _avoid(self, left: Sequence[Standing]) -> str:
        """Options that are behind, the worst first, with the reason of each."""
        rows = [row for row in self.standings if row.level in self.behind and row not in left]
        if len(left) == 1:  # the distance of the others is told already, or follows
            rows = [row for row in rows if not math.isfinite(row.mean) or row.failed == row.trials > 0]
        if not rows:
            return ""
        told = [f"{visible(row.level)} ({self._why(row)})" for row in reversed(rows)]
        more = f" and {number_of(len(told) - NAMED, 'other')}" if len(told) > NAMED else ""
        return f" Avoid {', '.join(told[:NAMED])}{more}."

    def _why(self, row: Standing) -> str:
        if row.trials and row.failed == row.trials:
            return f"learned nothing in {row.failed} of {number_of(row.trials, 'trial')}"
        if row.failed_seeds:
            return f"{row.failed_seeds} of {number_of(row.n, 'fresh seed')} diverged"
        pair = self.behind[row.level]
        ahead = order_of(pair)[0]
        where = " on these report rows" if pair.claim == ClaimKind.ON_THIS_REPORT_SET_ONLY else ""
        return f"{self._gap(abs(pair.diff), pair)} behind {visible(ahead)}{where}"

    def _pair(self, a: str, b: str) -> Pair | None:
        return next((pair for pair in self.pairs if {pair.a, pair.b} == {a, b}), None)

    def _ends(self, pair: Pair) -> str:
        low, high = sorted(map(abs, pair.ci_sim))
        if not all(map(math.isfinite, (low, high))) or pair.ci_sim[0] < 0 < pair.ci_sim[1]:
            return ""
        error = (high - low) / (2 * Z) or None
        return f" [{show_like(low, error)}, {show_like(high, error)}]"

    def _gap(self, gap: float, pair: Pair | None) -> str:
        if pair is None or not all(map(math.isfinite, pair.ci_sim)):
            return show_number(gap)
        return show_like(gap, (pair.ci_sim[1] - pair.ci_sim[0]) / (2 * Z) or None)

    def _score(self, row: Standing) -> str:
        """`accuracy 0.981 [0.979, 0.983] on 10 fresh seeds`."""
        seeds = f"on {number_of(row.n, 'fresh seed')}"
        if not math.isfinite(row.mean):
            return f"{row.failed_seeds} of {number_of(row.n, 'fresh seed')} diverged"
        low, high = sorted(self.design.metric.score(end) for end in row.interval)
        known = all(map(math.isfinite, (low, high)))
        value = show_interval(self.design.metric.score(row.mean), *((low, high) if known else (None, None)))
        return f"{self.design.metric.name} {value} {seeds}"

    def _value(self, score: float) -> str:
        """An expected score of the search as its metric, with the digits that its rows support."""
        metric, rows = self.design.metric, self.design.rows.get("report") or self.design.rows.get("val") or 0
        known = metric.is_share and rows and 0 < score < 1
        return show_like(metric.score(score), math.sqrt(score * (1 - score) / rows) if known else None)

    def _names(self, rows: Sequence[Standing]) -> str:
        names = [visible(row.level) for row in rows]
        if len(names) == len(self.standings) and len(names) > 2:
            listed = f"The {len(names)} {self.options}"
            return listed if len(names) > NAMED else f"{listed} {', '.join(names[:-1])} and {names[-1]}"
        if len(names) > NAMED:
            return f"{len(names)} of {len(self.standings)} {self.options}"
        return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]

    def _only_here(self) -> str:
        """What a claim is about where other rows might turn it."""
        here = any(pair.claim == ClaimKind.ON_THIS_REPORT_SET_ONLY for pair in self.pairs)
        return " (on these report rows)" if here else ""

    def settle(self) -> str:
        """The seeds that would tell the two highest open options apart, or why more would not."""
        left = [row for row in self.left if math.isfinite(row.mean)]
        if len(left) < 2 or self.design.is_foreign:
            return ""
        pair = self._pair(left[0].level, left[1].level)
        if pair is None or pair.state != State.INCONCLUSIVE or pair.needed is None or pair.needed <= pair.n:
            return ""
        delta = f" at a difference of {self.design.delta:g}" if self.design.delta is not None else ""
        a, b = visible(pair.a), visible(pair.b)
        if pair.needed > FAR * pair.n:
            return f"{a} and {b} are too close to settle{delta}: that takes about {pair.needed:,} seeds of each."
        seeds = f"about {number_of(pair.needed, 'seed')} of each ({pair.n} so far)"
        return f"Settling {a} against {b}{delta} takes {seeds}: confirm.seeds={pair.needed}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
