"""Each rule of honesty, broken and kept."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.evidence import TrialRow
from hpsearch.analysis.findings import Action
from hpsearch.metrics import CROSS_ENTROPY, LOSS, MSE
from tests.analysis.evidences import broken, clear, diverged, gates_of, lost, opened, with_design, without

REFUSE, DOWNGRADE, WARN = Action.REFUSE, Action.DOWNGRADE, Action.WARN


def test_evidence_without_fault_passes_every_rule():
    actions = {gate.rule: gate.action for gate in analyse(clear()).gates}
    assert actions == dict.fromkeys((f"R{at:02d}" for at in range(1, 24)), Action.PASS)


@pytest.mark.parametrize("code", [f"R{at:02d}" for at in range(1, 24) if at not in (7, 8, 12, 15, 17, 18, 21)])
def test_a_rule_about_the_design_reads_the_evidence_alone(code):
    assert {gate.action for gate in gates_of(clear(), code)} == {Action.PASS}


def with_test_curves(evidence):
    first, *rest = evidence.trials
    return replace(evidence, trials=(replace(first, summary={"test/accuracy": 0.9}), *rest))


def with_a_pruned_trial(evidence):
    pruned = [TrialRow(name, 51, "pruned", math.nan, math.nan, {}) for name in ("adam", "sgd")]
    return replace(evidence, trials=(*evidence.trials, *pruned))


def fewer_trials(evidence, k):
    return replace(evidence, trials=tuple(row for row in evidence.trials if row.k <= k))


def first_seeds(evidence, n):
    return replace(evidence, confirm=tuple(row for row in evidence.confirm if row.key <= n))


def with_losses(evidence, metric):
    levels = [
        replace(one, settings={"loss": loss}) for one, loss in zip(evidence.design.levels, ("bce", "mse"), strict=True)
    ]
    return with_design(evidence, levels=tuple(levels), metric=metric)


def with_smoothing(evidence):
    first, second = evidence.design.levels
    smooth = replace(first, fixed={"loss.cross_entropy.label_smoothing": 0.1})
    plain = replace(second, fixed={"loss.cross_entropy.label_smoothing": 0.0})
    return with_design(evidence, levels=(smooth, plain), metric=CROSS_ENTROPY)


def negated(evidence):
    rows = tuple(replace(row, val=row.val - 1, report=row.report - 1) for row in evidence.trials)
    return replace(
        evidence, trials=rows, confirm=tuple(replace(row, report=row.report - 1) for row in evidence.confirm)
    )


def with_folds(evidence, scores=()):
    """These are all that is known of the folds of `sgd`."""
    folds = with_design(evidence, folds=5, evaluation="kfold", rows={"train": 800, "val": 1000})
    known = {"adam": (0.9,) * 5, "sgd": scores}
    return replace(folds, confirm=tuple(replace(row, folds=known[row.level]) for row in folds.confirm))


def with_epochs(evidence):
    """Levels that are numbers of epochs."""
    levels = [
        replace(level, settings={"training.epochs": epochs})
        for level, epochs in zip(evidence.design.levels, (10, 20), strict=True)
    ]
    return with_design(evidence, levels=tuple(levels))


def noise_alone(evidence):
    scores = 0.5 + np.random.default_rng(5).normal(0, 0.001, 100)
    rows = [replace(row, val=float(score)) for row, score in zip(evidence.trials, scores, strict=True)]
    return replace(evidence, trials=tuple(rows))


TEN = "ten data sets or more, compared by ranks"
AGAIN = "name=optimizers-again"
RETRAINED = (0.9,) * 5
HALF = f"± {math.sqrt(math.log(2 * 12 / 0.05) / (2 * 10000)):.4f} holds for all of its"  # two shipped and ten more
EQUAL = "give all levels the same training.{}, or every value to each of them"
BROKEN = [
    ("R01", with_test_curves(clear()), REFUSE, "test/accuracy was measured before", "train again without test rows"),
    ("R02", clear(sampler="tpe"), REFUSE, "by tpe, which learns from the scores of earlier ones", "search=random"),
    ("R02", clear(sampler="unknown"), WARN, "how trials were drawn is not known", ""),
    ("R03", clear(pruner="median"), REFUSE, "may end because of others by median, 0 of 100 did", "search.pruner=none"),
    ("R03", with_a_pruned_trial(clear()), REFUSE, "2 of 102 did", "search.pruner=none"),
    ("R04", without(clear(), "sgd", k=31), REFUSE, "unequally many trials", "search.trials=50"),
    ("R04", clear(mismatched=("training.epochs",)), REFUSE, "levels differ in training.epochs", EQUAL.format("epochs")),
    ("R04", with_epochs(clear()), WARN, "differ in training.epochs, which is compared: equal trials are not", ""),
    ("R06", clear(search_keys=(0, 3)), REFUSE, "with key 3 repeat what the search", "retrain with other keys than 3"),
    ("R07", first_seeds(clear(), 5), REFUSE, "5 common seeds are fewer than the 6 that a claim", "confirm.seeds=11"),
    ("R07", first_seeds(clear(), 0), REFUSE, "retrained on fresh seeds, and a claim needs 6", "confirm.seeds=10"),
    ("R08", diverged(clear(), 2, 3), DOWNGRADE, "2 of 10 seeds diverged: kept as the worst, compared by ranks", ""),
    ("R08", lost(clear(), 4), WARN, "1 of 10 seeds has no score: dropped", "start the same command again"),
    ("R09", clear(devices=("cpu", "cuda", "cpu")), REFUSE, "different kinds of devices (cpu, cuda)", AGAIN),
    ("R09", clear(commits=("a", "b")), REFUSE, "trainings ran with several versions of the code (a; b)", AGAIN),
    (
        "R09",
        clear(mismatched=("training.batch_size",)),
        REFUSE,
        "differ in training.batch_size besides",
        EQUAL.format("batch_size"),
    ),
    ("R10", negated(with_losses(clear(), LOSS)), REFUSE, "so that their loss has", "search.metric=accuracy"),
    ("R10", negated(with_smoothing(clear())), REFUSE, "so that their cross_entropy has", "search.metric=accuracy"),
    ("R10", negated(with_losses(clear(), MSE)), WARN, "mse is one formula for all levels", ""),
    ("R11", with_folds(clear()), REFUSE, "only means over 5 folds are known", ""),
    ("R11", with_folds(clear(), (0.9, math.nan)), REFUSE, "only means over 5 folds are known", ""),
    ("R12", first_seeds(clear(), 3), WARN, "2 contenders: no words of rank, levels by the alphabet", ""),
    (
        "R14",
        replace(clear(), tests=(opened(1), opened(2))),
        WARN,
        "± 0.0148 holds for all of its numbers at once with 95 %",
        "",
    ),
    ("R14", replace(clear(), tests=(opened(1), opened(2, trial=9))), WARN, "recipes: adaptive reuse", ""),
    ("R14", replace(clear(), tests=(opened(1, config="a"), opened(2, config="b"))), WARN, "recipes: adaptive", ""),
    ("R14", replace(clear(), tests=(opened(1, retrained=RETRAINED), opened(2, retrained=RETRAINED))), WARN, HALF, ""),
    ("R14", replace(clear(alpha=0.1), tests=(opened(1), opened(2))), WARN, "± 0.0136 holds for all of its", ""),
    ("R14", replace(clear(alpha=0.1), tests=(opened(1), opened(2))), WARN, "at once with 90 % confidence (S-17)", ""),
    ("R14", replace(clear(), tests=(opened(3),)), WARN, "opened 3 times for different recipes", ""),
    ("R15", clear(title="Optimizers in general"), REFUSE, "'in general' is said of one data set", TEN),
    ("R16", clear(concurrent=4), REFUSE, "not compared, for 4 trainings ran at a time", "execution.workers=1"),
    ("R16", clear(devices=("cpu", "cuda")), REFUSE, "for trainings ran on cpu, cuda", AGAIN),
    ("R19", clear(exploratory="the metric was changed"), DOWNGRADE, "exploratory: the metric was", f"seed=1 {AGAIN}"),
    ("R19", clear(sampler="unknown"), WARN, "were fixed in advance is not known", ""),
    ("R20", clear(shown_before=("0" * 16,)), DOWNGRADE, "alpha is divided by 2, 0.025 instead of 0.05", ""),
    (
        "R21",
        noise_alone(clear()),
        REFUSE,
        "nothing above noise near the highest scores: lambda is 0",
        "evaluation.val=1600",
    ),
    ("R22", clear(sampler="qmc"), WARN, "quasi-random draws: bands are conservative", ""),
    ("R23", clear(contiguous=True), WARN, "slices of the source's order", "split by a seeded, stratified shuffle"),
]


@pytest.mark.parametrize(("code", "evidence", "action", "reason", "fix"), BROKEN)
def test_a_broken_rule_says_what_was_found_and_what_would_mend_it(code, evidence, action, reason, fix):
    gate = broken(evidence, code)
    assert gate.action is action
    assert reason in gate.reason
    assert gate.fix == fix


def test_too_few_trials_are_named_level_by_level():
    gates = gates_of(fewer_trials(clear(), 12), "R05")
    assert [(gate.action, gate.level) for gate in gates] == [(REFUSE, "adam"), (REFUSE, "sgd")]
    assert gates[0].reason == "12 trials are fewer than 20: no bands"
    assert gates[0].fix == "search.trials=50"


def test_too_few_trials_for_importance_are_named_level_by_level():
    gates = gates_of(fewer_trials(clear(trials=40), 49), "R13")
    assert [gate.reason for gate in gates] == ["49 trials are fewer than 50: no importance"] * 2
    assert gates[0].fix == "search.trials=50"


def test_trials_that_diverged_tell_no_importance():
    rows = tuple(row if row.k <= 4 else replace(row, status="diverged", val=0.0, report=0.0) for row in clear().trials)
    gates = gates_of(replace(clear(), trials=rows), "R13")
    assert gates[0].reason == "4 trials that did not diverge are fewer than 5: no importance"


def test_lost_trials_do_not_count():
    rows = tuple(
        replace(row, status="oom", val=math.nan, report=math.nan) if row.k > 45 else row for row in clear().trials
    )
    assert gates_of(replace(clear(), trials=rows), "R05")[0].reason == "45 trials: bands and claims up to k = 9"


def test_how_foreign_results_were_split_is_not_asserted():
    (gate,) = gates_of(clear(sampler="unknown"), "R23")
    assert (gate.action, gate.reason) == (WARN, "how the parts of the data were drawn is not known")


def test_a_level_whose_whole_space_was_trained_has_not_had_less_effort():
    evidence = clear()
    few = fewer_trials(evidence, 3)
    name = evidence.design.levels[0].name
    rows = [row for row in evidence.trials if row.level != name]
    rows += [replace(row, values={"optimizer.x.y": row.k}) for row in few.trials if row.level == name and row.k]
    first, *others = evidence.design.levels
    whole = replace(first, space={"optimizer.x.y": {"choices": [1, 2, 3]}})
    part = replace(first, space={"optimizer.x.y": {"choices": [1, 2, 3, 4]}})
    exhausted, unequal = (
        with_design(replace(evidence, trials=tuple(rows)), levels=(one, *others)) for one in (whole, part)
    )
    assert [gate.action for gate in gates_of(exhausted, "R04")] == [Action.PASS]
    assert [gate.action for gate in gates_of(unequal, "R04")] == [Action.REFUSE]
