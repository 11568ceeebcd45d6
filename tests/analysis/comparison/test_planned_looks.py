"""Comparisons that look several times, as planned: what is compared again, at which level, and who gets more seeds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.analysis.analyse import analyse, count_looks, digest_of, levels_to_retrain
from hpsearch.analysis.comparison.verdict import ClaimKind, State
from hpsearch.statistics.group_sequential import shares
from hpsearch.statistics.paired_tests import sign_flip
from tests.analysis.evidences import of, pairs_of, scored, with_design

LOOKS = (10, 20, 40)
RANDOM = np.random.default_rng(5)
NOISE = RANDOM.normal(0, 0.01, (3, 40))


def known(seeds=40, looks=LOOKS, **tops):
    """Levels with these means and independent noise on so many seeds."""
    rows = [scored(name, top + NOISE[at, :seeds]) for at, (name, top) in enumerate(tops.items())]
    return of(*rows, names=tuple(tops), looks=looks, delta=None)


def by_names(evidence):
    return {(pair.a, pair.b): pair for pair in pairs_of(evidence)}


def test_a_pair_that_is_decided_keeps_the_numbers_of_its_look():
    far = by_names(known(a=0.9, b=0.5))["a", "b"]
    assert (far.n, far.claim) == (10, ClaimKind.FULL)
    first = sign_flip(np.array(far.differences))
    assert far.p_adjusted == pytest.approx(first / shares(LOOKS)[0])


def test_a_pair_that_is_open_is_compared_again_on_all_seeds_at_the_part_of_that_look():
    near = by_names(known(a=0.9, b=0.9))["a", "b"]
    assert (near.n, near.claim) == (40, ClaimKind.NONE)
    assert near.p == pytest.approx(sign_flip(NOISE[0] - NOISE[1]), abs=0.01)
    assert near.p_adjusted == pytest.approx(min(1, near.p / shares(LOOKS)[2]), abs=0.02)


def test_a_difference_that_alpha_would_allow_at_one_look_is_no_claim_at_one_of_several():
    d = np.array([0.01] * 7 + [-0.006] * 2 + [0.01])
    rows = scored("a", 0.9 + d), scored("b", [0.9] * 10)
    p = sign_flip(d)
    assert 0.05 * shares(LOOKS)[0] < p <= 0.05
    assert pairs_of(of(*rows, delta=None))[0].claim != ClaimKind.NONE
    assert pairs_of(of(*rows, delta=None, looks=LOOKS))[0].claim == ClaimKind.NONE


def test_a_level_that_is_behind_another_needs_no_more_seeds():
    assert levels_to_retrain(known(10, a=0.9, b=0.9, c=0.5)) == ["a", "b"]


def test_nothing_needs_more_seeds_once_one_level_is_ahead_of_all():
    assert levels_to_retrain(known(10, a=0.9, b=0.5, c=0.4)) == []


def test_a_control_that_is_behind_one_level_is_still_needed_by_the_others():
    evidence = with_design(known(10, a=0.9, b=0.5, c=0.5), control="b")
    assert levels_to_retrain(evidence) == ["b", "c"]


def test_levels_that_are_equivalent_need_no_more_seeds():
    evidence = with_design(known(10, a=0.9, b=0.9), delta=0.1)
    assert pairs_of(evidence)[0].state == State.EQUIVALENT
    assert levels_to_retrain(evidence) == []


def test_a_level_without_any_recipe_keeps_no_other_one_waiting():
    lost = of(scored("a", 0.9 + NOISE[0, :10]), names=("a",), looks=LOOKS)
    trials = [row for row in lost.trials if row.level == "a"]
    gone = [type(trials[0])("b", k, "diverged", 0.0, 0.0, trials[0].values) for k in (1, 2)]
    evidence = of(scored("a", 0.9 + NOISE[0, :10]), names=("a", "b"), looks=LOOKS)
    evidence = type(evidence)(evidence.design, (*trials, *gone), evidence.confirm)
    assert levels_to_retrain(evidence) == []


def test_what_is_known_at_a_look_decides_it_whatever_was_trained_later():
    whole = known(a=0.9, b=0.9, c=0.5)
    assert levels_to_retrain(whole.at_look(10)) == levels_to_retrain(known(10, a=0.9, b=0.9, c=0.5))


def test_a_report_at_a_planned_look_costs_nothing_and_any_other_one_its_part():
    whole = known(a=0.9, b=0.9)
    between = whole.at_look(20)
    shown = with_design(whole, shown_before=(digest_of(between),))
    assert count_looks(shown, digest_of(shown)) == 1
    shown = with_design(whole, shown_before=("0123456789abcdef",))
    assert count_looks(shown, digest_of(shown)) == 2


def test_the_same_seeds_under_another_plan_are_another_look():
    one, other = known(a=0.9, b=0.9), known(a=0.9, b=0.9, looks=(20, 40))
    assert digest_of(one) != digest_of(other)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.005, 0.02]), st.sampled_from([None, "a"]))
def test_an_interval_excludes_0_exactly_where_the_adjusted_p_allows_a_claim(seed, apart, control):
    scores = np.random.default_rng(seed).normal(0.9, 0.01, (3, 20)) + apart * np.arange(3)[:, None]
    evidence = of(*map(scored, "abc", scores), names="abc", looks=(10, 20), delta=None, control=control)
    for pair in pairs_of(evidence):
        assert (pair.p_adjusted <= 0.05) == (pair.ci_sim[0] > 0 or pair.ci_sim[1] < 0)


def test_the_bound_behind_the_best_is_wider_at_the_first_of_several_looks():
    def bounds(looks):
        rows = analyse(known(10, looks, a=0.9, b=0.9)).headline.standings
        return [row.behind for row in rows]

    assert all(wide >= narrow for wide, narrow in zip(bounds(LOOKS), bounds(()), strict=True))
    assert bounds(LOOKS) != bounds(())


def false_claims(scores_of, reports, levels="abc", looks=(10, 20, 40)):
    draw, wrong = np.random.default_rng(3), 0
    for _ in range(reports):
        scores = scores_of(draw, (len(levels), looks[-1]))
        evidence = of(*map(scored, levels, scores), names=levels, looks=looks, delta=None)
        wrong += any(pair.claim != ClaimKind.NONE for pair in pairs_of(evidence))
    return wrong / reports


@pytest.mark.slow
@pytest.mark.parametrize(
    "scores_of",
    [
        pytest.param(lambda draw, shape: draw.normal(size=shape), id="normal"),
        pytest.param(lambda draw, shape: draw.binomial(500, 0.97, size=shape) / 500, id="accuracies"),
    ],
)
def test_looks_together_claim_no_more_than_alpha_of_equal_levels(scores_of, monkeypatch):
    monkeypatch.setattr("hpsearch.statistics.paired_tests.DRAWS", 4000)
    reports = 500
    assert 0.005 < false_claims(scores_of, reports) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / reports)
