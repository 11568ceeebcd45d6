"""`+report=leaderboard`: which sweeps stand together, which it refuses to mix, and what it leaves behind."""

import csv
import io
import shutil
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from hpsearch.commands.report import run_report
from hpsearch.compose.composer import Composer
from hpsearch.records import NO_LEVEL, Status
from hpsearch.store.sweep_store import SweepStore
from hpsearch.terminal.console import Terminal
from hpsearch.terminal.leaderboard import show_leaderboard
from hpsearch.tracking.tracker import Tracker
from tests.commands.boards import finish, folder_of, numbers, refusal, show, tracked_copy
from tests.program import new_program

pytestmark = pytest.mark.long

PAIR = (
    *("name=pair", "data=digits", "training.epochs=1", "model.width=8", "training.batch_size=16"),
    *("search.compare=optimizer", "search.choose.optimizer=[sgd,adam]", "search.tune=[optimizer]", "search.trials=1"),
    *("search.space.optimizer.adam.lr={low: 0.01, high: 0.02}", "search.space.optimizer.sgd.lr={low: 0.2, high: 0.5}"),
    *("confirm.seeds=1", "execution.workers=1"),
)


def test_a_data_set_must_be_named(asked, sweep, tracker):
    assert refusal(asked(), tracker) == "report.data must be given: report.data=… (known here: none)"
    sweep("a")
    assert refusal(asked(), tracker) == "report.data must be given: report.data=… (known here: digits)"


def test_a_data_set_without_a_sweep_is_refused(asked, sweep, tracker):
    sweep("a")
    told = refusal(asked(data="digit"), tracker)
    assert told == "report.data=digit is the data set of no sweep: did you mean digits?"


def test_a_sweep_on_other_data_cannot_choose(asked, sweep, tracker):
    sweep("a")
    sweep("wine", data="wine")
    assert refusal(asked(data="digits", sweep="wine"), tracker) == (
        "report.sweep=wine is no sweep on digits: known here: a"
    )


def test_a_sweep_that_has_hardly_begun_is_left_out(asked, sweep, tracker, tmp_path):
    sweep("begun")
    assert refusal(asked(data="digits"), tracker) == (
        "report.data=digits has no sweep with a finished trial: begun, which has no finished trial"
    )
    finish(*sweep("done"), 0, 0.5, 0.4)
    show(asked(data="digits"), tracker)
    assert numbers(tmp_path)["left_out"] == ["begun, which has no finished trial"]


def test_the_trial_with_the_highest_val_score_stands_and_is_put_in_order_by_report(asked, sweep, tracker, tmp_path):
    store, config = sweep("a", "model.width=8", "data.limit=500")
    for k, (val, report) in enumerate([(0.5, 0.9), (0.7, 0.4), (0.6, 0.5)]):
        finish(store, config, k, val, report)
    finish(*sweep("b"), 0, 0.4, 0.45)
    show(asked(data="digits"), tracker)
    second, first = sorted(numbers(tmp_path)["entries"], key=lambda entry: entry["name"])
    assert [entry["name"] for entry in numbers(tmp_path)["entries"]] == ["b", "a"]
    assert (second["recipe"]["trial"], second["val"], second["shown"], second["draws"]) == (1, 0.7, 0.4, 3)
    assert (second["recipe"]["train"], first["recipe"]["train"]) == (500, 1150)
    assert (second["recipe"]["model"], second["epochs"]) == ("mlp 8", 2)


def test_fresh_seeds_of_a_final_are_shown_and_pairs_of_them_compared(asked, sweep, tracker, tmp_path):
    draw = np.random.default_rng(0)
    for name, share in (("high", 0.9), ("low", 0.5)):
        store, config = sweep(name)
        finish(store, config, 0, share, share)
        for seed in range(1, 8):
            correct = draw.random(144) < share
            finish(store.confirmation(NO_LEVEL, 0), config, seed, share, float(correct.mean()), correct)
    shown = show(asked(data="digits"), tracker)
    assert " ± " in shown
    assert "(7)" in shown
    (pair,) = numbers(tmp_path)["comparisons"]
    assert (pair["a"], pair["b"], pair["n"], pair["claim"]) == ("high", "low", 7, "full")
    assert pair["sentence"].startswith("high is better than low: +0.")


def test_sweeps_that_share_their_trials_are_one_entry(asked, sweep, tracker, tmp_path):
    compared = "search.compare=optimizer"
    for name, own in (("plain", ()), ("strict", (compared, "search.delta=0.01")), ("wide", ("model.width=9",))):
        store, config = sweep(name, *own)
        finish(store, config, 0, 0.5, 0.4)
    show(asked(data="digits"), tracker)
    entries = {entry["sweep"]: entry["twins"] for entry in numbers(tmp_path)["entries"]}
    assert entries == {"plain": [["strict", "-"]], "wide": []}


def test_a_name_cannot_command_the_terminal_nor_leave_the_folder(asked, sweep, tracker, tmp_path):
    finish(*sweep("\x1b[31mred\n../..", data="../../<script>"), 0, 0.5, 0.4)
    shown = show(asked(data="../../<script>"), tracker)
    assert "\\x1b[31mred\\n../.." in shown
    assert "\x1b" not in shown
    (folder,) = (tmp_path / "experiments").iterdir()
    assert folder.name.startswith("leaderboard-script-")
    assert "<script" not in (folder / "report.html").read_text()


def test_the_terminal_shows_eight_entries_and_how_many_more_there_are(asked, sweep, tracker):
    for at in range(10):
        finish(*sweep(f"sweep{at}"), 0, 0.5, 0.9 - at / 100)
    lines = show(asked(data="digits"), tracker).splitlines()
    assert sum(line.startswith("  sweep") for line in lines) == 8
    assert "  and 2 more entries" in lines


@pytest.fixture(scope="module")
def pair(migrated, tmp_path_factory):
    """A folder in which a comparison was run."""
    program = new_program(tmp_path_factory.mktemp("place") / "program", migrated)
    program.call(*PAIR)
    return program


def board_of(folder):
    return {path.name: path.read_bytes() for path in folder_of(folder).iterdir()}


@pytest.mark.slow
def test_a_sweep_that_was_run_stands_beside_another_one(pair, monkeypatch, sweep, tmp_path):
    shutil.copytree(pair.folder / "mlruns", tmp_path / "mlruns")
    stored = SweepStore(tmp_path / "mlruns", "pair")
    finish(*sweep("lone", rows=stored.specification().fingerprinted.data), 0, 0.3, 0.25)
    monkeypatch.chdir(tmp_path)
    composer, shown = Composer(["+report=leaderboard", "report.data=digits"]), io.StringIO()
    terminal = Terminal(Console(file=shown, width=160))
    show_leaderboard(terminal, run_report(composer.overrides, composer.compose_uncovered(), terminal))
    assert f"experiments/{folder_of(tmp_path).name}/report.html" in shown.getvalue()
    lines = list(csv.DictReader(io.StringIO(board_of(tmp_path)["leaderboard.csv"].decode())))
    entries = {(line["sweep"], line["level"]): line for line in lines}
    assert set(entries) == {("lone", "-"), ("pair", "sgd"), ("pair", "adam")}
    records = {record.level: record.result for (_, k), record in stored.records().items() if k == 1}
    assert {level: result.status for level, result in records.items()} == {"sgd": Status.OK, "adam": Status.OK}
    for level, result in records.items():
        assert float(entries["pair", level]["shown"]) == result.summary["report/accuracy"]
        assert entries["pair", level]["seeds"] == "1"


@pytest.mark.slow
def test_the_same_board_is_made_again_also_from_a_tracking_store_alone_and_nothing_is_trained(pair, asked, tmp_path):
    before = {path: path.read_bytes() for path in (pair.folder / "mlruns" / "sweeps").rglob("*.json")}
    uri, boards = f"sqlite:///{pair.folder}/mlruns/mlflow.db", []
    for directory in (pair.folder / "mlruns", pair.folder / "mlruns", tmp_path / "nothing"):
        here = asked(data="digits")
        here = replace(here, tracking=replace(here.tracking, directory=str(directory)))
        with Tracker.connect(uri, pair.folder / "mlruns") as store:
            show(here, store)
        boards.append(board_of(tmp_path))
    assert boards[0] == boards[1] == boards[2]
    assert {path: path.read_bytes() for path in (pair.folder / "mlruns" / "sweeps").rglob("*.json")} == before


@pytest.mark.slow
def test_a_copy_of_a_sweep_in_the_tracking_store_does_not_stand_twice(pair, asked, tmp_path):
    here = asked(data="digits")
    with Tracker.connect(f"sqlite:///{pair.folder}/mlruns/mlflow.db", pair.folder / "mlruns") as store:
        show(replace(here, tracking=replace(here.tracking, directory=str(pair.folder / "mlruns"))), store)
    assert [entry["sweep"] for entry in numbers(tmp_path)["entries"]] == ["pair", "pair"]


def test_a_tracked_sweep_without_its_specification_is_left_out(asked, sweep, tracker, tmp_path):
    finish(*sweep("done"), 0, 0.5, 0.4)
    run = tracker.open_sweep("early", identity="x", started_ms=1)
    show(asked(data="digits"), tracker)
    assert numbers(tmp_path)["left_out"] == [f"run {run.run_id} of sweep 'early' has no sweep.json"]


def test_another_sweep_of_the_same_name_in_the_tracking_store_stands_beside_it(asked, sweep, tracker, tmp_path):
    finish(*sweep("a", "seed=1"), 0, 0.5, 0.4)
    tracked_copy(tracker, tmp_path, "a", seed=1)
    show(asked(data="digits"), tracker)
    assert numbers(tmp_path)["left_out"] == ["a (01234567), which has no finished trial"]


@pytest.mark.slow
def test_showing_fresh_seeds_is_a_look_that_is_counted(pair, asked):
    here = asked(data="digits")
    with Tracker.connect(f"sqlite:///{pair.folder}/mlruns/mlflow.db", pair.folder / "mlruns") as store:
        (run,) = store.stored.find("pair")
        before = store.looks.of(run)
        for look in before:
            store._store.client.delete_tag(run.run_id, f"look.{look.digest}")
        show(replace(here, tracking=replace(here.tracking, directory=str(pair.folder / "mlruns"))), store)
        assert [look.digest for look in store.looks.of(run)] == [look.digest for look in before]
        assert len(before) == 1
