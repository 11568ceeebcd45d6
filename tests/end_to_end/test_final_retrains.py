"""A final with retrained networks, as a person runs it: numbers, bitmaps, kills, a second opening, the report."""

import csv
import json
import re
import shutil
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch.nn.functional import linear

from hpsearch.data.seal import TEST_STATE
from tests.program import Program, kill, new_program

pytestmark = [pytest.mark.long, pytest.mark.slow]

SWEEP = (
    *("data=breast_cancer", "training.epochs=2", "model.width=8", "name=b"),
    *("search.trials=2", "search.tune=[optimizer]"),
)
FINAL = ("+final=sweep", "final.sweep=b", "confirm.seeds=1", "final.retrains=3", "execution.workers=1")
ROWS = 114


@pytest.fixture(scope="module")
def searched(migrated, tmp_path_factory):
    program = new_program(tmp_path_factory.mktemp("searched") / "place", migrated)
    program.call(*SWEEP)
    return program


@pytest.fixture(scope="module")
def final(searched, tmp_path_factory):
    """A place where the test set was opened once, and what that printed."""
    program = copied(searched, tmp_path_factory.mktemp("final") / "place")
    return program, program.call(*FINAL)


def copied(program, folder):
    shutil.copytree(program.folder, folder)
    return Program(folder)


def folder_of(program):
    """Where the final of the champion is kept."""
    final = program.folder / "mlruns" / "sweeps" / "b" / "final"
    return final / "-" / str(json.loads((final / "champion.json").read_text())["k"])


def networks(program):
    """Folders of networks, the shipped one first."""
    return sorted(path.parent for path in folder_of(program).glob("refit-*/model.json"))


def bitmap(path):
    """(M, n) bool, unpacked bit by bit."""
    arrays = load_file(path)
    bits = [[byte >> (7 - bit) & 1 for byte in row for bit in range(8)] for row in arrays["correct"].tolist()]
    return np.array(bits, bool)[:, : int(arrays["rows"][0])]


def final_run(program):
    (run,) = program.runs("b", "final")
    return run


def artifacts(program):
    return Path(final_run(program).info.artifact_uri)


def test_the_cost_is_told_before_anything_is_trained(final):
    printed = final[1]
    told = (
        "retrains  3 more refits of the same recipe, with other seeds: 4 trainings on all development rows instead of 1"
    )
    assert printed.index(told) < printed.index("confirm   fresh seed 1")
    assert re.findall(r"retrained (\d) of 3", printed) == ["1", "2", "3"]


def test_the_mean_with_its_error_stands_beside_the_shipped_number_and_its_interval(final):
    program, printed = final
    metrics = final_run(program).data.metrics
    for name in ("accuracy", "macro_f1", "cross_entropy"):
        values = [metrics[f"test/{name}/retrain/{number}"] for number in (1, 2, 3)]
        found = re.search(rf"test/{name} +(\S+) \[.*\] .* mean of 3 retrained: (\S+) ± (\S+) \(s/√3\)", printed)
        shipped, shown, error = map(float, found.groups())
        assert shipped == pytest.approx(metrics[f"test/{name}"], abs=5e-3)
        assert shown == pytest.approx(mean(values), abs=5e-3)
        assert error == pytest.approx(stdev(values) / 3**0.5, rel=0.06)


def test_retrained_numbers_are_in_the_one_final_run_alone(final):
    tested = [run for run in final[0].runs("b") if any(name.startswith("test/") for name in run.data.metrics)]
    assert [run.data.tags["role"] for run in tested] == ["final"]


def test_the_bitmaps_are_what_plain_torch_makes_of_the_stored_weights_on_scikit_learns_rows(final):
    program, _ = final
    data = load_breast_cancer()
    development, sealed = train_test_split(
        np.arange(569), test_size=ROWS, stratify=data.target, random_state=TEST_STATE
    )
    known, rows = data.data[development], np.sort(sealed)
    inputs = torch.tensor((data.data[rows] - known.mean(axis=0)) / known.std(axis=0), dtype=torch.float32)
    expected = []
    for folder in networks(program):
        weights = {name: torch.tensor(array) for name, array in load_file(folder / "model.safetensors").items()}
        hidden = linear(inputs, weights["hidden.0.linear.weight"], weights["hidden.0.linear.bias"]).relu()
        logits = linear(hidden, weights["output.weight"], weights["output.bias"])[:, 0]
        expected.append(((logits > 0).numpy() == data.target[rows]).tolist())
    assert bitmap(artifacts(program) / "correct.safetensors").tolist() == expected
    assert len({str(one) for one in expected}) > 1, "the networks differ on some row"


def test_the_rows_of_the_bitmaps_add_up_to_the_accuracies(final):
    program, _ = final
    metrics, right = final_run(program).data.metrics, bitmap(artifacts(program) / "correct.safetensors").sum(axis=1)
    names = ["test/accuracy", *(f"test/accuracy/retrain/{number}" for number in (1, 2, 3))]
    assert right.tolist() == [round(metrics[name] * ROWS) for name in names]


def test_the_bitmaps_lie_beside_the_result_too_and_nothing_else_of_the_rows_does(final):
    program, _ = final
    files = {path.name for path in folder_of(program).iterdir() if path.is_file()}
    assert files == {"result.json", "opening-1-correct.safetensors"}
    beside = folder_of(program) / "opening-1-correct.safetensors"
    assert beside.read_bytes() == (artifacts(program) / "correct.safetensors").read_bytes()
    assert load_file(beside).keys() == {"correct", "rows"}
    result = json.loads((folder_of(program) / "result.json").read_text())
    assert {len(values) for values in result["retrained"].values()} == {3}


def test_the_report_shows_both_errors_and_the_ledger(final):
    program, _ = final
    program.call("+report=sweep", "report.sweep=b")
    metrics = final_run(program).data.metrics
    with (program.folder / "experiments" / "b" / "tests.csv").open() as file:
        (row,) = csv.DictReader(file)
    values = [metrics[f"test/accuracy/retrain/{number}"] for number in (1, 2, 3)]
    assert float(row["retrain_mean"]) == pytest.approx(mean(values))
    assert float(row["retrain_se"]) == pytest.approx(stdev(values) / 3**0.5)
    p = metrics["test/accuracy"]
    assert float(row["image_se"]) == pytest.approx((p * (1 - p) / ROWS) ** 0.5)
    tags = final_run(program).data.tags
    assert (row["config"], row["weights"]) == (tags["config_sha256"][:12], tags["weights_sha256"][:12])


def test_a_final_killed_between_two_refits_repeats_none_that_is_stored(searched, tmp_path):
    program = copied(searched, tmp_path / "place")
    process = program.start(*FINAL, "final.epochs=400")
    program.wait_for("sweeps/b/final/-/*/refit-*/model.json", process, count=2)
    kill(process)
    stored = {folder: (folder / "model.json").stat().st_mtime_ns for folder in networks(program)}
    assert 2 <= len(stored) < 4
    printed = program.run(*FINAL, "final.epochs=400")
    assert len(re.findall(r"retrained \d of 3", printed)) == 4 - len(stored)
    assert {folder: (folder / "model.json").stat().st_mtime_ns for folder in stored} == stored
    whole = copied(searched, tmp_path / "whole")
    whole.run(*FINAL, "final.epochs=400")
    beside = "opening-1-correct.safetensors"
    assert (folder_of(program) / beside).read_bytes() == (folder_of(whole) / beside).read_bytes()


def test_more_workers_give_the_same_networks(searched, final, tmp_path):
    program = copied(searched, tmp_path / "place")
    program.run(*FINAL[:-1], "execution.workers=2")
    weights = [[(folder / "model.safetensors").read_bytes() for folder in networks(one)] for one in (program, final[0])]
    assert weights[0] == weights[1]


def test_a_second_opening_is_compared_with_the_first_row_by_row(final, tmp_path):
    program = copied(final[0], tmp_path / "place")
    champion = final_run(program).data.tags["trial"]
    (other,) = [run for run in program.runs("b", "search") if run.data.tags["trial"] != champion]
    again = ('final.reopen.reason="the other trial"', "final.reopen.opening=2", "confirm.seeds=0")
    printed = program.run("+final=run", f"final.run={other.info.run_id}", *again)
    assert "opening 2 of 2" in printed
    assert "retrained" not in printed
    program.run("+report=sweep", "report.sweep=b")
    files = {path.name: path for path in (program.folder / "mlruns").rglob("opening-*-correct.safetensors")}
    a, b = (bitmap(files[f"opening-{number}-correct.safetensors"])[0] for number in (1, 2))
    with (program.folder / "experiments" / "b" / "shipped.csv").open() as file:
        (pair,) = csv.DictReader(file)
    only = [sum(x and not y for x, y in zip(*rows, strict=True)) for rows in ((a, b), (b, a))]
    assert [int(pair["only_first"]), int(pair["only_second"])] == only
    assert float(pair["diff"]) == pytest.approx((only[0] - only[1]) / ROWS)
    assert "adaptive reuse" in (program.folder / "experiments" / "b" / "report.md").read_text()
