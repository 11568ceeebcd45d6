"""The score of a trial and its error, from outputs that are made up here."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from hpsearch.config import ConfigError
from hpsearch.records import FitResult, Status, Task
from hpsearch.scoring.trial_score import score_trial
from tests.scoring.made_signals import made


def result(
    val, report=None, *, chosen=None, train_loss=None, final_loss=0.5, status=Status.OK, failure=None, rows=100
) -> FitResult:
    """A fit result with outputs (E, n, C) and constant training curves."""
    val = np.asarray(val, np.float32)
    losses = np.full(len(val), 0.5) if train_loss is None else np.asarray(train_loss, float)
    return FitResult(
        status=status,
        failure=failure,
        train_loss=losses,
        train_accuracy=np.full(len(val), 0.75),
        monitor_loss=np.zeros(0),
        lr=np.full(len(val), 0.1),
        val_outputs=val,
        report_outputs=np.zeros((0, val.shape[2]), np.float32) if report is None else np.asarray(report, np.float32),
        final_loss=final_loss,
        chosen_epoch=len(val) if chosen is None else chosen,
        state=None,
        fit_s=2.0,
        rows=rows,
    )


def outputs(rows, index, right, *, epochs=1):
    """(epochs, n, C) logits that are right for the first `right` of the rows."""
    classes = rows.targets[index].copy()
    classes[right:] = (classes[right:] + 1) % rows.classes
    return np.repeat(3 * np.eye(rows.classes)[classes][None], epochs, axis=0)


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_hold_out_accuracy_and_its_binomial_error(make_config, make_rows, make_fit):
    rows = make_rows(100)
    fit = make_fit(make_config(), 100)  # 60 training, 20 val, 20 report rows
    val, report = outputs(rows, fit.fold.val, 15, epochs=2), outputs(rows, fit.fold.report, 18)[0]
    trial = score_trial(fit.config, rows, [fit], [result(val, report)])
    assert (trial.status, trial.failure) == (Status.OK, None)
    assert trial.score == 0.75
    assert trial.score_se == pytest.approx(math.sqrt(0.75 * 0.25 / 19))
    assert trial.summary["report/accuracy"] == pytest.approx(0.9)
    assert trial.curves["val/accuracy"] == [0.75, 0.75]
    assert trial.curves["train/accuracy"] == [0.75, 0.75]
    assert trial.predictions["report_correct"].tolist() == [[True] * 18 + [False] * 2]
    assert trial.seeds == [fit.seeds]
    assert trial.measured == {"fit_s": 2.0, "rows_per_s": 50.0, "fleet_width": 0.0}
    assert not any(name.startswith("fold/") for name in trial.summary)


def test_all_metrics_of_classes_equal_scikit_learn(make_config, make_rows, make_fit):
    rows = make_rows(100)
    fit = make_fit(make_config(loss={"kind": "cross_entropy", "label_smoothing": 0.3}), 100)
    logits = noise((2, 20, 3)).astype(np.float32)
    trial = score_trial(fit.config, rows, [fit], [result(logits, noise((20, 3), 1))])
    labels, p = rows.targets[fit.fold.val], np.exp(logits[1].astype(float))
    p /= p.sum(axis=1, keepdims=True)
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(labels, p.argmax(axis=1)),
        "macro_f1": sklearn_metrics.f1_score(labels, p.argmax(axis=1), labels=range(3), average="macro"),
        "cross_entropy": sklearn_metrics.log_loss(labels, p, labels=range(3)),
        "loss": sklearn_metrics.log_loss(labels, p, labels=range(3)),  # without label smoothing
    }
    assert {name: trial.curves[f"val/{name}"][1] for name in expected} == pytest.approx(expected)
    assert {name: trial.summary[f"last/val/{name}"] for name in expected} == pytest.approx(expected)


def test_regression_metrics_are_in_the_units_of_the_targets(make_config, make_rows, make_fit):
    rows = make_rows(100, task="regression")
    fit = make_fit(make_config(loss="mae", search={"metric": "r2"}), 100)
    train, truth = rows.targets[fit.fold.train].astype(float), rows.targets[fit.fold.val].astype(float)
    predictions = truth + noise(truth.shape)
    scaled = (predictions - train.mean(axis=0)) / train.std(axis=0)
    trial = score_trial(fit.config, rows, [fit], [result(scaled[None], noise((20, 2)))])
    assert trial.curves["val/mse"][0] == pytest.approx(sklearn_metrics.mean_squared_error(truth, predictions), rel=1e-5)
    assert trial.curves["val/mae"][0] == pytest.approx(
        sklearn_metrics.mean_absolute_error(truth, predictions), rel=1e-5
    )
    assert trial.curves["val/r2"][0] == pytest.approx(sklearn_metrics.r2_score(truth, predictions), rel=1e-5)
    assert trial.curves["val/loss"][0] == pytest.approx(
        np.mean(np.abs(predictions - truth) / train.std(axis=0)), rel=1e-5
    )
    assert trial.score == trial.curves["val/r2"][0]
    draw = np.random.default_rng(1)
    resampled = [draw.integers(20, size=20) for _ in range(2000)]
    spread = np.std([sklearn_metrics.r2_score(truth[index], predictions[index]) for index in resampled], ddof=1)
    assert trial.score_se == pytest.approx(spread, rel=0.3)
    assert "val/accuracy" not in trial.curves
    assert trial.predictions == {}


def test_each_of_several_named_targets_has_its_error_on_val_and_report_rows(make_config, make_rows, make_fit):
    rows = replace(make_rows(100, task="regression"), target_names=("price", "rent"))
    fit = make_fit(make_config(loss="mse"), 100)
    train = rows.targets[fit.fold.train].astype(float)
    parts = [rows.targets[index].astype(float) for index in (fit.fold.val, fit.fold.report)]
    predictions = [truth + noise(truth.shape, at) * [1, 10] for at, truth in enumerate(parts)]
    val, report = ((each - train.mean(axis=0)) / train.std(axis=0) for each in predictions)
    trial = score_trial(fit.config, rows, [fit], [result(np.stack([val, val + 1]), report, chosen=1)])
    errors = [
        sklearn_metrics.mean_absolute_error(*each, multioutput="raw_values")
        for each in zip(parts, predictions, strict=True)
    ]
    r2 = sklearn_metrics.r2_score(parts[1], predictions[1], multioutput="raw_values")
    expected = {
        **{f"chosen/val/mae@{name}": errors[0][at] for at, name in enumerate(rows.target_names)},
        **{f"report/mae@{name}": errors[1][at] for at, name in enumerate(rows.target_names)},
        **{f"report/r2@{name}": r2[at] for at, name in enumerate(rows.target_names)},
    }
    assert {name: trial.summary[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    assert not any("@" in name for name in trial.curves)


def labelled(make_rows, n=100):
    rows = make_rows(n, task="regression")
    targets = (rows.targets > np.median(rows.targets, axis=0)).astype(np.float32)
    return replace(rows, targets=targets, target_names=("churn", "fraud"), labels=(("no", "yes"), ("0", "1")))


MULTILABEL = {"data": {"kind": "csv", "task": "multilabel", "target": ["churn", "fraud"]}, "loss": "bce"}


def test_metrics_of_labels_equal_scikit_learn_on_logits(make_config, make_rows, make_fit):
    rows = labelled(make_rows)
    fit = make_fit(make_config(**MULTILABEL, search={"metric": "label_roc_auc"}), 100)
    val, report = noise((1, 20, 2)).astype(np.float32), noise((20, 2), 1).astype(np.float32)
    trial = score_trial(fit.config, rows, [fit], [result(val, report)])
    truth, shares = rows.targets[fit.fold.val], 1 / (1 + np.exp(-val[0].astype(float)))
    assert trial.score == pytest.approx(sklearn_metrics.roc_auc_score(truth, shares))
    expected = {
        "val/hamming_loss": sklearn_metrics.hamming_loss(truth, val[0] > 0),
        "val/subset_accuracy": sklearn_metrics.accuracy_score(truth, val[0] > 0),
        "val/label_macro_f1": sklearn_metrics.f1_score(truth, val[0] > 0, average="macro"),
        "val/loss": sklearn_metrics.log_loss(truth.ravel(), shares.ravel()),
    }
    assert {name: trial.curves[name][0] for name in expected} == pytest.approx(expected)
    assert {"val/mse", "val/r2", "val/mae"}.isdisjoint(trial.curves)
    truth = rows.targets[fit.fold.report]
    for at, name in enumerate(rows.target_names):
        right = sklearn_metrics.accuracy_score(truth[:, at], report[:, at] > 0)
        assert trial.summary[f"report/accuracy@{name}"] == pytest.approx(right)
        f1 = sklearn_metrics.f1_score(truth[:, at], report[:, at] > 0)
        assert trial.summary[f"report/f1@{name}"] == pytest.approx(f1)
    assert trial.predictions == {}


def test_labels_that_no_val_row_has_have_no_area_under_the_curve(make_config, make_rows, make_fit):
    rows = labelled(make_rows)
    fit = make_fit(make_config(**MULTILABEL, search={"metric": "label_roc_auc"}), 100)
    rows.targets[fit.fold.val, 0] = 0
    with pytest.raises(ConfigError, match=r"^search.metric=label_roc_auc needs val rows with each label and"):
        score_trial(fit.config, rows, [fit], [result(noise((1, 20, 2)), noise((20, 2)))])


def test_a_loss_is_negated_and_its_error_is_that_of_the_row_values(make_config, make_rows, make_fit):
    rows = make_rows(100, task="regression", targets=1)
    fit = make_fit(make_config(loss="mse"), 100)
    train, truth = rows.targets[fit.fold.train].astype(float), rows.targets[fit.fold.val].astype(float)
    errors = noise(truth.shape)
    scaled = (truth + errors - train.mean(axis=0)) / train.std(axis=0)
    trial = score_trial(fit.config, rows, [fit], [result(scaled[None], noise((20, 1)))])
    assert trial.score == pytest.approx(-np.mean(errors**2), rel=1e-4)
    assert trial.score_se == pytest.approx(np.std(errors**2, ddof=1) / math.sqrt(20), rel=1e-4)


def test_the_score_is_that_of_the_chosen_epoch(make_config, make_rows, make_fit):
    rows = make_rows(100)
    fit = make_fit(make_config(), 100)
    val = np.concatenate([outputs(rows, fit.fold.val, right) for right in (10, 18, 12)])
    trial = score_trial(fit.config, rows, [fit], [result(val, noise((20, 3)), chosen=2)])
    assert trial.score == 0.9
    assert (trial.summary["best/val/accuracy"], trial.summary["last/val/accuracy"]) == (0.9, 0.6)
    assert trial.summary["best/val/loss"] == min(trial.curves["val/loss"])
    assert trial.chosen_epochs == [2]


def folds(make_config, make_rows, make_fit, rights, *, replicates=1, evaluation="kfold"):
    """Folds of 20 val rows each out of 100; `rights` holds the hits of each fold and replicate."""
    rows = make_rows(100)
    config = make_config(evaluation={"kind": evaluation, "replicates": replicates})
    fits, results = [], []
    for i, right in enumerate(rights):
        fit = make_fit(config, 100, fold=i // replicates, replicate=i % replicates)
        fit = replace(fit, fold=replace(fit.fold, report=fit.fold.report[:0]))
        fits.append(fit)
        results.append(result(outputs(rows, fit.fold.val, right, epochs=2)))
    return score_trial(config, rows, fits, results), fits


def test_k_fold_score_is_the_mean_and_its_error_that_of_nadeau_and_bengio(make_config, make_rows, make_fit):
    trial, _ = folds(make_config, make_rows, make_fit, [10, 14, 18])
    assert trial.score == pytest.approx(0.7)
    assert trial.score_se == pytest.approx(0.2 * math.sqrt(1 / 3 + 20 / 60))
    assert [trial.summary[f"fold/{i}/val/accuracy"] for i in range(3)] == pytest.approx([0.5, 0.7, 0.9])
    assert trial.curves["val/accuracy"] == pytest.approx([0.7, 0.7])


def rare(make_rows, make_config, make_fit, metric, logits, *, replicates=1, task="multiclass", loss="cross_entropy"):
    """Four folds that hold 30 rows between them, of which only two are of the third class."""
    rows = make_rows(30, task=task, targets=1)
    if task != "regression":
        rows = replace(rows, targets=np.array([2, 2, *[0, 1] * 14]))
    config = make_config(evaluation={"kind": "kfold", "replicates": replicates}, loss=loss, search={"metric": metric})
    parts = np.array_split(np.arange(30), 4)
    fits, results = [], []
    for k, part in enumerate(parts):
        for r in range(replicates):
            fit = make_fit(config, 30, fold=k, replicate=r)
            fold = replace(fit.fold, train=np.setdiff1d(np.arange(30), part), val=part, report=part[:0])
            fits.append(replace(fit, fold=fold))
            results.append(result(logits(rows, fits[-1])))
    return score_trial(config, rows, fits, results), fits, results, rows


def test_a_perfect_classifier_has_a_macro_f1_of_1_though_folds_lack_a_class(make_config, make_rows, make_fit):
    def right(rows, fit):
        return outputs(rows, fit.fold.val, 30)

    trial, *_ = rare(make_rows, make_config, make_fit, "macro_f1", right)
    assert (trial.score, trial.score_se, trial.curves["val/macro_f1"]) == (1.0, 0.0, [1.0])
    assert [trial.summary[f"fold/{k}/pooled/macro_f1"] for k in range(4)] == [1.0] * 4


def test_all_metrics_of_folds_that_lack_a_class_are_scikit_learns(make_config, make_rows, make_fit):
    def guess(_, fit):
        return noise((2, len(fit.fold.val), 3), fit.fold.index)

    trial, fits, results, rows = rare(make_rows, make_config, make_fit, "macro_f1", guess)
    order = np.concatenate([fit.fold.val for fit in fits])
    logits = np.concatenate([one.val_outputs[-1] for one in results])[np.argsort(order)].astype(float)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predicted, labels = p.argmax(axis=1), rows.targets
    assert trial.score == pytest.approx(sklearn_metrics.f1_score(labels, predicted, average="macro"))
    assert trial.curves["val/macro_f1"][-1] == trial.score
    of_folds = [
        (
            sklearn_metrics.accuracy_score(labels[part], predicted[part]),
            sklearn_metrics.log_loss(labels[part], p[part], labels=range(3)),
        )
        for part in (fit.fold.val for fit in fits)
    ]
    found = trial.curves["val/accuracy"][-1], trial.curves["val/cross_entropy"][-1]
    assert found == pytest.approx(np.mean(of_folds, axis=0), rel=1e-6)
    without = [
        sklearn_metrics.f1_score(np.delete(labels, part), np.delete(predicted, part), average="macro")
        for part in (fit.fold.val for fit in fits)
    ]
    added = [trial.summary[f"fold/{k}/pooled/macro_f1"] for k in range(4)]
    assert np.mean(added) == pytest.approx(trial.score)
    # 4 folds, each trained on the three others: Nadeau & Bengio on the jackknife's pseudo-values
    assert trial.score_se == pytest.approx(3 * np.std(without, ddof=1) * math.sqrt(1 / 4 + 1 / 3))


def test_r2_is_that_of_all_out_of_fold_rows_of_a_replicate(make_config, make_rows, make_fit):
    def guess(_, fit):
        return noise((1, len(fit.fold.val), 1), 2 * fit.fold.index + fit.replicate)

    trial, fits, results, rows = rare(
        make_rows, make_config, make_fit, "r2", guess, replicates=2, task="regression", loss="mse"
    )
    predictions = np.zeros((2, 30, 1))
    for fit, one in zip(fits, results, strict=True):
        train = rows.targets[fit.fold.train].astype(float)
        predictions[fit.replicate, fit.fold.val] = one.val_outputs[-1] * train.std() + train.mean()
    expected = [sklearn_metrics.r2_score(rows.targets, each) for each in predictions]
    assert trial.score == pytest.approx(np.mean(expected), rel=1e-5)
    assert trial.score_se > 0
    each = [[trial.summary[f"fold/{k}/replicate/{r}/pooled/r2"] for k in range(4)] for r in range(2)]
    assert np.mean(each, axis=1) == pytest.approx(expected, rel=1e-5)


def test_replicates_are_averaged_within_their_fold_first(make_config, make_rows, make_fit):
    trial, _ = folds(make_config, make_rows, make_fit, [8, 12, 16, 20], replicates=2)
    assert trial.score_se == pytest.approx(np.std([0.5, 0.9], ddof=1) * math.sqrt(1 / 2 + 20 / 60))
    assert trial.summary["fold/1/val/accuracy"] == pytest.approx(0.9)
    assert trial.summary["fold/1/replicate/0/val/accuracy"] == pytest.approx(0.8)


def test_out_of_fold_predictions_carry_their_rows(make_config, make_rows, make_fit):
    trial, fits = folds(make_config, make_rows, make_fit, [20, 20], replicates=1)
    kept = trial.predictions
    assert kept["rows"].tolist() == [*fits[0].fold.val, *fits[1].fold.val]
    assert kept["out_of_fold"].shape == (40, 3)
    assert kept["out_of_fold"].dtype == np.float32
    assert kept["out_of_fold"].argmax(axis=1).tolist() == make_rows(100).targets[kept["rows"]].tolist()
    assert kept["fold"].tolist() == [0] * 20 + [1] * 20
    assert kept["replicate"].tolist() == [0] * 40


def test_replicates_on_one_split_add_the_luck_of_seeds_to_that_of_rows(make_config, make_rows, make_fit):
    rows = make_rows(100)
    config = make_config(evaluation={"kind": "holdout", "replicates": 3})
    fits = [make_fit(config, 100, replicate=r) for r in range(3)]
    fits = [replace(fit, fold=fits[0].fold) for fit in fits]
    rights = (12, 14, 16)
    results = [result(outputs(rows, fits[0].fold.val, right), noise((20, 3))) for right in rights]
    trial = score_trial(config, rows, fits, results)
    hit_rate = np.array([[i < right for i in range(20)] for right in rights]).mean(axis=0)
    seeds = np.std([0.6, 0.7, 0.8], ddof=1) / math.sqrt(3)
    assert trial.score == pytest.approx(0.7)
    assert trial.score_se == pytest.approx(math.sqrt(np.var(hit_rate, ddof=1) / 20 + seeds**2))
    assert trial.predictions["report_correct"].shape == (3, 20)


def test_leave_one_out_is_scored_as_one_set(make_config, make_rows, make_fit):
    rows = make_rows(12)
    config = make_config(evaluation="loocv", search={"metric": "macro_f1"})
    logits = noise((12, 2, 1, 3)).astype(np.float32)
    fits, everyone = [], np.arange(12)
    for i in range(12):
        fit = make_fit(config, 12, fold=i)
        fold = replace(fit.fold, train=np.delete(everyone, i), val=everyone[i : i + 1], report=everyone[:0])
        fits.append(replace(fit, fold=fold))
    trial = score_trial(config, rows, fits, [result(x) for x in logits])
    predicted = logits[:, -1, 0].argmax(axis=1)
    assert trial.score == pytest.approx(
        sklearn_metrics.f1_score(rows.targets, predicted, average="macro", zero_division=0)
    )
    assert trial.score_se is None
    assert trial.curves["val/accuracy"][-1] == pytest.approx(np.mean(predicted == rows.targets))
    assert not any(name.startswith("fold/") for name in trial.summary)
    assert trial.predictions["rows"].tolist() == list(range(12))
    accuracy = score_trial(make_config(evaluation="loocv"), rows, fits, [result(x) for x in logits])
    v = np.mean(predicted == rows.targets)
    # Nadeau & Bengio with J = 12 folds of one row: s^2 = 12 v (1 - v) / 11, n_val / n_train = 1 / 11
    assert accuracy.score_se == pytest.approx(math.sqrt(12 * v * (1 - v) / 11 * (1 / 12 + 1 / 11)))


def test_leave_one_out_undoes_the_scaling_of_each_fold(make_config, make_rows, make_fit):
    rows = make_rows(12, task="regression", targets=1)
    config = make_config(evaluation="loocv", loss="mse")
    fits, results, everyone = [], [], np.arange(12)
    for i in range(12):
        fit = make_fit(config, 12, fold=i)
        train = np.delete(everyone, i)
        fits.append(replace(fit, fold=replace(fit.fold, train=train, val=everyone[i : i + 1], report=everyone[:0])))
        results.append(result(np.zeros((1, 1, 1))))  # the mean of the training rows
    trial = score_trial(config, rows, fits, results)
    t = rows.targets[:, 0].astype(float)
    expected = np.mean([(t[i] - np.delete(t, i).mean()) ** 2 for i in range(12)])
    assert trial.score == pytest.approx(-expected, rel=1e-5)


def test_a_fit_that_stopped_early_contributes_its_last_value(make_config, make_rows, make_fit):
    rows, config = make_rows(100), make_config(evaluation="kfold")
    fits = [make_fit(config, 100, fold=i) for i in range(2)]
    fits = [replace(fit, fold=replace(fit.fold, report=fit.fold.report[:0])) for fit in fits]
    short = np.concatenate([outputs(rows, fits[0].fold.val, right) for right in (10, 12)])
    long = np.concatenate([outputs(rows, fits[1].fold.val, right) for right in (10, 10, 20)])
    trial = score_trial(config, rows, fits, [result(short, chosen=1), result(long)])
    assert trial.curves["val/accuracy"] == pytest.approx([0.5, 0.55, 0.8])
    assert trial.score == pytest.approx((0.5 + 1.0) / 2)


def test_one_diverged_fit_fails_the_trial_with_fold_and_epoch(make_config, make_rows, make_fit):
    rows, config = make_rows(100), make_config(evaluation="kfold")
    fits = [make_fit(config, 100, fold=i) for i in range(3)]
    fine = result(np.zeros((3, 20, 3)), train_loss=[3, 2, 1])
    failed = result(np.zeros((1, 20, 3)), status=Status.DIVERGED, failure="non-finite weight in epoch 2 (of 3)")
    trial = score_trial(config, rows, fits, [fine, failed, failed])
    assert trial.status is Status.DIVERGED
    assert trial.failure == "fold 1: non-finite weight in epoch 2 (of 3) (and 1 more fits)"
    assert (trial.score, trial.score_se, trial.summary, trial.predictions) == (None, None, {}, {})
    assert trial.curves == {"train/loss": [pytest.approx((3 + 0.5 + 0.5) / 3)]}


def status(make_config, make_rows, make_fit, *, task, loss, **told):
    """Of a hold-out trial whose training came to these numbers, with its summary."""
    rows = make_rows(100, task=task, targets=1)
    fit = make_fit(make_config(loss=loss), 100)
    width = {"regression": 1, "binary": 1 if loss in ("bce", "perceptron") else 2}.get(task, 3)
    made = replace(result(noise((1, 20, width)), noise((20, width))), **told)
    trial = score_trial(fit.config, rows, [fit], [made])
    assert trial.score is not None
    return trial.status, trial.summary, rows.targets[fit.fold.train]


def test_a_loss_near_that_of_the_shares_of_classes_is_stalled(make_config, make_rows, make_fit):
    _, summary, labels = status(make_config, make_rows, make_fit, task="multiclass", loss="cross_entropy")
    guess = sklearn_metrics.log_loss(labels, np.tile(np.bincount(labels) / len(labels), (len(labels), 1)))
    assert summary["chosen/train/constant_loss"] == pytest.approx(guess)
    for share, expected in ((0.96, Status.STALLED), (0.94, Status.OK)):
        told = {"task": "multiclass", "loss": "cross_entropy", "final_loss": share * guess}
        assert status(make_config, make_rows, make_fit, **told)[0] is expected


def test_where_classes_are_weighted_stalling_is_judged_by_the_weighted_loss_and_val_loss_is_not_weighted(
    make_config, make_rows, make_fit
):
    rows = make_rows(100)
    fit = make_fit(make_config(loss={"kind": "cross_entropy", "class_weight": "balanced"}), 100)
    assert len(set(np.bincount(rows.targets[fit.fold.train]))) > 1
    made = result(noise((1, 20, 3)), noise((20, 3)), final_loss=0.96 * math.log(3))
    trial = score_trial(fit.config, rows, [fit], [made])
    assert trial.summary["chosen/train/constant_loss"] == pytest.approx(math.log(3))  # classes count alike
    assert trial.status is Status.STALLED
    assert trial.curves["val/loss"] == trial.curves["val/cross_entropy"]


def test_where_rows_are_weighted_stalling_is_judged_by_the_weighted_loss_and_scores_are_not_weighted(
    make_config, make_rows, make_fit
):
    rows = replace(make_rows(100), weights=np.random.default_rng(0).integers(0, 4, 100) * 1.0)
    fit = make_fit(make_config(), 100)
    train, logits = fit.fold.train, noise((1, 20, 3))
    labels, weights = rows.targets[train], rows.weights[train] / rows.weights[train].mean()
    shares = np.bincount(labels, weights) / len(train)
    guess = sklearn_metrics.log_loss(labels, np.tile(shares, (len(train), 1)), sample_weight=weights)
    for share, expected in ((0.96, Status.STALLED), (0.94, Status.OK)):
        made = result(logits, noise((20, 3)), final_loss=share * guess)
        trial = score_trial(fit.config, rows, [fit], [made])
        assert trial.summary["chosen/train/constant_loss"] == pytest.approx(guess)
        assert trial.status is expected
    plain = score_trial(fit.config, replace(rows, weights=None), [fit], [made])
    assert (trial.score, trial.score_se, trial.curves) == (plain.score, plain.score_se, plain.curves)


@pytest.mark.parametrize(("right", "expected"), [(0.9, Status.OK), (0.5, Status.STALLED)])
def test_a_classifier_that_is_too_sure_of_itself_has_learned_if_it_has_more_rows_right_than_chance_explains(
    right, expected, make_config, make_rows, make_fit
):
    told = {"task": "multiclass", "loss": "cross_entropy", "final_loss": 3.0, "train_accuracy": [right]}
    found, _, labels = status(make_config, make_rows, make_fit, **told)
    larger = np.bincount(labels).max() / len(labels)
    least = larger + 2 * math.sqrt(larger * (1 - larger) / len(labels))
    assert (right > least) == (expected is Status.OK)
    assert found is expected


def test_counts_no_better_than_their_mean_are_stalled(make_config, make_rows, make_fit):
    rows = make_rows(100, task="regression", targets=1)
    rows = replace(rows, targets=np.random.default_rng(0).poisson(4.0, (100, 1)).astype(np.float32))
    fit = make_fit(make_config(loss="poisson_nll"), 100)
    mean = rows.targets[fit.fold.train].mean()
    constant = mean - mean * math.log(mean)  # counts of 4 make it negative
    for loss, expected in ((0.99 * constant, Status.STALLED), (1.01 * constant, Status.OK)):
        made = result(noise((1, 20, 1)), noise((20, 1)), final_loss=loss)
        trial = score_trial(fit.config, rows, [fit], [made])
        assert trial.summary["chosen/train/constant_loss"] == pytest.approx(constant, rel=1e-6)
        assert trial.status is expected


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_a_regression_no_better_than_a_constant_on_its_training_rows_is_stalled(loss, make_config, make_rows, make_fit):
    _, summary, targets = status(make_config, make_rows, make_fit, task="regression", loss=loss)
    scaled = (targets - targets.mean()) / targets.std()
    constant = {"mse": 1.0, "mae": np.abs(scaled - np.median(scaled)).mean()}[loss]
    assert summary["chosen/train/constant_loss"] == pytest.approx(constant, rel=1e-6)
    for share, expected in ((1.7, Status.STALLED), (1.0, Status.STALLED), (0.99, Status.OK)):
        told = {"task": "regression", "loss": loss, "final_loss": share * constant}
        assert status(make_config, make_rows, make_fit, **told)[0] is expected


def test_the_perceptron_rule_is_stalled_where_it_has_no_more_right_than_the_larger_class_holds(
    make_config, make_rows, make_fit
):
    *_, labels = status(make_config, make_rows, make_fit, task="binary", loss="perceptron")
    larger = np.bincount(labels).max() / len(labels)
    for right, expected in ((larger, Status.STALLED), (larger + 0.05, Status.OK)):
        told = {"task": "binary", "loss": "perceptron", "train_accuracy": np.array([right])}
        found, summary, _ = status(make_config, make_rows, make_fit, **told)
        assert found is expected
        assert "chosen/train/constant_loss" not in summary


def test_a_trial_has_the_signals_of_its_probed_fit_and_their_summary(make_config, make_rows, make_fit):
    rows, config = make_rows(100), make_config(evaluation="kfold")
    fits = [make_fit(config, 100, fold=i) for i in range(2)]
    signals = made(dead=[[0.0] * 3, [0.5, 0.0, None]])
    results = [result(outputs(rows, fit.fold.val, 10), noise((20, 3))) for fit in fits]
    trial = score_trial(config, rows, fits, [replace(results[0], signals=signals), results[1]])
    assert trial.signals == signals
    assert trial.summary["signals/dead_units"] == 0.5
    bare = score_trial(config, rows, fits, results)
    assert bare.signals is None
    assert bare.summary == {name: x for name, x in trial.summary.items() if not name.startswith("signals/")}


def test_a_diverged_trial_keeps_what_was_measured_before(make_config, make_rows, make_fit):
    rows, fit = make_rows(100), make_fit(make_config(), 100)
    failed = result(noise((1, 20, 3)), status=Status.DIVERGED, failure="non-finite weight in epoch 2 (of 3)")
    signals = made(gradient_norm=[[1e-9, 1.0, 1.0], [1.0] * 3])
    trial = score_trial(fit.config, rows, [fit], [replace(failed, signals=signals)])
    assert (trial.status, trial.signals) == (Status.DIVERGED, signals)
    assert trial.summary == {"signals/gradient_ratio": 1e-9}


def test_a_metric_that_the_scored_rows_do_not_define_is_refused_with_the_way_out(make_config, make_rows, make_fit):
    rows = replace(make_rows(40), targets=np.repeat([0, 1], [39, 1]).astype(np.int64), classes=2, task=Task.BINARY)
    fit = make_fit(make_config(search={"metric": "roc_auc"}), 40)
    fit = replace(fit, fold=replace(fit.fold, val=np.arange(20)))
    with pytest.raises(ConfigError, match=r"search\.metric=roc_auc needs val rows of every class"):
        score_trial(fit.config, rows, [fit], [result(noise((1, 20, 2)), noise((20, 2)))])
