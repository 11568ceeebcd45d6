"""The functions of Python, from a script in an empty folder."""

import json
import os
import re
import subprocess
import sys

import pytest

SCRIPT = """
import json, sys
import hpsearch
before = [name for name in ("torch", "mlflow", "pandas", "hydra") if name in sys.modules]
called = []
arguments = dict(name="mine", data="digits", trials=3, space={"optimizer.lr": (1e-3, 1e-1, "log")}, progress=False)
sweep = hpsearch.sweep("training.epochs=1", "model.width=16",
                       callbacks=[lambda s, t: called.append((s.name, t.number))],
                       **arguments)
table = sweep.trials
still = hpsearch.sweep("training.epochs=1", "init=zeros", name="still", data="digits", progress=False,
                       callbacks=lambda s, t: called.append((s.name, t.number)))
final = sweep.final(seeds=1)
import torch
outputs = final.load_model()(torch.zeros(2, 1, 8, 8))
refused = []
for call in (sweep.final, lambda: hpsearch.load("nine"), lambda: hpsearch.sweep("training.epoch=1", **arguments),
             lambda: hpsearch.sweep("training.epochs=2", "model.width=16", **arguments)):
    try:
        call()
    except hpsearch.errors.HpsearchError as error:
        refused.append([type(error).__name__, str(error).splitlines()[0], str(error).splitlines()[-1]])
print(json.dumps({
    "before": before, "called": sorted(called), "best": sweep.best.score, "highest": float(table.score.max()),
    "rows": len(table), "columns": list(table.columns), "shape": list(outputs.shape), "opening": final.opening,
    "accuracy": final.scores["accuracy"], "refused": refused, "loaded": hpsearch.load("mine").best.score,
    "still": [still.best is None, still.trial(0).status, still.trial(0).failure],
    "classes": final.classes, "features": final.feature_names, "final": repr(final),
    "names": hpsearch.sweeps().name.tolist(), "command": sweep.command, "report": sweep.report().to_dict()["digest"],
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("script")
    (folder / "script.py").write_text(SCRIPT)  # without `if __name__ == "__main__"`, as people write them
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "script.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_hpsearch_loads_nothing_heavy(found):
    assert found["before"] == []


def test_the_best_trial_has_the_highest_score_of_the_table(found):
    assert found["best"] == found["highest"] == found["loaded"]
    assert found["rows"] == 3
    assert {"number", "status", "score", "score_se", "report/accuracy", "optimizer.adam.lr"} <= set(found["columns"])


def test_callbacks_are_called_once_after_each_trial(found):
    assert found["called"] == [["mine", 0], ["mine", 1], ["mine", 2], ["still", 0]]


def test_a_stalled_trial_is_not_the_best_and_says_why(found):
    none, status, failure = found["still"]
    assert (none, status) == (True, "stalled")
    assert re.match(r"(no|hardly) better than guessing by the shares of the classes: its training loss is ", failure)


def test_the_final_gives_intervals_and_a_module_that_takes_raw_inputs(found):
    value, low, high = found["accuracy"]
    assert low <= value <= high
    assert (found["shape"], found["opening"]) == ([2, 10], 1)
    assert (found["classes"], found["features"]) == ([*"0123456789"], [])
    assert "first look at the test rows" in found["final"]


def test_refusals_are_exceptions_of_their_kind(found):
    kinds = [kind for kind, *_ in found["refused"]]
    assert kinds == ["SealOpenedError", "NotFoundError", "ConfigError", "RefusedError"]
    assert found["refused"][0][2] == "  from Python: final(reason='…', opening=2)"
    assert found["refused"][1][1] == "'nine' is no sweep in mlruns: did you mean mine?"


def test_a_sweep_is_listed_and_says_the_command_that_does_the_same(found):
    assert found["names"] == ["mine", "still"]
    assert found["command"] == (
        "python -m hpsearch name=mine data=digits search.trials=3 'search.tune=[optimizer]' "
        "'optimizer.space.lr={low:0.001,high:0.1,log:true}' training.epochs=1 model.width=16"
    )
