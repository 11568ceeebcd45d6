"""What a person sees."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hpsearch.records import Status
from hpsearch.terminal import Row, Terminal, show_duration, show_score, show_value, show_values


def row(k, score=None, se=None, status=Status.OK, report=None, **values):
    return Row(k, status, score, se, report, {key.replace("__", "."): value for key, value in values.items()})


@pytest.fixture
def terminal():
    """Writes to memory, and is no terminal."""
    return Terminal(Console(file=io.StringIO(), width=120, highlight=False))


def shown(terminal):
    return terminal.console.file.getvalue()


@pytest.mark.parametrize(
    ("score", "se", "text"),
    [
        (0.97123, 0.00241, "0.9712 ± 0.0024"),
        (0.97123, 0.0241, "0.971 ± 0.024"),
        (0.5, 0.25, "0.50 ± 0.25"),
        (-3012.3, 41.0, "-3012 ± 41"),
        (-12.345, 1.26, "-12.3 ± 1.3"),
        (0.123456789, 0.000012, "0.123457 ± 0.000012"),
        (0.5, None, "0.5"),
        (0.123456, 0.0, "0.1235"),
        (1.0, float("inf"), "1"),
        (0.5, float("nan"), "0.5"),
        (None, None, "none"),
        (0.6263736263736263, 6.9e-17, "0.6264"),
        (-280942143721957152.0, 126124760941554288.0, "-2.809e+17 ± 1.3e+17"),
    ],
)
def test_a_score_is_rounded_to_the_second_digit_of_its_error(score, se, text):
    assert show_score(score, se) == text


@given(st.floats(-1e4, 1e4), st.floats(1e-4, 1e4))
def test_a_shown_score_is_off_by_at_most_a_twentieth_of_its_error(score, se):
    value, _, error = show_score(score, se).split()
    assert abs(float(value) - score) <= max(0.05 * se, 0.5 if se >= 10 else 0.0) + 1e-9
    assert float(error) == pytest.approx(se, rel=0.051, abs=0.5 if se >= 10 else 0.0)


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


def test_each_finished_trial_is_a_line_where_there_is_no_terminal(terminal):
    terminal.begin(3, [])
    terminal.trial_done(row(1, 0.5, 0.01))
    terminal.trial_done(row(0, 0.75, 0.01))
    terminal.trial_done(row(2, status=Status.DIVERGED))
    terminal.end()
    first, second, third = shown(terminal).splitlines()
    assert first.startswith("trial   1  0.500 ± 0.010  1/3  about ")
    assert first.endswith(" left · best so far 0.500 ± 0.010 (trial 1)")
    assert second.endswith(" left · best so far 0.750 ± 0.010 (trial 0)")
    assert third == "trial   2  diverged  3/3  best so far 0.750 ± 0.010 (trial 0)"


def test_a_resumed_sweep_counts_what_was_finished_before(terminal):
    terminal.begin(3, [row(0, 0.75, 0.01), row(1, 0.5, 0.01)])
    terminal.trial_done(row(2, 0.25, 0.01))
    assert shown(terminal) == "trial   2  0.250 ± 0.010  3/3  best so far 0.750 ± 0.010 (trial 0)\n"


def test_of_equal_scores_the_first_trial_is_best_so_far(terminal):
    terminal.begin(9, [row(3, 0.5), row(1, 0.5), row(2, 0.5)])
    terminal.trial_done(row(4, 0.5))
    assert shown(terminal).endswith("best so far 0.5 (trial 1)\n")


def test_a_terminal_shows_a_bar_with_the_count_and_the_best_score():
    console = Console(file=io.StringIO(), force_terminal=True, width=120, highlight=False, color_system=None)
    terminal = Terminal(console)
    terminal.begin(4, [row(0, 0.5, 0.01)])
    terminal.trial_done(row(1, status=Status.DIVERGED))
    terminal.trial_done(row(2, 0.75, 0.01))
    terminal.end()
    text = console.file.getvalue()
    assert "3/4" in text
    assert "best so far 0.750 ± 0.010 (trial 2)" in text
    assert "  trial 1: diverged" in text


def table(text):
    """The cells of the table, line by line, without its title and rules."""
    lines = [line for line in text.splitlines() if line.strip() and "─" not in line]
    return [[cell for cell in line.split("  ") if cell.strip()] for line in lines]


def test_the_table_holds_the_best_trials_first_with_scores_reports_and_choices(terminal):
    rows = [
        row(0, 0.5, 0.01, report=0.4321, optimizer="sgd", optimizer__sgd__lr=0.123456),
        row(1, 0.75, 0.01, report=0.7, optimizer="adam", optimizer__adam__lr=0.001),
        row(2, 0.75, 0.01, report=None, optimizer="adam", optimizer__adam__lr=0.002),
    ]
    terminal.best_trials(rows, "val/accuracy ± SE", "report")
    title, heading, *cells = [[cell.strip() for cell in line] for line in table(shown(terminal))]
    assert title == ["Highest-scoring trials of 3"]
    assert heading == ["trial", "val/accuracy ± SE", "report", "optimizer"]
    assert cells == [
        ["1", "0.750 ± 0.010", "0.7000", "adam lr=0.001"],
        ["2", "0.750 ± 0.010", "adam lr=0.002"],
        ["0", "0.500 ± 0.010", "0.4321", "sgd lr=0.123"],
    ]


def test_the_table_is_cut_at_its_limit(terminal):
    terminal.best_trials([row(k, k / 100) for k in range(20)], "val/accuracy ± SE", "report", limit=3)
    _, _, *cells = table(shown(terminal))
    assert [line[0].strip() for line in cells] == ["19", "18", "17"]


def test_trials_without_a_score_are_counted_by_what_happened_to_them(terminal):
    rows = [row(0, 0.5), row(1, status=Status.DIVERGED), row(2, status=Status.OOM), row(3, status=Status.DIVERGED)]
    terminal.best_trials(rows, "score", None)
    assert shown(terminal).splitlines()[-1] == (
        "! 3 of 4 trials have no score (diverged, oom); they count in every denominator"
    )


def test_nothing_is_said_about_failures_where_there_are_none(terminal):
    terminal.best_trials([row(0, 0.5)], "score", None)
    assert "no score" not in shown(terminal)


@pytest.mark.parametrize(
    "name", ["[bold]", "[/]", "[link=file:///]x", ":smile:", "\\[red]", "100%", "a[1]", "<script>"]
)
def test_a_name_with_markup_is_shown_as_it_is(terminal, name):
    terminal.line(f"sweep {name}")
    terminal.warn(name)
    terminal.steps("Next", [("final", name)])
    assert shown(terminal).splitlines() == [f"sweep {name}", f"! {name}", "", "Next", f"  final  {name}"]


@pytest.mark.parametrize("name", ["[bold]", ":smile:", "[/]"])
def test_a_drawn_value_with_markup_is_shown_as_it_is(terminal, name):
    terminal.best_trials([row(0, 0.5, model__custom__mode=name)], "score", None)
    assert f"mode={name}" in shown(terminal)


def test_control_characters_of_a_name_are_spelled_out(terminal):
    terminal.line("red \x1b[31m, bell \a, delete \x7f")
    terminal.best_trials([row(0, 0.5, model__custom__mode="\x1b]0;title\a")], "score", None)
    assert shown(terminal).startswith("red \\x1b[31m, bell \\x07, delete \\x7f\n")
    assert not {"\x1b", "\a", "\x7f"} & set(shown(terminal))


def test_a_long_line_is_never_cut_or_wrapped(terminal):
    command = "python -m hpsearch " + " ".join(f"search.tune{k}=[x]" for k in range(60))
    terminal.line(command)
    assert shown(terminal) == command + "\n"


def test_labels_are_set_to_one_width(terminal):
    terminal.steps("Written", [("runs", "a"), ("best trial", "b"), ("", "c")])
    assert shown(terminal) == "\nWritten\n  runs        a\n  best trial  b\n              c\n"
