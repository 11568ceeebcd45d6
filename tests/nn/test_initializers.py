"""Initial weights: moments, fans, seeds."""

import math

import pytest
import torch
from torch import nn

from hpsearch.config import ConfigError
from hpsearch.nn.models import build_network

WIDE = {"kind": "mlp", "widths": [400, 300]}


def hidden_weight(make_config, seed=0, **init) -> torch.Tensor:
    """(300, 400) weights of the second hidden layer."""
    return build_network(make_config(model=WIDE, init=init), (10,), 3, seed=seed).hidden[1].linear.weight.detach()


def test_zeros(make_config):
    assert hidden_weight(make_config, kind="zeros").abs().max() == 0


def test_normal_has_its_standard_deviation(make_config):
    weight = hidden_weight(make_config, kind="normal", std=0.01)
    assert weight.std().item() == pytest.approx(0.01, rel=0.01)
    assert abs(weight.mean().item()) < 4 * 0.01 / math.sqrt(weight.numel())


def test_uniform_fills_its_interval(make_config):
    weight = hidden_weight(make_config, kind="uniform", limit=0.3)
    assert 0.299 < weight.abs().max() <= 0.3
    assert weight.std().item() == pytest.approx(0.3 / math.sqrt(3), rel=0.01)


@pytest.mark.parametrize(("fan", "connections"), [("in", 400), ("out", 300), ("average", 350)])
@pytest.mark.parametrize("kind", ["scaled_normal", "scaled_uniform"])
def test_scaled_weights_have_the_standard_deviation_gain_over_root_fan(kind, fan, connections, make_config):
    weight = hidden_weight(make_config, kind=kind, gain=1.5, fan=fan)
    assert weight.std().item() == pytest.approx(1.5 / math.sqrt(connections), rel=0.01)


def test_scaled_uniform_is_bounded_by_root_three_standard_deviations(make_config):
    weight = hidden_weight(make_config, kind="scaled_uniform", gain=1.0, fan="in")
    assert weight.abs().max().item() == pytest.approx(math.sqrt(3 / 400), rel=1e-3)


def test_the_fan_of_a_convolution_counts_its_kernel(make_config):
    model = {"kind": "cnn", "filters": [60, 80], "kernel": 5}
    init = {"kind": "scaled_normal", "gain": 2.0, "fan": "in"}
    network = build_network(make_config(model=model, init=init), (1, 8, 8), 3)
    assert network.convolutions[1].conv.weight.std().item() == pytest.approx(2 / math.sqrt(60 * 25), rel=0.01)


def test_orthogonal_rows_times_gain(make_config):
    weight = hidden_weight(make_config, kind="orthogonal", gain=2.0)
    torch.testing.assert_close(weight @ weight.T, 4 * torch.eye(300), atol=1e-4, rtol=0)


def test_all_biases_are_set(make_config):
    network = build_network(make_config(model=WIDE, init={"kind": "normal", "bias": 0.25}), (10,), 3)
    biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
    assert len(biases) == 3
    assert all((bias == 0.25).all() for bias in biases)


def test_same_seed_same_weights_and_layers_differ(make_config):
    network, again = (build_network(make_config(model={"kind": "mlp", "widths": [10, 10]}), (10,), 10, seed=s)
                      for s in (3, 3))  # fmt: skip
    first, second = network.hidden[0].linear.weight, network.hidden[1].linear.weight
    assert torch.equal(first, again.hidden[0].linear.weight)
    assert not torch.equal(first, second)


def test_another_seed_gives_other_weights(make_config):
    assert not torch.equal(*(hidden_weight(make_config, seed=s, kind="normal") for s in (0, 1)))


def test_weights_are_paired_over_optimizers(make_config):
    networks = [build_network(make_config(optimizer=o), (10,), 3, seed=5) for o in ("sgd", "adam")]
    assert torch.equal(*(network.output.weight for network in networks))


def test_he_keeps_the_scale_of_relu_layers(make_config):
    """He et al. (2015): the mean square of the activations stays as it is from layer to layer."""
    model = {"kind": "mlp", "depth": 8, "width": 500}
    network = build_network(make_config(model=model, init="scaled_normal"), (500,), 3)
    x = torch.randn(400, 500, generator=torch.Generator().manual_seed(0))
    squares = []
    for block in network.hidden:
        x = block.linear(x)
        squares.append(x.square().mean().item())
        x = nn.functional.relu(x)
    assert squares[-1] / squares[0] == pytest.approx(1, abs=0.3)


def own(name, **kwargs):
    return {"kind": "custom", "import_path": name if ":" in name else f"users_initializers:{name}", "kwargs": kwargs}


def test_an_initializer_of_torch_draws_from_the_generator_of_the_seed(make_config):
    weight = hidden_weight(make_config, **own("torch.nn.init:trunc_normal_", std=0.02, a=-0.03, b=0.03))
    assert 0.029 < weight.abs().max() <= 0.03
    assert torch.equal(
        weight, hidden_weight(make_config, **own("torch.nn.init:trunc_normal_", std=0.02, a=-0.03, b=0.03))
    )
    again = hidden_weight(make_config, seed=1, **own("torch.nn.init:trunc_normal_", std=0.02))
    assert not torch.equal(weight, again)


def test_an_own_initializer_fills_in_place_or_returns_the_weights(make_config):
    assert hidden_weight(make_config, **own("halves")).unique().tolist() == [0.5]
    weight = hidden_weight(make_config, **own("noise", scale=0.1))
    assert weight.std().item() == pytest.approx(0.1, rel=0.01)


def test_one_that_takes_no_generator_depends_on_the_seed_alone(make_config):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = hidden_weight(make_config, **own("noise"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(hidden_weight(make_config, **own("noise")), first)
    assert not torch.equal(hidden_weight(make_config, seed=5, **own("noise")), first)


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (
            own("transposed"),
            r"must fill a weight of shape \(400, 10\) with finite numbers, got shape \(10, 400\)",
        ),
        (own("infinite"), "users_initializers:infinite must fill a weight of shape"),
        (own("noise", scle=2), "init.kwargs must suit users_initializers:noise, got {'scle': 2}"),
    ],
)
def test_what_is_no_initializer_is_refused_with_the_reason(make_config, init, expected):
    with pytest.raises(ConfigError, match=expected):
        hidden_weight(make_config, **init)
