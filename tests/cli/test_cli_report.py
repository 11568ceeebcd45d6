"""What `+report` takes and refuses."""

import pytest

from hpsearch.cli import main
from hpsearch.cli.compose import Composer
from hpsearch.cli.report import _refuse_settings
from hpsearch.config import ConfigError


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("optimizer.lr=1", "optimizer.lr"),
        ("model=cnn", "model=cnn"),
        ("search.trials=7", "search.trials"),
        ("optimizer.space.lr.low=1", "optimizer.space.lr"),
        ("seed=3", "seed"),
        ("report.delta=0.1", "report.delta"),
    ],
)
def test_a_report_of_a_sweep_cannot_change_what_was_run(given, named):
    with pytest.raises(ConfigError) as refused:
        _refuse_settings(Composer(["+report=sweep", "report.sweep=x", given]).overrides, "sweep")
    assert str(refused.value) == f"{named} has no effect on a report, which shows what was run: drop it"


@pytest.mark.parametrize("given", ["report.directory=there", "tracking.uri=sqlite:///x.db", "confirm.seeds=3"])
def test_where_it_lies_and_is_read_from_can_be_given(given):
    assert _refuse_settings(Composer(["+report=sweep", "report.sweep=x", given]).overrides, "sweep") is None


TABLE = "phase,level,trial,key,select,report,n,status\n" + "".join(
    f"confirm,{level},1,{key},0.{9 - shift}{key % 3},0.{9 - shift}{key % 5},100,\n"
    for shift, level in enumerate(("fast", "slow"))
    for key in range(1, 9)
)


def test_a_table_of_foreign_results_becomes_a_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.csv").write_text(TABLE)
    assert main(["+report=table", "report.path=theirs.csv", "report.delta=0.01"]) == 0
    assert "fast is better than slow" in capsys.readouterr().out
    assert (tmp_path / "experiments" / "table-theirs" / "report.html").exists()


def test_a_table_that_is_not_there_is_refused_by_its_key(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["+report=table"]) == 2
    assert "report.path must be given: report.path=<file.csv>" in capsys.readouterr().err
    assert main(["+report=table", "report.path=missing.csv"]) != 0
    assert "missing.csv" in capsys.readouterr().err
