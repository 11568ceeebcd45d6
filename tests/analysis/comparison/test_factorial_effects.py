"""Two factors with two values each."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from hpsearch.analysis.comparison.factorial import factorial

layouts = st.integers(2, 8).flatmap(lambda n: hnp.arrays(np.int64, (2, 2, n), elements=st.integers(-50, 50)))


def interval(contrast, level):
    return pytest.approx(stats.ttest_1samp(contrast, 0).confidence_interval(level))


def test_effects_are_paired_differences_of_cells():
    cells = np.random.default_rng(0).normal(size=(2, 2, 6))
    (y00, y01), (y10, y11) = cells
    found = factorial(cells, 0.1, None)
    contrasts = [y10 - y00, y11 - y01, y01 - y00, y11 - y10]
    for effect, contrast in zip((*found.first, *found.second), contrasts, strict=True):
        assert effect.diff == pytest.approx(contrast.mean())
        assert effect.ci == interval(contrast, 0.9)
        assert effect.ci_sim == interval(contrast, 1 - 0.1 / 4)
    assert found.interaction.ci == interval(y11 - y10 - y01 + y00, 0.9)
    assert found.means == pytest.approx(cells.mean(axis=-1))


@given(layouts)
def test_the_interaction_is_how_much_either_simple_effect_changes(cells):
    found = factorial(cells, 0.05, None)
    assert found.interaction.diff == pytest.approx(found.first[1].diff - found.first[0].diff)
    assert found.interaction.diff == pytest.approx(found.second[1].diff - found.second[0].diff)


@given(layouts)
def test_factors_may_change_places(cells):
    here, there = factorial(cells, 0.05, 30), factorial(cells.transpose(1, 0, 2), 0.05, 30)
    assert (there.first, there.second) == (here.second, here.first)
    assert (there.main is None) == (here.main is None)
    assert there.interaction.diff == pytest.approx(here.interaction.diff)


@given(layouts)
def test_a_value_that_adds_the_same_in_all_cells_of_a_seed_changes_no_effect(cells):
    shifted = cells + np.arange(cells.shape[2]) * 7
    assert factorial(shifted, 0.05, 30).first == factorial(cells, 0.05, 30).first


@given(layouts, st.integers(1, 200))
def test_main_effects_are_stated_where_the_interaction_is_known_to_be_small(cells, delta):
    found = factorial(cells, 0.05, delta)
    low, high = found.interaction.ci
    assert (found.main is not None) == (low <= 0 <= high and high - low <= 2 * delta)


def additive(noise):
    draw = np.random.default_rng(4)
    return np.array([[0.80, 0.82], [0.83, 0.85]])[..., None] + draw.normal(0, noise, (2, 2, 10)) + draw.normal(size=10)


def test_main_effects_average_over_the_other_factor():
    cells = additive(0.002)
    first, second = factorial(cells, 0.05, 0.01).main
    assert first.ci == interval((cells[1] - cells[0]).mean(axis=0), 0.95)
    assert second.ci_sim == interval((cells[:, 1] - cells[:, 0]).mean(axis=0), 0.975)


@pytest.mark.parametrize(("noise", "delta"), [(0.02, 0.01), (0.002, None)])
def test_main_effects_are_not_stated_where_an_interaction_may_hide(noise, delta):
    assert factorial(additive(noise), 0.05, delta).main is None


def test_main_effects_are_not_stated_beside_an_interaction():
    cells = additive(0.002)
    cells[1, 1] -= 0.05
    assert factorial(cells, 0.05, 1).main is None


def test_a_score_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match=r"finite scores of shape \(2, 2, n\)"):
        factorial(np.full((2, 2, 3), -math.inf), 0.05, None)


def test_scores_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"got shape \(2, 3, 4\)"):
        factorial(np.zeros((2, 3, 4)), 0.05, None)


def test_no_difference_can_matter_that_is_smaller_than_nothing():
    with pytest.raises(ValueError, match="delta must be > 0, got 0"):
        factorial(np.zeros((2, 2, 3)), 0.05, 0)
