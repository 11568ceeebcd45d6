"""Data on the device: values, minibatch sizes, space."""

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.config import ConfigError
from hpsearch.data.dataset import Development, Rows
from hpsearch.engine.device_data import OutOfSpaceError, fit_data, to_device
from hpsearch.engine.fleet.batch_layout import FleetBatch, FleetData
from hpsearch.engine.minibatches import batch_sizes
from hpsearch.records import Fit, Fold, Task
from hpsearch.seeding import fit_seeds


def all_rows(config, n) -> Fit:
    """A fit that trains on the first n rows."""
    none = np.arange(0)
    return Fit(config, Fold(0, np.arange(n), none, none, none), 0, fit_seeds(0, 0, 0))


def test_images_stay_bytes_until_they_are_in_a_minibatch(make_config, make_rows):
    rows, config = make_rows(20, images=True, width=6), make_config(data="mnist")
    data = to_device(rows)
    assert data.inputs.dtype == torch.uint8
    seen = fit_data(all_rows(config, 20), data)
    np.testing.assert_allclose(seen.batch(torch.tensor([4, 2])), rows.inputs[[4, 2]] / 255, rtol=1e-6)


def test_a_minibatch_leaves_the_shared_inputs_unchanged(make_config, make_rows):
    rows, config = make_rows(20), make_config(data="breast_cancer")
    data = to_device(rows)
    seen = fit_data(all_rows(config, 20), data)
    batch = seen.batch(torch.arange(20))
    np.testing.assert_allclose(batch.mean(dim=0), 0, atol=1e-5)
    np.testing.assert_array_equal(data.inputs, rows.inputs)


def test_read_only_arrays_can_be_copied(make_rows):
    rows = make_rows(20)
    rows.inputs.flags.writeable = False
    assert to_device(rows).inputs.shape == (20, 5)


def test_regression_targets_are_standardized_by_the_training_rows(make_config, make_rows):
    rows = make_rows(30, task="regression")
    config, train = make_config(loss="mse"), np.arange(12)
    seen = fit_data(all_rows(config, len(train)), to_device(rows, dtype=torch.float64))
    expected = (rows.targets - rows.targets[train].mean(axis=0)) / rows.targets[train].std(axis=0)
    np.testing.assert_allclose(seen.targets, expected, atol=1e-5)
    assert seen.labels is None


@pytest.mark.parametrize("engine", ["reference", "fleet"])
def test_rows_in_float64_are_scaled_before_they_become_float32(make_config, make_fit, engine):
    times = 1.7e9 + np.arange(40.0)[:, None]
    rows = Development("toy", Task.REGRESSION, times, times + 5e8, 0, digest="0" * 64)
    config = make_config(data="diabetes", loss="mse")
    fit = make_fit(config)
    data, chosen = to_device(rows), torch.tensor([0, 7])
    if engine == "fleet":
        of_crew = FleetData(FleetBatch.of([fit]), data)
        batch, targets = of_crew.inputs(chosen[None])[0], of_crew.targets(chosen[None])[0].T
    else:
        seen = fit_data(fit, data)
        batch, targets = seen.batch(chosen), seen.targets[chosen]
    train = times[fit.fold.train]
    expected = (times[[0, 7]] - train.mean()) / train.std()
    for found in (batch, targets):
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_loss_that_does_not_fit_names_itself_and_the_data(make_config, make_rows):
    rows = make_rows(30, task="regression")
    with pytest.raises(ConfigError) as error:
        fit_data(all_rows(make_config(loss="cross_entropy"), 30), to_device(rows))
    assert str(error.value) == (
        "loss cross_entropy does not fit the regression task of data toy: add one of loss=mse, loss=mae, loss=sse, "
        "loss=huber, loss=pinball, loss=poisson_nll, loss=gaussian_nll, loss=custom (or loss=bce for "
        "an autoencoder of inputs within [0, 1]); without loss= it is cross_entropy"
    )


def test_data_larger_than_memory_is_refused_with_its_size():
    rows = psutil.virtual_memory().total // 1024 + 1
    inputs = np.broadcast_to(np.zeros(1, np.float32), (rows, 512))  # 2 KiB a row of address space, 4 bytes of memory
    too_large = Rows("big", Task.MULTICLASS, inputs, np.zeros(1, np.int64), 2, ("a", "b"))
    with pytest.raises(OutOfSpaceError, match=r"data big needs \d+\.\d\d GiB on cpu, \d+\.\d\d GiB are free"):
        to_device(too_large)


@given(n=st.integers(1, 500), batch_size=st.integers(1, 120))
def test_minibatches_cover_all_rows_and_none_but_a_lone_one_has_one_row(n, batch_size):
    sizes = batch_sizes(n, batch_size)
    assert sum(sizes) == n
    assert all(size == batch_size for size in sizes[:-1])
    assert sizes[-1] <= batch_size + 1
    assert 1 not in sizes or batch_size == 1 or n == 1


def test_a_last_row_joins_the_minibatch_before():
    assert batch_sizes(21, 10) == [10, 11]
    assert batch_sizes(22, 10) == [10, 10, 2]
