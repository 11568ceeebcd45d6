"""How many rows a split has, before it is drawn."""

import numpy as np
import pytest

from hpsearch.config.search import Evaluation, Holdout, KFold, RepeatedKFold
from hpsearch.data.dataset import Development
from hpsearch.data.splits import folds, split_sizes
from hpsearch.records import Task

FOLDED = {"replicates": 1, "baseline": None, "folds": 7}


@pytest.mark.parametrize(
    "evaluation",
    [
        Holdout(kind="holdout", replicates=1, baseline=None, val=None, report=None),
        Holdout(kind="holdout", replicates=1, baseline=None, val=5, report=0.25),
        KFold(kind="kfold", **FOLDED),
        RepeatedKFold(kind="repeated_kfold", **FOLDED, allow_rare=False, repeats=2, stratified=False),
        Evaluation(kind="loocv", replicates=1, baseline=None),
        Evaluation(kind="truth_table", replicates=1, baseline=None),
    ],
    ids=lambda evaluation: evaluation.kind,
)
@pytest.mark.parametrize("n", [41, 42])
def test_the_sizes_are_those_of_the_folds_that_are_drawn(evaluation, n):
    targets = np.arange(n, dtype=np.float32)[:, None]
    rows = Development("fake", Task.REGRESSION, targets, targets, 0, digest="fake")
    drawn = folds(rows, evaluation, seed=0)
    sizes = split_sizes(evaluation, n)
    assert sizes.folds == len(drawn)
    assert sizes.train == min(len(fold.train) for fold in drawn)
    assert sizes.val == len(np.unique(np.concatenate([fold.val for fold in drawn])))
    assert sizes.report == len(drawn[0].report)
