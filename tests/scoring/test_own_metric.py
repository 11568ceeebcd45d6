"""The user's own metrics: functions and scorers against scikit-learn, and what is told of those that fail."""

import numpy as np
import own_metrics
import pytest
from sklearn import metrics as sklearn_metrics

from hpsearch.config import ConfigError
from hpsearch.engine.device_data import to_device
from hpsearch.engine.reference import train
from hpsearch.metrics import probabilities
from hpsearch.scoring.evaluate import search_metric
from hpsearch.scoring.own_metric import metric_of, try_own_metric
from hpsearch.scoring.trial_score import score_trial


@pytest.fixture
def search_of(make_config):
    """The search by a metric of `own_metrics`, or of another module with a colon, higher values being better."""

    def make(name, **keys):
        path = name if ":" in name else f"own_metrics:{name}"
        return make_config(search={"metric": path, "direction": "maximize", **keys}).search

    return make


def value(search, outputs, targets, *, classes=True, parts=1):
    metric = metric_of(search, classes=classes)
    cuts = np.array_split(np.arange(len(targets)), parts)
    return metric.pooling.value([metric.pooling.statistics(outputs[:, cut], targets[cut]) for cut in cuts])


def outputs_and_labels(classes, n=30):
    draw = np.random.default_rng(classes)
    return draw.normal(size=(2, n, classes)), np.concatenate(
        [np.arange(classes), draw.integers(0, classes, n - classes)]
    )


@pytest.mark.parametrize("parts", [1, 3])
def test_a_function_gets_labels_and_predicted_labels_of_all_parts_together(search_of, parts):
    outputs, labels = outputs_and_labels(3)
    search = search_of("sklearn.metrics:fbeta_score", metric_options={"beta": 2, "average": "macro"})
    expected = [sklearn_metrics.fbeta_score(labels, each.argmax(-1), beta=2, average="macro") for each in outputs]
    np.testing.assert_allclose(value(search, outputs, labels, parts=parts), expected)


@pytest.mark.parametrize("classes", [2, 3])
def test_predict_proba_gives_probabilities_as_scikit_learn_passes_them(search_of, classes):
    outputs, labels = outputs_and_labels(classes)
    expected = [-sklearn_metrics.log_loss(labels, probabilities(each)) for each in outputs]
    np.testing.assert_allclose(value(search_of("shares", response_method="predict_proba"), outputs, labels), expected)
    np.testing.assert_allclose(value(search_of("LOG_LOSS", response_method="predict_proba"), outputs, labels), expected)


def test_a_function_of_labels_gets_those_that_hold_or_their_probabilities(search_of):
    draw = np.random.default_rng(0)
    shares, targets = draw.random((2, 30, 3)), draw.integers(0, 2, (30, 3)).astype(np.float32)

    def found(name, **keys):
        metric = metric_of(search_of(name, **keys), classes=False, labels=True)
        return metric.pooling.value([metric.pooling.statistics(shares, targets)])

    micro = {"metric_options": {"average": "micro"}}
    expected = [sklearn_metrics.f1_score(targets, each > 0.5, average="micro") for each in shares]
    np.testing.assert_allclose(found("sklearn.metrics:f1_score", **micro), expected)
    expected = [sklearn_metrics.roc_auc_score(targets, each) for each in shares]
    np.testing.assert_allclose(found("sklearn.metrics:roc_auc_score", response_method="predict_proba"), expected)


def test_a_scorer_takes_no_labels(search_of):
    metric = metric_of(search_of("LOG_LOSS", response_method="predict_proba"), classes=False, labels=True)
    with pytest.raises(ConfigError, match=r"must name a function of y_true and y_pred with data.task=multilabel"):
        metric.pooling.value([metric.pooling.statistics(np.ones((1, 4, 2)), np.ones((4, 2)))])


def test_of_a_single_output_the_sigmoid_is_the_probability_of_the_second_class(search_of):
    outputs, labels = outputs_and_labels(2)
    single = outputs[..., 1:] - outputs[..., :1]
    search = search_of("shares", response_method="predict_proba")
    np.testing.assert_allclose(value(search, single, labels), value(search, outputs, labels))


def test_numbers_are_passed_without_a_dimension_of_one_target(search_of):
    outputs, targets = np.array([[[1.0], [2.0], [5.0]]]), np.array([[1.5], [2.0], [3.0]])
    assert value(search_of("largest_error", direction="minimize"), outputs, targets, classes=False) == [2.0]
    assert value(search_of("ERROR"), outputs, targets, classes=False) == pytest.approx(-2.5 / 3)


def test_several_targets_stay_columns(search_of):
    draw = np.random.default_rng(0)
    outputs, targets = draw.normal(size=(1, 9, 2)), draw.normal(size=(9, 2))
    expected = sklearn_metrics.mean_absolute_error(targets, outputs[0])
    search = search_of("sklearn.metrics:mean_absolute_error")
    np.testing.assert_allclose(value(search, outputs, targets, classes=False, parts=2), [expected])


def test_a_scorer_is_what_scikit_learn_makes_of_it(search_of):
    outputs, labels = outputs_and_labels(3)
    expected = [sklearn_metrics.fbeta_score(labels, each.argmax(-1), beta=2, average="macro") for each in outputs]
    np.testing.assert_allclose(value(search_of("FBETA"), outputs, labels), expected)


def test_options_reach_the_function(search_of):
    outputs = np.eye(2)[[[1, 0, 1, 0]]]
    assert value(search_of("cost", metric_options={"miss": 3}), outputs, np.array([0, 0, 0, 1])) == [(3 + 3 + 1) / 4]


@pytest.mark.parametrize(("direction", "score"), [("maximize", 2.0), ("minimize", -2.0)])
def test_the_direction_says_what_a_score_is(search_of, direction, score):
    metric = metric_of(search_of("cost", direction=direction))
    assert metric.score(2.0) == score
    assert metric.fold_key == "pooled/own_metrics:cost"


@pytest.mark.parametrize(
    ("name", "keys", "told"),
    [
        (
            "broken",
            {},
            "search.metric own_metrics:broken .* fails in being called with y_true .* and y_pred .*: Attrib",
        ),
        ("words", {}, "search.metric own_metrics:words must return one finite number, or nan .*, got 'good'"),
        ("each_row", {}, "search.metric own_metrics:each_row must return one finite number"),
        ("missing", {}, "search.metric must name something in own_metrics, got 'own_metrics:missing'"),
        ("no_module:f", {}, "search.metric must name an importable module, got 'no_module:f'"),
        ("cost", {"metric_options": {"mis": 1}}, "mis"),
        ("FBETA", {"direction": "minimize"}, "search.direction=minimize: the scorer own_metrics:FBETA is better where"),
        ("FBETA", {"metric_options": {"beta": 1}}, "search.metric_options: give them to make_scorer"),
        ("LOG_LOSS", {}, "predict_proba"),
        ("collections:OrderedDict", {}, "search.metric must name a function of y_true and y_pred, or a scorer"),
    ],
)
def test_a_metric_that_cannot_be_computed_is_told_before_the_search(search_of, name, keys, told):
    metric = metric_of(search_of(name, **keys))
    with pytest.raises(ConfigError, match=told):
        try_own_metric(metric, np.array([0, 1, 2, 2]), 3)


@pytest.mark.parametrize(("targets", "outputs"), [(np.array([0, 1, 1]), 2), (np.array([0, 1, 1]), 1)])
def test_a_metric_that_can_be_computed_is_tried_on_the_rows(search_of, targets, outputs, monkeypatch):
    tried, shares = [], own_metrics.shares
    monkeypatch.setattr(own_metrics, "shares", lambda truth, given: tried.append(len(truth)) or shares(truth, given))
    try_own_metric(metric_of(search_of("shares", response_method="predict_proba")), targets, outputs)
    assert set(tried) == {len(targets)}


def test_a_draw_of_rows_that_it_raises_on_is_undefined(search_of):
    statistic = metric_of(search_of("needs_all_classes")).pooling.of_rows(np.eye(3), np.arange(3))
    assert statistic(np.array([0, 1, 2])) == 1.0
    assert np.isnan(statistic(np.array([0, 1, 1])))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"metric": "own_metrics:cost"}, "search.direction must be given with a metric of your own"),
        ({"direction": "maximize"}, "search.direction is for a metric of your own.*search.metric=auto"),
        ({"metric": "mcc", "response_method": "predict_proba"}, "search.response_method is for a metric of your own"),
        ({"metric": "mcc", "metric_options": {"a": 1}}, "search.metric_options is for a metric of your own"),
        ({"metric": "own_metrics.cost"}, "or your own as package.module:function, got 'own_metrics.cost'"),
        (
            {"metric": "own_metrics:cost", "direction": "maximize", "metric_options": {"a": float("inf")}},
            "search.metric_options.a must be finite",
        ),
    ],
)
def test_keys_of_an_own_metric_that_contradict_are_refused(make_config, keys, told):
    with pytest.raises(ConfigError, match=told):
        make_config(search=keys)


def test_probabilities_need_a_loss_that_makes_them(make_config, make_rows):
    search = {"metric": "own_metrics:shares", "direction": "maximize", "response_method": "predict_proba"}
    with pytest.raises(ConfigError, match="predict_proba needs logits of class probabilities, which loss mse"):
        search_metric(make_config(loss="mse", search=search), make_rows())
    assert search_metric(make_config(search=search), make_rows()).needs_probabilities


def trained_and_scored(rows, fit):
    """The result of the trial, and the outputs (n, C) of its val rows."""
    trained = train(fit, to_device(rows))
    return score_trial(fit.config, rows, [fit], [trained]), trained.val_outputs[trained.chosen_epoch - 1]


def test_a_search_by_an_own_metric_scores_trials_by_it_with_an_error(make_config, make_rows, make_fit):
    config = make_config(search={"metric": "own_metrics:cost", "direction": "minimize"})
    rows, fit = make_rows(n=60), make_fit(config, 60)
    result, outputs = trained_and_scored(rows, fit)
    labels = rows.targets[fit.fold.val]
    expected = np.mean((labels != outputs.argmax(-1)) * np.where(labels == 0, 5.0, 1.0))
    assert result.score == pytest.approx(-expected)
    assert result.score_se > 0
    assert result.curves["val/own_metrics:cost"][-1] == pytest.approx(expected)
    assert result.summary["best/val/own_metrics:cost"] == min(result.curves["val/own_metrics:cost"])


def test_a_score_that_is_nan_is_told(make_config, make_rows, make_fit):
    config = make_config(search={"metric": "own_metrics:undefined", "direction": "maximize"})
    with pytest.raises(ConfigError, match="own_metrics:undefined must be defined for the val rows, got nan"):
        trained_and_scored(make_rows(n=60), make_fit(config, 60))
