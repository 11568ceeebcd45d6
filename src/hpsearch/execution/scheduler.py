"""The scheduler between the driver, which submits trials, and workers, which train batches of them in fleets."""

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
"""Default settings of a shape that was not measured."""

BATCH_S = 30.0
"""Maximum expected seconds of a batch, which bounds the loss by a kill and the interval of progress."""

ROUNDS = 4
"""Batches per worker, as long as their fleets are not narrower than `AMPLE`; while one trains, the driver commits the
previous one."""

AMPLE = 128
"""Fleet width above which throughput hardly increases, see benchmarks/NOTES.md."""

_Trial = TypeVar("_Trial", bound=Hashable)

_Kind = tuple[str, int, int | None]
"""Shape, epochs before, rung: equal for jobs that may share a batch."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Trials that train together, by key, and the settings of their fleets."""

    trials: dict[Hashable, TrialJob]
    settings: FleetSettings

    @property
    def job(self) -> Job:
        return TrainJob(tuple(self.trials.values()), self.settings.engine, self.settings.width)

    def narrower(self) -> "list[_Batch]":
        """Two halves, or a single trial in narrower fleets; equal to this batch if it cannot be narrower."""
        items = list(self.trials.items())
        if len(items) > 1:
            middle = len(items) // 2
            return [replace(self, trials=dict(part)) for part in (items[:middle], items[middle:])]
        return [replace(self, settings=replace(self.settings, width=max(1, self.settings.width // 2)))]


@dataclass(slots=True)
class _Split:
    """A trial whose fits are distributed round-robin to several workers."""

    trial: TrialJob
    results: list[tuple[FitResult, ...] | None]


@dataclass(slots=True)
class FleetScheduler:
    """Accepts trials one by one, trains them in batches, and returns their results one by one.

    A batch that runs out of memory is retried in halves; one that fails in any other way or kills its worker is retried
    trial by trial, which isolates the trial that caused it.

    Attributes:
        workers: The executor; its workers must be free when the scheduler is created.
        fleet_settings: Fastest settings by `shape_key`.
        fits: Number of fits of one trial: folds times replicates.
        steps: Number of minibatches of one fit over all epochs.
        expected: The configurations to come, which are shared evenly among the workers.
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
    _since: dict[Hashable, float] = field(default_factory=dict)  # start of running tasks, by the monotonic clock
    _split: dict[Hashable, _Split] = field(default_factory=dict)
    _started: list[Hashable] = field(default_factory=list)

    def __post_init__(self) -> None:
        shapes = [shape_key(config) for config in self.expected]
        best = [self.fleet_settings.get(shape, ALONE).processes or self.workers.free for shape in set(shapes)]
        self._count = max(1, min(self.workers.free, max(best, default=self.workers.free)))
        for shape in set(shapes):
            share = math.ceil(shapes.count(shape) / self._count)
            largest = self._largest_batch(self.fleet_settings.get(shape, ALONE), share)
            self._sizes[shape] = math.ceil(share / math.ceil(share / largest))

    def _largest_batch(self, settings: FleetSettings, share: int) -> int:
        """Maximum number of trials of a batch, for a worker's share of trials.

        They fill one fleet and train within `BATCH_S`, and the share makes `ROUNDS` batches unless those are narrow.
        """
        if settings.engine is not Engine.FLEET:
            return 1
        trial_s = self.fits * self.steps * settings.member_step_ms / 1000
        most = max(1, min(settings.width // self.fits, int(BATCH_S / trial_s) if trial_s else settings.width))
        return min(most, max(math.ceil(AMPLE / self.fits), math.ceil(share / ROUNDS)))

    @property
    def _free_workers(self) -> int:
        return min(self.workers.free, self._count - len(self._running))

    @property
    def _batch_size(self) -> int:
        """Number of trials of the largest batch."""
        return max(self._sizes.values(), default=1)

    @property
    def at_once(self) -> int:
        """Maximum number of trials that train at the same time."""
        return self._count * self._batch_size

    @property
    def free(self) -> int:
        """Number of trials that can be submitted now."""
        return max(0, self._free_workers * self._batch_size - len(self._queue)) if not self._tasks else 0

    @property
    def wants_more(self) -> bool:
        """Whether to submit trials although no worker is free, so that the next free one finds a full batch."""
        return self._batch_size > 1 and not self._free_workers and len(self._queue) < self._batch_size

    @property
    def busy(self) -> bool:
        """Whether any submitted job has not ended."""
        return bool(self._queue or self._tasks or self._running)

    @property
    def underway(self) -> str:
        """Running trainings and their duration, such as `1 training underway, for 3 min 20 s`; or empty."""
        if not self._since:
            return ""
        count = sum(len(task.trials) if isinstance(task, _Batch) else 1 for task in self._running.values())
        longest = show_duration(time.monotonic() - min(self._since.values()))
        return f"{number_of(count, 'training')} underway, {'the first ' if count > 1 else ''}for {longest}"

    def order(self, configs: Mapping[_Trial, Config]) -> list[_Trial]:
        """The best order to submit trials in: grouped by shape if batched, otherwise unchanged."""
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
        """Submit a trial or refit, which starts once its batch is full, or at the next `wait`."""
        if isinstance(job, TrialJob):
            kind = self._kinds[key] = (shape_key(job.config), job.epochs, job.stop_after)
            self._queue[key] = job
            if 1 < self._sizes.get(kind[0], 1) <= len(self._alike(kind)):
                self.dispatch()
        else:
            self._tasks.append((key, job))

    def started(self) -> list[Hashable]:
        """The trials handed to workers since the last call, including repetitions."""
        started, self._started = self._started, []
        return started

    def wait(self, timeout: float | None = None) -> list[Done[JobResult]]:
        """The jobs that ended, by the keys of `submit`; see `LocalExecutor.wait`."""
        self.dispatch()
        ended = [each for done in self.workers.wait(timeout) for each in self._receive(done)]
        self._dispatch(full_only=True)  # the caller may have more trials for other batches
        return ended

    def stop(self, *, now: bool) -> None:
        """Stop all workers and drop unfinished jobs."""
        self.workers.stop(now=now)

    def dispatch(self) -> None:
        """Hand waiting jobs to free workers; `wait` does so as well."""
        if 0 < len(self._queue) < self._free_workers and not self._tasks and not self._running and self.fits > 1:
            self._split_up()
        self._dispatch(full_only=False)

    def _dispatch(self, *, full_only: bool) -> None:
        """Hand tasks and batches (only full ones, if requested) to free workers."""
        while len(self._tasks) < self._free_workers and (batch := self._next_batch(full_only=full_only)):
            self._tasks.append((tuple(batch.trials), batch))
        while self._tasks and self._free_workers:
            name, task = self._tasks.popleft()
            self._running[name], self._since[name] = task, time.monotonic()
            if isinstance(task, _Batch):
                self._started += task.trials
            elif isinstance(task, PartialTrialJob):
                assert isinstance(name, tuple)
                self._started.append(name[0])
            self.workers.submit(name, task.job if isinstance(task, _Batch) else task)

    def _next_batch(self, *, full_only: bool) -> _Batch | None:
        """A batch of the kind that has waited longest; None if there is none."""
        for kind in dict.fromkeys(self._kinds[key] for key in self._queue):
            alike, size = self._alike(kind), self._sizes.get(kind[0], 1)
            if len(alike) >= size or not full_only:
                trials = {key: self._queue.pop(key) for key in alike[:size]}
                return _Batch(trials, self.fleet_settings.get(kind[0], ALONE))
        return None

    def _alike(self, kind: _Kind) -> list[Hashable]:
        """The queued trials of this kind."""
        return [key for key in self._queue if self._kinds[key] == kind]

    def _split_up(self) -> None:
        """Distribute the fits of the last few trials, so that no worker is idle."""
        shares = min(self.fits, self._free_workers // len(self._queue))
        if shares == 1:
            return
        for key, trial in self._queue.items():
            self._split[key] = _Split(trial, [None] * shares)
            settings = self.fleet_settings.get(shape_key(trial.config), ALONE)
            for share in range(shares):
                job = PartialTrialJob(trial, settings.engine, settings.width, share, shares)
                self._tasks.append(((key, share), job))
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
        """Retry a failed batch in smaller parts if it has any; otherwise the failure is that of its trial."""
        refused = isinstance(failure, Raised) and failure.kind == ConfigError.__name__
        singles = [replace(batch, trials={key: trial}) for key, trial in batch.trials.items()]
        again = batch.narrower() if failure.out_of_memory else singles
        if refused or again == [batch]:
            return [replace(done, key=next(iter(batch.trials)))]
        self._tasks.extendleft((tuple(part.trials), part) for part in reversed(again))
        return []

    def _receive_share(self, share_job: PartialTrialJob, done: Done[JobResult]) -> list[Done[JobResult]]:
        assert isinstance(done.key, tuple)
        key, share = done.key
        split = self._split.get(key)
        if split is None:  # another share has failed
            return []
        if done.failure is not None and done.failure.out_of_memory and share_job.width > 1:
            self._tasks.appendleft((done.key, replace(share_job, width=share_job.width // 2)))
            return []
        if done.failure is not None:
            del self._split[key]
            return [replace(done, key=key)]
        assert isinstance(done.value, tuple)
        split.results[share] = tuple(result for result in done.value if isinstance(result, FitResult))
        results = tuple(results for results in split.results if results is not None)
        if len(results) == len(split.results):
            del self._split[key]
            self._tasks.append(((key, "score"), ScoreJob(split.trial, results)))
        return []
