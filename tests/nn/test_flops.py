"""Operations of a step, against torch's own counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hpsearch.nn.flops import prediction_flops, step_flops
from hpsearch.nn.models import build_network


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        ("linear", (7,)),
        ({"kind": "mlp", "depth": 3, "width": 5}, (7,)),
        ({"kind": "mlp", "widths": [8, 4]}, (1, 3, 3)),
        ({"kind": "cnn", "filters": [4, 6], "kernel": 3, "dense": [5]}, (2, 8, 8)),
        ({"kind": "cnn", "filters": [4], "kernel": 5, "stride": 2, "padding": 0, "pool": "none"}, (1, 9, 9)),
    ],
)
def test_a_step_takes_three_forward_passes_of_torchs_count(make_config, model, shape):
    config = make_config(model=model, training={"batch_size": 6})
    network = build_network(config, shape, 3)
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(6, *shape))
    assert step_flops(config, shape, 3) == 3 * counter.get_total_flops()


def test_nothing_is_known_of_a_users_own_module(make_config):
    assert step_flops(make_config(model="custom"), (4,), 2) is None
    assert prediction_flops(make_config(model="custom"), (4,), 2) is None


def test_a_prediction_takes_two_operations_for_each_weight_of_a_layer(make_config):
    config = make_config(model={"kind": "mlp", "widths": [8, 4]}, training={"batch_size": 6})
    assert prediction_flops(config, (1, 3, 3), 3) == 2 * (9 * 8 + 8 * 4 + 4 * 3)
