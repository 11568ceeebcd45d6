"""Comparisons as a person runs them: search, fresh seeds and report by one command; resumed, grown, read elsewhere."""

import json
import signal
import time

import pytest

from hpsearch.store.sweep_store import SweepStore
from tests.program import kill, new_program

pytestmark = [pytest.mark.long, pytest.mark.slow]

COMPARE = (
    *("data=digits", "training.epochs=2", "model.width=16", "search.compare=optimizer", "name=c"),
    *("search.choose.optimizer=[sgd,adam]", "search.tune=[optimizer]", "search.delta=0.01"),
)
LEVELS = ("sgd", "adam")


@pytest.fixture(scope="module")
def place(migrated, tmp_path_factory):
    return lambda: new_program(tmp_path_factory.mktemp("place") / "folder", migrated)


@pytest.fixture(scope="module")
def compared(place):
    """Two levels of 5 draws and 7 seeds, and what the command printed."""
    program = place()
    return program, program.call(*COMPARE, "search.trials=5", "confirm.seeds=7")


def store_of(program):
    return SweepStore(program.folder / "mlruns", "c")


def record_bytes(program):
    """(level, k) or (level, recipe, seed) to the bytes of the record."""
    store = store_of(program)
    found = {key: (attempt.folder / "record.json").read_bytes() for key, attempt in store.finished().items()}
    for level in LEVELS:
        for folder in (store.folder / "final" / level).glob("*"):
            fresh = store.confirmation(level, int(folder.name))
            for (_, seed), attempt in fresh.finished().items():
                found[level, int(folder.name), seed] = (attempt.folder / "record.json").read_bytes()
    return found


def report_files(program, folder="experiments"):
    root = program.folder / folder / "c"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_each_level_has_its_draws_and_a_default_recipe_and_its_recipe_is_retrained(compared):
    program, printed = compared
    keys = record_bytes(program)
    assert sum(len(key) == 2 for key in keys) == 2 * (5 + 1)
    assert sum(len(key) == 3 for key in keys) == 2 * 7
    assert "Report on c" in printed
    assert "experiments/c/report.html" in printed


def test_seeds_are_paired_between_levels(compared):
    program, _ = compared
    records = {key: json.loads(data)["body"] for key, data in record_bytes(program).items() if len(key) == 3}
    seeds = {level: {key[2]: body["seeds"] for key, body in records.items() if key[0] == level} for level in LEVELS}
    assert seeds["sgd"] == seeds["adam"]
    assert len({json.dumps(each) for each in seeds["sgd"].values()}) == 7


def test_the_report_holds_numbers_that_can_be_computed_again_from_the_records(compared):
    program, _ = compared
    report = json.loads(report_files(program)["report.json"])
    (pair,) = report["pairs"]
    records = {key: json.loads(data)["body"] for key, data in record_bytes(program).items() if len(key) == 3}
    mean = {
        level: sum(body["summary"]["report/accuracy"] for key, body in records.items() if key[0] == level) / 7
        for level in LEVELS
    }
    assert (pair["a"], pair["b"], pair["n"]) == ("sgd", "adam", 7)
    assert pair["diff"] == pytest.approx(mean["sgd"] - mean["adam"])
    assert {level["name"]: level["n_trials"] for level in report["levels"]} == {"sgd": 5, "adam": 5}


def test_every_training_says_on_what_it_was_done_and_with_which_code(compared):
    program, _ = compared
    (gate,) = [gate for gate in json.loads(report_files(program)["report.json"])["gates"] if gate["code"] == "R09"]
    assert gate["reason"].startswith("levels differ in what is compared alone; all trainings ran on cpu, with 0.1.0 (")


def test_retrainings_alone_record_a_calibrated_loss_and_their_runs_have_it_as_a_metric(compared):
    program, _ = compared
    bodies = {key: json.loads(data)["body"]["summary"] for key, data in record_bytes(program).items()}
    assert {len(key) for key, summary in bodies.items() if "report/calibrated_loss" in summary} == {3}
    recorded = {summary["report/calibrated_loss"] for key, summary in bodies.items() if len(key) == 3}
    assert {run.data.metrics["report/calibrated_loss"] for run in program.runs("c", "confirm")} == recorded
    assert all(run.data.metrics["report/temperature"] > 0 for run in program.runs("c", "confirm"))
    assert not [run for run in program.runs("c", "search") if "report/calibrated_loss" in run.data.metrics]
    assert "calibrated log loss" not in (program.folder / "experiments" / "c" / "report.md").read_text()


def test_the_same_report_is_made_again_to_the_byte_and_trains_nothing(compared):
    program, _ = compared
    before, records = report_files(program), record_bytes(program)
    program.call("+report=sweep", "report.sweep=c")
    assert report_files(program) == before
    assert record_bytes(program) == records


def test_the_report_is_made_from_a_tracking_store_alone(compared, place):
    program, _ = compared
    other = place()
    uri = f"sqlite:///{program.folder}/mlruns/mlflow.db"
    other.call("+report=sweep", "report.sweep=c", f"tracking.uri='{uri}'")
    assert report_files(other) == report_files(program)


def test_a_comparison_that_is_killed_among_its_seeds_ends_as_if_it_had_not_been(compared, place):
    program = place()
    process = program.start(*COMPARE, "search.trials=5", "confirm.seeds=7", "execution.workers=1")
    store = store_of(program)
    while not list((store.folder / "final").glob("*/*/confirm/trials/*/*/attempt-*/record.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    kill(process)
    program.run(*COMPARE, "search.trials=5", "confirm.seeds=7")
    assert record_bytes(program) == record_bytes(compared[0])
    assert {run.info.status for run in program.runs("c", "confirm")} <= {"FINISHED", "KILLED"}


def test_a_comparison_that_grows_keeps_its_trials_and_equals_the_large_one(compared, place):
    program = place()
    program.run(*COMPARE, "search.trials=2", "confirm.seeds=0")
    small = record_bytes(program)
    assert len(small) == 2 * 3
    program.run(*COMPARE, "search.trials=5", "confirm.seeds=7")
    grown, whole = record_bytes(program), record_bytes(compared[0])
    assert grown == whole
    assert small.items() <= grown.items()


def test_a_signal_among_the_seeds_leaves_nothing_running(place):
    program = place()
    process = program.start(*COMPARE, "search.trials=5", "confirm.seeds=60")
    while not list((store_of(program).folder / "final").glob("*/*/confirm/trials/*/*/attempt-*/record.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert "RUNNING" not in {run.info.status for run in program.runs("c")}


def test_a_report_of_a_sweep_that_is_not_there_names_those_that_are(compared):
    program, _ = compared
    printed = program.call("+report=sweep", "report.sweep=d", status=2)
    assert "report.sweep=d is no sweep" in printed


def test_a_report_without_a_sweep_names_the_key(compared):
    program, _ = compared
    printed = program.call("+report=sweep", status=2)
    assert "report.sweep must be given: +report=sweep report.sweep=… (known here: c)" in printed


def test_a_delta_that_was_chosen_after_a_look_makes_the_report_exploratory(compared):
    program, _ = compared
    later = ["search.delta=0.02" if part.startswith("search.delta") else part for part in COMPARE]
    later[later.index("name=c")] = "name=later"
    printed = program.run(*later, "search.trials=5", "confirm.seeds=7")
    assert "this report is exploratory: sweep 'c' has put the same question to the same rows and seeds" in " ".join(
        printed.split()
    )
    assert "with delta 0.02 instead of 0.01" in " ".join(printed.split())


def test_a_comparison_on_several_data_sets_has_a_sweep_of_each_and_a_report_of_all(place):
    program = place()
    command = (
        *("search.datasets=[digits,breast_cancer]", "training.epochs=2", "model.width=16", "search.compare=optimizer"),
        *("name=c", "search.choose.optimizer=[sgd,adam]", "search.tune=[optimizer]", "search.trials=2"),
    )
    printed = program.call(*command, "confirm.seeds=7")
    assert "Report on c: 2 data sets" in printed
    for name in ("c", "c-digits", "c-breast_cancer"):
        assert (program.folder / "experiments" / name / "report.html").is_file()
    numbers = json.loads((program.folder / "experiments" / "c" / "report.json").read_text())
    assert list(numbers["datasets"]) == ["breast_cancer", "digits"]
    assert numbers["sentence"].split(":")[0] in " ".join(printed.split())
    before = report_files(program)
    assert "trial" not in program.call(*command, "confirm.seeds=7").split("Report on c")[0].replace("trials", "")
    assert report_files(program) == before
