"""What a sweep says before its first trial and after its last one."""

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from hpsearch import metrics
from hpsearch.analysis.analyse import analyse
from hpsearch.commands.publish import PublishedReport
from hpsearch.commands.sweep import SweepResult
from hpsearch.compose.overrides import Command
from hpsearch.records import Baseline, Status, TrialResult
from hpsearch.scoring.score_format import Score
from hpsearch.search.space import Choices, Composed, Range, Space
from hpsearch.store.record_json import Record
from hpsearch.store.specification import SealedRows
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.sweep import introduce, show_sweep
from tests.analysis.evidences import clear
from tests.specifications import DIGITS, single_level_plan, specification

ACCURACY = Score(metrics.ACCURACY, 144, (metrics.ACCURACY,))
TEST = SealedRows(359, "c0ffee", 0)
NOTHING = Space({}, {})


def record(k, status=Status.OK, epochs=2):
    score = 0.5 if status.scored else None
    curves = {"train/loss": [0.1] * epochs}
    result = TrialResult(status, None, score, 0.1, curves, {"report/accuracy": 0.5}, [], [])
    tree = {"training": {"patience": None}, "loss": {"kind": "cross_entropy"}, "data": {"task": "auto"}}
    return Record("-", k, {}, tree, result, "0")


@pytest.fixture
def terminal():
    return Terminal(Console(file=io.StringIO(), width=120, highlight=False))


@pytest.fixture
def named(tmp_path):
    """A sweep by name: `named(test=TEST, note=())`."""

    def make(test=TEST, note=(), **data):
        return SimpleNamespace(
            name="run",
            note=note,
            store=SimpleNamespace(folder=tmp_path),
            specification=specification(data=replace(DIGITS, test=test, **data)),
        )

    return make


@pytest.fixture
def closed(make_config, named, tmp_path, terminal):
    """The closing screen of these records: lines, without spaces at their ends."""

    def show(records, *, trials, overrides=(), test=TEST, uri="sqlite:///x.db", report=None, beside=(), **options):
        config = make_config(**options)
        tracking = replace(config.tracking, directory=str(tmp_path))
        config = replace(config, search=replace(config.search, trials=trials), tracking=tracking)
        command = Command(tuple(overrides))
        run = SimpleNamespace(experiment_id="1", run_id="f00")
        show_sweep(terminal, SweepResult(named(test), config, ACCURACY, records, command, uri, run, report, beside))
        return [line.strip() for line in terminal.console.file.getvalue().splitlines()]

    return show


def introduced(terminal, named, config, *, extra_trials=0, space=NOTHING):
    base = Composed(config, {}, {})
    introduce(terminal, named, single_level_plan(base, space, lambda _: base, "0" * 64), ACCURACY, 0, extra_trials)
    return terminal.console.file.getvalue().splitlines()


def test_what_is_said_of_the_name_stands_above_the_header(terminal, named, make_config):
    lines = introduced(terminal, named(note=("taken", "seed: 0 -> 1")), make_config())
    assert lines[:3] == ["! taken", "    seed: 0 -> 1", "sweep run"]


def test_trials_beyond_those_that_are_asked_for_are_said_to_be_shown(terminal, named, make_config):
    lines = introduced(terminal, named(), make_config(), extra_trials=6)
    assert lines[-1] == "! 6 trials exist, more than search.trials=1: all of them are shown"


def test_of_finished_trials_it_is_said_that_they_may_have_had_another_secret(terminal, named, make_config):
    kwargs = {"import_path": "own:Net", "kwargs": {"api_key": "hunter2", "n_pass": 3}}
    config = make_config(model={"kind": "custom", **kwargs})
    said = "! model.kwargs.api_key is a secret, not stored: finished trials may have had another"
    assert said not in introduced(terminal, named(), config)
    assert said in introduced(terminal, named(), config, extra_trials=1)


def test_the_columns_of_a_table_stand_in_the_header(terminal, named, make_config):
    lines = introduced(terminal, named(inputs="id, area → 2 numbers", warnings=["drop id"]), make_config())
    assert {"  inputs  id, area → 2 numbers", "! drop id"} <= set(lines)


def test_the_header_says_what_is_drawn_and_on_which_scale(terminal, named, make_config):
    space = Space(
        {"optimizer": ("sgd", "adam")},
        {
            "model.mlp": {"width": Choices((50, 100)), "depth": Range(1, 4, log=False, step=None, whole=True)},
            "optimizer.adam": {"lr": Range(1e-4, 0.1, log=True, step=None, whole=False)},
            "training.default": {"clip_norm": Range(0.5, 2.0, log=False, step=0.5, whole=False)},
        },
    )
    lines = introduced(terminal, named(), make_config(), space=space)
    at = lines.index("  space   optimizer: sgd, adam")
    assert lines[at + 1 : at + 4] == [
        "          model.mlp         width 50, 100; depth 1 to 4",
        "          optimizer.adam    lr 0.0001 to 0.1, log",
        "          training.default  clip_norm 0.5 to 2 by 0.5",
    ]


def test_the_header_counts_the_trials_that_a_small_space_allows(terminal, named, make_config):
    space = Space({}, {"model.mlp": {"width": Choices((50, 100))}})
    lines = introduced(terminal, named(), make_config(search={"trials": 9}), space=space)
    assert any(line.startswith("  trials  2; ") for line in lines)


def test_a_space_that_is_exhausted_does_not_go_on(closed):
    assert not any(line.startswith("go on") for line in closed([record(k) for k in range(4)], trials=9))


@pytest.mark.parametrize(
    ("uri", "where"), [("sqlite:///x.db", "then open http://127.0.0.1:5000"), ("http://h/", "http://h")]
)
def test_a_comparison_leads_to_its_report(closed, uri, where):
    page = Path("reports/run/report.html")
    published = PublishedReport("run", (("claim", "a is better than b."),), (page,), analyse(clear()))
    lines = closed([record(0), record(1)], trials=2, uri=uri, report=published)
    assert lines[lines.index("Written") + 1] == "report   reports/run/report.html"
    assert f"report  {where}/#/experiments/1/runs/f00/artifacts/report/report.html" in lines
    assert any(line.startswith(f"trials  {where}/#/experiments/1/runs?") for line in lines)


def test_trainings_of_different_length_are_shown_with_their_epochs(closed):
    table = closed([record(0, epochs=1), record(1, epochs=8), record(2, Status.DIVERGED)], trials=3)
    heading = next(at for at, line in enumerate(table) if line.startswith("trial "))
    assert table[heading].split()[:6] == ["trial", "val/accuracy", "±", "SE", "accuracy", "epochs"]
    assert [line.split()[5] for line in table[heading + 2 : heading + 4]] == ["1", "8"]


def test_trainings_of_equal_length_need_no_column_for_it(closed):
    assert not any("epochs" in line for line in closed([record(0), record(1), record(2, Status.DIVERGED, 1)], trials=3))


def test_to_go_on_means_more_trials_than_there_are(closed):
    lines = closed([record(k) for k in range(6)], trials=2, overrides=["seed=3", "search.trials=2"])
    assert "go on  python -m hpsearch seed=3 search.trials=12" in lines


def test_what_was_not_searched_does_not_flatter(closed):
    assert not any("flatters" in line for line in closed([record(0)], trials=1))
    assert any("flatters" in line for line in closed([record(0), record(1)], trials=2))


def test_a_stalled_trial_is_answered_with_what_to_try(closed):
    lines = closed([record(0, Status.STALLED)], trials=1, overrides=["name=a", "seed=3"], training={"epochs": 20})
    assert lines[lines.index("Next") + 1 :] == [
        "try   python -m hpsearch seed=3 training.epochs=40",
        "or    another learning rate: optimizer.lr=…",
        "help  python -m hpsearch --help",
    ]


@pytest.mark.parametrize(
    ("loss", "task", "summary", "said"),
    [
        (
            "mse",
            "auto",
            {"chosen/val/r2": 0.1},
            "predicting the mean: its training loss is 1.832, that of a constant 1.000",
        ),
        (
            "mae",
            "auto",
            {"chosen/val/r2": 0.1},
            "predicting the median: its training loss is 1.832, that of a constant 1.000",
        ),
        (
            "bce",
            "autoencoder",
            {"chosen/val/r2": 0.1},
            "the mean row: its training loss is 1.832, that of a constant 1.000",
        ),
        (
            "mse",
            "auto",
            {},
            "guessing by the shares of the classes: its training loss is 1.832, that of a constant 1.000",
        ),
        (
            "bce",
            "multilabel",
            {},
            "guessing by the shares of the labels: its training loss is 1.832, that of a constant 1.000",
        ),
        ("custom", "auto", {}, "the best constant output: its training loss is 1.832, that of a constant 1.000"),
        ("perceptron", "auto", {"chosen/train/constant_loss": None}, "always naming the larger class"),
    ],
)
def test_a_stalled_trial_is_told_with_the_constant_that_it_is_no_better_than(closed, loss, task, summary, said):
    told = {"chosen/train/loss": 1.832, "chosen/train/constant_loss": 1.0} | summary
    stalled = record(0, Status.STALLED)
    stalled = replace(
        stalled,
        config_tree={**stalled.config_tree, "loss": {"kind": loss}, "data": {"task": task}},
        result=replace(stalled.result, summary={key: value for key, value in told.items() if value is not None}),
    )
    lines = closed([stalled], trials=1)
    at = lines.index("! stalled, cannot be champion: trial 0")
    assert lines[at + 1] == f"trial 0 is no better than {said}"


def test_the_best_trial_says_that_it_is_worse_than_the_mean_of_the_rows(closed):
    def with_r2(k, r2):
        made = record(k)
        return replace(made, result=replace(made.result, summary={"chosen/val/r2": r2}))

    assert not any("worse than" in line for line in closed([with_r2(0, 0.1), with_r2(1, -2.0)], trials=2))
    said = "! trial 0 is worse than predicting the mean of the scored rows: R² -1.134"
    assert said in closed([with_r2(0, -1.1339), with_r2(1, -2.0)], trials=2)


def test_a_diverged_trial_is_answered_with_another_learning_rate(closed):
    lines = closed([record(0, Status.DIVERGED)], trials=1)
    assert lines[lines.index("Next") + 1] == "try   another learning rate: optimizer.lr=…"


@pytest.mark.parametrize(("evaluation", "said"), [("truth_table", True), ("loocv", False)])
def test_only_a_truth_table_is_scored_on_the_rows_that_were_trained_on(closed, evaluation, said):
    lines = closed([record(0)], trials=1, test=None, evaluation=evaluation)
    assert any("scored on the rows that were trained on" in line for line in lines) is said


def test_commands_of_a_store_with_a_password_read_its_address_from_the_environment(closed):
    overrides = ("name=a", "tracking.uri=postgresql://me:hunter2@host/db")
    lines = closed([record(0), record(1)], trials=2, overrides=overrides, uri="postgresql://me:***@host/db")
    assert "hunter2" not in "".join(lines)
    assert 'MLflow  mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"' in lines
    reference = "'tracking.uri=${oc.env:MLFLOW_TRACKING_URI}'"
    assert f"go on  python -m hpsearch name=a {reference} search.trials=4" in lines
    assert f"final  python -m hpsearch +final=sweep final.sweep=run {reference}" in lines
    assert lines[-1] == "MLFLOW_TRACKING_URI must hold the address, whose password is not printed"


def baseline(kind, label, accuracy):
    return Baseline(kind, label, 0.9, 0.05, {"accuracy": accuracy})


def test_baselines_stand_beside_the_best_trial_on_the_rows_that_are_quoted(closed):
    beside = (baseline("guess", "guessing", 0.25), baseline("linear", "logistic regression", 0.4))
    text = " ".join(closed([record(0)], trials=1, beside=beside))
    assert "On the same rows by report/accuracy: guessing 0.25, logistic regression 0.40; trial 0 has 0.50." in text
    assert "does not pay off" not in text


@pytest.mark.parametrize(
    ("accuracy", "how"), [(0.75, "behind logistic regression by 0.25"), (0.55, "no better than logistic regression")]
)
def test_a_network_that_is_not_ahead_of_a_baseline_is_told_so(closed, accuracy, how):
    beside = (baseline("guess", "guessing", 0.25), baseline("linear", "logistic regression", accuracy))
    text = " ".join(closed([record(0)], trials=1, beside=beside))
    assert f"trial 0, the best network, is {how}: so far a network does not pay off" in text


def test_the_pareto_front_is_shown_and_which_of_it_is_the_best_trial(closed):
    records = []
    for k, (score, parameters) in enumerate([(0.5, 9000.0), (0.75, 12000.0), (0.25, 10000.0)]):
        made = record(k)
        summary = {**made.result.summary, "parameters": parameters}
        tree = {**made.config_tree, "search": {"objectives": ["parameters"]}}
        records.append(replace(made, result=replace(made.result, score=score, summary=summary), config_tree=tree))
    lines = closed(records, trials=3, search={"objectives": ["parameters"]})
    at = lines.index("Pareto front with parameters: 2 of 3 trials")
    rows = [line.split() for line in lines[at:] if line[:1].isdigit()]
    assert [(row[0], row[4]) for row in rows[:2]] == [("1", "12,000"), ("0", "9,000")]
    assert "1 is dominated: one of these is as good by score and parameters, and better by one of them" in lines
    assert "the best trial is trial 1: val/accuracy decides, costs only among equals" in lines


def test_baselines_are_shown_where_no_trial_has_learned_anything(closed):
    beside = (baseline("guess", "guessing", 0.25),)
    text = " ".join(closed([record(0, Status.STALLED)], trials=1, beside=beside))
    assert "On the same rows by report/accuracy: guessing 0.2500." in text
