"""Log losses of calibrated probabilities: described where levels differ in their loss, and never claimed."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hpsearch.analysis.analyse import analyse, digest_of
from hpsearch.analysis.findings import Action
from hpsearch.metrics import LOSS
from tests.analysis.evidences import bitmaps, clear, level, of, retrained, scored, with_design

NAMES = ("bce", "cross_entropy", "mse")


def losses_of(n, seed=0):
    """Level to (n,) calibrated losses that move together from seed to seed."""
    draw = np.random.default_rng(seed)
    shared = draw.normal(0.3, 0.02, n)
    return {name: shared + 0.01 * at + draw.normal(0, 0.01, n) for at, name in enumerate(NAMES)}


def told(rows, losses):
    """The same rows with what a record says of their calibration; those without a score keep none."""
    return [
        replace(row, summary=summary(loss, row, 1.0 + at)) if row.status == "ok" else row
        for at, (row, loss) in enumerate(zip(rows, losses, strict=True))
    ]


def summary(loss, row, temperature):
    return {"report/calibrated_loss": float(loss), "report/accuracy": row.report, "chosen/temperature": temperature}


def compared(losses, *, accuracies=None, **changes):
    """Evidence of levels that differ in their loss."""
    accuracies = accuracies or {name: np.linspace(0.8, 0.9, len(own)) for name, own in losses.items()}
    rows = [told(scored(name, accuracies[name], trial=1), own) for name, own in losses.items()]
    evidence = of(*rows, names=tuple(losses), title="loss", **changes)
    return with_design(evidence, levels=tuple(level(name, settings={"loss": name}) for name in losses))


@pytest.mark.parametrize("control", [None, "cross_entropy"])
def test_a_pair_has_scipys_interval_at_the_alpha_of_one_pair_of_the_family(control):
    losses = losses_of(10)
    found = analyse(compared(losses, control=control)).calibrated
    m = 3 if control is None else 2
    assert [(pair.a, pair.b) for pair in found.pairs] == [
        (one.a, one.b) for one in analyse(compared(losses, control=control)).pairs
    ]
    assert len(found.pairs) == m
    for pair in found.pairs:
        test = stats.ttest_rel(losses[pair.a], losses[pair.b])
        assert pair.n == 10
        assert pair.diff == pytest.approx(np.mean(losses[pair.a] - losses[pair.b]))
        assert pair.ci_sim == pytest.approx(tuple(test.confidence_interval(1 - 0.05 / m)))


def test_a_second_look_widens_the_intervals():
    losses = losses_of(12)
    (first, *_), (second, *_) = (
        analyse(compared(losses, shown_before=shown)).calibrated.pairs for shown in ((), ("0123456789abcdef",))
    )
    test = stats.ttest_rel(losses["bce"], losses["cross_entropy"])
    assert second.ci_sim == pytest.approx(tuple(test.confidence_interval(1 - 0.05 / 2 / 3)))
    assert first.ci_sim == pytest.approx(tuple(test.confidence_interval(1 - 0.05 / 3)))


def test_a_level_has_scipys_intervals_over_seeds_and_the_median_temperature():
    losses = losses_of(10)
    one = analyse(compared(losses)).calibrated.levels["mse"]
    accuracies = np.linspace(0.8, 0.9, 10)
    for values, mean, interval in (
        (losses["mse"], one.loss, one.interval),
        (accuracies, one.accuracy, one.accuracy_interval),
    ):
        assert mean == pytest.approx(values.mean())
        assert interval == pytest.approx(stats.t.interval(0.95, 9, values.mean(), stats.sem(values)))
    assert (one.n, one.failed, one.temperature) == (10, 0, 5.5)


@pytest.mark.parametrize(
    ("settings", "differ"),
    [
        (({"loss": "bce"}, {"loss": "mse"}), True),
        (({"loss": "bce"}, {"loss": "bce", "loss.label_smoothing": 0.1}), True),
        (({"loss": "bce"}, {"loss": "bce", "loss.class_weight": "balanced"}), True),
        (({"loss.gamma": 1.0}, {"loss.gamma": 2.0}), True),
        (({"optimizer": "sgd"}, {"optimizer": "adam"}), False),
        (({"schedule.gamma": 0.5}, {"schedule.gamma": 0.9}), False),
    ],
)
def test_only_levels_that_differ_in_loss_or_values_of_it_are_described(settings, differ):
    evidence = compared({name: own for name, own in losses_of(10).items() if name != "mse"})
    levels = tuple(level(name, settings=own) for name, own in zip(NAMES, settings, strict=False))
    assert (analyse(with_design(evidence, levels=levels)).calibrated is not None) is differ


def test_retrainings_of_before_there_were_calibrated_losses_are_not_described():
    evidence = compared(losses_of(10))
    bare = replace(evidence, confirm=tuple(replace(row, summary={}) for row in evidence.confirm))
    assert analyse(bare).calibrated is None


def test_seeds_without_a_loss_are_left_out_of_pairs():
    losses = losses_of(12)
    evidence = compared(losses)
    rows = tuple(replace(row, summary={}) if (row.level, row.key) == ("bce", 1) else row for row in evidence.confirm)
    found = analyse(replace(evidence, confirm=rows)).calibrated
    assert found.levels["bce"].n == 11
    assert found.levels["mse"].n == 12
    assert [pair.n for pair in found.pairs] == [11, 11, 12]
    assert found.pairs[0].diff == pytest.approx(np.mean((losses["bce"] - losses["cross_entropy"])[1:]))


def test_a_seed_that_diverged_leaves_no_means():
    losses = losses_of(10)
    accuracies = {name: np.full(10, 0.9) for name in NAMES}
    accuracies["mse"] = np.array([-math.inf, *[0.9] * 9])
    found = analyse(compared(losses, accuracies=accuracies)).calibrated
    one = found.levels["mse"]
    assert (one.n, one.failed) == (10, 1)
    assert np.isnan([one.loss, one.accuracy, *one.interval, *one.accuracy_interval]).all()
    assert one.temperature == 6.0
    assert [math.isnan(pair.diff) for pair in found.pairs] == [False, True, True]


def test_a_seed_that_diverged_leaves_no_mean_difference_where_the_other_level_lacks_it():
    accuracies = {name: np.full(10, 0.9) for name in NAMES}
    accuracies["mse"] = np.array([-math.inf, *[0.9] * 9])
    evidence = compared(losses_of(10), accuracies=accuracies)
    rows = tuple(row for row in evidence.confirm if row.level == "mse" or row.key != 1)
    found = analyse(replace(evidence, confirm=rows)).calibrated
    assert [math.isnan(pair.diff) for pair in found.pairs] == [False, True, True]


@pytest.mark.parametrize(("seeds", "known"), [(6, False), (7, True)])
def test_too_few_seeds_for_a_claim_are_too_few_for_an_interval(seeds, known):
    found = analyse(compared(losses_of(seeds))).calibrated
    assert {math.isfinite(pair.diff) for pair in found.pairs} == {known}
    assert {math.isfinite(pair.ci_sim[0]) for pair in found.pairs} == {known}


@pytest.mark.parametrize("broken", [{"devices": ("cpu", "cuda")}, {"search_keys": (0, 1)}])
def test_levels_that_may_not_be_compared_have_no_differences(broken):
    found = analyse(compared(losses_of(10), **broken)).calibrated
    assert found.pairs == ()
    assert len(found.levels) == 3


def test_losses_that_may_not_be_compared_are_described_by_it_nevertheless():
    evidence = compared(losses_of(10), metric=LOSS, accuracies={name: np.full(10, -0.5) for name in NAMES})
    findings = analyse(evidence)
    assert {gate.action for gate in findings.gates if gate.rule == "R10"} == {Action.REFUSE}
    assert all(math.isfinite(pair.diff) for pair in findings.calibrated.pairs)


def test_it_changes_neither_claims_nor_looks():
    correct = bitmaps({"adam": 0.95, "sgd": 0.8}, 10)
    rows = [told(retrained(name, own), np.arange(10) * (at - 1)) for at, (name, own) in enumerate(correct.items())]
    plain = clear()
    more = replace(plain, confirm=tuple(row for own in rows for row in own))
    assert digest_of(more) == digest_of(plain)
    with_it, without = analyse(more), analyse(plain)
    assert (with_it.answers, with_it.contenders) == (without.answers, without.contenders)
    assert [repr(pair) for pair in with_it.pairs] == [repr(pair) for pair in without.pairs]


def test_a_test_number_beside_a_retraining_breaks_the_rule_of_sealed_rows():
    evidence = compared(losses_of(10))
    first, *others = evidence.confirm
    spoiled = replace(first, summary={**first.summary, "test/accuracy": 0.9})
    (gate,) = [one for one in analyse(replace(evidence, confirm=(spoiled, *others))).gates if one.rule == "R01"]
    assert gate.action is Action.REFUSE
