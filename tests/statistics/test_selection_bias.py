"""What the choice of the best does to its score: closed forms, enumeration of all bags, and worked examples."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from hpsearch.statistics.selection_bias import (
    Shrinkage,
    bbc_cv,
    best_probabilities,
    expected_max_binomial,
    normal_best,
    report_mixture,
    share_count,
    shrink_best,
)

PROPERTY = settings(deadline=None, max_examples=50)

shares = st.lists(st.integers(0, 20).map(lambda hits: hits / 20), min_size=1, max_size=12).map(np.array)


@PROPERTY
@given(shares)
def test_the_probabilities_of_being_best_sum_to_one_and_equal_scores_share_equally(val):
    weights = best_probabilities(val, 20)
    assert weights.sum() == pytest.approx(1, abs=1e-9)
    for score in val:
        np.testing.assert_allclose(weights[val == score], weights[val == score][0], atol=1e-12)


@PROPERTY
@given(st.integers(1, 199), st.integers(1, 199))
def test_one_of_two_trials_is_best_with_the_normal_probability_of_their_difference(a, b):
    v, w = a / 200, b / 200
    spread = np.sqrt((v * (1 - v) + w * (1 - w)) / 199)
    weights = best_probabilities(np.array([v, w]), 200)
    assert weights[0] == pytest.approx(stats.norm.cdf((v - w) / spread), abs=1e-9)


@pytest.mark.parametrize(
    ("mean", "sd", "error"),
    [([0.0, 0.3, -2.0, 0.31], [1.0, 0.2, 2.0, 0.1], 1e-9), ([0.0, 0.3, -2.0, 0.31], [1.0, 0.2, 5.0, 0.01], 1e-4)],
    ids=["alike", "one is narrower than a panel"],
)
def test_the_probabilities_are_the_integrals_of_the_definition(mean, sd, error):
    def density(z, s):
        others = [stats.norm.cdf(z, mean[j], sd[j]) for j in range(4) if j != s]
        return stats.norm.pdf(z, mean[s], sd[s]) * np.prod(others)

    breaks = [-6, 0.2, 0.28, 0.31, 0.34, 0.5, 2]
    expected = [integrate.quad(density, -45, 45, args=(s,), points=breaks, epsabs=1e-11)[0] for s in range(4)]
    np.testing.assert_allclose(normal_best(np.array(mean), np.array(sd)), expected, atol=error)


def test_a_fixed_score_wins_unless_a_noisy_one_exceeds_it():
    weights = normal_best(np.array([1.0, 0.9, 1.0, 0.2]), np.array([0.0, 0.1, 0.0, 0.0]))
    assert weights == pytest.approx([stats.norm.cdf(1) / 2, stats.norm.sf(1), stats.norm.cdf(1) / 2, 0])


def test_perfect_trials_share_the_first_place_and_hopeless_ones_the_last():
    assert best_probabilities(np.array([1.0, 0.5, 1.0]), 1000) == pytest.approx([0.5, 0, 0.5])
    assert best_probabilities(np.zeros(4), 10).tolist() == [0.25] * 4
    assert best_probabilities(np.array([0.0, 0.5]), 1000) == pytest.approx([0, 1])


def test_a_thousand_equal_trials_share_equally():
    np.testing.assert_allclose(best_probabilities(np.full(1000, 0.97), 10_000), 1e-3, rtol=1e-6)


def test_probabilities_need_shares_of_at_least_two_rows():
    with pytest.raises(ValueError, match=r"^val must be shares between 0 and 1, got -0\.3; use normal_best"):
        best_probabilities(np.array([0.5, -0.3]), 10)
    with pytest.raises(ValueError, match=r"^n_val must be >= 2 for a variance, got 1$"):
        best_probabilities(np.array([0.5]), 1)


def test_the_mixture_adds_the_spread_between_trials_to_their_noise():
    mean, sd = report_mixture(np.array([0.25, 0.75]), np.array([0.8, 0.6]), np.array([0.1, 0.2]))
    assert mean == pytest.approx(0.65)
    assert sd**2 == pytest.approx(0.25 * (0.64 + 0.01) + 0.75 * (0.36 + 0.04) - 0.65**2)


@pytest.mark.parametrize(
    ("weights", "count"), [([1.0], 1), ([0.05, 0.95], 1), ([0.04, 0.9, 0.06], 2), ([0.05] * 20, 19), ([0.5, 0.5, 0], 2)]
)
def test_the_share_of_the_probability_is_held_by_the_fewest_trials(weights, count):
    assert share_count(np.array(weights)) == count


def all_bags(losses):
    """The mean over all bags of the loss, outside the bag, of what is best inside; ties averaged."""
    n, scores = len(losses), []
    for bag in product(range(n), repeat=n):
        outside = sorted(set(range(n)) - set(bag))
        if outside:
            inside = losses[list(bag)].sum(axis=0)
            scores.append(losses[outside][:, inside == inside.min()].mean())
    return np.mean(scores), np.std(scores)


def test_the_estimate_is_the_mean_over_all_bags():
    losses = np.random.default_rng(1).integers(3, size=(5, 4)).astype(float)
    expected, spread = all_bags(losses)
    estimate, low, high = bbc_cv(losses, seed=2, resamples=20_000)
    assert estimate == pytest.approx(expected, abs=5 * spread / np.sqrt(20_000))
    assert low <= estimate <= high


def test_without_a_choice_the_estimate_is_the_plain_mean():
    losses = np.random.default_rng(3).random((200, 1))
    estimate, low, high = bbc_cv(losses, seed=4, resamples=4000)
    assert estimate == pytest.approx(losses.mean(), abs=0.005)
    assert low < losses.mean() < high
    assert bbc_cv(np.repeat(losses, 7, axis=1), seed=4, resamples=4000) == pytest.approx((estimate, low, high))


def test_the_estimate_forgets_the_luck_of_the_best_of_many_equal_configurations():
    losses = np.random.default_rng(5).integers(2, size=(100, 50)).astype(float)
    assert losses.mean(axis=0).min() < 0.42
    assert bbc_cv(losses, seed=6)[0] == pytest.approx(0.5, abs=0.05)


def test_strata_keep_their_sizes_in_every_bag():
    losses = np.array([[0.0]] * 8 + [[1.0]] * 2)
    _, low, high = bbc_cv(losses, seed=0, strata=np.array(["common"] * 8 + ["rare"] * 2), alpha=0.0)
    assert low == 0
    assert high <= 1 / 2  # a bag leaves one rare row outside at the most, and all but one in 400 a common one
    assert bbc_cv(losses, seed=0, alpha=0.0)[2] > 1 / 2
    with pytest.raises(ValueError, match=r"^no bag leaves a row outside to score on; 10 rows are too few$"):
        bbc_cv(losses, seed=0, strata=np.arange(10))


def test_bags_depend_on_the_seed_alone():
    losses = np.random.default_rng(8).random((30, 3))
    assert bbc_cv(losses, seed=1) == bbc_cv(losses, seed=np.random.default_rng(1))
    assert bbc_cv(losses, seed=1) != bbc_cv(losses, seed=2)


def test_the_expected_best_share_counts_all_outcomes():
    rows = list(product([0, 1], repeat=6))  # two trials of three rows
    probability = [0.3 ** sum(row) * 0.7 ** (6 - sum(row)) for row in rows]
    best = [max(sum(row[:3]), sum(row[3:])) / 3 for row in rows]
    assert expected_max_binomial(2, 0.3, 3) == pytest.approx(np.dot(probability, best))


def test_the_best_of_a_hundred_equal_trials_on_a_hundred_rows_shows_ten_points_of_luck():
    assert expected_max_binomial(1, 0.8, 100) == pytest.approx(0.8)
    luck = expected_max_binomial(100, 0.8, 100) - 0.8
    assert luck == pytest.approx(0.1, abs=0.01)
    assert expected_max_binomial(100, 0.8, 100_000) - 0.8 == pytest.approx(
        2.5075936 * np.sqrt(0.16 / 100_000),
        rel=0.01,  # the expected maximum of 100 standard normals
    )


def test_the_best_is_shrunk_by_the_share_of_noise_among_its_rivals():
    val = np.array([0.8, 0.9, 1.0, -5.0, -np.inf])  # the failures are no rivals
    found = shrink_best(val, 0.004)
    assert found == Shrinkage(
        lam=pytest.approx(0.6),
        mean=pytest.approx(0.9),
        best=1.0,
        shrunken=pytest.approx(0.96),
        noise_var=pytest.approx(0.004),
        trial_var=pytest.approx(0.01),
    )


def test_a_spread_below_the_noise_leaves_the_mean():
    found = shrink_best(np.array([0.8, 0.9, 1.0]), np.array([0.01, 0.03, 0.02]))
    assert found.lam == 0
    assert found.shrunken == found.mean == pytest.approx(0.9)
    assert shrink_best(np.full(3, 0.5), 0.1).lam == 0


def test_a_best_without_rivals_or_without_noise_stands():
    assert shrink_best(np.array([0.1, 0.1, 0.9]), 0.001).shrunken == 0.9
    assert shrink_best(np.array([0.1, 0.9]), 0.0).lam == 1


@PROPERTY
@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), st.floats(0, 0.1))
def test_the_shrunken_best_lies_between_mean_and_best(scores, noise):
    found = shrink_best(np.array(scores), noise)
    assert 0 <= found.lam <= 1
    assert found.mean - 1e-12 <= found.shrunken <= found.best + 1e-12


@pytest.mark.parametrize("scores", [[0.5], [-np.inf, -np.inf]])
def test_nothing_can_be_shrunk_without_two_trials_of_which_one_finished(scores):
    with pytest.raises(ValueError, match=r"^at least 2 trials, not all failed, are needed to tell spread from noise"):
        shrink_best(np.array(scores), 0.1)
