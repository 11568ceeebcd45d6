"""A reader that has seen enough, as in `--help | head`, is no fault of the program."""

import os
import subprocess
import sys

import pytest

PRINTED = "from hpsearch.terminal.console import Terminal; Terminal().line('one line')"


@pytest.fixture
def closed():
    """Runs Python with its standard output closed at the other end; gives its exit status and its last words."""

    def run(*arguments):
        reading, writing = os.pipe()
        os.close(reading)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, *arguments]
        with os.fdopen(writing, "w") as out:
            ended = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False, env=environment)
        return ended.returncode, ended.stderr

    return run


@pytest.mark.parametrize("arguments", [("--help",), ("--help", "optimizer=adam"), ("--cfg",)])
@pytest.mark.parametrize("buffered", [True, False])
def test_what_is_only_printed_ends_without_a_word(closed, monkeypatch, arguments, buffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", "" if buffered else "1")
    assert closed("-m", "hpsearch", *arguments) == (141, "")


def test_what_runs_is_stopped_by_an_error_of_ours(closed):
    status, words = closed("-c", PRINTED)
    assert status == 1
    assert words.rstrip().endswith(
        "OutputClosedError: stopped, since standard output was closed; the same command resumes"
    )
