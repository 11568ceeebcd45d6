"""Entries of a leaderboard against its first one, on fresh seeds that they share: the only claims that it may make.

R entries have fresh seeds. The first of them was picked by a score on the report rows, not by any fresh seed. On these
rows it is therefore as good as given, and there are R - 1 comparisons; for other rows than these it is the choice of a
maximum, so that an interval over seeds and images must hold for all R (R - 1) / 2 pairs at once. So must everything
under K-fold, where the rows that are scored are those that choose.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hpsearch.analysis.compare import count_looks, digest_of
from hpsearch.analysis.crossed import crossed
from hpsearch.analysis.edges import under_tuned
from hpsearch.analysis.evidence import Evidence, LevelDesign
from hpsearch.analysis.explored import Interval
from hpsearch.analysis.findings import Gate
from hpsearch.analysis.gates import alike_but_for_the_factor, comparable_losses, unchanged_design
from hpsearch.analysis.gates_confirm import fresh_keys, missing_pairs, scores_of_folds
from hpsearch.analysis.inclusion import inclusion
from hpsearch.analysis.judging import Case, Grounds, judge, orders_found, unknown_if_refused
from hpsearch.analysis.leaderboard_entries import Entry, Sweep
from hpsearch.analysis.measuring import NOWHERE, Family, Numbers, measure
from hpsearch.analysis.paired import holm
from hpsearch.analysis.pairing import Paired, pair_up, val_per_train
from hpsearch.analysis.verdicts import ClaimKind, Refusal, Reliability, State, claims, sentence
from hpsearch.wording import number_of

IDENTIFYING = ("optimizer", "loss")
"""Settings by which rules about a pair tell what a recipe is."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """An entry against the first one that has fresh seeds.

    Attributes:
        a: The first one.
        b: The other.
        n: Common seeds.
        diff: Mean of a - b.
        ci_sim: Interval over seeds that holds for all comparisons at once; NaN where there is none.
        ci_images: Interval over seeds and images, or over folds, that holds for all pairs; NaN where there is none.
        p: Two-sided, of the sign-flip test.
        p_holm: After Holm.
        state: The verdict.
        claim: For what it may be claimed.
        sentence: What may be said.
        code: Of the rule that refuses it; empty if none does.
    """

    a: str
    b: str
    n: int
    diff: float
    ci_sim: Interval
    ci_images: Interval
    p: float
    p_holm: float
    state: State
    claim: ClaimKind
    sentence: str
    code: str = ""


def compare_with_first(sweeps: Sequence[Sweep], entries: Sequence[Entry]) -> tuple[Comparison, ...]:
    """Each entry with fresh seeds against the first such one; none for fewer than two.

    Args:
        sweeps: Those of the entries.
        entries: In the order of the leaderboard.
    """
    seeded = [entry for entry in entries if entry.seeds]
    if len(seeded) < 2:
        return ()
    by_name = {sweep.name: sweep.evidence for sweep in sweeps}
    declared = [by_name[name] for one in seeded for name in one.sweeps]
    first, family, every = seeded[0], _family(declared, len(seeded)), math.comb(len(seeded), 2)
    pairs = [_two(by_name[first.sweep], first, by_name[other.sweep], other) for other in seeded[1:]]
    measured = [pair_up(pair, *(level.name for level in pair.design.levels)) for pair in pairs]
    numbers = [_for_every_pair(measure(paired, family), paired, family.alpha / every) for paired in measured]
    adjusted = _holm([one.p for one in numbers], family.m)
    cases = [
        Case(paired, one, p, claims(p, one.ci_sim, one.wider, family.alpha))
        for paired, one, p in zip(measured, numbers, adjusted, strict=True)
    ]
    grounds = [Grounds(pair, family, _gates(pair)) for pair in pairs]
    orders = [orders_found(one, [case]) for one, case in zip(grounds, cases, strict=True)]
    included = [gate for pair, found in zip(pairs, orders, strict=True) for gate in inclusion(pair.design, found)]
    return tuple(
        _told(replace(one, gates=[*one.gates, *included]), case, _budgets(first, other))
        for one, case, other in zip(grounds, cases, seeded[1:], strict=True)
    )


def _family(compared: Sequence[Evidence], entries: int) -> Family:
    """What all comparisons share; of alphas and deltas that sweeps have declared, the smallest."""
    design = compared[0].design
    looks = max(count_looks(one, digest_of(one)) for one in compared)
    alpha = min(one.design.alpha for one in compared) / looks
    delta = min((one.design.delta for one in compared if one.design.delta is not None), default=None)
    if design.folds > 1:
        return Family(math.comb(entries, 2), alpha, delta, val_per_train(design))
    return Family(entries - 1, alpha, delta, None)


def _holm(p: Sequence[float], m: int) -> list[float]:
    """Adjusted for m comparisons, of which those that are not asked for count as 1; NaN without a test."""
    known = [1.0 if math.isnan(one) else one for one in p]
    adjusted = holm([*known, *[1.0] * (m - len(known))]).tolist()
    return [math.nan if math.isnan(one) else value for one, value in zip(p, adjusted, strict=False)]


def _for_every_pair(one: Numbers, paired: Paired, alpha: float) -> Numbers:
    """With the interval over seeds and images at the level of one of all pairs; under K-fold it has that already."""
    if paired.bitmaps is None or one.wider is None:
        return one
    both = crossed(*paired.bitmaps, alpha)
    return replace(one, wider=(both.low, both.high))


def _two(one: Evidence, first: Entry, two: Evidence, other: Entry) -> Evidence:
    """The two entries as the levels of one comparison."""
    designs = one.design, two.design
    design = replace(
        one.design,
        name=f"{first.name} and {other.name}",
        title="the recipe",
        levels=(_level(one, first), _level(two, other)),
        control=first.name,
        trials=max(first.draws, other.draws),
        confirm_seeds=max(each.confirm_seeds for each in designs),
        devices=tuple(device for each in designs for device in each.devices),
        commits=tuple(commit for each in designs for commit in each.commits),
        exploratory=one.design.exploratory or two.design.exploratory,
    )
    both = ((one, first), (two, other))
    trials = tuple(replace(row, level=entry.name) for each, entry in both for row in each.draws(entry.level))
    confirm = tuple(replace(row, level=entry.name) for each, entry in both for row in each.confirmed(entry.level))
    return Evidence(design, trials, confirm)


def _level(evidence: Evidence, entry: Entry) -> LevelDesign:
    """The level of an entry under its name, with what rules about a pair must know of its recipe."""
    assert entry.recipe is not None, entry
    level = next(level for level in evidence.design.levels if level.name == entry.level)
    known = {name: entry.recipe.settings[name] for name in IDENTIFYING if name in entry.recipe.settings}
    return replace(level, name=entry.name, settings={**level.settings, **known})


def _gates(pair: Evidence) -> list[Gate]:
    """The rules that can forbid a comparison of two recipes, or a claim about one."""
    rules = (alike_but_for_the_factor, comparable_losses, fresh_keys, missing_pairs, scores_of_folds, unchanged_design)
    return [*(gate for rule in rules for gate in rule(pair)), *under_tuned(pair, {})]


def _budgets(first: Entry, other: Entry) -> list[str]:
    """What a verdict on two recipes must add where they were not trained alike."""
    assert first.recipe is not None, first
    assert other.recipe is not None, other
    found = []
    if first.epochs != other.epochs:
        found.append(f"They were trained for {first.epochs} and {number_of(other.epochs, 'epoch')} (R04).")
    if first.recipe.train != other.recipe.train:
        found.append(f"They were trained on {first.recipe.train:,} and {number_of(other.recipe.train, 'row')} (R04).")
    return found


def _told(grounds: Grounds, case: Case, budgets: Sequence[str]) -> Comparison:
    said = judge(grounds, case)
    if isinstance(said, Refusal):
        case = unknown_if_refused(case, said)
        return _comparison(case, State.REFUSED, ClaimKind.NONE, sentence(State.REFUSED, said), said.code)
    if isinstance(said, Reliability):
        return _comparison(case, said.state, ClaimKind.NONE, sentence(said.state, said), said.code)
    said = replace(said, caveats=(*said.caveats, *budgets))
    return _comparison(case, said.state, said.claim, sentence(said.state, said))


def _comparison(case: Case, state: State, claim: ClaimKind, text: str, code: str = "") -> Comparison:
    paired, one = case.paired, case.numbers
    return Comparison(
        paired.a, paired.b, paired.n, one.diff, one.ci_sim or NOWHERE, one.wider or NOWHERE, one.p, case.p_holm, state,
        claim, text, code,
    )  # fmt: skip
