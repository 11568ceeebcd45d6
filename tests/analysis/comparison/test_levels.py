"""Recipes on fresh seeds: numbers against independent computations, and what follows from them."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.comparison.paired_scores import pair_up, val_per_train
from hpsearch.metrics import MACRO_F1
from hpsearch.statistics.crossed_effects import crossed
from hpsearch.statistics.paired_tests import power_paired, step_down
from tests.analysis.evidences import bitmaps, clear, design, in_folds, level, of, pairs_of, retrained, scored


def brute_sign_flip(d):
    sums = [
        abs(sum(s * x for s, x in zip(signs, d, strict=True))) for signs in itertools.product((1, -1), repeat=len(d))
    ]
    return sum(total >= abs(sum(d)) - 1e-12 for total in sums) / len(sums)


A = [0.90, 0.93, 0.91, 0.95, 0.92, 0.94, 0.90, 0.91]
B = [0.88, 0.92, 0.92, 0.90, 0.91, 0.91, 0.87, 0.90]
D = np.subtract(A, B)


def means_of_subsets(d):
    """Of all non-empty ones, ascending."""
    subsets = itertools.chain.from_iterable(itertools.combinations(d, size) for size in range(1, len(d) + 1))
    return sorted(map(np.mean, subsets))


def test_a_pair_has_the_exact_sign_flip_p_and_the_interval_that_inverts_it():
    (pair,) = pairs_of(of(scored("a", A), scored("b", B)))
    assert pair.n == 8
    assert pair.diff == pytest.approx(D.mean())
    assert pair.differences == pytest.approx(D)
    means = means_of_subsets(D)
    assert pair.ci == pytest.approx((means[5], means[-6]))  # the 6th, for 6 = floor(0.05 x 2^7)
    assert pair.ci_sim == pytest.approx((means[5], means[-6]))
    assert pair.p == pytest.approx(brute_sign_flip(D.tolist()))
    assert pair.superiority == 7 / 8


def test_adjusted_intervals_and_holm_count_every_comparison_of_the_design():
    c = [0.89, 0.91, 0.93, 0.92, 0.90, 0.92, 0.88, 0.89]
    found = pairs_of(of(scored("a", A), scored("b", B), scored("c", c), names=("a", "b", "c")))
    assert [(pair.a, pair.b) for pair in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    for pair, (x, y) in zip(found, itertools.combinations((A, B, c), 2), strict=True):
        assert pair.ci_sim[0] <= pair.ci[0] <= pair.ci[1] <= pair.ci_sim[1]
        assert (pair.p_adjusted <= 0.05) == (pair.ci_sim[0] > 0 or pair.ci_sim[1] < 0)
        assert pair.p == pytest.approx(brute_sign_flip(np.subtract(x, y).tolist()))
    raw = sorted(pair.p for pair in found)
    adjusted = np.maximum.accumulate([3 * raw[0], 2 * raw[1], raw[2]]).clip(max=1)
    assert sorted(pair.p_holm for pair in found) == pytest.approx(adjusted)


def test_a_comparison_that_cannot_be_made_still_counts_in_the_family():
    (pair, *refused) = pairs_of(of(scored("a", A), scored("b", B), scored("c", A[:2]), names=("a", "b", "c")))
    assert [one.refused for one in refused] == [("R07",), ("R07",)]
    assert pair.p_holm == pytest.approx(3 * pair.p)
    assert all(math.isnan(one.p) for one in refused)


def test_with_a_control_every_level_is_compared_with_it_alone():
    found = pairs_of(of(scored("a", A), scored("b", B), scored("c", A), names=("a", "b", "c"), control="b"))
    assert [(pair.a, pair.b) for pair in found] == [("a", "b"), ("c", "b")]


def test_only_common_keys_are_compared_and_the_others_are_counted():
    short = [replace(row, key=row.key + 2) for row in scored("b", B)]
    (pair,) = pairs_of(of(scored("a", A), short))
    assert (pair.n, pair.dropped) == (6, 4)
    assert pair.diff == pytest.approx(np.mean(np.subtract(A[2:], B[:6])))


def test_runs_that_were_lost_are_no_scores():
    (pair,) = pairs_of(of(scored("a", [*A, math.nan]), scored("b", [*B, 0.9])))
    assert (pair.n, pair.dropped) == (8, 1)


def test_ties_of_accuracies_are_exact_with_bitmaps():
    # 0.1 + 0.2 - 0.3 is not 0 in floats; as counts of correct rows, it is.
    rows = [np.arange(10) < hits for hits in (1, 2, 3, 4, 5, 6)], [np.arange(10) < hits for hits in (3, 1, 2, 6, 4, 5)]
    (pair,) = pairs_of(of(retrained("a", np.stack(rows[0])), retrained("b", np.stack(rows[1])), delta=None))
    assert pair.p == brute_sign_flip([-2, 1, 1, -2, 1, 1]) == 1.0


def test_a_full_claim_needs_the_interval_over_seeds_and_images():
    correct = bitmaps({"a": 0.95, "b": 0.8}, 10)
    (pair,) = pairs_of(of(retrained("a", correct["a"]), retrained("b", correct["b"])))
    both = crossed(correct["a"], correct["b"], 25 / 512)  # the largest level of ten seeds that 0.05 allows
    assert pair.ci_images == (both.low, both.high)
    assert (pair.seed_part, pair.image_part) == (both.seed_part, both.image_part)
    assert pair.claim == "full"


def test_without_bitmaps_images_add_at_most_what_independent_errors_would():
    correct = bitmaps({"a": 0.95, "b": 0.8}, 10)
    (pair,) = pairs_of(of(retrained("a", correct["a"], keep=False), retrained("b", correct["b"])))
    p, q = (correct[name].mean() for name in "ab")
    seeds = (correct["a"].mean(axis=1) - correct["b"].mean(axis=1)).var(ddof=1) / 10
    images = (p * (1 - p) + q * (1 - q)) / 400
    half = stats.norm.ppf(1 - 25 / 512 / 2) * math.sqrt(seeds + images)
    assert pair.ci_images == pytest.approx((p - q - half, p - q + half))
    assert (pair.claim, pair.image_part) == ("full", pytest.approx(images))
    both = crossed(correct["a"], correct["b"], 25 / 512)  # with bitmaps: what levels find hard together is less
    assert np.ptp(pair.ci_images) > both.high - both.low


def test_of_rows_whose_number_is_not_known_a_claim_is_about_this_report_set_only():
    correct = bitmaps({"a": 0.95, "b": 0.8}, 10)
    rows = [retrained(name, correct[name], keep=False) for name in "ab"]
    (pair,) = pairs_of(of(*rows, rows={"train": 800, "val": 400}))
    assert pair.ci_images is None
    assert pair.claim == "on_this_report_set_only"
    assert " on this report set only" in pair.sentence


def test_bitmaps_of_another_metric_are_not_read():
    correct = bitmaps({"a": 0.95, "b": 0.8}, 10)
    (pair,) = pairs_of(of(retrained("a", correct["a"]), retrained("b", correct["b"]), metric=MACRO_F1))
    assert pair.ci_images is None


def test_the_interval_over_images_is_at_the_level_of_the_test():
    correct = bitmaps({"a": 0.95, "b": 0.8, "c": 0.8}, 10)
    evidence = of(*(retrained(name, one) for name, one in correct.items()), names=("a", "b", "c"))
    counts = [one.sum(axis=1) for one in correct.values()]
    tests = step_down([(range(10), x - y) for x, y in itertools.combinations(counts, 2)], 0.05, 3)
    exact = crossed(correct["a"], correct["b"], tests[0].level)
    assert pairs_of(evidence)[0].ci_images == (exact.low, exact.high)


def test_seeds_needed_have_eighty_percent_power_at_delta_and_one_less_has_not():
    noisy = np.tile([0.02, -0.02, 0.01, -0.01, 0.005], 2)
    (pair,) = pairs_of(of(scored("a", 0.9 + noisy), scored("b", [0.9] * 10), delta=0.01))
    sd = float(np.std(noisy, ddof=1))
    assert pair.state == "inconclusive"
    assert power_paired(pair.needed, 0.01, sd, 0.05) >= 0.8 > power_paired(pair.needed - 1, 0.01, sd, 0.05)
    assert f"About {pair.needed} seeds would be needed" in pair.sentence


def test_without_delta_seeds_needed_are_those_for_the_observed_difference():
    noisy = np.tile([0.02, -0.02, 0.01, -0.01, 0.005], 2)
    (pair,) = pairs_of(of(scored("a", 0.9 + noisy), scored("b", [0.9] * 10), delta=None))
    assert power_paired(pair.needed, 0.001, float(np.std(noisy, ddof=1)), 0.05) == pytest.approx(0.8, abs=0.001)
    assert "No smallest difference that matters is declared" in pair.sentence


@pytest.mark.parametrize("scores", [[0.9] * 10, [0.9, 0.9 + 1e-12] * 5])
def test_without_a_difference_to_detect_no_seeds_are_named(scores):
    (pair,) = pairs_of(of(scored("a", scores), scored("b", [0.9, 0.90001] * 5), delta=None))
    assert pair.needed is None or pair.needed > 1
    (tied,) = pairs_of(of(scored("a", [0.9] * 10), scored("b", [0.9] * 10), delta=None))
    assert tied.needed is None


def test_no_fewer_seeds_are_needed_than_any_claim_needs():
    (pair,) = pairs_of(of(scored("a", [0.9] * 10), scored("b", [0.9] * 10), delta=0.1))
    assert pair.needed == 6


# folds


def test_folds_are_compared_with_the_corrected_interval_and_its_t_test():
    draw = np.random.default_rng(3)
    a, b = 0.9 + draw.normal(0, 0.01, (3, 5)), 0.88 + draw.normal(0, 0.01, (3, 5))
    (pair,) = pairs_of(in_folds(a, b))
    d = (a - b).ravel()
    se = d.std(ddof=1) * math.sqrt(1 / 15 + 1 / 4)
    half = stats.t.ppf(0.975, 14) * se
    assert pair.n == 3
    assert pair.diff == pytest.approx(d.mean())
    assert pair.ci_sim == pytest.approx((d.mean() - half, d.mean() + half))
    assert pair.p == pytest.approx(2 * stats.t.sf(abs(d.mean()) / se, 14))
    assert pair.ci_images is None
    assert pair.needed is None
    assert pair.differences == pytest.approx((a - b).mean(axis=1))
    assert "15 folds" in pair.sentence


def test_a_claim_over_folds_is_no_claim_about_one_report_set():
    draw = np.random.default_rng(3)
    (pair,) = pairs_of(in_folds(0.9 + draw.normal(0, 0.01, (3, 5)), 0.7 + draw.normal(0, 0.01, (3, 5))))
    assert pair.claim == "full"
    assert "report set" not in pair.sentence


def test_equal_folds_have_p_1_and_a_constant_difference_p_0():
    same = np.full((2, 5), 0.9)
    assert pairs_of(in_folds(same, same))[0].p == 1
    assert pairs_of(in_folds(same, same - 0.25))[0].p == 0


@pytest.mark.parametrize(
    ("folds", "rows", "ratio"),
    [
        (5, {}, 1 / 4),
        (5, {"train": 800, "val": 200}, 1 / 4),
        (5, {"train": 1437, "val": 1797}, 1 / 4),
        (10, {"train": 800, "val": 1000}, 1 / 4),
        (10, {"train": 900, "val": 1000}, 1 / 9),
        (2, {"train": 500, "val": 500}, 1),
        (150, {"train": 149, "val": 150}, 1 / 149),
        (5, {"train": 300, "val": 1000}, 1),
    ],
)
def test_n_val_over_n_train_is_that_of_one_partition_whatever_the_repeats(folds, rows, ratio):
    assert val_per_train(design(level("a"), folds=folds, rows=rows)) == pytest.approx(ratio)


# invariants


accuracies = st.lists(st.integers(0, 20), min_size=7, max_size=7)


@given(accuracies, accuracies)
@example([0] * 7, [0, *[1] * 6])  # one seed collapsed, and the other level is ahead
@settings(max_examples=40, deadline=None)
def test_the_same_pair_the_other_way_round_says_the_same(a, b):
    a, b = (np.divide(one, 20) for one in (a, b))
    (there,), (back,) = (
        pairs_of(of(scored("a", a), scored("b", b), names=names)) for names in (("a", "b"), ("b", "a"))
    )
    assert (there.p, there.n, there.claim) == (back.p, back.n, back.claim)
    assert there.diff == -back.diff
    assert there.superiority == pytest.approx(1 - back.superiority)
    if there.claim != "none":
        assert there.sentence == back.sentence


@given(accuracies, accuracies)
@settings(max_examples=40, deadline=None)
def test_p_is_a_multiple_of_its_smallest_value(a, b):
    (pair,) = pairs_of(of(scored("a", np.divide(a, 20)), scored("b", np.divide(b, 20))))
    assert (pair.p * 2**6) % 1 == 0
    assert pair.p >= 2.0**-6


def test_keys_are_paired_whatever_order_they_come_in():
    evidence = of(scored("a", A), scored("b", B)[::-1])
    assert pair_up(evidence, "a", "b").keys == tuple(range(1, 9))
    assert pairs_of(evidence)[0].diff == pytest.approx(D.mean())


def test_an_equivalent_level_at_the_edge_is_not_said_to_be_lower():
    same = clear(delta=0.4)
    at_edge = min((row for row in same.trials if row.level == "sgd"), key=lambda row: row.values["optimizer.sgd.lr"])
    plain = tuple(replace(row, trial=at_edge.k) if row.level == "sgd" else row for row in same.confirm)
    (pair,) = analyse(replace(same, confirm=plain)).pairs
    assert (pair.state, pair.claim) == ("equivalent", "none")
    assert "slightly" not in pair.sentence
    assert pair.sentence.endswith("sgd is possibly under-tuned (R17).")
