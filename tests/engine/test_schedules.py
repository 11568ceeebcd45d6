"""Learning-rate multipliers against torch's own schedulers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from hpsearch.config import ConfigError
from hpsearch.config.training import (
    CosineSchedule,
    CustomSchedule,
    ExponentialSchedule,
    LinearSchedule,
    OneCycleSchedule,
    PlateauSchedule,
    Schedule,
    StepSchedule,
    WarmRestarts,
)
from hpsearch.engine.device_data import to_device
from hpsearch.engine.fleet.trainer import train_fleet
from hpsearch.engine.reference import train
from hpsearch.engine.schedules import multiplier, plateau_factor, recorded_factors
from tests.engine.comparison import worst_difference

EPOCHS, STEPS = 6, 5


def torch_rates(make, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def at_epochs(schedule: Schedule) -> list[float]:
    """The multiplier at the first step of each epoch, which must hold to its last."""
    rates = [[multiplier(schedule, e * STEPS + i, STEPS, EPOCHS) for i in range(STEPS)] for e in range(EPOCHS)]
    assert all(len(set(epoch)) == 1 for epoch in rates)
    return [epoch[0] for epoch in rates]


def test_step_equals_torch():
    schedule = StepSchedule(kind="step", warmup_epochs=0, every=2, gamma=0.3)
    expected = torch_rates(lambda o: lr_scheduler.StepLR(o, 2, 0.3), EPOCHS)
    assert at_epochs(schedule) == pytest.approx(expected, rel=1e-12)


def test_exponential_equals_torch():
    schedule = ExponentialSchedule(kind="exponential", warmup_epochs=0, gamma=0.8)
    expected = torch_rates(lambda o: lr_scheduler.ExponentialLR(o, 0.8), EPOCHS)
    assert at_epochs(schedule) == pytest.approx(expected, rel=1e-12)


def test_cosine_equals_torch_stepped_after_each_minibatch():
    schedule = CosineSchedule(kind="cosine", warmup_epochs=0, floor=0.1)
    expected = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS, eta_min=0.1), EPOCHS * STEPS)
    actual = [multiplier(schedule, step, STEPS, EPOCHS) for step in range(EPOCHS * STEPS)]
    assert actual == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_linear_equals_torch_stepped_after_each_minibatch(floor):
    schedule = LinearSchedule(kind="linear", warmup_epochs=0, floor=floor)
    steps = EPOCHS * STEPS
    expected = torch_rates(lambda o: lr_scheduler.LinearLR(o, 1.0, floor, steps), steps)
    assert [multiplier(schedule, step, STEPS, EPOCHS) for step in range(steps)] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("pct_start", [0.01, 0.3, 0.5, 0.99])
@pytest.mark.parametrize(("steps", "epochs"), [(5, 6), (1, 3), (7, 1)])
def test_one_cycle_equals_torch(pct_start, steps, epochs):
    schedule = OneCycleSchedule(
        kind="one_cycle", warmup_epochs=0, pct_start=pct_start, div_factor=20, final_div_factor=500
    )
    expected = torch_rates(
        lambda o: lr_scheduler.OneCycleLR(
            o, 1.0, steps * epochs, pct_start=pct_start, div_factor=20, final_div_factor=500, cycle_momentum=False
        ),
        steps * epochs - 1,  # torch's scheduler has no step after the last
    )
    actual = [multiplier(schedule, step, steps, epochs) for step in range(steps * epochs)]
    assert actual[:-1] == pytest.approx(expected, rel=1e-9)
    assert actual[-1] == pytest.approx(1 / 20 / 500)


def test_one_cycle_of_a_single_step_is_at_its_end():
    schedule = OneCycleSchedule(kind="one_cycle", warmup_epochs=0, pct_start=0.3, div_factor=20, final_div_factor=500)
    assert multiplier(schedule, 0, 1, 1) == pytest.approx(1 / 20 / 500)


@pytest.mark.parametrize(("period", "mult"), [(1, 1), (1, 2), (2, 3), (9, 1)])
def test_warm_restarts_equal_torch_stepped_by_fractions_of_an_epoch(period, mult):
    schedule = WarmRestarts(kind="warm_restarts", warmup_epochs=0, period=period, period_mult=mult, floor=0.1)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, period, mult, eta_min=0.1)
    for step in range(12 * STEPS):
        scheduler.step(step / STEPS)
        expected = optimizer.param_groups[0]["lr"]
        assert multiplier(schedule, step, STEPS, 12) == pytest.approx(expected, rel=1e-9), step


def own(name, warmup_epochs=0.0, **kwargs):
    path = f"users_schedules:{name}"
    return CustomSchedule(kind="custom", warmup_epochs=warmup_epochs, import_path=path, kwargs=kwargs)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (own("ramp"), [(step + 1) / 30 for step in range(30)]),
        (own("ramp", power=2), [((step + 1) / 30) ** 2 for step in range(30)]),
        (own("halving"), [0.5 ** (step // 5) for step in range(30)]),
        (own("halving", warmup_epochs=0.4), [0.5, *([1.0] * 4), *(0.5 ** (step // 5) for step in range(5, 30))]),
    ],
)
def test_an_own_function_gets_of_the_clock_what_it_names(schedule, expected):
    assert [multiplier(schedule, step, STEPS, EPOCHS) for step in range(30)] == pytest.approx(expected)


def test_an_own_function_trains_in_fleets_and_alone_as_the_schedule_that_it_copies(make_config, make_rows, make_fit):
    shared = {"model": {"kind": "mlp", "widths": [7]}, "training": {"epochs": 3, "batch_size": 8}}
    copied = {"kind": "custom", "import_path": "users_schedules:cosine", "kwargs": {"floor": 0.1}}
    schedules = ({"kind": "cosine", "floor": 0.1}, copied)
    fits = [make_fit(make_config(**shared, schedule=schedule), 40) for schedule in schedules]
    data = to_device(make_rows(40), dtype=torch.float64)
    plain, alone = (train(fit, data, keep_state=True) for fit in fits)
    _, fleet = train_fleet(fits, data, keep_state=True)
    assert worst_difference(alone, plain) <= 1e-9
    assert worst_difference(fleet, plain) <= 1e-9


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (own("broken"), r"users_schedules:broken must return a factor .* >= 0, got 'half' at step 3 of 30"),
        (own("negative"), r"users_schedules:negative must return a factor .* >= 0, got -30 at step 3 of 30"),
        (own("ramp", pwer=2), "schedule.kwargs must suit users_schedules:ramp, got {'pwer': 2}"),
        (own("rump"), "schedule.import_path must name something in users_schedules, got .* mean ramp"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_reason(schedule, expected):
    with pytest.raises(ConfigError, match=expected):
        multiplier(schedule, 3, STEPS, EPOCHS)


def test_warm_up_is_linear_and_may_end_within_an_epoch():
    schedule = Schedule(kind="constant", warmup_epochs=1.6)  # 8 steps of 5 an epoch
    expected = [1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8, 7 / 8, 1, 1, 1]
    assert [multiplier(schedule, step, STEPS, EPOCHS) for step in range(10)] == pytest.approx(expected)


def test_warm_up_multiplies_the_schedule():
    schedule = StepSchedule(kind="step", warmup_epochs=2, every=1, gamma=0.5)
    assert multiplier(schedule, STEPS, STEPS, EPOCHS) == pytest.approx(0.5 * 6 / 10)


@given(
    losses=st.lists(st.floats(0, 3), min_size=1, max_size=30),
    patience=st.integers(0, 4),
    factor=st.sampled_from([0.1, 0.5, 0.9]),
)
def test_plateau_equals_torch(losses, patience, factor):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer, factor=factor, patience=patience, threshold=0, eps=0)
    schedule = PlateauSchedule(kind="plateau", warmup_epochs=0, factor=factor, patience=patience)
    for count, loss in enumerate(losses, start=1):
        plateau.step(loss)
        assert plateau_factor(schedule, losses[:count]) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)


def test_recorded_factors_leave_the_warm_up_out():
    schedule = PlateauSchedule(kind="plateau", warmup_epochs=2, factor=0.5, patience=0)
    assert recorded_factors(schedule, 0.1, [0.05, 0.1, 0.05, 0.025]) == pytest.approx([1, 1, 0.5, 0.25])


def test_other_schedules_record_no_reductions():
    schedule = StepSchedule(kind="step", warmup_epochs=0, every=1, gamma=0.5)
    assert recorded_factors(schedule, 0.1, [0.1, 0.05]) == [1.0, 1.0]
