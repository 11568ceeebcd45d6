"""How much sooner one recipe reaches the target than another, pair by pair (S-20)."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.comparison.time_to_target import speed_of, time_ratios
from hpsearch.metrics import MSE
from tests.analysis.evidences import clear, with_design


def reaching(epochs_a, epochs_b, length=8):
    """Retrainings whose `val` curve jumps to 1 in the given epoch, counted from 1; None: never."""

    def with_curve(row, epoch):
        curve = [0.1 if epoch is None or at < epoch else 1.0 for at in range(1, length + 1)]
        return replace(row, curves={"val/accuracy": curve})

    told = {("adam", key): epoch for key, epoch in enumerate(epochs_a, 1)}
    told |= {("sgd", key): epoch for key, epoch in enumerate(epochs_b, 1)}
    evidence = clear()
    rows = [with_curve(row, told[row.level, row.key]) for row in evidence.confirm if (row.level, row.key) in told]
    return replace(evidence, confirm=tuple(rows))


def test_the_ratio_is_that_of_the_medians():
    (found,) = time_ratios(reaching([1, 2, 2, 3, 9], [4, 4, 5, 4, 6]), seed=0)
    assert (found.a, found.b, found.n, found.ratio) == ("adam", "sgd", 5, 0.5)


def test_the_interval_is_the_bootstrap_of_scipy():
    a, b = [1, 2, 2, 3, 1, 2, 4, 2, 3, 2], [4, 4, 5, 4, 6, 3, 4, 5, 4, 4]
    (found,) = time_ratios(reaching(a, b), seed=0)
    ratio = lambda x, y, axis: np.median(x, axis=axis) / np.median(y, axis=axis)  # noqa: E731
    drawn = stats.bootstrap(
        (a, b), ratio, paired=True, vectorized=True, method="percentile", n_resamples=20000, rng=1
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((drawn.low, drawn.high), abs=0.05)


def test_a_recipe_that_half_of_the_seeds_never_bring_there_is_infinitely_slow():
    (found,) = time_ratios(reaching([None] * 4 + [1], [4, 4, 5, 4, 6]), seed=0)
    assert found.ratio == found.high == math.inf


def test_two_recipes_that_never_come_there_have_no_ratio():
    (found,) = time_ratios(reaching([None] * 5, [None] * 5), seed=0)
    assert math.isnan(found.ratio)
    assert (found.low, found.high) == (0.0, math.inf)


def test_four_pairs_are_too_few():
    assert time_ratios(reaching([1, 2, 2, 3], [4, 4, 5, 4]), seed=0) == ()


@pytest.mark.parametrize("key", ["data.limit", "training.batch_size"])
def test_levels_whose_epochs_are_unequal_work_have_no_ratio(key):
    evidence = reaching([1, 2, 2, 3, 9], [4, 4, 5, 4, 6])
    levels = [replace(level, settings={key: 100 * at}) for at, level in enumerate(evidence.design.levels, 1)]
    assert time_ratios(with_design(evidence, levels=tuple(levels)), seed=0) == ()


def test_seeds_whose_folds_share_rows_have_no_ratio():
    assert time_ratios(with_design(reaching([1, 2, 2, 3, 9], [4, 4, 5, 4, 6]), folds=5), seed=0) == ()


def test_levels_that_may_not_be_compared_have_no_ratio():
    evidence = reaching([1, 2, 2, 3, 9], [4, 4, 5, 4, 6])
    assert len(analyse(evidence).time_ratios) == 1
    assert analyse(with_design(evidence, devices=("cpu", "cuda"))).time_ratios == ()


def test_levels_are_told_by_the_median_epoch_of_their_seeds():
    found = speed_of(reaching([1, 2, 2, 3, 9], [4, 4, 5, 4, 6]))
    assert [(one.level, one.median) for one in found.levels] == [("adam", 2.0), ("sgd", 4.0)]
    assert found.levels[0].epochs == (1, 2, 2, 3, math.inf)
    assert found.last == 8
    assert found.sentence.startswith("Accuracy of 0.8")
    assert found.sentence.endswith(
        " on val rows is reached after 2 epochs by adam, after 4 epochs by sgd (medians of 5 fresh seeds)."
    )


def test_levels_that_seldom_get_there_are_told_so():
    found = speed_of(reaching([1, 1, 1, 3, 2], [None, None, None, 4, 6]))
    assert found.levels[1].median == math.inf
    assert (
        " is reached after 1 epoch by adam, and within 8 epochs by fewer than half of the seeds of sgd (medians"
        in found.sentence
    )


def test_an_epoch_that_is_unequal_work_is_called_so():
    evidence = reaching([1, 2, 2, 3, 9], [4, 4, 5, 4, 6])
    levels = tuple(replace(one, settings={"training.batch_size": at}) for at, one in enumerate(evidence.design.levels))
    told = speed_of(with_design(evidence, levels=levels)).sentence
    assert told.endswith(" An epoch is not as much work for every option.")


def test_without_curves_or_a_score_of_chance_there_is_no_speed():
    assert speed_of(clear()) is None
    assert speed_of(with_design(reaching([1] * 5, [1] * 5), metric=MSE)) is None
