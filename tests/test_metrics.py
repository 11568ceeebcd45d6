"""Metrics against scikit-learn and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from hpsearch import metrics
from hpsearch.config import ConfigError
from hpsearch.records import Task
from hpsearch.scoring.evaluate import search_metric
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
    ],
)
def test_the_metric_of_the_search(task, loss, metric, expected, make_config):
    assert search_metric(make_config(loss=loss, search={"metric": metric}), Task(task)).name == expected


@pytest.mark.parametrize(
    ("task", "loss", "metric"),
    [("regression", "mse", "accuracy"), ("multiclass", "mse", "cross_entropy"), ("multiclass", "bce", "cross_entropy")],
)
def test_a_metric_that_does_not_exist_here_is_refused(task, loss, metric, make_config):
    with pytest.raises(ConfigError, match=f"search.metric must be one of auto, .* loss {loss}, got '{metric}'"):
        search_metric(make_config(loss=loss, search={"metric": metric}), Task(task))


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
