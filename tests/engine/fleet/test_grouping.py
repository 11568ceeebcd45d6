"""Which fits train together, and that nobody is lost on the way."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.grouping import group_into_fleets, shape_key
from hpsearch.engine.fleet.trainer import train_fits, train_fleet
from hpsearch.execution.run_job import WorkerState, plan_fits
from hpsearch.jobs import TrialJob
from hpsearch.records import Fold
from tests.engine.comparison import bits

ALIKE = (
    ({}, {"optimizer": "sgd"}, {"schedule": "cosine", "init": "normal"}, {"regularization": "weight_decay"}),
    ({"model": {"kind": "mlp", "width": 17}}, {"model": {"kind": "mlp", "width": 17}, "optimizer": "adagrad"}),
    ({"regularization": "dropout"}, {"regularization": {"kind": "both", "dropout": 0.1}}),
    ({"norm": "before"}, {"norm": "before", "optimizer": "rmsprop"}),
    ({"norm": "after"},),
    ({"loss": {"kind": "cross_entropy", "label_smoothing": 0.1}},),
    ({"loss": "mse"}, {"loss": "mse", "optimizer": "adamw"}),
    ({"loss": {"class_weight": "balanced"}}, {"loss": {"class_weight": {"class 1": 3.0}}}),
    ({"loss": {"kind": "focal", "gamma": 0.0}}, {"loss": {"kind": "focal", "gamma": 2.0}, "optimizer": "sgd"}),
    ({"loss": {"kind": "multi_margin", "margin": 0.5}}, {"loss": {"kind": "multi_margin", "margin": 2.0}}),
    ({"training": {"batch_size": 9}},),
    ({"training": {"precision": "bf16"}}, {"training": {"precision": "bf16"}, "optimizer": "sgd"}),
    ({"training": {"precision": "tf32"}},),
    ({"training": {"clip_norm": 1.0}}, {"training": {"clip_norm": 2.0}}),
    ({"activation": {"kind": "elu", "alpha": 1.0}}, {"activation": {"kind": "elu", "alpha": 0.5}}),
    ({"schedule": "plateau"}, {"schedule": "plateau", "optimizer": "sgd"}),
)
"""Configurations; those of a line have networks, steps and losses of one form, those of different lines do not."""
NORMED = (3, 4)
"""Lines whose networks look at a minibatch as a whole, so that none can be filled up."""


@pytest.fixture(scope="module")
def lines(make_config):
    return [[make_config(**overrides) for overrides in line] for line in ALIKE]


def fold_of(index: int, size: int) -> Fold:
    return Fold(index, *np.split(np.arange(size + 9), [size, size + 3, size + 6]))


def form(line: int, size: int) -> tuple[int, int]:
    """Equal for members that can train together: a last minibatch of 4 or 5 rows, of 8, is filled up."""
    return line, size if line in NORMED else 0


MEMBERS = st.lists(
    st.tuples(st.integers(0, len(ALIKE) - 1), st.integers(0, 3), st.integers(0, 3), st.sampled_from([20, 21])),
    max_size=60,
)


@settings(max_examples=40)
@given(members=MEMBERS, width=st.integers(1, 20), row_size=st.sampled_from([1, 10**6]))
def test_fleets_are_of_one_form_never_too_wide_and_lose_nobody(members, width, row_size, lines, make_fit):
    base = make_fit(lines[0][0])
    fits = [
        replace(base, config=lines[line][place % len(lines[line])], fold=fold_of(index, size), replicate=place % 2)
        for line, place, index, size in members
    ]
    fleets = group_into_fleets(fits, width, lambda _: (row_size,))
    assert Counter(place for fleet in fleets for place in fleet) == Counter(range(len(fits)))
    assert all(1 <= len(fleet) <= width for fleet in fleets)
    assert all(len({form(members[place][0], members[place][3]) for place in fleet}) == 1 for fleet in fleets)


@settings(max_examples=40)
@given(members=MEMBERS, width=st.integers(1, 20))
def test_small_fits_of_one_form_fill_as_few_fleets_as_can_be(members, width, lines, make_fit):
    base = make_fit(lines[0][0])
    fits = [replace(base, config=lines[line][0], fold=fold_of(index, size)) for line, _, index, size in members]
    alike = Counter(form(line, size) for line, _, _, size in members)
    assert len(group_into_fleets(fits, width, lambda _: (1,))) == sum(-(-count // width) for count in alike.values())


def test_fits_whose_preprocessing_gives_other_numbers_of_features_do_not_train_together(lines, make_fit):
    fits = [make_fit(lines[0][0], fold=fold) for fold in range(6)]
    fleets = group_into_fleets(fits, 6, lambda fit: (5 + fit.fold.index % 2,))
    assert sorted(fleets) == [[0, 2, 4], [1, 3, 5]]


@pytest.fixture(scope="module")
def trials(make_config, make_rows):
    """Trials of two forms, five folds of 41 rows (one a row larger), two replicates, in the order of a sweep."""
    evaluation = {"kind": "kfold", "folds": 5, "replicates": 2}
    configs = []
    for overrides in (
        {"optimizer": "sgd", "regularization": "dropout"},
        {"model": {"kind": "mlp", "widths": [6]}, "norm": "before"},
        {"optimizer": "adam", "regularization": {"kind": "dropout", "dropout": 0.2}},
        {"model": {"kind": "mlp", "widths": [6]}, "norm": "before", "optimizer": "rmsprop"},
    ):
        configs.append(make_config(**overrides, evaluation=evaluation, training={"epochs": 2, "batch_size": 8}))
    bench = WorkerState(to_device(make_rows(41)))
    return bench.data, [fit for config in configs for fit in plan_fits(bench, TrialJob(config))]


@pytest.fixture(scope="module")
def alone(trials):
    data, fits = trials
    torch.set_num_threads(1)
    return [bits(train_fleet([fit], data)[0]) for fit in fits]


@pytest.mark.parametrize("width", [1, 7, 64])
def test_results_come_in_the_order_of_the_fits_each_as_if_alone(width, trials, alone):
    data, fits = trials
    assert len({len(fit.fold.train) for fit in fits}) == 2
    results = train_fits(fits, data, width)
    assert max(result.width for result in results) <= width
    assert [bits(result) for result in results] == alone


def test_the_order_of_the_fits_changes_no_result(trials, alone):
    data, fits = trials
    order = np.random.default_rng(1).permutation(len(fits))
    shuffled = train_fits([fits[place] for place in order], data, 9)
    assert [bits(result) for result in shuffled] == [alone[place] for place in order]


def test_a_key_that_came_later_leaves_the_names_of_shapes_as_they_were(make_config):
    assert "precision" not in shape_key(make_config(training={"precision": "float32"}))
    assert '"precision": "bf16"' in shape_key(make_config(training={"precision": "bf16"}))


def test_no_fits_give_no_results(make_rows):
    assert train_fits([], to_device(make_rows(10)), 4) == []
