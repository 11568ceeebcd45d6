"""Every figure: labelled axes, honest axes, and nothing where there is nothing."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from hpsearch.analysis import signals
from hpsearch.analysis.findings import Rule, Speed, TargetEpochs
from hpsearch.report.blocks import TIMES
from hpsearch.report.figures import (
    confirmation as figures_confirm,
)
from hpsearch.report.figures import (
    learning as figures_learning,
)
from hpsearch.report.figures import (
    mechanism as figures_mechanism,
)
from hpsearch.report.figures import render as rendering
from hpsearch.report.figures import (
    space as figures_space,
)
from hpsearch.report.figures import (
    tuning as figures_tuning,
)
from hpsearch.report.figures.axes import log_ticks, power_text, span_of, steady_span
from hpsearch.report.figures.mechanism import textbook_paths
from hpsearch.report.figures.standings import standings
from hpsearch.report.figures.style import DARK, look, short, short_names
from tests.report.specimens import (
    factorial,
    hostile,
    kfold,
    one_level,
    optimizers,
    refused,
    regression,
    two_levels,
    unconfirmed,
    with_a_missing_key,
    with_headline,
)

FIGURES = {
    "F1": figures_tuning.tuning_curves,
    "F2": figures_tuning.probability_highest,
    "F3": figures_tuning.block_winners,
    "F4": figures_space.score_distribution,
    "F5": lambda found: figures_space.slices(found, found.evidence.design.levels[0].name),
    "shared": figures_space.isolation_curves,
    "F6": figures_space.good_region,
    "F7": figures_learning.importance,
    "F8": figures_learning.learning_curves,
    "F9": figures_confirm.paired_differences,
    "F10": figures_confirm.shrinkage,
    "F11": figures_confirm.seed_strips,
    "forward": figures_mechanism.signal_propagation,
    "dead": lambda found: figures_mechanism.over_epochs(found, "dead"),
    "update": lambda found: figures_mechanism.over_epochs(found, "update_ratio"),
    "paths": lambda _: figures_mechanism.optimizer_paths(),
}


@pytest.fixture(scope="module")
def found():
    return optimizers(trials=50)


@pytest.fixture(scope="module")
def drawn(found):
    return {name: draw(found) for name, draw in FIGURES.items()}


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def legends(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.mark.parametrize("name", FIGURES)
def test_both_axes_have_a_name(name, drawn):
    for axes in drawn[name].axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel()


@pytest.mark.parametrize("name", FIGURES)
def test_the_number_of_points_is_printed(name, drawn):
    printed = [text for text in texts(drawn[name]) if "n = " in text or "N = " in text or "budgets" in text]
    printed += [label for axes in drawn[name].axes for label in [axes.get_xlabel()] if "number of blocks" in label]
    assert printed


@pytest.mark.parametrize("name", ["F1", "F3", "F5", "shared", "F8", "F10"])
def test_an_axis_that_leaves_out_zero_is_marked_and_shows_delta(name, drawn):
    for axes in drawn[name].axes:
        assert axes.get_ylim()[0] > 0
        strokes = [line for line in axes.lines if line.get_transform() == axes.transAxes and not line.get_clip_on()]
        assert len(strokes) == 2
    assert any("δ = 0.005" in text for text in legends(drawn[name]))


@pytest.mark.parametrize(("name", "kind"), [
    ("F1", "bars: 95 %, simultaneous"), ("F2", "bars: 95 % bootstrap"), ("F4", "95 % DKW"), ("F6", "Wilson 95 %"),
    ("F7", "bars: 95 % bootstrap"), ("F10", "bars: 95 % over seeds"), ("forward", "mean ± SD"),
])  # fmt: skip
def test_every_band_says_of_which_kind_it_is(name, kind, drawn):
    assert any(kind in text for text in texts(drawn[name]))


def test_intervals_of_pairs_are_told_apart(drawn):
    assert {"mean, adjusted", "95 %, this pair alone", f"adjusted, seeds {TIMES} images"} < set(legends(drawn["F9"]))


def test_nine_levels_differ_by_colour_and_by_marker():
    looks = [look(place) for place in range(9)]
    assert len({one.color for one in looks}) == len({one.marker for one in looks}) == 9
    assert len({(one.color, one.marker, one.filled) for one in map(look, range(18))}) == 18


def luminance(color):
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("color", list(DARK.values())[:9])
def test_series_stand_out_on_dark_pages(color):
    assert (luminance(color) + 0.05) / (luminance("#0d1117") + 0.05) > 4.5


def test_the_band_of_a_distribution_has_the_alpha_of_the_design(found):
    evidence = replace(found.evidence, design=replace(found.evidence.design, alpha=0.1))
    said = " ".join(texts(figures_space.score_distribution(replace(found, evidence=evidence))))
    assert "90 % DKW band ± " in said
    assert "90 % DKW,\nevery curve" in said
    assert "95 %" not in said


def test_figures_of_folds_say_out_of_fold_and_corrected():
    folds = kfold()
    assert "out-of-fold score E_k (S-01), k ≤ N/5" in legends(FIGURES["F1"](folds))
    assert FIGURES["F4"](folds).axes[0].get_xlabel() == "out-of-fold macro_f1"
    assert FIGURES["F8"](folds).legends
    assert {"out-of-fold: median, band: quartiles", "the recipe, out-of-fold"} < set(legends(FIGURES["F8"](folds)))
    assert FIGURES["F9"](folds).axes[0].get_xlabel() == "difference in out-of-fold macro_f1"
    assert next(tick.get_text() for tick in FIGURES["F10"](folds).axes[0].get_xticklabels()) == "search\nout-of-fold"
    assert any("bars: 95 %, corrected (S-10)" in text for text in texts(FIGURES["F10"](folds)))
    assert "mean, 95 %, corrected (S-10)" in legends(FIGURES["F11"](folds))


def test_what_is_refused_is_not_drawn():
    for name in ("F1", "F2", "F3", "F6", "F7", "F9", "forward"):
        assert FIGURES[name](refused()) is None


def test_what_was_not_measured_is_not_drawn():
    for name in ("F9", "F10", "F11"):
        assert FIGURES[name](unconfirmed()) is None
    assert FIGURES["F2"](one_level()) is None
    assert figures_confirm.interaction(one_level()) is None


def test_with_too_few_seeds_only_dots_are_drawn():
    found = two_levels()
    pair = replace(found.pairs[0], refused=(Rule.ENOUGH_SEEDS,), state="refused")
    figure = figures_confirm.paired_differences(replace(found, pairs=(pair,)))
    assert "mean, adjusted" not in legends(figure)
    assert "R07" in texts(figure)


def test_equal_cost_is_drawn_only_where_costs_differ():
    assert figures_tuning.tuning_curves_by_cost(two_levels()) is not None
    assert figures_tuning.tuning_curves_by_cost(one_level()) is None


def test_infinite_scores_are_counted_and_leave_the_axis_finite():
    figure = figures_space.score_distribution(regression())
    assert all(map(math.isfinite, figure.axes[0].get_xlim()))
    assert any("% diverged" in text for text in legends(figure))


def test_a_seed_that_diverged_is_pointed_at_beyond_the_axis_and_leaves_no_mean():
    figure = figures_confirm.seed_strips(with_a_missing_key())
    assert figure.axes[0].get_xlim()[0] > 0.9
    assert {"◂1", "1 diverged: no mean"} < set(texts(figure))
    assert "none (1 diverged: no mean)" in legends(figures_confirm.shrinkage(with_a_missing_key()))


def test_curves_without_a_number_are_left_out():
    found = one_level()
    blank = {"val/accuracy": [math.nan, math.inf], "train/accuracy": [math.nan]}
    trials = tuple(replace(row, curves=blank) for row in found.evidence.trials)
    assert figures_learning.learning_curves(replace(found, evidence=replace(found.evidence, trials=trials))).axes


def test_a_space_of_one_value_has_an_axis():
    found = one_level()
    level = replace(found.evidence.design.levels[0], space={"a": {"low": 0.1, "high": 0.1, "log": True}})
    design = replace(found.evidence.design, levels=(level,))
    trials = tuple(replace(row, values={"a": 0.1}) for row in found.evidence.trials)
    figure = figures_space.slices(replace(found, evidence=replace(found.evidence, design=design, trials=trials)), "-")
    low, high = figure.axes[0].get_xlim()
    assert low < 0.1 < high


def test_a_factorial_has_a_line_for_each_value_of_its_second_factor():
    assert legends(figures_confirm.interaction(factorial()))[:2] == ["dropout: no", "dropout: yes"]


def test_a_name_with_dollars_is_no_formula():
    figure = figures_confirm.seed_strips(hostile())
    assert any("$\\frac{1}" in text for text in texts(figure))


def test_theory_is_drawn_beside_the_measurement(found):
    figure = figures_mechanism.signal_propagation(found, theory={"sgd": [1.0, 0.5, 0.25, 0.125, 0.0625]})
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert [line.get_ydata()[1] for line in dashed] == [0.5]


def test_signals_may_have_gaps():
    table = signals.table({"dead": [[0.5, None], ["NaN", "Infinity"]]}, "dead")
    np.testing.assert_array_equal(table, [[0.5, math.nan], [math.nan, math.inf]])


@pytest.mark.parametrize(
    "given", [None, {}, {"dead": []}, {"dead": [[1.0], [1.0, 2.0]]}, {"dead": "text"}, {"dead": [1.0]}]
)
def test_signals_of_no_use_are_no_table(given):
    assert signals.table(given, "dead") is None


def test_the_median_over_trials_keeps_what_exploded():
    values = np.array([[[1.0, math.nan]], [[math.inf, math.nan]], [[math.inf, math.nan]]])
    found = signals.Course(np.array([0.0]), ("a", "b"), values)
    np.testing.assert_array_equal(found.median, [[math.inf, math.nan]])


@pytest.mark.parametrize(("count", "places"), [(1, [0]), (3, [0, 1, 2]), (21, [0, 4, 8, 12, 16, 20])])
def test_of_many_layers_a_few_are_drawn(count, places):
    assert figures_mechanism.chosen_layers(count) == places


@pytest.mark.parametrize(("name", "second"), [
    ("SGD, lr 0.95", (-7 * 0.905, -1.8)),
    ("Momentum, lr 0.1", (-6.93, 1.6)),
    ("AdaGrad, lr 1.5", (-5.5, 0.5)),
    ("Adam, lr 0.3", (-6.7, 1.7)),
])  # fmt: skip
def test_the_first_step_of_each_path_is_the_one_by_hand(name, second):
    path = textbook_paths()[name]
    assert len(path) == 31
    assert tuple(path[0]) == (-7.0, 2.0)
    assert path[1] == pytest.approx(second, abs=1e-5)


def test_the_path_of_sgd_is_a_geometric_sequence():
    path, steps = textbook_paths()["SGD, lr 0.95"], np.arange(31)
    np.testing.assert_allclose(path, np.stack([-7 * 0.905**steps, 2 * (-0.9) ** steps], axis=1))


@pytest.mark.parametrize(("low", "high", "ticks"), [
    (1e-5, 1.0, [1e-5, 1e-3, 1e-1]),
    (0.01, 100, [0.01, 0.1, 1.0, 10.0, 100.0]),
    (3, 40, [5, 10, 20]),
    (3.1, 3.2, [3.1, 3.2]),
])  # fmt: skip
def test_ticks_of_a_logarithmic_axis(low, high, ticks):
    assert log_ticks(low, high) == pytest.approx(ticks)


@pytest.mark.parametrize(("value", "text"), [(0.01, "0.01"), (20.0, "20"), (1e-5, "10⁻⁵"), (2e7, "2·10⁷")])
def test_powers_are_written_as_powers(value, text):
    assert power_text(value) == text


def test_limits_hold_all_values_unless_a_tail_would_flatten_them():
    assert span_of([1.0, 2.0, math.nan, math.inf]) == pytest.approx((0.94, 2.06))
    low, high = steady_span([0.1, 0.2, *np.linspace(0.9, 1.0, 30)])
    assert 0.5 < low < 0.9
    assert high > 1.0
    assert span_of([]) == (0.0, 1.0)
    assert span_of([0.5]) == pytest.approx((0.475, 0.525))


def test_long_names_lose_their_middle_and_stay_apart():
    assert short("a" * 10 + "b" * 10, 10) == "aaaaaa…bbb"
    assert short("line\nbreak") == "line\\nbreak"
    assert list(short_names(["x" * 50, "x" * 51, "y"], 9).values()) == ["xxxxx…xxx (1)", "xxxxx…xxx (2)", "y"]


def test_a_marker_takes_its_color_from_where_it_is_used():
    """Rules for dark pages reach what is used, not what it is a copy of."""
    drawn = rendering.svg(standings(with_headline(two_levels())), "f00", "title")
    markers = re.findall(r'<path id="f00-m\w+"[^>]*>', drawn)
    assert markers
    assert not [marker for marker in markers if "stroke: #" in marker]
    assert len(re.findall(r'<(?:use|g)[^>]*style="[^"]*stroke: #', drawn)) >= len(markers)


def test_seeds_that_never_reach_the_target_stand_behind_the_last_epoch(found):
    levels = (TargetEpochs("momentum", (1.0, 2.0, 2.0), 2.0), TargetEpochs("sgd", (3.0, math.inf, math.inf), math.inf))
    axes = figures_learning.target_epochs(replace(found, speed=Speed(0.9, 4, levels, ""))).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "3", "4", "never"]
    assert "2 of 3 never" in [text.get_text() for text in axes.texts]
    medians = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "D"]
    assert medians == [2.0, 5.0]


def test_without_a_target_there_is_no_figure_of_it_and_one_epoch_is_no_learning_curve(found):
    assert figures_learning.target_epochs(found) is None
    short = [
        replace(row, curves={name: curve[:1] for name, curve in row.curves.items()}) for row in found.evidence.trials
    ]
    assert (
        figures_learning.learning_curves(replace(found, evidence=replace(found.evidence, trials=tuple(short)))) is None
    )
