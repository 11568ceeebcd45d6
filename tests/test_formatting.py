"""Numbers, durations, values and names in words."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hpsearch.formatting import (
    number_of,
    plural,
    show_coverage,
    show_duration,
    show_interval,
    show_like,
    show_number,
    show_score,
    show_value,
    show_values,
)


def test_one_is_singular_and_every_other_number_plural():
    assert [number_of(n, "trial") for n in (0, 1, 2, 1000)] == ["0 trials", "1 trial", "2 trials", "1,000 trials"]
    assert [number_of(n, "entry", "entries") for n in (1, 2)] == ["1 entry", "2 entries"]
    assert [plural(n, "is", "are") for n in (1, 2)] == ["is", "are"]


@pytest.mark.parametrize(
    ("score", "se", "text"),
    [
        (0.97123, 0.00241, "0.9712 ± 0.0024"),
        (0.97123, 0.0241, "0.971 ± 0.024"),
        (0.5, 0.25, "0.50 ± 0.25"),
        (0.9, 0.0996, "0.90 ± 0.10"),
        (3012.3, 41.0, "3012 ± 41"),
        (-12.345, 1.26, "-12.3 ± 1.3"),
        (30759.88, 5893.7, "30800 ± 5900"),
        (0.123456789, 0.000012, "0.123457 ± 0.000012"),
        (1234567.8, 0.51, "1234567.80 ± 0.51"),
        (280942143721957152.0, 126124760941554288.0, "(2.8 ± 1.3)e+17"),
        (3.123e-6, 1.24e-7, "(3.12 ± 0.12)e-06"),
        (9.996e-6, 1.0e-7, "(1.000 ± 0.010)e-05"),
        (0.0, 0.036, "0.000 ± 0.036"),
        (-1e-5, 0.01, "0.000 ± 0.010"),
        (5e-324, 5e-324, "(4.9 ± 4.9)e-324"),
        (1.7e308, 1.7976931348623157e308, "(1.7 ± 1.8)e+308"),
    ],
)
def test_a_score_is_rounded_to_the_second_digit_of_its_error(score, se, text):
    assert show_score(score, se) == text


def test_a_zero_has_no_sign():
    assert show_score(-0.0004, 0.1) == "0.00 ± 0.10"
    assert show_interval(1e9, -1e6, 3e9) == "1.00e+09 [0.00e+09, 3.00e+09]"
    assert show_interval(2e-6, -1e-10, 5e-6) == "2.0e-06 [0.0e-06, 5.0e-06]"
    assert show_value(-0.0) == "0"


@pytest.mark.parametrize("se", [None, math.inf, math.nan])
def test_a_score_whose_error_is_not_known_is_shown_with_four_digits(se):
    assert show_score(0.123456, se) == "0.1235"


@pytest.mark.parametrize("se", [0.0, 6.9e-17])
def test_an_error_of_nothing_is_said(se):
    assert show_score(0.6263736263736263, se, 91) == "0.6264 ± 0"


def test_a_score_that_is_no_number_is_said_without_an_error():
    assert show_score(math.nan, 1.0) == "nan"


def test_no_score_is_said():
    assert show_score(None, None) == "none"


@given(st.integers(1, 10**6))
def test_a_share_without_a_single_error_is_shown_with_the_lower_bound_of_its_interval(rows):
    bound = stats.binomtest(rows, rows).proportion_ci(0.95, method="wilson").low
    share, _, shown = show_score(1.0, 0.0, rows).rstrip(")").partition(" (≥ ")
    assert float(share) == 1
    assert abs(float(shown) - bound) <= 0.05 * (1 - bound)


def test_a_share_without_a_single_hit_is_shown_with_the_upper_bound_of_its_interval():
    assert show_score(0.0, 0.0, 500) == "0.0000 (≤ 0.0076)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.95833, "0.9583"),
        (0.08333333, "0.0833"),
        (1.0, "1.000"),
        (-2.22222, "-2.222"),
        (9.99996, "10.00"),
        (0.099996, "0.1000"),
        (15289.3388, "15289"),
        (0.0012345, "0.001234"),
        (2.5e17, "2.5e+17"),
        (-0.0, "0"),
        (math.nan, "nan"),
    ],
)
def test_a_number_without_an_error_has_four_digits(value, text):
    assert show_number(value) == text


@pytest.mark.parametrize(
    ("value", "se", "text"),
    [
        (15289.3388, 5893.7, "15300"),
        (0.0, 0.0363, "0.000"),
        (0.0, 0.0, "0"),
        (0.25, 0.0, "0.2500"),
        (0.25, 1e-17, "0.2500"),
        (0.25, math.nan, "0.2500"),
        (0.25, None, "0.2500"),
    ],
)
def test_a_number_takes_the_digits_of_an_error_that_is_not_shown(value, se, text):
    assert show_like(value, se) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.9851, 0.98253, 0.98729, "0.9851 [0.9825, 0.9873]"),
        (19242.3, 15151.0, 23333.7, "19200 [15200, 23300]"),
        (1e9, 9e8, 1.1e9, "1.000e+09 [0.900e+09, 1.100e+09]"),
        (0.5, None, None, "0.5000"),
        (0.0, -0.01, 0.01, "0.0000 [-0.0100, 0.0100]"),
        (1.0, 1.0, 1.0, "1.000 [1.000, 1.000]"),
        (0.5, math.nan, math.nan, "0.5000 [nan, nan]"),
    ],
)
def test_an_interval_is_rounded_to_the_second_digit_of_the_error_that_it_implies(value, low, high, text):
    assert show_interval(value, low, high) == text


@given(st.floats(-1e4, 1e4), st.floats(1e-4, 1e4))
def test_a_shown_score_is_off_by_at_most_a_twentieth_of_its_error(score, se):
    shown = show_score(score, se)
    value, _, error = shown.split()
    assert abs(float(value) - score) <= 0.0501 * se
    assert float(error) == pytest.approx(se, rel=0.051)


FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(FINITE, FINITE.map(abs), FINITE)
def test_every_finite_number_can_be_shown_with_every_error(value, se, other):
    assert abs(Decimal(show_number(value)) - Decimal(value)) <= Decimal("0.0051") * abs(Decimal(value))
    assert show_score(value, se)
    assert show_like(value, se)
    assert show_interval(value, *sorted((value, other)))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (0.6, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3600, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (360000, "100 h 0 min"),
    ],
)
def test_a_duration_is_shown_in_its_two_largest_units(seconds, text):
    assert show_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0012345, "0.00123"),
        (1e-7, "1e-07"),
        (12, "12"),
        (True, "True"),
        (None, "None"),
        ([4, 8], "[4, 8]"),
        ("max", "max"),
    ],
)
def test_a_value_is_shown_with_three_digits(value, text):
    assert show_value(value) == text


def test_values_are_shown_by_group_with_the_option_first():
    assert show_values(
        {
            "optimizer": "momentum",
            "optimizer.momentum.lr": 0.00123456,
            "optimizer.momentum.momentum": 0.9,
            "model.mlp.depth": 2,
            "model.mlp.width": 100,
            "regularization": "none",
        }
    ) == {
        "model": "depth=2 width=100",
        "optimizer": "momentum lr=0.00123 momentum=0.9",
        "regularization": "none",
    }


def test_an_option_with_a_single_value_of_its_own_name_is_not_said_twice():
    drawn = {"regularization": "dropout", "regularization.dropout.dropout": 0.31}
    assert show_values(drawn) == {"regularization": "dropout 0.31"}


def test_nothing_drawn_shows_nothing():
    assert show_values({}) == {}


@pytest.mark.parametrize(("alpha", "text"), [(0.05, "95 %"), (0.1, "90 %"), (0.025, "97.5 %"), (0.05 / 3, "98.33 %")])
def test_how_often_an_interval_holds_is_told_with_four_digits(alpha, text):
    assert show_coverage(alpha) == text
