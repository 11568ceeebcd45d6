"""Folds: disjoint, complete, stratified, reproducible by scikit-learn."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import model_selection

from hpsearch.config import ConfigError
from hpsearch.config.search import Evaluation, Holdout, KFold, RepeatedKFold, StratifiedKFold
from hpsearch.data.dataset import Development
from hpsearch.data.splits import folds, refit_fold, report_seed, split_seed
from hpsearch.records import Task
from tests.strategies import SEEDS, labels_of_classes


def development(targets) -> Development:
    """Rows with these class numbers."""
    targets = np.asarray(targets, np.int64)
    classes = int(targets.max()) + 1
    names = tuple(f"c{c}" for c in range(classes))
    inputs = np.zeros((len(targets), 1), np.float32)
    return Development("fake", Task.MULTICLASS, inputs, targets, classes, names, digest="fake")


def regression(n) -> Development:
    inputs = np.zeros((n, 1), np.float32)
    return Development("fake", Task.REGRESSION, inputs, np.arange(n, dtype=np.float32)[:, None], 0, digest="fake")


def holdout(val=None, report=None) -> Holdout:
    return Holdout(kind="holdout", replicates=1, baseline=None, val=val, report=report)


def kfold(k) -> KFold:
    return KFold(kind="kfold", replicates=1, baseline=None, folds=k)


def stratified(k, *, allow_rare=False) -> StratifiedKFold:
    return StratifiedKFold(kind="stratified_kfold", replicates=1, baseline=None, folds=k, allow_rare=allow_rare)


def repeated(k, repeats, *, by_class=True) -> RepeatedKFold:
    return RepeatedKFold(
        kind="repeated_kfold",
        replicates=1,
        baseline=None,
        folds=k,
        allow_rare=False,
        repeats=repeats,
        stratified=by_class,
    )


LOOCV = Evaluation(kind="loocv", replicates=1, baseline=None)
TRUTH_TABLE = Evaluation(kind="truth_table", replicates=1, baseline=None)
BALANCED = np.arange(120) % 4


def parts(fold):
    return fold.train, fold.monitor, fold.val, fold.report


def same(a, b) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(parts(a), parts(b), strict=True))


def assert_equal_splits(ours, theirs):
    theirs = list(theirs)
    assert len(ours) == len(theirs)
    for fold, (train, val) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(fold.train, np.sort(train))
        np.testing.assert_array_equal(fold.val, np.sort(val))
        assert fold.report.size == 0


def test_stratified_folds_are_those_of_scikit_learn():
    theirs = model_selection.StratifiedKFold(5, shuffle=True, random_state=split_seed(3)).split(BALANCED, BALANCED)
    assert_equal_splits(folds(development(BALANCED), stratified(5), seed=3), theirs)


def test_plain_folds_are_those_of_scikit_learn():
    theirs = model_selection.KFold(5, shuffle=True, random_state=split_seed(3)).split(BALANCED)
    assert_equal_splits(folds(development(BALANCED), kfold(5), seed=3), theirs)


@pytest.mark.parametrize("by_class", [True, False])
def test_repeated_folds_are_those_of_scikit_learn(by_class):
    kind = model_selection.RepeatedStratifiedKFold if by_class else model_selection.RepeatedKFold
    theirs = kind(n_splits=3, n_repeats=2, random_state=split_seed(3)).split(BALANCED, BALANCED)
    ours = folds(development(BALANCED), repeated(3, 2, by_class=by_class), seed=3)
    assert_equal_splits(ours, theirs)
    assert [fold.index for fold in ours] == [0, 1, 2, 3, 4, 5]


def test_leave_one_out_leaves_each_row_out_once():
    theirs = model_selection.LeaveOneOut().split(np.arange(12))
    assert_equal_splits(folds(regression(12), LOOCV, seed=3), theirs)


def test_the_hold_out_is_two_splits_of_scikit_learn():
    n = len(BALANCED)
    rest, report = model_selection.train_test_split(
        np.arange(n), test_size=20, stratify=BALANCED, random_state=report_seed(3)
    )
    rest = np.sort(rest)
    train, val = model_selection.train_test_split(
        rest, test_size=12, stratify=BALANCED[rest], random_state=split_seed(3)
    )
    (fold,) = folds(development(BALANCED), holdout(0.1, 20), seed=3)
    for ours, theirs in ((fold.train, train), (fold.val, val), (fold.report, report)):
        np.testing.assert_array_equal(ours, np.sort(theirs))


@pytest.mark.parametrize(("n", "part"), [(60_000, 5_000), (70_000, 5_000), (59_990, 5_999), (1_440, 144)])
def test_the_automatic_hold_out_is_five_thousand_rows_or_a_tenth(n, part):
    (fold,) = folds(development(np.arange(n) % 10), holdout(), seed=0)
    assert (len(fold.val), len(fold.report), len(fold.train)) == (part, part, n - 2 * part)


@pytest.mark.parametrize(("asked", "rows"), [(30, 30), (0.25, 30), (None, 12)])
def test_a_hold_out_part_is_a_count_a_share_or_automatic(asked, rows):
    (fold,) = folds(development(BALANCED), holdout(asked, None), seed=0)
    assert len(fold.val) == rows


def test_the_truth_table_trains_and_scores_on_all_rows():
    (fold,) = folds(development([0, 1, 1, 0]), TRUTH_TABLE, seed=0)
    assert (fold.train.tolist(), fold.val.tolist(), fold.report.size) == ([0, 1, 2, 3], [0, 1, 2, 3], 0)


def test_the_refit_trains_on_all_rows_or_the_limit():
    rows = development(BALANCED)
    assert refit_fold(rows, seed=0).train.tolist() == list(range(120))
    assert np.bincount(BALANCED[refit_fold(rows, seed=0, limit=40).train]).tolist() == [10, 10, 10, 10]


def test_seeds_of_splits_fit_into_32_bits_and_differ():
    seeds = [split_seed(0), split_seed(1), split_seed(0, 1), split_seed(0, 2), report_seed(0), report_seed(1)]
    assert len(set(seeds)) == 6
    assert all(0 <= seed < 2**32 for seed in seeds)


@st.composite
def evaluations(draw):
    k = draw(st.integers(2, 6))
    kinds = [holdout(), holdout(6, 0.2), kfold(k), stratified(k), repeated(k, 2), LOOCV]
    return draw(st.sampled_from(kinds))


@settings(deadline=None, max_examples=60)
@given(labels=labels_of_classes(), evaluation=evaluations(), seed=SEEDS, monitor=st.booleans())
def test_the_parts_of_a_fold_share_no_row_and_miss_none(labels, evaluation, seed, monitor):
    for fold in folds(development(labels), evaluation, seed=seed, monitor=monitor):
        together = np.concatenate(parts(fold))
        np.testing.assert_array_equal(np.sort(together), np.arange(len(labels)))
        assert all(np.array_equal(np.sort(part), part) and part.dtype == np.int64 for part in parts(fold))


@settings(deadline=None, max_examples=60)
@given(labels=labels_of_classes(), evaluation=evaluations(), seed=SEEDS)
def test_each_row_is_validated_once_in_each_repeat(labels, evaluation, seed):
    assume(not isinstance(evaluation, Holdout))
    validated = np.concatenate([fold.val for fold in folds(development(labels), evaluation, seed=seed)])
    counts = np.bincount(validated, minlength=len(labels))
    assert set(counts) == {getattr(evaluation, "repeats", 1)}


@settings(deadline=None, max_examples=60)
@given(labels=labels_of_classes(), seed=SEEDS, k=st.integers(2, 6))
def test_stratified_parts_hold_each_class_in_proportion_within_one_row(labels, seed, k):
    data = development(labels)
    shares = np.bincount(labels) / len(labels)
    (fold,) = folds(data, holdout(), seed=seed)
    for part in (fold.report, fold.val):
        assert np.all(np.abs(np.bincount(labels[part], minlength=len(shares)) - shares * len(part)) <= 1.5)
    for fold in folds(data, stratified(k), seed=seed):
        ideal = np.bincount(labels) / k
        assert np.all(np.abs(np.bincount(labels[fold.val], minlength=len(ideal)) - ideal) < 1 + 1e-9)


@settings(deadline=None, max_examples=40)
@given(labels=labels_of_classes(), evaluation=evaluations(), seed=SEEDS, redraw=st.integers(0, 3))
def test_the_same_seed_draws_the_same_folds(labels, evaluation, seed, redraw):
    once, twice = (folds(development(labels), evaluation, seed=seed, redraw=redraw, monitor=True) for _ in range(2))
    assert all(same(a, b) for a, b in zip(once, twice, strict=True))


@settings(deadline=None, max_examples=40)
@given(labels=labels_of_classes(), seed=SEEDS, redraw=st.integers(1, 5))
def test_a_redraw_keeps_the_report_rows_and_changes_the_others(labels, seed, redraw):
    data = development(labels)
    (search,), (again,) = folds(data, holdout(), seed=seed), folds(data, holdout(), seed=seed, redraw=redraw)
    np.testing.assert_array_equal(search.report, again.report)
    ours = folds(data, stratified(3), seed=seed, redraw=redraw)
    assert not all(same(a, b) for a, b in zip(folds(data, stratified(3), seed=seed), ours, strict=True))


def test_redraws_of_the_hold_out_draw_other_val_rows():
    data = development(BALANCED)
    drawn = {tuple(folds(data, holdout(), seed=0, redraw=redraw)[0].val) for redraw in range(4)}
    assert len(drawn) == 4


@settings(deadline=None, max_examples=60)
@given(labels=labels_of_classes(), evaluation=evaluations(), seed=SEEDS, limit=st.integers(2, 8), monitor=st.booleans())
def test_a_limit_takes_from_the_training_rows_alone(labels, evaluation, seed, limit, monitor):
    data = development(labels)
    whole = folds(data, evaluation, seed=seed)
    limited = folds(data, evaluation, seed=seed, limit=limit, monitor=monitor)
    for before, after in zip(whole, limited, strict=True):
        kept = np.concatenate([after.train, after.monitor])
        assert len(kept) == limit
        assert set(kept) <= set(before.train)
        np.testing.assert_array_equal(after.val, before.val)
        np.testing.assert_array_equal(after.report, before.report)


@pytest.mark.parametrize(("n", "rows"), [(120, 12), (25, 2), (2, 1)])
def test_the_monitor_is_a_tenth_of_the_limited_training_rows_and_at_least_one(n, rows):
    (fold,) = folds(development(np.arange(400) % 2), holdout(), seed=0, limit=n, monitor=True)
    assert (len(fold.monitor), len(fold.train)) == (rows, n - rows)


def test_limit_and_monitor_hold_each_class_in_proportion():
    (fold,) = folds(development(np.arange(400) % 4), holdout(), seed=0, limit=80, monitor=True)
    assert np.bincount(fold.train % 4).tolist() == [18, 18, 18, 18]
    assert np.bincount(fold.monitor % 4).tolist() == [2, 2, 2, 2]


def test_folds_of_a_regression_are_shuffled():
    (fold,) = folds(regression(100), holdout(), seed=0)
    assert len(fold.val) == 10
    assert np.diff(fold.val).max() > 1


def test_a_class_with_fewer_rows_than_folds_is_split_where_it_is_allowed():
    labels = [0] * 20 + [1] * 2
    assert len(folds(development(labels), stratified(4, allow_rare=True), seed=0)) == 4


@pytest.mark.parametrize(
    ("data", "evaluation", "options", "message"),
    [
        (development([0] * 5 + [1] * 5), kfold(11), {}, "evaluation.folds must be <= 10 development rows, got 11"),
        (
            development([0] * 20 + [1] * 3),
            stratified(5),
            {},
            "evaluation.folds must be <= 3, the rows of class 'c1', got 5: lower it, or set evaluation.allow_rare=true",
        ),
        (
            development([0] * 6 + [1] * 6),
            stratified(8, allow_rare=True),
            {},
            "evaluation.folds must be <= 6, the rows of the largest class, got 8",
        ),
        (regression(20), stratified(4), {}, "stratifies by class, got the regression fake: use evaluation=kfold"),
        (regression(20), repeated(4, 2), {}, "evaluation.stratified=false with repeated_kfold"),
        (
            development(BALANCED),
            holdout(60, 60),
            {},
            "evaluation.val and evaluation.report must leave rows to train on, got 60 and 60 of 120",
        ),
        (
            development(BALANCED),
            holdout(10, 2),
            {},
            "evaluation.report must take rows of every class, got 2 of 120: 2 rows cannot hold each of 4 classes",
        ),
        (development([0] * 30 + [1]), holdout(), {}, "class 'c1' has a single row"),
        (development(BALANCED), holdout(20, 20), {"limit": 81}, "data.limit must be <= 80"),
        (development(BALANCED), holdout(20, 20), {"limit": 1, "monitor": True}, "data.limit must leave 2"),
        (development([0, 1, 1, 0]), TRUTH_TABLE, {"monitor": True}, "evaluation=truth_table trains on every row"),
        (regression(10_001), LOOCV, {}, "takes 2 to 10000 development rows, got 10001"),
    ],
)
def test_rows_that_cannot_be_split_are_refused_with_the_key(data, evaluation, options, message):
    with pytest.raises(ConfigError) as caught:
        folds(data, evaluation, seed=0, **options)
    assert message in str(caught.value)
