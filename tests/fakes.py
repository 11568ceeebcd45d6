"""Fakes: what stands in for workers, listeners, drivers of GPUs and tracking, and keeps what it was asked."""

import numpy as np

from hpsearch.config import Engine
from hpsearch.engine.fleet.grouping import shape_key
from hpsearch.execution.executor import Done
from hpsearch.jobs import CheckJob, FleetSettings, PartialTrialJob, ProbeResult, TimingJob, TrainJob
from hpsearch.records import FitResult, Status, TrialResult
from hpsearch.tracking.run_format import SweepRun


class Workshop:
    """Workers that do nothing; what they are asked is looked at, and answered by `fate`."""

    def __init__(self, workers, fate=lambda _: None):
        self.workers, self.fate, self.tasks, self.seen = workers, fate, [], []

    @property
    def free(self):
        return self.workers - len(self.tasks)

    def submit(self, key, job):
        assert self.free > 0
        self.tasks.append((key, job))
        self.seen.append(job)

    def wait(self, timeout):
        assert timeout > 0
        if not self.tasks:
            return []
        key, job = self.tasks.pop(0)
        failure = self.fate(job)
        return [Done(key, None if failure else answer(job), failure, 6.0)]


def answer(job):
    if isinstance(job, TrainJob):
        return tuple(scored(trial) for trial in job.trials)
    if isinstance(job, PartialTrialJob):
        return (fitted(job.share),)
    return scored(job.trial, sum(result.rows for results in job.results for result in results))


def scored(trial, extra=0):
    return TrialResult(Status.OK, None, trial.config.optimizer.lr + extra, None, {}, {}, [], [])


def fitted(rows):
    empty = np.zeros(0)
    return FitResult(Status.OK, None, empty, empty, empty, empty, empty, empty, 0.5, 1, None, 0.1, rows)


class TimedWorkers:
    """Finds that a member-step takes `step_ms`, and that so many processes together do `rates` of them a second."""

    def __init__(self, workers, step_ms, rates):
        self.workers, self.step_ms, self.rates, self.tasks, self.timed = workers, step_ms, rates, [], []

    @property
    def free(self):
        return self.workers - len(self.tasks)

    def submit(self, key, job):
        assert self.free > 0
        self.tasks.append((key, job))

    def wait(self, timeout):
        assert timeout > 0
        tasks, self.tasks = self.tasks, []
        if isinstance(tasks[0][1], TimingJob):
            if tasks[0][1].seconds:
                self.timed.append(len(tasks))
            return [Done(key, self.rates[len(tasks)] / len(tasks), None, 0.1) for key, _ in tasks]
        ((key, job),) = tasks
        assert isinstance(job, CheckJob)
        fleet_settings = {shape_key(config): FleetSettings(Engine.FLEET, 64, self.step_ms) for config in job.shapes}
        return [
            Done(
                key,
                ProbeResult("cpu", fleet_settings, {shape: f"name of {shape}" for shape in fleet_settings}),
                None,
                0.1,
            )
        ]


class InstantWorkers:
    """Workers that have trained everything, each trial to this result, whenever they are asked."""

    def __init__(self, workers, result):
        self.workers, self.result, self.tasks, self.trained = workers, result, [], 0

    @property
    def free(self):
        return self.workers - len(self.tasks)

    def submit(self, key, job):
        self.tasks.append((key, job))

    def wait(self, timeout):
        del timeout
        done = [Done(key, (self.result,) * len(job.trials), None, 1.0) for key, job in self.tasks]
        self.trained += sum(len(job.trials) for _, job in self.tasks)
        self.tasks.clear()
        return done

    def stop(self, *, now):
        assert now
        self.tasks.clear()


class SilentListener:
    """Is told of a sweep, and says nothing."""

    def judged(self, rung, trials, going_on):
        pass

    def narrowed(self, trials, changes):
        pass


class NoDriver:
    """The NVIDIA library on a machine without a GPU."""

    class NVMLError(Exception):
        pass

    def nvmlInit(self):  # noqa: N802
        raise self.NVMLError


class TwoGpus:
    """The NVIDIA library on a machine with two GPUs of 80 GiB, the second of which fell off the bus."""

    class NVMLError(Exception):
        pass

    def __init__(self):
        self.open = 0

    def nvmlInit(self):  # noqa: N802
        self.open += 1

    def nvmlShutdown(self):  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self):  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return f"GPU {handle}"

    def nvmlSystemGetDriverVersion(self):  # noqa: N802
        return b"580.1"

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802, ARG002
        return type("Memory", (), {"used": 20 * 2**30, "total": 80 * 2**30})

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        if handle == 1:
            raise self.NVMLError
        return type("Rates", (), {"gpu": 37})


class FakeTracker:
    """Keeps the endings of one sweep."""

    def __init__(self, *, known=False, broken=False):
        self.known, self.broken, self.endings = known, broken, []

    def open_sweep(self, name, *, identity, tags, **_):
        self.endings.append(None)
        self.tags = tags
        return SweepRun(name, identity, "1", "parent", resumed=self.known)

    def find_sweep(self, name, identity):
        return SweepRun(name, identity, "1", "parent", resumed=True) if self.known else None

    def close_sweep(self, run, ending, **_):
        if self.broken:
            raise ConnectionError
        assert run.run_id == "parent"
        self.endings[-1] = ending


class AnswerLost:
    """A client of a tracking server that does what `call` asks, and then answers by an error, once.

    With `instead`, it was another process that did it just before, with these arguments.
    """

    def __init__(self, inner, call, *, instead=None):
        self.inner, self.call, self.instead, self.lost = inner, call, instead, 0

    def __getattr__(self, name):
        return self.lose if name == self.call and not self.lost else getattr(self.inner, name)

    def lose(self, *given, **known):
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 (takes a while)

        self.lost += 1
        getattr(self.inner, self.call)(*given, **(known if self.instead is None else self.instead))
        raise MlflowException("502 Bad Gateway")
