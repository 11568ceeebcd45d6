import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from hpsearch.encoding import NAME
from hpsearch.execution.executor import WorkerDied
from hpsearch.execution.local import LocalExecutor, WorkerSetupError
from hpsearch.execution.worker_process import sheltered
from tests.execution import local_tasks

HERE = Path(__file__).parent


def run_all(executor, tasks, patience=20.0):
    """Results by key; one task for each worker at a time."""
    todo, done = list(enumerate(tasks)), {}
    end = time.monotonic() + patience
    while (todo or executor.running) and time.monotonic() < end:
        while todo and executor.free:
            executor.submit(*todo.pop(0))
        done.update({item.key: item for item in executor.wait(1.0)})
    return done


def test_every_task_gives_its_value_once():
    with LocalExecutor(local_tasks.no_state, local_tasks.double, workers=2) as executor:
        done = run_all(executor, range(10))
    assert {key: item.value for key, item in done.items()} == {k: 2 * k for k in range(10)}
    assert all(item.failure is None and item.seconds >= 0 for item in done.values())


def test_setup_runs_once_in_each_worker_and_its_state_reaches_every_task():
    with LocalExecutor(local_tasks.own_pid, local_tasks.pid, workers=1) as executor:
        done = run_all(executor, range(3))
    states = {item.value for item in done.values()}
    assert len(states) == 1
    state, pid = states.pop()
    assert state == pid != os.getpid()


def test_workers_see_one_thread_and_the_environment_of_the_driver(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("HPSEARCH_TEST_WORD", "größe")
    with LocalExecutor(local_tasks.no_state, local_tasks.environment, workers=1) as executor:
        done = run_all(executor, ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "HPSEARCH_TEST_WORD"])
    assert [done[k].value for k in range(4)] == ["1", "1", "1", "größe"]
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_a_worker_prints_what_its_stream_cannot_encode():
    with LocalExecutor(local_tasks.no_state, local_tasks.errors_of_streams, workers=1) as executor:
        assert run_all(executor, [None])[0].value == {NAME}


def test_no_file_of_the_working_folder_stands_in_for_a_module_that_a_worker_imports(tmp_path):
    (tmp_path / "random.py").write_text("raise AssertionError")
    with sheltered():
        ended = subprocess.run([sys.executable, "-c", "import random"], cwd=tmp_path, check=False)
    assert ended.returncode == 0
    assert "PYTHONSAFEPATH" not in os.environ


def test_a_big_array_comes_back_whole():
    with LocalExecutor(local_tasks.no_state, local_tasks.arrays, workers=1) as executor:
        value = run_all(executor, [(1000, 5000)])[0].value
    assert np.array_equal(value, np.arange(5_000_000, dtype=np.float32).reshape(1000, 5000))


def test_submitting_a_big_task_to_a_worker_that_is_not_ready_does_not_block():
    with LocalExecutor(local_tasks.slow_setup, local_tasks.length, workers=1) as executor:
        start = time.monotonic()
        executor.submit("big", b"x" * 10_000_000)
        assert time.monotonic() - start < 0.4
        assert executor.wait(20)[0].value == 10_000_000


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        ("value", "ValueError: bad learning rate"),
        ("memory", "MemoryError: too much"),
        ("sys.exit", "SystemExit: 3"),
    ],
)
def test_an_exception_is_a_value_and_the_worker_lives_on(how, cause):
    with LocalExecutor(local_tasks.no_state, local_tasks.misbehave, workers=1) as executor:
        pid = executor._workers[0].process.pid
        done = run_all(executor, [how, "ok"])
        assert executor._workers[0].process.pid == pid
    assert done[0].failure.cause == cause
    assert "in misbehave" in done[0].failure.traceback
    assert done[0].failure.out_of_memory == (how == "memory")
    assert done[1].value == "fine"


def test_a_result_that_cannot_cross_the_pipe_is_a_failure_of_its_task():
    with LocalExecutor(local_tasks.no_state, local_tasks.misbehave, workers=1) as executor:
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
def test_a_dead_worker_costs_its_own_task_and_is_replaced(how, exitcode, cause):
    with LocalExecutor(local_tasks.no_state, local_tasks.misbehave, workers=2) as executor:
        run_all(executor, ["ok", "ok"])
        other = executor._workers[0].process.pid
        executor.submit("other", "sleep")
        executor.submit("victim", how)
        ended = {item.key: item for item in executor.wait(20)}
        while executor.running:
            ended.update({item.key: item for item in executor.wait(20)})
        assert executor.free == 2
        assert executor._workers[0].process.pid == other
        assert run_all(executor, ["ok", "ok", "ok"])[2].value == "fine"
    assert ended["victim"].failure == WorkerDied(exitcode)
    assert cause in ended["victim"].failure.cause
    assert ended["other"].value == "slept"


@pytest.fixture
def memory_limit():
    """A control group of 256 MiB, where this machine lets us make one."""
    group = Path("/sys/fs/cgroup/memory") / f"hpsearch-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text("256M", encoding="ascii")
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    yield group
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):  # its last process is on its way out
            return group.rmdir()
        time.sleep(0.05)


def test_a_worker_that_the_system_kills_for_its_memory_is_told_from_one_that_was_killed(memory_limit):
    ended = subprocess.run(
        [sys.executable, HERE / "oom_driver.py", memory_limit],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "the worker process was killed by SIGKILL because memory ran out"


def test_a_worker_killed_between_tasks_costs_nothing():
    with LocalExecutor(local_tasks.no_state, local_tasks.double, workers=1) as executor:
        run_all(executor, [1])
        process = executor._workers[0].process
        os.kill(process.pid, signal.SIGKILL)
        process.join(5)
        executor.submit("next", 21)
        ended = executor.wait(20)
    # the pipe took the task or it did not: either way nobody waits for ever
    assert ended[0].value == 42 or ended[0].failure == WorkerDied(-signal.SIGKILL)


def test_a_task_of_a_worker_killed_before_it_is_ready_is_done_by_its_successor():
    with LocalExecutor(local_tasks.slow_setup, local_tasks.double, workers=1) as executor:
        executor.submit("only", 21)
        os.kill(executor._workers[0].process.pid, signal.SIGKILL)
        assert [(item.key, item.value) for item in executor.wait(20)] == [("only", 42)]


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        (local_tasks.refuse, "RuntimeError: the data set is missing"),
        (local_tasks.die_in_setup, "killed by SIGKILL"),
    ],
)
def test_a_setup_that_fails_is_one_error_and_leaves_no_worker(setup, message):
    executor = LocalExecutor(setup, local_tasks.double, workers=2)
    executor.submit(0, 1)
    with pytest.raises(WorkerSetupError, match=message):
        executor.wait(20)
    assert executor.free == 0


def test_wait_returns_nothing_at_its_time_out_and_when_nothing_runs():
    with LocalExecutor(local_tasks.no_state, local_tasks.sleep, workers=1) as executor:
        assert executor.wait() == []
        executor.submit("long", 30.0)
        start = time.monotonic()
        assert executor.wait(0.2) == []
        assert 0.19 < time.monotonic() - start < 2
        assert executor.running == ("long",)


def test_stopping_now_kills_a_busy_worker_at_once():
    executor = LocalExecutor(local_tasks.no_state, local_tasks.spin, workers=2)
    executor.submit("long", 60.0)
    executor.wait(0.3)
    pids = [worker.process.pid for worker in executor._workers]
    start = time.monotonic()
    assert executor.stop(now=True) == []
    assert time.monotonic() - start < 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_stopping_later_waits_for_what_runs():
    executor = LocalExecutor(local_tasks.no_state, local_tasks.sleep, workers=2)
    executor.submit("a", 0.3)
    executor.submit("b", 0.1)
    pids = [worker.process.pid for worker in executor._workers]
    assert sorted(item.key for item in executor.stop(now=False)) == ["a", "b"]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_workers_do_not_hear_the_signals_of_the_terminal():
    with LocalExecutor(local_tasks.no_state, local_tasks.sleep, workers=1) as executor:
        executor.submit("task", 0.4)
        assert executor.wait(0.2) == []
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(executor._workers[0].process.pid, number)
        assert executor.wait(20)[0].value == 0.4


def test_the_death_of_the_fork_server_ends_no_sweep():
    with LocalExecutor(local_tasks.no_state, local_tasks.sleep, workers=1) as executor:
        executor.submit("task", 30.0)
        executor.wait(0.3)
        worker = psutil.Process(executor._workers[0].process.pid)
        server = worker.parent()
        assert server.pid != os.getpid()
        server.kill()
        assert isinstance(executor.wait(20)[0].failure, WorkerDied)
        psutil.wait_procs([worker], timeout=5)
        assert not worker.is_running()
        executor.submit("next", 0.0)
        assert executor.wait(20)[0].value == 0.0


def start_driver(kind, **environment):
    path = os.pathsep.join([str(HERE), *sys.path])
    process = subprocess.Popen(
        [sys.executable, HERE / "driver_script.py", kind],
        env=os.environ | {"PYTHONPATH": path} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workers = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    assert len(workers) == 2, process.stderr.read()
    return process, workers


@pytest.mark.parametrize("kind", ["spin", "sleep"])
def test_workers_and_their_server_end_with_a_driver_that_is_killed(kind):
    driver, workers = start_driver(kind)
    family = {*workers, *(worker.parent() for worker in workers), *psutil.Process(driver.pid).children(recursive=True)}
    driver.kill()
    driver.communicate(timeout=10)
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


def test_interrupting_the_whole_process_group_leaves_the_decision_to_the_driver():
    driver, workers = start_driver("short")
    os.killpg(driver.pid, signal.SIGINT)
    out, err = driver.communicate(timeout=20)
    assert (driver.returncode, out, err) == (0, "[1.0, 1.0]\n", "")
    assert not any(worker.is_running() for worker in workers)


@pytest.mark.slow
def test_without_room_for_the_socket_of_the_fork_server_workers_start_from_nothing(tmp_path):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    driver, workers = start_driver("short", TMPDIR=str(long))
    assert {worker.ppid() for worker in workers} == {driver.pid}
    os.killpg(driver.pid, signal.SIGINT)
    out, err = driver.communicate(timeout=20)
    assert (driver.returncode, out, err) == (0, "[1.0, 1.0]\n", "")
