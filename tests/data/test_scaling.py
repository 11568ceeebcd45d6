"""Scaling by training rows alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from hpsearch.config import ConfigError
from hpsearch.config.schema import KINDS
from hpsearch.data.dataset import Rows
from hpsearch.data.scaling import fit_scaling, fit_target_scaling
from hpsearch.records import Task
from tests.complete_config import preprocess

RNG = np.random.default_rng(0)
TRAIN = np.arange(0, 60, 2)
FEATURES = (RNG.normal(size=(60, 4)) * [1, 10, 0.1, 1000] + [0, 5, -3, 1e4]).astype(np.float32)
IMAGES = RNG.integers(0, 256, (60, 1, 5, 4), dtype=np.uint8)


def classes(inputs) -> Rows:
    return Rows("fake", Task.BINARY, inputs, np.arange(len(inputs)) % 2, 2, ("a", "b"))


def scaled(rows: Rows, kind: str, train=TRAIN) -> np.ndarray:
    scaling = fit_scaling(rows.inputs, train, preprocess(kind))
    return (rows.inputs.astype(np.float32) - scaling.shift) * scaling.scale


@pytest.mark.parametrize(
    ("kind", "scaler"), [("minmax", MinMaxScaler), ("standard", StandardScaler), ("robust", RobustScaler)]
)
def test_features_are_scaled_as_scikit_learn_scales_them(kind, scaler):
    theirs = scaler().fit(FEATURES[TRAIN].astype(np.float64)).transform(FEATURES)
    np.testing.assert_allclose(scaled(classes(FEATURES), kind), theirs, rtol=1e-4, atol=1e-4)


def test_minmax_divides_image_bytes_by_255_whatever_occurs():
    np.testing.assert_allclose(scaled(classes(IMAGES // 3), "minmax"), (IMAGES // 3) / 255, rtol=1e-6)


def test_standard_gives_all_pixels_one_mean_and_deviation():
    pixels = IMAGES[TRAIN].astype(np.float64)
    expected = (IMAGES - pixels.mean()) / pixels.std()
    np.testing.assert_allclose(scaled(classes(IMAGES), "standard"), expected, rtol=1e-5, atol=1e-5)


def test_minmax_takes_float_images_from_their_common_minimum_and_maximum():
    digits = (IMAGES % 17).astype(np.float32)
    np.testing.assert_allclose(scaled(classes(digits), "minmax"), digits / 16, rtol=1e-6)


def test_none_changes_nothing():
    np.testing.assert_array_equal(scaled(classes(IMAGES), "none"), IMAGES)


@pytest.mark.parametrize("kind", ["minmax", "standard"])
def test_a_constant_feature_becomes_zero(kind):
    inputs = np.concatenate([FEATURES, np.full((60, 1), 0.1, np.float32)], axis=1)
    np.testing.assert_allclose(scaled(classes(inputs), kind)[:, 4], 0, atol=1e-6)


@pytest.mark.parametrize("kind", ["minmax", "standard", "robust"])
def test_rows_that_are_not_trained_on_have_no_influence(kind):
    changed = FEATURES.copy()
    changed[1::2] = np.nan
    ours, theirs = (fit_scaling(inputs, TRAIN, preprocess(kind)) for inputs in (FEATURES, changed))
    np.testing.assert_array_equal(ours.shift, theirs.shift)
    np.testing.assert_array_equal(ours.scale, theirs.scale)


def regression(targets) -> Rows:
    return Rows("fake", Task.REGRESSION, FEATURES, targets, 0)


def test_regression_targets_are_standardized_per_output():
    targets = (RNG.normal(size=(60, 3)) * [1, 50, 0] + [0, 200, 7]).astype(np.float32)
    scaling = fit_target_scaling(regression(targets), TRAIN, preprocess("none"))
    expected = StandardScaler().fit(targets[TRAIN].astype(np.float64)).transform(targets)
    np.testing.assert_allclose(scaling.scaled(targets), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("target", "function"), [("log", np.log), ("log1p", np.log1p)])
def test_logarithms_of_targets_are_standardized_and_restored(target, function):
    targets = np.exp(RNG.normal(5, 2, (60, 2))).astype(np.float32)
    scaling = fit_target_scaling(regression(targets), TRAIN, preprocess(target=target))
    logarithms = function(targets.astype(np.float64))
    expected = StandardScaler().fit(logarithms[TRAIN]).transform(logarithms)
    np.testing.assert_allclose(scaling.scaled(targets), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scaling.restored(scaling.scaled(targets)), targets, rtol=1e-5)


@pytest.mark.parametrize(("target", "lowest"), [("log", 0.0), ("log1p", -0.5)])
def test_targets_without_a_logarithm_are_refused(target, lowest):
    targets = np.linspace(lowest, 9, 60, dtype=np.float32)[:, None]
    with pytest.raises(ConfigError, match=rf"preprocess.target={target} needs targets >=? 0, got {lowest:g}: use"):
        fit_target_scaling(regression(targets), TRAIN, preprocess(target=target))


def test_targets_can_stay_as_they_are():
    targets = RNG.normal(50, 9, (60, 1)).astype(np.float32)
    scaling = fit_target_scaling(regression(targets), TRAIN, preprocess(target="none"))
    np.testing.assert_array_equal(scaling.scaled(targets), targets)


@pytest.mark.parametrize("inputs", [FEATURES, IMAGES])
def test_targets_of_an_autoencoder_are_scaled_as_its_inputs(inputs):
    flat = inputs.reshape(60, -1).astype(np.float32)
    rows = Rows("fake", Task.REGRESSION, inputs, flat, 0, autoencoder=True)
    scaling = fit_target_scaling(rows, TRAIN, preprocess())
    np.testing.assert_array_equal(scaling.scaled(flat), scaled(rows, "standard").reshape(60, -1))


@settings(deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20),
    kind=st.sampled_from(["minmax", "standard"]),
)
def test_scaled_training_rows_are_finite_and_in_range(values, kind):
    inputs = np.array(values, np.float32)[:, None]
    result = scaled(classes(inputs), kind, np.arange(len(inputs)))
    bound = 1 if kind == "minmax" else np.sqrt(len(values))
    assert np.abs(result).max() <= bound + 0.01


def test_rows_in_float64_are_scaled_in_float64():
    times = 1.7e9 + np.arange(60.0)[:, None]
    scaling = fit_scaling(times, TRAIN, preprocess())
    theirs = StandardScaler().fit(times[TRAIN]).transform(times)
    np.testing.assert_allclose((times - scaling.shift) * scaling.scale, theirs, atol=1e-9)


def test_statistics_are_float32_and_broadcast_over_rows():
    for inputs, shape in ((IMAGES, (1, 1, 1)), (FEATURES, (4,))):
        for kind in KINDS["preprocess"]:
            scaling = fit_scaling(inputs, TRAIN, preprocess(kind))
            assert (scaling.shift.shape, scaling.scale.shape) == (shape, shape)
            assert {scaling.shift.dtype, scaling.scale.dtype} == {np.dtype(np.float32)}


def test_rows_of_many_values_are_converted_a_few_at_a_time(monkeypatch):
    images = np.random.default_rng(0).normal(3, 2, (7, 1, 4, 5)).astype(np.float32)
    monkeypatch.setattr("hpsearch.data.scaling._CHUNK_VALUES", 45)  # two rows
    scaling = fit_scaling(images, np.arange(7), preprocess("standard"))
    np.testing.assert_allclose(scaling.shift, images.mean(dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(scaling.scale, 1 / images.std(dtype=np.float64), rtol=1e-6)
