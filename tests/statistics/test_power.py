"""How many seeds a comparison needs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hpsearch.statistics.paired_tests import power_paired, seeds_needed


@given(st.integers(2, 60), st.floats(0.05, 2), st.sampled_from([0.05, 0.05 / 3, 0.2]))
def test_power_is_what_both_tails_of_the_noncentral_t_hold(n, effect, alpha):
    critical, shift = stats.t.ppf(1 - alpha / 2, n - 1), effect * np.sqrt(n)
    upper, lower = stats.nct.sf(critical, n - 1, shift), stats.nct.sf(critical, n - 1, -shift)
    assert power_paired(n, effect, 1, alpha) == pytest.approx(upper + (lower if np.isfinite(lower) else 0), abs=1e-8)


def test_power_is_the_share_of_samples_that_the_t_test_finds():
    samples = np.random.default_rng(0).normal(0.004, 0.005, (20_000, 8))
    found = (stats.ttest_1samp(samples, 0, axis=1).pvalue <= 0.05).mean()
    assert power_paired(8, 0.004, 0.005, 0.05) == pytest.approx(found, abs=4 * np.sqrt(0.25 / 20_000))


@given(st.integers(2, 1000), st.floats(1e-6, 100), st.floats(1e-6, 100))
def test_power_has_no_side_and_no_unit_and_lies_between_the_level_and_one(n, delta, sd):
    power = power_paired(n, delta, sd, 0.05)
    assert 0.05 - 1e-9 <= power <= 1
    assert power_paired(n, -1000 * delta, 1000 * sd, 0.05) == pytest.approx(power, abs=1e-9)


@pytest.mark.parametrize(("delta", "sd", "power"), [(0, 1, 0.05), (1e-200, 1, 0.05), (0.1, 0, 1), (100, 1, 1)])
def test_power_at_the_ends(delta, sd, power):
    assert power_paired(10, delta, sd, 0.05) == pytest.approx(power)


@given(st.floats(0.02, 20), st.sampled_from([0.05, 0.05 / 6]), st.sampled_from([0.5, 0.8, 0.95]))
def test_one_seed_fewer_than_needed_is_too_few(effect, alpha, power):
    n = seeds_needed(effect, 1, alpha, power)
    assert power_paired(n, effect, 1, alpha) >= power
    assert n == 2 or power_paired(n - 1, effect, 1, alpha) < power


def test_an_effect_of_one_sd_needs_ten_seeds_for_one_pair_and_fourteen_for_three():
    assert seeds_needed(1, 1, 0.05) == 10
    assert seeds_needed(1, 1, 0.05 / 3) == 14


def test_differences_without_a_spread_need_two_seeds():
    assert seeds_needed(0.001, 0, 0.05) == 2


@pytest.mark.parametrize(("delta", "power"), [(0, 0.8), (-0.1, 0.8), (0.1, 1), (0.1, 0.04)])
def test_no_number_of_seeds_finds_nothing_or_is_certain(delta, power):
    with pytest.raises(ValueError, match="delta > 0 and alpha < power < 1"):
        seeds_needed(delta, 1, 0.05, power)


@pytest.mark.parametrize(("n", "sd"), [(1, 1), (5, -1)])
def test_power_without_a_t_test_is_refused(n, sd):
    with pytest.raises(ValueError, match="n >= 2 and sd >= 0"):
        power_paired(n, 1, sd, 0.05)
