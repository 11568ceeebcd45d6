"""Between the driver, who thinks in trials, and the workers, who train many fits at once."""

import math
import time
from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from hpsearch.config import Config, ConfigError, Engine
from hpsearch.engine.fleet.grouping import shape_key
from hpsearch.execution.executor import Done, Raised, WorkerDied, Workers
from hpsearch.formatting import number_of, show_duration
from hpsearch.jobs import FleetSettings, Job, JobResult, PartialTrialJob, RefitJob, Rung, ScoreJob, TrainJob, TrialJob
from hpsearch.records import FitResult, TrialResult

ALONE = FleetSettings(Engine.REFERENCE, 1, math.inf)
"""How a shape is trained that nobody knows better about."""

BATCH_S = 30.0
"""Seconds that a batch may be expected to take: a kill costs at most that, and progress is seen as often."""

ROUNDS = 4
"""Batches that every worker gets, as long as their fleets are not narrower than `AMPLE`: while one trains, the driver
commits the one before and begins the next."""

AMPLE = 128
"""Members of a fleet from which on a wider one gains little, see benchmarks/NOTES.md."""

_Trial = TypeVar("_Trial", bound=Hashable)

_Kind = tuple[str, int, int | None]
"""Equal for jobs that can be in one batch: shape, epochs before, rung."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Trials that train together, by key."""

    trials: dict[Hashable, TrialJob]
    pace: FleetSettings

    @property
    def job(self) -> Job:
        """What a worker is asked."""
        return TrainJob(tuple(self.trials.values()), self.pace.engine, self.pace.width)

    def narrower(self) -> "list[_Batch]":
        """The same work in two halves, or in narrower fleets; itself where there is nothing narrower."""
        items = list(self.trials.items())
        if len(items) > 1:
            middle = len(items) // 2
            return [replace(self, trials=dict(part)) for part in (items[:middle], items[middle:])]
        return [replace(self, pace=replace(self.pace, width=max(1, self.pace.width // 2)))]

    def singles(self) -> "list[_Batch]":
        """Each trial for itself."""
        return [replace(self, trials={key: trial}) for key, trial in self.trials.items()]


@dataclass(slots=True)
class _Split:
    """One trial whose fits are dealt out in turn to several workers."""

    trial: TrialJob
    results: list[tuple[FitResult, ...] | None]


@dataclass(slots=True)
class FleetScheduler:
    """Takes trials one by one, has them trained in fleets, and gives their results back one by one.

    A batch that runs out of memory is tried again in halves; one that fails or kills its worker in any other way is
    tried again trial by trial, so that the culprit is found and the others are not touched.

    Attributes:
        workers: The executor; its free workers are counted when the scheduler starts.
        fleet_settings: How each shape trains, by `shape_key`.
        fits: Fits of one trial: folds times replicates.
        steps: Minibatches of one fit, over all epochs.
        expected: The configurations that are going to come, so that every worker gets its share of them.
    """

    workers: Workers
    fleet_settings: Mapping[str, FleetSettings]
    fits: int
    steps: int = 0
    expected: Sequence[Config] = ()
    _sizes: dict[str, int] = field(default_factory=dict)
    _count: int = 0
    _queue: dict[Hashable, TrialJob] = field(default_factory=dict)
    _kinds: dict[Hashable, _Kind] = field(default_factory=dict)
    _tasks: deque[tuple[Hashable, _Batch | Job]] = field(default_factory=deque)
    _running: dict[Hashable, _Batch | Job] = field(default_factory=dict)
    _since: dict[Hashable, float] = field(default_factory=dict)  # of what is running, by the monotonic clock
    _split: dict[Hashable, _Split] = field(default_factory=dict)
    _started: list[Hashable] = field(default_factory=list)

    def __post_init__(self) -> None:
        shapes = [shape_key(config) for config in self.expected]
        best = [self.fleet_settings.get(shape, ALONE).processes or self.workers.free for shape in set(shapes)]
        self._count = max(1, min(self.workers.free, max(best, default=self.workers.free)))
        for shape in set(shapes):
            share = math.ceil(shapes.count(shape) / self._count)
            pace = self.fleet_settings.get(shape, ALONE)
            most = min(self._most(pace), self._ample(share)) if pace.engine is Engine.FLEET else 1
            rounds = math.ceil(share / most)
            self._sizes[shape] = math.ceil(share / rounds)

    def _most(self, pace: FleetSettings) -> int:
        """Trials of a batch: as many as fill a fleet, but no more than train in `BATCH_S`."""
        trial_s = self.fits * self.steps * pace.member_step_ms / 1000
        return max(1, min(pace.width // self.fits, int(BATCH_S / trial_s) if trial_s else pace.width))

    def _ample(self, share: int) -> int:
        """Trials of a batch of which a worker gets `ROUNDS`, or fewer where those would be narrow."""
        return max(math.ceil(AMPLE / self.fits), math.ceil(share / ROUNDS))

    @property
    def _hands(self) -> int:
        """Workers that are free, of those that get most done side by side."""
        return min(self.workers.free, self._count - len(self._running))

    @property
    def _largest(self) -> int:
        """Trials of the largest batch."""
        return max(self._sizes.values(), default=1)

    @property
    def at_once(self) -> int:
        """Trials that train at the same time, at most."""
        return self._count * self._largest

    @property
    def free(self) -> int:
        """Number of trials that `submit` takes now."""
        return max(0, self._hands * self._largest - len(self._queue)) if not self._tasks else 0

    @property
    def wants_more(self) -> bool:
        """Whether one more trial should come although nobody is free: who gets free next is to find a whole batch."""
        return self._largest > 1 and not self._hands and len(self._queue) < self._largest

    @property
    def busy(self) -> bool:
        """Whether anything that was submitted has not ended."""
        return bool(self._queue or self._tasks or self._running)

    @property
    def underway(self) -> str:
        """What is being trained and for how long, such as `1 training underway, for 3 min 20 s`; or nothing."""
        if not self._since:
            return ""
        count = sum(len(task.trials) if isinstance(task, _Batch) else 1 for task in self._running.values())
        longest = show_duration(time.monotonic() - min(self._since.values()))
        return f"{number_of(count, 'training')} underway, {'the first ' if count > 1 else ''}for {longest}"

    def order(self, configs: Mapping[_Trial, Config]) -> list[_Trial]:
        """The order in which trials had best come: in batches of one shape, otherwise as they are."""
        shapes = {key: shape_key(config) for key, config in configs.items()}
        place = {key: at for at, key in enumerate(configs)}
        first: dict[str, int] = {}
        for key in configs:
            first.setdefault(shapes[key], place[key])
        together = {shape: size > 1 for shape, size in self._sizes.items()}
        return sorted(
            configs, key=lambda key: (first[shapes[key]] if together.get(shapes[key]) else place[key], place[key])
        )

    def submit(self, key: Hashable, job: TrialJob | RefitJob) -> None:
        """Takes a trial, or a refit; it is begun when its batch is whole, or by the next `wait`."""
        if isinstance(job, TrialJob):
            kind = self._kinds[key] = (shape_key(job.config), job.epochs, job.stop_after)
            self._queue[key] = job
            if 1 < self._sizes.get(kind[0], 1) <= len(self._alike(kind)):
                self.dispatch()
        else:
            self._tasks.append((key, job))

    def started(self) -> list[Hashable]:
        """The trials that workers began to train since this was asked last, each as often as it was handed to one."""
        found, self._started = self._started, []
        return found

    def wait(self, timeout: float | None = None) -> list[Done[JobResult]]:
        """What ended, by the keys of `submit`; see `LocalExecutor.wait`."""
        self.dispatch()
        ended = [one for done in self.workers.wait(timeout) for one in self._receive(done)]
        self._deal(whole=True)  # a batch that is still filling is left to the caller, who may have more for it
        return ended

    def stop(self, *, now: bool) -> None:
        """Ends all workers; what has not ended is forgotten."""
        self.workers.stop(now=now)

    def dispatch(self) -> None:
        """Hands what waits to free workers; `wait` does it too."""
        if 0 < len(self._queue) < self._hands and not self._tasks and not self._running and self.fits > 1:
            self._split_up()
        self._deal(whole=False)

    def _deal(self, *, whole: bool) -> None:
        """Hands tasks and batches to free workers, or of the batches whole ones alone."""
        while len(self._tasks) < self._hands and (batch := self._next_batch(whole=whole)):
            self._tasks.append((tuple(batch.trials), batch))
        while self._tasks and self._hands:
            name, task = self._tasks.popleft()
            self._running[name], self._since[name] = task, time.monotonic()
            self._started += _trials_of(name, task)
            self.workers.submit(name, task.job if isinstance(task, _Batch) else task)

    def _next_batch(self, *, whole: bool) -> _Batch | None:
        """Of the kind that has waited longest; None where nobody waits, or too few for a whole batch."""
        for kind in dict.fromkeys(self._kinds[key] for key in self._queue):
            alike, size = self._alike(kind), self._sizes.get(kind[0], 1)
            if len(alike) >= size or not whole:
                return _Batch(
                    {key: self._queue.pop(key) for key in alike[:size]}, self.fleet_settings.get(kind[0], ALONE)
                )
        return None

    def _alike(self, kind: _Kind) -> list[Hashable]:
        """Those who wait and are of this kind."""
        return [key for key in self._queue if self._kinds[key] == kind]

    def _split_up(self) -> None:
        """Deals out the fits of the few trials that are left, so that no worker is idle."""
        shares = min(self.fits, self._hands // len(self._queue))
        for key, trial in self._queue.items() if shares > 1 else ():
            self._split[key] = _Split(trial, [None] * shares)
            pace = self.fleet_settings.get(shape_key(trial.config), ALONE)
            for share in range(shares):
                job = PartialTrialJob(trial, pace.engine, pace.width, share, shares)
                self._tasks.append(((key, share), job))
        if shares > 1:
            self._queue.clear()

    def _receive(self, done: Done[JobResult]) -> Iterable[Done[JobResult]]:
        task = self._running.pop(done.key)
        self._since.pop(done.key, None)
        if isinstance(task, _Batch):
            return self._receive_batch(task, done)
        if isinstance(task, PartialTrialJob):
            return self._receive_share(task, done)
        if isinstance(task, ScoreJob):
            assert isinstance(done.key, tuple)
            return [replace(done, key=done.key[0])]
        return [done]

    def _receive_batch(self, batch: _Batch, done: Done[JobResult]) -> list[Done[JobResult]]:
        if done.failure is not None:
            return self._receive_failure(batch, done, done.failure)
        assert isinstance(done.value, tuple), done
        share = done.seconds / len(batch.trials)
        return [
            Done(key, result, None, share)
            for key, result in zip(batch.trials, done.value, strict=True)
            if isinstance(result, TrialResult | Rung)
        ]

    def _receive_failure(
        self, batch: _Batch, done: Done[JobResult], failure: Raised | WorkerDied
    ) -> list[Done[JobResult]]:
        """Tries again what may do better in smaller parts; what remains is the trial's own failure."""
        refused = isinstance(failure, Raised) and failure.kind == ConfigError.__name__
        again = batch.narrower() if failure.out_of_memory else batch.singles()
        if refused or again == [batch]:
            return [replace(done, key=next(iter(batch.trials)))]
        self._tasks.extendleft((tuple(part.trials), part) for part in reversed(again))
        return []

    def _receive_share(self, share_job: PartialTrialJob, done: Done[JobResult]) -> list[Done[JobResult]]:
        assert isinstance(done.key, tuple)
        key, share = done.key
        split = self._split.get(key)
        if split is None:  # another share of it has failed
            return []
        if done.failure is not None and done.failure.out_of_memory and share_job.width > 1:
            self._tasks.appendleft((done.key, replace(share_job, width=share_job.width // 2)))
            return []
        if done.failure is not None:
            del self._split[key]
            return [replace(done, key=key)]
        assert isinstance(done.value, tuple)
        split.results[share] = tuple(result for result in done.value if isinstance(result, FitResult))
        whole = tuple(results for results in split.results if results is not None)
        if len(whole) == len(split.results):
            del self._split[key]
            self._tasks.append(((key, "score"), ScoreJob(split.trial, whole)))
        return []


def _trials_of(name: Hashable, task: _Batch | Job) -> list[Hashable]:
    """The trials that a task trains."""
    if isinstance(task, _Batch):
        return list(task.trials)
    if isinstance(task, PartialTrialJob):
        assert isinstance(name, tuple)
        return [name[0]]
    return []
