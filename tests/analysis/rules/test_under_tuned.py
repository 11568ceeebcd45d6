"""Recipes at the edge of their space (R17)."""

from dataclasses import replace

import numpy as np
import pytest

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.evidence import TrialRow
from hpsearch.analysis.findings import Action
from tests.analysis.evidences import LR, SPACE, broken, clear, gates_of, level, trials, with_design


def sgd_at(lr, space=SPACE):
    """`sgd` is behind, and its recipe has this learning rate."""
    plain = clear()
    rows = [row for row in plain.trials if row.level == "adam"] + trials("sgd", 0.85, 50, at=lr)
    levels = level("adam"), level("sgd", space=space)
    return replace(with_design(plain, levels=levels), trials=tuple(rows))


@pytest.mark.parametrize(
    ("lr", "reason", "fix"),
    [
        (0.9, "lr = 0.9 lies in the outer 5 % of its range 0.001 to 1", f"search.space.{LR}.high=10.0"),
        (0.0011, "lr = 0.0011 lies in the outer 5 % of its range 0.001 to 1", f"search.space.{LR}.low=0.0001"),
    ],
)
def test_a_recipe_at_the_edge_of_its_range_is_possibly_under_tuned(lr, reason, fix):
    gate = broken(sgd_at(lr), "R17")
    assert (gate.action, gate.level, gate.reason, gate.fix) == (Action.DOWNGRADE, "sgd", reason, fix)


def test_an_end_without_room_beyond_it_is_no_edge():
    assert {gate.action for gate in gates_of(sgd_at(0.98, {LR: {"low": 0.0, "high": 1.0}}), "R17")} == {Action.PASS}


def test_of_foreign_results_the_wider_range_is_told_in_words():
    evidence = sgd_at(0.9)
    rows = tuple(replace(row, values={"lr": row.values[LR]}) for row in evidence.trials)
    levels = level("adam", space={}), level("sgd", space={"lr": SPACE[LR]})
    assert broken(replace(with_design(evidence, levels=levels), trials=rows), "R17").fix == "draw lr up to 10"


def test_a_level_at_the_edge_is_not_called_worse():
    findings = analyse(sgd_at(0.9))
    (pair,) = findings.pairs
    assert (pair.state, pair.claim, pair.refused) == ("refused", "none", ("R17",))
    assert "was found, but sgd is possibly under-tuned: lr = 0.9 lies in the outer 5 %" in pair.sentence
    assert pair.sentence.endswith("(R17). Fix: search.space.optimizer.sgd.lr.high=10.0.")
    assert findings.contenders == ("adam", "sgd")
    assert pair.ci_sim[0] > 0


def test_a_level_at_the_edge_may_be_called_better():
    plain = clear()
    rows = [row for row in plain.trials if row.level == "sgd"] + trials("adam", 0.95, 50, at=0.9)
    (pair,) = analyse(replace(plain, trials=tuple(rows))).pairs
    assert (pair.state, pair.claim) == ("better_by_delta", "full")


def test_scores_that_still_rise_towards_the_edge_are_under_tuned_too():
    draw = np.random.default_rng(0)
    lrs = 10 ** draw.uniform(-3, 0, 50)
    lrs[lrs > 0.7] = 0.6
    scores = 0.8 + 0.1 * np.log10(lrs) / 3
    points = enumerate(zip(lrs.tolist(), scores.tolist(), strict=True), 1)
    rising = [TrialRow("sgd", k, "ok", score, score, {LR: lr}) for k, (lr, score) in points]
    plain = clear()
    rows = tuple([row for row in plain.trials if row.level == "adam"] + rising)
    confirm = tuple(replace(row, trial=None) for row in plain.confirm)
    gate = broken(replace(plain, trials=rows, confirm=confirm), "R17")
    assert gate.reason == "scores still rise towards the end 1 of the range of lr, 0.001 to 1"
    assert gate.fix == f"search.space.{LR}.high=10.0"


def test_a_choice_has_no_edge():
    assert {gate.action for gate in gates_of(sgd_at(0.9, {LR: {"choices": [0.1, 0.9]}}), "R17")} == {Action.PASS}


def test_the_recipe_is_the_one_that_was_retrained():
    plain = clear()
    at_edge = min((row for row in plain.trials if row.level == "sgd"), key=lambda row: row.values[LR])
    rows = tuple(replace(row, trial=at_edge.k) if row.level == "sgd" else row for row in plain.confirm)
    assert broken(replace(plain, confirm=rows), "R17").level == "sgd"


def test_an_edge_says_nothing_where_every_trial_has_the_same_score():
    evidence = sgd_at(0.9)
    rows = [replace(row, val=0.1) if row.level == "sgd" else row for row in evidence.trials]
    gates = [gate for gate in gates_of(replace(evidence, trials=tuple(rows)), "R17") if gate.level == "sgd"]
    assert [(gate.action, gate.reason) for gate in gates] == [
        (Action.PASS, "every trial has the same score, wherever it lies")
    ]


def test_a_recipe_behind_its_default_is_possibly_under_tuned():
    evidence = sgd_at(0.03)
    default = replace(evidence.draws("sgd")[0], k=0, val=0.99, default=True)
    gates = gates_of(replace(evidence, trials=(*evidence.trials, default)), "R17")
    (gate,) = [one for one in gates if one.level == "sgd"]
    assert gate.action is Action.DOWNGRADE
    assert gate.reason.startswith("its default recipe scores higher on val than the recipe of")
