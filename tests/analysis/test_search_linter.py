"""What the linter notices about a search, and what it stays silent about."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hpsearch.analysis.evidence import Evidence
from hpsearch.analysis.exploration.summary import explore_level
from hpsearch.analysis.search_linter import lint
from hpsearch.metrics import MSE
from tests.analysis.comparison.claim_words import forbidden
from tests.analysis.searches import LR, SPACE, confirmed, design, of_rows, search, trial

LINEAR = {"x": {"low": 0.0, "high": 100.0}}


def hints(evidence, code=None):
    names = [level.name for level in evidence.design.levels]
    explored = {name: explore_level(evidence, name, refused=False, seed=0) for name in names}
    return [hint for hint in lint(evidence, explored) if code in (None, hint.code)]


def at_lr(lr, **changes):
    """A search whose selected trial has this learning rate."""
    rows = [trial(1, 0.9, 0.9, values={LR: lr})]
    rows += [trial(k, 0.5, 0.5, values={LR: 0.01 + k / 1000}) for k in range(2, 9)]
    return of_rows(*rows, **changes)


def test_a_search_around_its_peak_is_left_alone():
    assert hints(search(n=200)) == []


def test_a_recipe_near_the_end_of_its_range_asks_for_room_there():
    (hint,) = hints(at_lr(0.8), "boundary")
    assert hint.level == "adam"
    assert hint.sentence == (
        "In the search of adam, the selected trial has optimizer.adam.lr = 0.8, in the outer 5 % at the upper end of "
        "its range 0.0001 to 1."
    )
    assert hint.overrides == ("'search.space.optimizer.adam.lr={low: 0.0001, high: 10.0, log: true}'",)


def test_at_the_lower_end_the_range_is_widened_downwards():
    (hint,) = hints(at_lr(1.1e-4), "boundary")
    assert "lower end" in hint.sentence
    assert hint.overrides == ("'search.space.optimizer.adam.lr={low: 1e-05, high: 1.0, log: true}'",)


def test_inside_of_its_range_a_recipe_asks_for_nothing():
    assert hints(at_lr(0.1), "boundary") == []


@pytest.mark.parametrize(
    ("bounds", "named"),
    [
        ({"low": 0.001, "high": 1.0}, True),
        ({"low": 16, "high": 512}, True),
        ({"low": 0.1, "high": 1.0}, False),  # a decade
        ({"low": 0.001, "high": 1.0, "log": True}, False),
        ({"low": 0.0, "high": 0.5}, False),  # has no logarithm
        ({"low": 16, "high": 512, "step": 16}, False),  # nor has a grid
        ({"choices": [0.001, 1.0]}, False),
    ],
)
def test_a_range_of_decades_that_is_drawn_linearly_is_named(bounds, named):
    rows = [trial(k, 0.9 - k / 100, values={"x.y.z": 0.1 * k}) for k in range(1, 9)]
    found = hints(of_rows(*rows, space={"x.y.z": bounds}), "linear_decades")
    assert len(found) == named


def test_the_logarithm_of_a_range_is_typed_and_how_many_draws_it_would_move_is_said():
    rows = [trial(k, 0.9 - k / 100, values={"x.y.z": 0.1 * k}) for k in range(1, 9)]
    (hint,) = hints(of_rows(*rows, space={"x.y.z": {"low": 0.03, "high": 1.0}}), "linear_decades")
    assert hint.sentence.endswith("drawn linearly from 0.03 to 1: 93% of the draws lie in the highest decade.")
    assert hint.overrides == ("'search.space.x.y.z={low: 0.03, high: 1.0, log: true}'",)


def test_an_end_without_room_beyond_it_is_no_hint():
    rows = [trial(k, 0.9 - k / 100, values={"model.mlp.dropout": 0.0 + k / 1000}) for k in range(1, 9)]
    assert hints(of_rows(*rows, space={"model.mlp.dropout": {"low": 0.0, "high": 0.5}}), "boundary") == []


def test_foreign_results_and_nameless_levels_have_sentences_without_overrides():
    rows = [replace(row, level="-") for row in at_lr(0.8).trials]
    (hint,) = hints(of_rows(*rows, sampler="unknown"), "boundary")
    assert hint.sentence.startswith("In the search, the selected trial")
    assert hint.overrides == ()


def test_few_good_trials_ask_for_the_narrowed_space():
    values, scores = np.linspace(5.0, 95.0, 40), [0.9, 0.895, 0.893, *[0.5] * 37]
    rows = [trial(k, v, v, values={"m.o.x": float(x)}) for k, (x, v) in enumerate(zip(values, scores, strict=True), 1)]
    (hint,) = hints(of_rows(*rows, space={"m.o.x": {"low": 0.0, "high": 100.0}}), "few_good")
    assert (
        hint.sentence == "In the search of adam, only 3 of 40 trials come within δ of the highest val score, to 0.8900."
    )
    (override,) = hint.overrides
    assert override.startswith("'search.space.m.o.x={low: ")


def test_what_report_rows_say_does_not_tell_the_next_search_where_to_look():
    values, scores = np.linspace(5.0, 95.0, 40), np.random.default_rng(0).uniform(0.5, 0.9, 40)
    space = {"m.o.x": {"low": 0.0, "high": 100.0}}

    def said(reports, fresh):
        rows = [trial(k, scores[k - 1], reports[k - 1], values={"m.o.x": float(values[k - 1])}) for k in range(1, 41)]
        return hints(replace(of_rows(*rows, space=space), confirm=confirmed("adam", *fresh)))

    assert said(scores, (0.8, 0.82)) == said(scores[::-1], (0.3, 0.31)) != []


def test_a_key_has_one_override_though_two_rules_would_change_it():
    values = np.linspace(0.01, 1.0, 40)
    rows = [trial(k, v, v, values={"m.o.x": float(x)})
            for k, (x, v) in enumerate(zip(values, [0.9, 0.895, *[0.5] * 38], strict=True), 1)]  # fmt: skip
    rows = [replace(row, status="diverged", val=0.0, report=0.0) if row.k > 25 else row for row in rows]
    found = hints(of_rows(*rows, space={"m.o.x": {"low": 0.0, "high": 1.0}}))
    assert {"few_good", "infeasible"} <= {hint.code for hint in found}
    keys = [override.partition("=")[0] for hint in found for override in hint.overrides]
    assert len(keys) == len(set(keys)) == 1


def test_names_that_would_command_the_terminal_are_spelled_out():
    (hint,) = hints(of_rows(*(replace(row, level="a\x1b[31m\nb") for row in at_lr(0.8).trials)), "boundary")
    assert hint.sentence.startswith("In the search of a\\x1b[31m\\nb, ")


def test_where_nothing_can_be_narrowed_few_good_trials_ask_for_more_trials():
    rows = [trial(1, 0.9, 0.9, values={"m.o.x": 1}), *(trial(k, 0.5, 0.5, values={"m.o.x": 2}) for k in range(2, 31))]
    (hint,) = hints(of_rows(*rows, space={"m.o.x": {"choices": [1, 2, 3]}}), "few_good")
    assert hint.overrides == ("search.trials=120",)
    (hint,) = hints(of_rows(*rows, space={"m.o.x": {"choices": [1, 2]}}), "few_good")
    assert hint.overrides == ()  # both configurations were trained


def test_five_good_trials_are_enough():
    rows = [trial(k, 0.9, 0.9, values={"x": float(k)}) for k in range(1, 6)]
    rows += [trial(k, 0.2, 0.2, values={"x": float(k)}) for k in range(6, 40)]
    assert hints(of_rows(*rows, space=LINEAR), "few_good") == []


def test_without_a_yardstick_nothing_is_said_about_good_trials():
    rows = [trial(k, -float(k), values={"x": float(k)}) for k in range(1, 40)]
    assert hints(of_rows(*rows, space=LINEAR, metric=MSE, classes=0, delta=None), "few_good") == []


def trained(curves, **changes):
    """A search of five trials with these curves; `curves` maps names to functions of (epochs, generator)."""
    generator, epochs = np.random.default_rng(0), np.arange(1, 21)
    rows = []
    for k in range(1, 6):
        found = {name: curve(epochs, generator).tolist() for name, curve in curves.items()}
        rows.append(trial(k, 0.9 - k / 1000, 0.9, curves=found, values={"x": float(k)}))
    return of_rows(*rows, space=LINEAR, **changes)


def noise(generator, n=20):
    return generator.normal(0, 0.002, n)


def test_scores_that_still_rise_ask_for_more_epochs():
    (hint,) = hints(trained({"val/accuracy": lambda e, g: 0.5 + 0.02 * e + noise(g)}), "still_improving")
    assert hint.sentence.startswith("In the search of adam, the 5 highest-scoring trials still gain 0.0")
    assert hint.sentence.endswith(" of accuracy over the last 4 epochs of 20.")
    assert hint.overrides == ("training.epochs=40",)


def test_an_error_that_still_falls_asks_for_more_epochs():
    rising = trained({"val/mse": lambda e, g: 5 - 0.2 * e + noise(g)}, metric=MSE, classes=0, delta=None)
    assert [hint.code for hint in hints(rising)] == ["still_improving"]
    falling = trained({"val/mse": lambda e, g: 1 + 0.2 * e + noise(g)}, metric=MSE, classes=0, delta=None)
    assert hints(falling, "still_improving") == []


@pytest.mark.parametrize(
    "curve",
    [
        lambda _, g: 0.9 + noise(g),
        lambda e, g: 0.9 - 0.001 * e + noise(g),
        lambda e, g: 0.9 + 0.0002 * e + noise(g),
        lambda e, g: 0.9 + 0.05 * g.normal() * e / 20 + noise(g),
        lambda e, _: np.where(e == 20, np.nan, 0.1 * e),
    ],
    ids=["flat", "falling", "by less than delta", "some rise, some fall", "not a number"],
)
def test_scores_that_no_longer_rise_ask_for_nothing(curve):
    assert hints(trained({"val/accuracy": curve}), "still_improving") == []


def test_without_delta_a_gain_must_exceed_a_standard_error():
    curve = {"val/accuracy": lambda e, g: 0.86 + 0.002 * e + noise(g) / 10}  # 0.008 in the last four epochs
    assert len(hints(trained(curve, delta=None, rows={"val": 10_000, "report": 100}), "still_improving")) == 1
    assert hints(trained(curve, delta=None, rows={"val": 500, "report": 100}), "still_improving") == []


def test_trials_that_stopped_early_do_not_ask_for_more_epochs():
    rising = trained({"val/accuracy": lambda e, g: 0.5 + 0.02 * e + noise(g)})
    assert hints(replace(rising, design=replace(rising.design, epochs=50)), "still_improving") == []


LEARNS = {"train/loss": lambda e, g: 1 / e + noise(g)}


def test_a_val_loss_that_rises_away_from_the_training_loss_asks_to_stop_earlier():
    curves = {**LEARNS, "val/loss": lambda e, g: 1 / e + 0.01 * e + noise(g)}
    (hint,) = hints(trained(curves), "overfitting")
    assert hint.sentence.startswith("In the search of adam, the val loss of the 5 highest-scoring trials rises by 0.0")
    assert hint.overrides == ("training.patience=2",)


@pytest.mark.parametrize(
    "curves",
    [
        {**LEARNS, "val/loss": lambda e, g: 1 / e + 0.5 + noise(g)},
        {"train/loss": lambda e, g: 0.1 * e + noise(g), "val/loss": lambda e, g: 0.1 * e + noise(g)},
        {**LEARNS, "val/loss": lambda e, g: 2 + 1e-4 * e + noise(g) / 100},
        {"val/loss": lambda e, g: 0.1 * e + noise(g)},
    ],
    ids=["a constant gap", "both rise", "by next to nothing", "no training loss"],
)
def test_no_overfitting_is_seen(curves):
    assert hints(trained(curves), "overfitting") == []


def half_lost(lost, n=40, name="x", space=None):
    """A search whose trials with a lost value diverged."""
    values = np.linspace(1.0, 99.0, n).tolist()
    rows = [
        trial(k, 0.0, status="diverged", values={name: x})
        if lost(x, k)
        else trial(k, 0.9 - abs(x - 40) / 1000, 0.9, values={name: x})
        for k, x in enumerate(values, 1)
    ]
    return of_rows(*rows, space=space or {name: {"low": 0.0, "high": 100.0}})


def test_an_end_where_trials_diverge_is_cut_off():
    (hint,) = hints(half_lost(lambda x, _: x > 70, name="m.o.x"), "infeasible")
    assert hint.sentence == "In the search of adam, 12 of 40 trials diverged, 12 of them with m.o.x above 70."
    assert hint.overrides == ("'search.space.m.o.x={low: 0.0, high: 70.0}'",)


def test_the_lower_end_may_be_cut_off_too_though_a_few_survive_there():
    (hint,) = hints(half_lost(lambda x, k: x < 20 and k != 4, name="m.o.x"), "infeasible")
    assert hint.sentence == "In the search of adam, 7 of 40 trials diverged, 7 of them with m.o.x below 20."


def test_no_cut_takes_away_one_of_the_highest_scoring_trials():
    evidence = half_lost(lambda x, k: x > 60 and k != 28, name="m.o.x")
    rows = [replace(row, val=0.95) if row.k == 28 else row for row in evidence.trials]
    (hint,) = hints(of_rows(*rows, space=evidence.design.levels[0].space), "infeasible")
    assert hint.sentence == "In the search of adam, 15 of 40 trials diverged, 12 of them with m.o.x above 70."


def test_trials_that_diverge_everywhere_are_told_without_a_cut():
    (hint,) = hints(half_lost(lambda _, k: k % 5 == 0), "infeasible")
    assert hint.sentence == "In the search of adam, 8 of 40 trials diverged."
    assert hint.overrides == ()


def test_where_all_trials_diverge_nothing_is_cut_off():
    (hint,) = hints(half_lost(lambda *_: True), "infeasible")
    assert hint.overrides == ()


def test_a_tenth_of_diverged_trials_is_no_hint():
    assert hints(half_lost(lambda _, k: k > 36), "infeasible") == []


def test_whole_numbers_are_cut_between_what_diverged_and_what_did_not():
    rows = [trial(k, 0.9, 0.9, values={"m.o.depth": 1 + k % 4}) for k in range(20)]
    rows += [trial(k, 0.0, status="diverged", values={"m.o.depth": 5 + k % 4}) for k in range(20, 40)]
    (hint,) = hints(of_rows(*rows, space={"m.o.depth": {"low": 1, "high": 8}}), "infeasible")
    assert hint.overrides == ("'search.space.m.o.depth={low: 1, high: 4}'",)


def repeated(points, space, again=0):
    values = [{"x": x} for x in [*points, *points[:again]]]
    return of_rows(*(trial(k, 0.5, values=value) for k, value in enumerate(values, 1)), space=space)


def test_a_space_whose_points_were_all_drawn_is_exhausted():
    (hint,) = hints(repeated([1, 2, 3], {"x": {"choices": [1, 2, 3]}}), "exhausted")
    assert hint.sentence == "In the search of adam, all 3 configurations of the space were trained."
    assert hints(repeated([1, 2], {"x": {"choices": [1, 2, 3]}}), "exhausted") == []


@pytest.mark.parametrize(
    ("space", "size"),
    [
        ({"x": {"low": 1, "high": 3}}, 3),
        ({"x": {"low": 0.1, "high": 0.3, "step": 0.1}}, 3),
        ({"x": {"low": 1, "high": 3}, "y": {"choices": [0, 1]}}, 6),
        ({"x": {"choices": ["a", "b"]}, "x.a.n": {"low": 1, "high": 4}}, 5),
        ({"x": {"low": 5, "high": 5}}, 1),
    ],
    ids=["whole numbers", "a grid", "a product", "options with values of their own", "a single value"],
)
def test_the_points_of_a_finite_space_are_counted(space, size):
    assert hints(repeated(list(range(size - 1)), space), "exhausted") == []
    assert len(hints(repeated(list(range(size)), space), "exhausted")) == 1


def test_repeated_draws_are_told_from_a_tenth_on_and_in_an_endless_space_always():
    finite, endless = {"x": {"low": 1, "high": 100}}, {"x": {"low": 0.0, "high": 1.0}}
    (hint,) = hints(repeated(list(range(20)), finite, again=3), "duplicates")
    assert hint.sentence == "In the search of adam, 3 of 23 trials repeat a point that was drawn before."
    assert hints(repeated(list(range(20)), finite, again=2), "duplicates") == []
    assert len(hints(repeated([0.1, 0.2, 0.3], endless, again=1), "duplicates")) == 1
    assert hints(repeated([0.1, 0.2, 0.3], endless), "duplicates") == []


def test_one_is_another_point_than_true_and_a_list_than_its_text():
    assert hints(repeated([1, True, "[1]", [1]], {"x": {"low": 0.0, "high": 1.0}}), "duplicates") == []


def test_hints_come_by_level_and_of_levels_that_were_explored():
    evidence = search(("a", "b"), n=40)
    empty = Evidence(design(("a", "b")), ())
    assert hints(empty) == []
    assert lint(evidence, {}) == ()


def test_no_sentence_claims_anything():
    everything = [
        *hints(at_lr(0.8)),
        *hints(half_lost(lambda x, _: x > 70)),
        *hints(trained({"val/accuracy": lambda e, g: 0.5 + 0.02 * e + noise(g)})),
        *hints(trained({**LEARNS, "val/loss": lambda e, g: 1 / e + 0.01 * e + noise(g)})),
        *hints(repeated([1, 2, 3], {"x": {"choices": [1, 2, 3]}})),
    ]
    assert {hint.code for hint in everything} >= {
        "boundary",
        "few_good",
        "still_improving",
        "overfitting",
        "infeasible",
    }
    for hint in everything:
        assert forbidden(hint.sentence, claimed=False, single_contender=False) == []
        assert hint.sentence.startswith("In the search")


def test_a_value_that_nobody_drew_is_no_hint():
    rows = [trial(k, 0.5 + k / 100, math.nan) for k in range(1, 4)]
    assert [hint.code for hint in hints(of_rows(*rows, space=SPACE, delta=None, rows={}))] == []
