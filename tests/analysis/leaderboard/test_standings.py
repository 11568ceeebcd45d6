"""What stands in a leaderboard, in which order, and what may be claimed between its entries."""

import hashlib
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from hpsearch.analysis.comparison.verdict import ClaimKind, State
from hpsearch.analysis.evidence import Evidence, TrialRow
from hpsearch.analysis.leaderboard.standings import Recipe, Split, Sweep, standings
from hpsearch.metrics import ACCURACY, MACRO_F1, MSE
from hpsearch.statistics.crossed_effects import crossed
from tests.analysis.evidences import bitmaps, design, folded, level, retrained, scored

SPLIT = Split("3f2a9c1b" * 8, (("kind", "holdout"), ("report", 400), ("val", 400)), 0, ACCURACY)
FOLDED = {"folds": 5, "evaluation": "kfold", "rows": {"train": 800, "val": 1000}}


def trial(k, val, report=math.nan, status="ok", epochs=5, **more):
    return TrialRow("-", k, status, val, report, {}, epochs=epochs, **more)


def sweep(name, *rows, confirm=(), recipe=1, train=800, split=SPLIT, settings=None, **changes):
    """A sweep that compares nothing, with these trials."""
    plan = design(level("-", settings={}, space={}), **{"name": name, "delta": None, **changes})
    recipes = {} if recipe is None else {"-": Recipe(recipe, "mlp 100", train, settings or {})}
    return Sweep(name, split, Evidence(plan, rows, tuple(confirm)), recipes)


def retried(name, report, correct, **changes):
    """A sweep of one trial whose recipe has these bitmaps on fresh seeds."""
    return sweep(name, trial(1, 0.9, report), confirm=retrained("-", correct), **changes)


def three(seeds=10, **changes):
    """`high` and `same` are equal but for chance, `low` is far below."""
    correct = bitmaps({"high": 0.9, "same": 0.9, "low": 0.6}, seeds)
    reports = {"high": 0.93, "same": 0.92, "low": 0.65}
    return [retried(name, reports[name], correct[name], **changes) for name in correct]


def names(board):
    return [entry.name for entry in board.entries]


def test_an_entry_is_the_recipe_with_its_scores_and_what_became_of_the_draws():
    rows = [trial(0, 0.8, 0.99, "stalled"), trial(1, 0.7, 0.6, epochs=3), trial(2, 0.0, 0.0, "diverged"),
            trial(3, math.nan, math.nan, "oom"), trial(4, math.nan, math.nan, "pruned")]  # fmt: skip
    (entry,) = standings([sweep("a", *rows)]).entries
    assert (entry.recipe.trial, entry.val, entry.shown, entry.epochs) == (1, 0.7, 0.6, 3)
    assert (entry.draws, entry.failures) == (5, 2)
    assert entry.statuses == {"diverged": 1, "ok": 1, "oom": 1, "pruned": 1, "stalled": 1}


def test_a_default_recipe_is_no_draw():
    (entry,) = standings([sweep("a", trial(0, 0.9, 0.9, default=True), trial(1, 0.7, 0.6))]).entries
    assert entry.draws == 1


def test_entries_are_in_the_order_of_report_scores_whatever_val_says():
    board = standings([sweep("a", trial(1, 0.99, 0.5)), sweep("b", trial(1, 0.6, 0.7)), sweep("B", trial(1, 0.5, 0.7))])
    assert names(board) == ["B", "b", "a"]


def test_a_level_without_a_trial_that_is_ok_comes_last_and_has_no_scores():
    board = standings([sweep("a", trial(1, 0.9, 0.9, "stalled"), recipe=None), sweep("b", trial(1, 0.1, 0.1))])
    assert names(board) == ["b", "a"]
    assert math.isnan(board.entries[1].shown)
    assert (board.entries[1].draws, board.entries[1].seeds) == (1, 0)


def test_levels_are_entries_of_their_own_and_no_two_share_a_name():
    plan = design(level("y"), level("z"), name="x")
    rows = [replace(trial(1, 0.9, report), level=name) for name, report in (("y", 0.8), ("z", 0.7))]
    levels = Sweep("x", SPLIT, Evidence(plan, tuple(rows)), {name: Recipe(1, "mlp", 800) for name in "yz"})
    board = standings([levels, sweep("x / y", trial(1, 0.9, 0.6))])
    assert names(board) == ["x / y", "x / z", "x / y (2)"]
    assert board.sweeps == ["x", "x / y"]


@pytest.mark.parametrize(
    "change",
    [{"rows": "0" * 64}, {"evaluation": (("kind", "holdout"), ("report", 399))}, {"seed": 1}, {"metric": MACRO_F1}],
)
def test_another_split_is_not_mixed_in(change):
    other = replace(SPLIT, **change)
    assert other.digest != SPLIT.digest
    splits = sorted([SPLIT.text, other.text])
    with pytest.raises(ValueError, match="a leaderboard must be of one split, got 2: ") as refused:
        standings([sweep("a", trial(1, 0.9, 0.9)), sweep("b", trial(1, 0.9, 0.9), split=other)])
    assert str(refused.value).endswith("; ".join(splits))


def test_the_digest_of_a_split_is_that_of_everything_that_makes_it():
    text = f'["{SPLIT.rows}", [["kind", "holdout"], ["report", 400]], 0, "accuracy", ""]'
    plain = replace(SPLIT, evaluation=(("kind", "holdout"), ("report", 400)), seed=0, metric=ACCURACY, loss="")
    assert plain.digest == hashlib.sha256(text.encode()).hexdigest()[:8]
    assert replace(plain, loss="mse").digest != plain.digest


def test_those_within_the_wilson_interval_of_the_first_are_named():
    low, high = proportion_confint(360, 400, method="wilson")
    scores = {"first": 0.9, "inside": low + 1e-6, "outside": low - 1e-6}
    board = standings([sweep(name, trial(1, 0.5, score)) for name, score in scores.items()])
    assert board.entries[0].interval == pytest.approx((low, high))
    assert board.near == ("inside",)


def test_the_first_of_two_equal_accuracies_exceeds_their_mean_by_what_can_be_counted():
    # P(max = 0, 1, 2 of 2 rows) = 1/16, 8/16, 7/16: the mean share is 11/16
    board = standings([sweep(name, trial(1, 0.5, 0.5), rows={"train": 8, "val": 2, "report": 2}) for name in "ab"])
    assert board.luck == pytest.approx(11 / 16 - 1 / 2)


def test_so_does_the_highest_val_score_of_equal_trials():
    rows = [trial(1, 0.5, 0.5), trial(2, 0.5, 0.5)]
    (entry,) = standings([sweep("a", *rows, rows={"train": 8, "val": 2, "report": 2})]).entries
    assert entry.curse == pytest.approx(11 / 16 - 1 / 2)


def test_scores_that_are_no_shares_have_neither_interval_nor_luck():
    split = replace(SPLIT, metric=MSE)
    errors = [sweep(name, trial(1, -2.0, -3.0), split=split, metric=MSE, classes=0) for name in "ab"]
    board = standings(errors)
    assert math.isnan(board.luck)
    assert math.isnan(board.entries[0].curse)
    assert board.near == ()


def test_fresh_seeds_have_a_mean_with_its_standard_error():
    (entry,) = standings([sweep("a", trial(1, 0.9, 0.9), confirm=scored("-", [0.8, 0.9, 0.7]))]).entries
    assert (entry.seeds, entry.diverged) == (3, 0)
    assert entry.confirmed == pytest.approx(0.8)
    assert entry.confirmed_se == pytest.approx(0.1 / math.sqrt(3))


def test_a_seed_that_diverged_leaves_no_mean():
    (entry,) = standings([sweep("a", trial(1, 0.9, 0.9), confirm=scored("-", [0.8, 0.9, -math.inf, math.nan]))]).entries
    assert (entry.seeds, entry.diverged) == (3, 1)
    assert math.isnan(entry.confirmed)
    assert math.isnan(entry.confirmed_se)


def test_folds_overlap_so_that_their_standard_error_is_the_corrected_one():
    folds = np.array([[0.8, 0.9, 0.7, 0.8, 0.8], [0.7, 0.9, 0.6, 0.9, 0.8]])
    (entry,) = standings([sweep("a", trial(1, 0.9), confirm=folded("-", folds), **FOLDED)]).entries
    assert entry.confirmed == pytest.approx(folds.mean())
    assert entry.confirmed_se == pytest.approx(folds.std(ddof=1) * math.sqrt(1 / 10 + 1 / 4))


def test_without_report_rows_entries_are_in_the_order_of_the_score_freed_of_the_choice():
    draw = np.random.default_rng(0)
    wrong = (draw.random((6, 1000)) < 0.3).astype(np.float64)
    lucky = [trial(k, 1 - one.mean(), losses=one) for k, one in enumerate(wrong, 1)]
    best = 1 + int(wrong.mean(axis=1).argmin())
    steady = trial(1, 0.705, losses=(np.arange(1000) < 295).astype(np.float64))
    board = standings([sweep("lucky", *lucky, recipe=best, **FOLDED), sweep("steady", steady, **FOLDED)])
    assert lucky[best - 1].val > steady.val
    assert names(board) == ["steady", "lucky"]
    assert board.entries[1].shown == pytest.approx(0.7, abs=0.01)


def test_trials_that_depend_on_each_other_have_no_score_freed_of_the_choice():
    rows = [trial(k, 0.7, losses=np.ones(1000)) for k in (1, 2)]
    board = standings([sweep("a", *rows, sampler="tpe", **FOLDED)])
    assert math.isnan(board.entries[0].shown)


def test_each_entry_is_compared_with_the_first_that_has_fresh_seeds():
    board = standings([*three(), sweep("unconfirmed", trial(1, 0.9, 0.99))])
    assert names(board)[0] == "unconfirmed"
    assert [(one.a, one.b) for one in board.comparisons] == [("high", "same"), ("high", "low")]


def test_a_comparison_has_the_numbers_of_independent_formulas():
    sweeps = three()
    same, low = standings(sweeps).comparisons
    correct = {one.name: np.stack([row.correct for row in one.evidence.confirm]) for one in sweeps}
    p = []
    for one in (same, low):
        counts = (correct["high"].sum(axis=1, dtype=int) - correct[one.b].sum(axis=1, dtype=int)).tolist()
        sums = [sum(map(math.prod, zip(signs, counts, strict=True))) for signs in itertools.product((1, -1), repeat=10)]
        p.append(np.mean([abs(total) >= abs(sum(counts)) for total in sums]))
        d = np.array(counts) / 400
        assert (one.n, one.p) == (10, pytest.approx(p[-1]))
        assert one.diff == pytest.approx(d.mean())
        assert (one.p_adjusted <= 0.05) == (one.ci_sim[0] > 0)
    assert p[1] < p[0]
    assert p[1] <= low.p_adjusted <= 2 * p[1]
    assert same.p_adjusted == pytest.approx(p[0])  # the last step down is the test by itself


def test_for_other_rows_an_interval_holds_for_all_pairs_since_the_first_was_picked_on_these():
    sweeps = three()
    _, low = standings(sweeps).comparisons
    correct = {one.name: np.stack([row.correct for row in one.evidence.confirm]) for one in sweeps}
    expected = crossed(correct["high"], correct["low"], 0.05 / 3)
    assert low.ci_images == pytest.approx((expected.low, expected.high))


def test_what_is_far_apart_is_claimed_and_what_is_not_is_not():
    same, low = standings(three()).comparisons
    assert (same.state, same.claim) == (State.INCONCLUSIVE, ClaimKind.NONE)
    assert (low.state, low.claim) == (State.BETTER, ClaimKind.FULL)
    assert low.sentence.startswith("high is better than low: +0.")


def test_equal_recipes_are_seldom_claimed_to_differ():
    claimed = 0
    for seed in range(60):
        correct = bitmaps(dict.fromkeys("abcd", 0.9), 8, seed=seed, spread=0.3)
        board = standings([retried(name, one[-1].mean(), one[:-1]) for name, one in correct.items()])
        claimed += any(one.claim is not ClaimKind.NONE for one in board.comparisons)
    assert claimed <= 7  # of 60 at 5 % more than 7 have a probability of 1 %


def test_fewer_seeds_than_a_claim_needs_are_refused():
    found = standings(three(seeds=6, confirm_seeds=6)).comparisons
    assert {(one.state, one.code) for one in found} == {(State.REFUSED, "R07")}
    assert "6 common seeds are fewer than the 7 that a claim needs (R07). Fix: confirm.seeds=10." in found[0].sentence


def test_seeds_that_only_one_of_them_has_are_dropped():
    high, same, low = three(seeds=12)
    fewer = replace(low, evidence=replace(low.evidence, confirm=low.evidence.confirm[2:]))
    found = standings([high, same, fewer]).comparisons
    assert [one.n for one in found] == [12, 10]
    assert "2 keys were dropped (R08)." in found[1].sentence


def test_devices_of_different_kinds_are_not_compared():
    high, same, low = three()
    moved = replace(low, evidence=replace(low.evidence, design=replace(low.evidence.design, devices=("cuda",))))
    found = standings([high, same, moved]).comparisons
    assert [one.code for one in found] == ["", "R09"]
    assert math.isnan(found[1].diff)


def test_unequal_budgets_are_told_with_the_verdict():
    high, same, _ = three()
    longer = trial(1, 0.9, 0.92, epochs=9), trial(2, 0.8, 0.9)
    unequal = replace(same, evidence=replace(same.evidence, trials=longer), recipes={"-": Recipe(1, "mlp", 300)})
    (found,) = standings([high, unequal]).comparisons
    assert "Their searches had 1 and 2 trials (R04)." in found.sentence
    assert "They were trained for 5 and 9 epochs (R04)." in found.sentence
    assert "They were trained on 800 and 300 rows (R04)." in found.sentence


def test_an_earlier_look_at_other_seeds_widens_every_interval():
    plain = standings(three()).comparisons
    seen = standings(three(shown_before=("0123456789abcdef",))).comparisons
    for before, after in zip(plain, seen, strict=True):
        assert after.ci_sim[0] < before.ci_sim[0]
        assert after.ci_sim[1] > before.ci_sim[1]


def test_of_differences_that_matter_the_smallest_counts():
    high, same, _ = three(delta=0.2)
    undeclared = replace(same, evidence=replace(same.evidence, design=replace(same.evidence.design, delta=None)))
    (wide,) = standings([high, undeclared]).comparisons
    assert wide.state is State.EQUIVALENT
    assert "equivalent within 0.2" in wide.sentence
    other = replace(same, evidence=replace(same.evidence, design=replace(same.evidence.design, delta=0.001)))
    (narrow,) = standings([high, other]).comparisons
    assert narrow.state is State.INCONCLUSIVE


def test_an_optimizer_is_not_called_worse_than_what_its_space_includes():
    high, _, low = three()
    special = replace(high, recipes={"-": Recipe(1, "mlp", 800, {"optimizer": "sgd"})})
    general = replace(low, recipes={"-": Recipe(1, "mlp", 800, {"optimizer": "momentum"})})
    space = {"optimizer.momentum.momentum": {"low": 0.0, "high": 0.99}}
    plan = replace(general.evidence.design, levels=(level("-", settings={}, space=space),))
    (found,) = standings([special, replace(general, evidence=replace(general.evidence, design=plan))]).comparisons
    assert (found.state, found.code) == (State.REFUSED, "R18")


def test_what_is_behind_its_special_case_is_not_called_worse_than_any_other_entry():
    correct = bitmaps({"first": 0.6, "special": 0.8, "other": 0.9}, 10)
    settings = {"first": "momentum", "special": "sgd", "other": "rmsprop"}
    sweeps = []
    for name, report in (("first", 0.95), ("special", 0.9), ("other", 0.9)):
        one = retried(name, report, correct[name])
        one = replace(one, recipes={"-": Recipe(1, "mlp", 800, {"optimizer": settings[name]})})
        space = {"optimizer.momentum.momentum": {"low": 0.0, "high": 0.99}} if name == "first" else {}
        plan = replace(one.evidence.design, levels=(level("-", settings={}, space=space),))
        sweeps.append(replace(one, evidence=replace(one.evidence, design=plan)))
    found = standings(sweeps).comparisons
    assert [(one.a, one.b, one.state, one.code) for one in found] == [
        ("first", "other", State.REFUSED, "R18"),
        ("first", "special", State.REFUSED, "R18"),
    ]


def test_under_k_fold_the_correction_counts_all_pairs():
    draw = np.random.default_rng(0)
    folds = {name: draw.normal(mean, 0.01, (2, 5)) for name, mean in (("a", 0.9), ("b", 0.8), ("c", 0.7))}
    sweeps = [sweep(name, trial(1, 0.9), confirm=folded("-", one), **FOLDED) for name, one in folds.items()]
    found = standings(sweeps).comparisons
    d = (folds["a"] - folds["b"]).ravel()
    order = sorted(range(2), key=lambda at: found[at].p)
    half = stats.t.ppf(1 - 0.05 / (2 * (3 - order.index(0))), 9) * d.std(ddof=1) * math.sqrt(1 / 10 + 1 / 4)
    assert found[0].ci_sim == found[0].ci_images == pytest.approx((d.mean() - half, d.mean() + half))
    assert found[order[0]].p_adjusted == pytest.approx(3 * found[order[0]].p)


def test_one_entry_with_fresh_seeds_is_compared_with_nothing():
    high, *_ = three()
    assert standings([high, sweep("b", trial(1, 0.9, 0.9))]).comparisons == ()
