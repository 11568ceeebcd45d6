"""What a round of a search from coarse to fine leaves of its options, and that a person is told."""

from dataclasses import replace

import pytest

from hpsearch.records import NO_LEVEL, Status, TrialResult
from hpsearch.search.space import Choices, Composed, Range, Space
from hpsearch.store.record_json import Record
from tests.driver_processes import InProcess, search_in
from tests.fakes import SilentListener
from tests.specifications import single_level_plan

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

    return single_level_plan(compose({}), SPACE, compose, "0" * 64)


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


def dropped(plan, past):
    """By name, the options and choices that the next round goes without."""
    changes = {change.name: change for change in plan.narrowing(past)}
    choices = {name: one for name, one in changes.items() if isinstance(one.before, Choices)}
    lost = {
        name: tuple(value for value in one.before.values if value not in one.after.values)
        for name, one in choices.items()
    }
    return {name: values for name, values in lost.items() if values}


def options_of(values):
    return {each["optimizer"] for each in values}


LOW_SGD = [*["adam", "rmsprop"] * 4, *["sgd"] * 6, *["adam", "rmsprop"] * 2]  # eight lie above its six


def test_an_option_whose_trials_all_score_low_is_not_drawn_again(plan):
    values = drawn(plan, ranking(LOW_SGD))
    assert options_of(values) == {"adam", "rmsprop"}
    assert not any(name.startswith("optimizer.sgd.") for each in values for name in each)
    assert dropped(plan, ranking(LOW_SGD)) == {"optimizer": ("sgd",)}


def test_an_option_is_drawn_again_where_chance_alone_could_put_its_trials_so_low(plan):
    past = ranking([*LOW_SGD[:7], *["sgd"] * 6, *["adam", "rmsprop"] * 2, "adam"])
    assert options_of(drawn(plan, past)) == set(OPTIMIZERS)
    assert dropped(plan, past) == {}


def test_a_choice_of_a_value_is_dropped_as_an_option_is(plan):
    past = ranking(["adam", "rmsprop", "sgd"] * 6, [8] * 9 + [4] * 9)
    assert {each["training.default.batch_size"] for each in drawn(plan, past)} == {8}
    assert dropped(plan, past) == {"training.default.batch_size": (4,)}


def test_what_was_dropped_stays_dropped_and_is_told_once(plan):
    past = ranking(LOW_SGD)
    past += [replace(each, k=FIRST + each.k) for each in ranking(["adam", "rmsprop"] * 4)]
    assert options_of(drawn(plan, past)) == {"adam", "rmsprop"}
    assert dropped(plan, past) == {}


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
    assert plan.narrowing([]) == []


class Heard(SilentListener):
    """Keeps what it is told of narrowed spaces."""

    def __init__(self):
        self.told = []

    def narrowed(self, trials, changes):
        self.told.append((trials, {change.name: (change.after, change.reason) for change in changes}))


def test_a_driver_tells_at_the_beginning_of_a_round_what_it_goes_without(make_config, place):
    rounds = [{"trials": 12, "epochs": 1}]

    def compose(options):
        search = {"kind": "coarse_to_fine", "rounds": rounds}
        training = {"epochs": 2, "batch_size": 4}
        return Composed(make_config(search=search, training=training, model={"width": 16}, **options), {}, {})

    none = Range(1e-9, 1e-8, log=True, step=None, whole=False)  # nothing is learned with these
    spaces = {"optimizer.sgd": {"lr": none}, "optimizer.adam": {"lr": replace(LR, low=0.02)}}
    plan = single_level_plan(compose({}), Space({"optimizer": ("sgd", "adam")}, spaces), compose, "0" * 64)
    folder, heard = place(), Heard()
    with search_in(folder, plan, InProcess(folder / "trained")) as search:
        search.listener = heard
        records = search.finish(14)
    assert {each.values["optimizer"] for each in records[:12]} == {"sgd", "adam"}
    assert {each.values["optimizer"] for each in records[12:]} == {"adam"}
    ((trials, told),) = heard.told
    assert trials == 12
    assert told["optimizer"] == (Choices(("adam",)), "all trials of sgd lie low")
    assert "optimizer.sgd.lr" not in told


def of_decay(decays, vals, stalled=()):
    """Records of a first round that draws one weight decay each."""
    return [
        Record(
            NO_LEVEL,
            k,
            {"regularization.weight_decay.weight_decay": decay},
            {},
            TrialResult(Status.STALLED if k in stalled else Status.OK, None, val, None, {}, {}, [], []),
            "",
        )
        for k, (decay, val) in enumerate(zip(decays, vals, strict=True))
    ]


DECAY = Range(1e-8, 0.1, log=True, step=None, whole=False)
DECAYS = [10 ** -(1 + 7 * (k + 0.5) / FIRST) for k in range(FIRST)]  # from strong to weak, evenly


@pytest.fixture
def over(make_config):
    """A plan of 18 trials, 8 and long ones over these values of Adam and weight decay."""
    rounds = [{"trials": FIRST, "epochs": 1}, {"trials": 8, "epochs": 3}]
    config = make_config(search={"kind": "coarse_to_fine", "rounds": rounds}, regularization="weight_decay")
    base = Composed(config, {}, {})
    return lambda dimensions: single_level_plan(base, Space({}, dimensions), lambda _: base, "0" * 64)


@pytest.fixture
def decay_after(over):
    """The range of the weight decay after a first round of these trials, and why."""

    def after(*args, **changes):
        (change,) = over({"regularization.weight_decay": {"weight_decay": DECAY}}).narrowing(of_decay(*args, **changes))
        return change.after, change.reason

    return after


def test_trials_that_stalled_say_nothing_of_another_parameter(decay_after):
    vals = [0.5, 0.6, *[0.1] * 16]  # the two strongest decays alone have learned, by a learning rate nobody sees here
    assert decay_after(DECAYS, vals, stalled=range(2, FIRST)) == (DECAY, "2 of 18 trials learn: too few to tell")


def test_what_explains_best_who_learns_is_narrowed_and_what_goes_along_with_it_is_not(over):
    plan = over({"optimizer.adam": {"lr": LR}, "regularization.weight_decay": {"weight_decay": DECAY}})
    learns = range(6)  # the six lowest rates, and by chance six of the eight strongest decays
    decays = [DECAYS[k] for k in (0, 2, 3, 4, 6, 7, 1, 5, *range(8, FIRST))]
    past = []
    for k, decay in enumerate(decays):
        status, val = (Status.OK, 0.9 - 3 * k % 7 / 100) if k in learns else (Status.STALLED, 0.1)
        values = {
            "optimizer.adam.lr": LR.low * 100 ** ((k + 0.5) / FIRST),
            "regularization.weight_decay.weight_decay": decay,
        }
        past.append(Record(NO_LEVEL, k, values, {}, TrialResult(status, None, val, None, {}, {}, [], []), ""))
    changes = {change.name: change for change in plan.narrowing(past)}
    assert changes["optimizer.adam.lr"].after.high < LR.high
    assert changes["regularization.weight_decay.weight_decay"].after.low == DECAY.low


def test_a_range_is_narrowed_to_what_learns_where_all_that_stalled_lies_beyond(decay_after):
    vals = [0.6, 0.7, 0.9, 0.8, 0.6, 0.7, 0.6, 0.7, *[0.1] * 10]
    found, reason = decay_after(DECAYS, vals, stalled=range(8, FIRST))
    assert (found.high, found.log) == (0.1, True)
    assert DECAYS[8] / 3 < found.low < DECAYS[7]
    assert reason.startswith("the 8 of 18 trials that learn lie within 8 neighbouring values")


def test_good_trials_that_lie_apart_leave_a_range_as_it_is(decay_after):
    vals = [0.9 - (7 * k % FIRST) / 100 for k in range(FIRST)]
    found, reason = decay_after(DECAYS, vals)
    assert found == replace(DECAY, high=found.high)  # the best is the strongest decay
    assert found.high > DECAY.high
    assert reason == (
        "the 5 highest of 18 trials that learn lie apart, as chance may have it; "
        "widened, since the best lies at the upper end"
    )


def test_good_trials_that_lie_together_narrow_a_range(decay_after):
    vals = [0.9 - abs(k - 9) / 100 for k in range(FIRST)]
    found, reason = decay_after(DECAYS, vals)
    assert DECAYS[13] < found.low < DECAYS[11]
    assert DECAYS[7] < found.high < DECAYS[5]
    # 14 of C(18, 5) = 8,568 subsets of five lie within five in a row
    assert reason == ("the 5 highest of 18 trials that learn lie within 5 neighbouring values (0.1634 % by chance)")


def test_an_end_without_a_good_trial_is_cut_and_the_other_stays(decay_after):
    good = {10: 0.9, 12: 0.91, 14: 0.92, 15: 0.93, 16: 0.94}  # by the place of their decay, from strong to weak
    found, reason = decay_after(DECAYS, [good.get(k, 0.5) for k in range(FIRST)])
    assert found.low == DECAY.low
    assert DECAYS[10] < found.high < DECAYS[8]
    # none of ten among the highest five: C(8, 5) / C(18, 5) = 56 / 8,568
    assert reason == "the 5 highest of 18 trials that learn lie below the 10 highest values (0.6536 % by chance)"


def test_a_range_that_was_narrowed_is_widened_again_where_the_best_lies_at_its_end(over):
    plan = over({"optimizer.adam": {"lr": LR}})
    lrs = [LR.low * 100 ** ((k + 0.5) / FIRST) for k in range(FIRST)]
    first = [lr_record(k, lr, 0.9 - abs(k - 9) / 100) for k, lr in enumerate(lrs)]
    (narrow,) = plan.narrowing(first)
    assert LR.low < narrow.after.low < narrow.after.high < LR.high
    second = [
        lr_record(FIRST + k, narrow.after.low * (narrow.after.high / narrow.after.low) ** (k / 7), 0.5 + k / 100)
        for k in range(8)
    ]
    (wide,) = plan.narrowing([*first, *second])
    assert wide.before == narrow.after
    assert wide.after.high > narrow.after.high
    assert "widened, since the best lies at the upper end" in wide.reason


def lr_record(k, lr, val):
    result = TrialResult(Status.OK, None, val, None, {}, {}, [], [])
    return Record(NO_LEVEL, k, {"optimizer.adam.lr": lr}, {}, result, "")
