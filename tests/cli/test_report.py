"""What `+report` takes and refuses."""

from pathlib import Path

import pytest

from hpsearch.analysis.comparison.sentences import REPORT_SET_ONLY
from hpsearch.cli.main import main
from hpsearch.commands.report_target import READ, refuse_settings
from hpsearch.compose.composer import Composer
from hpsearch.config import ConfigError


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("optimizer.lr=1", "optimizer.lr"),
        ("model=cnn", "model=cnn"),
        ("search.trials=7", "search.trials"),
        ("optimizer.space.lr.low=1", "optimizer.space.lr"),
        ("seed=3", "seed"),
    ],
)
def test_a_report_of_a_sweep_cannot_change_what_was_run(given, named):
    with pytest.raises(ConfigError) as refused:
        refuse_settings(Composer(["+report=sweep", "report.sweep=x", given]).overrides, "sweep")
    assert str(refused.value) == f"{named} has no effect on a report, which shows what was run: drop it"


@pytest.mark.parametrize(
    ("option", "key", "read"),
    [
        ("sweep", "delta", "report.directory, report.sweep, report.run, report.started_by"),
        ("optimizers", "data", "report.directory, report.sweep, report.run, report.started_by"),
        ("leaderboard", "run", "report.directory, report.data, report.sweep"),
        ("table", "sweep", "report.directory, report.path, report.metric, report.delta, report.alpha, report.control"),
    ],
)
def test_a_key_that_the_kind_of_report_does_not_read_is_refused(option, key, read):
    overrides = Composer([f"+report={option}", f"report.{key}=0.1"]).overrides
    with pytest.raises(ConfigError) as refused:
        refuse_settings(overrides, option)
    assert str(refused.value) == f"report.{key} has no effect on +report={option}, which reads {read}: drop it"


@pytest.mark.parametrize("key", ["metric", "delta", "alpha", "control"])
def test_what_a_sweep_declares_is_declared_for_a_table_by_a_key_of_the_report(key):
    with pytest.raises(ConfigError) as refused:
        refuse_settings(Composer(["+report=table", "report.path=x", f"search.{key}=0.1"]).overrides, "table")
    assert str(refused.value) == f"search.{key} has no effect on the report of a table: give report.{key} instead"


def test_a_table_has_no_key_for_the_trials_of_a_search():
    with pytest.raises(ConfigError, match=r"search.trials has no effect on a report, .*: drop it"):
        refuse_settings(Composer(["+report=table", "report.path=x", "search.trials=3"]).overrides, "table")


def test_the_documentation_of_tables_names_every_key_and_what_claims_are_limited_to():
    text = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
    _, _, rest = text.partition("## Foreign results")
    section = " ".join(rest.partition("\n## ")[0].split())
    assert [key for key in READ["table"] if f"report.{key}" not in section] == []
    assert f'"{REPORT_SET_ONLY.strip()}"' in section
    assert "A look at a table is not kept" in section


@pytest.mark.parametrize("given", ["report.directory=there", "tracking.uri=sqlite:///x.db", "confirm.seeds=3"])
def test_where_it_lies_and_is_read_from_can_be_given(given):
    assert refuse_settings(Composer(["+report=sweep", "report.sweep=x", given]).overrides, "sweep") is None


TABLE = "phase,level,trial,key,select,report,n,status\n" + "".join(
    f"confirm,{level},1,{key},0.{9 - shift}{key % 3},0.{9 - shift}{key % 5},100,\n"
    for shift, level in enumerate(("fast", "slow"))
    for key in range(1, 9)
)


def test_a_table_of_foreign_results_becomes_a_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.csv").write_text(TABLE)
    assert main(["+report=table", "report.path=theirs.csv", "report.metric=accuracy", "report.delta=0.01"]) == 0
    assert "Use fast: accuracy 0.9200 " in capsys.readouterr().out
    assert (tmp_path / "experiments" / "table-theirs" / "report.html").exists()


def test_a_table_that_is_not_there_is_refused_by_its_key(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["+report=table"]) == 2
    assert "report.path must be given: report.path=<file.csv>" in capsys.readouterr().err
    assert main(["+report=table", "report.path=missing.csv", "report.metric=accuracy"]) != 0
    assert "missing.csv" in capsys.readouterr().err


def test_scores_that_are_not_named_are_asked_about_for_losses_would_turn_every_claim_round(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.csv").write_text(TABLE)
    assert main(["+report=table", "report.path=theirs.csv"]) == 2
    asked = "report.metric must be given: what the scores of the table are, one of accuracy, "
    assert asked in capsys.readouterr().err
    assert not (tmp_path / "experiments" / "table-theirs").exists()


METRICS = (
    "accuracy, accuracy@K, average_precision, balanced_accuracy, brier, cross_entropy, ece, f1, f1@CLASS, "
    "gamma_deviance, hamming_loss, kappa, label_average_precision, label_macro_f1, label_micro_f1, label_roc_auc, "
    "loss, macro_f1, macro_precision, macro_recall, mae, mape, mcc, mse, pinball@QUANTILE, poisson_deviance, "
    "precision, precision@CLASS, r2, recall, recall@CLASS, rmse, roc_auc, subset_accuracy, weighted_f1"
)


FEW = "report.metric must give a K of 2 or more, as accuracy@3 does"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("report.metric=banana", f"report.metric must be one of {METRICS}, got 'banana'"),
        (
            "report.metric=acuracy",
            f"report.metric must be one of {METRICS}, got 'acuracy': did you mean accuracy or subset_accuracy?",
        ),
        ("report.metric=auto", f"report.metric must be one of {METRICS}, got 'auto'"),
        ("report.metric=accuracy@1", f"{FEW}, got 'accuracy@1': did you mean accuracy or subset_accuracy?"),
        ("report.delta=0", "report.delta must be > 0 and finite, got 0.0"),
        ("report.delta=-0.01", "report.delta must be > 0 and finite, got -0.01"),
        ("report.delta=nan", "report.delta must be > 0 and finite, got nan"),
        ("report.alpha=0", "report.alpha must lie between 0 and 1, got 0.0"),
        ("report.alpha=1", "report.alpha must lie between 0 and 1, got 1.0"),
        ("report.alpha=nan", "report.alpha must lie between 0 and 1, got nan"),
        ("report.control=fats", "theirs.csv: report.control must be one of fast, slow, got 'fats': did you mean fast?"),
        ("report.run=x", "report.run must be the run id of a sweep, 32 hexadecimal digits as MLflow shows it, got 'x'"),
    ],
)
def test_what_makes_no_sense_of_a_table_is_refused_by_its_key(tmp_path, monkeypatch, capsys, given, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.csv").write_text(TABLE)
    named = [] if given.startswith("report.metric=") else ["report.metric=accuracy"]
    assert main(["+report=table", "report.path=theirs.csv", *named, given]) != 0
    assert capsys.readouterr().err == f"hpsearch: {told}\n"
    assert not (tmp_path / "experiments" / "table-theirs").exists()


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "r2", "recall@fraud"])
def test_every_metric_of_ours_is_known(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.csv").write_text(TABLE)
    assert main(["+report=table", "report.path=theirs.csv", f"report.metric={name}"]) == 0
