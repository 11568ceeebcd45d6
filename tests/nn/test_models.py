"""Networks by option: names, shapes, what stands where."""

import pytest
import torch
from torch import nn

from hpsearch.config import ConfigError
from hpsearch.nn.dropout import Dropout
from hpsearch.nn.models import build_network, parameter_count


def kinds(block: nn.Module) -> list[str]:
    return [name for name, _ in block.named_children()]


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in network.named_parameters()}


@pytest.mark.parametrize("model", ["perceptron", "linear"])
def test_perceptron_and_linear_model_are_one_affine_layer(model, make_config):
    network = build_network(make_config(model=model), (1, 2, 3), 4)
    assert shapes(network) == {"output.weight": (4, 6), "output.bias": (4,)}
    x = torch.rand(5, 1, 2, 3)
    torch.testing.assert_close(network(x), x.flatten(1) @ network.output.weight.T + network.output.bias)


def test_mlp_names_and_shapes(make_config):
    network = build_network(make_config(model={"kind": "mlp", "widths": [7, 6]}), (5,), 3)
    assert shapes(network) == {
        "hidden.0.linear.weight": (7, 5),
        "hidden.0.linear.bias": (7,),
        "hidden.1.linear.weight": (6, 7),
        "hidden.1.linear.bias": (6,),
        "output.weight": (3, 6),
        "output.bias": (3,),
    }


def test_depth_zero_is_the_linear_model(make_config):
    network = build_network(make_config(model={"kind": "mlp", "depth": 0}), (5,), 3)
    assert list(shapes(network)) == ["output.weight", "output.bias"]


@pytest.mark.parametrize(
    ("norm", "order"),
    [
        ("none", ["linear", "activation", "dropout"]),
        ("before", ["linear", "norm", "activation", "dropout"]),
        ("after", ["linear", "activation", "norm", "dropout"]),
    ],
)
def test_order_within_a_hidden_block(norm, order, make_config):
    network = build_network(make_config(norm=norm, regularization="dropout"), (5,), 3)
    assert kinds(network.hidden[0]) == order


@pytest.mark.parametrize("norm", ["before", "after"])
def test_beta_takes_the_place_of_the_bias_in_both_placements(norm, make_config):
    network = build_network(make_config(norm=norm), (5,), 3)
    assert network.hidden[0].linear.bias is None
    plain = build_network(make_config(norm={"kind": norm, "affine": False}), (5,), 3)
    assert plain.hidden[0].linear.bias is not None


def test_gamma_is_one_and_beta_zero(make_config):
    norm = build_network(make_config(norm={"kind": "before", "momentum": 0.3, "eps": 0.01}), (5,), 3).hidden[0].norm
    assert norm.weight.tolist() == [1] * 16
    assert norm.bias.tolist() == [0] * 16
    assert (norm.momentum, norm.eps) == (0.3, 0.01)


def test_cnn_names_shapes_and_order(make_config):
    model = {"kind": "cnn", "filters": [4, 6], "dense": [8]}
    network = build_network(make_config(model=model, norm="after"), (1, 12, 12), 3)
    assert {name: shape for name, shape in shapes(network).items() if name.endswith("weight")} == {
        "convolutions.0.conv.weight": (4, 1, 3, 3),
        "convolutions.0.norm.weight": (4,),
        "convolutions.1.conv.weight": (6, 4, 3, 3),
        "convolutions.1.norm.weight": (6,),
        "hidden.0.linear.weight": (8, 6 * 3 * 3),
        "hidden.0.norm.weight": (8,),
        "output.weight": (3, 8),
    }
    assert kinds(network.convolutions[0]) == ["conv", "activation", "norm", "pool"]


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("padding", [None, 0, 1])
@pytest.mark.parametrize("pool", ["max", "avg", "none"])
def test_the_size_after_convolutions_is_what_torch_makes_of_it(kernel, stride, padding, pool, make_config):
    model = {"kind": "cnn", "filters": [2], "kernel": kernel, "stride": stride, "padding": padding, "pool": pool}
    network = build_network(make_config(model=model), (3, 13, 17), 2)
    assert network(torch.rand(2, 3, 13, 17)).shape == (2, 2)


def test_a_cnn_refuses_rows_that_are_no_images(make_config):
    with pytest.raises(ConfigError, match=r"model.kind cnn must be given images .* got rows of shape \(30,\)"):
        build_network(make_config(model="cnn"), (30,), 2)


def test_an_image_that_becomes_too_small_names_the_keys(make_config):
    with pytest.raises(ConfigError) as error:
        build_network(make_config(model={"kind": "cnn", "filters": [2] * 4}), (1, 8, 8), 2)
    assert str(error.value) == (
        "model.filters, model.kernel, model.stride, model.padding and model.pool_size must leave at least one pixel, "
        "got none of 8 x 8 after block 4 of 4: use fewer filters, or a smaller kernel, stride or pool_size"
    )


def test_a_kernel_larger_than_the_image_is_refused(make_config):
    with pytest.raises(ConfigError, match="after block 1 of 1"):
        build_network(make_config(model={"kind": "cnn", "kernel": 9, "padding": 0, "pool": "none"}), (1, 8, 8), 2)


def test_no_dropout_layer_without_dropout(make_config):
    network = build_network(make_config(), (5,), 3)
    assert not any(isinstance(module, Dropout) for module in network.modules())


def test_building_reads_no_global_generator(make_config):
    before = torch.get_rng_state()
    build_network(make_config(model="cnn", norm="before"), (1, 8, 8), 3)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("norm", ["none", "before", "after"])
@pytest.mark.parametrize("model", ["linear", "mlp", "cnn", {"kind": "custom", "import_path": "own_models:Plain"}])
def test_the_parameters_of_a_network_are_counted(model, norm, make_config):
    config, shape = make_config(model=model, norm=norm), (1, 6, 6) if model == "cnn" else (5,)
    sizes = [torch.Size(size).numel() for size in shapes(build_network(config, shape, 3)).values()]
    assert parameter_count(config, shape, 3) == sum(sizes)
