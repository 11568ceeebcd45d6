"""The sealed test set: only the seal touches its files, and it opens once."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end import seal_race
from tests.end_to_end.watched_program import Watched
from tests.program import new_program

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
TRAIN, TEST = 240, 60
CLASSES = 4


def idx_bytes(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.astype(np.uint8).tobytes()


def images(n, seed):
    """Images of 8 x 8 pixels in 4 classes: noise with one bright quarter."""
    draw = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    pixels = draw.integers(0, 160, (n, 8, 8))
    for image, label in zip(pixels, labels, strict=True):
        rows, columns = divmod(int(label), 2)
        image[4 * rows : 4 * rows + 4, 4 * columns : 4 * columns + 4] += 60
    return pixels, labels


@pytest.fixture(scope="module")
def idx_folder(tmp_path_factory):
    """A data root with a small IDX set in MNIST's place, and the digests of its files."""
    root = tmp_path_factory.mktemp("data")
    folder, files = root / "MNIST" / "raw", []
    folder.mkdir(parents=True)
    for part, n, seed in (("train", TRAIN, 0), ("t10k", TEST, 1)):
        for array, name in zip(images(n, seed), ("images-idx3", "labels-idx1"), strict=True):
            raw = idx_bytes(array)
            files.append((f"{part}-{name}-ubyte", len(raw), hashlib.sha256(raw).hexdigest()))
            (folder / files[-1][0]).write_bytes(raw)
    return root, json.dumps(files)


SWEEP = ("data.packaged=never", "model.width=8", "training.epochs=3", "search.trials=2", "search.tune=[optimizer]")
SEARCH = (*SWEEP, "name=s", "optimizer.space.lr.low=0.005", "optimizer.space.lr.high=0.02")
FINAL = ("+final=sweep", "final.sweep=s", "confirm.seeds=1", "final.retrains=2")


@pytest.fixture(scope="module")
def searched(idx_folder, migrated, tmp_path_factory):
    """A finished sweep, and what was opened meanwhile."""
    root, files = idx_folder
    place = tmp_path_factory.mktemp("searched") / "place"
    plain = new_program(place, migrated)
    path = os.pathsep.join([str(HERE / "watch"), *sys.path])
    environment = {"PYTHONPATH": path, "HPSEARCH_DATA": str(root), "WATCH_LOG": str(place / "log")}
    program = Watched(plain.folder, environment | {"WATCH_FILES": files})
    program.run(*SEARCH)
    return program, program.opened()


@pytest.fixture(scope="module")
def final(searched, tmp_path_factory):
    """The same place after the test set was opened once, what that printed, and which files were opened meanwhile."""
    program = searched[0].copied(tmp_path_factory.mktemp("final") / "place")
    return program, program.run(*FINAL), program.opened()


@pytest.fixture
def fresh(searched, tmp_path):
    return searched[0].copied(tmp_path / "place")


@pytest.fixture
def spent(final, tmp_path):
    return final[0].copied(tmp_path / "place")


def ledger(program):
    """The openings that MLflow knows of, by name, with their tags."""
    with program.tracker() as tracker:
        found = tracker._store.client.search_experiments(filter_string="name LIKE 'hpsearch-seal/%'")
    return {experiment.name: experiment.tags for experiment in found}


def kept(program, pattern):
    """Files of the final, in the order of their paths: of networks the shipped one first."""
    return [path.read_bytes() for path in sorted((program.folder / "mlruns/sweeps/s/final").rglob(pattern))]


@pytest.mark.slow
def test_during_a_search_only_the_seal_opens_the_files_of_the_test_set(searched):
    program, opened = searched
    sealed = [(pid, file, callers) for pid, file, callers in opened if file.startswith("t10k")]
    assert {file for _, file, _ in sealed} == {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}
    for pid, _, callers in sealed:
        assert pid == program.pids[0]  # the driver
        assert callers[0] == ("data/mnist.py", "read_raw")
        assert ("data/seal.py", "seal") in callers
        assert not {("data/seal.py", "open"), ("data/mnist.py", "read_rows")} & set(callers)  # hashed, never decoded


@pytest.mark.slow
def test_workers_open_the_development_files_and_never_the_test_set(searched):
    program, opened = searched
    by_workers = {file for pid, file, _ in opened if pid != program.pids[0]}
    assert by_workers == {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"}


@pytest.mark.slow
def test_a_search_makes_no_claim(searched):
    assert ledger(searched[0]) == {}


@pytest.mark.slow
def test_the_final_prints_every_metric_with_its_interval_and_the_number_of_the_opening(final):
    program, printed, _ = final
    assert "never opened in sqlite:///mlruns/mlflow.db" in printed
    assert "Test, 60 rows, 95 % intervals, opening 1" in printed
    accuracy, low, high = map(float, re.search(r"test/accuracy +(\S+) +\[(\S+), (\S+)\]", printed).groups())
    assert 0 <= low < accuracy <= high <= 1
    assert low > 1 / CLASSES, "the network has learned something"
    (tags,) = ledger(program).values()
    kept, shown = json.loads(tags["result"]), re.findall(r"test/(\w+) ", printed)
    assert kept["accuracy"] == pytest.approx(accuracy, abs=5e-4)
    assert set(shown) == set(kept)
    assert len(kept) > 1


@pytest.mark.slow
def test_the_metrics_of_the_test_set_are_in_exactly_one_run(final):
    program, _, _ = final
    runs = program.runs("s")
    tested = [run for run in runs if any(name.startswith("test/") for name in run.data.metrics)]
    assert [run.data.tags["role"] for run in tested] == ["final"]
    assert tested[0].data.tags["opening"] == "1"
    assert "RUNNING" not in {run.info.status for run in runs}


@pytest.mark.slow
def test_the_rows_of_the_test_set_are_decoded_once_by_the_driver_of_the_final_alone(final):
    program, _, opened = final
    decoded = [
        (pid, callers) for pid, file, callers in opened if file.startswith("t10k") and "read_rows" in str(callers)
    ]
    assert len(decoded) == 2
    for pid, callers in decoded:
        assert pid == program.pids[-1]
        assert ("data/seal.py", "open") in callers


@pytest.mark.slow
def test_a_second_final_is_refused_with_when_who_and_what_came_out_and_evaluates_nothing(spent):
    before = ledger(spent)
    printed = spent.call(*FINAL, status=2)
    (tags,) = before.values()
    assert "this test set was opened 1 time already" in printed
    accuracy = json.loads(tags["result"])["accuracy"]
    assert f"opening 1 on {tags['granted_at']} by {tags['claimant']}: accuracy {accuracy:.4f}, " in printed
    assert "final.reopen.opening=2" in printed
    assert ledger(spent) == before
    opened = [callers for _, _, callers in spent.opened()]
    assert [callers for callers in opened if ("data/seal.py", "seal") in callers]
    assert not [callers for callers in opened if ("data/seal.py", "open") in callers]
    assert len(spent.runs("s", "final")) == 1


@pytest.mark.slow
def test_another_sweep_on_the_same_test_set_meets_the_same_seal(spent):
    spent.run(*SWEEP, "name=another", "model.depth=2")
    assert "opened 1 time already" in spent.run("+final=sweep", "final.sweep=another", status=2)


@pytest.mark.slow
def test_a_test_set_is_opened_again_with_a_reason_and_the_right_number_and_says_so(spent):
    again = (*FINAL, "final.reopen.reason='the first look had a bug, (honestly)'")
    for wrong in (1, 3):
        refused = spent.run(*again, f"final.reopen.opening={wrong}", status=2)
        assert "final.reopen.opening=2" in refused
    assert "final.reopen.opening=2" in spent.run(*FINAL, "final.reopen.opening=2", status=2)
    assert len(ledger(spent)) == 1
    printed = spent.run(*again, "final.reopen.opening=2")
    assert "opening 2 of 2" in printed
    assert "opened once before: not a first look (the first look had a bug, (honestly)" in printed
    openings = sorted(ledger(spent).items())
    assert [tags["opening"] for _, tags in openings] == ["1", "2"]
    assert openings[1][1]["previous"] == openings[0][1]["entry"]
    assert "opened 2 times already" in spent.run(*FINAL, status=2)
    assert sorted(run.data.tags["opening"] for run in spent.runs("s", "final")) == ["1", "2"]


@pytest.mark.slow
def test_a_dry_run_shows_the_champion_and_opens_nothing(fresh):
    printed = fresh.run(*FINAL, "final.dry_run=true")
    assert "champion  trial" in printed
    assert "retrains  2 more refits of the same recipe, with other seeds: 3 trainings" in printed
    assert "never opened in sqlite:///mlruns/mlflow.db" in printed
    assert ledger(fresh) == {}
    assert not [callers for _, _, callers in fresh.opened() if ("data/seal.py", "open") in callers]
    assert {run.data.tags["role"] for run in fresh.runs("s")} == {"parent", "search"}


@pytest.mark.slow
def test_a_dry_run_on_an_opened_set_says_who_opened_it_with_what_result_and_that_the_real_run_is_refused(spent):
    printed = spent.run(*FINAL, "final.dry_run=true")
    (tags,) = ledger(spent).values()
    assert "without final.dry_run, this command is refused" in printed
    assert f"opening 1 on {tags['granted_at']} by {tags['claimant']}: accuracy " in printed
    assert "final.reopen.opening=2" in printed
    assert len(ledger(spent)) == 1


@pytest.mark.slow
def test_the_lines_that_a_final_prints_load_the_model_in_a_fresh_process(final):
    program, printed, _ = final
    lines = [line.strip() for line in printed.partition("Load it in Python\n")[2].splitlines()]
    code = "\n".join([*lines, "print(tuple(outputs.shape), tuple(model(torch.ones(3, 1, 8, 8)).shape))"])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=program.folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"(1, {CLASSES}) (3, {CLASSES})"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "found", "state"), [("kill", 0, "has no result"), ("kill-result", 1, "was not told to its end")]
)
def test_a_final_killed_after_its_claim_is_finished_by_the_same_command(fresh, final, step, found, state):
    trap = Path(f"{fresh.log}.{step}")
    trap.touch()
    fresh.run(*FINAL, status=-9)
    ((name, tags),) = ledger(fresh).items()
    assert ("result" in tags) == found
    weights = kept(fresh, "model.safetensors")
    assert (len(weights), len(kept(fresh, "*correct*")), kept(fresh, "result.json")) == (3, found, [])
    trap.unlink()
    refused = fresh.run(*FINAL[:-1], status=2)
    assert f"opening 1 {state}: the command that claimed it, with final.retrains=2, may finish it" in refused
    assert "opening 1 of 1" in fresh.run(*FINAL)
    assert kept(fresh, "result.json") == kept(final[0], "result.json") != []
    assert "opened 1 time already" in fresh.call(*FINAL, status=2)
    ((again, finished),) = ledger(fresh).items()
    assert (again, finished["entry"]) == (name, tags["entry"])
    assert "accuracy" in finished["result"]
    assert kept(fresh, "model.safetensors") == weights
    shipped, *retrained = (hashlib.sha256(data).hexdigest() for data in weights)
    together = hashlib.sha256("/".join(retrained).encode()).hexdigest()
    assert finished["purpose"] == f"final evaluation [weights {shipped} and 2 retrained {together}]"
    assert kept(fresh, "*correct*") == kept(final[0], "*correct*") != []
    runs = fresh.runs("s")
    assert sorted(run.data.tags["role"] for run in runs) == ["confirm", "final", "parent", "search", "search"]
    assert {run.info.status for run in runs} == {"FINISHED"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "override", ["data=fashion", "data=digits", "data.limit=100", "seed=1", "training.epochs=50", "model.width=9"]
)
def test_a_final_that_contradicts_its_sweep_is_refused_before_anything_is_opened(fresh, override):
    printed = fresh.run(*FINAL, override, status=2)
    assert f"{override.split('=')[0]}=" in printed
    assert "contradicts sweep 's'" in printed
    assert ledger(fresh) == {}
    assert {run.data.tags["role"] for run in fresh.runs("s")} == {"parent", "search"}


@pytest.mark.slow
def test_of_sixteen_processes_that_claim_at_once_exactly_one_is_granted(migrated, tmp_path):
    shutil.copy(migrated / "mlflow.db", tmp_path / "mlflow.db")
    rounds = 3
    done = subprocess.run(
        [sys.executable, "-W", "ignore", seal_race.__file__, str(tmp_path), str(rounds)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout.splitlines() == ["1 granted, 15 refused"] * rounds, done.stderr
