"""The table of the first screen, and what MLflow and the terminal are given of it."""

from dataclasses import replace

import pytest

from hpsearch.analysis.analyse import analyse
from hpsearch.report.first_screen import FirstScreen, standings_table, tuning_table
from hpsearch.report.page import first_screen_markdown
from tests.analysis.evidences import clear, diverged


def column(table, name):
    return [row[table.columns.index(name)].text for row in table.rows]


def test_the_standings_hold_seven_columns_the_highest_mean_first():
    table = standings_table(analyse(clear()))
    assert table.columns == (
        "option", "accuracy on fresh seeds [95 %]", "worst seed", "group", "at most behind the best by",
        "after 5 trials", "diverged or stalled",
    )  # fmt: skip
    assert column(table, "option") == ["adam", "sgd"]
    assert column(table, "group") == ["a", "b"]
    assert column(table, "diverged or stalled") == ["0 of 50", "0 of 50"]
    assert column(table, "at most behind the best by")[0] == "0"


def test_with_a_control_every_option_stands_beside_it_and_the_caption_says_so():
    table = standings_table(analyse(clear(control="sgd")))
    assert column(table, "against sgd") == ["better", "control"]
    assert table.caption == "Higher is better. Each is compared with sgd, none with another."


def test_seeds_that_diverged_stand_in_place_of_the_mean():
    table = standings_table(analyse(diverged(clear(), 2, 3)))
    assert column(table, "accuracy on fresh seeds [95 %]")[1] == "2 of 10 seeds diverged"
    assert column(table, "worst seed")[1] == "diverged"


def test_columns_that_say_nothing_of_any_option_are_left_out():
    evidence = clear()
    table = standings_table(analyse(replace(evidence, confirm=())))
    assert table.columns == ("option", "after 5 trials", "diverged or stalled")


def test_the_table_on_tuning_names_the_range_of_the_good_trials_and_the_recipe():
    findings = analyse(clear())
    table = tuning_table(findings)
    low, high = findings.explored["sgd"].good.spans["optimizer.sgd.lr"]
    assert column(table, "good range")[1] == f"lr {low:.3g} to {high:.3g}"
    assert column(table, "chosen recipe")[1].startswith(f"trial {findings.explored['sgd'].recipe}: lr=")


def test_results_without_a_search_have_no_table_on_tuning():
    assert tuning_table(analyse(replace(clear(), trials=()))) is None


@pytest.mark.parametrize("settle", ["", "Settling a against b takes about 30 seeds."])
def test_the_note_in_mlflow_has_the_sentence_the_table_and_what_would_settle_it(settle):
    first = replace(FirstScreen.of(analyse(clear())), settle=settle)
    note = first_screen_markdown(first)
    lines = note.splitlines()
    assert lines[0].startswith("**CLAIM** **Use adam: accuracy 0.9627 ")
    assert sum(line.startswith("| ") for line in lines) == 4
    assert note.endswith(settle or "|")


def test_baselines_are_told_the_best_first():
    evidence = replace(clear(), baselines={"guessing": 0.1, "logistic regression": 0.9})
    assert FirstScreen.of(analyse(evidence)).baselines == (
        "On the same report rows, by accuracy: logistic regression 0.900, guessing 0.100."
    )


def test_a_baseline_that_no_network_is_ahead_of_is_named_first():
    evidence = replace(clear(), baselines={"guessing": 0.1, "logistic regression": 0.99})
    told = FirstScreen.of(analyse(evidence)).baselines
    assert told.startswith("Logistic regression does no worse than the best network: so far a network does not pay")
