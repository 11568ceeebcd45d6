import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request

import pytest

from hpsearch.config import ConfigError
from hpsearch.errors import HpsearchError
from hpsearch.execution.executor import Raised
from hpsearch.quoting import command_line
from hpsearch.secrets import filled, mask_override, mask_secrets, mask_text, mask_uri, masked_keys, secret_texts
from tests.program import Program, new_program

SECRET = "hunter2"  # noqa: S105  # of nobody


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://hunter2@host", "https://***@host"),
        ("https://hunter2:@host/x", "https://***@host/x"),
        ("https://me:hunter2@host:5000/x?y=1", "https://***@host:5000/x?y=1"),
        ("postgresql://me:hunter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql+psycopg2://me:%40hunter2%2F@host/db", "postgresql+psycopg2://me:***@host/db"),
        ("postgresql://me:a@hunter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:a/hunter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:a@b/hunter2@host/db", "postgresql://me:***@host/db"),
        ("http://me:1/hunter2@host/db", "http://***@host/db"),
        ("postgresql://me:a'\" hunter2@host/db", "postgresql://me:***@host/db"),
        ("postgresql://host/db?user=me&password=hunter2", "postgresql://host/db?user=me&password=***"),
        ("postgresql://me:a@host/db?sslpassword=hunter2&x=1", "postgresql://me:***@host/db?sslpassword=***&x=1"),
        ("http://host/?access_token=hunter2#x", "http://host/?access_token=***#x"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dhunter2", "mssql+pyodbc:///?odbc_connect=***"),
    ],
)
def test_of_an_address_the_place_is_shown_and_nothing_secret(uri, shown):
    assert mask_uri(uri) == shown
    assert SECRET not in mask_text(f"no answer from {uri.replace(' ', '').translate({34: None, 39: None})}")


@pytest.mark.parametrize(
    "uri",
    [
        "http://host:5000",
        "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=trials",
        "https://hub/user/me@work.org/proxy/5000",
        "sqlite:////a/me@work.org/b.db",
        "postgresql://me@host/db",
        "plain text",
    ],
)
def test_an_address_without_a_secret_stays_as_it_is(uri):
    assert mask_uri(uri) == mask_text(uri) == uri


@pytest.mark.parametrize(
    "line",
    [
        "PASSWORD=hunter2",
        '"api_key": "hunter2",',
        "aws.secret_key: hunter2",
        r"{\"token\": \"hunter2\"}",
        '+db_password: str | None = "hunter2"',
        "'model.kwargs={n: 3, auth_token: hunter2}'",
        "model.kwargs.password='a hunter2'",
        'assert api_key == "hunter2"',
        "if (token := 'hunter2') and pw != 'hunter2': {'secret' => 'hunter2'}",
        "-----BEGIN RSA PRIVATE KEY-----\n+hunter2\n-----END RSA PRIVATE KEY-----",
        "login(ghp_hunter2hunter2hunter2hunter2)",
        "auth=hunter2",
        "authorization: hunter2",
        "password='123hunter2'",
        "Authorization: Bearer hunter2",
        "'model.kwargs.headers={Authorization: 'Bearer hunter2'}'",
        "-H 'Authorization: Basic hunter2'",
        "asked with Bearer hunter2, then",
        "asked with token hunter2",
        "the password: hunter2",
        "the token: hunter2",
        "db_pass=hunter2 pass=hunter2",
        "api_keys: [a, hunter2]",
        "'model.kwargs={credentials: {id: hunter2}, n: 3}'",
    ],
)
def test_assignments_of_secrets_are_masked_in_text(line):
    assert SECRET not in mask_text(line)


@pytest.mark.parametrize(
    "line",
    [
        *("n_tokens=64", "tokens: 8", "tokenizer=bpe", "password_length=9", "token=null", "api_key=${oc.env:API_KEY}"),
        *("n_pass=x", "passes=x", "pass_through=x", "num_tokens=auto", "pad_token=<pad>", "model.kwargs.secret=3"),
        *("auth: none", "a secret: word", "it holds a secret: words follow", "the first pass: worse than before"),
        *("the first pass: 3 epochs", "tokens: [8, 16]", "secrets = []"),
        "in own_models:Token: no layer of it is known",
        "Token: no layer of it is known",
        "a bearer token of Bearer Authorization, basic training, Basic ResNet18, token mixing, token 3 of 10",
    ],
)
def test_sizes_references_and_prose_are_no_secrets(line):
    assert mask_text(line) == line


def test_a_tree_is_masked_by_its_keys_and_addresses():
    tree = {
        "tracking": {"uri": "postgresql://me:hunter2@host:5432/db"},
        "db_password": SECRET,
        "pin": {"password": 1234, "n_tokens": 8, "token": None, "use_token": True},
        "n_pass": "two",
        "headers": {"Authorization": f"Bearer {SECRET}", "X": f"Bearer {SECRET}"},
        "auth": [SECRET, "basic"],
        "list": [{"api_key": SECRET}, "http://u:hunter2@h"],
        "credentials": {"id": SECRET, "all": [SECRET]},
        "optimizer": {"lr": 0.1},
    }
    masked = {
        "tracking": {"uri": "postgresql://me:***@host:5432/db"},
        "db_password": "***",
        "pin": {"password": 1234, "n_tokens": 8, "token": None, "use_token": True},
        "n_pass": "two",
        "headers": {"Authorization": "***", "X": "Bearer ***"},
        "auth": ["***", "basic"],
        "list": [{"api_key": "***"}, "http://***@h"],
        "credentials": {"id": "***", "all": ["***"]},
        "optimizer": {"lr": 0.1},
    }
    assert mask_secrets(tree) == masked
    assert mask_secrets(masked) == masked
    assert mask_secrets(["Bearer abcdef", "Bearer token"]) == ["Bearer ***", "Bearer token"]
    assert mask_secrets({"password": "1234"}) == {"password": "***"}
    assert secret_texts(tree) == {SECRET, f"Bearer {SECRET}"}
    found = ["tracking.uri", "db_password", "headers.Authorization", "headers.X", "auth", "list.api_key", "list"]
    assert masked_keys(masked) == [*found, "credentials.id", "credentials.all"]
    assert masked_keys(tree) == []


def test_a_stored_tree_takes_the_secrets_that_are_given_anew():
    stored = {"kwargs": {"api_key": "***", "n": 3, "token": "***"}, "seed": 1}
    assert filled(stored, {"kwargs": {"api_key": SECRET, "n": 9}}) == {
        "kwargs": {"api_key": SECRET, "n": 3, "token": "***"},
        "seed": 1,
    }


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("tracking.uri=postgresql://me:hunter2@host/db", "tracking.uri=${oc.env:MLFLOW_TRACKING_URI}"),
        ("++tracking.uri='https://hunter2@host'", "++tracking.uri=${oc.env:MLFLOW_TRACKING_URI}"),
        ("tracking.uri=http://host:5000", "tracking.uri=http://host:5000"),
        ("model.kwargs.api_key=hunter2", "model.kwargs.api_key=${oc.env:API_KEY}"),
        ("model.kwargs={api_key: hunter2, n: 3}", "model.kwargs={api_key: ***, n: 3}"),
        ("model.kwargs.db=mysql://a:hunter2@h/b", "model.kwargs.db=${oc.env:DB}"),
        ("+model.kwargs.url='https://me:hunter2@host/x'", "+model.kwargs.url=${oc.env:URL}"),
        ("model.kwargs.path=https://hunter2@host/x", "model.kwargs.path=${oc.env:KWARGS_PATH}"),
        ("model.kwargs.header='Bearer hunter2'", "model.kwargs.header=${oc.env:HEADER}"),
        ("model.kwargs={Authorization: 'Bearer hunter2'}", "model.kwargs={Authorization: ***}"),
        ("model.kwargs.api_keys=[a, hunter2]", "model.kwargs.api_keys=${oc.env:API_KEYS}"),
        ("model.kwargs.password='1234'", "model.kwargs.password=${oc.env:PASSWORD}"),
        ("model.kwargs.password=1234", "model.kwargs.password=1234"),
        ("description='by Bearer hunter2'", "description='by Bearer ***'"),
        ("+model.kwargs.n_pass=3", "+model.kwargs.n_pass=3"),
        ("model.kwargs.n_tokens=64", "model.kwargs.n_tokens=64"),
        ("tracking.uri='${oc.env:MLFLOW_TRACKING_URI}'", "tracking.uri='${oc.env:MLFLOW_TRACKING_URI}'"),
    ],
)
def test_a_command_that_is_shown_reads_its_secrets_from_the_environment(word, shown):
    assert mask_override(word) == shown
    assert SECRET not in command_line([word, "search.trials=4"])


def test_no_error_holds_a_secret():
    assert str(HpsearchError("tracking.uri https://hunter2@host is down")) == "tracking.uri https://***@host is down"
    assert ConfigError("a", "api_key=hunter2 is twice").problems == ("a", "api_key=*** is twice")
    raised = Raised("ValueError", "bad key hunter2", "line 3: hunter2 token=abc").without({SECRET})
    assert raised == Raised("ValueError", "bad key ***", "line 3: *** token=***")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["tracking.uri='postgresql://me:a/hunter2@127.0.0.1:1/db'"], 2),
        (["tracking.uri='postgresql://me:a@hunter2@127.0.0.1:1/db'"], 2),
        (["tracking.uri='postgresql://[me:hunter2@127.0.0.1:1/db'"], 2),
        (["tracking.uri='mssql+pyodbc://me:hunter2@127.0.0.1/db'"], 2),
        (["tracking.uri='https://hunter2@127.0.0.1:1'"], 2),
        (["tracking.uri='http://me:***@127.0.0.1:1'"], 2),
        (["tracking.uri=postgresql://me:(hunter2@127.0.0.1:1/db"], 2),
        (["tracking.url=https://hunter2@127.0.0.1:1"], 2),
        (["name=a", "model.api_key=hunter2"], 2),
        (["--tracking.uri=https://hunter2@127.0.0.1:1"], 2),
        (["tracking.uri=https://hunter2@127.0.0.1:1", "--cfg"], 0),
    ],
)
def test_a_refused_or_printed_command_shows_no_secret(tmp_path, words, status):
    command = ["data=xor", "model=linear", "evaluation=truth_table", *words]
    if words[0].startswith("--t"):
        with pytest.raises(SystemExit):
            Program(tmp_path).call(*command, status=status)
        return
    shown = Program(tmp_path).call(*command, status=status)
    assert SECRET not in shown
    assert "Traceback" not in shown
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_nobody_foresaw_shows_no_secret(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("cannot reach https://hunter2@host")

    monkeypatch.setattr("hpsearch.commands.dispatch.plan_action", fail)
    shown = Program(tmp_path).call("data=xor", status=1)
    assert "RuntimeError: cannot reach https://***@host" in shown


OWN = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, input_shape, outputs, api_key, n_tokens=2):
        assert api_key == "key-hunter2"
        super().__init__(nn.Flatten(), nn.Linear(input_shape[-1] * input_shape[-2] * input_shape[0], outputs))
"""


def await_server(page):
    for _ in range(120):
        try:
            with urllib.request.urlopen(page, timeout=30):  # noqa: S310  # our own server
                return
        except OSError:
            time.sleep(1)
    raise AssertionError(page)


def everything(folder):
    """Name and content of all files; the text of databases as well, which may lie in pages that are no longer used."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path), path.read_bytes()
        if path.suffix == ".db":
            with sqlite3.connect(path) as database:
                yield f"{path} (SQL)", "\n".join(database.iterdump()).encode()
            database.close()


@pytest.mark.slow
def test_nothing_that_a_comparison_its_report_and_its_final_leave_holds_a_secret(migrated, tmp_path):
    """Secrets in the address, in own code's arguments, in a file of options, and in what the environment says."""
    program = new_program(tmp_path / "work", migrated)
    (program.folder / "own.py").write_text(OWN)
    for words in (
        ["init", "-q"],
        ["add", "own.py"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *words], cwd=program.folder, check=True)
    (program.folder / "own.py").write_text(f"{OWN}password = 'hunter2'\n")
    served = tmp_path / "served"
    served.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{served}/mlflow.db", "--artifacts-destination", str(served / "a")]
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    address = f"http://me:p%40%2Fhunter2@127.0.0.1:{port}"
    where, secrets = [f"tracking.uri='{address}'"], ["model.kwargs.api_key=key-hunter2"]
    sweep = ["data=digits", "model=custom", "model.import_path=own:Net", *secrets, "model.kwargs.n_tokens=3"]
    sweep += ["search.compare=optimizer", "search.choose.optimizer=[sgd,adam]", "search.trials=1", "confirm.seeds=2"]
    sweep += ["name=spy", "training.epochs=1", "execution.workers=1"]
    try:
        await_server(f"http://127.0.0.1:{port}/health")
        shown = program.run(*sweep, *where)
        assert "tracking.uri=${oc.env:MLFLOW_TRACKING_URI}" in shown
        shown += program.run(*sweep, *where)  # the same command resumes
        assert "2 of them finished before" in shown
        program.environment["MLFLOW_TRACKING_URI"] = address
        shown += program.run("+report=sweep", "report.sweep=spy")
        asked = "key of sweep 'spy' is a secret, which is not stored: give it"
        final = ["+final=sweep", "final.sweep=spy", "confirm.seeds=1"]
        shown += program.run(*final, status=2)
        assert asked in shown
        shown += program.run(*final, *secrets)
        kwargs = json.loads(next(program.folder.rglob("model.json")).read_bytes())["body"]["config"]["model"]["kwargs"]
        assert kwargs == {"api_key": "***", "n_tokens": 3}
    finally:
        program.clean_up()
        os.killpg(server.pid, signal.SIGKILL)  # a busy machine takes it long to shut down in order
        server.wait()
    left = {name for name, content in everything(tmp_path) if SECRET.encode() in content}
    assert left == {str(program.folder / "own.py")}, left
    (diff,) = (served / "a").rglob("code/working_folder-*.diff")
    assert "+password = ***\n" in diff.read_text()
    assert SECRET not in shown
