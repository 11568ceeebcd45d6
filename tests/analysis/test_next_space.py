"""The space of the next round: how far ranges are widened and narrowed, and that what is typed is what is meant."""

import itertools
import math
import shlex
import subprocess

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.next_space import CHANCE, chance_of_span, edge_of, override_of, widened
from hpsearch.compose.comparison import plan_levels
from hpsearch.compose.composer import Composer, conf_dir
from hpsearch.config.schema import TUNABLE
from hpsearch.search.space import Choices, Range, option_space
from tests.analysis.searches import LR, SPACE, design, next_bounds, of_rows, search, trial
from tests.strategies import BOUNDS

LOG = {"low": 1e-4, "high": 0.1, "log": True}
LINEAR = {"low": 0.1, "high": 0.5}


def parsed(override):
    """Key and value of an override as Hydra reads what the shell hands it."""
    word = subprocess.run(["bash", "-c", f"printf %s {override}"], capture_output=True, text=True, check=True).stdout
    found = OverridesParser.create().parse_override(word)
    return found.key_or_group, found.value()


@pytest.mark.parametrize(
    ("bounds", "value", "side"),
    [
        (LOG, 1e-4, "low"),
        (LOG, 1.4e-4, "low"),
        (LOG, 1.5e-4, None),
        (LOG, 0.07, None),
        (LOG, 0.072, "high"),
        (LOG, 0.2, "high"),
        (LINEAR, 0.119, "low"),
        (LINEAR, 0.121, None),
        (LINEAR, 0.481, "high"),
        ({"low": 1, "high": 3, "log": False, "step": None}, 3, "high"),
        ({"low": 1, "high": 1}, 1, None),
        ({"choices": [1, 2]}, 2, None),
        (LOG, -1.0, None),
        (LOG, None, None),
        (LOG, True, None),
        ({}, 1.0, None),
    ],
)
def test_the_outer_five_percent_of_a_range_are_its_edge(bounds, value, side):
    assert edge_of(bounds, value) == side


@pytest.mark.parametrize(
    ("bounds", "side", "expected"),
    [
        (LOG, "high", {"low": 1e-4, "high": 1.0, "log": True}),
        (LOG, "low", {"low": 1e-5, "high": 0.1, "log": True}),
        ({"low": 32, "high": 512, "log": True}, "high", {"low": 32, "high": 2048, "log": True}),
        ({"low": 1, "high": 64, "log": True}, "low", None),
        (LINEAR, "high", {"low": 0.1, "high": 0.7}),
        (LINEAR, "low", {"low": 0.05, "high": 0.5}),
        ({"low": 0.7, "high": 0.99}, "high", {"low": 0.7, "high": 0.995}),
        ({"low": 0.99, "high": 0.999}, "high", {"low": 0.99, "high": 0.9995}),
        ({"low": 0.0, "high": 0.5}, "low", None),
        ({"low": 0.5, "high": 1.0}, "high", None),
        ({"low": 0.1, "high": 2.0}, "high", {"low": 0.1, "high": 2.95}),
        ({"low": -3.0, "high": 1.0}, "low", {"low": -5.0, "high": 1.0}),
        ({"low": 1, "high": 3}, "high", {"low": 1, "high": 4}),
        ({"low": 1, "high": 3}, "low", None),
        ({"low": 2, "high": 3}, "low", {"low": 1, "high": 3}),
        ({"low": 50, "high": 200, "step": 50}, "high", {"low": 50, "high": 300, "step": 50}),
        ({"low": 50, "high": 200, "step": 50}, "low", None),
        ({"low": 0.2, "high": 0.4, "step": 0.1}, "low", {"low": 0.1, "high": 0.4, "step": 0.1}),
        ({"choices": [1, 2]}, "high", None),
        ({"low": 1.0, "high": 1.0}, "high", None),
    ],
)
def test_a_range_is_widened_by_half_of_itself_as_far_as_there_is_room(bounds, side, expected):
    assert widened(bounds, side) == (None if expected is None else pytest.approx(expected))


def test_every_shipped_range_may_be_widened_on_either_side():
    shipped = {group: sorted(path.stem for path in (conf_dir() / group).glob("*.yaml")) for group in TUNABLE}
    options = {group: [option for option in found if option != "custom"] for group, found in shipped.items()}
    for row in range(max(map(len, options.values()))):  # each composes one more option of every group
        chosen = {group: found[row % len(found)] for group, found in options.items()}
        composed = Composer([f"{group}={option}" for group, option in chosen.items()]).compose()
        for group in chosen:
            for name, dimension in option_space(composed, group, {}, {}).items():
                if isinstance(dimension, Range):
                    bounds = {key: getattr(dimension, key) for key in ("low", "high", "log", "step")}
                    for wide in (widened(bounds, "low"), widened(bounds, "high")):
                        assert wide is None or option_space(composed, group, {name: wide}, {})


def along(values, good, space, name=LR, **changes):
    """The narrowed space of a search of which the trials with a `good` value score 0.9, and others 0.5."""
    rows = [
        trial(k, v, v, values={name: x})
        for k, (x, v) in enumerate(zip(values, np.where(good, 0.9, 0.5), strict=True), 1)
    ]
    evidence = of_rows(*rows, space={name: space}, **changes)
    return next_bounds(evidence)[name]


def test_a_range_becomes_what_the_good_trials_span_and_one_gap_more_on_either_side():
    values = np.linspace(0.0, 100.0, 21)
    good = (values >= 40) & (values <= 60)  # five trials, four gaps of 5
    assert along(values, good, {"low": 0.0, "high": 100.0}) == {"low": 35.0, "high": 65.0}


def test_a_logarithmic_range_is_narrowed_by_ratios():
    values = np.geomspace(1e-4, 1.0, 21)
    good = (values > 3e-3) & (values < 0.03)
    bounds = along(values, good, SPACE[LR])
    assert bounds == pytest.approx({"low": 10**-2.6, "high": 10**-1.4, "log": True}, rel=0.01)


def test_a_narrowed_range_stays_inside_of_the_old_one():
    values = np.linspace(0.0, 100.0, 21)
    assert along(values, values >= 75, {"low": -1.0, "high": 102.0}, name="x")["high"] == 102.0


def test_a_recipe_at_the_edge_widens_the_narrowed_range_there():
    values = np.linspace(0.0, 100.0, 21)[::-1]  # the recipe, the first of the highest, has 100
    assert along(values, values >= 75, {"low": 0.0, "high": 100.0}) == {"low": 70.0, "high": 150.0}


def test_good_trials_in_one_point_leave_a_twentieth_of_the_range_on_either_side():
    values = np.array([50.0] * 6 + np.linspace(0.0, 100.0, 14).tolist())
    assert along(values, np.arange(20) < 6, {"low": 0.0, "high": 100.0}) == {"low": 45.0, "high": 55.0}


def test_if_fewer_than_five_are_good_the_highest_five_count():
    values = np.linspace(0.0, 100.0, 41)
    good = (values >= 50) & (values < 55)  # two trials; the highest five are 50, 52.5, 0, 2.5, 5
    assert along(values, good, {"low": 0.0, "high": 100.0}) == {"low": 0.0, "high": 100.0}


@pytest.mark.parametrize(("trials", "some"), [(4, 2), (7, 3), (9, 5)])
def test_the_chance_that_points_lie_together_is_counted_out(trials, some):
    spans = [subset[-1] - subset[0] + 1 for subset in itertools.combinations(range(trials), some)]
    for span in range(some, trials + 1):
        assert chance_of_span(trials, some, span) == pytest.approx(np.mean(np.array(spans) <= span))


def test_among_trials_that_say_nothing_a_range_is_narrowed_as_seldom_as_promised():
    generator = np.random.default_rng(1)
    kept = 0
    for _ in range(400):
        rows = [trial(k, float(generator.random()), values={"x": float(generator.random())}) for k in range(1, 19)]
        evidence = Evidence(design(delta=None, rows={}, space={"x": {"low": -0.1, "high": 1.1}}), tuple(rows))
        kept += next_bounds(evidence)["x"] == {"low": -0.1, "high": 1.1}
    assert kept >= 400 * (1 - CHANCE)


def test_whole_numbers_stay_whole_and_grids_keep_their_step():
    values = [1, 2, 3, 4, 5, 6, 7, 8] * 3
    bounds = along(values, np.isin(values, [4, 5]), {"low": 1, "high": 8})
    assert bounds == {"low": 3, "high": 6}
    assert all(isinstance(end, int) for end in bounds.values())
    hundreds = [100 * value for value in values]
    grid = along(hundreds, np.isin(hundreds, [400, 500]), {"low": 100, "high": 800, "step": 100})
    assert grid == {"low": 300, "high": 600, "step": 100}


@pytest.mark.parametrize("n", [0, 1, 8])
def test_too_few_trials_leave_the_space_as_it_was(n):
    generator = np.random.default_rng(0)
    rows = [trial(k, 0.5 + k / 100, values={LR: float(10 ** generator.uniform(-3, -1))}) for k in range(1, n + 1)]
    evidence = Evidence(design(delta=None, rows={}), tuple(rows))
    bounds = next_bounds(evidence)
    assert bounds == {**SPACE, "model.mlp.depth": {"low": 1, "high": 8}}


def of_choices(declared, drawn, *, name="optimizer.adam.beta1", more=None):
    """The narrowed space of a search whose trials score the higher, the earlier they come."""
    values = [{name: value, **(more or {})} for value in drawn]
    rows = [trial(k, 1.0 - k / 100, 1.0 - k / 100, values=value) for k, value in enumerate(values, 1)]
    space = {name: {"choices": declared}, **dict.fromkeys(more or {}, LOG)}
    return next_bounds(of_rows(*rows, space=space))


def test_a_choice_whose_trials_all_score_low_is_dropped():
    name = "optimizer.adam.beta1"
    assert of_choices([0.5, 0.8, 0.9], [0.9, 0.8, 0.9, *[0.5] * 27])[name] == {"choices": [0.8, 0.9]}


def test_one_choice_may_remain():
    drawn = [*[0.9] * 10, *[0.5] * 10, *[0.8] * 10]
    assert of_choices([0.5, 0.8, 0.9], drawn)["optimizer.adam.beta1"] == {"choices": [0.9]}


def test_the_values_of_a_dropped_option_are_dropped_with_it():
    more = {"optimizer.sgd.lr": 0.01, "optimizer.adam.lr": 0.01}
    found = of_choices(
        ["sgd", "adam", "adagrad"], ["adam", "adagrad", "adam", *["sgd"] * 27], name="optimizer", more=more
    )
    assert found["optimizer"] == {"choices": ["adam", "adagrad"]}
    assert set(found) == {"optimizer", "optimizer.adam.lr"}


def test_lists_are_choices_too():
    drawn = [[16, 8], [8], [16, 8], *[[4]] * 27]
    assert of_choices([[4], [8], [16, 8]], drawn, name="model.mlp.widths")["model.mlp.widths"] == {
        "choices": [[8], [16, 8]]
    }


@given(BOUNDS, st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(0, 3))
def test_a_narrowed_range_is_never_empty_and_keeps_what_was_good(bounds, places, seed):
    scale = np.geomspace if bounds.get("log") else np.linspace
    ends = scale(bounds["low"], bounds["high"], 101)
    values = [float(ends[round(100 * place)]) for place in places]
    if isinstance(bounds["low"], int):
        values = [round(value) for value in values]
    found = along(values, np.random.default_rng(seed).random(len(values)) < 0.5, bounds)
    assert found["low"] < found["high"]
    assert type(found["low"]) is type(bounds["low"])
    if len(values) <= 10:
        return
    good = [
        value for value, high in zip(values, np.random.default_rng(seed).random(len(values)) < 0.5, strict=True) if high
    ]
    if len(good) >= 5:
        assert found["low"] <= min(good)
        assert max(good) <= found["high"]


@given(BOUNDS)
def test_a_widened_range_holds_the_old_one(bounds):
    for side, other in (("low", "high"), ("high", "low")):
        wide = widened(bounds, side)
        if wide is not None:
            assert wide[other] == bounds[other]
            assert (wide["low"] < bounds["low"]) if side == "low" else (wide["high"] > bounds["high"])
            assert wide["low"] > 0 or not bounds.get("log")


@pytest.mark.parametrize(
    ("name", "bounds", "typed"),
    [
        (LR, LOG, "'search.space.optimizer.adam.lr={low: 0.0001, high: 0.1, log: true}'"),
        ("model.mlp.depth", {"low": 1, "high": 3}, "'search.space.model.mlp.depth={low: 1, high: 3}'"),
        ("optimizer", {"choices": ["sgd", "adam"]}, "'search.choose.optimizer=[sgd,adam]'"),
        ("model.mlp.widths", {"choices": [[8], [16, 8]]}, "'search.space.model.mlp.widths={choices: [[8], [16, 8]]}'"),
        ("lr", LOG, None),
        ("hp.lr", LOG, None),
    ],
)
def test_an_override_is_typed_like_this(name, bounds, typed):
    assert override_of(name, bounds) == typed


@pytest.mark.parametrize(
    "bounds",
    [
        {"low": 1e-5, "high": 1e-3, "log": True},
        {"low": 50, "high": 200, "step": 50},
        {"choices": [None, True, 1, 0.5, "relu", "it's", "a, b: {c}", [8, "x y"], "$HOME", "null"]},
    ],
)
def test_hydra_reads_what_is_typed(bounds):
    key, value = parsed(override_of("model.mlp.any", bounds))
    assert key == "search.space.model.mlp.any"
    assert value == bounds


def test_the_command_line_takes_the_next_round():
    asked = ["search.tune=[optimizer,training]", "search.choose.optimizer=[sgd,adam,momentum]"]
    round_two = {
        "optimizer": {"choices": ["sgd", "adam"]},
        "optimizer.adam.lr": {"low": 0.00379, "high": 0.0269, "log": True},
        "training.default.batch_size": {"choices": [32, 64]},
    }
    words = [word for name, bounds in round_two.items() for word in shlex.split(override_of(name, bounds))]
    composer = Composer([asked[0], *words], None)
    (level,) = plan_levels(composer, composer.compose())
    assert level.space.options == {"optimizer": ("sgd", "adam")}
    assert level.space.dimensions["optimizer.adam"]["lr"] == Range(0.00379, 0.0269, log=True, step=None, whole=False)
    assert level.space.dimensions["training.default"]["batch_size"] == Choices((32, 64))


def test_the_command_line_takes_a_next_round_of_one_option():
    override = shlex.split(override_of("optimizer", {"choices": ["adam"]}))
    composer = Composer(["search.tune=[optimizer]", *override], None)
    (level,) = plan_levels(composer, composer.compose())
    assert level.space.options == {"optimizer": ("adam",)}
    assert set(level.space.dimensions) == {"optimizer.adam"}


def test_a_search_around_its_peak_is_narrowed_to_it():
    evidence = search(n=100)
    space = next_bounds(evidence)
    low, high = space[LR]["low"], space[LR]["high"]
    assert low < 0.01 < high
    assert math.log10(high / low) < 1.2
    assert space["model.mlp.depth"] == {"low": 1, "high": 8}
    assert space["training.default.batch_size"] == SPACE["training.default.batch_size"]
