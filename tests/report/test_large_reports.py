"""What a report shows where there are more levels, pairs or trials than a person looks at."""

from dataclasses import replace
from math import comb

import numpy as np
import pytest

from hpsearch.analysis.findings import Hint
from hpsearch.report.figures.axes import thinned
from hpsearch.report.figures.catalog import BLOCKS, DISTRIBUTION, HIGHEST, IMPORTANCE, slice_drawings
from hpsearch.report.figures.render import shown
from hpsearch.report.figures.space import slices
from hpsearch.report.figures.tuning import block_winners
from hpsearch.report.levels import MOST_DRAWN, drawn_levels, shown_pairs
from hpsearch.report.page import compose, markdown
from tests.report.specimen_parts import Shape
from tests.report.specimen_results import draw

LEVELS = tuple(f"level {number:02d}" for number in range(22))


@pytest.fixture(scope="module")
def found():
    """Twenty-two levels, each higher than the one before, with 231 pairs."""
    return drawn(LEVELS, trials=50)


def drawn(levels, trials):
    found = draw(Shape(levels, tuple(0.7 + 0.01 * at for at in range(len(levels))), trials=trials, seeds=7))
    return replace(found, contenders=levels)


@pytest.fixture(scope="module")
def page(found):
    return markdown(compose(found))


def test_figures_show_the_levels_with_the_highest_means_in_their_usual_order(found):
    assert drawn_levels(found) == list(LEVELS[-MOST_DRAWN:])


def test_figures_show_the_control_whatever_it_scores(found):
    design = replace(found.evidence.design, control=LEVELS[0])
    controlled = replace(found, evidence=replace(found.evidence, design=design))
    assert drawn_levels(controlled) == [LEVELS[0], *LEVELS[1 - MOST_DRAWN :]]


def test_of_levels_without_retrainings_those_with_the_highest_scores_in_the_search_are_shown(found):
    explored = {name: replace(one, val=1.0 - one.val) for name, one in found.explored.items()}
    lowest = replace(found, confirmed={}, explored=explored)
    highest = sorted(LEVELS, key=lambda name: -explored[name].val)[:MOST_DRAWN]
    assert drawn_levels(lowest) == sorted(highest)


def test_captions_say_which_levels_are_shown(found):
    assert shown(DISTRIBUTION, found).caption.endswith("Shown: the 12 levels with the highest scores, of 22.")


def test_slices_are_drawn_of_the_same_levels(found):
    titles = [one.title for one in slice_drawings(found)]
    assert titles == [f"Slices of the space: {name}" for name in LEVELS[-MOST_DRAWN:]]


def test_of_many_pairs_those_between_these_levels_are_shown(found, page):
    assert len(found.pairs) == comb(22, 2)
    kept = set(drawn_levels(found))
    assert {(pair.a, pair.b) for pair in shown_pairs(found)} == {
        (pair.a, pair.b) for pair in found.pairs if {pair.a, pair.b} <= kept
    }
    assert "66 of 231 pairs, those between the levels that figures show; all: pairs.csv." in page


def test_of_many_trials_the_highest_of_each_level_are_listed(found, page):
    highest = max((row for row in found.evidence.draws(LEVELS[0]) if row.status == "ok"), key=lambda row: row.val)
    assert "The highest 45 of each level; all of 1,122 trials: trials.csv" in page
    listed = [
        line for line in page.splitlines() if line.startswith("| level 00 |") and "batch" in line and "lr=" in line
    ]
    assert len(listed) == 45
    assert listed[0].split(" | ")[1] == str(highest.k)


def test_hints_on_levels_that_are_not_shown_are_counted(found):
    hints = [Hint("boundary", name, f"In the search, a hint on {name}.") for name in LEVELS]
    text = markdown(compose(replace(found, hints=tuple(hints))))
    assert "In the search, a hint on level 10." in text
    assert "In the search, a hint on level 09." not in text
    assert "And 10 of the other levels, in report.json." in text


def test_of_many_points_some_are_drawn_evenly_with_both_ends():
    kept = thinned(np.arange(10_001))
    assert len(kept) == 500
    assert kept[[0, -1]].tolist() == [0, 10_000]
    assert set(np.diff(kept)) == {20, 21}
    assert thinned(np.arange(500)).tolist() == list(range(500))


@pytest.fixture(scope="module")
def crowded():
    return drawn(LEVELS[:2], trials=1500)


def test_slices_of_many_trials_show_the_highest_and_say_so(crowded):
    (dots, *_) = [line for line in slices(crowded, LEVELS[0]).axes[0].lines if line.get_marker() == "o"]
    assert len(dots.get_xdata()) == 600
    scores = sorted((row.report for row in crowded.evidence.draws(LEVELS[0])), reverse=True)
    assert set(scores[:100]) <= set(dots.get_ydata())
    caption = shown(slice_drawings(crowded)[0], crowded).caption
    assert "Of more than 500 points, so many evenly of all and the 100 highest." in caption


def test_blocks_of_many_trials_are_drawn_by_their_quantiles(crowded):
    axes = block_winners(crowded).axes[0]
    assert max(len(line.get_xdata()) for line in axes.lines if line.get_marker() == ".") <= 500
    assert "Of more than 500 blocks, so many quantiles." in shown(BLOCKS, crowded).caption


def test_captions_say_how_often_many_trials_are_resampled(found):
    explored = {name: replace(one, n=5000) for name, one in found.explored.items()}
    many = replace(found, explored=explored)
    assert "chances. 200 resamples, for trials are many. Shown: the 12 levels" in shown(HIGHEST, many).caption
    assert "800 resamples, for trials are many." in shown(IMPORTANCE, many).caption
    assert "resamples" not in shown(HIGHEST, found).caption


def test_a_report_of_few_levels_shows_everything():
    few = drawn(LEVELS[:12], trials=20)
    text = markdown(compose(few))
    assert drawn_levels(few) == list(LEVELS[:12])
    assert "Shown: " not in text
    assert "pairs.csv." not in text
    assert "All of 252 trials" in text
