"""A final that is refused or stopped says nothing about its sweep."""

import signal

import pytest

from tests.program import new_program

SWEEP = ("data=digits", "training.patience=2", "training.epochs=3", "model.width=16", "name=pat")
FINAL = ("+final=sweep", "final.sweep=pat", "execution.workers=1")


@pytest.fixture(scope="module")
def searched(migrated, tmp_path_factory):
    program = new_program(tmp_path_factory.mktemp("searched") / "place", migrated)
    program.run(*SWEEP)
    yield program
    program.clean_up()


def states(program):
    """Role to states in MLflow."""
    found = {}
    for run in program.runs("pat"):
        found.setdefault(run.data.tags["role"], set()).add(run.info.status)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("refused", ["confirm.seeds=0", "schedule.warmup_epochs=2"])
def test_a_final_that_is_refused_leaves_its_sweep_finished(searched, refused):
    printed = searched.run(*FINAL, refused, status=2)
    assert f"hpsearch: {refused.partition('=')[0]}" in printed
    assert states(searched) == {"parent": {"FINISHED"}, "search": {"FINISHED"}}
    assert not (searched.folder / "mlruns" / "sweeps" / "pat" / "final").exists()


@pytest.mark.slow
def test_a_final_that_is_stopped_leaves_its_sweep_finished_and_the_same_command_goes_on(searched):
    final = searched.start(*FINAL, "confirm.seeds=40")
    searched.wait_for("sweeps/pat/final/**/record.json", final)
    final.send_signal(signal.SIGTERM)
    out, err = final.communicate(timeout=60)
    assert final.returncode == 143, out + err
    stopped = states(searched)
    assert stopped.keys() == {"parent", "search", "confirm"}
    assert (stopped["parent"], "RUNNING" in stopped["confirm"]) == ({"FINISHED"}, False)
    seeds = len(list((searched.folder / "mlruns" / "sweeps" / "pat" / "final").rglob("record.json")))
    assert "Test, 359 rows" in searched.run(*FINAL, f"confirm.seeds={seeds}")
    assert states(searched)["final"] == {"FINISHED"}
