"""What a round of a search from coarse to fine leaves of its options, and that a person is told."""

from dataclasses import replace

import pytest
from driver_processes import InProcess, Silent, driver_in

from hpsearch.records import NO_LEVEL, Status, TrialResult
from hpsearch.search.plan import Plan
from hpsearch.search.trial_records import Record
from hpsearch.space import Choices, Composed, Range, Space

OPTIMIZERS = ("sgd", "adam", "rmsprop")
LR = Range(1e-3, 1e-1, log=True, step=None, whole=False)
SIZES = Choices((4, 8))
SPACE = Space(
    {"optimizer": OPTIMIZERS},
    {f"optimizer.{option}": {"lr": LR} for option in OPTIMIZERS} | {"training.default": {"batch_size": SIZES}},
)
FIRST = 18


@pytest.fixture
def plan(make_config):
    """18 trials, then 8, then long ones, over three optimizers and two sizes of a batch."""
    rounds = [{"trials": FIRST, "epochs": 1}, {"trials": 8, "epochs": 3}]

    def compose(options):
        return Composed(make_config(search={"kind": "coarse_to_fine", "rounds": rounds}, **options), {}, {})

    return Plan.single(compose({}), SPACE, compose, "0" * 64)


def record(k, optimizer, val, report=0.5, size=4):
    values = {"optimizer": optimizer, f"optimizer.{optimizer}.lr": 0.01, "training.default.batch_size": size}
    result = TrialResult(Status.OK, None, val, None, {}, {"report/accuracy": report}, [], [])
    return Record(NO_LEVEL, k, values, {}, result, "")


def ranking(options, sizes=None):
    """Records of trials that score the higher, the earlier they come."""
    sizes = sizes or [(4, 8)[k % 2] for k in range(len(options))]
    drawn_by = zip(options, sizes, strict=True)
    return [record(k, option, 0.9 - k / 100, size=size) for k, (option, size) in enumerate(drawn_by)]


def drawn(plan, past, count=40):
    """What trials of the next round draw."""
    keys = [(NO_LEVEL, k) for k in range(len(past), len(past) + count)]
    return [trial.values for trial in plan.trials(keys, keys, past)]


def options_of(values):
    return {each["optimizer"] for each in values}


LOW_SGD = [*["adam", "rmsprop"] * 4, *["sgd"] * 6, *["adam", "rmsprop"] * 2]  # eight lie above its six


def test_an_option_whose_trials_all_score_low_is_not_drawn_again(plan):
    values = drawn(plan, ranking(LOW_SGD))
    assert options_of(values) == {"adam", "rmsprop"}
    assert not any(name.startswith("optimizer.sgd.") for each in values for name in each)
    assert plan.dropped(ranking(LOW_SGD)) == {"optimizer": ("sgd",)}


def test_an_option_is_drawn_again_where_chance_alone_could_put_its_trials_so_low(plan):
    past = ranking([*LOW_SGD[:7], *["sgd"] * 6, *["adam", "rmsprop"] * 2, "adam"])
    assert options_of(drawn(plan, past)) == set(OPTIMIZERS)
    assert plan.dropped(past) == {}


def test_a_choice_of_a_value_is_dropped_as_an_option_is(plan):
    past = ranking(["adam", "rmsprop", "sgd"] * 6, [8] * 9 + [4] * 9)
    assert {each["training.default.batch_size"] for each in drawn(plan, past)} == {8}
    assert plan.dropped(past) == {"training.default.batch_size": (4,)}


def test_what_was_dropped_stays_dropped_and_is_told_once(plan):
    past = ranking(LOW_SGD)
    past += [replace(each, k=FIRST + each.k) for each in ranking(["adam", "rmsprop"] * 4)]
    assert options_of(drawn(plan, past)) == {"adam", "rmsprop"}
    assert plan.dropped(past) == {}


def test_what_is_dropped_depends_on_val_alone(plan):
    past = ranking(LOW_SGD)
    flattered = [
        replace(each, result=replace(each.result, summary={"report/accuracy": 0.1 + each.k / 20})) for each in past
    ]
    assert drawn(plan, flattered) == drawn(plan, past)


def test_the_same_records_drop_the_same(plan):
    past = ranking(LOW_SGD)
    assert drawn(plan, past) == drawn(plan, list(past))


def test_before_a_round_has_ended_nothing_is_told(plan):
    assert plan.dropped([]) is None


class Heard(Silent):
    """Keeps what it is told of narrowed spaces."""

    def __init__(self):
        self.told = []

    def narrowed(self, trials, dropped):
        self.told.append((trials, dropped))


def test_a_driver_tells_at_the_beginning_of_a_round_what_it_goes_without(make_config, place):
    rounds = [{"trials": 12, "epochs": 1}]

    def compose(options):
        search = {"kind": "coarse_to_fine", "rounds": rounds}
        training = {"epochs": 2, "batch_size": 4}
        return Composed(make_config(search=search, training=training, model={"width": 16}, **options), {}, {})

    none = Range(1e-9, 1e-8, log=True, step=None, whole=False)  # nothing is learned with these
    spaces = {"optimizer.sgd": {"lr": none}, "optimizer.adam": {"lr": replace(LR, low=0.02)}}
    plan = Plan.single(compose({}), Space({"optimizer": ("sgd", "adam")}, spaces), compose, "0" * 64)
    folder, heard = place(), Heard()
    with driver_in(folder, plan, InProcess(folder / "trained")) as driver:
        driver.watch = heard
        records = driver.finish(14)
    assert {each.values["optimizer"] for each in records[:12]} == {"sgd", "adam"}
    assert {each.values["optimizer"] for each in records[12:]} == {"adam"}
    assert heard.told == [(12, {"optimizer": ("sgd",)})]
