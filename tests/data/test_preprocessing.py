"""Encoding of tables by training rows alone."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import users_transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import KFold
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from hpsearch.config import ConfigError
from hpsearch.config.preprocess import Categories, Dates
from hpsearch.config.schema import KINDS
from hpsearch.data.dataset import Column, ColumnKind, Rows
from hpsearch.data.preprocessing import fit_preprocessing, frame
from hpsearch.records import Task
from tests.complete_config import preprocess

N, DAY = 120, 86400
TRAIN = np.arange(0, N, 2)
WORDS = ("Aue", "Bonn", "Köln", "Ulm")
COLUMNS = (
    Column("size"),
    Column("city", ColumnKind.CATEGORY, WORDS),
    Column("day", ColumnKind.DATE),
    Column("count"),
)


def cells(seed=0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    inputs = np.stack(
        [
            draw.lognormal(size=N),
            draw.choice(4, N, p=[0.4, 0.3, 0.26, 0.04]).astype(float),
            draw.integers(0, 3000, N) * DAY + 0.5 * DAY * draw.integers(0, 2, N),
            draw.poisson(3, N).astype(float),
        ],
        axis=1,
    )
    inputs[draw.random((N, 4)) < 0.1] = np.nan
    return inputs


def table(inputs=None, targets=None) -> Rows:
    inputs = cells() if inputs is None else inputs
    if targets is None:
        return Rows("own", Task.BINARY, inputs, np.arange(N) // 3 % 2, 2, ("no", "yes"), columns=COLUMNS)
    return Rows("own", Task.REGRESSION, inputs, targets, 0, columns=COLUMNS)


def seen(rows: Rows, *how, **keys) -> np.ndarray:
    """What a network sees of the rows."""
    preprocessing, features = fit_preprocessing(rows, TRAIN, preprocess(*how, **keys))
    return (features - preprocessing.scaling.shift) * preprocessing.scaling.scale


def of_one(kind: ColumnKind, values, words=()) -> Rows:
    values = np.resize(np.asarray(values, np.float64), N)[:, None]
    return Rows("own", Task.BINARY, values, np.arange(N) % 2, 2, ("no", "yes"), columns=(Column("x", kind, words),))


EVERY = [
    pytest.param(kind, categories, dates, id=f"{kind}-{categories}-{dates}")
    for kind in sorted(KINDS["preprocess"].keys() - {"custom"})
    for categories in Categories
    for dates in Dates
]


@pytest.mark.parametrize(("kind", "categories", "dates"), EVERY)
def test_a_table_of_all_kinds_becomes_finite_numbers(kind, categories, dates):
    assert np.isfinite(seen(table(), kind, categories=categories, dates=dates)).all()


@pytest.mark.parametrize(("kind", "categories", "dates"), EVERY)
def test_nothing_that_is_fitted_changes_when_other_rows_change(kind, categories, dates):
    changed = cells()
    changed[1::2] = cells(seed=1)[1::2] * [1e3, 1, 2, 50]
    targets = np.arange(N) // 3 % 2
    targets[1::2] = 1 - targets[1::2]
    how = preprocess(kind, categories=categories, dates=dates)
    one, other = (
        fit_preprocessing(Rows("own", Task.BINARY, inputs, labels, 2, ("no", "yes"), columns=COLUMNS), TRAIN, how)
        for inputs, labels in ((cells(), table().targets), (changed, targets))
    )
    np.testing.assert_array_equal(one[1][TRAIN], other[1][TRAIN])
    np.testing.assert_array_equal(one[0].scaling.shift, other[0].scaling.shift)
    np.testing.assert_array_equal(one[0].scaling.scale, other[0].scaling.scale)


def test_features_are_those_of_scikit_learns_column_transformer():
    rows = table()
    numbers, words = frame(COLUMNS, rows.inputs)[["size", "count"]], frame(COLUMNS, rows.inputs)[["city"]]
    imputed = SimpleImputer(strategy="median").fit(numbers.iloc[TRAIN]).transform(numbers)
    scaled = StandardScaler().fit(imputed[TRAIN]).transform(imputed)
    gone = MissingIndicator().fit(numbers.iloc[TRAIN]).transform(numbers)
    onehot = OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist", sparse_output=False)
    expected = np.c_[scaled, gone, onehot.fit(words.iloc[TRAIN]).transform(words)]
    without_dates = Rows(
        "own",
        Task.BINARY,
        rows.inputs[:, [0, 1, 3]],
        rows.targets,
        2,
        ("no", "yes"),
        columns=(*COLUMNS[:2], COLUMNS[3]),
    )
    np.testing.assert_allclose(seen(without_dates), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("missing", "value"), [("median", 2.0), ("mean", 4.0), ("most_frequent", 1.0), ("constant", -7.0)]
)
def test_a_missing_number_becomes_what_the_key_says(missing, value):
    values = np.full(N, np.nan)
    values[TRAIN[:5]], values[1] = [1, 1, 2, 3, 13], 99
    how = preprocess("none", missing=missing, fill_value=-7.0, indicator=False)
    features = fit_preprocessing(of_one(ColumnKind.NUMBER, values), TRAIN, how)[1]
    assert features[[TRAIN[-1], 3, 1], 0].tolist() == [value, value, 99]


def test_missing_numbers_are_refused_if_asked_for():
    with pytest.raises(ConfigError, match=r"preprocess.missing=refuse: \d+ cells of the training rows are"):
        fit_preprocessing(table(), TRAIN, preprocess(missing="refuse"))


def test_a_column_without_missing_training_rows_has_no_indicator():
    values = np.arange(float(N))
    values[1] = np.nan  # no training row
    assert seen(of_one(ColumnKind.NUMBER, values)).shape == (N, 1)


def test_a_column_that_is_missing_in_all_training_rows_is_a_constant():
    values = np.arange(float(N))
    values[TRAIN] = np.nan
    assert np.ptp(seen(of_one(ColumnKind.NUMBER, values))[TRAIN], axis=0).tolist() == [0, 0]


def test_numbers_without_missing_cells_are_scaled_where_they_are():
    rows = of_one(ColumnKind.NUMBER, np.arange(float(N)))
    preprocessing, features = fit_preprocessing(rows, TRAIN, preprocess())
    assert preprocessing.encoder is None
    assert features is rows.inputs


def test_an_encoder_of_numbers_without_missing_cells_changes_nothing_in_them():
    rows = of_one(ColumnKind.NUMBER, np.random.default_rng(0).normal(size=N))
    preprocessing, features = fit_preprocessing(rows, TRAIN, preprocess(), always_encode=True)
    np.testing.assert_allclose(features, rows.inputs, rtol=1e-6)
    assert np.isfinite(preprocessing.encode(np.array([[np.nan]]))).all()


def test_rare_words_and_words_of_no_training_row_share_a_feature():
    codes = np.zeros(N)
    codes[TRAIN[:3]], codes[TRAIN[3:33]], codes[1] = 1, 2, 3
    features = seen(of_one(ColumnKind.CATEGORY, codes, ("common", "rare", "usual", "unseen")))
    assert features.shape == (N, 3)
    np.testing.assert_array_equal(features[1], features[TRAIN[0]])


def test_two_words_are_one_feature():
    features = seen(of_one(ColumnKind.CATEGORY, [0, 0, 1, 1], ("no", "yes")))
    assert features[:4].ravel().tolist() == [0, 0, 1, 1]


def test_a_missing_word_is_a_category_of_its_own():
    features = seen(of_one(ColumnKind.CATEGORY, [0, 0, 1, 1, np.nan, np.nan], ("a", "b")))
    assert features.shape == (N, 3)
    assert features.sum(axis=1).tolist() == [1] * N


def test_the_target_encoding_of_training_rows_is_cross_fitted_as_scikit_learns():
    rows = table()
    words = frame(COLUMNS, rows.inputs)[["city"]]
    onto = fit_preprocessing(
        Rows("own", Task.BINARY, rows.inputs[:, 1:2], rows.targets, 2, ("no", "yes"), columns=COLUMNS[1:2]),
        TRAIN,
        preprocess("none", categories="target"),
    )[1]
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415 - only here

    theirs = ColumnTransformer([("city", TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=0)), ["city"])])
    fitted = theirs.fit_transform(words.iloc[TRAIN], rows.targets[TRAIN])
    np.testing.assert_allclose(onto[TRAIN], fitted, rtol=1e-6)
    np.testing.assert_allclose(onto[1::2], theirs.transform(words.iloc[1::2]), rtol=1e-6)


def test_whole_numbers_to_predict_are_numbers_for_a_target_encoding():
    prices = (np.arange(float(N)) % 7)[:, None]
    features = seen(table(targets=prices), categories="target")
    assert features.shape == seen(table(), categories="target").shape


@pytest.mark.parametrize("n", [2, 4, 9])
def test_few_rows_of_a_class_are_enough_for_a_target_encoding(n):
    labels = np.zeros(N, np.int64)
    labels[TRAIN[0]] = 1
    rows = Rows("own", Task.BINARY, cells(), labels, 2, ("no", "yes"), columns=COLUMNS)
    assert np.isfinite(fit_preprocessing(rows, TRAIN[:n], preprocess(categories="target"))[1]).all()


def test_a_column_of_many_words_is_hashed():
    words = tuple(f"word {number:03}" for number in range(N))
    features = seen(of_one(ColumnKind.CATEGORY, np.arange(N), words), max_categories=10, hash_features=8)
    assert features.shape == (N, 8)
    assert np.abs(features).sum(axis=1).tolist() == [1] * N


def test_dates_become_days_and_parts_of_the_calendar():
    stamps = pd.to_datetime(["1970-01-02 06:00", "2024-02-29 18:30"])
    seconds = stamps.as_unit("s").asi8
    features = fit_preprocessing(of_one(ColumnKind.DATE, seconds), TRAIN, preprocess("none"))[1]
    assert features[0].tolist() == [1.25, 1970, 1, 2, 4, 6]
    other = fit_preprocessing(of_one(ColumnKind.DATE, seconds), TRAIN, preprocess("none"))[1][1]
    assert other.tolist() == pytest.approx([19782 + 18.5 / 24, 2024, 2, 29, 3, 18], rel=1e-6)


def test_cyclic_dates_are_angles():
    features = fit_preprocessing(of_one(ColumnKind.DATE, [DAY / 4]), TRAIN, preprocess("none", dates="cyclic"))[1][0]
    turns = [0.25 / 365, (3 + 0.25) / 7, 0.25]  # 1 January 1970, a Thursday, at six
    expected = [wave(2 * math.pi * turn) for turn in turns for wave in (math.sin, math.cos)]
    assert features.tolist() == pytest.approx([0.25, *expected], abs=1e-6)


def test_features_have_names():
    encoder = fit_preprocessing(table(), TRAIN, preprocess())[0].encoder
    parts = [f"day {part}" for part in ("days", "year", "month", "day", "day of week", "hour")]
    assert encoder.feature_names == (
        *("size", "count", "missingindicator_size", "missingindicator_count"),
        *("city_Aue", "city_Bonn", "city_Köln", "city_infrequent_sklearn"),
        *parts,
    )


def test_log_takes_the_logarithm_of_columns_that_are_positive():
    both = np.stack([np.exp(np.arange(N) / 9), np.arange(N) - 5.0], axis=1)
    rows = Rows("own", Task.BINARY, both, np.arange(N) % 2, 2, ("no", "yes"))
    logged = np.stack([np.arange(N) / 9, np.arange(N) - 5.0], axis=1)
    expected = StandardScaler().fit(logged[TRAIN]).transform(logged)
    np.testing.assert_allclose(seen(rows, "log"), expected, rtol=1e-6, atol=1e-6)


def test_quantiles_follow_the_normal_distribution_whatever_the_distribution_was():
    values = np.random.default_rng(0).lognormal(size=N)
    found = np.sort(seen(of_one(ColumnKind.NUMBER, values), "quantile")[TRAIN, 0])
    ranks = norm.ppf(np.clip(np.linspace(0, 1, len(TRAIN)), 1e-7, 1 - 1e-7))
    np.testing.assert_allclose(found, ranks / ranks.std(), atol=1e-4)


def test_labels_of_training_rows_do_not_shape_their_own_target_encoding():
    """Each word occurs once: an encoding that sees a row's own label would separate the classes."""
    words = tuple(f"word {number:03}" for number in range(N))
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, N)
    rows = Rows("own", Task.BINARY, np.arange(float(N))[:, None], labels, 2, ("no", "yes"),
                columns=(Column("x", ColumnKind.CATEGORY, words),))  # fmt: skip
    encoded = fit_preprocessing(rows, TRAIN, preprocess("none", categories="target"))[1][TRAIN, 0]
    assert np.ptp([encoded[labels[TRAIN] == label].mean() for label in (0, 1)]) < 0.05


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1))
def test_no_word_and_no_missing_cell_of_other_rows_breaks_the_features(seed, share):
    draw = np.random.default_rng(seed)
    inputs = cells(seed)
    inputs[draw.random(inputs.shape) < share] = np.nan
    assert np.isfinite(seen(table(inputs))).all()


def test_words_are_encoded_by_each_of_several_targets_as_by_each_alone():
    targets = np.random.default_rng(0).lognormal(size=(N, 2)) * [1, 1000]
    rows = replace(table(targets=targets), columns=COLUMNS[1:2], inputs=cells()[:, 1:2])
    fitted, features = fit_preprocessing(rows, TRAIN, preprocess("none", categories="target"))
    words = frame(rows.columns, rows.inputs)
    for at, target in enumerate(targets.T):
        encoder = TargetEncoder(target_type="continuous", cv=KFold(5, shuffle=True, random_state=0))
        expected = encoder.fit_transform(words.iloc[TRAIN], target[TRAIN])
        np.testing.assert_allclose(features[TRAIN, at], expected[:, 0], rtol=1e-6)
        np.testing.assert_allclose(fitted.encode(rows.inputs)[:, at], encoder.transform(words)[:, 0], rtol=1e-6)
    assert fitted.encoder.feature_names == ("city by target 0", "city by target 1")


def custom(path, **kwargs):
    return preprocess("custom", import_path=path, kwargs=kwargs)


def test_a_transformer_of_ones_own_is_fitted_to_the_training_rows_of_the_frame_alone():
    rows = table()
    preprocessing, features = fit_preprocessing(rows, TRAIN, custom("users_transformers:size_and_city", power=0.5))
    by_hand = users_transformers.size_and_city(0.5)
    wanted = by_hand.fit(frame(COLUMNS, rows.inputs[TRAIN])).transform(frame(COLUMNS, rows.inputs))
    np.testing.assert_allclose(features, wanted.toarray(), rtol=1e-6)
    assert (preprocessing.scaling.scale == 1).all()
    np.testing.assert_array_equal(preprocessing.encode(rows.inputs[:5]), features[:5])


def test_a_transformer_of_scikit_learn_is_named_by_its_path():
    numbers = Rows("own", Task.BINARY, np.random.default_rng(0).normal(size=(N, 2)), np.arange(N) % 2, 2, ("a", "b"))
    given = custom("sklearn.preprocessing:PolynomialFeatures", degree=2, include_bias=False)
    features = fit_preprocessing(numbers, TRAIN, given)[1]
    a, b = numbers.inputs.T
    np.testing.assert_allclose(features, np.stack([a, b, a**2, a * b, b**2], axis=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("as_it_is", r"must make finite numbers, and 2 of 2 features hold missing or infinite ones: fill"),
        (
            "Broken",
            r"fails in fit_transform of 60 training rows: KeyError: 'age' \(.*users_transformers.py, line \d+\)",
        ),
        ("Flat", r"must make n features of each row, got an array of shape \(60,\)"),
        ("Nothing", r"it has no Nothing"),
        ("Noise", r"must make the same features of a row whenever it is asked, whatever rows stand beside it"),
        ("OfTheBatch", r"must make the same features of a row whenever it is asked, whatever rows stand beside it"),
    ],
)
def test_a_transformer_that_does_not_do_is_refused_with_the_reason(name, message):
    rows = of_one(ColumnKind.NUMBER, np.arange(120.0)) if name in ("Flat", "Noise", "OfTheBatch") else table()
    with pytest.raises(ConfigError, match=message):
        fit_preprocessing(rows, TRAIN, custom(f"users_transformers:{name}"))


def test_a_transformer_of_tables_is_refused_for_images(make_rows):
    with pytest.raises(ConfigError, match="preprocess=custom is for tables, and toy holds images"):
        fit_preprocessing(make_rows(images=True), np.arange(20), custom("users_transformers:size_and_city"))


def test_missing_cells_that_no_training_row_had_are_refused_where_a_transformer_cannot_cope_with_them():
    rows = of_one(ColumnKind.NUMBER, np.arange(120.0))
    preprocessing = fit_preprocessing(rows, TRAIN, custom("users_transformers:Power"))[0]
    with pytest.raises(ConfigError, match=r"must make finite numbers, and 1 of 1 features hold missing"):
        preprocessing.encode(np.array([[1.0], [np.nan]]))
