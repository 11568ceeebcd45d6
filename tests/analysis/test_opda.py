"""Tuning curves and bands, against the library of Lourie, Cho & He (2024)."""

import numpy as np
import pytest

from hpsearch.analysis.tuning import curves, dkw_band, median_best, v_weights

nonparametric = pytest.importorskip("opda.nonparametric")
RNG = np.random.default_rng(5)
N = 41  # odd: opda rounds the median of an even number of trials up
SMOOTH, TIED = RNG.normal(size=N), RNG.integers(8, size=N) / 8
KS = np.array([1, 2, 7, 20, N])


@pytest.mark.parametrize("val", [SMOOTH, TIED], ids=["smooth", "tied"])
def test_tuning_curves_are_those_of_opda(val):
    distribution = nonparametric.EmpiricalDistribution(val)
    np.testing.assert_allclose(curves(val, val, KS.tolist())[0], distribution.u_tuning_curve(KS))
    np.testing.assert_allclose([np.sort(val) @ v_weights(N, k) for k in KS], distribution.v_tuning_curve(KS))
    np.testing.assert_allclose([median_best(val, k) for k in KS], distribution.quantile_tuning_curve(KS, q=0.5))


@pytest.mark.parametrize("val", [SMOOTH, TIED], ids=["smooth", "tied"])
def test_the_band_is_that_of_opda(val):
    band = dkw_band(val, 0.1)
    low, _, high = nonparametric.EmpiricalDistribution.confidence_bands(val, 0.9, a=-10.0, b=10.0, method="dkw")
    np.testing.assert_allclose(band.low, low.cdf(band.points))
    np.testing.assert_allclose(band.high, high.cdf(band.points))
