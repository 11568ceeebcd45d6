"""Layer-sequential unit variance: what a network starts from, and that engines start alike."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hpsearch.engine import reference
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.engine.initial_network import initial_network
from hpsearch.nn.initializers import scale_outputs
from hpsearch.nn.models import build_network
from hpsearch.seeding import epoch_order
from tests.engine.comparison import TOLERANCE, bits, worst_difference

LSUV = {"kind": "lsuv", "rows": 16, "gain": 1.0, "bias": 0.0}


def first_rows(fit, data, count):
    """(count, *shape) unscaled inputs of the rows that the fit sees first."""
    return data.rows.inputs[fit.fold.train[epoch_order(fit.seeds.order, 0, len(fit.fold.train))[:count]]]


def outputs_of_layers(network, inputs):
    """The outputs of every linear and convolution layer, in order."""
    seen = []
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.register_forward_hook(lambda _, __, outputs: seen.append(outputs.detach()))
    network.eval()(inputs)
    return seen


@pytest.fixture
def made(make_config, make_rows, make_fit):
    """A fit, its data, and the network that it starts from."""

    def make(*, images=False, fold=0, **overrides):
        overrides = {"preprocess": "none", "init": LSUV, **overrides}
        fit = make_fit(make_config(**overrides), fold=fold)
        data = to_device(make_rows(images=images, width=8 if images else 5))
        return fit, data, initial_network(fit, data, 3)

    return make


@pytest.mark.parametrize(
    ("images", "overrides"),
    [
        (False, {"model": {"kind": "mlp", "widths": [40, 30, 20]}}),
        (False, {"model": {"kind": "mlp", "widths": [40, 30]}, "activation": "tanh", "init": {**LSUV, "bias": 0.3}}),
        (False, {"model": {"kind": "mlp", "widths": [40, 30]}, "norm": "before"}),
        (False, {"model": {"kind": "mlp", "widths": [40]}, "regularization": {"kind": "dropout", "dropout": 0.5}}),
        (True, {"model": {"kind": "cnn", "filters": [4, 6], "dense": [10]}}),
    ],
    ids=["relu", "bias", "batch norm", "dropout", "cnn"],
)
def test_the_outputs_of_every_layer_have_unit_variance_on_the_first_rows(made, images, overrides):
    fit, data, network = made(images=images, **overrides)
    inputs = torch.tensor(first_rows(fit, data, 16)).float()
    spreads = [float(outputs.std(correction=0)) for outputs in outputs_of_layers(network, inputs)]
    assert spreads == pytest.approx([1.0] * len(spreads), rel=1e-4)


def test_the_gain_is_the_standard_deviation(made):
    fit, data, network = made(init={**LSUV, "gain": 2.5}, model={"kind": "mlp", "widths": [40, 30]})
    inputs = torch.tensor(first_rows(fit, data, 16)).float()
    assert float(outputs_of_layers(network, inputs)[-1].std(correction=0)) == pytest.approx(2.5, rel=1e-4)


def test_the_weights_are_the_orthogonal_ones_times_one_number_for_each_layer(made, make_config):
    fit, _, network = made(model={"kind": "mlp", "widths": [40, 30]})
    orthogonal = replace(fit.config, init=make_config(init={"kind": "orthogonal", "gain": 1.0}).init)
    plain = build_network(orthogonal, (5,), 3, seed=fit.seeds.init)
    for layer, before in zip(network.hidden, plain.hidden, strict=True):
        ratio = layer.linear.weight / before.linear.weight
        torch.testing.assert_close(ratio, ratio[0, 0].expand_as(ratio), rtol=1e-4, atol=0)
        assert ratio[0, 0] > 0


def test_other_training_rows_are_other_weights(made):
    fit, data, network = made()
    rows = np.roll(fit.fold.train, 7)
    other = initial_network(replace(fit, fold=replace(fit.fold, train=rows)), data, 3)
    again = initial_network(fit, data, 3)
    assert torch.equal(again.output.weight, network.output.weight)
    assert not torch.equal(other.output.weight, network.output.weight)


def test_normalization_and_the_mode_of_the_network_stay_as_they_were(made):
    network = made(model={"kind": "mlp", "widths": [40]}, norm="before")[2]
    assert network.training
    assert torch.equal(network.hidden[0].norm.running_mean, torch.zeros(40))
    assert int(network.hidden[0].norm.num_batches_tracked) == 0


def test_a_layer_without_any_spread_keeps_its_weights():
    network = nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU())
    before = network[0].weight.clone()
    scale_outputs(network, torch.zeros(8, 4), 1.0)
    assert torch.equal(network[0].weight, before)


@pytest.mark.parametrize("preprocess", ["none", "standard"])
def test_a_mixed_fleet_starts_and_ends_as_the_reference_does(make_config, make_rows, make_fit, preprocess):
    config = make_config(
        preprocess=preprocess, init=LSUV, model={"kind": "mlp", "widths": [7, 6]},
        training={"epochs": 3, "batch_size": 8}, activation="tanh",
    )  # fmt: skip
    other = replace(config, init=make_config(init="scaled_normal").init)
    fits = [make_fit(config, fold=0), make_fit(config, fold=1), make_fit(other, fold=0), make_fit(config, replicate=1)]
    data = to_device(make_rows(), dtype=torch.float64)
    for fit, found in zip(fits, train_fleet(fits, data, keep_state=True), strict=True):
        assert worst_difference(found, reference.train(fit, data, keep_state=True)) < TOLERANCE


def test_a_member_has_the_same_bits_alone_and_among_others(make_config, make_rows, make_fit):
    config = make_config(init=LSUV, model={"kind": "mlp", "widths": [7, 6]}, training={"epochs": 2, "batch_size": 8})
    fits = [make_fit(config, fold=fold) for fold in range(3)]
    data = to_device(make_rows())
    together = train_fleet(fits, data, keep_state=True)
    alone = [train_fleet([fit], data, keep_state=True)[0] for fit in fits]
    assert [bits(result) for result in together] == [bits(result) for result in alone]
    assert not np.array_equal(together[0].val_outputs, together[1].val_outputs)
