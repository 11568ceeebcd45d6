"""Metrics against scikit-learn and scipy."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from hpsearch import metrics
from hpsearch.config import ConfigError
from hpsearch.scoring.evaluate import available, search_metric
from hpsearch.statistics.intervals import resampled_error, standard_error


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), classes=st.integers(2, 6))
def test_macro_f1_equals_scikit_learn_whichever_classes_there_are(seed, n, classes):
    draw = np.random.default_rng(seed)
    labels, predicted = draw.integers(0, classes, n), draw.integers(0, classes, (3, n))
    expected = [sklearn_metrics.f1_score(labels, p, average="macro", zero_division=0) for p in predicted]
    np.testing.assert_allclose(
        metrics.macro_f1([metrics.class_counts(np.eye(classes)[predicted], labels)]), expected, atol=1e-12
    )


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 40), targets=st.integers(1, 3))
def test_r2_equals_scikit_learn(seed, n, targets):
    draw = np.random.default_rng(seed)
    truth, predictions = draw.normal(size=(n, targets)), draw.normal(size=(2, n, targets))
    expected = [sklearn_metrics.r2_score(truth, p) for p in predictions]
    np.testing.assert_allclose(metrics.r2([metrics.target_moments(predictions, truth)]), expected, rtol=1e-9)


def test_parts_together_equal_scikit_learn_on_all_their_rows():
    draw = np.random.default_rng(0)
    truth = np.column_stack([1e4 + np.sort(draw.normal(size=30)), np.repeat([0.0, 1.0, 1.0], 10)])
    labels, predicted = np.repeat([0, 1, 3], 10), draw.integers(0, 4, (2, 30))  # parts lack classes and spread
    predictions = truth + draw.normal(size=(2, 30, 2))
    parts = [slice(0, 10), slice(10, 13), slice(13, 30)]
    counts = [metrics.class_counts(np.eye(5)[predicted[:, part]], labels[part]) for part in parts]
    moments = [metrics.target_moments(predictions[:, part], truth[part]) for part in parts]
    f1 = [sklearn_metrics.f1_score(labels, p, average="macro") for p in predicted]
    np.testing.assert_allclose(metrics.macro_f1(counts), f1, rtol=1e-12)
    r2 = [sklearn_metrics.r2_score(truth, p) for p in predictions]
    np.testing.assert_allclose(metrics.r2(moments), r2, rtol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_r2_of_a_constant_target_equals_scikit_learn(offset):
    truth = np.full((4, 1), 2.0)
    assert metrics.r2([metrics.target_moments(truth[None] + offset, truth)])[0] == sklearn_metrics.r2_score(
        truth, truth + offset
    )


def test_cross_entropy_equals_scikit_learn():
    draw = np.random.default_rng(0)
    logits, labels = 3 * draw.normal(size=(2, 50, 4)), draw.integers(0, 4, 50)
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = [sklearn_metrics.log_loss(labels, q, labels=range(4)) for q in p]
    np.testing.assert_allclose(metrics.cross_entropy_rows(logits, labels).mean(axis=1), expected, rtol=1e-9)


def test_cross_entropy_of_a_single_logit_equals_scikit_learn():
    draw = np.random.default_rng(0)
    logits, labels = 3 * draw.normal(size=(1, 50, 1)), draw.integers(0, 2, 50)
    expected = sklearn_metrics.log_loss(labels, 1 / (1 + np.exp(-logits[0, :, 0])))
    assert metrics.cross_entropy_rows(logits, labels).mean() == pytest.approx(expected)


def test_cross_entropy_of_huge_logits_is_finite():
    rows = metrics.cross_entropy_rows(np.array([[[1e4, -1e4]]]), np.array([1]))
    assert rows.tolist() == [[2e4]]


def test_standard_error_of_hits_is_the_binomial_one():
    hits = np.array([1.0] * 30 + [0.0] * 10)
    assert standard_error(hits) == pytest.approx((0.75 * 0.25 / 39) ** 0.5)
    assert standard_error(hits[:1]) is None


def test_resampled_error_of_a_worked_example():
    """Scores 0.8, 0.9, 1.0: s = 0.1; five-fold ratio 1/4: 0.1 sqrt(1/3 + 1/4)."""
    assert resampled_error(np.array([0.8, 0.9, 1.0]), 0.25) == pytest.approx(0.1 * (7 / 12) ** 0.5)


@pytest.mark.parametrize(
    ("task", "loss", "metric", "expected"),
    [
        ("multiclass", "cross_entropy", "auto", "accuracy"),
        ("regression", "mse", "auto", "mse"),
        ("multiclass", "cross_entropy", "cross_entropy", "cross_entropy"),
        ("binary", "bce", "cross_entropy", "cross_entropy"),
        ("multiclass", "mse", "macro_f1", "macro_f1"),
        ("regression", "mae", "r2", "r2"),
        ("multiclass", "mse", "accuracy@2", "accuracy@2"),
        ("multiclass", "mse", "recall@class 2", "recall@class 2"),
        ("regression", "mse", "pinball@0.9", "pinball@0.9"),
        ("regression", "mse", "gamma_deviance", "gamma_deviance"),
    ],
)
def test_the_metric_of_the_search(task, loss, metric, expected, make_config, make_rows):
    assert search_metric(make_config(loss=loss, search={"metric": metric}), make_rows(task=task)).name == expected


@pytest.mark.parametrize(
    ("task", "loss", "metric"),
    [
        ("regression", "mse", "accuracy"),
        ("multiclass", "mse", "cross_entropy"),
        ("multiclass", "bce", "cross_entropy"),
        ("multiclass", "cross_entropy", "recall"),
        ("binary", "mse", "brier"),
        ("regression", "mse", "recall@3"),
        ("binary", "mse", "pinball@0.9"),
    ],
)
def test_a_metric_that_does_not_exist_here_is_refused(task, loss, metric, make_config, make_rows):
    with pytest.raises(ConfigError, match=f"search.metric must be one of auto, .* loss {loss}, got '{metric}'"):
        search_metric(make_config(loss=loss, search={"metric": metric}), make_rows(task=task))


@pytest.mark.parametrize("metric", ["mcc", "f1@class 1"])
def test_a_metric_is_computed_where_it_is_asked_for(metric, make_config, make_rows):
    names = {each.name for each in available(make_config(search={"metric": metric}), make_rows())}
    assert names == {"accuracy", "cross_entropy", "macro_f1", metric}


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (
            "accuracy@1",
            "must give a K of 2 or more, as accuracy@3 does, got 'accuracy@1': did you mean accuracy or subset_acc.*",
        ),
        ("accuracy@fraud", "must give a K of 2 or more, as accuracy@3 does, got 'accuracy@fraud'"),
        ("pinball@1", "must give a quantile between 0 and 1, as pinball@0.9 does, got 'pinball@1'"),
        ("pinball@high", "must give a quantile between 0 and 1, as pinball@0.9 does, got 'pinball@high'"),
        ("loss", "must be one of auto, accuracy, .*, accuracy@K, .*, got 'loss'"),
        ("recall@", "must be one of auto, accuracy, .*, accuracy@K, .*, got 'recall@'"),
        ("mcc@3", "must be one of auto, accuracy, .*, accuracy@K, .*, got 'mcc@3'"),
        ("f1_macro", ".*, got 'f1_macro': did you mean macro_f1?"),
        ("micro_f1", ".*, got 'micro_f1': did you mean accuracy?"),
        ("neg_log_loss", ".*, got 'neg_log_loss': did you mean cross_entropy?"),
        ("top_5_accuracy", ".*, got 'top_5_accuracy': did you mean accuracy@5?"),
    ],
)
def test_a_word_that_is_no_metric_is_refused_with_the_rule_or_what_is_meant(given, rule, make_config):
    with pytest.raises(ConfigError, match=f"^search.metric {rule.replace('?', '[?]')}"):
        make_config(search={"metric": given})


@pytest.mark.parametrize(
    ("metric", "refusal"),
    [
        (
            "recall@class9",
            "search.metric=recall@class9 must name a class of data=digits, one of class 0, class 1, class 2",
        ),
        ("accuracy@3", "search.metric=accuracy@3 is 1 by definition: data=digits has 3 classes"),
    ],
)
def test_a_parameter_that_does_not_fit_the_classes_is_refused(metric, refusal, make_config, make_rows):
    with pytest.raises(ConfigError, match=refusal):
        search_metric(make_config(search={"metric": metric}), make_rows())


@pytest.mark.parametrize(("metric", "least"), [("poisson_deviance", ">= 0"), ("gamma_deviance", "> 0")])
def test_a_deviance_of_targets_that_it_is_not_defined_for_is_refused(metric, least, make_config, make_rows):
    rows = make_rows(task="regression")
    lowest = replace(rows, targets=rows.targets - rows.targets.min() - (1 if least == ">= 0" else 0))
    with pytest.raises(ConfigError, match=f"search.metric={metric} is defined for targets {least}, and the lowest"):
        search_metric(make_config(loss="mse", search={"metric": metric}), lowest)


@pytest.mark.parametrize(
    ("metric", "expected"), [("mse", -2.0), ("cross_entropy", -2.0), ("accuracy", 2.0), ("r2", 2.0)]
)
def test_scores_are_higher_when_better(metric, expected):
    assert metrics.METRICS[metric].score(2.0) == expected


@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [4, 4, 1, 0, 2, 4], [3, 3, 3], [1, 2, 2]])
def test_r2_of_repeated_rows_is_scikit_learns(rows):
    draw = np.random.default_rng(0)
    targets = np.column_stack([1e4 + draw.normal(size=5), [0.0, 7.0, 7.0, 7.0, 7.0]])
    predictions = targets + draw.normal(size=(5, 2))
    expected = sklearn_metrics.r2_score(targets[rows], predictions[rows])
    assert metrics.r2_of_rows(predictions, targets)(np.array(rows)) == pytest.approx(expected, rel=1e-6)


def outputs_and_labels(seed, n, classes, epochs=2):
    """Logits, of two classes with ties, and labels of which each class has rows, and not all of them."""
    draw = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), draw.integers(0, classes, n - classes)])
    return draw.normal(0, 2, (epochs, n, classes)).round(1 if classes == 2 else 9), labels


def pooled(metric, outputs, targets, parts=1):
    cuts = np.array_split(np.arange(len(targets)), parts)
    return metric.pooling.value([metric.pooling.statistics(outputs[:, cut], targets[cut]) for cut in cuts])


OF_CLASSES = {
    metrics.BALANCED_ACCURACY: sklearn_metrics.balanced_accuracy_score,
    metrics.WEIGHTED_F1: lambda y, p: sklearn_metrics.f1_score(y, p, average="weighted", zero_division=0),
    metrics.MCC: sklearn_metrics.matthews_corrcoef,
    metrics.KAPPA: sklearn_metrics.cohen_kappa_score,
    metrics.MACRO_PRECISION: lambda y, p: sklearn_metrics.precision_score(y, p, average="macro", zero_division=0),
    metrics.MACRO_RECALL: lambda y, p: sklearn_metrics.recall_score(y, p, average="macro", zero_division=0),
}
OF_TWO = {
    metrics.F1: lambda y, p: sklearn_metrics.f1_score(y, p, zero_division=0),
    metrics.PRECISION: lambda y, p: sklearn_metrics.precision_score(y, p, zero_division=0),
    metrics.RECALL: lambda y, p: sklearn_metrics.recall_score(y, p, zero_division=0),
}


@pytest.mark.parametrize("metric", [*OF_CLASSES, *OF_TWO], ids=str)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(6, 60), classes=st.integers(2, 5), parts=st.integers(1, 4))
def test_metrics_of_predicted_classes_equal_scikit_learn(metric, seed, n, classes, parts):
    outputs, labels = outputs_and_labels(seed, n, 2 if metric in OF_TWO else classes)
    expected = {**OF_CLASSES, **OF_TWO}[metric]
    values = [expected(labels, each.argmax(axis=-1)) for each in outputs]
    np.testing.assert_allclose(pooled(metric, outputs, labels, parts), values, atol=1e-12)


@pytest.mark.parametrize("metric", OF_TWO, ids=str)
def test_without_a_row_that_counts_a_metric_of_two_classes_is_0(metric):
    nothing = np.array([[[1.0, 0.0], [1.0, 0.0]]])
    assert pooled(metric, nothing, np.array([0, 0])) == [0.0]


def test_of_predictions_that_are_constant_nothing_is_correlated():
    constant = np.tile([1.0, 0.0], (1, 4, 1))
    assert pooled(metrics.MCC, constant, np.array([0, 0, 1, 1])) == [0.0]
    assert pooled(metrics.KAPPA, constant, np.array([0, 0, 0, 0])) == [0.0]


def shares(outputs):
    return np.exp(outputs) / np.exp(outputs).sum(axis=-1, keepdims=True)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(6, 60), classes=st.integers(2, 5), parts=st.integers(1, 4))
def test_areas_equal_scikit_learn_and_are_means_over_classes(seed, n, classes, parts):
    outputs, labels = outputs_and_labels(seed, n, classes)
    by_class = outputs[..., 1] - outputs[..., 0] if classes == 2 else shares(outputs)
    truth = labels if classes == 2 else np.eye(classes)[labels]
    auc = [sklearn_metrics.roc_auc_score(truth, each, average="macro") for each in by_class]
    precision = [sklearn_metrics.average_precision_score(truth, each, average="macro") for each in by_class]
    np.testing.assert_allclose(pooled(metrics.ROC_AUC, outputs, labels, parts), auc, rtol=1e-9)
    np.testing.assert_allclose(pooled(metrics.AVERAGE_PRECISION, outputs, labels, parts), precision, rtol=1e-9)


def test_one_output_orders_rows_as_two_do():
    outputs, labels = outputs_and_labels(0, 40, 2)
    single = outputs[..., 1:] - outputs[..., :1]
    for metric in (metrics.ROC_AUC, metrics.AVERAGE_PRECISION, metrics.ECE):
        np.testing.assert_allclose(pooled(metric, single, labels), pooled(metric, outputs, labels))
    np.testing.assert_allclose(metrics.BRIER.rows(single, labels), metrics.BRIER.rows(outputs, labels))


@pytest.mark.parametrize("metric", [metrics.ROC_AUC, metrics.AVERAGE_PRECISION], ids=str)
def test_areas_of_a_class_without_rows_are_not_defined(metric):
    outputs, _ = outputs_and_labels(0, 6, 3)
    assert np.isnan(pooled(metric, outputs, np.array([0, 1, 0, 1, 0, 1]))).all()


@pytest.mark.parametrize("classes", [2, 4])
def test_brier_equals_scikit_learn(classes):
    outputs, labels = outputs_and_labels(0, 50, classes)
    p = shares(outputs)
    expected = [
        sklearn_metrics.brier_score_loss(labels, each[:, 1] if classes == 2 else each, labels=range(classes))
        for each in p
    ]
    np.testing.assert_allclose(metrics.BRIER.rows(outputs, labels).mean(axis=1), expected)


def test_the_calibration_error_is_the_mean_gap_of_bins_weighted_by_their_rows():
    confidence, right = np.array([0.9, 0.95, 0.55, 0.6]), np.array([True, False, True, True])
    logits = np.stack([np.log(confidence), np.log(1 - confidence)], axis=-1)[None]
    gaps = [abs(1 - 0.9), abs(0 - 0.95), abs(1 - 0.55), abs(1 - 0.6)]  # bins end at 0.9333, 0.6 and 0.5333
    labels = np.where(right, 0, 1)
    assert pooled(metrics.ECE, logits, labels) == pytest.approx(sum(gaps) / 4)
    together = np.array([0.91, 0.92])
    logits = np.stack([np.log(together), np.log(1 - together)], axis=-1)[None]
    assert pooled(metrics.ECE, logits, np.array([0, 1])) == pytest.approx(abs(1 - 0.91 - 0.92) / 2)


def test_root_mean_squares_and_shares_of_targets_equal_scikit_learn():
    draw = np.random.default_rng(0)
    truth, predictions = draw.normal(size=(30, 1)), draw.normal(size=(2, 30, 1))
    expected = [sklearn_metrics.root_mean_squared_error(truth, each) for each in predictions]
    np.testing.assert_allclose(pooled(metrics.RMSE, predictions, truth, 3), expected)
    shares_of = [sklearn_metrics.mean_absolute_percentage_error(truth, each) for each in predictions]
    np.testing.assert_allclose(metrics.MAPE.rows(predictions, truth).mean(axis=1), shares_of)


OF_NUMBERS = {
    metrics.MSE: sklearn_metrics.mean_squared_error,
    metrics.MAE: sklearn_metrics.mean_absolute_error,
    metrics.RMSE: sklearn_metrics.root_mean_squared_error,
    metrics.MAPE: sklearn_metrics.mean_absolute_percentage_error,
    metrics.R2: sklearn_metrics.r2_score,
    metrics.metric_of("pinball@0.9"): lambda y, p, **how: sklearn_metrics.mean_pinball_loss(y, p, alpha=0.9, **how),
}


def value_of(metric, predictions, truth, parts=1):
    return metric.rows(predictions, truth).mean(axis=1) if metric.rows else pooled(metric, predictions, truth, parts)


@pytest.mark.parametrize("metric", OF_NUMBERS, ids=str)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(8, 40), targets=st.integers(1, 4), parts=st.integers(1, 4))
def test_metrics_of_several_targets_are_scikit_learns_uniform_averages(metric, seed, n, targets, parts):
    draw = np.random.default_rng(seed)
    units = 10.0 ** draw.integers(-2, 5, targets)
    truth = units * draw.normal(1, 1, (n, targets))
    predictions = truth + units * draw.normal(size=(2, n, targets))
    expected = [OF_NUMBERS[metric](truth, each, multioutput="uniform_average") for each in predictions]
    np.testing.assert_allclose(value_of(metric, predictions, truth, parts), expected, rtol=1e-9)
    if metric.pooling is not None:
        index = draw.integers(0, n, n)
        again = OF_NUMBERS[metric](truth[index], predictions[0][index], multioutput="uniform_average")
        assert metric.pooling.of_rows(predictions[0], truth)(index) == pytest.approx(again, rel=1e-6)


@pytest.mark.parametrize("metric", OF_NUMBERS, ids=str)
def test_a_metric_of_one_of_several_targets_is_scikit_learns_raw_value(metric):
    draw = np.random.default_rng(0)
    truth, predictions = draw.normal(2, 1, (30, 3)), draw.normal(2, 1, (2, 30, 3))
    of_rent = metrics.of_target(metric, 1, "rent")
    assert of_rent.name == f"{metric.name}@rent"
    expected = [OF_NUMBERS[metric](truth, each, multioutput="raw_values")[1] for each in predictions]
    np.testing.assert_allclose(value_of(of_rent, predictions, truth), expected)


OF_LABELS = {
    metrics.HAMMING_LOSS: lambda y, p: sklearn_metrics.hamming_loss(y, p > 0.5),
    metrics.LABEL_ACCURACY: lambda y, p: 1 - sklearn_metrics.hamming_loss(y, p > 0.5),
    metrics.SUBSET_ACCURACY: lambda y, p: sklearn_metrics.accuracy_score(y, p > 0.5),
    metrics.LABEL_MACRO_F1: lambda y, p: sklearn_metrics.f1_score(y, p > 0.5, average="macro", zero_division=0),
    metrics.LABEL_MICRO_F1: lambda y, p: sklearn_metrics.f1_score(y, p > 0.5, average="micro", zero_division=0),
    metrics.LABEL_ROC_AUC: lambda y, p: sklearn_metrics.roc_auc_score(y, p, average="macro"),
    metrics.LABEL_AVERAGE_PRECISION: lambda y, p: sklearn_metrics.average_precision_score(y, p, average="macro"),
}


def probabilities_and_labels(seed, n, labels):
    """Probabilities with ties, and labels that some rows have and some have not."""
    draw = np.random.default_rng(seed)
    targets = draw.integers(0, 2, (n, labels)).astype(np.float32)
    targets[:2] = np.eye(2)[:, [at % 2 for at in range(labels)]]
    return draw.random((2, n, labels)).round(2), targets


@settings(deadline=None)
@pytest.mark.parametrize("metric", OF_LABELS, ids=lambda metric: f"label {metric}")
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(8, 50), labels=st.integers(2, 5), parts=st.integers(1, 4))
def test_metrics_of_labels_equal_scikit_learn(metric, seed, n, labels, parts):
    shares, targets = probabilities_and_labels(seed, n, labels)
    expected = [OF_LABELS[metric](targets, each) for each in shares]
    np.testing.assert_allclose(value_of(metric, shares, targets, parts), expected, atol=1e-12)
    if metric.pooling is not None:
        index = np.append(np.random.default_rng(seed).integers(0, n, n), [0, 1])
        again = OF_LABELS[metric](targets[index], shares[0][index])
        assert metric.pooling.of_rows(shares[0], targets)(index) == pytest.approx(again, abs=1e-12)


def test_a_label_that_never_holds_nor_is_predicted_has_an_f1_of_0():
    shares, targets = np.full((1, 4, 2), 0.1), np.zeros((4, 2))
    shares[..., 0], targets[:, 0] = 0.9, 1
    assert pooled(metrics.LABEL_MACRO_F1, shares, targets).tolist() == [0.5]
    assert np.isnan(pooled(metrics.LABEL_ROC_AUC, shares, targets)).all()


@pytest.mark.parametrize("metric", ["r2", "mse", "accuracy", "macro_f1"])
def test_a_metric_that_is_not_for_labels_is_refused(metric, make_config, make_rows):
    config = make_config(
        data={"kind": "csv", "task": "multilabel", "target": ["a", "b"]}, loss="bce", search={"metric": metric}
    )
    with pytest.raises(ConfigError, match=r"must be one of auto, hamming_loss, .* for the multilabel task of data=csv"):
        search_metric(config, make_rows(task="regression"))


def test_labels_are_scored_by_the_hamming_loss_unless_another_metric_is_given(make_config, make_rows):
    config = make_config(data={"kind": "csv", "task": "multilabel", "target": ["a", "b"]}, loss="bce")
    assert search_metric(config, make_rows(task="regression")) == metrics.HAMMING_LOSS


OF_ONE = {
    "precision": sklearn_metrics.precision_score,
    "recall": sklearn_metrics.recall_score,
    "f1": sklearn_metrics.f1_score,
}


@pytest.mark.parametrize("base", OF_ONE)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(6, 60), classes=st.integers(2, 5), parts=st.integers(1, 4))
def test_metrics_at_a_class_equal_scikit_learn(base, seed, n, classes, parts):
    outputs, labels = outputs_and_labels(seed, n, classes)
    names = ["a", ">50K", "c@1", "d/e", "f"][:classes]
    for at, name in enumerate(names):
        metric = metrics.metric_of(f"{base}@{name}", class_names=names)
        values = [
            OF_ONE[base](labels, each.argmax(axis=-1), labels=[at], average="macro", zero_division=0)
            for each in outputs
        ]
        np.testing.assert_allclose(pooled(metric, outputs, labels, parts), values, atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(6, 60), classes=st.integers(3, 6), k=st.integers(2, 4))
def test_the_accuracy_among_the_k_most_probable_classes_equals_scikit_learn(seed, n, classes, k):
    outputs, labels = outputs_and_labels(seed, n, classes)
    metric = metrics.metric_of(f"accuracy@{min(k, classes - 1)}")
    expected = [sklearn_metrics.top_k_accuracy_score(labels, each, k=min(k, classes - 1)) for each in outputs]
    np.testing.assert_allclose(metric.rows(outputs, labels).mean(axis=1), expected)


def test_of_equal_outputs_the_first_classes_are_the_most_probable():
    rows = metrics.metric_of("accuracy@2").rows(np.zeros((1, 3, 3)), np.arange(3))
    assert rows.tolist() == [[1.0, 1.0, 0.0]]


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_pinball_loss_equals_scikit_learn(quantile):
    draw = np.random.default_rng(0)
    truth, predictions = draw.normal(size=(30, 2)), draw.normal(size=(2, 30, 2))
    metric = metrics.metric_of(f"pinball@{quantile}")
    expected = [sklearn_metrics.mean_pinball_loss(truth, each, alpha=quantile) for each in predictions]
    np.testing.assert_allclose(metric.rows(predictions, truth).mean(axis=1), expected)


def test_deviances_equal_scikit_learn():
    draw = np.random.default_rng(0)
    counts, predictions = draw.poisson(1.0, (40, 1)).astype(float), draw.gamma(2.0, size=(2, 40, 1))
    assert counts.min() == 0
    expected = [sklearn_metrics.mean_poisson_deviance(counts, each) for each in predictions]
    np.testing.assert_allclose(metrics.POISSON_DEVIANCE.rows(predictions, counts).mean(axis=1), expected)
    sizes = draw.gamma(2.0, size=(40, 1))
    expected = [sklearn_metrics.mean_gamma_deviance(sizes, each) for each in predictions]
    np.testing.assert_allclose(metrics.GAMMA_DEVIANCE.rows(predictions, sizes).mean(axis=1), expected)


def test_a_deviance_of_predictions_below_0_is_finite_and_counts_them_as_the_smallest():
    none = metrics.POISSON_DEVIANCE.rows(np.array([[[-1.0], [0.0]]]), np.array([[2.0], [0.0]]))
    np.testing.assert_allclose(none, [[2 * (2 * np.log(2 / 2.0**-52) - 2), 0.0]], atol=1e-12)


@pytest.mark.parametrize("metric", [one for one in metrics.SEARCHED if one.pooling is not None], ids=str)
def test_a_pooled_metric_of_chosen_rows_is_that_of_these_rows_alone(metric):
    index = np.array([0, 1, 2, 2, 5, 9, 9, 11, 3])
    outputs, targets = outputs_and_labels(3, 12, 2)
    if not metric.of_classes:
        targets = np.random.default_rng(1).normal(size=(12, 2))
    of_rows = metric.pooling.of_rows(outputs[0], targets)
    assert of_rows(index) == pytest.approx(pooled(metric, outputs[:1, index], targets[index])[0])
