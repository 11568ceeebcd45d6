"""Which values trial k draws: types, ranges, distributions, and that nothing but k, level, seed and space matters."""

import hashlib
import math
from collections import Counter
from functools import partial

import numpy as np
import optuna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import qmc

from hpsearch.config.search import AdaptiveSearch, Choose, Search
from hpsearch.records import Status, TrialResult
from hpsearch.search.sampler import Sampler, add_drawn_trial, suggester
from hpsearch.search.space import Choices, Range, Space
from hpsearch.seeding import Purpose, derive
from hpsearch.store.record_json import Record
from tests.strategies import dimensions

DRAWS = 256
UNLIKELY = 1e-4  # the seeds are fixed: a test that passes once passes always
KINDS = ("random", "qmc")


def search_of(kind):
    """A search of this kind with nothing set."""
    settings = {"trials": 1, "choose": Choose(), "tune": [], "space": {}, "metric": "auto"}
    kinds = {"tpe": partial(AdaptiveSearch, startup=2)}
    return kinds.get(kind, Search)(kind=kind, **settings, **Search.fingerprint_defaults)


def one(dimension):
    return Space({}, {"model.mlp": {"x": dimension}})


def draws(kind, dimension, n=DRAWS, seed=0):
    sampler = Sampler(search_of(kind), one(dimension), seed)
    return [sampler.draw("-", k, {"model": "mlp"})["model.mlp.x"] for k in range(n)]


WIDE = Space(
    {"optimizer": ("sgd", "adam"), "norm": ("none", "before")},
    {
        "optimizer.sgd": {"lr": Range(low=1e-3, high=1.0, log=True, step=None, whole=False)},
        "optimizer.adam": {"lr": Range(low=1e-4, high=0.1, log=True, step=None, whole=False)},
        "model.cnn": {
            "filters": Choices(([4], [8, 8], [16])),
            "kernel": Range(low=1, high=5, log=False, step=2, whole=True),
            "padding": Choices((None, 0, 1)),
        },
        "regularization.dropout": {"dropout": Range(low=0.0, high=0.5, log=False, step=None, whole=False)},
    },
)
CHOSEN = {"model": "cnn", "regularization": "dropout"}


@example(Range(low=0.01, high=0.06, log=False, step=0.01, whole=False), 5, 0, "qmc")
@given(dimensions(), st.integers(0, 2**40), st.integers(0, 300), st.sampled_from(KINDS))
@settings(deadline=None, max_examples=60)
def test_a_drawn_value_lies_in_its_dimension_and_has_its_type(dimension, seed, k, kind):
    value = Sampler(search_of(kind), one(dimension), seed).draw("-", k, {"model": "mlp"})["model.mlp.x"]
    if isinstance(dimension, Choices):
        assert value in dimension.values
        return
    assert type(value) is (int if dimension.whole else float)
    assert dimension.low <= value <= dimension.high
    if dimension.step is not None:
        steps = (value - dimension.low) / dimension.step
        assert steps == pytest.approx(round(steps), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_range_is_drawn_uniformly(kind):
    values = draws(kind, Range(low=2.0, high=5.0, log=False, step=None, whole=False))
    assert stats.kstest(values, stats.uniform(2, 3).cdf).pvalue > UNLIKELY


@pytest.mark.parametrize("kind", KINDS)
def test_the_logarithm_of_a_logarithmic_range_is_drawn_uniformly(kind):
    values = draws(kind, Range(low=1e-4, high=0.1, log=True, step=None, whole=False))
    assert stats.kstest(np.log10(values), stats.uniform(-4, 3).cdf).pvalue > UNLIKELY


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        (Range(low=1, high=4, log=False, step=None, whole=True), [1, 2, 3, 4]),
        (Range(low=10, high=25, log=False, step=5, whole=True), [10, 15, 20, 25]),
        (Range(low=0.5, high=1.25, log=False, step=0.25, whole=False), [0.5, 0.75, 1.0, 1.25]),
        (Choices(("a", "b", "c")), ["a", "b", "c"]),
        (Choices((True, False)), [True, False]),
    ],
)
def test_each_of_a_few_values_is_as_likely_as_the_others(kind, dimension, expected):
    counts = Counter(draws(kind, dimension))
    assert set(counts) == set(expected)
    assert stats.chisquare([counts[value] for value in expected]).pvalue > UNLIKELY


@pytest.mark.parametrize("kind", KINDS)
def test_whole_numbers_of_a_logarithmic_range_are_as_likely_as_they_are_wide_on_the_logarithmic_axis(kind):
    counts = Counter(draws(kind, Range(low=1, high=6, log=True, step=None, whole=True)))
    wide = np.array([math.log((n + 0.5) / (n - 0.5)) for n in range(1, 7)])
    expected = DRAWS * wide / wide.sum()
    assert stats.chisquare([counts[n] for n in range(1, 7)], expected).pvalue > UNLIKELY


def test_random_draws_of_two_values_are_independent():
    space = Space({"norm": ("none", "before")}, {"model.mlp": {"x": Choices((1, 2, 3))}})
    sampler = Sampler(search_of("random"), space, 0)
    table = Counter(
        (v["norm"], v["model.mlp.x"]) for v in (sampler.draw("-", k, {"model": "mlp"}) for k in range(DRAWS))
    )
    grid = [[table[norm, x] for x in (1, 2, 3)] for norm in ("none", "before")]
    assert stats.chi2_contingency(grid).pvalue > UNLIKELY


def test_quasi_random_draws_are_the_points_of_scipys_sobol_sequence():
    space = Space(
        {"norm": ("none", "before", "after")},
        {
            "model.mlp": {"depth": Range(low=1, high=4, log=False, step=None, whole=True)},
            "optimizer.sgd": {"lr": Range(low=0.01, high=1.0, log=True, step=None, whole=False)},
            "regularization.dropout": {"dropout": Range(low=0.1, high=0.5, log=False, step=None, whole=False)},
        },
    )
    generator = np.random.default_rng(derive(7, Purpose.QMC, "-"))
    points = qmc.Sobol(4, scramble=True, rng=generator).random(16)
    sampler = Sampler(search_of("qmc"), space, 7)
    chosen = {"model": "mlp", "optimizer": "sgd", "regularization": "dropout"}
    for k, (depth, norm, lr, dropout) in enumerate(points[:, [0, 1, 2, 3]].tolist()):
        # coordinates stand in the order of the names: model.mlp.depth, norm, optimizer.sgd.lr, regularization.…
        values = sampler.draw("-", k, chosen)
        assert values["model.mlp.depth"] == 1 + int(4 * depth)
        assert values["norm"] == ("none", "before", "after")[int(3 * norm)]
        assert values["optimizer.sgd.lr"] == pytest.approx(0.01 * 100**lr)
        assert values["regularization.dropout.dropout"] == pytest.approx(0.1 + 0.4 * dropout)


@pytest.mark.parametrize("kind", KINDS)
def test_a_trial_draws_the_same_whatever_order_trials_are_asked_in(kind):
    sampler = Sampler(search_of(kind), WIDE, 3)
    forwards = [sampler.draw("-", k, CHOSEN) for k in range(8)]
    backwards = [Sampler(search_of(kind), WIDE, 3).draw("-", k, CHOSEN) for k in reversed(range(8))]
    assert forwards == backwards[::-1]


def test_the_study_is_told_what_was_drawn():
    study = optuna.create_study()
    values = Sampler(search_of("random"), WIDE, 3).draw("-", 0, CHOSEN)
    trial = add_drawn_trial(study, WIDE, values, CHOSEN)
    assert trial.params["optimizer"] == values["optimizer"]
    assert trial.params["model.cnn.filters"] == str(values["model.cnn.filters"])
    assert trial.params.keys() == values.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_trials_levels_and_seeds_draw_apart(kind):
    numbers = one(Range(low=0.0, high=1.0, log=False, step=None, whole=False))
    found = {
        Sampler(search_of(kind), numbers, seed).draw(level, k, {"model": "mlp"})["model.mlp.x"]
        for seed in range(4)
        for level in ("-", "adam", "sgd")
        for k in range(4)
    }
    assert len(found) == 48


@pytest.mark.parametrize("kind", KINDS)
def test_a_space_of_nothing_draws_nothing(kind):
    assert Sampler(search_of(kind), Space({}, {}), 0).draw("-", 0, CHOSEN) == {}


def test_the_values_of_a_random_trial_are_known():
    space = one(Range(low=0.0, high=1.0, log=False, step=None, whole=False))
    words = [1, *np.frombuffer(hashlib.sha256(b"-").digest()[:16], ">u4").tolist(), 5]
    (state,) = np.random.SeedSequence(11, spawn_key=words).generate_state(1, np.uint64)
    expected = np.random.RandomState(int(state >> np.uint64(1)) % 2**32).uniform(0.0, 1.0)
    assert Sampler(search_of("random"), space, 11).draw("-", 5, {"model": "mlp"}) == {"model.mlp.x": expected}


FINITE = Space(
    {"optimizer": ("sgd", "adam")},
    {
        "optimizer.sgd": {"lr": Range(low=0.1, high=0.4, log=False, step=0.1, whole=False)},
        "optimizer.adam": {"eps": Choices((1e-8, 1e-7, 1e-6))},
        "model.mlp": {"depth": Range(low=1, high=3, log=False, step=None, whole=True), "widths": Choices(([4], [8]))},
    },
)
"""(4 + 3) times 3 times 2 points."""


def finite_draws(kind, seed, n):
    sampler = Sampler(search_of(kind), FINITE, seed)
    return [sampler.draw("-", k, {"model": "mlp"}) for k in range(n)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_every_point_of_a_finite_space_is_drawn_once(kind, seed):
    values = finite_draws(kind, seed, 42)
    assert len({repr(sorted(value.items())) for value in values}) == 42
    assert values[:9] == finite_draws(kind, seed, 9)


def test_the_points_of_a_finite_space_are_those_that_optuna_draws():
    studies = [optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)) for seed in range(400)]
    drawn = [FINITE.draw(suggester(study.ask()), {"model": "mlp"}) for study in studies]
    points = [repr(sorted(point.items())) for point in FINITE.points({"model": "mlp"})]
    assert len(points) == len(set(points)) == FINITE.size
    assert {repr(sorted(values.items())) for values in drawn} == set(points)


def test_a_search_that_learns_repeats_no_point_while_there_are_others():
    space = one(Choices(tuple("abcdef")))
    sampler, done = Sampler(search_of("tpe"), space, 0), []
    for cohort in ([0, 1], [2, 3], [4, 5]):
        found = sampler.draw_cohort("-", cohort, {"model": "mlp"}, done)
        done += [
            Record("-", k, values, {}, TrialResult(Status.OK, None, 0.5, None, {}, {}, [], []), "")
            for k, values in zip(cohort, found, strict=True)
        ]
    assert sorted(record.values["model.mlp.x"] for record in done) == list("abcdef")


def test_a_search_that_learns_draws_lower_costs_if_they_are_objectives(make_config):
    width = Range(low=1, high=1000, log=False, step=None, whole=True)
    space = Space({}, {"model.mlp": {"width": width}})

    def widths(objectives):
        search = make_config(search={"kind": "tpe", "startup": 10, "objectives": objectives}).search
        sampler, past = Sampler(search, space, 0), []
        for start in range(0, 60, 10):
            drawn = sampler.draw_cohort("-", range(start, start + 10), {"model": "mlp"}, past)
            for k, values in enumerate(drawn, start):
                status, score = (Status.DIVERGED, None) if k == 5 else (Status.OK, 0.5)
                costs = {"parameters": float(values["model.mlp.width"])}
                past.append(Record("-", k, values, {}, TrialResult(status, None, score, None, {}, costs, [], []), ""))
        return [record.values["model.mlp.width"] for record in past]

    assert np.median(widths(["parameters"])[-20:]) < 0.5 * np.median(widths([])[-20:])
