"""Seeds that stall or collapse: when one has, and what is said of levels of which some did."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.comparison.outcomes import Failures, collapsed, failed_seeds
from hpsearch.analysis.findings import Answer
from hpsearch.report.first_screen import standings_table
from hpsearch.statistics.intervals import wilson
from tests.analysis.evidences import of, pairs_of, scored

A = [0.970, 0.971, 0.969, 0.970, 0.971, 0.973, 0.968, 0.973, 0.973, 0.972]
B = [0.971, 0.969, 0.973, 0.974, 0.100, 0.973, 0.971, 0.968, 0.970, 0.971]
TRAINED = np.delete(np.subtract(A, B), 4)


def two(a, b, **changes):
    return of(scored("a", a, trial=1), scored("b", b, trial=1), **changes)


def p_of(d):
    """The sign-flip p by all sign vectors."""
    flipped = [abs(sum(s * x for s, x in zip(signs, d, strict=True)))
               for signs in itertools.product((1, -1), repeat=len(d))]  # fmt: skip
    return np.mean(np.array(flipped) >= abs(sum(d)) - 1e-12)


# when a seed has collapsed


@pytest.mark.parametrize(
    ("scores", "delta", "lost"),
    [
        (B, 0.002, [4]),
        ([0.97] * 9 + [0.10], None, [9]),  # the others tie
        ([0.97] * 9 + [0.96], None, []),  # ties, and a fall of a hundredth
        ([0.97] * 9 + [0.80], 0.2, []),  # which matters to nobody
        ([0.9 + 0.02 * at for at in range(10)], None, []),
        ([0.97, 0.97, 0.10], None, []),  # who knows how three seeds spread
        ([0.97, 0.98, 0.96, 0.97, 0.98, 0.1], None, [5]),
        ([0.97] * 5 + [0.10] * 5, None, []),  # half of them: there are no others to fall below
        ([0.97] * 6 + [0.10] * 4, None, [6, 7, 8, 9]),
        ([-0.05, -0.06, -0.05, -0.04, -0.05, -2.3, -0.06], None, [5]),  # a loss, higher is better
        ([2.0] * 6, None, []),
    ],
)
def test_a_seed_has_collapsed_that_lies_far_below_the_others(scores, delta, lost):
    assert np.flatnonzero(collapsed(np.array(scores), delta)).tolist() == lost


@pytest.mark.parametrize("seeds", [6, 7, 10, 12, 20])
@pytest.mark.parametrize(("draw", "most"), [("normal", 0.007), ("t", 0.022)])
def test_scores_that_merely_spread_are_rarely_said_to_have_collapsed(draw, most, seeds):
    numbers, levels = np.random.default_rng(3), 2000
    scores = numbers.normal(size=(levels, seeds)) if draw == "normal" else numbers.standard_t(3, (levels, seeds))
    share = np.mean([collapsed(one).any() for one in scores])
    assert share <= most + 3 * math.sqrt(most / levels)


SCORES = st.integers(-(10**9), 10**9).map(lambda number: number / 10**9)  # none whose differences underflow


@given(st.lists(SCORES, min_size=6, max_size=12), st.sampled_from([0.25, 2.0, 64.0]))
def test_at_most_half_of_the_seeds_collapse_and_the_unit_does_not_matter(scores, unit):
    lost = collapsed(np.array(scores))
    assert 2 * lost.sum() < len(scores)
    assert (collapsed(unit * np.array(scores)) == lost).all()
    assert not lost[np.array(scores) >= np.median(scores)].any()


def test_seeds_fail_by_their_status_or_else_by_their_score():
    rows = scored("a", [*A, -math.inf, 0.1, 0.5, math.nan])
    rows[11] = replace(rows[11], status="stalled")
    assert failed_seeds(of(rows, scored("b", A)), "a") == {11: "diverged", 12: "stalled", 13: "collapsed"}


def test_failures_of_several_kinds_are_called_failed():
    assert Failures(9, collapsed=2).word == "collapsed"
    assert (Failures(9, 1, 2, 3).count, Failures(9, 1, 2, 3).word) == (6, "failed")
    assert not Failures(9, 5).is_exception


# what is said of two levels


def test_where_a_seed_collapsed_the_difference_is_of_those_on_which_both_trained():
    (pair,) = pairs_of(two(A, B, delta=0.002))
    means = sorted(np.mean(TRAINED[list(chosen)])
                   for size in range(1, 10) for chosen in itertools.combinations(range(9), size))  # fmt: skip
    assert (pair.n, pair.compared, pair.state) == (10, 9, "inconclusive")
    assert pair.diff == pytest.approx(TRAINED.mean())
    assert pair.p == pytest.approx(p_of(TRAINED))
    assert pair.ci == pytest.approx((means[12], means[-13]))  # the 13th, for 12 = floor(0.05 x 2^8)
    assert pair.mean == pytest.approx(np.subtract(A, B).mean())


def test_the_typical_difference_and_the_risk_are_told_and_no_absurd_number_of_seeds():
    findings = analyse(two(A, B, delta=0.002))
    (pair,) = findings.pairs
    none, some = ("[{:.0f} %, {:.0f} %]".format(*100 * np.array(wilson(hits, 10))) for hits in (0, 1))
    said = "These data do not separate a and b where both trained"
    assert pair.sentence.startswith(f"{said}: a minus b is {pair.diff:.4f}")
    assert "(9 of 10 paired seeds, adjusted 95 % interval; " in pair.sentence
    shares = f"0 of 10 seeds of a {none} and 1 of 10 of b {some} collapsed"
    assert f" {shares} (Wilson 95 %, Fisher p = 1). " in pair.sentence
    assert pair.needed < 100
    risk = f"Risk: 1 of 10 fresh seeds {some} of b collapsed, to 0.1000 from a median of 0.9710 (Wilson 95 %)."
    assert findings.answers[0] == Answer("exploratory", risk)


def test_levels_that_are_within_delta_where_both_trained_are_not_equivalent_if_one_collapses():
    (pair,) = pairs_of(two(A, B, delta=0.02))
    assert pair.state == "inconclusive"
    assert pair.sentence.startswith("a and b lie within 0.02 of each other where both trained: ")
    assert pairs_of(two(A, [*B[:4], 0.972, *B[5:]], delta=0.02))[0].state == "equivalent"


def test_what_is_ahead_where_both_trained_is_better_if_it_fails_no_more_often():
    (pair,) = pairs_of(two(np.add(A, 0.01), B))
    assert (pair.state, pair.claim) == ("better", "on_this_report_set_only")
    assert pair.sentence.startswith("a is better than b on this report set only; ")


def test_what_is_ahead_where_both_trained_but_fails_more_often_is_not_better():
    (pair,) = pairs_of(two(A, np.add(B, 0.01)))
    assert pair.p_adjusted <= 0.05
    assert (pair.state, pair.claim) == ("inconclusive", "none")
    said = "b is ahead of a where both trained, and failed on more seeds"
    assert pair.sentence.startswith(f"{said}: a minus b is {pair.diff:.4f} [")


@pytest.mark.parametrize("how", ["collapsed", "stalled"])
def test_a_level_that_fails_often_trains_less_reliably_whatever_the_others_score(how):
    a, b = [0.97] * 14, [0.97] * 8 + [0.1] * 6
    rows = [replace(row, status="stalled") if how == "stalled" and row.report < 0.5 else row for row in scored("b", b)]
    (pair,) = analyse(of(scored("a", a), rows)).pairs
    assert pair.p_reliability == 2.0**-5  # all else ties
    assert (pair.state, pair.claim, pair.refused) == ("more_reliable", "full", ())
    assert f"6 of 14 of b [21 %, 67 %] {how} (Wilson 95 %, Fisher p = 0.016)" in pair.sentence
    assert "Where both trained, a minus b is 0 [0, 0] (8 seeds, 95 % interval)." in pair.sentence


def test_a_level_that_mostly_fails_is_compared_by_its_mean():
    (pair,) = pairs_of(two(A, [0.1] * 8 + [0.97] * 2))
    assert pair.compared == 10
    assert pair.diff == pytest.approx(pair.mean) == pytest.approx(np.mean(A) - 0.274)
    assert pair.state == "better_by_delta"


def test_with_too_few_seeds_on_which_both_trained_the_mean_is_compared_and_what_is_typical_told():
    (pair,) = pairs_of(two(A[:6], B[:6]))
    assert (pair.compared, pair.needed) == (6, None)
    d = np.delete(np.subtract(A[:6], B[:6]), 4)
    assert f"Where both trained, a minus b is {d.mean():.4f} ± {d.std(ddof=1) / math.sqrt(5):.4f} (SE, 5 seeds)." in (
        pair.sentence
    )


def test_runs_that_diverged_leave_what_is_typical_too():
    (pair,) = analyse(two(A, [*B[:4], -math.inf, *B[5:]])).pairs
    assert pair.refused == ("R08",)
    assert f"; where both trained, a minus b is {TRAINED.mean():.4f} [" in pair.sentence


@pytest.mark.parametrize(("delta", "words"), [(2e-4, "No number of seeds that anybody trains would"), (2e-3, "About ")])
def test_more_seeds_than_anybody_trains_are_told_in_words(delta, words):
    (pair,) = pairs_of(two(A, np.add(A, np.tile([0.004, -0.0041], 5)), delta=delta))
    assert (pair.needed > 1000) == words.startswith("No ")
    assert words in pair.sentence


# the first screen


def test_the_first_screen_shows_what_is_typical_and_names_the_risk():
    findings = analyse(two(A, B, delta=0.002))
    kept = np.delete(B, 4)
    assert findings.headline.sentence.endswith(" Risk: b collapsed on 1 of 10 fresh seeds [2 %, 40 %].")
    table = standings_table(findings)
    (cell,) = [row[1].text for row in table.rows if row[0].text == "b"]
    assert cell.startswith(f"{kept.mean():.5f} [")
    assert cell.endswith("]; 1 of 10 collapsed")
    assert table.caption.endswith("Means are of the seeds that trained; the order is that of all seeds.")
    assert [row.level for row in findings.headline.standings] == ["a", "b"]


def test_a_winner_that_trains_more_reliably_is_told_as_that():
    rows = scored("a", [0.97] * 14), scored("b", [0.97] * 8 + [0.1] * 6)
    sentence = analyse(of(*rows)).headline.sentence
    assert sentence.endswith("; the next, b, trains less reliably (6 of 14 fresh seeds collapsed).")
