"""One temperature makes probabilities of the outputs of any loss; it is fitted on `val` rows alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from hpsearch.records import CALIBRATED_LOSS, TEMPERATURE
from hpsearch.scoring.calibration import temperature
from hpsearch.scoring.trial_score import score_trial
from tests.scoring.test_trial_score import noise, outputs, result


def drawn(n, width, *, sharper=1.0, seed=0):
    """(n, width) outputs, and labels drawn from the probabilities that they give when divided by `sharper`."""
    draw = np.random.default_rng(seed)
    logits = 2 * draw.normal(size=(n, width))
    p = probabilities(logits)
    return sharper * logits, (draw.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1)


def probabilities(logits):
    """By scipy: of a single output, those of class 0 and class 1."""
    return np.hstack([expit(-logits), expit(logits)]) if logits.shape[1] == 1 else softmax(logits, axis=1)


def loss_at(t, logits, labels):
    """By scikit-learn."""
    p = probabilities(logits / t)
    return log_loss(labels, p, labels=range(p.shape[1]))


@pytest.mark.parametrize("width", [1, 2, 10])
@pytest.mark.parametrize("sharper", [0.01, 1.0, 40.0])
def test_the_temperature_is_the_minimum_that_scipy_finds(width, sharper):
    logits, labels = drawn(400, width, sharper=sharper)
    found = minimize_scalar(
        lambda log_t: loss_at(math.exp(log_t), logits, labels),
        bounds=(-12, 12),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert temperature(logits, labels) == pytest.approx(math.exp(found.x), rel=1e-4)


def test_no_temperature_of_a_fine_grid_has_a_smaller_loss():
    logits, labels = drawn(200, 5, sharper=3.0)
    t = temperature(logits, labels)
    assert loss_at(t, logits, labels) <= min(
        loss_at(other, logits, labels) for other in t * np.geomspace(0.01, 100, 999)
    )


def test_outputs_that_are_too_sure_are_divided_by_as_much():
    logits, labels = drawn(40_000, 4, sharper=5.0)
    assert temperature(logits, labels) == pytest.approx(5.0, rel=0.03)


@pytest.mark.parametrize("factor", [1e-12, 7.3, 1e12])
def test_outputs_times_a_number_have_that_multiple_of_the_temperature(factor):
    logits, labels = drawn(100, 3)
    assert temperature(factor * logits, labels) == pytest.approx(factor * temperature(logits, labels), rel=1e-9)


def test_what_a_row_adds_to_all_of_its_outputs_has_no_effect():
    logits, labels = drawn(100, 3)
    assert temperature(logits + noise((100, 1)), labels) == pytest.approx(temperature(logits, labels), rel=1e-9)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_where_all_rows_are_right_the_loss_is_the_least_that_one_wrong_row_would_leave(width):
    logits, _ = drawn(50, width)
    labels = (logits[:, 0] > 0).astype(int) if width == 1 else logits.argmax(axis=1)
    assert loss_at(temperature(logits, labels), logits, labels) == pytest.approx(math.log(2) / 50)


def test_with_a_row_wrong_no_temperature_goes_below_that_loss():
    logits, _ = drawn(50, 3)
    labels = logits.argmax(axis=1)
    labels[7] = (labels[7] + 1) % 3
    t = temperature(logits, labels)
    assert math.log(2) / 50 < loss_at(t, logits, labels) < math.log(3)
    assert loss_at(t, logits, labels) < min(loss_at(t * other, logits, labels) for other in (0.9, 1.1))


def test_a_row_between_two_classes_is_the_sharpest_case():
    logits = np.array([[4.0, 0.0, 0.0], [2.0, 2.0, 0.0]])
    labels = np.array([0, 1])  # the loss falls towards ln 2 / 2 for ever
    spread = np.sqrt(np.square(logits - logits.mean(axis=1, keepdims=True)).mean())
    assert temperature(logits, labels) == pytest.approx(spread / 1e3)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_outputs_that_say_the_contrary_give_equal_probabilities(width):
    logits, labels = drawn(300, width)
    t = temperature(-logits, labels)
    assert math.isfinite(t)
    assert loss_at(t, -logits, labels) == pytest.approx(math.log(max(width, 2)), abs=1e-5)


@pytest.mark.parametrize("width", [1, 3])
def test_outputs_that_are_all_equal_have_the_temperature_one(width):
    assert temperature(np.zeros((9, width)), np.arange(9) % 2) == 1.0


LOSSES = [
    *(("multiclass", kind, 3) for kind in ("cross_entropy", "bce", "mse", "mae", "sse", "custom")),
    *(("binary", kind, 2) for kind in ("cross_entropy", "mse", "mae", "sse", "custom")),
    *(("binary", kind, 1) for kind in ("bce", "perceptron")),
]


@pytest.fixture
def retrained(make_config, make_rows, make_fit):
    """A trial of some loss whose outputs are given, or drawn; its val rows, and its report rows."""

    def score(task="multiclass", kind="cross_entropy", width=3, *, factor=1.0, **how):
        rows = make_rows(200, task=task)
        # The formula of a user's own loss is not asked for its value here.
        config = make_config(loss="mse" if kind == "custom" else kind)
        fit = make_fit(config, 200)
        val, report = (
            factor * noise((len(part), width), at) for at, part in enumerate((fit.fold.val, fit.fold.report))
        )
        trial = score_trial(config, rows, [fit], [result(val[None], report)], **{"retrained": True, **how})
        return trial, (val, rows.targets[fit.fold.val]), (report, rows.targets[fit.fold.report])

    return score


@pytest.mark.parametrize(("task", "kind", "width"), LOSSES)
def test_the_loss_of_every_classifier_is_scikit_learns_of_the_report_rows(task, kind, width, retrained):
    trial, val, report = retrained(task, kind, width)
    t = temperature(*val)
    assert trial.summary[TEMPERATURE] == pytest.approx(t, rel=1e-5)
    assert trial.summary[CALIBRATED_LOSS] == pytest.approx(loss_at(t, *report), rel=1e-5)


@pytest.mark.parametrize("factor", [0.001, 250.0])
def test_the_scale_of_the_outputs_does_not_change_the_loss(factor, retrained):
    plain, scaled = (retrained(factor=f)[0].summary for f in (1.0, factor))
    assert scaled[CALIBRATED_LOSS] == pytest.approx(plain[CALIBRATED_LOSS], rel=1e-6)
    assert scaled["report/cross_entropy"] != pytest.approx(plain["report/cross_entropy"], rel=0.01)


def test_the_search_records_neither_loss_nor_temperature(retrained):
    found, _, _ = retrained(retrained=False)
    assert not {CALIBRATED_LOSS, TEMPERATURE} & found.summary.keys()
    more, _, _ = retrained()
    assert found.summary == {name: more.summary[name] for name in found.summary}


def test_the_temperature_is_that_of_the_chosen_epoch(make_config, make_rows, make_fit):
    rows = make_rows(200)
    fit = make_fit(make_config(), 200)
    val, report = noise((3, 40, 3)), noise((40, 3), 1)
    trial = score_trial(fit.config, rows, [fit], [result(val, report, chosen=2)], retrained=True)
    assert trial.summary[TEMPERATURE] == pytest.approx(temperature(val[1], rows.targets[fit.fold.val]), rel=1e-5)


def test_of_replicates_the_mean_is_taken_each_at_a_temperature_of_its_own(make_config, make_rows, make_fit):
    rows = make_rows(200)
    config = make_config(evaluation={"kind": "holdout", "replicates": 2})
    fits = [make_fit(config, 200, replicate=at) for at in range(2)]
    results = [result((1 + at) * noise((1, 40, 3), at), noise((40, 3), 7 + at)) for at in range(2)]
    each = [score_trial(config, rows, [f], [r], retrained=True).summary for f, r in zip(fits, results, strict=True)]
    both = score_trial(config, rows, fits, results, retrained=True).summary
    for name in (CALIBRATED_LOSS, TEMPERATURE):
        assert each[0][name] != each[1][name]
        assert both[name] == pytest.approx(np.mean([one[name] for one in each]))


def test_regression_and_folds_have_no_calibrated_loss(make_config, make_rows, make_fit):
    numbers, classes = make_rows(100, task="regression"), make_rows(100)
    of_numbers = make_fit(make_config(loss="mse"), 100)
    of_classes = make_fit(make_config(evaluation="kfold"), 100)
    of_classes = replace(of_classes, fold=replace(of_classes.fold, report=of_classes.fold.report[:0]))
    found = [
        score_trial(
            of_numbers.config, numbers, [of_numbers], [result(noise((1, 20, 2)), noise((20, 2)))], retrained=True
        ),
        score_trial(
            of_classes.config, classes, [of_classes], [result(outputs(classes, of_classes.fold.val, 9))], retrained=True
        ),
    ]
    assert not [trial for trial in found if {CALIBRATED_LOSS, TEMPERATURE} & trial.summary.keys()]
