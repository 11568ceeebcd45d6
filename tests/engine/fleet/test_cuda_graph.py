"""Recording and replaying steps, with a recorder that needs no GPU."""

import torch

from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet import trainer as fleet
from hpsearch.engine.fleet.cuda_graph import WARM, Replayed


class Again:
    """Records a function by keeping it; like a graph, it has no effect before it is replayed."""

    made = 0

    def __init__(self):
        Again.made += 1

    def record(self, work):
        self.work = work

    def replay(self):
        self.work()


def test_replayed_steps_add_up_to_the_same_as_plain_ones():
    total, rows = torch.zeros(2), torch.arange(8.0).view(2, 4)

    def step(rows, lr):
        total.add_(rows.sum(1) * lr)

    run = Replayed(step, Again)
    for i in range(WARM + 4):
        run(rows + i, torch.tensor([1.0, 2.0]) * i)
    expected = sum((rows + i).sum(1) * torch.tensor([1.0, 2.0]) * i for i in range(WARM + 4))
    assert torch.equal(total, expected)


def test_a_minibatch_of_another_size_is_not_replayed():
    seen = []
    run = Replayed(lambda rows, _: seen.append(tuple(rows.shape)), Again)
    for size in [4] * (WARM + 1) + [3, 4]:
        run(torch.zeros(1, size), torch.zeros(1))
    assert seen == [(1, 4)] * (WARM + 1) + [(1, 3), (1, 4)]


def test_a_fleet_of_replayed_steps_equals_one_of_plain_steps(make_config, make_rows, make_fit):
    config = make_config(norm="before", regularization="both", training={"epochs": 3, "batch_size": 6, "patience": 1})
    fits, data = [make_fit(config, 60, train=31, monitor=9, seed=seed) for seed in range(4)], to_device(make_rows(60))
    plain = fleet.train_fleet(fits, data, keep_state=True)
    replayed = fleet.train_fleet(fits, data, keep_state=True, stepper=lambda step, _: Replayed(step, Again))
    assert Again.made > 0
    for one, other in zip(plain, replayed, strict=True):
        assert one.val_outputs.tobytes() == other.val_outputs.tobytes()
        assert all(one.state[name].tobytes() == other.state[name].tobytes() for name in one.state)
        assert one.signals == other.signals is not None
