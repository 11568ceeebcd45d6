"""Worker processes on this machine: what every executor promises, and what becomes of processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from hpsearch.execution.executor import WorkerDied
from hpsearch.execution.local import LocalExecutor
from hpsearch.execution.worker_process import sheltered
from hpsearch.output_encoding import NAME
from tests.contracts.executor import PATIENCE_S, ExecutorContract, run_all
from tests.execution import local_tasks

HERE = Path(__file__).parent


class TestLocalExecutor(ExecutorContract):
    @pytest.fixture
    def start(self):
        return LocalExecutor


def test_a_worker_prints_what_its_stream_cannot_encode():
    with LocalExecutor(local_tasks.no_state, local_tasks.errors_of_streams, workers=1) as executor:
        assert run_all(executor, [None])[0].value == {NAME}


def test_no_file_of_the_working_folder_stands_in_for_a_module_that_a_worker_imports(tmp_path):
    (tmp_path / "random.py").write_text("raise AssertionError")
    with sheltered():
        ended = subprocess.run([sys.executable, "-c", "import random"], cwd=tmp_path, check=False)
    assert ended.returncode == 0
    assert "PYTHONSAFEPATH" not in os.environ


@pytest.mark.parametrize("now", [True, False])
def test_stopping_leaves_no_process(now):
    executor = LocalExecutor(local_tasks.no_state, local_tasks.sleep, workers=2)
    executor.submit("task", 60.0 if now else 0.1)
    executor.wait(0)
    pids = [worker.process.pid for worker in executor._workers]
    executor.stop(now=now)
    assert not any(psutil.pid_exists(pid) for pid in pids)


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
        ended = executor.wait(PATIENCE_S)
    # the pipe took the task or it did not: either way nobody waits for ever
    assert ended[0].value == 42 or ended[0].failure == WorkerDied(-signal.SIGKILL)


def test_a_task_of_a_worker_killed_before_it_is_ready_is_done_by_its_successor():
    with LocalExecutor(local_tasks.slow_setup, local_tasks.double, workers=1) as executor:
        executor.submit("only", 21)
        os.kill(executor._workers[0].process.pid, signal.SIGKILL)
        assert [(item.key, item.value) for item in executor.wait(PATIENCE_S)] == [("only", 42)]


def test_workers_do_not_hear_the_signals_of_the_terminal(tmp_path):
    with LocalExecutor(local_tasks.no_state, local_tasks.wait_for_file, workers=1) as executor:
        run_all(executor, [tmp_path])
        executor.submit("task", tmp_path / "gate")
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(executor._workers[0].process.pid, number)
        (tmp_path / "gate").touch()
        assert executor.wait(PATIENCE_S)[0].failure is None


@pytest.mark.slow
def test_the_death_of_the_fork_server_ends_no_sweep():
    with LocalExecutor(local_tasks.no_state, local_tasks.sleep, workers=1) as executor:
        run_all(executor, [0.0])  # or its successor would begin the task
        executor.submit("task", 60.0)
        worker = psutil.Process(executor._workers[0].process.pid)
        server = worker.parent()
        assert server.pid != os.getpid()
        server.kill()
        assert isinstance(executor.wait(PATIENCE_S)[0].failure, WorkerDied)
        psutil.wait_procs([worker], timeout=PATIENCE_S)
        assert not worker.is_running()
        executor.submit("next", 0.0)
        assert executor.wait(PATIENCE_S)[0].value == 0.0


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


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["spin", "sleep"])
def test_workers_and_their_server_end_with_a_driver_that_is_killed(kind):
    driver, workers = start_driver(kind)
    family = {*workers, *(worker.parent() for worker in workers), *psutil.Process(driver.pid).children(recursive=True)}
    driver.kill()
    driver.communicate(timeout=PATIENCE_S)
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
    assert alive == []


@pytest.mark.slow
def test_interrupting_the_whole_process_group_leaves_the_decision_to_the_driver():
    driver, workers = start_driver("short")
    os.killpg(driver.pid, signal.SIGINT)
    out, err = driver.communicate(timeout=PATIENCE_S)
    assert (driver.returncode, out, err) == (0, "[1.0, 1.0]\n", "")
    assert not any(worker.is_running() for worker in workers)


@pytest.mark.slow
def test_without_room_for_the_socket_of_the_fork_server_workers_start_from_nothing(tmp_path):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    driver, workers = start_driver("short", TMPDIR=str(long))
    assert {worker.ppid() for worker in workers} == {driver.pid}
    os.killpg(driver.pid, signal.SIGINT)
    out, err = driver.communicate(timeout=PATIENCE_S)
    assert (driver.returncode, out, err) == (0, "[1.0, 1.0]\n", "")
