"""The seal of a user's own file in the whole program: it opens once, whatever is predicted."""

import numpy as np
import pytest
from program import new_program

SWEEP = ("data=csv", "data.path=own.csv", "model.width=8", "training.epochs=20", "optimizer.lr=0.03", "search.trials=1")


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
