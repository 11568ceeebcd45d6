"""Formulas against those of statsmodels, where it is installed."""

import numpy as np
import pytest

from hpsearch.analysis.comparison.factorial import factorial
from hpsearch.statistics.intervals import wilson
from hpsearch.statistics.paired_tests import holm_levels, power_paired, seeds_needed
from hpsearch.statistics.proportions import mcnemar, newcombe

pytestmark = pytest.mark.slow  # importing statsmodels takes seconds


@pytest.fixture
def draw():
    return np.random.default_rng(5)


def test_holm(draw):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    for p in (draw.random(6), draw.random(20) ** 4, np.repeat(draw.random(3), 2)):
        assert [adjusted for adjusted, _ in holm_levels(p, 0.05, len(p))] == pytest.approx(
            multitest.multipletests(p, method="holm")[1]
        )


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("hits", "n"), [(0, 7), (3, 7), (7, 7), (81, 263), (9999, 10_000)])
def test_wilson(hits, n, level):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    assert wilson(hits, n, level) == pytest.approx(proportion.proportion_confint(hits, n, 1 - level, "wilson"))


@pytest.mark.parametrize(("hits_a", "n_a", "hits_b", "n_b"), [(0, 20, 0, 25), (5, 20, 1, 50), (20, 20, 0, 20)])
def test_newcombe(hits_a, n_a, hits_b, n_b):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    theirs = proportion.confint_proportions_2indep(hits_a, n_a, hits_b, n_b, method="newcomb", alpha=0.1)
    assert newcombe(hits_a, n_a, hits_b, n_b, 0.1) == pytest.approx(theirs)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (3, 0), (4, 9), (40, 21)])
def test_mcnemar(b, c):
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    assert mcnemar(b, c, 200).p == pytest.approx(tables.mcnemar([[100, b], [c, 100 - b - c]], exact=True).pvalue)


@pytest.mark.parametrize("n", [2, 5, 10, 29, 200])
@pytest.mark.parametrize("effect", [0.05, 0.5, 1.0])
def test_power(n, effect):
    power = pytest.importorskip("statsmodels.stats.power").TTestPower().power
    assert power_paired(n, effect * 0.002, 0.002, 0.05) == pytest.approx(power(effect, n, 0.05), abs=1e-8)


@pytest.mark.parametrize("effect", [0.1, 0.5, 1.0])
def test_seeds_needed(effect):
    solve = pytest.importorskip("statsmodels.stats.power").TTestPower().solve_power
    assert seeds_needed(effect, 1, 0.05) == np.ceil(solve(effect, alpha=0.05, power=0.8))


def test_the_interaction_is_that_of_a_repeated_measures_anova(draw):
    pandas, anova = pytest.importorskip("pandas"), pytest.importorskip("statsmodels.stats.anova")
    cells = draw.normal(size=(2, 2, 9)) + draw.normal(size=9)
    columns = [axis.ravel() for axis in np.indices(cells.shape)]
    table = pandas.DataFrame(dict(zip("ijs", columns, strict=True)) | {"y": cells.ravel()})
    fitted = anova.AnovaRM(table, "y", "s", within=["i", "j"]).fit().anova_table
    interaction = factorial(cells, float(fitted.loc["i:j", "Pr > F"]), None).interaction
    assert min(map(abs, interaction.ci)) == pytest.approx(0, abs=1e-9)  # the level at which the interval reaches 0
