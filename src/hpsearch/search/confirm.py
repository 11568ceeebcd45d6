"""The champion on fresh seeds: frozen, retrained, never selected again."""

import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hpsearch.errors import HpsearchError
from hpsearch.execution.local import Done
from hpsearch.execution.worker import WorkerDied
from hpsearch.jobs import Answer, RefitJob, TrialJob
from hpsearch.records import NO_LEVEL, FitResult, Status, Trial, TrialResult
from hpsearch.search.attempts import now_ms
from hpsearch.search.described import config_text, option_params
from hpsearch.search.foreman import Foreman
from hpsearch.search.stop import StoppedError, StopSignals
from hpsearch.search.store import Attempt, SweepStore
from hpsearch.search.study import MAX_DEATHS, failed_result
from hpsearch.tracking.mlflow import Tracker
from hpsearch.tracking.runs import Role, SweepRun

WAIT_S = 0.2


@dataclass(frozen=True, slots=True)
class _Running:
    seed: int
    number: int
    run_id: str
    started_ms: int


@dataclass(slots=True)
class Confirmation:
    """Retrains one frozen trial with fresh seeds, numbered from 1; each is a record and a run, and is not run twice.

    Attributes:
        trial: The champion.
        store: Its fresh-seed records: a store of its own, in which seed s is trial s.
        told: Called after each finished seed with the number of finished ones.
    """

    trial: Trial
    store: SweepStore
    tracker: Tracker
    run: SweepRun
    foreman: Foreman
    signals: StopSignals
    told: Callable[[int], None]
    _open: dict[int, _Running] = field(default_factory=dict)
    _deaths: dict[int, int] = field(default_factory=dict)

    def finish(self, seeds: int) -> list[TrialResult]:
        """The results of seeds 1 … `seeds`, in this order.

        Raises:
            StoppedError: By a signal, after everything open was closed.
        """
        finished = {k: attempt for (_, k), attempt in self.store.finished().items() if k <= seeds}
        adopted = {seed: self._adopt(attempt) for seed, attempt in finished.items()}
        results = {seed: result for seed, result in adopted.items() if not result.status.retried}
        self._close_open_runs()
        try:
            self._work_off(deque(seed for seed in range(1, seeds + 1) if seed not in results), results)
        except Exception:
            # What cannot be closed now, because tracking is what failed, is closed by the next start.
            with contextlib.suppress(Exception):
                self._interrupt()
            raise
        return [results[seed] for seed in range(1, seeds + 1)]

    def _work_off(self, missing: deque[int], results: dict[int, TrialResult]) -> None:
        while missing or self._open:
            self._stop_if_asked()
            while missing and self.foreman.free:
                self._begin(missing.popleft())
            for done in self.foreman.wait(WAIT_S):
                running = self._open[_seed(done)]
                if self._tries_again(running, done):
                    missing.appendleft(running.seed)
                else:
                    results[running.seed] = self._commit(running, done)
                    self.told(len(results))

    def _tries_again(self, running: _Running, done: Done[Answer]) -> bool:
        """Whether a worker died under this seed, and it gets another one."""
        if not isinstance(done.failure, WorkerDied):
            return False
        deaths = self._deaths[running.seed] = self._deaths.get(running.seed, 0) + 1
        if deaths >= MAX_DEATHS:
            return False
        self.tracker.terminate(running.run_id, Status.INTERRUPTED, ended_ms=now_ms(), failure=done.failure.cause)
        del self._open[running.seed]
        return True

    def refit(self, job: RefitJob) -> FitResult:
        """Trains on all development rows.

        Raises:
            StoppedError: By a signal.
            HpsearchError: If the worker failed.
        """
        self.foreman.submit("refit", job)
        while True:
            self._stop_if_asked()
            for done in self.foreman.wait(WAIT_S):
                if isinstance(done.value, FitResult):
                    return done.value
                cause = done.failure.cause if done.failure else "no result"
                raise HpsearchError(f"the refit on all development rows failed: {cause}; nothing was opened")

    def _begin(self, seed: int) -> None:
        number = self.store.begin_attempt(NO_LEVEL, seed)
        started_ms = now_ms()
        run_id = self._start_run(seed, number, started_ms)
        self._open[seed] = _Running(seed, number, run_id, started_ms)
        self.foreman.submit(seed, TrialJob(self.trial.config, redraw=seed))

    def _start_run(self, seed: int, number: int, started_ms: int) -> str:
        return self.tracker.start_attempt(
            self.run,
            self.trial.level,
            self.trial.k,
            number,
            started_ms=started_ms,
            role=Role.CONFIRM,
            part=f"seed {seed}",
            params=option_params(self.trial.config),
            config=config_text(self.trial.config),
        )

    def _commit(self, running: _Running, done: Done[Answer]) -> TrialResult:
        result = done.value if isinstance(done.value, TrialResult) else failed_result(done.failure)
        ended_ms = now_ms()
        times = {"started_ms": running.started_ms, "ended_ms": ended_ms, "run_id": running.run_id}
        trial = replace(self.trial, level=NO_LEVEL, k=running.seed)
        folder = self.store.write_attempt(running.number, trial, result, times)
        del self._open[running.seed]  # from here on it is adopted, whatever fails
        self.tracker.finish_attempt(
            running.run_id, result, ended_ms=ended_ms, artifacts={"record.json": folder / "record.json"}
        )
        return result

    def _adopt(self, attempt: Attempt) -> TrialResult:
        """A whole record is a finished seed; its run is finished too, if the driver died in between."""
        record = attempt.record
        assert record is not None, attempt.folder
        run = self.store.run_file(record.level, record.k, attempt.number)
        assert run is not None, attempt.folder
        run_id = self._start_run(record.k, attempt.number, run["started_ms"])
        result = replace(record.result, measured=run["measured"])
        artifacts = {"record.json": attempt.folder / "record.json"}
        self.tracker.finish_attempt(run_id, result, ended_ms=run["ended_ms"], artifacts=artifacts)
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
        self.foreman.stop(now=True)
        while self._open:
            _, running = self._open.popitem()
            self.tracker.terminate(running.run_id, Status.INTERRUPTED, ended_ms=now_ms())


def _seed(done: Done[Answer]) -> int:
    assert isinstance(done.key, int), done.key
    return done.key
