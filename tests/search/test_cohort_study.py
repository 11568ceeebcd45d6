"""Draws by any sampler of Optuna's kind, compared with a loop of Optuna's own."""

import hashlib
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from hpsearch.config import ConfigError
from hpsearch.errors import HpsearchError
from hpsearch.records import Status, TrialResult
from hpsearch.search.checks import check_cohorts
from hpsearch.search.space import Choices, Composed, Range, Space
from hpsearch.seeding import Purpose, derive
from hpsearch.store.record_json import Record
from tests.specifications import single_level_plan

COHORT, STARTUP, TRIALS = 5, 3, 20
X = Range(low=0.01, high=1.0, log=False, step=None, whole=False)
LOG = Range(low=1e-4, high=1e-1, log=True, step=None, whole=False)
PLANE = Space({}, {"optimizer.adam": {"lr": LOG}, "training.default": {"clip_norm": X}})
LR, CLIP = "optimizer.adam.lr", "training.default.clip_norm"
SAMPLERS = {
    "CmaEsSampler": {"popsize": 4},
    "GPSampler": {},
    "NSGAIISampler": {"population_size": 4},
    "TPESampler": {"multivariate": True},
}


def search_of(make_config, sampler="optuna.samplers:CmaEsSampler", space=None, **settings):
    settings = {"trials": TRIALS, "cohort": COHORT, "startup": STARTUP, **settings}
    return make_config(search={"kind": "optuna", "sampler": sampler, **settings}), space or PLANE


def plan_of(config, space):
    base = Composed(config, {}, {})
    return single_level_plan(base, space, lambda _: base, "d" * 64)


def score(values):
    return -((values[CLIP] - 0.7) ** 2) - (values[LR] - 0.03) ** 2


def record_of(k, values, status=Status.OK, found=None):
    return Record("-", k, values, {}, TrialResult(status, None, found, None, {}, {}, [], []), "")


def driven(plan, trials=TRIALS, past=(), scored=score):
    """The records of a sweep, drawn cohort by cohort with one plan from the first cohort that is missing."""
    records = list(past)
    for start in range(len(records), trials, COHORT):
        cohort = [("-", k) for k in range(start, start + COHORT)]
        drawn = plan.trials(cohort, cohort, records)
        records += [record_of(trial.k, trial.values, Status.OK, scored(trial.values)) for trial in drawn]
    return records


@pytest.fixture(params=SAMPLERS)
def sampler(request):
    return request.param


@pytest.fixture
def made(make_config, sampler):
    return search_of(make_config, f"optuna.samplers:{sampler}", sampler_options=SAMPLERS[sampler])


def test_trials_are_drawn_as_by_a_loop_of_optunas_own(made, sampler):
    records = driven(plan_of(*made))
    random = plan_of(*made)
    study = optuna.create_study(direction="maximize")
    for start in range(0, TRIALS, COHORT):
        asked = []
        for k in range(start, start + COHORT):
            if k < STARTUP:
                study.enqueue_trial(random.trial(("-", k)).values)
            options = {**SAMPLERS[sampler], **({} if sampler == "NSGAIISampler" else {"n_startup_trials": 1})}
            study.sampler = getattr(optuna.samplers, sampler)(
                seed=derive(0, Purpose.PARAMETERS, "-", k) % 2**32, **options
            )
            trial = study.ask()
            values = {LR: trial.suggest_float(LR, 1e-4, 1e-1, log=True), CLIP: trial.suggest_float(CLIP, 0.01, 1.0)}
            assert records[k].values == values, k
            asked.append((trial, values))
        for trial, values in asked:
            study.tell(trial, score(values))


def test_several_objectives_are_drawn_as_by_a_loop_of_optunas_own(make_config):
    sampler, options = optuna.samplers.NSGAIISampler, {"population_size": 4}
    made = search_of(
        make_config, "optuna.samplers:NSGAIISampler", sampler_options=options, objectives=["parameters", "flops"]
    )
    plan, random = plan_of(*made), plan_of(*made)
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"])
    records = []
    for start in range(0, TRIALS, COHORT):
        cohort = [("-", k) for k in range(start, start + COHORT)]
        drawn, asked = plan.trials(cohort, cohort, records), []
        for ours in drawn:
            if ours.k < STARTUP:
                study.enqueue_trial(random.trial(ours.key).values)
            study.sampler = sampler(seed=derive(0, Purpose.PARAMETERS, "-", ours.k) % 2**32, **options)
            trial = study.ask()
            values = {LR: trial.suggest_float(LR, 1e-4, 1e-1, log=True), CLIP: trial.suggest_float(CLIP, 0.01, 1.0)}
            assert ours.values == values, ours.k
            asked.append(trial)
        for trial, ours in zip(asked, drawn, strict=True):
            costs = {"parameters": ours.values[CLIP], "flops": ours.values[LR]}
            found = record_of(ours.k, ours.values, Status.OK, score(ours.values))
            found.result.summary.update(costs)
            records.append(found)
            study.tell(trial, [score(ours.values), *costs.values()])


def test_a_sampler_of_one_objective_is_refused_for_several(make_config):
    config, space = search_of(make_config, objectives=["parameters"])
    with pytest.raises(
        ConfigError, match=r"CmaEsSampler does not take search.objectives .*NSGAIISampler or search=tpe"
    ):
        check_cohorts(config, space)


def test_a_resumed_sweep_draws_what_an_uninterrupted_one_does(made):
    whole = driven(plan_of(*made))
    for done in range(COHORT, TRIALS, COHORT):
        assert driven(plan_of(*made), past=whole[:done]) == whole


def test_a_cohort_is_drawn_twice_with_the_same_values(made):
    plan, records = plan_of(*made), driven(plan_of(*made), trials=15)
    cohort = [("-", k) for k in range(15, 20)]
    first = plan.trials(cohort, cohort, records)
    assert plan.trials(cohort, cohort[2:], records) == first[2:]
    assert plan_of(*made).trials(cohort, cohort, records) == first


def test_it_learns(made, sampler):
    found = [record.result.score for record in driven(plan_of(*made), trials=60 if sampler != "GPSampler" else 20)]
    assert max(found[:COHORT]) < max(found[-COHORT:])
    assert sum(found[-COHORT:]) > sum(found[:COHORT])


def test_the_first_trials_are_those_of_random_search(made):
    config, space = made
    records, plan = driven(plan_of(config, space), trials=COHORT), plan_of(config, space)
    assert [record.values for record in records[:STARTUP]] == [plan.trial(("-", k)).values for k in range(STARTUP)]


def test_where_trials_diverge_looks_worse_than_anything(make_config):
    config, space = search_of(make_config, "optuna.samplers:GPSampler")
    plan, records = plan_of(config, space), driven(plan_of(config, space), trials=10)
    bad = {6}
    records = [record_of(r.k, r.values, Status.DIVERGED) if r.k in bad else r for r in records]
    cohort = [("-", k) for k in range(10, 15)]
    plan.trials(cohort, cohort, records)
    (study,) = plan._studies.values()
    told = {trial.number: trial for trial in study._study.get_trials()}
    scores = [record.result.score for record in records if record.k not in bad]
    assert told[6].value == min(scores)
    assert told[6].state is TrialState.COMPLETE


def test_a_finite_space_repeats_no_point_while_there_are_others(make_config):
    dimension = Range(low=1, high=5, log=False, step=None, whole=True)
    space = Space({}, {"model.mlp": {"depth": dimension, "width": Choices((4, 8, 16))}})
    config, _ = search_of(make_config, "optuna.samplers:GPSampler", trials=15)
    records = driven(plan_of(config, space), trials=15, scored=lambda values: float(values["model.mlp.depth"]))
    assert len({tuple(record.values.values()) for record in records}) == 15
    assert driven(plan_of(config, space), 15, records[:10], lambda values: float(values["model.mlp.depth"])) == records


def test_what_another_version_drew_stays_as_it_was_recorded(made):
    records = driven(plan_of(*made), trials=10)
    records[7] = record_of(7, {**records[7].values, CLIP: 0.123}, Status.OK, 0.5)
    assert driven(plan_of(*made), trials=20, past=records)[:10] == records


def test_a_sampler_of_ones_own_draws_and_its_source_is_part_of_the_sweep(make_config):
    config, space = search_of(make_config, "users_samplers:Around", startup=5, sampler_options={"width": 0.01})
    check_cohorts(config, space)
    records = driven(plan_of(config, space), trials=10)
    best = max(records[:5], key=lambda record: record.result.score)
    for record in records[5:]:
        assert record.values[CLIP] == pytest.approx(best.values[CLIP], abs=0.05)
    source = Path(__file__).parents[1] / "user_code" / "users_samplers.py"
    expected = {"users_samplers:Around": hashlib.sha256(source.read_bytes()).hexdigest()}
    assert plan_of(config, space).fingerprinted().code == expected


def test_what_a_sampler_raises_is_told_with_its_trial(make_config):
    config, _ = search_of(make_config, "users_samplers:Around")
    space = Space({}, {"model.mlp": {"widths": Choices(([4], [8], [12]))}})
    with pytest.raises(
        HpsearchError, match=r"search.sampler=users_samplers:Around failed at trial 3: .*users_samplers"
    ):
        driven(plan_of(config, space), trials=5)


CHOICE = Space({"norm": ("none", "before")}, {"optimizer.adam": {"lr": LOG}, "training.default": {"clip_norm": X}})
BRANCHES = Space({"optimizer": ("sgd", "adam")}, {"optimizer.adam": {"lr": LOG}, "optimizer.sgd": {"lr": LOG}})
LINE = Space({}, {"optimizer.adam": {"lr": LOG}})


@pytest.mark.parametrize(
    ("sampler", "space"),
    [("CmaEsSampler", PLANE), ("GPSampler", CHOICE), ("GPSampler", LINE), ("TPESampler", BRANCHES)],
)
def test_a_space_that_a_sampler_learns_is_taken(make_config, sampler, space):
    config, space = search_of(make_config, f"optuna.samplers:{sampler}", space)
    check_cohorts(config, space)
    driven(plan_of(config, space), trials=10, scored=lambda values: float(values.get(LR, 0.0)))


@pytest.mark.parametrize(
    ("settings", "space", "expected"),
    [
        (
            {},
            CHOICE,
            "optuna.samplers:CmaEsSampler would draw norm at random for ever, since it learns only ranges of numbers",
        ),
        ({}, LINE, "optuna.samplers:CmaEsSampler must have two values or more to draw, got optimizer.adam.lr: take"),
        (
            {"sampler": "optuna.samplers:GPSampler"},
            BRANCHES,
            "would draw optimizer.adam.lr, optimizer.sgd.lr at random for ever, since it learns only values that",
        ),
        (
            {"sampler": "optuna.samplers:NSGAIISampler"},
            PLANE,
            r"learns nothing before search.startup=3 and one population of 50 trials, got search.trials=20",
        ),
        ({"sampler_options": {"popsze": 5}}, PLANE, "search.sampler_options.popsze is not an option of .*mean popsize"),
        ({"sampler_options": {"seed": 5}}, PLANE, "search.sampler_options.seed cannot be given"),
        ({"sampler": "users_samplers:Seedless"}, PLANE, "search.sampler must take seed=, on which all that it draws"),
        ({"sampler": "optuna.samplers:CmaSampler"}, PLANE, "it has no CmaSampler: did you mean CmaEsSampler"),
        ({"sampler": "optuna.pruners:HyperbandPruner"}, PLANE, "search.sampler must take seed="),
        ({"sampler": "optuna.samplers:GridSampler"}, PLANE, "needs search.sampler_options.search_space"),
    ],
)
def test_what_a_sampler_cannot_do_is_refused_with_the_way_out(make_config, settings, space, expected):
    config, space = search_of(make_config, space=space, **settings)
    with pytest.raises(ConfigError, match=expected):
        check_cohorts(config, space)


@pytest.mark.parametrize("path", ["CmaEsSampler", "optuna.samplers.CmaEsSampler"])
def test_a_sampler_without_a_colon_is_refused_with_the_path_that_is_meant(make_config, path):
    with pytest.raises(ConfigError, match=r"Optuna's read as optuna.samplers:CmaEsSampler, with a colon"):
        search_of(make_config, path)
