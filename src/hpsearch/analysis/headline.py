"""The first screen of a comparison: one sentence to act on, beside every option with its numbers."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hpsearch.analysis.comparison.levels import order_of
from hpsearch.analysis.comparison.paired_scores import MOST_SEEDS, ComparisonFamily
from hpsearch.analysis.comparison.refusals import refusing_rules
from hpsearch.analysis.comparison.verdict import ClaimKind, State
from hpsearch.analysis.evidence import Design, Evidence
from hpsearch.analysis.exploration.findings import SearchSummary
from hpsearch.analysis.findings import Action, Confirmed, Headline, Pair, Rule, RuleResult, Standing
from hpsearch.analysis.standings import FEW_TRIALS, standings
from hpsearch.formatting import (
    capital,
    listed,
    number_of,
    plural,
    show_coverage,
    show_duration,
    show_interval,
    show_like,
    show_number,
    visible,
)
from hpsearch.quoting import command_line
from hpsearch.statistics.intervals import Z
from hpsearch.statistics.proportions import newcombe
from hpsearch.statistics.tuning_curves import FEWEST_TRIALS

FAR = 10
"""So many times the seeds that there are is more than anybody trains."""

NAMED = 6
"""More options than these are counted, not named."""

COUNTED = "with failed seeds counted"
"""How an option is ahead of another that trains less reliably."""

ROWS = "add them to the table as rows of phase confirm, in which all options have the same keys."
"""How seeds come into a table."""


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
    words = _Sentences if evidence.design.control is None else _AgainstControl
    rows = standings(evidence, explored, confirmed, pairs, family)
    said = words(evidence, rows, pairs, gates, family.fewest)
    status, sentence = said.answer()
    return Headline(status, sentence, *said.settle(), _cost(evidence), said.standings)


def _cost(evidence: Evidence) -> str:
    """What was trained."""
    design, parts = evidence.design, []
    if evidence.trials:
        parts.append(f"{number_of(len(evidence.trials), 'trial')} of {number_of(len(design.levels), 'option')}")
    if evidence.confirm:
        parts.append(f"{number_of(len(evidence.confirm), 'retraining')} on fresh seeds")
    epochs = f", {number_of(design.epochs, 'epoch')} each" if design.epochs else ""
    time = f": {_about(evidence.training_s)} of training here" if math.isfinite(evidence.training_s) else ""
    return f"{' and '.join(parts)}{epochs}{time}" if parts else ""


def _about(seconds: float) -> str:
    """`less than a minute`, `about 8 minutes`, `about 2 h 5 min`."""
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    return f"about {number_of(minutes, 'minute') if minutes < 60 else show_duration(60 * minutes)}"


UNDER_TUNED = {Rule.INSIDE_ITS_RANGE, Rule.SPECIAL_CASE_INCLUDED}
"""Rules that excuse an option which is behind."""


@dataclass(frozen=True, slots=True)
class _Sentences:
    """The words of the first screen, from the standings and the verdicts."""

    evidence: Evidence
    standings: tuple[Standing, ...]
    pairs: Sequence[Pair]
    gates: Sequence[RuleResult]
    fewest: int

    @property
    def design(self) -> Design:
        """What was set before."""
        return self.evidence.design

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
            fix = f" {capital(closed[0].fix)}." if closed[0].fix else ""
            return "refused", f"These {self.design.options} cannot be compared: {closed[0].reason}.{fix}"
        if not any(row.n for row in self.standings):
            return "exploratory", self._unconfirmed()
        return self._found()

    def _found(self) -> tuple[str, str]:
        if len(self.left) == 1 and self.behind:
            return "claim", f"{self._winner(self.left[0])}{self._warn(self.left)}"
        tested = [pair for pair in self.pairs if not pair.refused]
        among = [pair for pair in tested if {pair.a, pair.b} <= {row.level for row in self.left}]
        if among and all(pair.state == State.EQUIVALENT for pair in among):
            return "equivalent", f"{self._equivalent()}{self._easiest(self.left)}{self._warn(self.left)}"
        if not tested and not self.behind:
            return self._nothing_tested()
        return "inconclusive", f"{self._tie()}{self._easiest(self.left)}{self._warn(self.left)}"

    def _unconfirmed(self) -> str:
        few = "Too little was run to choose: no recipe was retrained on fresh seeds."
        ranked = sorted((row for row in self.standings if math.isfinite(row.after_few)), key=lambda row: -row.after_few)
        if ranked:
            expected = f"is expected to score highest after {FEW_TRIALS} trials: {self._value(ranked[0].after_few)}"
            return f"{few} In the search, {visible(ranked[0].level)} {expected}."
        return self._untested([(row.level, row.after_one, row.trials) for row in self.standings], "trial") or few

    def _nothing_tested(self) -> tuple[str, str]:
        if self._excused() is not None:
            return "inconclusive", f"{self._tie()}{self._easiest(self.left)}{self._warn(self.left)}"
        why = next((pair for pair in self.pairs if pair.refused), None)
        if why is None or Rule.ENOUGH_SEEDS not in why.refused:
            return "refused", f"No two {self.design.options} can be compared: see the rules below."
        what = "run" if self.design.is_foreign else "fresh seed"
        told = self._untested([(row.level, row.mean, row.n) for row in self.standings], what)
        return "exploratory", told or f"Too little was run to choose: {number_of(why.n, 'common seed')}."

    def _untested(self, means: Sequence[tuple[str, float, int]], what: str) -> str:
        """`Momentum is ahead of SGD by 6.6 points, one run each: not tested.` Empty for fewer than two means."""
        known = sorted((one for one in means if math.isfinite(one[1])), key=lambda one: -one[1])
        if len(known) < 2:
            return ""
        fewest, most = (end(runs for _, _, runs in known) for end in (min, max))
        counts = (
            f"one {what}" if most == 1 else number_of(most, what) if fewest == most else f"{fewest} to {most} {what}s"
        )
        first = [visible(name) for name, mean, _ in known if mean == known[0][1]]
        behind = [f"{visible(name)} by {self._points(known[0][1] - mean)}" for name, mean, _ in known[len(first) :]]
        if len(behind) > NAMED:
            behind = [*behind[: NAMED - 1], f"{len(behind) - NAMED + 1} others by more"]
        ahead = f"{plural(len(first), 'is', 'are')} ahead of {listed(behind)}" if behind else "score alike"
        named = listed(first) if len(first) <= NAMED else f"{len(first)} {self.design.options}"
        return f"{named} {ahead}, {counts} each: not tested."

    def _points(self, gap: float) -> str:
        """`6.6 points` of a share, `0.31` of anything else."""
        if not self.design.metric.is_share:
            return f"{gap:.3g}"
        points = f"{100 * gap:.3g}"
        return f"{points} point" if points == "1" else f"{points} points"

    def _winner(self, row: Standing) -> str:
        followers = [other for other in self.standings if other is not row and math.isfinite(other.mean)]
        second = ""
        if followers and math.isfinite(row.mean):
            second = f"; the next, {visible(followers[0].level)}, {self._distance(row, followers[0])}"
        return f"Use {visible(row.level)}: {self._score(row)}{second}{self._only_here()}."

    def _distance(self, row: Standing, other: Standing) -> str:
        """`is 0.0052 [0.0031, 0.0074] behind`: how the next option compares with the winner."""
        pair = self._pair(row.level, other.level)
        if pair is not None and pair.state in (State.MORE_RELIABLE, State.LESS_RELIABLE):
            return f"trains less reliably ({other.failures.of('fresh seed')} {other.failures.word})"
        gap = row.mean - other.mean if pair is None or math.isnan(pair.diff) else abs(pair.diff)
        return f"is {self._gap(gap, pair)}{'' if pair is None else self._ends(pair)} behind"

    def _equivalent(self) -> str:
        within = f"{self.design.delta:g}" if self.design.delta is not None else "the smallest difference that matters"
        names = self._names(self.left)
        return f"Nothing to choose between {names} by their scores: each lies within {within} of the others."

    def _tie(self) -> str:
        told = f"{self._names(self.left)} cannot be told apart yet."
        safe = min((row for row in self.left if math.isfinite(row.behind)), key=lambda row: row.behind, default=None)
        if safe is None:
            return told
        most = f"at most {self._behind(safe)} behind the best"
        sure = most if safe.behind else f"and nothing ahead of it ({show_coverage(self.design.alpha)} confidence)"
        excused = self._excused()
        if excused is not None and {excused.a, excused.b} == {row.level for row in self.left}:
            told = ""  # the excuse says what is between the two
        return f"To choose now, take {visible(safe.level)}: {self._score(safe)}, {sure}.{f' {told}' if told else ''}"

    def _behind(self, row: Standing) -> str:
        """How far an option is behind the best one at most, with the digits of its mean."""
        error = (row.around[1] - row.around[0]) / (2 * Z)
        return show_like(row.behind, error if error > 0 else None)

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
        return f" Of these, {name} came close to its best most often in the search: {share}."

    def _warn(self, left: Sequence[Standing]) -> str:
        """Which of the options that are left fail at times, and which options are to be avoided."""
        risky = [row for row in left if row.failures.count]
        told = ", ".join(
            f"{visible(row.level)} {row.failures.word} on {row.failures.of('fresh seed')} {row.failures.interval}"
            for row in risky[:NAMED]
        )
        return f"{self._excuse()}{f' Risk: {told}.' if told else ''}{self._avoid(left)}"

    def _excused(self) -> Pair | None:
        """The largest difference that is found and not claimed, since the option behind may be under-tuned."""
        known = [pair for pair in self.pairs if pair.refused and UNDER_TUNED.issuperset(pair.refused)]
        return max(known, key=lambda pair: abs(pair.diff), default=None)

    def _excuse(self) -> str:
        """`before is 0.0025 [0.0004, 0.0046] ahead of after, which may be under-tuned: …`."""
        pair = self._excused()
        if pair is None:
            return ""
        ahead, behind = map(visible, order_of(pair))
        gate = self._excusing(pair)
        why = f": {gate.reason}" if gate is not None else ""
        gap = f"{self._gap(abs(pair.diff), pair)}{self._ends(pair)}"
        return f" {ahead} is {gap} ahead of {behind}, which may be under-tuned{why}."

    def _excusing(self, pair: Pair) -> RuleResult | None:
        """The rule that excuses the option behind."""
        behind = order_of(pair)[1]
        broken = (gate for gate in self.gates if gate.rule in UNDER_TUNED and gate.action != Action.PASS)
        return next((gate for gate in broken if gate.level == behind), None)

    def _avoid(self, left: Sequence[Standing]) -> str:
        """Options that are behind, the worst first, with the reason of each; none of those that are left."""
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
        pair = self.behind[row.level]
        if row.failed_seeds or pair.state in (State.MORE_RELIABLE, State.LESS_RELIABLE):
            return f"{row.failures.of('fresh seed')} {row.failures.word}"
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
        if not math.isfinite(row.mean):
            return f"{row.failed_seeds} of {number_of(row.n, 'fresh seed')} diverged"
        trained = f"{row.n - row.failures.count} of " if row.typical != row.mean else ""
        low, high = sorted(self.design.metric.score(end) for end in row.around)
        known = all(map(math.isfinite, (low, high)))
        value = show_interval(self.design.metric.score(row.typical), *((low, high) if known else (None, None)))
        return f"{self.design.metric.name} {value} on {trained}{number_of(row.n, 'fresh seed')}"

    def _value(self, score: float) -> str:
        """An expected score of the search as its metric, with the digits that its rows support."""
        metric, rows = self.design.metric, self.design.rows.get("report") or self.design.rows.get("val") or 0
        known = metric.is_share and rows and 0 < score < 1
        return show_like(metric.score(score), math.sqrt(score * (1 - score) / rows) if known else None)

    def _names(self, rows: Sequence[Standing]) -> str:
        names = [visible(row.level) for row in rows]
        if len(names) == len(self.standings) and len(names) > 2:
            counted = f"The {len(names)} {self.design.options}"
            return counted if len(names) > NAMED else f"{counted} {listed(names)}"
        if len(names) > NAMED:
            return f"{len(names)} of {len(self.standings)} {self.design.options}"
        return listed(names)

    def _only_here(self) -> str:
        """What a claim is about where other rows might turn it."""
        here = any(pair.claim == ClaimKind.ON_THIS_REPORT_SET_ONLY for pair in self.pairs)
        return " (on these report rows)" if here else ""

    def _open_pair(self) -> Pair | None:
        """The two highest options that no claim puts behind another."""
        left = [row.level for row in self.left if math.isfinite(row.mean)]
        return self._pair(left[0], left[1]) if len(left) > 1 else None

    def settle(self) -> tuple[str, str]:
        """What would settle what is open, or why it takes too much; the command that does so."""
        by_seeds = self._settled_by_seeds()
        return by_seeds if by_seeds[0] else self._settled_by_tuning()

    def _settled_by_tuning(self) -> tuple[str, str]:
        """The wider search that an option which may be under-tuned needs."""
        pair = self._excused()
        gate = None if pair is None else self._excusing(pair)
        if pair is None or gate is None or not gate.fix:
            return "", ""
        ahead, behind = map(visible, order_of(pair))
        asks = f"Settling {ahead} against {behind} takes a search that tunes {behind} further"
        command = self._command(*shlex.split(gate.fix)) if gate.fix.startswith("search.") else ""
        return f"{asks}{'.' if command else f': {gate.fix}'}", command

    def _settled_by_seeds(self) -> tuple[str, str]:
        """The seeds that would tell the first open pair apart, or why more would not; the command that adds them."""
        if not any(not pair.refused for pair in self.pairs):
            return self._enough()
        pair = self._open_pair()
        if pair is None or pair.state != State.INCONCLUSIVE or pair.needed is None or pair.needed <= pair.n:
            return "", ""
        delta = f" at a difference of {self.design.delta:g}" if self.design.delta is not None else ""
        a, b = visible(pair.a), visible(pair.b)
        if pair.needed > FAR * pair.n:
            many = f"about {pair.needed}" if pair.needed <= MOST_SEEDS else f"more than {MOST_SEEDS:,}"
            return f"{a} and {b} are too close to settle{delta}: that takes {many} seeds of each.", ""
        seconds = self.evidence.retraining_s * (pair.needed - pair.n) * len(self._open())
        time = f", {_about(seconds)} here" if math.isfinite(seconds) else ""
        seeds = f"about {number_of(pair.needed, 'seed')} of each ({pair.n} so far){time}"
        if self.design.is_foreign:
            return f"Settling {a} against {b}{delta} takes {seeds}: {ROWS}", ""
        return f"Settling {a} against {b}{delta} takes {seeds}.", self._command(f"confirm.max_seeds={pair.needed}")

    def _command(self, *overrides: str) -> str:
        """The command of the sweep with these overrides; empty where it is not known."""
        changed = {override.partition("=")[0] for override in overrides}
        kept = [
            each
            for each in self.evidence.overrides
            if not each.startswith("confirm.") and each.lstrip("+").partition("=")[0] not in changed
        ]
        return command_line([*kept, *overrides]) if kept else ""

    def _open(self) -> set[str]:
        """Options that more seeds would be trained of: those of comparisons that are not decided."""
        open_ = [pair for pair in self.pairs if pair.state == State.INCONCLUSIVE]
        return {name for pair in open_ for name in (pair.a, pair.b) if name in {row.level for row in self.left}}

    def _enough(self) -> tuple[str, str]:
        """The seeds that a first test takes, where nothing but seeds is missing."""
        short = next((one for one in self.gates if one.rule == Rule.ENOUGH_SEEDS and one.action == Action.REFUSE), None)
        if short is None or refusing_rules(self.gates):
            return "", ""
        takes = f"A test takes at least {self.fewest} fresh seeds of each option"
        if self.design.is_foreign:
            return f"{takes}: {ROWS}", ""
        command = self._command(short.fix) if short.fix.startswith("confirm.") else ""
        return f"{takes}{'.' if command else f': {short.fix}'}", command


@dataclass(frozen=True, slots=True)
class _AgainstControl(_Sentences):
    """The words where every option is compared with the control, and with no other: what is better than it."""

    def _found(self) -> tuple[str, str]:
        ahead = self._in(State.BETTER, State.BETTER_BY_DELTA, State.MORE_RELIABLE)
        behind = self._in(State.WORSE, State.WORSE_BY_DELTA, State.LESS_RELIABLE)
        equal, open_ = self._in(State.EQUIVALENT), self._in(State.INCONCLUSIVE)
        left = [row for row in self.standings if row not in behind]
        if ahead:
            return "claim", f"{self._better(ahead)}{self._warn(left)}"
        if len(left) == 1:
            return "claim", f"{self._winner(self._control)}{self._warn(left)}"
        if not (behind or equal or open_):
            return self._nothing_tested()
        status = "equivalent" if equal and not open_ else "inconclusive"
        return status, f"{self._stay(equal, open_)}{self._easiest([self._control, *equal, *open_])}{self._warn(left)}"

    @property
    def _control(self) -> Standing:
        return next(row for row in self.standings if row.level == self.design.control)

    def _in(self, *states: State) -> list[Standing]:
        """Options with these verdicts against the control, the highest mean first."""
        found = {pair.a for pair in self.pairs if pair.state in states}
        return [row for row in self.standings if row.level in found]

    def _better(self, rows: Sequence[Standing]) -> str:
        first, control = visible(rows[0].level), visible(self._control.level)
        if len(rows) == 1:
            return f"Use {first}: {self._score(rows[0])}. It is better than {control} {self._lead(rows[0])}."
        best = f"Use {first}: {self._score(rows[0])}, better than {control} {self._lead(rows[0])}"
        others = ", ".join(f"{visible(row.level)} {self._lead(row)}" for row in rows[1:])
        return f"{best}. Better than {control}, too: {others}; they were not compared with each other."

    def _lead(self, row: Standing) -> str:
        """`by 0.0031 [0.0010, 0.0052]`: how far an option is ahead of the control."""
        pair = self._pair(row.level, self._control.level)
        assert pair is not None, row.level
        where = " on these report rows" if pair.claim == ClaimKind.ON_THIS_REPORT_SET_ONLY else ""
        by = COUNTED if pair.state == State.MORE_RELIABLE else f"by {self._gap(pair.diff, pair)}{self._ends(pair)}"
        return f"{by}{where}"

    def _stay(self, equal: Sequence[Standing], open_: Sequence[Standing]) -> str:
        """That nothing is shown to be ahead, and how far ahead anything could be."""
        control, name = self._control, visible(self._control.level)
        said = [f"Stay with {name}: {self._score(control)}, and nothing is shown to be ahead of it."]
        if equal:
            said.append(f"{self._names(equal)} {plural(len(equal), 'lies', 'lie')} within {self.design.delta:g} of it.")
        if open_:
            costs = f": staying with {name} costs at most {self._behind(control)}" if control.behind > 0 else ""
            said.append(f"{self._names(open_)} cannot be told apart from it yet{costs}.")
        return " ".join(said)

    def _open_pair(self) -> Pair | None:
        """The highest option that cannot be told apart from the control."""
        open_ = self._in(State.INCONCLUSIVE)
        return self._pair(open_[0].level, self._control.level) if open_ else None
