"""The seal of a user's own file in the whole program: it opens once, whatever is predicted."""

import re
import shutil

import numpy as np
import pytest

from tests.program import new_program

SETTINGS = ("data=csv", "model.width=8", "training.epochs=20", "optimizer.lr=0.03", "search.trials=1")
SWEEP = (*SETTINGS, "data.path=own.csv")


def lines(n):
    draw = np.random.default_rng(0)
    for a, b, noise in draw.normal(size=(n, 3)):
        yield f"{a:.4f},{b:.4f},{'high' if a + b + 0.1 * noise > 0 else 'low'},{a - b:.4f}\n"


def final_of(name):
    return ("+final=sweep", f"final.sweep={name}", "confirm.seeds=1")


@pytest.fixture(scope="module")
def opened(migrated, tmp_path_factory):
    """A folder in which the test set of a table was opened by a sweep that predicts one of its columns."""
    program = new_program(tmp_path_factory.mktemp("own") / "place", migrated)
    (program.folder / "own.csv").write_text("a,b,y,z\n" + "".join(lines(100)))
    program.run(*SWEEP, "data.target=y", "name=first")
    assert "never opened" in program.run(*final_of("first"))
    return program


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("regression", ("data.target=z", "data.test=0.5", "loss=mse")),
        ("dropped", ("data.target=y", "data.drop=[z]")),
    ],
)
def test_a_final_on_an_opened_file_is_refused_because_it_is_the_same_file(opened, name, overrides):
    opened.run(*SWEEP, *overrides, f"name={name}")
    refused = opened.run(*final_of(name), status=2)
    assert "this test set was opened 1 time already" in refused
    assert "sweep first" in refused
    assert "it is the same file" in refused
    assert not opened.runs(name, "final")


@pytest.fixture(scope="module")
def rewritten(opened):
    """The same rows with one changed, in another order, with other columns first, under other names."""
    rows = [line.strip().split(",") for line in lines(100)]
    rows[0][0] = "9.5"
    table = "".join(f"{y};{float(b):.6f};{z};{float(a):e}\n" for a, b, y, z in reversed(rows))
    (opened.folder / "new.csv").write_text("y;u;v;w\n" + table)
    return ("data.path=new.csv", 'data.delimiter=";"', "data.target=y", "data.test=0.05")


@pytest.mark.slow
def test_opened_rows_in_a_file_that_was_written_anew_are_told_and_refuse_its_final(opened, rewritten):
    printed = opened.run(*SETTINGS, *rewritten, "name=rewritten")
    rows = int(re.search(r"! (\d+) development rows .*were opened as test rows before: opening 1", printed)[1])
    assert 17 <= rows <= 20
    refused = opened.run(*final_of("rewritten"), status=2)
    assert "this test set was opened 1 time already" in refused
    assert f"{rows} development rows" in refused
    assert "sweep first" in refused
    assert not opened.runs("rewritten", "final")
    reason = ("final.reopen.reason='for a lecture'", "final.reopen.opening=1")
    told = opened.run(*final_of("rewritten"), *reason)
    assert "opening 1 of 1" in told
    assert "rows of this data set were opened 1 time before elsewhere: not a first look" in told


@pytest.mark.slow
def test_another_folder_of_the_same_user_is_told_of_an_opening(opened, migrated, tmp_path):
    program = new_program(tmp_path / "place", migrated, XDG_STATE_HOME=str(opened.folder / "state"))
    shutil.copy(opened.folder / "own.csv", program.folder / "copied.csv")
    program.run(*SETTINGS, "data.path=copied.csv", "data.target=y", "name=copied")
    printed = program.run(*final_of("copied"), "final.dry_run=true")
    assert "! known of this test set, and not counted: opening 1 on " in printed
    assert "this command makes opening 1" in printed
