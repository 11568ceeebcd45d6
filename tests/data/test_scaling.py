"""Scaling by training rows alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from hpsearch.config.data import Normalize
from hpsearch.data.dataset import Rows
from hpsearch.data.scaling import fit_scaling
from hpsearch.records import Task

RNG = np.random.default_rng(0)
TRAIN = np.arange(0, 60, 2)
FEATURES = (RNG.normal(size=(60, 4)) * [1, 10, 0.1, 1000] + [0, 5, -3, 1e4]).astype(np.float32)
IMAGES = RNG.integers(0, 256, (60, 1, 5, 4), dtype=np.uint8)


def classes(inputs) -> Rows:
    return Rows("fake", Task.BINARY, inputs, np.arange(len(inputs)) % 2, 2, ("a", "b"))


def scaled(rows: Rows, normalize: Normalize, train=TRAIN) -> np.ndarray:
    scaling = fit_scaling(rows, train, normalize)
    return (rows.inputs.astype(np.float32) - scaling.shift) * scaling.scale


@pytest.mark.parametrize(
    ("normalize", "scaler"), [(Normalize.UNIT, MinMaxScaler), (Normalize.STANDARD, StandardScaler)]
)
def test_features_are_scaled_as_scikit_learn_scales_them(normalize, scaler):
    theirs = scaler().fit(FEATURES[TRAIN].astype(np.float64)).transform(FEATURES)
    np.testing.assert_allclose(scaled(classes(FEATURES), normalize), theirs, rtol=1e-4, atol=1e-4)


def test_unit_divides_image_bytes_by_255_whatever_occurs():
    np.testing.assert_allclose(scaled(classes(IMAGES // 3), Normalize.UNIT), (IMAGES // 3) / 255, rtol=1e-6)


def test_standard_gives_all_pixels_one_mean_and_deviation():
    pixels = IMAGES[TRAIN].astype(np.float64)
    expected = (IMAGES - pixels.mean()) / pixels.std()
    np.testing.assert_allclose(scaled(classes(IMAGES), Normalize.STANDARD), expected, rtol=1e-5, atol=1e-5)


def test_unit_takes_float_images_from_their_common_minimum_and_maximum():
    digits = (IMAGES % 17).astype(np.float32)
    np.testing.assert_allclose(scaled(classes(digits), Normalize.UNIT), digits / 16, rtol=1e-6)


def test_none_changes_nothing():
    np.testing.assert_array_equal(scaled(classes(IMAGES), Normalize.NONE), IMAGES)


@pytest.mark.parametrize("normalize", [Normalize.UNIT, Normalize.STANDARD])
def test_a_constant_feature_becomes_zero(normalize):
    inputs = np.concatenate([FEATURES, np.full((60, 1), 0.1, np.float32)], axis=1)
    np.testing.assert_allclose(scaled(classes(inputs), normalize)[:, 4], 0, atol=1e-6)


@pytest.mark.parametrize("normalize", [Normalize.UNIT, Normalize.STANDARD])
def test_rows_that_are_not_trained_on_have_no_influence(normalize):
    changed = FEATURES.copy()
    changed[1::2] = np.nan
    ours, theirs = (fit_scaling(classes(inputs), TRAIN, normalize) for inputs in (FEATURES, changed))
    np.testing.assert_array_equal(ours.shift, theirs.shift)
    np.testing.assert_array_equal(ours.scale, theirs.scale)


def test_regression_targets_are_standardized_per_output():
    targets = (RNG.normal(size=(60, 3)) * [1, 50, 0] + [0, 200, 7]).astype(np.float32)
    scaling = fit_scaling(Rows("fake", Task.REGRESSION, FEATURES, targets, 0), TRAIN, Normalize.NONE)
    expected = StandardScaler().fit(targets[TRAIN].astype(np.float64)).transform(targets)
    np.testing.assert_allclose((targets - scaling.target_shift) * scaling.target_scale, expected, rtol=1e-4, atol=1e-5)


def test_class_numbers_are_left_alone():
    scaling = fit_scaling(classes(FEATURES), TRAIN, Normalize.STANDARD)
    assert (scaling.target_shift.tolist(), scaling.target_scale.tolist()) == ([0.0], [1.0])


@pytest.mark.parametrize("inputs", [FEATURES, IMAGES])
def test_targets_of_an_autoencoder_are_scaled_as_its_inputs(inputs):
    flat = inputs.reshape(60, -1).astype(np.float32)
    rows = Rows("fake", Task.REGRESSION, inputs, flat, 0, autoencoder=True)
    scaling = fit_scaling(rows, TRAIN, Normalize.STANDARD)
    targets = (rows.targets - scaling.target_shift) * scaling.target_scale
    np.testing.assert_array_equal(targets, scaled(rows, Normalize.STANDARD).reshape(60, -1))


@settings(deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20),
    normalize=st.sampled_from([Normalize.UNIT, Normalize.STANDARD]),
)
def test_scaled_training_rows_are_finite_and_in_range(values, normalize):
    inputs = np.array(values, np.float32)[:, None]
    result = scaled(classes(inputs), normalize, np.arange(len(inputs)))
    bound = 1 if normalize is Normalize.UNIT else np.sqrt(len(values))
    assert np.abs(result).max() <= bound + 0.01


def test_rows_in_float64_are_scaled_in_float64():
    times = 1.7e9 + np.arange(60.0)[:, None]
    scaling = fit_scaling(classes(times), TRAIN, Normalize.STANDARD)
    theirs = StandardScaler().fit(times[TRAIN]).transform(times)
    np.testing.assert_allclose((times - scaling.shift) * scaling.scale, theirs, atol=1e-9)


def test_statistics_are_float32_and_broadcast_over_rows():
    for rows, shape in ((classes(IMAGES), (1, 1, 1)), (classes(FEATURES), (4,))):
        for normalize in Normalize:
            scaling = fit_scaling(rows, TRAIN, normalize)
            assert (scaling.shift.shape, scaling.scale.shape) == (shape, shape)
            assert {scaling.shift.dtype, scaling.scale.dtype} == {np.dtype(np.float32)}
