"""Executor with worker processes on this machine, which fail independently of each other."""

import atexit
import contextlib
import os
import pickle
import signal
import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import ForkServerProcess, SpawnProcess
from typing import Any, Generic

from hpsearch.errors import HpsearchError, WorkerSetupError
from hpsearch.execution.executor import Answer, Done, Raised, Ready, Result, State, Task, WorkerDied
from hpsearch.execution.worker_process import REPEATABLE, context, oom_kills, serve, sheltered

LAST_WORDS_S = 5.0
"""Seconds that an idle worker gets to end by itself."""

START_TRIES = 5
"""Attempts to start a process, 0.1 s apart."""

SETUP_DEATHS = 3
"""Consecutive deaths of workers before they are ready, after which the executor gives up."""


class LocalExecutor(Generic[Task, Result]):
    """Runs tasks in worker processes, one at a time in each.

    Every worker calls `setup()` once and then `work(state, task)` for each of its tasks. Both must be functions of an
    importable module. A worker that dies fails one task and is replaced; workers ignore SIGINT and SIGTERM, and end
    when the driver ends in any way. Signal handlers of the driver should set a flag rather than raise, since an
    exception during `wait` may lose a result.
    """

    def __init__(
        self,
        setup: Callable[[], State],
        work: Callable[[State, Task], Result],
        *,
        workers: int,
        secrets: Collection[str] = (),
    ) -> None:
        """Start the workers, without waiting until they are ready.

        Args:
            setup: Builds the state of a worker.
            work: Runs one task; its return value must be picklable.
            workers: Number of processes, >= 1.
            secrets: Texts to mask in messages of failures.

        Raises:
            HpsearchError: If a process cannot be started.
        """
        assert workers >= 1, workers
        self._program = pickle.dumps((setup, work))
        self._context = context()
        self._secrets = secrets
        self._deaths = 0
        self._oom_kills = oom_kills()
        self._workers: list[_Worker] = []
        atexit.register(self._kill)  # runs before multiprocessing's handler, which would wait forever
        for _ in range(workers):
            self._workers.append(self._start())

    @property
    def free(self) -> int:
        """Number of tasks that can be submitted now."""
        return sum(worker.job is None for worker in self._workers)

    @property
    def running(self) -> tuple[Hashable, ...]:
        """Keys of the tasks that have not ended."""
        return tuple(worker.job.key for worker in self._workers if worker.job)

    def submit(self, key: Hashable, task: Task) -> None:
        """Submit a task to a free worker, of which there must be one; never blocks.

        Args:
            key: Key of the task, returned in `Done`.
            task: Argument of `work`; picklable.
        """
        payload = pickle.dumps(task, pickle.HIGHEST_PROTOCOL)
        idle = [worker for worker in self._workers if worker.job is None]
        assert idle, "submit needs a free worker"
        worker = next((worker for worker in idle if worker.ready), idle[0])
        worker.job = _Job(key, payload)
        worker.send_job()

    def wait(self, timeout: float | None = None) -> list[Done[Result]]:
        """Wait until a task ends, and return all that ended; none after the timeout, or if nothing runs.

        Args:
            timeout: Seconds, >= 0; None: no limit.

        Raises:
            WorkerSetupError: If workers do not become ready; all of them are stopped.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        done: list[Done[Result]] = []
        while self.running and not done:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            sources = {source: worker for worker in self._workers for source in worker.sources}
            heard = connection.wait(list(sources), left)
            if not heard:
                break
            for worker in dict.fromkeys(sources[source] for source in heard):
                done += self._attend(worker)
        return done

    def stop(self, *, now: bool) -> list[Done[Result]]:
        """Stop all workers.

        Args:
            now: Whether to kill them at once; otherwise wait for running tasks. To check for signals meanwhile, call
                `wait` until `running` is empty first.

        Returns:
            The tasks that ended during the wait.
        """
        done: list[Done[Result]] = []
        while not now and self.running:
            done += self.wait()
        if not now:
            for worker in self._workers:
                worker.dismiss()
        self._kill()
        return done

    def __enter__(self) -> "LocalExecutor[Task, Result]":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(now=True)

    def _kill(self) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.bury()
        atexit.unregister(self._kill)

    def _start(self) -> "_Worker":
        for left in reversed(range(START_TRIES)):
            try:
                return self._try_start()
            except (OSError, EOFError) as error:
                if not left:
                    self._kill()
                    reason = str(error) or "the fork server ended"
                    raise HpsearchError(f"a worker process could not be started: {reason}") from error
                time.sleep(0.1)  # a killed fork server may still be exiting; the next attempt starts a new one
        raise AssertionError

    def _try_start(self) -> "_Worker":
        calls, far_calls = self._context.Pipe()
        far_life, life = self._context.Pipe(duplex=False)
        arguments = (self._program, dict(os.environ) | REPEATABLE, far_calls, far_life)
        process = self._context.Process(target=serve, args=arguments, daemon=True)
        try:
            with sheltered():
                process.start()
        except BaseException:
            calls.close()
            life.close()
            raise
        finally:
            far_calls.close()
            far_life.close()
        return _Worker(process, calls, life)

    def _attend(self, worker: "_Worker") -> list[Done[Result]]:
        message = worker.receive()
        if message is None:
            return self._replace(worker)
        if isinstance(message, Ready):
            self._deaths = 0
            worker.ready = True
            worker.send_job()
            return []
        if worker.job is None or isinstance(message, Raised):
            assert isinstance(message, Raised), message
            self._kill()
            raise WorkerSetupError(message.without(self._secrets).cause)
        job, worker.job = worker.job, None
        failure = None if message.failure is None else message.failure.without(self._secrets)
        return [Done(job.key, message.value, failure, message.seconds)]

    def _replace(self, worker: "_Worker") -> list[Done[Result]]:
        place = self._workers.index(worker)
        del self._workers[place]
        exitcode, job = worker.bury(), worker.job
        kills_before, self._oom_kills = self._oom_kills, oom_kills()
        died = WorkerDied(exitcode, out_of_memory=exitcode == -signal.SIGKILL and self._oom_kills > kills_before)
        self._deaths += not worker.ready
        if self._deaths == SETUP_DEATHS:
            self._kill()
            raise WorkerSetupError(died.cause)
        successor = self._start()
        self._workers.insert(place, successor)
        if job is None or job.sent_at is None:  # not begun: the successor takes it over
            successor.job = job
            return []
        return [Done(job.key, None, died, time.monotonic() - job.sent_at)]


@dataclass(slots=True)
class _Job:
    key: Hashable
    payload: bytes
    sent_at: float | None = None  # by the monotonic clock


@dataclass(slots=True, eq=False)
class _Worker:
    process: ForkServerProcess | SpawnProcess
    calls: "connection.Connection[Any, Any]"
    life: "connection.Connection[Any, Any]"
    ready: bool = False
    job: _Job | None = None

    @property
    def sources(self) -> tuple[Any, ...]:
        """Handles that become readable when the worker sends a message or dies."""
        return self.calls, self.process.sentinel

    def send_job(self) -> None:
        """Send the task if the worker is ready; before that, more than the 64 KiB of a pipe would block."""
        if self.ready and self.job:
            with contextlib.suppress(OSError):  # the worker is dead, which `wait` handles
                self.calls.send_bytes(self.job.payload)
                self.job.sent_at = time.monotonic()

    def receive(self) -> Ready | Raised | Answer | None:
        """The next message; None if the worker is dead."""
        try:
            if not self.calls.poll():
                return None
            data = self.calls.recv_bytes()
        except (EOFError, OSError):
            return None
        try:
            message: Ready | Raised | Answer = pickle.loads(data)  # noqa: S301  # from our own worker
        except Exception as error:  # noqa: BLE001  # e.g. a value whose class cannot be imported here
            return Answer(None, Raised.of(error), 0.0)
        return message

    def dismiss(self) -> None:
        """Let an idle worker end by itself."""
        self.calls.close()
        if self.ready:
            self.process.join(LAST_WORDS_S)

    def bury(self) -> int:
        """End the worker if it is alive, release its resources, and return its exit code."""
        self.calls.close()
        self.life.close()
        self.process.join(LAST_WORDS_S)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        code = self.process.exitcode
        self.process.close()
        assert code is not None
        return code
