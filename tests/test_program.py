"""Commands that are called in the process of the tests: they end as in one of their own, and leave nothing behind."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.program import Program, unchanged

REFUSED = "hpsearch: sead is not a key: did you mean seed or search?\n"


def test_a_call_gives_what_is_printed_on_both_streams(tmp_path):
    assert "\nseed: 3\n" in Program(tmp_path).call("--cfg", "seed=3")
    assert Program(tmp_path).call("--cfg", "sead=3", status=2) == REFUSED


def test_another_exit_status_fails_with_what_was_printed(tmp_path):
    with pytest.raises(AssertionError, match="exit status 2\n\nhpsearch: sead is not a key"):
        Program(tmp_path).call("--cfg", "sead=3")


def test_a_call_runs_in_its_folder_and_environment_and_leaves_both(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/nowhere/mlflow.db")
    before = Path.cwd(), dict(os.environ)
    program = Program(tmp_path, {"KNOWN": "there"})
    assert "name: there\n" in program.call("--cfg", "--config-dir", "here", "name=${oc.env:KNOWN}")
    assert (Path.cwd(), dict(os.environ)) == before


@pytest.mark.parametrize("leave", [lambda: os.chdir("/"), lambda: signal.signal(signal.SIGTERM, lambda *_: None)])
def test_what_is_left_changed_is_told(leave, monkeypatch):
    monkeypatch.chdir(Path.cwd())
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(AssertionError, match=r"directory|handlers"), unchanged():
        leave()
    signal.signal(signal.SIGTERM, handler)


def test_a_process_that_is_left_behind_is_told():
    with pytest.raises(AssertionError, match="pid="), unchanged():
        left = subprocess.Popen(["sleep", "60"])
    left.kill()
    left.wait()
