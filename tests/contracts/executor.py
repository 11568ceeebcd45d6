"""What every executor promises; a test class of one inherits `ExecutorContract` and gives `start`."""

import os
import signal
import time
from functools import partial

import numpy as np
import pytest

from hpsearch.errors import WorkerSetupError
from hpsearch.execution.executor import WorkerDied
from tests.execution import local_tasks

PATIENCE_S = 120.0
"""Longest wait for anything, on a machine that is busy with something else."""


def run_all(executor, tasks):
    """Results by place in the list; one task for each worker at a time."""
    todo, done = list(enumerate(tasks)), {}
    end = time.monotonic() + PATIENCE_S
    while (todo or executor.running) and time.monotonic() < end:
        while todo and executor.free:
            executor.submit(*todo.pop(0))
        done.update({item.key: item for item in executor.wait(1.0)})
    return done


class ExecutorContract:
    """Every test starts its executor by `start(set_up, work, workers=…)`."""

    @pytest.fixture
    def start(self):
        raise NotImplementedError

    @pytest.fixture
    def gate(self, tmp_path):
        """A file that a task waits for: made, it lets the task go on."""
        return tmp_path / "gate"

    def test_every_task_gives_its_value_once(self, start):
        with start(local_tasks.no_state, local_tasks.double, workers=2) as executor:
            done = run_all(executor, range(10))
        assert {key: item.value for key, item in done.items()} == {k: 2 * k for k in range(10)}
        assert all(item.failure is None and item.seconds >= 0 for item in done.values())

    def test_setup_runs_once_in_each_worker_and_its_state_reaches_every_task(self, start):
        with start(local_tasks.own_pid, local_tasks.pid, workers=1) as executor:
            done = run_all(executor, range(3))
        ((state, pid),) = {item.value for item in done.values()}
        assert state == pid != os.getpid()

    def test_workers_see_one_thread_and_the_environment_of_the_driver(self, start, monkeypatch):
        monkeypatch.setenv("OMP_NUM_THREADS", "7")
        monkeypatch.setenv("HPSEARCH_TEST_WORD", "größe")
        names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "HPSEARCH_TEST_WORD"]
        with start(local_tasks.no_state, local_tasks.environment, workers=1) as executor:
            done = run_all(executor, names)
        assert [done[k].value for k in range(4)] == ["1", "1", "1", "größe"]
        assert os.environ["OMP_NUM_THREADS"] == "7"

    def test_a_big_array_comes_back_whole(self, start):
        with start(local_tasks.no_state, local_tasks.arrays, workers=1) as executor:
            value = run_all(executor, [(1000, 5000)])[0].value
        assert np.array_equal(value, np.arange(5_000_000, dtype=np.float32).reshape(1000, 5000))

    def test_submitting_a_big_task_to_a_worker_that_is_not_ready_does_not_block(self, start, gate):
        with start(partial(local_tasks.wait_for, gate), local_tasks.length, workers=1) as executor:
            executor.submit("big", b"x" * 10_000_000)
            gate.touch()  # the setup fails where nobody comes here
            assert executor.wait(PATIENCE_S)[0].value == 10_000_000

    @pytest.mark.parametrize(
        ("how", "cause"),
        [
            ("value", "ValueError: bad learning rate"),
            ("memory", "MemoryError: too much"),
            ("sys.exit", "SystemExit: 3"),
        ],
    )
    def test_an_exception_is_a_value_and_the_worker_lives_on(self, start, how, cause):
        with start(local_tasks.no_state, local_tasks.misbehave, workers=1) as executor:
            done = run_all(executor, ["pid", how, "pid"])
        assert done[1].failure.cause == cause
        assert "in misbehave" in done[1].failure.traceback
        assert done[1].failure.out_of_memory == (how == "memory")
        assert done[0].value == done[2].value

    def test_a_result_that_cannot_be_sent_is_a_failure_of_its_task(self, start):
        with start(local_tasks.no_state, local_tasks.misbehave, workers=1) as executor:
            done = run_all(executor, ["unpicklable", "ok"])
        assert "cannot pickle" in done[0].failure.message
        assert done[1].value == "fine"

    @pytest.mark.parametrize(
        ("how", "exitcode", "cause"),
        [
            ("kill", -signal.SIGKILL, "killed by SIGKILL"),
            ("segfault", -signal.SIGSEGV, "killed by SIGSEGV"),
            ("exit", 0, "ended with exit code 0 and without a result"),
        ],
    )
    def test_a_dead_worker_costs_its_own_task_and_is_replaced(self, start, how, exitcode, cause):
        with start(local_tasks.no_state, local_tasks.misbehave, workers=2) as executor:
            run_all(executor, ["ok", "ok"])
            executor.submit("other", "pid")
            executor.submit("victim", how)
            ended = {}
            while executor.running:
                ended.update({item.key: item for item in executor.wait(PATIENCE_S)})
            assert executor.free == 2
            left = {item.value for item in run_all(executor, ["pid", "pid"]).values()}
        assert ended["victim"].failure == WorkerDied(exitcode)
        assert cause in ended["victim"].failure.cause
        assert ended["other"].value in left
        assert len(left) == 2

    @pytest.mark.parametrize(
        ("setup", "message"),
        [
            (local_tasks.refuse, "RuntimeError: the data set is missing"),
            (local_tasks.die_in_setup, "killed by SIGKILL"),
        ],
    )
    def test_a_setup_that_fails_is_one_error_and_leaves_no_worker(self, start, setup, message):
        executor = start(setup, local_tasks.double, workers=2)
        executor.submit(0, 1)
        with pytest.raises(WorkerSetupError, match=message):
            executor.wait(PATIENCE_S)
        assert executor.free == 0

    def test_wait_returns_nothing_at_its_time_out_and_when_nothing_runs(self, start, gate):
        with start(local_tasks.no_state, local_tasks.wait_for_file, workers=1) as executor:
            assert executor.wait() == []
            executor.submit("long", gate)
            assert executor.wait(0.2) == []
            assert executor.running == ("long",)
            gate.touch()
            assert [item.key for item in executor.wait(PATIENCE_S)] == ["long"]

    def test_stopping_now_does_not_wait_for_what_runs(self, start, gate):
        executor = start(local_tasks.no_state, local_tasks.wait_for_file, workers=2)
        executor.submit("long", gate)
        assert executor.stop(now=True) == []
        assert (executor.free, executor.running) == (0, ())

    def test_stopping_later_waits_for_what_runs(self, start):
        executor = start(local_tasks.no_state, local_tasks.sleep, workers=2)
        executor.submit("a", 0.3)
        executor.submit("b", 0.1)
        assert sorted(item.key for item in executor.stop(now=False)) == ["a", "b"]
        assert (executor.free, executor.running) == (0, ())
