"""Seeds x images."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from hpsearch.statistics.crossed_effects import crossed

bitmaps = st.tuples(st.integers(2, 6), st.integers(2, 9)).flatmap(
    lambda shape: st.tuples(hnp.arrays(bool, shape), hnp.arrays(bool, shape))
)


def mean_squares(a, b):
    """Of seeds, images and the rest, from centred differences."""
    d = a.astype(float) - b
    by_seed, by_image, all_of_it = d.mean(axis=1, keepdims=True), d.mean(axis=0), d.mean()
    seeds, images = d.shape
    rest = d - by_seed - by_image + all_of_it
    return (
        images * ((by_seed - all_of_it) ** 2).sum() / (seeds - 1),
        seeds * ((by_image - all_of_it) ** 2).sum() / (images - 1),
        (rest**2).sum() / ((seeds - 1) * (images - 1)),
    )


@given(bitmaps)
def test_the_variance_is_that_of_the_two_way_layout(both):
    found, (seed, image, rest) = crossed(*both, 0.05), mean_squares(*both)
    cells = both[0].size
    assert found.diff == pytest.approx(both[0].mean() - both[1].mean())
    assert found.seed_part == pytest.approx(seed / cells)
    assert found.image_part == pytest.approx(image / cells)
    assert found.var == pytest.approx(max(seed + image - rest, seed, image) / cells)


@given(bitmaps)
def test_the_variance_is_no_less_than_either_part_and_no_more_than_both(both):
    found = crossed(*both, 0.05)
    assert max(found.seed_part, found.image_part) <= found.var <= found.seed_part + found.image_part + 1e-15


@given(bitmaps)
def test_the_interval_takes_the_quantile_of_what_dominates(both):
    found = crossed(*both, 0.1)
    by_seeds = found.dominated_by == "seeds"
    assert by_seeds == (found.seed_part >= found.image_part)
    quantile = stats.t(len(both[0]) - 1).ppf(0.95) if by_seeds else stats.norm.ppf(0.95)
    assert (found.low, found.high) == pytest.approx(
        (found.diff - quantile * math.sqrt(found.var), found.diff + quantile * math.sqrt(found.var)), abs=1e-12
    )


@given(bitmaps)
def test_the_other_way_round_is_the_mirror_image(both):
    here, there = crossed(*both, 0.05), crossed(*both[::-1], 0.05)
    assert (there.diff, there.low, there.high) == (-here.diff, -here.high, -here.low)
    assert (there.var, there.dominated_by) == (here.var, here.dominated_by)


@given(hnp.arrays(bool, st.tuples(st.just(2), st.integers(2, 8))), st.integers(2, 9))
def test_images_that_are_all_alike_leave_the_variance_of_seeds_alone(values, images):
    a, b = np.repeat(values[..., None], images, axis=2)
    means = values[0].astype(float) - values[1]
    assert crossed(a, b, 0.05).var == pytest.approx(means.var(ddof=1) / len(means), abs=1e-15)


@given(hnp.arrays(bool, st.tuples(st.just(2), st.integers(2, 9))), st.integers(2, 6))
def test_seeds_that_are_all_alike_leave_the_variance_of_images_alone(values, seeds):
    a, b = np.repeat(values[:, None], seeds, axis=1)
    rows = values[0].astype(float) - values[1]
    assert crossed(a, b, 0.05).var == pytest.approx(rows.var(ddof=1) / len(rows), abs=1e-15)


def test_the_order_of_seeds_and_of_images_does_not_matter():
    draw = np.random.default_rng(0)
    a, b = draw.random((2, 5, 40)) < 0.7
    seeds, images = draw.permutation(5), draw.permutation(40)
    assert crossed(a[seeds][:, images], b[seeds][:, images], 0.05) == crossed(a, b, 0.05)


def test_twenty_seeds_on_ten_thousand_images_are_exact():
    a, b = np.random.default_rng(0).random((2, 20, 10_000)) < 0.98
    seed, image, rest = mean_squares(a, b)
    assert crossed(a, b, 0.05).var == pytest.approx(max(seed + image - rest, seed, image) / 200_000, rel=1e-9)


@pytest.mark.parametrize(("a", "b"), [((2, 3), (3, 2)), ((1, 9), (1, 9)), ((3, 1), (3, 1)), ((4,), (4,))])
def test_bitmaps_of_other_shapes_are_refused(a, b):
    with pytest.raises(ValueError, match="same 2 or more seeds and rows"):
        crossed(np.ones(a, bool), np.ones(b, bool), 0.05)


def test_bitmaps_are_bits():
    with pytest.raises(ValueError, match="must be bool, got int64 and bool"):
        crossed(np.ones((2, 2), np.int64), np.ones((2, 2), bool), 0.05)
