"""Optimizers that include others (R18)."""

from dataclasses import replace

import pytest

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.findings import Action
from tests.analysis.evidences import bitmaps, broken, clear, design, gates_of, level, retrained, trials


def optimizers(special, general, drawn):
    """`special` is ahead of `general`, which draws these values."""
    space = {f"optimizer.{general}.{name}": {"low": 1e-3, "high": 1.0, "log": True} for name in drawn}
    rows = [*trials(special, 0.95, 50), *trials(general, 0.85, 50, parameter=f"optimizer.{general}.lr")]
    plain = clear()
    confirm = [replace(row, level=special if row.level == "adam" else general) for row in plain.confirm]
    levels = level(special), level(general, space=space)
    return Evidence(replace(plain.design, levels=levels), tuple(rows), tuple(confirm))


@pytest.mark.parametrize(
    ("special", "general", "drawn"),
    [
        ("sgd", "momentum", ["lr", "momentum"]),
        ("sgd", "nesterov", ["lr", "momentum"]),
        ("sgd", "adam", ["lr", "eps"]),
        ("momentum", "adam", ["lr", "eps"]),
        ("momentum", "adamw", ["lr", "eps"]),
        ("sgd", "rmsprop", ["lr", "eps"]),
    ],
)
def test_a_general_optimizer_is_not_behind_what_its_space_includes(special, general, drawn):
    evidence = optimizers(special, general, drawn)
    gate = broken(evidence, "R18")
    assert gate.action is Action.DOWNGRADE
    behind = f"{general} behind its special case {special} is inconsistent with inclusion, for its space includes that"
    assert gate.reason == behind
    assert gate.fix == "search.trials=100"
    (pair,) = analyse(evidence).pairs
    assert (pair.state, pair.claim, pair.refused) == ("refused", "none", ("R18",))
    assert f"was found, but {general} is possibly under-tuned: {behind} (R18)." in pair.sentence


def three(shares, **changes):
    """Momentum, whose space includes SGD, with SGD and RMSprop, which it does not include."""
    momentum = {f"optimizer.momentum.{name}": {"low": 1e-3, "high": 1.0, "log": True} for name in ("lr", "momentum")}
    levels = level("sgd"), level("momentum", space=momentum), level("rmsprop")
    rows = [row for name in shares for row in trials(name, shares[name], 30)]
    confirm = [row for name, correct in bitmaps(shares, 12).items() for row in retrained(name, correct)]
    return Evidence(design(*levels, **changes), tuple(rows), tuple(confirm))


def test_what_is_behind_its_special_case_is_claimed_to_be_behind_nothing_else():
    findings = analyse(three({"sgd": 0.8, "momentum": 0.6, "rmsprop": 0.95}))
    claimed = {(pair.a, pair.b): (pair.claim, pair.refused) for pair in findings.pairs}
    assert claimed == {
        ("sgd", "momentum"): ("none", ("R18",)),
        ("sgd", "rmsprop"): ("full", ()),
        ("momentum", "rmsprop"): ("none", ("R18",)),
    }
    assert findings.contenders == ("momentum", "rmsprop")
    assert not any("best" in one.sentence for one in findings.answers)


def test_what_is_behind_its_special_case_may_be_claimed_to_be_ahead_of_others():
    findings = analyse(three({"sgd": 0.95, "momentum": 0.8, "rmsprop": 0.6}))
    assert [(pair.claim, pair.refused) for pair in findings.pairs] == [("none", ("R18",)), ("full", ()), ("full", ())]
    assert findings.contenders == ("momentum", "sgd")


def test_where_data_do_not_separate_a_level_that_is_under_tuned_it_is_said():
    shares = {"sgd": 0.9, "momentum": 0.6, "rmsprop": 0.602}
    pair = analyse(three(shares)).pairs[2]
    assert pair.state == "inconclusive"
    assert pair.sentence.endswith("momentum is possibly under-tuned (R18).")


@pytest.mark.parametrize(
    ("drawn", "told"), [(["lr"], "(tuned: lr only)"), (["lr", "beta1"], "(tuned: lr, beta1)"), ([], "(tuned: nothing)")]
)
def test_a_claim_against_a_general_optimizer_says_what_was_tuned(drawn, told):
    evidence = optimizers("sgd", "adam", drawn)
    (pair,) = analyse(evidence).pairs
    assert pair.claim == "full"
    assert pair.sentence.endswith(f"adam would include sgd if eps were tuned {told}.")
    gate = broken(evidence, "R18")
    assert gate.action is Action.WARN
    assert gate.fix == "tune eps of adam"


@pytest.mark.parametrize(
    ("special", "general"), [("adam", "sgd"), ("momentum", "nesterov"), ("momentum", "rmsprop"), ("sgd", "adagrad")]
)
def test_other_optimizers_may_be_told_apart(special, general):
    evidence = optimizers(special, general, ["lr", "momentum", "eps"])
    assert {gate.action for gate in gates_of(evidence, "R18")} == {Action.PASS}
