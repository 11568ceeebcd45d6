"""Frozen recipes on fresh seeds: retrained, never selected again."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hpsearch.config import Config
from hpsearch.errors import HpsearchError
from hpsearch.execution.executor import Done, WorkerDied
from hpsearch.execution.interrupts import StoppedError, StopSignals
from hpsearch.execution.scheduler import FleetScheduler
from hpsearch.jobs import JobResult, RefitJob, TrialJob
from hpsearch.records import NO_LEVEL, FitResult, Status, Trial, TrialResult
from hpsearch.search.commit import run_facts
from hpsearch.search.driver import MAX_DEATHS, failed_result
from hpsearch.store.provenance import Provenance
from hpsearch.store.sweep_store import Attempt, SweepStore
from hpsearch.store.trial_config import config_text, option_params
from hpsearch.tracking.runs import Role, SweepRun, now_ms
from hpsearch.tracking.tracker import Tracker

WAIT_S = 0.2

_Key = tuple[int, int]
"""Place of a recipe, and its seed."""

_REFIT = -1
"""The place of refits, which stand beside all recipes."""


def _pass(_underway: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class FrozenRecipe:
    """A trial that is retrained.

    Attributes:
        trial: The trial.
        store: Its fresh-seed records: a store of its own, in which seed s is trial s.
    """

    trial: Trial
    store: SweepStore


@dataclass(frozen=True, slots=True)
class _Running:
    key: _Key
    number: int
    run_id: str
    started_ms: int


@dataclass(slots=True)
class RetrainingDriver:
    """Retrains frozen trials with fresh seeds, numbered from 1; each is a record and a run, and is not run twice.

    Attributes:
        recipes: The trials, all paired: a seed is the same for each of them.
        scheduler: Has them trained; None where every seed that is asked for has a record.
        told: Called after each finished seed with the number of finished ones.
        provenance: What they are trained with.
        tick: Called again and again with what is being trained, in words; empty if nothing is.
    """

    recipes: Sequence[FrozenRecipe]
    tracker: Tracker
    run: SweepRun
    scheduler: FleetScheduler | None
    signals: StopSignals
    told: Callable[[int], None]
    provenance: Provenance
    tick: Callable[[str], None] = _pass
    _seeds: int = 0
    _open: dict[_Key, _Running] = field(default_factory=dict)
    _deaths: dict[_Key, int] = field(default_factory=dict)

    def finish(self, seeds: int) -> list[list[TrialResult]]:
        """For each recipe, the results of seeds 1 … `seeds`, in this order.

        Raises:
            StoppedError: By a signal, after everything open was closed.
        """
        self._seeds = seeds
        results: dict[_Key, TrialResult] = {}
        for place, recipe in enumerate(self.recipes):
            finished = recipe.store.finished()
            adopted = {(place, seed): self._adopt(place, attempt) for (_, seed), attempt in finished.items()}
            results |= {key: result for key, result in adopted.items() if not result.status.retried}
        self._close_open_runs()
        keys = [(place, seed) for seed in range(1, seeds + 1) for place in range(len(self.recipes))]
        missing = {key: self._config(key) for key in keys if key not in results}
        assert self.scheduler is not None or not missing, missing
        try:
            if self.scheduler is not None:
                self._work_off(self.scheduler, deque(self.scheduler.order(missing)), results)
        except Exception:
            # What cannot be closed now, because tracking is what failed, is closed by the next start.
            with contextlib.suppress(Exception):
                self._interrupt()
            raise
        return [[results[place, seed] for seed in range(1, seeds + 1)] for place in range(len(self.recipes))]

    def _config(self, key: _Key) -> Config:
        return self.recipes[key[0]].trial.config

    def _work_off(self, scheduler: FleetScheduler, missing: deque[_Key], results: dict[_Key, TrialResult]) -> None:
        self.signals.underway = lambda: scheduler.underway
        while missing or self._open:
            self._stop_if_asked()
            self.tick(scheduler.underway)
            while missing and scheduler.free:
                self._begin(scheduler, missing.popleft())
            for done in scheduler.wait(WAIT_S):
                running = self._open[_key(done)]
                if self._tries_again(running, done):
                    missing.appendleft(running.key)
                else:
                    results[running.key] = self._commit(running, done)
                    self.told(sum(seed <= self._seeds for _, seed in results))

    def _tries_again(self, running: _Running, done: Done[JobResult]) -> bool:
        """Whether a worker died under this seed, and it gets another one."""
        if not isinstance(done.failure, WorkerDied):
            return False
        deaths = self._deaths[running.key] = self._deaths.get(running.key, 0) + 1
        if deaths >= MAX_DEATHS:
            return False
        self.tracker.terminate(running.run_id, Status.INTERRUPTED, ended_ms=now_ms(), failure=done.failure.cause)
        del self._open[running.key]
        return True

    def refit(self, jobs: Iterable[RefitJob]) -> Iterator[tuple[RefitJob, FitResult]]:
        """Trains on all development rows, side by side where there are workers; each as soon as it is done.

        Raises:
            StoppedError: By a signal.
            HpsearchError: If a worker failed.
        """
        scheduler, waiting = self.scheduler, {(_REFIT, job.retrain): job for job in jobs}
        assert scheduler is not None, waiting
        for key, job in waiting.items():
            scheduler.submit(key, job)
        self.signals.underway = lambda: scheduler.underway
        while waiting:
            self._stop_if_asked()
            self.tick(scheduler.underway)
            for done in scheduler.wait(WAIT_S):
                if not isinstance(done.value, FitResult):
                    cause = done.failure.cause if done.failure else "no result"
                    name = waiting[_key(done)].name
                    raise HpsearchError(f"{name} on all development rows failed: {cause}; nothing was opened")
                yield waiting.pop(_key(done)), done.value

    def _begin(self, scheduler: FleetScheduler, key: _Key) -> None:
        place, seed = key
        number = self.recipes[place].store.begin_attempt(NO_LEVEL, seed)
        started_ms = now_ms()
        run_id = self._start_run(key, number, started_ms, self.provenance)
        self._open[key] = _Running(key, number, run_id, started_ms)
        scheduler.submit(key, TrialJob(self._config(key), redraw=seed))

    def _start_run(self, key: _Key, number: int, started_ms: int, provenance: Provenance | None) -> str:
        trial = self.recipes[key[0]].trial
        return self.tracker.start_attempt(
            self.run,
            trial.level,
            trial.k,
            number,
            started_ms=started_ms,
            role=Role.CONFIRM,
            part=f"seed {key[1]}",
            params=option_params(trial.config),
            tags=None if provenance is None else provenance.tags,
            config=config_text(trial.config),
        )

    def _commit(self, running: _Running, done: Done[JobResult]) -> TrialResult:
        place, seed = running.key
        recipe = self.recipes[place]
        result = done.value if isinstance(done.value, TrialResult) else failed_result(done.failure)
        ended_ms = now_ms()
        times = {"started_ms": running.started_ms, "ended_ms": ended_ms, "run_id": running.run_id}
        folder = recipe.store.write_attempt(
            running.number,
            replace(recipe.trial, level=NO_LEVEL, k=seed),
            result,
            times | self.provenance.tags,
        )
        del self._open[running.key]  # from here on it is adopted, whatever fails
        self.tracker.finish_attempt(running.run_id, result, ended_ms=ended_ms, artifacts=_artifacts(folder))
        return result

    def _adopt(self, place: int, attempt: Attempt) -> TrialResult:
        """A whole record is a finished seed; its run is finished too, if the driver died in between."""
        record = attempt.record
        assert record is not None, attempt.folder
        run = run_facts(self.recipes[place].store, attempt)
        run_id = self._start_run((place, record.k), attempt.number, run["started_ms"], Provenance.read(run))
        result = replace(record.result, measured=run["measured"])
        self.tracker.finish_attempt(run_id, result, ended_ms=run["ended_ms"], artifacts=_artifacts(attempt.folder))
        return result

    def _close_open_runs(self) -> None:
        for run in self.tracker.attempts(self.run, running=True):
            if run.role is Role.CONFIRM:
                self.tracker.terminate(run.run_id, Status.INTERRUPTED, ended_ms=now_ms())

    def _stop_if_asked(self) -> None:
        if self.signals.number is not None:
            self._interrupt()
            raise StoppedError(self.signals.number)

    def _interrupt(self) -> None:
        if self.scheduler is not None:
            self.scheduler.stop(now=True)
        while self._open:
            _, running = self._open.popitem()
            self.tracker.terminate(running.run_id, Status.INTERRUPTED, ended_ms=now_ms())


def _artifacts(folder: Path) -> dict[str, Path]:
    """The files of an attempt that a tracking server keeps: what a report is made from."""
    return {path.name: path for path in sorted(folder.iterdir()) if path.name != "run.json"}


def _key(done: Done[JobResult]) -> _Key:
    assert isinstance(done.key, tuple), done.key
    return done.key
