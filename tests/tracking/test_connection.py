import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from hpsearch.errors import TrackingError
from hpsearch.tracking import connection
from hpsearch.tracking.tracker import Tracker


def refused(uri, directory, match):
    start = time.monotonic()
    with pytest.raises(TrackingError, match=match) as caught:
        Tracker.connect(uri, directory)
    assert time.monotonic() - start < 10
    return str(caught.value)


def test_importing_the_tracker_loads_neither_mlflow_nor_pandas():
    code = (
        "import sys, hpsearch.tracking.tracker; print([m for m in ('mlflow', 'pandas', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
def test_what_connecting_needs_is_imported_beforehand(folder):
    code = (
        "import sys; from pathlib import Path; from hpsearch.tracking.connection import load\n"
        "from hpsearch.tracking.tracker import Tracker\n"
        "uri = f'sqlite:///{sys.argv[1]}/mlflow.db'; load(uri); before = set(sys.modules)\n"
        "Tracker.connect(uri, Path(sys.argv[1])).close(); print(len(before), len(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    before, later = map(int, done.stdout.split())
    assert later < 0.02 * before, "MLflow brings more than a thousand modules"


@pytest.mark.slow
def test_connecting_switches_telemetry_off_where_mlflow_would_not_do_it_by_itself(folder):
    code = (
        "import sys; from pathlib import Path; from hpsearch.tracking.tracker import Tracker\n"
        "d = Path(sys.argv[1]); Tracker.connect(f'sqlite:///{d}/mlflow.db', d)\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled; print(is_telemetry_disabled())"
    )
    environment = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    command = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_server_that_is_down_is_refused_with_its_address_and_the_way_out(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    message = refused(f"http://127.0.0.1:{port}", tmp_path / "mlruns", f"http://127.0.0.1:{port} cannot be used")
    assert "tracking.uri=" in message
    assert not (tmp_path / "mlruns").exists()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(connection, "ANSWER_S", 0.2)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_accepts_and_never_answers_is_refused_at_once_and_nothing_is_made(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.monotonic()
        refused(uri, tmp_path / "mlruns", r"it cannot be reached \(no answer within 0.2 s\)")
        assert time.monotonic() - start < 2
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.usefixtures("impatient")
def test_a_name_that_cannot_be_looked_up_in_time_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(0.5))
    refused("http://somewhere:5000", tmp_path, r"it cannot be reached \(no answer within 0.2 s\)")


@pytest.mark.usefixtures("impatient")
def test_a_database_that_accepts_and_never_answers_is_refused(tmp_path, monkeypatch):
    def connect_for_ever(_uri):
        time.sleep(0.5)

    monkeypatch.setattr("sqlalchemy.create_engine", connect_for_ever)
    refused("postgresql://me@127.0.0.1:1/db", tmp_path, r"it cannot be reached \(no answer within 0.2 s\)")


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (b"HTTP/1.1 404 Not Found", r"is no MLflow server in working order \(HTTP status 404\)"),
        (b"HTTP/1.1 502 Bad Gateway", r"is no MLflow server in working order \(HTTP status 502\)"),
        (b"SSH-2.0-OpenSSH_9.6", "it cannot be reached .*SSH-2.0"),
        (b"", "it cannot be reached .*without response"),
    ],
)
def test_what_answers_and_is_no_mlflow_server_is_refused(tmp_path, answer, match):
    with socket.create_server(("127.0.0.1", 0)) as other:
        thread = threading.Thread(target=answer_once, args=(other, answer))
        thread.start()
        refused(f"http://me:pw@127.0.0.1:{other.getsockname()[1]}/base/", tmp_path, match)
        thread.join()


def answer_once(server, answer):
    """Answers the first request, in which no login may stand."""
    client, _ = server.accept()
    with client:
        request = client.recv(10_000)
        assert request.startswith(b"GET /base/api/2.0/mlflow/experiments/search?max_results=1 ")
        assert b"Authorization" not in request
        client.sendall(answer and answer + b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "mlruns", "databricks", "ftp://host"])
def test_a_store_of_another_kind_is_refused_with_the_known_kinds(tmp_path, uri):
    refused(uri, tmp_path, r"must begin with http://, https://, sqlite://, postgresql://")


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///a.db?mode=ro"])
def test_a_sqlite_store_without_a_file_is_refused(tmp_path, uri):
    refused(uri, tmp_path, "must name a file")


def test_a_path_that_cannot_be_made_is_refused_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("")
    refused(f"sqlite:///{tmp_path}/file/mlflow.db", tmp_path, "Not a directory: .*file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_directory_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    refused(None, tmp_path, "Permission denied")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    other = tmp_path / "mlflow.db"
    other.write_text("my notes, do not touch")
    refused(f"sqlite:///{other}", tmp_path, "is not a SQLite database")
    assert other.read_text() == "my notes, do not touch"


def test_a_broken_database_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    refused(f"sqlite:///{tmp_path}/mlflow.db", tmp_path, "mlflow.db: ")


def test_a_database_of_another_version_is_refused_with_the_command_that_upgrades_it(folder):
    database = sqlite3.connect(folder / "mlflow.db")
    database.execute("UPDATE alembic_version SET version_num = 'older'")
    database.commit()
    database.close()
    refused(f"sqlite:///{folder}/mlflow.db", folder, "mlflow db upgrade")


@pytest.mark.slow
def test_a_disk_that_fills_up_while_the_store_is_made_leaves_none_and_the_next_start_makes_it(tmp_path):
    code = (
        "import resource, signal, sys; from pathlib import Path; from hpsearch.tracking.tracker import Tracker\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "Tracker.connect(None, Path(sys.argv[1]))"
    )
    command = [sys.executable, "-B", "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "TrackingError" in done.stderr
    assert "mlflow.db" not in {path.name for path in tmp_path.iterdir()}
    with Tracker.connect(None, tmp_path) as tracker:
        assert tracker.open_sweep("x", identity="x", started_ms=1).run_id
    assert {path.name for path in tmp_path.iterdir()} <= {"mlflow.db", "mlflow.db.lock", "artifacts"}


@pytest.mark.parametrize(
    ("runs", "match"),
    [(0, "was never finished, .* holds no runs: delete it and start again"), (1, "DROP TABLE _alembic_tmp_endpoints")],
)
def test_a_schema_that_was_left_half_made_is_refused_with_the_way_out(folder, runs, match):
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.execute("CREATE TABLE _alembic_tmp_endpoints (id)")
        if runs:
            database.execute("INSERT INTO runs (run_uuid, lifecycle_stage) VALUES ('a', 'active')")
    database.close()
    refused(None, folder, match)


def test_a_store_that_was_begun_and_is_empty_is_made_anew(migrated, tmp_path, monkeypatch):
    (tmp_path / "mlflow.db").touch()
    (tmp_path / "mlflow.db.new-journal").touch()  # of a start that was killed
    made = []

    def make(uri):  # what MLflow takes a second for
        made.append(uri)
        Path(uri.removeprefix("sqlite:///")).write_bytes((migrated / "mlflow.db").read_bytes())
        return make_client(uri)

    make_client = connection._open
    monkeypatch.setattr(connection, "_open", make)
    Tracker.connect(None, tmp_path).close()
    assert made == [f"sqlite:///{tmp_path}/mlflow.db.new", f"sqlite:///{tmp_path}/mlflow.db"]
    assert {path.name for path in tmp_path.iterdir()} == {"mlflow.db", "mlflow.db.lock"}


def test_who_makes_the_schema_is_waited_for_with_a_word_and_not_for_ever(tmp_path, migrated, monkeypatch, capsys):
    monkeypatch.setattr(connection, "MOMENT_S", 0.01)
    monkeypatch.setattr(connection, "SCHEMA_S", 0.02)
    with FileLock(tmp_path / "mlflow.db.lock"):
        refused(None, tmp_path, r"mlflow.db.lock has been held by another process for 0.02 s")
        word = f"hpsearch: waiting for another process that is just making {tmp_path}/mlflow.db\n"
        assert capsys.readouterr().err == word
        shutil.copy(migrated / "mlflow.db", tmp_path / "mlflow.db")
        Tracker.connect(None, tmp_path).close()  # what is made is not waited for
    assert capsys.readouterr().err == ""


def test_a_missing_driver_is_named(tmp_path):
    refused("mssql+pyodbc://u:pw@127.0.0.1/db", tmp_path, r"its driver is missing \(pyodbc\)")


def test_a_password_is_not_shown(tmp_path):
    message = refused("postgresql://me:hunter2@127.0.0.1:1/db", tmp_path, r"postgresql://me:\*\*\*@127.0.0.1")
    assert "hunter2" not in message


@pytest.mark.parametrize("name", ["with space", "päth 🦆", "100%", "a#b"])
def test_a_directory_of_any_name_works(migrated, tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "mlflow.db").write_bytes((migrated / "mlflow.db").read_bytes())
    with Tracker.connect(f"sqlite:///{folder}/mlflow.db", folder) as tracker:
        sweep = tracker.open_sweep("x", identity="x", started_ms=1)
        tracker.log_artifacts(sweep.run_id, {"a.txt": "a"})
    assert [path.read_text() for path in folder.rglob("a.txt")] == ["a"]


def test_a_symbolic_link_works(folder, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder, target_is_directory=True)
    with Tracker.connect(f"sqlite:///{link}/mlflow.db", link) as tracker:
        assert tracker.open_sweep("x", identity="x", started_ms=1).run_id


@pytest.mark.slow
def test_eight_first_starts_at_once_make_one_schema(tmp_path):
    code = (
        "import sys; from pathlib import Path; from hpsearch.tracking.tracker import Tracker\n"
        "d = Path(sys.argv[1]); t = Tracker.connect(f'sqlite:///{d}/mlflow.db', d)\n"
        "print(t.open_sweep('x', identity=sys.argv[2], started_ms=1).experiment_id)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(i)], stdout=subprocess.PIPE, text=True)
        for i in range(8)
    ]
    answers = {process.communicate(timeout=120)[0] for process in started}
    assert [process.returncode for process in started] == [0] * 8
    assert len(answers) == 1


@pytest.mark.slow
def test_a_real_server_keeps_sweeps_artifacts_and_the_ledger(migrated, tmp_path):
    (tmp_path / "mlflow.db").write_bytes((migrated / "mlflow.db").read_bytes())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/mlflow.db",
        "--artifacts-destination",
        str(tmp_path / "a"),
    ]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        tracker = _when_up(f"http://127.0.0.1:{port}", tmp_path / "unused")
        sweep = tracker.open_sweep("it's\n`x`", identity="x", started_ms=1)
        run_id = tracker.start_attempt(sweep, "-", 0, 1, started_ms=2, config="a: 1\n", params={"lr": 0.1})
        tracker.log_metrics(run_id, {f"m{i}": float(i) for i in range(1500)}, step=0, at_ms=3)
        grants = [
            tracker.ledger.grant("d", 1, claimant="me", granted_at="now", purpose="p", nonce="n") for _ in range(2)
        ]
        again = tracker.open_sweep("it's\n`x`", identity="x", started_ms=9)
        assert tracker.start_attempt(again, "-", 0, 1, started_ms=2) == run_id
        assert len(tracker.attempts(sweep)) == 1
        assert [grant is not None for grant in grants] == [True, False]
        assert [path.read_text() for path in (tmp_path / "a").rglob("config.yaml")] == ["a: 1\n"]
        assert not (tmp_path / "unused").exists()
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def _when_up(uri: str, directory: Path) -> Tracker:
    for _ in range(60):
        try:
            return Tracker.connect(uri, directory)
        except TrackingError:
            time.sleep(1)
    raise AssertionError(uri)
