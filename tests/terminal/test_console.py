"""What a person sees."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from hpsearch.errors import OutputClosedError
from hpsearch.records import Status
from hpsearch.terminal import console
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.progress import SearchProgress, show_narrowed
from hpsearch.terminal.trial_table import Row, show_best_trials


def row(k, score=None, status=Status.OK, more=None, level="-", **values):
    shown = "" if score is None else f"{score} ± 0.01"
    return Row(
        level, k, status, score, shown, more or {}, {key.replace("__", "."): value for key, value in values.items()}
    )


@pytest.fixture
def terminal():
    """Writes to memory, and is no terminal."""
    return Terminal(Console(file=io.StringIO(), width=120, highlight=False))


def shown(terminal):
    return terminal.console.file.getvalue()


def test_each_finished_trial_is_a_line_where_there_is_no_terminal(terminal):
    progress = SearchProgress(terminal, 3, [])
    progress.trial_done(row(1, 0.5))
    progress.trial_done(row(0, 0.75))
    progress.trial_done(row(2, status=Status.DIVERGED))
    progress.end()
    first, second, third = shown(terminal).splitlines()
    assert first.startswith("trial   1  0.5 ± 0.01  1/3  about ")
    assert first.endswith(" left · best so far 0.5 ± 0.01 (trial 1)")
    assert second.endswith(" left · best so far 0.75 ± 0.01 (trial 0)")
    assert third == "trial   2  diverged  3/3  best so far 0.75 ± 0.01 (trial 0)"


def test_a_resumed_sweep_counts_what_was_finished_before(terminal):
    progress = SearchProgress(terminal, 3, [row(0, 0.75), row(1, 0.5)])
    progress.trial_done(row(2, 0.25))
    assert shown(terminal) == "trial   2  0.25 ± 0.01  3/3  best so far 0.75 ± 0.01 (trial 0)\n"


def test_of_equal_scores_the_first_trial_is_best_so_far(terminal):
    progress = SearchProgress(terminal, 9, [row(3, 0.5), row(1, 0.5), row(2, 0.5)])
    progress.trial_done(row(4, 0.5))
    assert shown(terminal).endswith("best so far 0.5 ± 0.01 (trial 1)\n")


def test_a_terminal_shows_a_bar_with_the_count_and_the_best_score():
    console = Console(file=io.StringIO(), force_terminal=True, width=120, highlight=False, color_system=None)
    terminal = Terminal(console)
    progress = SearchProgress(terminal, 4, [row(0, 0.5)])
    progress.trial_done(row(1, status=Status.DIVERGED))
    progress.trial_done(row(2, 0.75))
    progress.end()
    text = console.file.getvalue()
    assert "3/4" in text
    assert "best so far 0.75 ± 0.01 (trial 2)" in text
    assert "  trial 1: diverged" in text


def table(text):
    """The cells of the table, line by line, without its title and rules."""
    lines = [line for line in text.splitlines() if line.strip() and "─" not in line]
    return [[cell for cell in line.split("  ") if cell.strip()] for line in lines]


def test_the_table_holds_the_best_trials_first_with_scores_reports_and_choices(terminal):
    rows = [
        row(0, 0.5, more={"report/r2": "0.43"}, optimizer="sgd", optimizer__sgd__lr=0.123456),
        row(1, 0.75, more={"report/r2": "0.70"}, optimizer="adam", optimizer__adam__lr=0.001),
        row(2, 0.75, optimizer="adam", optimizer__adam__lr=0.002),
    ]
    show_best_trials(terminal, rows, "val/accuracy ± SE")
    title, heading, *cells = [[cell.strip() for cell in line] for line in table(shown(terminal))]
    assert title == ["Highest-scoring trials of 3"]
    assert heading == ["trial", "val/accuracy ± SE", "report/r2", "optimizer"]
    assert cells == [
        ["1", "0.75 ± 0.01", "0.70", "adam lr=0.001"],
        ["2", "0.75 ± 0.01", "adam lr=0.002"],
        ["0", "0.5 ± 0.01", "0.43", "sgd lr=0.123"],
    ]


def test_the_table_is_cut_at_its_limit(terminal):
    show_best_trials(terminal, [row(k, k / 100) for k in range(20)], "val/accuracy ± SE", limit=3)
    _, _, *cells = table(shown(terminal))
    assert [line[0].strip() for line in cells] == ["19", "18", "17"]


def test_trials_without_a_score_are_counted_by_what_happened_to_them(terminal):
    rows = [row(0, 0.5), row(1, status=Status.DIVERGED), row(2, status=Status.OOM), row(3, status=Status.DIVERGED)]
    show_best_trials(terminal, rows, "score")
    assert shown(terminal).splitlines()[-1] == (
        "! 3 of 4 trials have no score (diverged, oom); they count in every denominator"
    )


def test_nothing_is_said_about_failures_where_there_are_none(terminal):
    show_best_trials(terminal, [row(0, 0.5)], "score")
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
    show_best_trials(terminal, [row(0, 0.5, model__custom__mode=name)], "score")
    assert f"mode={name}" in shown(terminal)


def test_control_characters_of_a_name_are_spelled_out(terminal):
    terminal.line("red \x1b[31m, bell \a, delete \x7f")
    show_best_trials(terminal, [row(0, 0.5, model__custom__mode="\x1b]0;title\a")], "score")
    assert shown(terminal).startswith("red \\x1b[31m, bell \\x07, delete \\x7f\n")
    assert not {"\x1b", "\a", "\x7f"} & set(shown(terminal))


@pytest.mark.parametrize("name", ["two\nlines", "two\r\nlines", "two\u2028lines"])
def test_a_line_break_in_a_name_breaks_no_line(terminal, name):
    terminal.line(f"sweep {name}")
    show_best_trials(terminal, [row(0, 0.5, model__custom__mode=name)], "score")
    first, *_, trial, _ = shown(terminal).splitlines()
    assert first.startswith("sweep two\\")
    assert trial.rstrip().endswith("lines")


def test_a_long_line_is_never_cut_or_wrapped(terminal):
    command = "python -m hpsearch " + " ".join(f"search.tune{k}=[x]" for k in range(60))
    terminal.line(command)
    assert shown(terminal) == command + "\n"


def test_labels_are_set_to_one_width(terminal):
    terminal.steps("Written", [("runs", "a"), ("best trial", "b"), ("", "c")])
    assert shown(terminal) == "\nWritten\n  runs        a\n  best trial  b\n              c\n"


def test_a_round_says_what_it_goes_without(terminal):
    show_narrowed(terminal, 18, [("optimizer: adam (was sgd, adam)", "all trials of sgd lie low")])
    assert shown(terminal).splitlines() == [
        "after 18 trials, the next round draws",
        "  optimizer: adam (was sgd, adam)",
        "      all trials of sgd lie low",
    ]


@pytest.mark.parametrize(
    ("width", "columns", "note"),
    [
        (80, ["report/r2", "mae", "kept"], ""),
        (48, ["report/r2"], "  no room in 48 columns for mae, epochs kept: see MLflow, or widen the terminal"),
        (
            34,
            ["report/r2"],
            "  no room in 34 columns for mae, epochs kept, configuration: see MLflow, or widen the terminal",
        ),
    ],
)
def test_a_narrow_terminal_keeps_what_is_to_be_quoted_and_says_what_it_leaves_out(width, columns, note):
    terminal = Terminal(Console(file=io.StringIO(), width=width, highlight=False))
    more = dict.fromkeys(["report/r2", "mae", "epochs\nkept"], "0.1234")
    show_best_trials(terminal, [row(0, 0.5, more=more, optimizer="adam", optimizer__adam__lr=0.001)], "val/mse ± SE")
    text = shown(terminal)
    assert [name for name in ("report/r2", "mae", "kept") if name in text.partition("─")[0]] == columns
    assert ({"adam", "lr=0.001"} <= set(text.split())) == ("configuration" not in note)
    assert "0.5 ± 0.01" in text
    assert [line for line in text.splitlines() if "no room" in line] == [note][: bool(note)]
    assert "…" not in text


def test_what_was_drawn_shares_one_column_where_there_is_no_room_for_one_a_group():
    drawn = {f"group{number}": f"option_{number}" for number in range(8)}
    for width, together in ((120, False), (60, True)):
        terminal = Terminal(Console(file=io.StringIO(), width=width, highlight=False))
        show_best_trials(terminal, [row(0, 0.5, more={"report/r2": "0.4"}, **drawn)], "val/mse ± SE")
        assert ("configuration" in shown(terminal)) == together
        wanted = {f"{group}={option}" for group, option in drawn.items()} if together else {*drawn.values()}
        assert wanted <= set(shown(terminal).replace(",", " ").split())


def test_what_is_being_done_is_a_line_where_there_is_no_terminal(terminal):
    with terminal.phase("claiming the test set"):
        assert shown(terminal) == "  … claiming the test set\n"


def test_a_long_training_is_told_after_a_while_without_a_line(terminal, monkeypatch):
    terminal.underway("1 training underway, for 2 s")
    monkeypatch.setattr("hpsearch.terminal.console.QUIET_S", 0.0)
    terminal.underway("")
    terminal.underway("1 training underway, for 31 s")
    assert shown(terminal) == "  … 1 training underway, for 31 s\n"


def test_a_terminal_shows_what_is_being_done_and_trained_until_it_is():
    console = Console(file=io.StringIO(), force_terminal=True, width=120, highlight=False, color_system=None)
    terminal = Terminal(console)
    with terminal.phase("refitting"):
        terminal.underway("1 training underway, for 31 s")
        terminal._spinner._live.refresh()
        terminal.line("one more line")
    assert "refitting: 1 training underway, for 31 s …" in console.file.getvalue()
    assert "one more line" in console.file.getvalue()


def test_the_progress_of_a_terminal_says_what_is_trained_until_a_first_trial_is_done():
    console = Console(file=io.StringIO(), force_terminal=True, width=120, highlight=False, color_system=None)
    terminal = Terminal(console)
    progress = SearchProgress(terminal, 2, [])
    progress.underway("1 training underway, for 31 s")
    assert progress._bar.tasks[0].description == "1 training underway, for 31 s"
    progress.trial_done(row(0, 0.5))
    progress.underway("1 training underway, for 2 s")
    assert "best so far" in progress._bar.tasks[0].description
    progress.end()


def test_the_longest_trainings_of_a_search_in_rounds_come_first(terminal):
    short, long = row(0, 0.9), replace(row(1, 0.8), epochs=20)
    progress = SearchProgress(terminal, 2, [])
    progress.trial_done(short)
    progress.trial_done(long)
    show_best_trials(terminal, [short, long], "val/accuracy")
    lines = shown(terminal).splitlines()
    assert lines[1].endswith("best so far 0.8 ± 0.01 (trial 1)")
    assert [line.split()[0] for line in lines if line.strip() and line.startswith("     ")][-2:] == ["1", "0"]


def test_a_console_whose_reader_is_gone_writes_no_more(monkeypatch):
    monkeypatch.setattr(console, "discard_output", lambda: None)
    terminal = Terminal()
    with pytest.raises(OutputClosedError):
        terminal.console.on_broken_pipe()
    assert terminal.console.quiet


@pytest.mark.parametrize("width", [30, 80])
def test_a_paragraph_wraps_at_the_width_and_breaks_no_interval(width):
    terminal = Terminal(Console(file=io.StringIO(), width=width, highlight=False))
    terminal.paragraph("adam costs least if wrong: accuracy 0.9670 [0.9628, 0.9713] on 12 fresh seeds")
    lines = shown(terminal).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line.startswith("  ") and line == line.rstrip() for line in lines)
    assert any("[0.9628, 0.9713]" in line for line in lines)
