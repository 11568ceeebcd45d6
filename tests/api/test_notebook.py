"""The functions of Python in a notebook: a real kernel in an empty folder."""

import ast
import os
import re
import sys

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("custom")]

NETWORK = """
import torch
from torch import nn
HIDDEN = 12
def block(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU())
class MyNet(nn.Module):
    def __init__(self, input_shape, outputs):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), block(64, HIDDEN), nn.Linear(HIDDEN, outputs))
    def forward(self, x):
        return self.layers(x)
"""
CUSTOM = """
import hpsearch
sweep = hpsearch.sweep("training.epochs=1", name="custom", data="digits", model=MyNet, trials=3, progress=False,
                       space={"optimizer.lr": (1e-3, 1e-1, "log")})
"""
INTERRUPTED = """
import os, signal
pressed = []
def interrupt(sweep, trial):  # what Jupyter's stop button sends, to the kernel and its children
    if not pressed:
        pressed.append(trial.number)
        os.killpg(os.getpgid(0), signal.SIGINT)
arguments = dict(name="long", data="digits", trials=100, progress=False, space={"optimizer.lr": (1e-3, 1e-1, "log")})
long = hpsearch.sweep("training.epochs=3", callbacks=[interrupt], **arguments)
"""


class Kernel:
    """Runs cells, one after the other, as Jupyter does."""

    def __init__(self, folder):
        self.client = NotebookClient(
            nbformat.v4.new_notebook(), kernel_name="python3", timeout=240, coalesce_streams=True,
            resources={"metadata": {"path": str(folder)}},
        )  # fmt: skip

    def run(self, source):
        """What a cell shows: its standard output, its standard error, and what its last expression looks like."""
        cell = nbformat.v4.new_code_cell(source)
        self.client.nb.cells.append(cell)
        self.client.execute_cell(cell, len(self.client.nb.cells) - 1)
        texts = {"stdout": "", "stderr": ""}
        shown = {}
        for output in cell.outputs:
            if output.output_type == "stream":
                texts[output.name] += output.text
            else:
                shown |= output.data
        return texts["stdout"], texts["stderr"], shown


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def kernel(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        patch.delenv("PYTEST_CURRENT_TEST", raising=False)  # with it, a kernel ignores what is written to descriptor 2
        opened = Kernel(folder)
        with opened.client.setup_kernel():
            yield opened


@pytest.fixture(scope="module")
def custom(kernel):
    kernel.run(NETWORK)
    return kernel.run(CUSTOM)


def test_without_progress_nothing_is_printed(custom):
    assert custom == ("", "", {})


def test_a_network_of_a_cell_trains_in_workers(kernel):
    out, _, _ = kernel.run("print(sweep.trials.score.notna().sum(), sweep.best.config.model.import_path)")
    assert re.fullmatch(r"3 mlruns\.code\.mynet_[0-9a-f]{12}:MyNet\n", out)


def test_a_sweep_shows_its_best_trial_first_and_a_table(kernel):
    _, _, shown = kernel.run("sweep")
    page = shown["text/html"]
    assert re.match(r"<p>Sweep &#x27;custom&#x27;: best val/accuracy 0\.\d+ ± 0\.\d+, trial \d, of 3 trials</p>", page)
    assert page.count("<tr>") == 3


def test_a_report_shows_its_page(kernel):
    _, _, shown = kernel.run("sweep.report()")
    assert shown["text/html"].startswith('<iframe srcdoc="&lt;!DOCTYPE html&gt;')
    assert "exploratory: Nothing is compared" in shown["text/plain"]


def test_progress_is_a_bar_and_nothing_else(kernel):
    out, err, shown = kernel.run(CUSTOM.replace(", progress=False", "").replace("custom", "bar"))
    widgets = "ipywidgets" in out or "application/vnd.jupyter.widget-view+json" in shown
    assert err == ""
    assert widgets or re.search(r"trials: 100%.* 3/3 .*best val/accuracy 0\.\d+ ± 0\.\d+", out)


def test_warnings_are_seen_on_standard_error(kernel):
    _, err, _ = kernel.run(
        'hpsearch.sweep("training.epochs=1", "optimizer=adamw", name="warned", data="digits", trials=1)'
    )
    assert "! " in err


def test_observers_and_callbacks_are_told_of_each_trial(kernel):
    out, _, _ = kernel.run(
        "class Loud(hpsearch.Observer):\n"
        "    def trial_finished(self, record):\n"
        "        print('seen', record.k)\n"
        "def called(sweep, trial):\n"
        "    print('called', sweep.name, trial.number)\n"
        'hpsearch.sweep("training.epochs=1", name="told", data="digits", trials=2, progress=False,\n'
        '               choose={"optimizer": ["sgd", "adam"]},\n'
        "               observer=Loud(), callbacks=[called]);"
    )
    assert sorted(out.splitlines()) == ["called told 0", "called told 1", "seen 0", "seen 1"]


def test_an_interrupted_sweep_goes_on_in_the_same_kernel(kernel):
    with pytest.raises(CellExecutionError, match="stopped; the same call goes on where it was"):
        kernel.run(INTERRUPTED)
    stderr = "".join(each.text for each in kernel.client.nb.cells[-1].outputs if each.get("name") == "stderr")
    assert "hpsearch: stopping: " in stderr
    kernel.run('kept = hpsearch.load("long").trials')
    kernel.run('long = hpsearch.sweep("training.epochs=3", **arguments)')
    out, _, _ = kernel.run(
        "print(0 < len(kept) < len(long.trials), len(long.trials), kept.run_id.isin(long.trials.run_id).all())"
    )
    assert out == "True 100 True\n"


def test_an_error_is_its_message_without_our_frames(kernel):
    with pytest.raises(CellExecutionError) as failed:
        kernel.run('hpsearch.load("custum")')
    assert "NotFoundError: 'custum' is no sweep in mlruns: did you mean custom?" in str(failed.value)
    assert "functions.py" not in str(failed.value)


def test_in_another_kernel_the_same_cells_go_on_with_the_same_network(kernel, folder):
    before, _, _ = kernel.run('print(hpsearch.load("custom").trials.run_id.tolist())')
    restarted = Kernel(folder)
    with restarted.client.setup_kernel():
        restarted.run(NETWORK)
        restarted.run(CUSTOM.replace("trials=3", "trials=4"))
        after, _, _ = restarted.run("print(sweep.trials.run_id.tolist())")
    assert ast.literal_eval(after)[:3] == ast.literal_eval(before)
    assert len(ast.literal_eval(after)) == 4
