"""Bounds of costs that every trial keeps: what is drawn anew, what stays, and what is refused."""

import pytest

from hpsearch.config import ConfigError
from hpsearch.config.search import Objective
from hpsearch.records import Status, TrialResult
from hpsearch.search.plan import Plan
from hpsearch.search.space import Choices, Composed, Range, Space
from hpsearch.store.record_json import Record
from tests.specifications import single_level_plan

LR = Range(low=1e-4, high=0.1, log=True, step=None, whole=False)
SIZES = {"model.mlp": {"width": Choices((10, 20, 30, 40)), "depth": Choices((1, 2))}}
WIDE = Space({}, {"optimizer.adam": {"lr": LR}, **SIZES})
FINITE = Space({}, SIZES)
LIMIT = 50
NAMES = ("model.mlp.width", "model.mlp.depth")


def cost_of(objective, config):
    """Widths of all layers together, which a reader can add up."""
    assert objective is Objective.PARAMETERS
    return float(config.model.width * config.model.depth)


def plan_of(make_config, space=WIDE, *, limit=LIMIT, **search):
    constraints = [] if limit is None else [f"parameters<={limit}"]
    base = Composed(make_config(search={"trials": 20, "constraints": constraints, **search}), {}, {})
    plan = single_level_plan(base, space, lambda _: base, "d" * 64)
    return Plan(plan.base, plan.levels, plan.data_digest, cost_of)


def size(values):
    width, depth = (values[name] for name in NAMES)
    return width * depth


@pytest.mark.parametrize("kind", ["random", "qmc"])
def test_points_beyond_a_bound_are_drawn_anew_and_all_others_stay(make_config, kind):
    free, bound = plan_of(make_config, limit=None, kind=kind), plan_of(make_config, kind=kind)
    before = [free.trial(("-", k)).values for k in range(20)]
    after = [bound.trial(("-", k)).values for k in range(20)]
    assert any(size(values) > LIMIT for values in before)
    assert all(size(values) <= LIMIT for values in after)
    assert all(old == new for old, new in zip(before, after, strict=True) if size(old) <= LIMIT)
    assert [bound.trial(("-", k)).values for k in reversed(range(20))] == after[::-1]


def test_a_finite_space_is_enumerated_as_far_as_it_keeps_the_bound(make_config):
    plan = plan_of(make_config, FINITE)
    drawn = [tuple(plan.trial(key).values[name] for name in NAMES) for key in plan.keys(20)]
    expected = [(w, d) for w in (10, 20, 30, 40) for d in (1, 2) if w * d <= LIMIT]
    assert sorted(drawn) == sorted(expected)


@pytest.mark.parametrize("space", [WIDE, FINITE])
@pytest.mark.parametrize(
    "search",
    [
        {"kind": "tpe", "startup": 2, "cohort": 2},
        {"kind": "optuna", "startup": 2, "cohort": 2, "sampler": "optuna.samplers:TPESampler"},
        {"kind": "optuna", "startup": 2, "cohort": 2, "sampler": "optuna.samplers:NSGAIISampler",
         "sampler_options": {"population_size": 2}},
    ],
)  # fmt: skip
def test_a_search_that_learns_keeps_the_bound_though_more_would_be_better(make_config, space, search):
    plan, past = plan_of(make_config, space, **search), []
    for cohort in plan.cohorts(20 if space is WIDE else 6):
        for trial in plan.trials(cohort, cohort, past):
            assert size(trial.values) <= LIMIT
            result = TrialResult(Status.OK, None, float(size(trial.values)), None, {}, {}, [], [])
            past.append(Record("-", trial.k, trial.values, {}, result, ""))
    if space is FINITE:
        assert len({str(record.values) for record in past}) == 6


def test_the_rounds_of_a_coarse_to_fine_search_keep_the_bound(make_config):
    rounds = [{"trials": 4, "epochs": 1}]
    plan = plan_of(make_config, kind="coarse_to_fine", rounds=rounds)
    cohort = plan.cohorts(20)[0]
    assert all(size(trial.values) <= LIMIT for trial in plan.trials(cohort, cohort, []))


def test_how_much_of_the_space_is_left_is_said(make_config):
    (said,) = plan_of(make_config).shares_within()
    share = int(said.removeprefix("parameters<=50 for ").partition("%")[0])
    assert share == pytest.approx(100 * 6 / 8, abs=10)  # four standard errors of 200 draws are 12 %
    assert plan_of(make_config, limit=None).shares_within() == []
    finite = plan_of(make_config, FINITE).shares_within()
    assert finite[1] == "6 configurations keep search.constraints: each is trained once, not search.trials=20"


def test_a_bound_that_nothing_keeps_is_refused(make_config):
    with pytest.raises(ConfigError, match=r"search.constraints parameters<=9 must hold for one of 1000 draws, and"):
        plan_of(make_config, limit=9).trial(("-", 0))


def test_given_values_beyond_a_bound_are_refused(make_config):
    plan = plan_of(make_config, enqueue=[{"model.width": 40, "model.depth": 2}])
    with pytest.raises(ConfigError, match=r"for none of trial 0, whose values search.enqueue gives: loosen them"):
        plan.trial(("-", 0))


NO_BOUNDS = ("parameters<50", "parameters=50", "size<=50", "parameters<=-5", "parameters<=many", "")


@pytest.mark.parametrize("text", NO_BOUNDS)
def test_what_is_no_bound_of_a_cost_is_refused(make_config, text):
    with pytest.raises(ConfigError, match=r"search.constraints must read as COST<=NUMBER, with parameters or flops as"):
        make_config(search={"constraints": [text]})


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({"compare": "optimizer"}, "search.constraints is for a search that compares nothing"),
        ({"constraints": ["flops<=1", "flops <= 2"]}, "search.constraints must name each cost once"),
    ],
)
def test_what_makes_no_sense_is_refused(make_config, search, expected):
    with pytest.raises(ConfigError, match=expected):
        make_config(search={"constraints": ["parameters<=9"], **search})


def test_numbers_are_read_as_people_write_them(make_config):
    search = make_config(search={"constraints": ["parameters <= 50_000", "flops<=1.5e6"]}).search
    assert search.limits == {Objective.PARAMETERS: 50000.0, Objective.FLOPS: 1.5e6}
