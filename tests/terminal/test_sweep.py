"""What the screens of a sweep say."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from hpsearch import metrics
from hpsearch.commands.sweep import show_stand_in
from hpsearch.compose.comparison import plan_levels
from hpsearch.compose.composer import Composer
from hpsearch.compose.overrides import key_of
from hpsearch.data.check import tell_data
from hpsearch.data.dataset import Column
from hpsearch.data.datasets import Source
from hpsearch.data.splits import split_sizes
from hpsearch.records import Status, TrialResult
from hpsearch.scoring.score_format import Score
from hpsearch.search.plan import Plan
from hpsearch.store.record_json import Record
from hpsearch.store.specification import DataFacts
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.sweep import (
    describe_data,
    describe_duplicates,
    describe_epochs,
    describe_limit,
    describe_pairs,
    describe_score,
    describe_split,
    explain,
)
from hpsearch.terminal.trial_table import row_of

ACCURACY = Score(metrics.ACCURACY, 144, (metrics.ACCURACY,))
MSE = Score(metrics.MSE, None, (metrics.MSE, metrics.R2, metrics.MAE))


def record(k, score, se=None, status=Status.OK, *, summary=None, epochs=(), run=0, patience=None):
    result = TrialResult(status, None, score, se, {"train/loss": [0.5] * run}, summary or {}, list(epochs), [])
    return Record("-", k, {}, {"training": {"patience": patience}}, result, "0" * 64)


def explained(score, records):
    terminal = Terminal(Console(file=io.StringIO(), width=120, highlight=False))
    explain(terminal, score, records)
    return terminal.console.file.getvalue()


# Scores


def test_the_score_of_classes_is_the_accuracy_of_the_val_rows(make_config, make_rows):
    score = Score.of(make_config(), make_rows(100))
    assert (score.name, score.share_of, score.report) == ("val/accuracy", 10, (metrics.ACCURACY,))


def test_the_score_of_numbers_is_shown_with_r2_and_mae(make_config, make_rows):
    score = Score.of(make_config(data="diabetes", loss="mae"), make_rows(100, task="regression"))
    assert (score.name, score.share_of, score.report) == ("val/mse", None, (metrics.MSE, metrics.R2, metrics.MAE))


def test_the_metric_that_was_asked_for_comes_first(make_config, make_rows):
    config = make_config(data="diabetes", loss="mae")
    config = replace(config, search=replace(config.search, metric="mae"))
    assert Score.of(config, make_rows(100, task="regression")).report == (metrics.MAE, metrics.R2)


def test_the_rows_of_a_truth_table_are_no_sample(make_config, make_rows):
    assert Score.of(make_config(evaluation="truth_table"), make_rows(100)).share_of is None


def test_an_error_is_shown_in_its_own_sign_on_val_and_report_rows_alike():
    row = row_of(MSE, record(0, -3012.3, 41.0, summary={"report/mse": 2987.65, "report/r2": 0.41234}))
    assert (row.score, row.shown) == (-3012.3, "3012 ± 41")
    assert row.more == {"report/\nmse": "2988", "report/\nr2": "0.4123"}


def test_a_trial_without_a_score_has_nothing_to_show():
    row = row_of(ACCURACY, record(3, None, status=Status.DIVERGED, patience=2))
    assert (row.shown, row.more) == ("", {})


@pytest.mark.parametrize(("kept", "text"), [([12], "12 of 17"), ([9, 14, 11], "9 to 14 of 17")])
def test_the_kept_epoch_is_shown_where_trainings_stop_early(kept, text):
    row = row_of(ACCURACY, record(0, 0.5, 0.1, epochs=kept, run=17, patience=5))
    assert row.more == {"epochs\nkept": text}


def test_the_kept_epoch_is_not_shown_where_it_is_the_last():
    assert row_of(ACCURACY, record(0, 0.5, 0.1, epochs=[17], run=17)).more == {}


# The closing table


def test_a_tie_for_the_best_score_is_explained():
    records = [record(0, 0.25, 0.1), record(1, 0.5, 0.1), record(2, 0.5, 0.1), record(3, 0.5, 0.1, Status.STALLED)]
    assert explained(ACCURACY, records) == "  2 trials tie for the best score: the smallest number wins, trial 1\n"


def test_no_tie_is_no_word():
    assert explained(ACCURACY, [record(0, 0.25, 0.1), record(1, 0.5, 0.1), record(2, 0.25, 0.1)]) == ""


def test_a_bound_is_explained_with_its_rows():
    assert explained(ACCURACY, [record(0, 1.0, 0.0)]) == (
        "  ≥: all 144 val rows are right; lower end of the 95 % interval (Wilson)\n"
    )


# The introduction


def test_the_rows_that_a_limit_keeps_are_said(make_config):
    config = make_config(data={"kind": "digits", "limit": 300})
    assert describe_limit(config, 3600, "training row") == "300 of 3,600 training rows (data.limit=300)"
    assert describe_limit(make_config(), 3600, "training row") == "3,600 training rows"


def test_the_parts_of_a_hold_out_are_said(make_config):
    config = make_config()
    assert describe_split(config, split_sizes(config.evaluation, 1438)) == (
        "holdout: 1,150 training rows, 144 val rows for the score, 144 report rows to quote"
    )


def test_the_folds_of_a_repeated_k_fold_are_said(make_config):
    config = make_config(evaluation={"kind": "repeated_kfold", "folds": 4, "repeats": 3})
    assert describe_split(config, split_sizes(config.evaluation, 100)) == (
        "repeated_kfold: 12 folds of 75 training rows, each scored on the rest"
    )


@pytest.mark.parametrize(
    ("training", "text"),
    [
        ({"epochs": 1}, "1 epoch each"),
        ({"epochs": 40}, "40 epochs each"),
        ({"epochs": 40, "patience": 3}, "up to 40 epochs each, stopped early (training.patience=3)"),
    ],
)
def test_how_long_a_training_is_said(make_config, training, text):
    assert describe_epochs(make_config(training=training)) == text


@pytest.mark.parametrize(
    ("duplicates", "text"),
    [
        (0, ""),
        (1, " (1 of them has the same inputs as a development row)"),
        (1234, " (1,234 of them have the same inputs as a development row)"),
    ],
)
def test_test_rows_that_the_search_has_seen_are_counted(duplicates, text):
    assert describe_duplicates(duplicates) == text


@pytest.mark.parametrize(("known", "lines"), [(False, ["! what", "! how", "    why"]), (True, ["! what", "! how"])])
def test_why_other_rows_stand_in_is_said_once(known, lines):
    source = Source(None, None, None, ("what", "how"), ("why",))
    terminal = Terminal(Console(file=io.StringIO(), width=120, highlight=False))
    show_stand_in(terminal, source, SimpleNamespace(known=known))
    assert terminal.console.file.getvalue().splitlines() == lines


def test_data_without_a_test_set_say_so():
    data = DataFacts("xor", 4, "2 classes", None)
    assert describe_data(data) == "xor, 2 classes: 4 rows, no test set"


@pytest.mark.parametrize(
    ("loss", "score", "text"),
    [
        ("cross_entropy", ACCURACY, "val/accuracy"),
        ("mse", MSE, "-val/mse, shown as val/mse: lower is better"),
        (
            "mae",
            MSE,
            "-val/mse, shown as val/mse: lower is better; trained with loss=mae (search.metric=mae would score by it)",
        ),
    ],
)
def test_the_score_is_named_and_told_from_the_loss(make_config, loss, score, text):
    assert describe_score(make_config(loss=loss), score) == text


def test_the_columns_of_a_table_are_said_and_those_to_drop_named(make_config, make_rows):
    rows = make_rows(30, task="regression")
    numbered = np.column_stack([np.arange(30), rows.inputs[:, :1]]).astype(np.float32)
    rows = replace(rows, inputs=numbered, columns=(Column("id"), Column("area")))
    config = make_config(data={"kind": "csv", "drop": ["no 1"]})
    assert tell_data(rows, config.data) == {
        "inputs": "id, area",
        "warnings": [
            (
                "column id holds whole numbers that all differ, as identifiers do; to leave them out: "
                "'data.drop=[\"no 1\",id]'"
            )
        ],
    }


def test_what_was_recognized_in_a_file_and_columns_of_one_value_are_said(make_config, make_rows):
    rows = make_rows(30, task="regression")
    numbered = np.column_stack([rows.inputs[:, :1], np.full(30, 7), np.full(30, 0)]).astype(np.float32)
    columns = (Column("area"), Column("year"), Column("zone"))
    rows = replace(rows, inputs=numbered, columns=columns, notes=("area: decimal commas",))
    found = tell_data(rows, make_config(data={"kind": "csv"}).data)
    assert found["notes"] == ["area: decimal commas"]
    (warning,) = found["warnings"]
    assert warning.startswith("columns year, zone hold one value in every development row: nothing can be learned")
    assert warning.endswith("; to leave them out: 'data.drop=[year,zone]'")


def test_inputs_of_an_array_that_hold_one_value_are_said_by_their_numbers(make_config, make_rows):
    rows = make_rows(30)
    rows = replace(rows, inputs=rows.inputs * np.array([1, 0, 1, 1, 1], np.float32))
    assert tell_data(rows, make_config(data={"kind": "npz"}).data) == {
        "notes": ["y: class 0 11, class 1 8, class 2 11"],
        "warnings": ["column 1 holds one value in every development row: nothing can be learned from that"],
    }


def test_a_shipped_data_set_has_no_word_on_columns(make_config, make_rows):
    assert tell_data(make_rows(30), make_config().data) == {}


# The next commands


@pytest.mark.parametrize(
    "override", ["search.trials=2", "+search.trials=2", "++search.trials=2", "search.trials = 2", "search.trials=a=b"]
)
def test_a_key_is_the_same_with_and_without_a_plus(override):
    assert key_of(override) == "search.trials"


# Comparisons


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ((), "each level with adam; search.control=null compares all pairs"),
        (("search.control=null",), "all pairs; search.control=<level> compares each with one"),
        (
            ("search.choose.optimizer=[sgd,momentum,rmsprop]",),
            "all pairs, since adam, the default, is not among them; search.control=<level> compares each with one",
        ),
    ],
)
def test_which_levels_are_compared_is_told_with_what_would_change_it(overrides, told):
    composer = Composer(("search.compare=optimizer", "search.tune=[optimizer]", *overrides))
    base = composer.compose()
    assert describe_pairs(Plan(base, plan_levels(composer, base), "0" * 64)) == told
