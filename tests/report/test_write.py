"""The files of a report: the same bytes every time, and never half of them."""

import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest

from hpsearch.report import write_report
from hpsearch.report.write import build
from tests.report.specimens import one_level

OTHER_SEEDS = {"PYTHONHASHSEED": "4", "PATH": "", "PYTHONPATH": os.pathsep.join(sys.path)}
DIGEST = """
import hashlib, sys
from tests.report.specimens import one_level
from hpsearch.report.write import build
print(hashlib.sha256(b"".join(build(one_level()).values())).hexdigest())
assert "matplotlib.pyplot" not in sys.modules
"""


@pytest.fixture(scope="module")
def contents():
    return build(one_level())


@pytest.fixture
def _instant(monkeypatch, contents):
    """`write_report` without the drawing."""
    monkeypatch.setattr("hpsearch.report.write.build", lambda *_: contents)


@pytest.mark.usefixtures("_instant")
def test_what_a_killed_process_has_left_is_removed_and_what_another_one_is_making_is_not(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    host = socket.gethostname()
    running, elsewhere = f".report-{host}-{os.getppid()}-ab_1", f".report-not-{host}-{ended.pid}-ab_1"
    for name in (running, elsewhere, f".report-{host}-{ended.pid}-ab_1", ".report-ab_12345"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0").touch()
    write_report(one_level(), tmp_path)
    assert {path.name for path in tmp_path.glob(".report-*")} == {running, elsewhere}


@pytest.mark.usefixtures("_instant")
def test_all_files_are_written(tmp_path, contents):
    written = write_report(one_level(), tmp_path / "new" / "folder")
    assert written[0] == tmp_path / "new" / "folder" / "report.html"
    found = {str(path.relative_to(tmp_path / "new" / "folder")): path.read_bytes() for path in written}
    assert found == contents
    assert {"report.md", "report.json", "trials.csv", "confirm.csv", "pairs.csv"} < set(found)


def test_another_process_with_other_hash_seeds_writes_the_same_bytes(contents):
    run = [sys.executable, "-c", DIGEST]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=OTHER_SEEDS)
    assert done.stdout.strip() == hashlib.sha256(b"".join(contents.values())).hexdigest()


def test_building_again_gives_the_same_bytes_and_leaves_the_settings_of_matplotlib_alone(contents):
    before = dict(mpl.rcParams)
    assert build(one_level()) == contents
    assert dict(mpl.rcParams) == before


@pytest.mark.usefixtures("_instant")
def test_figures_of_an_earlier_report_go_and_files_of_others_stay(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "f99-old.svg").write_text("old")
    (tmp_path / "figures" / "mine.svg").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    write_report(one_level(), tmp_path)
    assert not (tmp_path / "figures" / "f99-old.svg").exists()
    assert (tmp_path / "figures" / "mine.svg").read_text() == "mine"
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("_instant")
def test_a_disk_that_fills_up_leaves_whole_files_alone(tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("the report before")
    real, written = Path.write_bytes, []

    def full(path, data):
        written.append(path)
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(one_level(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures", "report.html"]
    assert (tmp_path / "report.html").read_text() == "the report before"


def test_pictures_say_nothing_of_when_and_by_what_they_were_made(contents):
    for path, data in contents.items():
        if path.endswith(".png"):
            assert b"tEXt" not in data
            assert b"matplotlib" not in data.lower()
        if path.endswith(".svg"):
            assert b"matplotlib.org" not in data
            assert b"date" not in data
