"""Members that leave a fleet, by divergence or by early stopping: nobody else notices."""

from dataclasses import replace

import pytest

from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.records import Status
from tests.engine.comparison import bits

MLP = {"model": {"kind": "mlp", "widths": [9, 7]}, "regularization": {"kind": "both"}}
CNN = {"model": {"kind": "cnn", "filters": [3, 4], "dense": [5]}, "regularization": {"kind": "both"}}
NETWORKS = {
    "mlp": ({**MLP, "norm": "none"}, False),
    "mlp-norm": ({**MLP, "norm": "before"}, False),
    "cnn": ({**CNN, "norm": "none"}, True),
    "cnn-norm": ({**CNN, "norm": "after"}, True),
}
LEAVING = {"epochs": 15, "batch_size": 8, "patience": 2}


@pytest.fixture(params=NETWORKS)
def network(request):
    return NETWORKS[request.param]


@pytest.mark.parametrize(("place", "shared"), [(0, True), (2, False), (4, True)], ids=["first", "middle", "last"])
def test_a_diverging_member_changes_no_bit_of_its_neighbours(place, shared, network, make_config, make_rows, make_fit):
    overrides, images = network
    data = to_device(make_rows(40, task="regression", images=images, width=8 if images else 5))
    fits = []
    for member, lr in enumerate((0.001, 0.002, 0.005, 0.01, 0.02)):
        optimizer = {"kind": "momentum", "lr": 1e30 if member == place else lr}
        config = make_config(**overrides, loss="mse", optimizer=optimizer, training={"epochs": 2, "batch_size": 8})
        fits.append(make_fit(config, 40, seed=0 if shared else member))
    if shared:
        fits = [replace(fit, fold=fits[0].fold) for fit in fits]
    neighbours = [member for member in range(5) if member != place]
    together = train_fleet(fits, data, keep_state=True)
    without = train_fleet([fits[member] for member in neighbours], data, keep_state=True)
    assert together[place].status is Status.DIVERGED
    assert [bits(together[member]) for member in neighbours] == [bits(result) for result in without]


def test_diverged_members_fail_in_the_words_of_the_reference(network, make_config, make_rows, make_fit):
    overrides, images = network
    data = to_device(make_rows(40, task="regression", images=images, width=8 if images else 5))
    fits = []
    for kind in ("sgd", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam", "radam", "lamb"):
        training = {"epochs": 2, "batch_size": 8}
        config = make_config(**overrides, loss="mse", optimizer={"kind": kind, "lr": 1e30}, training=training)
        fits.append(make_fit(config, 40))
    for fit, result in zip(fits, train_fleet(fits, data), strict=True):
        expected = reference.train(fit, data)
        assert result.failure == expected.failure is not None
        assert (result.status, result.chosen_epoch) == (Status.DIVERGED, expected.chosen_epoch)
        assert result.val_outputs.shape == expected.val_outputs.shape
        assert result.report_outputs.shape == expected.report_outputs.shape


@pytest.mark.parametrize(("lr", "expected"), [(2.0, "training loss"), (5e36, "validation output"), (3e38, "weight")])
def test_what_is_not_finite_is_named_as_the_reference_names_it(lr, expected, make_config, make_rows, make_fit):
    config = make_config(
        model="linear", optimizer={"kind": "sgd", "lr": lr}, loss="sse", training={"epochs": 100, "batch_size": 24}
    )
    fit, data = make_fit(config, 40), to_device(make_rows(40, task="regression"))
    fleet = train_fleet([fit], data)[0]
    assert expected in fleet.failure
    assert fleet.failure == reference.train(fit, data).failure


def test_who_leaves_early_or_diverges_leaves_everybody_as_if_alone(network, make_config, make_rows, make_fit):
    overrides, images = network
    schedule = "constant" if overrides["norm"] == "none" else "plateau"
    data = to_device(make_rows(60, task="regression", images=images, width=8 if images else 5))
    fits = []
    for member, (kind, lr) in enumerate(
        [("sgd", 0.003), ("sgd", 1.0), ("adam", 0.03), ("adam", 0.2), ("momentum", 1e30), ("rmsprop", 0.05)]
    ):
        config = make_config(
            **overrides, loss="mse", optimizer={"kind": kind, "lr": lr}, schedule=schedule, training=LEAVING
        )
        fits.append(make_fit(config, 60, train=30, monitor=10, seed=member % 3, fold=member % 2))
    together = train_fleet(fits, data, keep_state=True)
    assert len({len(result.lr) for result in together}) >= 4
    assert {result.status for result in together} == {Status.OK, Status.DIVERGED}
    alone = [train_fleet([fit], data, keep_state=True)[0] for fit in fits]
    assert [bits(result) for result in together] == [bits(result) for result in alone]


def test_a_member_that_diverges_after_its_best_epoch_is_reported_like_the_reference(make_config, make_rows, make_fit):
    data = to_device(make_rows(60, task="regression"))
    overrides = {"model": "linear", "loss": "sse", "training": {"epochs": 30, "batch_size": 24, "patience": 20}}
    fits = [
        make_fit(make_config(**overrides, optimizer={"kind": "sgd", "lr": lr}), 60, train=24, monitor=10)
        for lr in (0.001, 0.7)
    ]
    result, expected = train_fleet(fits, data, keep_state=True)[1], reference.train(fits[1], data, keep_state=True)
    assert len(expected.monitor_loss) > 1
    assert result.failure == expected.failure is not None
    assert result.chosen_epoch == expected.chosen_epoch
    assert result.report_outputs.shape == expected.report_outputs.shape == (0, 2)
