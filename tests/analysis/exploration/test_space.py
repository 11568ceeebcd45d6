"""Where in its space a level scores well: importance, isolation points, the spans of the good region."""

import math
from itertools import pairwise

import numpy as np
import pytest

from hpsearch.analysis.exploration.summary import explore_level
from hpsearch.statistics.tuning_curves import expected_report
from tests.analysis.searches import LR, of_rows, search, trial


def explored(evidence):
    return explore_level(evidence, "adam", refused=False, seed=3)


def along(values, scores=None, name="x", space=None):
    """A search whose trials drew these values of one name, and scored what is given or 0.5."""
    scores = scores or [0.5] * len(values)
    rows = [trial(k, v, v, values={name: x}) for k, (x, v) in enumerate(zip(values, scores, strict=True), 1)]
    return of_rows(*rows, space={} if space is None else {name: space})


def test_the_value_that_decides_leads_and_the_dummy_stands_among_the_others():
    found = explored(search(n=100)).importance
    by_name = {one.name: one for one in found}
    assert set(by_name) == {LR, "training.default.batch_size", "model.mlp.depth", "dummy"}
    assert found[0].name == LR
    assert [one.name for one in found if one.evidence] == [LR]
    assert sum(one.share for one in found if one.name != "dummy") == pytest.approx(1)
    assert [one.share for one in found] == sorted((one.share for one in found), reverse=True)
    assert by_name["dummy"].interval[0] == 0.0
    assert by_name["dummy"].interval[1] < by_name[LR].interval[0]


def test_options_and_the_values_that_only_they_draw_have_importances_too():
    generator, rows = np.random.default_rng(0), []
    for k in range(1, 121):
        option, width = generator.choice(["sgd", "adam"]), [[8], [8, 8]][generator.integers(2)]
        values = {
            "optimizer": str(option),
            f"optimizer.{option}.lr": float(generator.random()),
            "model.mlp.widths": width,
        }
        score = 0.9 * values["optimizer.adam.lr"] if option == "adam" else 0.1 * generator.random()
        rows.append(trial(k, score, score, values=values))
    found = explored(of_rows(*rows, space={})).importance
    assert {one.name for one in found} == {
        *rows[0].values,
        *rows[1].values,
        "optimizer.sgd.lr",
        "optimizer.adam.lr",
        "dummy",
    }
    assert {one.name for one in found if one.evidence} >= {"optimizer"}


@pytest.mark.parametrize(
    "evidence",
    [search(n=49), along([0.1] * 60, [k / 60 for k in range(60)]), along(list(range(60)))],
    ids=["too few trials", "a value that does not vary", "scores that all tie"],
)
def test_no_importance_is_given(evidence):
    assert explored(evidence).importance == ()


def test_a_logarithmic_range_is_cut_into_five_equal_parts_of_its_logarithm():
    evidence = search(n=60)
    pieces = explored(evidence).isolation[LR]
    edges = [1e-4 * 10 ** (0.8 * at) for at in range(6)]
    assert [piece.low for piece in pieces] == pytest.approx(edges[:-1])
    assert [piece.high for piece in pieces] == pytest.approx(edges[1:])
    inside = [[row for row in evidence.trials if low <= row.values[LR] < high] for low, high in pairwise(edges)]
    assert [piece.n for piece in pieces] == [len(rows) for rows in inside]
    m = min(map(len, inside))
    for piece, rows in zip(pieces, inside, strict=True):
        val, report = (np.array([getattr(row, part) for row in rows]) for part in ("val", "report"))
        assert piece.score == pytest.approx(expected_report(val, report, m))


def test_below_fifty_trials_there_are_four_parts():
    assert len(explored(search(n=40)).isolation[LR]) == 4


def test_the_expected_score_of_a_part_is_that_of_the_fewest_trials_of_any_part():
    space = {"low": 0.0, "high": 1.0}
    pieces = explored(
        along([0.1, 0.4, 0.41, 0.6, 0.61, 0.62, 0.9], [0.3, 0.2, 0.6, 0.1, 0.2, 0.6, 0.5], space=space)
    ).isolation["x"]
    assert [piece.score for piece in pieces] == pytest.approx([0.3, 0.4, 0.3, 0.5])  # means: the fewest is one
    assert [piece.n for piece in pieces] == [1, 2, 3, 1]


def test_a_part_has_an_interval_where_it_has_five_times_the_trials_of_the_fewest():
    pieces = explored(
        along([0.1, *np.linspace(0.6, 0.7, 9).tolist(), 0.95], space={"low": 0.0, "high": 1.0})
    ).isolation["x"]
    assert [piece.interval is not None for piece in pieces] == [False, True, False]


def test_a_value_with_few_distinct_numbers_has_a_part_for_each():
    pieces = explored(along([1, 3, 2, 1, 3], [0.1, 0.5, 0.2, 0.3, 0.6], space={"low": 1, "high": 3})).isolation["x"]
    assert [(piece.low, piece.high, piece.n) for piece in pieces] == [(1.0, 1.0, 2), (2.0, 2.0, 1), (3.0, 3.0, 2)]


def test_choices_have_a_part_each_by_their_text_in_the_order_declared():
    declared = {"choices": [[16, 8], [8], None, True, 1]}
    pieces = explored(along([1, None, [8], True, [16, 8], [8]], space=declared)).isolation["x"]
    assert [(piece.low, piece.n) for piece in pieces] == [
        ("[16, 8]", 1),
        ("[8]", 2),
        ("None", 1),
        ("True", 1),
        ("1", 1),
    ]


def test_texts_of_foreign_results_are_choices():
    pieces = explored(along(["relu", "tanh", "relu"])).isolation["x"]
    assert [(piece.low, piece.high, piece.n) for piece in pieces] == [("relu", "relu", 2), ("tanh", "tanh", 1)]


@pytest.mark.parametrize(("top", "middle"), [(10.0, math.sqrt(10 * 0.001)), (0.01, 0.0055)])
def test_foreign_numbers_over_two_decades_count_as_logarithmic(top, middle):
    values = np.geomspace(0.001, top, 12).tolist()
    pieces = explored(along(values)).isolation["x"]
    assert pieces[1].high == pytest.approx(middle)


def test_a_value_that_only_some_trials_have_is_looked_at_among_those():
    rows = [trial(k, 0.5, 0.5, values={"x": k} if k < 4 else {}) for k in range(1, 8)]
    pieces = explored(of_rows(*rows)).isolation["x"]
    assert [piece.n for piece in pieces] == [1, 1, 1]


def test_a_value_that_does_not_vary_has_no_parts():
    assert explored(along(["adam"] * 5, [0.1, 0.2, 0.3, 0.4, 0.5])).isolation == {}


def test_the_good_region_spans_the_numbers_of_its_trials():
    rows = [
        trial(1, 0.80, 0.80, values={"x": 0.1, "name": "a"}),
        trial(2, 0.81, 0.81, values={"x": 0.3, "y": 2}),
        trial(3, 0.50, 0.50, values={"x": 0.9}),
        trial(4, 0.0, status="diverged", values={"x": 5.0}),
    ]
    good = explored(of_rows(*rows, delta=0.02)).good
    assert good.spans == {"x": (0.1, 0.3), "y": (2.0, 2.0)}
    assert good.share == 0.5


def test_a_diverged_trial_is_never_good():
    good = explored(of_rows(trial(1, 0.3, 0.3), trial(2, 0.0, status="diverged"), delta=0.5)).good
    assert good.threshold < 0
    assert good.share == 0.5
