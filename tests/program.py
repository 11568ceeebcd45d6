"""Runs the program under test as a person does: as a process of its own, in a folder of its own; or by a call."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import optuna
import psutil
from hydra.core.global_hydra import GlobalHydra

from hpsearch.cli.main import main
from hpsearch.execution import worker_process as processes
from hpsearch.store.optuna_journal import JOURNAL, open_journal
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.tracker import Tracker

PATIENCE_S = 120
"""Longest wait for anything, on a machine that is busy with something else."""


@dataclass
class Program:
    """`python -m hpsearch` in one folder."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    processes: list[subprocess.Popen] = field(default_factory=list)

    def surroundings(self):
        """The environment that a command runs in."""
        kept = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "HPSEARCH_DATA")}
        own = {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200", "XDG_STATE_HOME": str(self.folder / "state")}
        return kept | own | self.environment

    def start(self, *overrides):
        process = subprocess.Popen(
            [sys.executable, "-m", "hpsearch", *overrides],
            cwd=self.folder,
            env=self.surroundings(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def clean_up(self):
        """Ends what a failed test has left running."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def run(self, *overrides, status=0):
        """What a command prints on both streams, after it has ended with `status`."""
        process = self.start(*overrides)
        out, err = process.communicate(timeout=5 * PATIENCE_S)
        assert process.returncode == status, f"exit status {process.returncode}\n{out}\n{err}"
        return out + err

    def call(self, *overrides, status=0):
        """What `run` gives, by a call in this process: for commands that do not need a process of their own.

        A process of its own takes four seconds of CPU to import what is imported here, and its server of workers five.
        """
        out, err = io.StringIO(), io.StringIO()
        with contextlib.ExitStack() as stack:
            stack.enter_context(unchanged())
            stack.enter_context(contextlib.chdir(self.folder))
            stack.enter_context(mock.patch.dict(os.environ, self.surroundings(), clear=True))
            stack.enter_context(contextlib.redirect_stdout(out))
            stack.enter_context(contextlib.redirect_stderr(err))
            if status == 2:  # what is refused needs no workers
                stack.enter_context(mock.patch.object(processes, "preload"))
            ended = main(overrides)
        assert ended == status, f"exit status {ended}\n{out.getvalue()}\n{err.getvalue()}"
        return out.getvalue() + err.getvalue()

    def records(self, name):
        """Trial to the bytes of its record."""
        finished = SweepStore(self.folder / "mlruns", name).finished()
        return {k: (attempt.folder / "record.json").read_bytes() for (_, k), attempt in finished.items()}

    def attempts(self, name):
        """How many attempts each trial took."""
        store = SweepStore(self.folder / "mlruns", name)
        return {k: len(store.attempts("-", k)) for _, k in store.finished()}

    def tracker(self):
        """The MLflow store of this folder."""
        return Tracker.connect(None, self.folder / "mlruns")

    def runs(self, name, role=None):
        """The runs of a sweep in MLflow."""
        with self.tracker() as tracker:
            experiment = tracker._store.client.get_experiment_by_name(name)
            runs = list(tracker._store.search(experiment.experiment_id, ""))
        return [run for run in runs if role in (None, run.data.tags["role"])]

    def trials(self, name):
        """Trial number and state of everything that Optuna was asked for."""
        study = optuna.load_study(study_name=name, storage=open_journal(self.folder / "mlruns" / JOURNAL))
        return [(trial.user_attrs.get("k"), trial.state.name) for trial in study.get_trials()]

    def wait_for(self, pattern, process, count=1):
        """Waits until so many paths below `mlruns` match, while the process runs."""
        end = time.monotonic() + PATIENCE_S
        while len(list((self.folder / "mlruns").glob(pattern))) < count:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, pattern
            time.sleep(0.02)


def state():
    """What a command shares with the next one in the same process, and has to leave as it was."""
    return {
        "directory": Path.cwd(),
        "handlers": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "path": list(sys.path),
        "hydra": GlobalHydra.instance().is_initialized(),
        "threads": {thread for thread in threading.enumerate() if not thread.name.startswith("Mlflow")},
    }


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Fails if what runs within leaves anything behind but the server of workers, which the next command takes over."""
    before, others = state(), set(psutil.Process().children(recursive=True))
    with mock.patch.object(processes, "stop_server"):
        yield
    left = {process for process in psutil.Process().children(recursive=True) if not serves(process)} - others
    assert left == set(), left
    changed = {name: (before[name], now) for name, now in state().items() if now != before[name]}
    assert changed == {}, changed


def serves(process):
    """Whether it is multiprocessing's own, of which there is one; or has ended."""
    try:
        return any(name in " ".join(process.cmdline()) for name in ("forkserver", "resource_tracker"))
    except psutil.NoSuchProcess:  # zombies among them
        return True


def family(process):
    """The processes that a driver has started."""
    return psutil.Process(process.pid).children(recursive=True)


def kill(process):
    """Kills a driver with SIGKILL, and waits for what it started to end by itself: at most 10 s."""
    started = family(process)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(started, timeout=10)
    return alive


def new_program(folder, migrated, **environment):
    """A program in a new folder whose database has its schema, which takes a second to make."""
    (folder / "mlruns").mkdir(parents=True)
    shutil.copy(migrated / "mlflow.db", folder / "mlruns" / "mlflow.db")
    return Program(folder, environment)
