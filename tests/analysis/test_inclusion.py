"""Optimizers that include others (R18)."""

from dataclasses import replace

import pytest
from evidences import broken, clear, gates_of, level, trials

from hpsearch.analysis.compare import analyse
from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.findings import Action


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
    assert gate.reason == f"{general} behind its special case {special} is inconsistent with inclusion: under-tuned"
    assert gate.fix == "search.trials=100"
    (pair,) = analyse(evidence).pairs
    assert (pair.state, pair.claim, pair.refused) == ("refused", "none", ("R18",))
    assert f"but {general} behind {special} is inconsistent with inclusion" in pair.sentence
    assert "under-tuned (R18)" in pair.sentence


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
