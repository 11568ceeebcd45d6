"""Tuning curves, against the library of Lourie, Cho & He (2024)."""

import numpy as np
import pytest

from hpsearch.statistics.tuning_curves import curves, median_best

nonparametric = pytest.importorskip("opda.nonparametric")
RNG = np.random.default_rng(5)
N = 41  # odd: opda rounds the median of an even number of trials up
SMOOTH, TIED = RNG.normal(size=N), RNG.integers(8, size=N) / 8
KS = np.array([1, 2, 7, 20, N])


@pytest.mark.parametrize("val", [SMOOTH, TIED], ids=["smooth", "tied"])
def test_tuning_curves_are_those_of_opda(val):
    distribution = nonparametric.EmpiricalDistribution(val)
    np.testing.assert_allclose(curves(val, val, KS.tolist())[0], distribution.u_tuning_curve(KS))
    np.testing.assert_allclose([median_best(val, k) for k in KS], distribution.quantile_tuning_curve(KS, q=0.5))
