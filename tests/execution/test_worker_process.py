"""The server of workers ends with its driver, and what a killed driver has left is removed by the next one."""

import os
import subprocess
import sys
import textwrap
import time

import psutil
import pytest
from filelock import FileLock

from hpsearch.execution.worker_process import FOLDER, LOCK, remove_left

DRIVER = "from hpsearch.execution.worker_process import preload; preload('slow_module'); input()"
SLOW = """
    import importlib, pathlib, time
    pathlib.Path("begun").touch()
    for at in range(200):
        time.sleep(0.02)
        try:
            importlib.import_module(f"missing_{at}")
        except ImportError:
            pass
    pathlib.Path("loaded").touch()
"""


def begin(folder):
    """A driver whose server is just importing, for four seconds."""
    (folder / "slow_module.py").write_text(textwrap.dedent(SLOW))
    (folder / "tmp").mkdir()
    path = os.pathsep.join([*sys.path, str(folder)])
    environment = os.environ | {"PYTHONPATH": path, "TMPDIR": str(folder / "tmp")}
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], cwd=folder, env=environment, stdin=subprocess.PIPE)
    end = time.monotonic() + 30
    while not (folder / "begun").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    return driver


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no server")
def test_a_server_that_is_still_importing_ends_with_its_killed_driver(tmp_path):
    driver = begin(tmp_path)
    server = [one for one in psutil.Process(driver.pid).children() if "forkserver" in " ".join(one.cmdline())]
    driver.kill()
    driver.communicate()
    _, alive = psutil.wait_procs(server, timeout=2)
    assert (len(server), alive) == (1, [])
    assert not (tmp_path / "loaded").exists()
    (left,) = (tmp_path / "tmp").iterdir()  # nobody was there to remove it
    os.utime(left, (1, 1))
    remove_left(tmp_path / "tmp")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_only_folders_of_ours_that_nobody_holds_and_that_are_no_more_new_are_removed(tmp_path):
    names = ("pymp-abc", f"{FOLDER}new", f"{FOLDER}held", f"{FOLDER}left")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "listener").touch()
        (tmp_path / name / LOCK).touch()
    (tmp_path / f"{FOLDER}of-a-user").mkdir()
    os.utime(tmp_path / f"{FOLDER}of-a-user", (1, 1))
    for name in ("pymp-abc", f"{FOLDER}held", f"{FOLDER}left"):
        os.utime(tmp_path / name, (1, 1))
    lock = FileLock(tmp_path / f"{FOLDER}held" / LOCK)
    with lock:
        os.utime(tmp_path / f"{FOLDER}held", (1, 1))
        remove_left(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*names, f"{FOLDER}of-a-user"} - {f"{FOLDER}left"}


def test_a_driver_that_ends_by_itself_leaves_no_folder(tmp_path):
    driver = begin(tmp_path)
    driver.communicate(b"\n", timeout=30)
    assert list((tmp_path / "tmp").iterdir()) == []
