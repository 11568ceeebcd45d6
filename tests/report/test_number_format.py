"""Numbers and settings in words."""

import math

import pytest

from hpsearch.report.blocks import DASH
from hpsearch.report.figures.tuning import cost_text
from hpsearch.report.levels import numbers_of, parameter_names
from hpsearch.report.number_format import (
    difference,
    format_interval,
    interval,
    p_value,
    percent,
    share,
    spread,
    two_digits,
)
from hpsearch.report.sections.design import distribution


@pytest.mark.parametrize(("value", "around", "text"), [
    (0.98012, (0.9778, 0.9825), "0.9801 [0.9778, 0.9825]"),
    (0.98012, (math.nan, math.nan), "0.9801"),
    (math.nan, (0.1, 0.2), DASH),
    (0.98012, None, "0.9801"),
])  # fmt: skip
def test_a_number_has_the_digits_of_its_interval(value, around, text):
    assert interval(value, around) == text


def test_a_positive_difference_has_a_sign():
    assert difference(0.0312, (0.0292, 0.0333)) == "+0.0312 [0.0292, 0.0333]"
    assert difference(-0.0312, (-0.0333, -0.0292)) == "-0.0312 [-0.0333, -0.0292]"


def test_an_interval_alone():
    assert format_interval((0.0284, 0.0341)) == "[0.0284, 0.0341]"
    assert format_interval((math.nan, 0.1)) == DASH
    assert format_interval(None) == DASH


@pytest.mark.parametrize(("sd", "n", "text"), [(0.00371234, 12, "0.00371"), (0.00371234, 3, "0.0037"), (1.0, 1, DASH)])
def test_a_standard_deviation_has_the_digits_of_its_own_error(sd, n, text):
    assert spread(sd, n) == text


@pytest.mark.parametrize(("p", "text"), [
    (0.0019531, "0.002"), (0.3125, "0.31"), (1.0, "1"), (1e-5, "< 0.0001"), (math.nan, DASH),
])  # fmt: skip
def test_a_p_value_has_two_digits(p, text):
    assert p_value(p) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, "0 %"), (0.034, "3.4 %"), (0.12, "12 %"), (1.0, "100 %")])
def test_a_share_in_percent(value, text):
    assert percent(value) == text


def test_a_share_of_trials_with_its_interval():
    assert share(3, 100, (0.0103, 0.0846)) == "3 / 100 [1.0 %, 8.5 %]"
    assert share(0, 0, (0.0, 1.0)) == DASH


@pytest.mark.parametrize(
    ("value", "text"), [(0.001, "0.0010"), (0.2, "0.20"), (6.0, "6"), (37.4, "37"), (math.nan, DASH)]
)
def test_an_error_has_two_digits(value, text):
    assert two_digits(value) == text


@pytest.mark.parametrize(("cost", "text"), [(1.5e12, "1.5T"), (900.0, "900"), (2e15, "2P"), (1234.0, "1.23k")])
def test_a_cost_has_a_unit(cost, text):
    assert cost_text(cost) == text


@pytest.mark.parametrize(("space", "text"), [
    ({"low": 1e-5, "high": 1.0, "log": True}, "log-uniform, 1e-05 to 1"),
    ({"low": 50, "high": 200, "log": False, "step": 50}, "uniform, 50 to 200 in steps of 50"),
    ({"choices": [32, "a", None]}, "one of 32, a, None"),
])  # fmt: skip
def test_a_distribution_in_words(space, text):
    assert distribution(space) == text


def test_drawn_values_have_short_names_unless_two_end_alike():
    assert parameter_names(["optimizer.adam.lr", "model.width"]) == {"optimizer.adam.lr": "lr", "model.width": "width"}
    assert parameter_names(["a.b.lr", "c.d.lr"]) == {"a.b.lr": "a.b.lr", "c.d.lr": "c.d.lr"}


def test_counts_that_differ_are_a_range():
    assert numbers_of([10, 10], "trial") == "10 trials"
    assert numbers_of([8, 10], "trial") == "8 to 10 trials"
    assert numbers_of([1, 1], "trial") == "1 trial"
    assert numbers_of([0, 1], "seed") == "0 to 1 seeds"
    assert numbers_of([300, 1000]) == "300 to 1,000"
