"""Drivers of a small sweep, in this process or in one that kills itself at a named step of the commit order.

Run as a program, it forks a driver for each line of its input, with everything imported, and prints how that ended.
"""

import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import optuna

from hpsearch.config import Config
from hpsearch.data.dataset import Development
from hpsearch.engine.device_data import to_device
from hpsearch.execution import run_job
from hpsearch.execution.executor import Done
from hpsearch.execution.interrupts import StopSignals
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.records import Task
from hpsearch.search.driver import Driver
from hpsearch.search.search_loop import SearchLoop
from hpsearch.search.space import Composed, Range, Space
from hpsearch.search.trial_log import TrialLog
from hpsearch.store.optuna_journal import JOURNAL, open_study
from hpsearch.store.provenance import Provenance
from hpsearch.store.sweep_store import SweepStore
from hpsearch.tracking.run_format import Ending
from hpsearch.tracking.tracker import Tracker
from tests.fakes import SilentListener
from tests.specifications import single_level_plan

NAME = "sweep"
STEPS = (
    "attempt begun",
    "asked without a name",
    "asked",
    "run created",
    "trained",
    "record written",
    "artifacts stored",
    "run finished",
    "told",
)
"""The commit order of an attempt; a driver can die after each of them."""
LEARNING_RATES = Space({}, {"optimizer.adam": {"lr": Range(1e-3, 1e-1, log=True, step=None, whole=False)}})


def development(inputs=None):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(60, 5)).astype(np.float32)
    answers = (rows @ draw.normal(size=(5, 3))).argmax(axis=1)
    given = rows if inputs is None else inputs
    return Development("toy", Task.MULTICLASS, given, answers, 3, ("a", "b", "c"), digest="0" * 64)


def plan_of(config, space=LEARNING_RATES):
    base = Composed(config, {}, {})
    return single_level_plan(base, space, lambda options: base, "0" * 64)  # noqa: ARG005  # no option varies


class InProcess:
    """Trains where it stands, one task at a time, while it is waited for, and writes down which."""

    def __init__(self, log, rows=None):
        self._log, self._jobs = log, []
        self._bench = run_job.WorkerState(to_device(rows or development()))

    @property
    def free(self):
        return 1 - len(self._jobs)

    @property
    def running(self):
        return tuple(key for key, _ in self._jobs)

    def submit(self, key, job):
        self._jobs.append((key, job))

    def wait(self, timeout=None):
        if timeout == 0:
            return []
        key, job = self._jobs.pop()
        with self._log.open("a") as log:
            log.write(f"{key[0][1]}\n")
        return [Done(key, run_job.run_job(self._bench, job), None, 0.0)]

    def stop(self, *, now):
        assert now
        self._jobs.clear()
        return []


def ignore(_):
    pass


@dataclass
class Death:
    """Kills this process after a step of trial k."""

    step: str | None
    k: int

    def after(self, step, k):
        if (step, k) == (self.step, self.k):
            os.kill(os.getpid(), signal.SIGKILL)


class MortalStore(SweepStore):
    death: Death

    def begin_attempt(self, level, k):
        number = super().begin_attempt(level, k)
        self.death.after("attempt begun", k)
        return number

    def write_attempt(self, attempt, trial, result, run):
        self.death.after("trained", trial.k)
        folder = super().write_attempt(attempt, trial, result, run)
        self.death.after("record written", trial.k)
        return folder


class MortalTracker(Tracker):
    death: Death

    def start_attempt(self, sweep, level, k, attempt, **known):
        self.death.after("asked", k)
        run_id = super().start_attempt(sweep, level, k, attempt, **known)
        self.death.after("run created", k)
        return run_id

    def log_artifacts(self, run_id, artifacts):
        super().log_artifacts(run_id, artifacts)
        self.death.after("artifacts stored", self.find_trial(run_id).k)

    def finish_attempt(self, run_id, result, **known):
        super().finish_attempt(run_id, result, **known)
        self.death.after("run finished", self.find_trial(run_id).k)


class MortalStudy(optuna.Study):
    death: Death
    asked = -1

    def ask(self, *given, **known):
        trial = super().ask(*given, **known)
        self.asked += 1
        self.death.after("asked without a name", self.asked)
        return trial

    def tell(self, trial, *given, **known):
        done = super().tell(trial, *given, **known)
        self.death.after("told", done.user_attrs.get("k"))
        return done


@contextlib.contextmanager
def search_in(folder, plan, executor, death=None):
    """The loop of a search with the real store, journal and database in `folder`; its parent run ends with it."""
    death = death or Death(None, -1)
    store = MortalStore(folder, NAME)
    store.death = death
    with store.lock(), MortalTracker.connect(None, folder) as tracker, StopSignals() as signals:
        tracker.death = death
        run = tracker.open_sweep(NAME, identity="a", started_ms=1)
        known = open_study(folder / JOURNAL, NAME, "a")
        study = MortalStudy(known.study_name, known._storage)
        study.death = death
        if death.step == "asked without a name":
            study.asked += death.k - first_missing(store, death.k)
        try:
            log = TrialLog(tracker, run, Provenance("cpu", "1"), plan, study, store)
            driver = Driver(log, lambda _: FleetScheduler(executor, {}, 1), signals, ignore, ignore)
            yield SearchLoop(plan, driver, SilentListener())
        except Exception:
            tracker.close_sweep(run, Ending.FAILED, ended_ms=2)
            raise
        tracker.close_sweep(run, Ending.FINISHED, ended_ms=2)


def first_missing(store, k):
    """How many of the trials up to k this driver is going to ask for before k."""
    return sum((("-", earlier) not in store.records()) for earlier in range(k))


def drive(folder, tree, trials, step, k):
    with search_in(folder, plan_of(Config.from_tree(tree)), InProcess(folder / "trained"), Death(step, k)) as search:
        search.finish(trials)


def trainings(folder):
    """Trial to number of times that it was trained."""
    return Counter(int(line) for line in (folder / "trained").read_text().splitlines())


def record_bytes(folder, name=NAME):
    """Trial to the bytes of its record."""
    finished = SweepStore(folder, name).finished()
    return {k: (attempt.folder / "record.json").read_bytes() for (_, k), attempt in finished.items()}


@dataclass
class DriverServer:
    """Forks drivers on demand."""

    process: subprocess.Popen = field(init=False)

    def __enter__(self):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "MLFLOW_DISABLE_TELEMETRY": "true"}
        environment.pop("MLFLOW_TRACKING_URI", None)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.driver_processes"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    def drive(self, folder, config, trials=4, *, step=None, k=-1):
        """How a driver of so many trials ends: 0, or minus the signal that killed it after `step` of trial k."""
        request = {"folder": str(folder), "tree": config.to_tree(), "trials": trials, "step": step, "k": k}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


def serve():
    warm = False
    for line in sys.stdin:
        request = json.loads(line)
        if not warm:  # MLflow takes a second to be ready for its first connection, in every fork
            Tracker.connect(None, Path(request["folder"])).close()
            gc.freeze()  # or each fork looks through all of it for garbage, and copies it by that
            warm = True
        child = os.fork()
        if not child:
            try:
                drive(Path(request.pop("folder")), **request)
            except BaseException:  # noqa: BLE001  # a forked process must not go on with the parent's work
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    import sklearn.model_selection  # noqa: F401
    import torch._dynamo  # noqa: F401  # both on the first training, in every fork

    serve()
