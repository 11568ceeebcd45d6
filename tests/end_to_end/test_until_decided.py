"""Fresh seeds until options are told apart, as a person runs it: who gets more, killed in between, read elsewhere."""

import json
import time

import pytest

from hpsearch.store.sweep_store import SweepStore
from tests.program import kill, new_program

pytestmark = [pytest.mark.long, pytest.mark.slow]

LEVELS = ("sgd", "adam", "adamw")
COMPARE = (
    *(
        "data=digits",
        "training.epochs=2",
        "model.width=16",
        "search.compare=optimizer",
        "name=u",
        "search.control=null",
    ),
    *("search.choose.optimizer=[sgd,adam,adamw]", "search.trials=2", "confirm.max_seeds=24"),
    *("search.tune=[optimizer]", "search.space.optimizer.sgd.lr={low: 1e-6, high: 1e-5}"),
    *("search.space.optimizer.adam.lr={low: 0.009, high: 0.01}", "execution.workers=1"),
    "search.space.optimizer.adamw.lr={low: 0.009, high: 0.01}",
)


@pytest.fixture(scope="module")
def place(migrated, tmp_path_factory):
    return lambda: new_program(tmp_path_factory.mktemp("place") / "folder", migrated)


@pytest.fixture(scope="module")
def decided(place):
    """A comparison that came to its end, and what it printed."""
    program = place()
    return program, program.call(*COMPARE)


def seeds_of(program):
    """Level to the numbers of its seeds that have a record."""
    store = SweepStore(program.folder / "mlruns", "u")
    found = {}
    for level in LEVELS:
        (folder,) = (store.folder / "final" / level).glob("*")
        found[level] = sorted(seed for _, seed in store.confirmation(level, int(folder.name)).finished())
    return found


def report_files(program):
    root = program.folder / "experiments" / "u"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_learned_nothing_gets_the_seeds_of_the_first_look_alone(decided):
    program, printed = decided
    assert seeds_of(program) == {"sgd": [*range(1, 11)], "adam": [*range(1, 25)], "adamw": [*range(1, 25)]}
    assert "confirm: not told apart yet, on to 24 fresh seeds: adam, adamw" in " ".join(printed.split())
    pairs = {
        frozenset((pair["a"], pair["b"])): pair["n"]
        for pair in json.loads(report_files(program)["report.json"])["pairs"]
    }
    assert pairs == {
        frozenset(("sgd", "adam")): 10, frozenset(("sgd", "adamw")): 10, frozenset(("adam", "adamw")): 24,
    }  # fmt: skip


def test_the_same_command_trains_nothing_and_makes_the_same_report(decided):
    program, _ = decided
    before, seeds = report_files(program), seeds_of(program)
    assert "confirm:" not in program.call(*COMPARE)
    assert (report_files(program), seeds_of(program)) == (before, seeds)


def test_the_report_is_the_same_from_a_tracking_store_alone(decided, place):
    program, _ = decided
    other = place()
    other.call("+report=sweep", "report.sweep=u", f"tracking.uri='sqlite:///{program.folder}/mlruns/mlflow.db'")
    assert report_files(other) == report_files(program)


def test_a_comparison_that_is_killed_in_its_second_look_goes_on_with_the_same_plan(decided, place):
    program = place()
    process = program.start(*COMPARE)
    folder = SweepStore(program.folder / "mlruns", "u").folder / "final" / "adam"
    while not list(folder.glob("*/confirm/trials/*/12/attempt-*/record.json")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    kill(process)
    program.run(*COMPARE)
    assert seeds_of(program) == seeds_of(decided[0])
    look = json.loads(report_files(program)["report.json"])["looks"]
    assert look == 1
