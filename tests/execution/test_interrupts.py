"""Stopping on a signal."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys
from hpsearch.execution.interrupts import StopSignals

with StopSignals() as signals:
    if len(sys.argv) > 2:
        signals.underway = lambda: sys.argv[2]
    for _ in range(int(sys.argv[1])):
        os.kill(os.getpid(), signal.SIGINT)
    print(signals.number)
"""


@pytest.fixture
def stopped():
    """Exit status, standard output and standard error of a process after so many SIGINT."""

    def run(times, *underway):
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(times), *underway], capture_output=True, encoding="utf-8", check=False
        )
        return ended.returncode, ended.stdout.split(), ended.stderr.split("\n")

    return run


def test_the_first_signal_is_noted_and_answered_at_once(stopped):
    assert stopped(1) == (0, [str(int(signal.SIGINT))], ["", "hpsearch: stopping: a moment …", ""])


def test_the_first_signal_says_what_is_lost(stopped):
    _, _, told = stopped(1, "1 training underway, for 14 min 3 s")
    assert told[1] == (
        "hpsearch: stopping: 1 training underway, for 14 min 3 s: lost, and begun anew by the same command; "
        "what has finished stays"
    )


def test_the_second_signal_ends_the_process_and_says_how_to_go_on(stopped):
    status, shown, told = stopped(2)
    assert (status, shown) == (130, [])
    assert told[-2:] == ["hpsearch: stopped; the same command resumes", ""]
