"""Bootstrap intervals of tuning curves: what is resampled, what the intervals cover, and which budgets are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from hpsearch.statistics.best_probability import prob_best
from hpsearch.statistics.bootstrap import (
    Differences,
    Draws,
    Flip,
    RankedTrials,
    best_bands,
    budget_flips,
    chunks,
    curve_bands,
    curve_differences,
    draw_counts,
    enough_resamples,
    mirrored_percentiles,
    percentiles,
    simultaneous_bands,
)
from hpsearch.statistics.tuning_curves import curves, tied_weights

PROPERTY = settings(deadline=None, max_examples=50)


def level(seed, n=60, mean=0.0, sd=1.0):
    rng = np.random.default_rng(seed)
    val = mean + sd * rng.normal(size=n)
    return val, val + 0.1 * rng.normal(size=n)


STEADY, WILD = level(1, n=100, mean=0.5, sd=0.05), level(2, n=100, mean=0.0, sd=1.0)


@PROPERTY
@given(st.lists(st.integers(0, 3), min_size=1, max_size=7), st.data())
def test_a_trial_drawn_twice_weighs_as_two_trials_that_tie(scores, data):
    n, val = len(scores), np.array(scores, dtype=float)
    drawn = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=n, max_size=n)))
    draws = Draws.of(val, np.bincount(drawn, minlength=n)[:, None])
    for k in range(1, n + 1):
        expected = np.bincount(drawn, tied_weights(val[drawn], k), n)
        np.testing.assert_allclose(draws.weights(k)[:, 0], expected, atol=1e-12)


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([-np.inf, 0.25, 0.5, 2.0])), min_size=5, max_size=9))
def test_a_resampled_curve_is_the_curve_of_the_trials_that_were_drawn(scores):
    val, report = np.array(scores, dtype=float).T
    found = RankedTrials.of((val, report), [1, 2, 5]).resampled(20, np.random.default_rng(5))
    drawn = np.random.default_rng(5).integers(len(val), size=(len(val), 20), dtype=np.int32)
    for at, trials in enumerate(drawn.T):
        np.testing.assert_allclose(found[:, at], curves(val[trials], report[trials], [1, 2, 5])[1], atol=1e-12)


@pytest.mark.parametrize(
    ("trials", "alpha", "expected"),
    [
        (1000, 0.05, 2000),
        (1000, 0.001, 20_000),  # ten beyond each end
        (5000, 0.001, 4000),  # 20 million draws
        (10_000, 0.0001, 20_000),  # one beyond each end
        (1_000_000, 0.05, 200),
    ],
)
def test_large_pools_are_resampled_less_often(trials, alpha, expected):
    assert enough_resamples(trials, alpha) == expected


def test_resamples_are_processed_few_at_once_where_trials_are_many():
    assert list(chunks(450, 10_000)) == [200, 200, 50]
    assert list(chunks(45, 100_000)) == [20, 20, 5]
    assert list(chunks(2, 10_000_000)) == [1, 1]


def test_each_resample_holds_as_many_trials_as_there_are_and_each_equally_often():
    counts = draw_counts(20, 4000, np.random.default_rng(3))
    assert counts.shape == (20, 4000)
    assert (counts.sum(axis=0) == 20).all()
    np.testing.assert_allclose(counts.mean(axis=1), 1, atol=0.08)  # five standard errors
    np.testing.assert_allclose(counts.var(), 0.95, atol=0.03)


def test_percentiles_mirror_under_negation_and_need_no_finite_values():
    values = np.array([[-np.inf, -np.inf, 3.0, 1.0, 2.0] * 20, list(range(100))])
    low, high = percentiles(values, 0.1)
    assert low.tolist() == [-np.inf, 4]
    assert high.tolist() == [3, 95]
    mirrored_low, mirrored_high = percentiles(-values, 0.1)
    assert (-mirrored_high).tolist() == low.tolist()
    assert (-mirrored_low).tolist() == high.tolist()


def test_the_band_of_one_trial_is_the_bootstrap_interval_of_the_mean():
    val, report = level(4)
    theirs = stats.bootstrap(
        (report,), np.mean, n_resamples=9999, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    low, high = curve_bands(val, report, [1], 0.05, seed=1, resamples=9999)
    assert [low[0], high[0]] == pytest.approx(list(theirs), abs=0.02)


def test_bands_are_drawn_for_each_budget_and_hold_the_curves():
    val, report = level(5)
    ks = [1, 3, 12]
    low, high = curve_bands(val, report, ks, 0.05, seed=1)
    reported = curves(val, report, ks)[1]
    assert low.shape == high.shape == (3,)
    assert ((low < reported) & (reported < high)).all()


@pytest.mark.parametrize(
    ("quality", "truth"),
    [
        (lambda u: u, 10 / 11),
        (lambda u: 1 - np.sqrt(1 - u), 1 - 10 * special.beta(1.5, 10)),  # E sqrt(W) of W ~ Beta(1, 10)
    ],
)
def test_the_band_covers_the_expected_best_of_fresh_searches_at_a_fifth_of_the_trials(quality, truth):
    rng = np.random.default_rng(6)
    covered, searches = 0, 400
    for search in range(searches):
        val = quality(rng.random(50))
        low, high = curve_bands(val, val, [10], 0.05, seed=search, resamples=400)
        covered += low[0] <= truth <= high[0]
    assert (
        0.93 <= covered / searches <= 0.99
    )  # three standard errors around 0.95 to 0.965; percentiles cover 0.87 to 0.90


def test_bands_that_hold_at_once_are_bands_at_their_part_of_alpha():
    ks = [[1, 5], [5, 10, 20]]
    (low, high), other = simultaneous_bands([STEADY, WILD], ks, 0.05, seed=3)
    stream = np.random.default_rng(3).spawn(2)[0]
    alone = curve_bands(*STEADY, ks[0], 0.05 / 5, stream)
    np.testing.assert_array_equal([low, high], alone)
    assert [end.shape for end in other] == [(3,), (3,)]


def test_an_interval_holds_the_percentiles_and_their_mirror_image():
    values, estimate = np.linspace(0, 1, 101), np.array(0.6)
    assert mirrored_percentiles(values, estimate, 0.2) == pytest.approx((0.1, 1.1))  # 0.1 to 0.9, and 0.3 to 1.1
    assert mirrored_percentiles(-values, -estimate, 0.2) == pytest.approx((-1.1, -0.1))


def test_an_end_that_is_mirrored_to_infinity_is_left_out():
    values = np.append(np.full(20, -np.inf), np.linspace(0, 1, 80))
    low, high = mirrored_percentiles(values, np.array(0.5), 0.1)
    assert low == -np.inf
    assert high == pytest.approx(np.sort(values)[95])


def test_a_seed_gives_the_same_bands_and_a_generator_goes_on():
    rng = np.random.default_rng(7)
    first, again, other = (curve_bands(*STEADY, [5], 0.05, seed) for seed in (7, 7, 8))
    continued = [curve_bands(*STEADY, [5], 0.05, rng) for _ in range(2)]
    assert first == again == continued[0]
    assert first != other
    assert continued[0] != continued[1]


def test_a_band_reaches_minus_infinity_where_failed_trials_are_chosen():
    val = np.append(np.full(8, -np.inf), np.linspace(0, 1, 17))
    low, high = curve_bands(val, val, [1, 5], 0.05, seed=0)
    assert low.tolist() == [-np.inf, -np.inf]
    assert high[0] == -np.inf
    assert 0.5 < high[1] < 1  # some resamples hold fewer than five failed trials
    bands = best_bands([(val, val), (val, val)], [5], 0.05, seed=0)
    assert np.isfinite(bands).all()


def test_the_band_of_being_best_holds_the_probability():
    levels = [level(seed, mean=seed / 40) for seed in (8, 9, 10)]
    low, high = best_bands(levels, [1, 5, 12], 0.05, seed=2)
    estimate = np.stack([prob_best(levels, k) for k in (1, 5, 12)], axis=1)
    assert low.shape == high.shape == (3, 3)
    assert ((low <= estimate) & (estimate <= high)).all()
    assert (low[:, 0] < high[:, 0]).all()


def test_a_level_that_is_always_better_is_best_in_every_resample():
    low, high = best_bands([level(11, mean=50), level(12)], [1, 5], 0.05, seed=2)
    assert low[0] == pytest.approx([1, 1])
    assert high[1] == pytest.approx([0, 0])


def test_the_difference_of_two_levels_is_that_of_their_curves():
    found = curve_differences([STEADY, WILD, level(3)], [1, 5, 10], 0.05, seed=3)
    reported = [curves(*each, [1, 5, 10])[1] for each in (STEADY, WILD, level(3))]
    assert found.pairs == ((0, 1), (0, 2), (1, 2))
    assert found.ks == (1, 5, 10)
    np.testing.assert_allclose(found.estimate[1], reported[0] - reported[2])
    assert ((found.low < found.estimate) & (found.estimate < found.high)).all()


def test_intervals_of_a_larger_family_are_wider():
    alone = curve_differences([STEADY, WILD], [5], 0.05, seed=3)
    family = curve_differences([STEADY, WILD, level(3)], [1, 5, 10], 0.05, seed=3)
    one_of_nine = curve_differences([STEADY, WILD], [5], 0.05 / 9, seed=3)
    width = family.high[0, 1] - family.low[0, 1]
    assert width > 1.2 * (alone.high - alone.low)[0, 0]
    assert width == pytest.approx((one_of_nine.high - one_of_nine.low)[0, 0], rel=0.02)


def test_a_level_does_not_differ_from_its_copy():
    found = curve_differences([WILD, WILD], [1, 5, 10, 20], 0.05, seed=4)
    assert found.estimate.tolist() == [[0, 0, 0, 0]]
    assert ((found.low < 0) & (found.high > 0)).all()


def test_a_steady_level_leads_with_one_trial_and_a_wild_one_with_twenty():
    found = curve_differences([STEADY, WILD], [1, 5, 10, 20], 0.05, seed=5)
    assert budget_flips(found) == [Flip(first=0, second=1, k_first=1, k_second=5)]
    assert budget_flips(curve_differences([STEADY, WILD], [5, 10, 20], 0.05, seed=5)) == []


def test_a_flip_needs_intervals_on_both_sides_of_zero():
    estimate = np.array([[1.0, -1.0]])
    unsure = Differences(((0, 1),), (1, 5), estimate, np.array([[0.5, -2.0]]), np.array([[1.5, 0.0]]))
    sure = Differences(((0, 1),), (1, 5), estimate, np.array([[0.5, -2.0]]), np.array([[1.5, -0.1]]))
    assert budget_flips(unsure) == []
    assert budget_flips(sure) == [Flip(0, 1, 1, 5)]


@pytest.mark.parametrize("k", [0, 13])
def test_budgets_beyond_a_fifth_of_the_trials_of_any_level_are_refused(k):
    message = rf"^budgets must be between 1 and N/5 = 12 of 60 trials \(R05\), got {k}$"
    with pytest.raises(ValueError, match=message):
        curve_bands(*level(1), [1, k], 0.05, seed=0)
    for function in (best_bands, curve_differences):
        with pytest.raises(ValueError, match=message):
            function([STEADY, level(1)], [1, k], 0.05, seed=0)


def test_infinite_report_scores_have_no_differences():
    failed = (WILD[0], np.append(WILD[1][1:], -np.inf))
    with pytest.raises(ValueError, match=r"^report scores must be finite to be subtracted; compare by probability"):
        curve_differences([STEADY, failed], [1], 0.05, seed=0)
