"""What a broken rule does to comparisons and answers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hpsearch.analysis.analyse import analyse, digest_of
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.findings import Action, Answer
from hpsearch.statistics.intervals import wilson
from tests.analysis.evidences import (
    LR,
    broken,
    clear,
    diverged,
    folded,
    gates_of,
    level,
    lost,
    of,
    retrained,
    scored,
    trials,
    with_design,
    without,
)


def test_a_diverged_seed_leaves_ranks_and_no_interval():
    (pair,) = analyse(diverged(clear(), 2, 3)).pairs
    assert (pair.state, pair.claim, pair.refused) == ("more_reliable", "on_this_report_set_only", ("R08",))
    assert math.isnan(pair.diff)
    assert all(map(math.isnan, (*pair.ci, *pair.ci_sim)))
    assert pair.p == 2.0**-9
    assert np.isposinf(pair.differences[[1, 2]]).all()
    shares = "0 of 10 seeds of adam [0 %, 28 %] and 2 of 10 of sgd [6 %, 51 %] diverged (Wilson 95 %, Fisher p = 0.47)"
    ranks = f"with these as the lowest, sign-flip test on ranks, adjusted p = {pair.p_adjusted:.2g}"
    assert pair.sentence.startswith(
        f"adam is ahead, failed seeds counted, of sgd: {shares}; {ranks}. Where both trained, "
    )
    assert pair.sentence.endswith(". Their means are not compared (R08).")


def reliability(a, b, **changes):
    """Two levels of which these many of ten seeds diverged, the others scoring 0.9 and something."""
    rows = [[-math.inf if at < lost else 0.9 + at / 1000 for at in range(10)] for lost in (a, b)]
    return of(*(scored(name, row, trial=1) for name, row in zip("ab", rows, strict=True)), **changes)


def test_a_level_that_always_diverges_trains_less_reliably_than_one_that_never_does():
    findings = analyse(reliability(0, 10))
    (pair,) = findings.pairs
    assert (pair.state, pair.claim, pair.refused) == ("more_reliable", "full", ("R08",))
    low, high = 100 * wilson(10, 10)[0], 100 * wilson(0, 10)[1]
    p = stats.fisher_exact([[0, 10], [10, 0]]).pvalue
    assert pair.sentence == (
        f"a trains more reliably than b: 0 of 10 seeds of a [0 %, {high:.0f} %] and 10 of 10 of b [{low:.0f} %, 100 %] "
        f"diverged (Wilson 95 %, Fisher p = {p:.2g}); with these as the lowest, sign-flip test on ranks, adjusted p = "
        f"{2.0**-9:.2g}. Their means are not compared (R08). Fix: evaluation.replicates=3."
    )
    assert findings.answers[0] == Answer("claim", pair.sentence)
    assert findings.contenders == ("a",)
    assert analyse(reliability(10, 0)).pairs[0].state == "less_reliable"


@pytest.mark.parametrize(
    ("a", "b", "state"),
    [(0, 5, "refused"), (0, 6, "more_reliable"), (2, 8, "more_reliable"), (4, 9, "refused"), (10, 10, "refused")],
)
def test_a_claim_of_reliability_is_made_by_the_exact_test_of_ranks(a, b, state):
    ranks = 2.0 ** (1 - (b - a)) if b > a else 1.0  # all else ties: only seeds of which one alone diverged have a sign
    assert (ranks <= 0.05) == (state == "more_reliable")
    assert analyse(reliability(a, b)).pairs[0].state == state


def test_of_several_comparisons_each_has_its_part_of_alpha():
    three = [scored(name, [0.9] * 10, trial=1) for name in "cd"]
    evidence = reliability(0, 6)
    more = of(evidence.confirm, *three, names=("a", "b", "c", "d"))
    with_b = [pair for pair in analyse(more).pairs if "b" in (pair.a, pair.b)]
    assert (with_b[0].p, with_b[0].p_holm) == (2.0**-5, 4 * 2.0**-5)  # two of the six pairs have a smaller p
    assert with_b[0].p <= with_b[0].p_adjusted <= with_b[0].p_holm


def test_an_exploratory_report_claims_no_reliability_either():
    assert analyse(reliability(0, 10, exploratory="delta was changed after a look")).pairs[0].state == "refused"


def test_what_is_under_tuned_is_not_called_less_reliable():
    evidence = reliability(0, 10)
    at_edge = tuple(replace(row, values={LR: 0.99}) for row in evidence.trials)
    assert analyse(replace(evidence, trials=at_edge)).pairs[0].state == "refused"


def test_a_seed_that_diverged_counts_where_the_other_level_lacks_it():
    spoiled = diverged(clear(), 2)
    rows = tuple(row for row in spoiled.confirm if (row.level, row.key) != ("adam", 2))
    findings = analyse(replace(spoiled, confirm=rows))
    (pair,) = findings.pairs
    assert (pair.n, pair.dropped, pair.claim, pair.refused) == (9, 1, "on_this_report_set_only", ("R08",))
    assert "0 of 9 seeds of adam [0 %, 30 %] and 1 of 10 of sgd [2 %, 40 %] diverged (Wilson 95 %, " in pair.sentence
    assert math.isnan(pair.diff)
    assert findings.contenders == ("adam", "sgd")


def test_folds_that_one_level_lacks_close_the_pairs_with_it_alone():
    draw = np.random.default_rng(0)
    folds = {name: draw.normal(mean, 0.01, (4, 5)) for name, mean in (("a", 0.9), ("b", 0.7), ("c", 0.5))}
    rows = [row for name, scores in folds.items() for row in folded(name, scores)]
    rows[-1] = replace(rows[-1], folds=rows[-1].folds[:4])
    plan = replace(clear().design, folds=5, evaluation="kfold", rows={"train": 800, "val": 1000})
    searched = tuple(row for name in folds for row in trials(name, 0.9, 5))
    findings = analyse(Evidence(replace(plan, levels=tuple(map(level, folds))), searched, tuple(rows)))
    assert [(pair.claim, pair.refused) for pair in findings.pairs] == [
        ("full", ()),
        ("none", ("R11",)),
        ("none", ("R11",)),
    ]
    assert "Not compared: a and c, of c only means over 5 folds are known" in findings.pairs[1].sentence
    assert [gate.level for gate in findings.gates if gate.rule == "R11"] == ["c"]


def test_a_lost_seed_is_dropped_and_said():
    (pair,) = analyse(lost(clear(), 4)).pairs
    assert (pair.n, pair.dropped, pair.claim) == (9, 1, "full")
    assert pair.sentence.endswith("1 key was dropped (R08).")


def test_unequal_searches_are_said_where_recipes_are_compared():
    (pair,) = analyse(without(clear(), "sgd", k=31)).pairs
    assert pair.sentence.endswith("Their searches had 50 and 30 trials (R04).")
    assert "these recipes" in pair.sentence


@pytest.mark.parametrize(("code", "changes"), [("R06", {"search_keys": (1,)}), ("R09", {"commits": ("a", "b")})])
def test_a_gate_about_all_levels_is_one_answer(code, changes):
    findings = analyse(clear(**changes))
    assert [pair.refused for pair in findings.pairs] == [(code,)]
    told = [one.sentence for one in findings.answers if f"({code})" in one.sentence]
    assert len(told) == 1


def test_an_exploratory_report_claims_nothing():
    findings = analyse(clear(exploratory="delta was changed after a look"))
    assert [(pair.claim, pair.refused) for pair in findings.pairs] == [("none", ("R19",))]
    assert findings.answers[0].sentence == "This report is exploratory as a whole: delta was changed after a look."
    assert {one.status for one in findings.answers} == {"exploratory", "refused", "scope"}


def test_more_looks_need_more_seeds():
    looked = clear(shown_before=tuple(f"{at:016d}" for at in range(40)))
    gate = broken(looked, "R07")
    assert gate.reason == "adam and sgd: 10 common seeds are fewer than the 11 that a claim needs"
    assert gate.fix == "confirm.seeds=13"


def test_showing_the_same_retrainings_again_is_no_look():
    assert {gate.action for gate in gates_of(clear(shown_before=(digest_of(clear()),)), "R20")} == {Action.PASS}


@pytest.mark.parametrize(("seeds", "action"), [(1, Action.REFUSE), (2, Action.PASS), (3, Action.PASS)])
def test_folds_need_two_seeds_and_ten_scores(seeds, action):
    draw = np.random.default_rng(1)
    plain = with_design(clear(), folds=5, evaluation="kfold", rows={"train": 800, "val": 1000})
    rows = [*folded("adam", draw.normal(0.9, 0.01, (seeds, 5))), *folded("sgd", draw.normal(0.7, 0.01, (seeds, 5)))]
    (gate,) = gates_of(replace(plain, confirm=tuple(rows)), "R07")
    assert gate.action is action
    if action is Action.REFUSE:
        assert gate.reason == "adam and sgd: 1 common seed with 5 folds in all is fewer than 2 seeds with 10 folds"
        assert gate.fix == "confirm.seeds=11"


def test_a_fold_that_diverged_leaves_neither_interval_nor_test():
    draw = np.random.default_rng(1)
    plain = with_design(clear(), folds=5, evaluation="kfold", rows={"train": 800, "val": 1000})
    rows = [
        *folded("adam", draw.normal(0.9, 0.01, (4, 5))),
        *scored("sgd", [0.5, 0.5, 0.5, -math.inf], folds=(0.5,) * 5),
    ]
    (pair,) = analyse(replace(plain, confirm=tuple(rows))).pairs
    assert pair.refused == ("R08",)
    assert math.isnan(pair.p)


def test_claims_on_different_keys_that_go_round_in_a_circle_are_none():
    names, keys = ("a", "b", "c"), {"a": range(1, 21), "b": range(11, 31), "c": [*range(1, 11), *range(21, 31)]}
    # On the keys that two have in common, the first one is ahead: a over b, b over c, c over a.
    ahead = {("a", 11): 1, ("b", 21): 1, ("c", 1): 1}
    confirm, rng = [], np.random.default_rng(0)
    for name in names:
        for key in keys[name]:
            lifted = ahead.get((name, (key - 1) // 10 * 10 + 1), 0)
            row = rng.random(400) < (0.95 if lifted else 0.5)
            confirm += [replace(one, key=key) for one in retrained(name, row[None])]
    rows = [row for name in names for row in trials(name, 0.9, 5)]
    evidence = Evidence(replace(clear().design, levels=tuple(map(level, names))), tuple(rows), tuple(confirm))
    findings = analyse(evidence)
    assert [pair.refused for pair in findings.pairs] == [("R08",)] * 3
    assert findings.contenders == names
    assert "claims on different keys go round in a circle (R08)" in findings.pairs[0].sentence
