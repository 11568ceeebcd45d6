"""`+report=leaderboard` of a data set that is split in several ways: nothing is mixed, and nothing is overwritten."""

import json
from dataclasses import replace

from tests.commands.boards import finish, folder_of, numbers, pasted, refusal, show, tracked_copy


def test_sweeps_that_are_scored_otherwise_are_refused_with_the_way_out(asked, sweep, tracker):
    sweep("seeded", "seed=1")
    sweep("zero")
    sweep("same rows", "evaluation.val=144", "evaluation.report=0.1", "training.epochs=3", "data.limit=500")
    sweep("larger", "evaluation.report=200")
    sweep("folds", "evaluation=kfold")
    sweep("ranked", "search.metric=macro_f1")
    sweep("loss", "search.metric=cross_entropy")
    sweep("smoothed", "search.metric=cross_entropy", "loss.label_smoothing=0.1")
    sweep("other rows", rows="0" * 64)
    holdout = "holdout (replicates=1, report=144, val=144), seed 0, rows 3f2a9c1b"
    smoothed = 'cross_entropy under {"kind": "cross_entropy", "label_smoothing": %s}'
    command = "  python -m hpsearch +report=leaderboard report.data=digits report.sweep="
    assert refusal(asked(data="digits"), tracker).splitlines() == [
        "the sweeps on digits are scored on different rows or by different metrics, and are not mixed:",
        "  accuracy, holdout (replicates=1, report=144, val=144), seed 0, rows 00000000: other rows",
        f"  accuracy, {holdout}: same rows, zero",
        "  accuracy, holdout (replicates=1, report=144, val=144), seed 1, rows 3f2a9c1b: seeded",
        "  accuracy, holdout (replicates=1, report=200, val=144), seed 0, rows 3f2a9c1b: larger",
        "  accuracy, kfold (folds=5, replicates=1), seed 0, rows 3f2a9c1b: folds",
        f"  {smoothed % '0.0'}, {holdout}: loss",
        f"  {smoothed % '0.1'}, {holdout}: smoothed",
        f"  macro_f1, {holdout}: ranked",
        "choose the split of one sweep:",
        command.replace("report.sweep=", "'report.sweep=\"other rows\"'"),
        command.replace("report.sweep=", "'report.sweep=\"same rows\"'"),
        *(f"{command}{name}" for name in ("seeded", "larger", "folds", "loss", "smoothed", "ranked")),
    ]


def test_each_command_of_the_refusal_can_be_pasted_and_shows_its_split(asked, sweep, tracker, tmp_path):
    kept = ["tracking.uri='sqlite:///a b.db'", "report.directory=there"]
    for name, seed in (("it's", 0), ("a=b, c", 1), ("plain", 2)):
        finish(*sweep(name, f"seed={seed}"), 0, 0.5, 0.4)
    told = refusal(asked(data="digits"), tracker, *kept).splitlines()
    chosen = []
    for config in [pasted(line) for line in told if "python -m" in line]:
        assert (config.tracking.uri, config.report.directory) == ("sqlite:///a b.db", "there")
        report = replace(config.report, directory=str(tmp_path / "experiments"))
        show(replace(asked(), report=report), tracker)
        chosen.append(config.report.sweep)
    assert sorted(chosen) == ["a=b, c", "it's", "plain"]
    folders = [*(tmp_path / "experiments").iterdir()]
    shown = [json.loads((folder / "report.json").read_text()) for folder in folders]
    assert sorted(board["entries"][0]["sweep"] for board in shown) == sorted(chosen)  # none over another


def test_the_folder_the_page_and_the_terminal_name_the_split(asked, sweep, tracker, tmp_path):
    finish(*sweep("a"), 0, 0.5, 0.4)
    shown = show(asked(data="digits"), tracker)
    digest = numbers(tmp_path)["split"]["digest"]
    assert folder_of(tmp_path).name == f"leaderboard-digits-{digest}"
    known = f"plit {digest}: accuracy, holdout (replicates=1, report=144, val=144), seed 0, rows 3f2a9c1b"
    assert f"s{known}" in shown
    assert f"S{known}" in (folder_of(tmp_path) / "report.html").read_text()


def test_two_sweeps_of_one_name_on_two_splits_can_both_be_chosen(asked, sweep, tracker, tmp_path):
    finish(*sweep("a", "seed=1"), 0, 0.5, 0.4)
    theirs = tracked_copy(tracker, tmp_path, "a", seed=2)
    told = refusal(asked(data="digits"), tracker).splitlines()
    assert [pasted(line).report.sweep for line in told if "python -m" in line] == ["a", f"a ({theirs})"]
    assert refusal(asked(data="digits", sweep=f"a ({theirs})"), tracker) == (
        f"report.data=digits has no sweep with a finished trial: a ({theirs}), which has no finished trial"
    )


def test_the_split_of_a_sweep_is_shown_and_the_others_are_named(asked, sweep, tracker, tmp_path):
    for name, seed, report in (("a", 0, 0.41), ("b", 0, 0.4), ("c", 1, 0.4)):
        finish(*sweep(name, f"seed={seed}"), 0, 0.5, report)
    shown = show(asked(data="digits", sweep="b"), tracker)
    assert "  a  " in shown
    assert [entry["name"] for entry in numbers(tmp_path)["entries"]] == ["a", "b"]
    assert [other["sweeps"] for other in numbers(tmp_path)["others"]] == [["c"]]
