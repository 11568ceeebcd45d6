"""What may be said about two levels."""

import math
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.analysis.comparison.sentences import Refusal, Reliability, Statement, sentence
from hpsearch.analysis.comparison.verdict import ClaimKind, State, claims, verdict
from hpsearch.analysis.findings import Rule
from tests.analysis.comparison.claim_words import forbidden

NONE, HERE, FULL = ClaimKind.NONE, ClaimKind.ON_THIS_REPORT_SET_ONLY, ClaimKind.FULL
MIRROR = {
    State.BETTER_BY_DELTA: State.WORSE_BY_DELTA,
    State.BETTER: State.WORSE,
    State.WORSE_BY_DELTA: State.BETTER_BY_DELTA,
    State.WORSE: State.BETTER,
}
bounds = st.integers(-12, 12).map(lambda x: x / 4)
intervals = st.tuples(bounds, bounds).map(lambda ends: (min(ends), max(ends)))
deltas = st.none() | st.sampled_from([0.25, 1.0, 1.1])


@pytest.mark.parametrize(
    ("low", "high", "claim", "state"),
    [
        (1.1, 3, True, State.BETTER_BY_DELTA),
        (1.1, 3, False, State.INCONCLUSIVE),
        (1, 3, True, State.BETTER),
        (0.1, 1, True, State.BETTER),
        (0.1, 0.9, True, State.EQUIVALENT),
        (0.1, 0.9, False, State.EQUIVALENT),
        (-0.9, 0.9, False, State.EQUIVALENT),
        (-1, 0.9, False, State.INCONCLUSIVE),
        (-0.9, 1, False, State.INCONCLUSIVE),
        (0.1, 2, False, State.INCONCLUSIVE),
        (0, 2, True, State.INCONCLUSIVE),
        (-3, -1, True, State.WORSE),
        (-3, -1.1, True, State.WORSE_BY_DELTA),
    ],
)
def test_the_verdict_follows_from_interval_delta_and_claim(low, high, claim, state):
    assert verdict(low, high, 1, claim) is state


@given(intervals, deltas, st.booleans())
def test_the_verdict_on_b_against_a_is_the_mirror_image(interval, delta, claim):
    low, high = interval
    here = verdict(low, high, delta, claim)
    assert verdict(-high, -low, delta, claim) is MIRROR.get(here, here)


@given(intervals, deltas, st.booleans())
def test_a_level_is_ahead_only_by_a_claim_and_an_interval_on_its_side(interval, delta, claim):
    low, high = interval
    state = verdict(low, high, delta, claim)
    if state in (State.BETTER, State.BETTER_BY_DELTA):
        assert claim
        assert low > 0
    if state is State.BETTER_BY_DELTA:
        assert low > delta


@given(intervals, st.booleans())
def test_without_delta_nothing_is_equivalent_and_only_that_state_is_lost(interval, claim):
    state = verdict(*interval, None, claim)
    assert state in (State.BETTER, State.WORSE, State.INCONCLUSIVE)
    assert (state is State.INCONCLUSIVE) == (not claim or interval[0] <= 0 <= interval[1])


@pytest.mark.parametrize(
    ("low", "high", "delta"), [(1, 0, 1), (0, 1, 0), (0, 1, -1), (math.nan, 1, 1), (0, 1, math.nan)]
)
def test_a_verdict_needs_an_interval_and_a_difference_that_matters(low, high, delta):
    with pytest.raises(ValueError, match="needs low <= high and delta > 0"):
        verdict(low, high, delta, claim=False)


@pytest.mark.parametrize(
    ("ci_sim", "ci_crossed", "kind"),
    [
        ((0.1, 0.3), (0.05, 0.4), FULL),
        ((-0.3, -0.1), (-0.4, -0.05), FULL),
        ((0.1, 0.3), (0.0, 0.4), HERE),
        ((0.1, 0.3), (-0.4, -0.1), HERE),
        ((0.1, 0.3), None, HERE),
        ((0.0, 0.3), (0.05, 0.4), NONE),
        (None, (0.05, 0.4), NONE),
    ],
)
def test_a_claim_needs_the_interval_of_the_test_and_new_images_for_all_of_it(ci_sim, ci_crossed, kind):
    assert claims(ci_sim, ci_crossed) is kind


def told(diff, low, high, **more):
    given_ = {"se": 0.00241, "n": 10, "n_trials": 50, "delta": 0.005} | more
    return Statement("Adam", "SGD", diff, low, high, **given_)


SCOPE = "(10 paired seeds, adjusted 95 % interval; these spaces, 50 trials each)."
AHEAD, AHEAD_BY_DELTA = (0.00834, 0.00212, 0.01456), (0.01234, 0.00612, 0.01856)
CLOSE = (0.00184, 0.00012, 0.00356)
OPEN = (0.0008, -0.0112, 0.0128)
NUMBERS, NUMBERS_BY_DELTA = "+0.0083 [0.0021, 0.0146]", "+0.0123 [0.0061, 0.0186]"
SENTENCES = {
    "by delta": (
        told(*AHEAD_BY_DELTA, claim=FULL, crossed=(0.0055, 0.019)),
        f"Adam is better than SGD by at least 0.005: {NUMBERS_BY_DELTA} {SCOPE}",
    ),
    "by delta here, by less elsewhere": (
        told(*AHEAD_BY_DELTA, claim=FULL, crossed=(0.001, 0.02)),
        f"Adam is better than SGD; by at least 0.005 on this report set only: {NUMBERS_BY_DELTA} {SCOPE}",
    ),
    "by delta here": (
        told(*AHEAD_BY_DELTA, claim=HERE),
        f"Adam is better than SGD by at least 0.005 on this report set only: {NUMBERS_BY_DELTA} {SCOPE}",
    ),
    "better": (
        told(*AHEAD, claim=FULL, crossed=(0.001, 0.02)),
        f"Adam is better than SGD; the difference may be smaller than 0.005: {NUMBERS} {SCOPE}",
    ),
    "better here": (
        told(*AHEAD, claim=HERE, crossed=(-0.001, 0.02)),
        f"Adam is better than SGD on this report set only; the difference may be smaller than 0.005: {NUMBERS} {SCOPE}",
    ),
    "better without delta": (
        told(*AHEAD, claim=FULL, crossed=(0.001, 0.02), delta=None),
        f"Adam is better than SGD: {NUMBERS} {SCOPE}",
    ),
    "equivalent": (
        told(*CLOSE, crossed=(-0.004, 0.0045)),
        f"Adam and SGD are equivalent within 0.005: Adam minus SGD is +0.0018 [0.0001, 0.0036] {SCOPE}",
    ),
    "equivalent here and ahead": (
        told(*CLOSE, claim=FULL, crossed=(0.0001, 0.006)),
        (
            "Adam and SGD are equivalent within 0.005 on this report set only: Adam minus SGD is "
            f"+0.0018 [0.0001, 0.0036] {SCOPE} Adam is slightly higher."
        ),
    ),
    "inconclusive": (
        told(*OPEN, seeds_needed=31),
        (
            f"These data do not separate Adam and SGD: Adam minus SGD is +0.0008 [-0.0112, 0.0128] {SCOPE} "
            "About 31 seeds would be needed to detect a difference of 0.005 with 80 % power."
        ),
    ),
    "inconclusive with seeds enough": (
        told(*OPEN, seeds_needed=9),
        (
            f"These data do not separate Adam and SGD: Adam minus SGD is +0.0008 [-0.0112, 0.0128] {SCOPE} "
            "About 9 seeds detect a difference of 0.005 with 80 % power."
        ),
    ),
    "inconclusive without delta": (
        told(*OPEN, delta=None),
        (
            f"These data do not separate Adam and SGD: Adam minus SGD is +0.0008 [-0.0112, 0.0128] {SCOPE} "
            "No smallest difference that matters is declared, so that equivalence cannot be told."
        ),
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_the_sentence_of(case):
    statement, text = SENTENCES[case]
    assert sentence(statement.state, statement) == text


@pytest.mark.parametrize("case", [case for case, (statement, _) in SENTENCES.items() if statement.side])
def test_the_level_that_is_ahead_comes_first_whichever_way_it_was_compared(case):
    statement, text = SENTENCES[case]
    assert sentence(statement.mirrored().state, statement.mirrored()) == text


@pytest.mark.parametrize("crossed", [None, (-0.006, 0.004), (-0.004, 0.006), (-0.005, 0.004)])
def test_levels_are_equivalent_on_this_report_set_only_unless_new_images_keep_within_delta(crossed):
    assert "equivalent within 0.005 on this report set only:" in sentence(
        State.EQUIVALENT, told(*CLOSE, crossed=crossed)
    )


def test_a_comparison_that_is_refused_says_why_and_what_helps():
    refusal = Refusal("Adam", "SGD", Rule.ENOUGH_SEEDS, "5 common seeds are fewer than the 6 that one comparison needs")
    text = "Not compared: Adam and SGD, 5 common seeds are fewer than the 6 that one comparison needs (R07)."
    assert sentence(State.REFUSED, refusal) == text
    fixable = Refusal(refusal.a, refusal.b, refusal.rule, refusal.reason, "confirm.seeds=6")
    assert sentence(State.REFUSED, fixable) == f"{text} Fix: confirm.seeds=6."


def test_other_scopes_are_said_too():
    statement = told(*AHEAD, claim=FULL, crossed=(0.1, 0.2), n_trials=None, alpha=0.05 / 3, n=5, unit="folds")
    assert "(5 folds, adjusted 98.33 % interval; these recipes)." in sentence(statement.state, statement)
    assert "these spaces, 1 trial each)." in sentence(State.INCONCLUSIVE, told(*OPEN, n_trials=1))


def test_caveats_follow():
    statement = told(*OPEN, seeds_needed=None, caveats=("Of SGD, only lr was tuned.", "One data set."))
    assert sentence(State.INCONCLUSIVE, statement).endswith(f"{SCOPE} Of SGD, only lr was tuned. One data set.")


def test_the_name_of_a_level_commands_no_terminal():
    statement = Statement("a\x1b[2J", "b\n", *OPEN, se=0.004, n=10)
    assert sentence(State.INCONCLUSIVE, statement).isprintable()


@pytest.mark.parametrize(
    ("se", "numbers"), [(0.00241, NUMBERS), (0.0241, "+0.008 [0.002, 0.015]"), (0.241, "0.01 [0.00, 0.01]")]
)
def test_numbers_have_the_digits_of_their_error(se, numbers):
    shown = sentence(State.BETTER, told(*AHEAD, claim=FULL, crossed=(0.1, 0.2), se=se))
    assert numbers in shown


@pytest.mark.parametrize("state", [state for state in State if state is not State.INCONCLUSIVE])
def test_no_words_without_their_numbers(state):
    with pytest.raises(ValueError, match=f"state of Adam against SGD must be inconclusive, got {state}"):
        sentence(state, told(*OPEN))


def test_a_refusal_is_no_other_state():
    with pytest.raises(ValueError, match="must be refused, got better"):
        sentence(State.BETTER, Refusal("Adam", "SGD", Rule.ENOUGH_SEEDS, "too few"))


EVERY = [
    Statement("Adam", "SGD", *numbers, se=0.002, n=10, n_trials=trials, delta=delta, claim=claim, crossed=crossed,
              seeds_needed=31)
    for numbers, trials, delta, claim, crossed in product(
        [AHEAD, AHEAD_BY_DELTA, CLOSE, OPEN], [None, 50], [None, 0.005], ClaimKind,
        [None, (-0.001, 0.001), (0.006, 0.02)],
    )
]  # fmt: skip


def test_no_sentence_says_more_than_its_evidence():
    states = set()
    for statement in [*EVERY, *(statement.mirrored() for statement in EVERY)]:
        states.add(statement.state)
        text = sentence(statement.state, statement)
        assert forbidden(text, claimed=statement.claim is not NONE, single_contender=False) == []
        assert "10 paired seeds" in text
        assert "[" in text
    assert states == set(State) - {State.REFUSED, State.MORE_RELIABLE, State.LESS_RELIABLE}


def test_a_sentence_with_a_claim_needs_the_claim():
    for statement in EVERY:
        found = forbidden(sentence(statement.state, statement), claimed=False, single_contender=True)
        assert bool(found) == (statement.side != 0)


@pytest.mark.parametrize(("ahead", "state"), [("a", State.MORE_RELIABLE), ("b", State.LESS_RELIABLE)])
def test_reliability_names_first_what_diverges_less_often(ahead, state):
    told = Reliability("a", "b", ahead, "1 of 9 …", True, "", Rule.NO_MISSING_PAIR)
    behind = {"a": "b", "b": "a"}[ahead]
    text = sentence(state, told)
    assert text == f"{ahead} trains more reliably than {behind}: 1 of 9 …. Their means are not compared (R08)."
    by_ranks = sentence(state, replace(told, by_shares=False))
    assert by_ranks.startswith(f"{ahead} is ahead, failed seeds counted, of {behind}: 1 of 9 …. Their means")
    with pytest.raises(ValueError, match="must be"):
        sentence(State.REFUSED, told)


def test_reliability_whose_means_are_compared_tells_the_typical_difference():
    told = Reliability("a", "b", "a", "0 of 9 …", True, "a minus b is 0.1 [0.0, 0.2]")
    expected = "a trains more reliably than b: 0 of 9 …. Where both trained, a minus b is 0.1 [0.0, 0.2]."
    assert sentence(State.MORE_RELIABLE, told) == expected
