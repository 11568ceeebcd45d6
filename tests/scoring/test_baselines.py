"""Baselines against the same models of scikit-learn, fitted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, QuantileRegressor, RidgeCV
from sklearn.metrics import accuracy_score, f1_score, log_loss, mean_squared_error, r2_score
from sklearn.preprocessing import StandardScaler

from hpsearch.config.search import BaselineKind
from hpsearch.data.dataset import Column, ColumnKind, reconstructed
from hpsearch.data.splits import folds
from hpsearch.metrics import MSE, metric_of
from hpsearch.records import Fit
from hpsearch.scoring.baselines import ALPHAS, chosen_baselines, label_of, predict_baseline, score_baselines
from hpsearch.seeding import fit_seeds


def fits_of(config, rows):
    return [Fit(config, fold, 0, fit_seeds(0, fold.index, 0)) for fold in folds(rows, config.evaluation, seed=0)]


def scored(config, rows):
    return {each.kind: each for each in score_baselines(config, rows, fits_of(config, rows))}


def parts(rows, fold, name):
    index = getattr(fold, name)
    return rows.inputs[index], rows.targets[index]


@pytest.fixture
def table(make_rows):
    return make_rows(300, task="multiclass")


def test_guessing_has_the_log_loss_of_the_shares_of_the_training_rows(make_config, table):
    config = make_config()
    (fit,) = fits_of(config, table)
    shares = np.bincount(table.targets[fit.fold.train], minlength=3) / len(fit.fold.train)
    report = table.targets[fit.fold.report]
    wanted = log_loss(report, np.tile(shares, (len(report), 1)), labels=[0, 1, 2])
    assert scored(config, table)["guess"].report["cross_entropy"] == pytest.approx(wanted)


def test_the_linear_model_of_classes_is_a_logistic_regression_on_scaled_features(make_config, table):
    config = make_config()
    (fit,) = fits_of(config, table)
    inputs, labels = parts(table, fit.fold, "train")
    scaler = StandardScaler().fit(inputs)
    model = LogisticRegression(max_iter=500).fit(scaler.transform(inputs), labels)
    found = scored(config, table)["linear"]
    inputs, labels = parts(table, fit.fold, "report")
    predictions = model.predict(scaler.transform(inputs))
    assert found.report["accuracy"] == pytest.approx(accuracy_score(labels, predictions))
    assert found.report["macro_f1"] == pytest.approx(f1_score(labels, predictions, average="macro"))
    inputs, labels = parts(table, fit.fold, "val")
    assert found.score == pytest.approx(accuracy_score(labels, model.predict(scaler.transform(inputs))))


def test_training_rows_count_by_their_weights_and_scored_rows_alike(make_config, table):
    rows, config = replace(table, weights=np.random.default_rng(0).integers(0, 5, table.n) * 1.0), make_config()
    (fit,) = fits_of(config, rows)
    inputs, labels = parts(rows, fit.fold, "train")
    weights = rows.weights[fit.fold.train]
    scaler = StandardScaler().fit(inputs)
    linear = LogisticRegression(max_iter=500).fit(scaler.transform(inputs), labels, weights / weights.mean())
    report, truth = parts(rows, fit.fold, "report")
    found = scored(config, rows)
    shares = np.tile(np.bincount(labels, weights) / weights.sum(), (len(truth), 1))
    assert found["guess"].report["cross_entropy"] == pytest.approx(log_loss(truth, shares, labels=[0, 1, 2]))
    wanted = log_loss(truth, linear.predict_proba(scaler.transform(report)), labels=[0, 1, 2])
    assert found["linear"].report["cross_entropy"] == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("kind", BaselineKind)
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("metric", ["mse", "mae", "pinball@0.9", "poisson_deviance", "gamma_deviance"])
def test_every_baseline_of_numbers_takes_weights(kind, targets, metric, make_config, make_rows):
    rows = make_rows(60, task="regression", targets=targets)
    rows = replace(rows, targets=np.abs(rows.targets) + 1, weights=np.arange(60.0))
    everything = np.arange(60)
    config = make_config(data="diabetes", loss="mse", search={"metric": metric})
    (plain, weighted) = (
        predict_baseline(config, kind, metric_of(metric), each, everything, (each, everything))[0]
        for each in (replace(rows, weights=None), rows)
    )
    assert weighted.shape == (60, targets)
    assert not np.allclose(plain, weighted)


def test_labels_have_a_classifier_each_also_where_training_rows_lack_one(make_config, make_rows):
    rows = make_rows(200, task="regression", targets=3)
    targets = (rows.targets > rows.targets.mean(axis=0)).astype(np.float32)
    rows = replace(rows, targets=targets, labels=(("no", "yes"),) * 3, target_names=("a", "b", "c"))
    data = {"kind": "csv", "task": "multilabel", "target": ["a", "b", "c"]}
    config = make_config(data=data, loss="bce")
    (fit,) = fits_of(config, rows)
    rows.targets[fit.fold.train, 2] = 0
    inputs, labels = parts(rows, fit.fold, "train")
    scaler = StandardScaler().fit(inputs)
    report, truth = parts(rows, fit.fold, "report")
    models = [LogisticRegression(max_iter=500).fit(scaler.transform(inputs), labels[:, at]) for at in (0, 1)]
    expected = [model.predict(scaler.transform(report)) for model in models]
    found = scored(config, rows)
    assert set(found) == {"guess", "linear", "boosting"}
    for at, name in enumerate(("a", "b")):
        assert found["linear"].report[f"accuracy@{name}"] == pytest.approx(accuracy_score(truth[:, at], expected[at]))
    wrong = np.mean([*(expected[at] != truth[:, at] for at in (0, 1)), truth[:, 2] != 0])
    assert found["linear"].report["hamming_loss"] == pytest.approx(wrong)
    assert found["guess"].label == "guessing"


def test_boosting_sees_the_cells_with_missing_ones_and_categories(make_config, table):
    draw = np.random.default_rng(0)
    inputs = table.inputs.copy()
    inputs[:, 0] = draw.integers(0, 4, len(inputs))
    inputs[draw.random(inputs.shape) < 0.1] = np.nan
    columns = (
        Column("word", ColumnKind.CATEGORY, ("a", "b", "c", "d")),
        *(Column(f"x{i}") for i in range(inputs.shape[1] - 1)),
    )
    rows, config = replace(table, inputs=inputs, columns=columns), make_config()
    (fit,) = fits_of(config, rows)
    categorical = [True, *[False] * (inputs.shape[1] - 1)]
    model = HistGradientBoostingClassifier(categorical_features=categorical, early_stopping=False, random_state=0)
    model.fit(*parts(rows, fit.fold, "train"))
    inputs, labels = parts(rows, fit.fold, "report")
    wanted = log_loss(labels, model.predict_proba(inputs), labels=[0, 1, 2])
    assert scored(config, rows)["boosting"].report["cross_entropy"] == pytest.approx(wanted)


def test_a_column_that_is_missing_in_all_training_rows_is_none_to_trees(make_config, table):
    inputs = table.inputs.copy()
    train, index = np.arange(200), np.arange(200, 300)
    inputs[train, 1] = np.nan
    rows = replace(table, inputs=inputs)
    (found,) = predict_baseline(make_config(), BaselineKind.BOOSTING, MSE, rows, train, (rows, index))
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=0)
    model.fit(np.delete(inputs[train], 1, axis=1), rows.targets[train])
    np.testing.assert_allclose(np.exp(found), model.predict_proba(np.delete(inputs[index], 1, axis=1)), rtol=1e-6)


def test_numbers_are_predicted_in_their_units_and_scored_over_the_folds(make_config, make_rows):
    rows = make_rows(200, task="regression", targets=1)
    config = make_config(loss="mse", evaluation="kfold")
    errors = []
    for fit in fits_of(config, rows):
        inputs, targets = parts(rows, fit.fold, "train")
        scaler = StandardScaler().fit(inputs)
        model = RidgeCV(ALPHAS).fit(scaler.transform(inputs), targets[:, 0])
        inputs, targets = parts(rows, fit.fold, "val")
        errors.append(mean_squared_error(targets, model.predict(scaler.transform(inputs))))
    found = scored(config, rows)["linear"]
    assert found.score == pytest.approx(-np.mean(errors), rel=1e-4)
    assert found.label == "linear regression"


def test_several_targets_have_a_model_each(make_config, make_rows):
    rows = make_rows(200, task="regression", targets=2)
    config = make_config(loss="mse", search={"metric": "r2"})
    (fit,) = fits_of(config, rows)
    inputs, targets = parts(rows, fit.fold, "train")
    models = [
        HistGradientBoostingRegressor(early_stopping=False, random_state=0).fit(inputs, target) for target in targets.T
    ]
    inputs, targets = parts(rows, fit.fold, "report")
    wanted = r2_score(targets, np.stack([model.predict(inputs) for model in models], axis=1))
    assert scored(config, rows)["boosting"].report["r2"] == pytest.approx(wanted)


def test_under_pinball_every_baseline_predicts_the_quantile(make_config, make_rows):
    rows = make_rows(120, task="regression", targets=1)
    metric = metric_of("pinball@0.9", classes=False)
    config = make_config(loss="mse", search={"metric": "pinball@0.9"})
    train, index = np.arange(80), np.arange(80, 120)

    def predicted(kind):
        return predict_baseline(config, kind, metric, rows, train, (rows, index))[0][:, 0]

    targets = rows.targets[train, 0]
    np.testing.assert_allclose(predicted(BaselineKind.GUESS), np.quantile(targets, 0.9), rtol=1e-6)
    scaler = StandardScaler().fit(rows.inputs[train])
    model = QuantileRegressor(quantile=0.9, alpha=0).fit(scaler.transform(rows.inputs[train]), targets)
    by_hand = model.predict(scaler.transform(rows.inputs[index]))
    np.testing.assert_allclose(predicted(BaselineKind.LINEAR), by_hand, rtol=1e-3)
    boosting = HistGradientBoostingRegressor(loss="quantile", quantile=0.9, early_stopping=False, random_state=0)
    by_hand = boosting.fit(rows.inputs[train], targets).predict(rows.inputs[index])
    np.testing.assert_allclose(predicted(BaselineKind.BOOSTING), by_hand, rtol=1e-6)
    assert label_of(BaselineKind.GUESS, metric, classes=False) == "predicting the 0.9 quantile"


def test_a_class_without_training_rows_has_hardly_any_probability(make_config, table):
    train = np.flatnonzero(table.targets < 2)
    (found,) = predict_baseline(
        make_config(), BaselineKind.LINEAR, MSE, table, train, (table, np.flatnonzero(table.targets == 2))
    )
    assert (found[:, 2] < -30).all()
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1)


def test_training_rows_of_one_class_are_guessed(make_config, table):
    train = np.flatnonzero(table.targets == 1)
    (found,) = predict_baseline(make_config(), BaselineKind.BOOSTING, MSE, table, train, (table, np.arange(3)))
    assert (found.argmax(axis=1) == 1).all()


def test_images_are_guessed_and_modelled_linearly_by_default(make_config, make_rows):
    assert chosen_baselines(make_config(), make_rows(images=True), [30]) == ["guess", "linear"]


def test_what_would_take_minutes_is_left_out_by_default_and_trained_on_demand(make_config, table):
    assert chosen_baselines(make_config(), table, [30_000_000]) == ["guess"]
    asked = make_config(evaluation={"baseline": ["boosting"]})
    assert chosen_baselines(asked, table, [30_000_000]) == ["boosting"]


def test_an_autoencoder_stands_beside_nothing(make_config, table):
    assert chosen_baselines(make_config(loss="mse"), reconstructed(table), [30]) == []


def test_a_quantile_regression_of_many_rows_is_left_out_by_default(make_config, make_rows):
    rows = make_rows(60, task="regression", targets=1)
    asked = make_config(loss="mse", search={"metric": "pinball@0.9"})
    assert chosen_baselines(asked, rows, [1_000]) == ["guess", "linear", "boosting"]
    assert chosen_baselines(asked, rows, [100_000]) == ["guess", "boosting"]
