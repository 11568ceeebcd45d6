"""The way to MLflow: which store, whether it can be reached, one schema, bounded waiting.

MLflow is imported inside functions: it takes 1.2 s, and a command that is refused should not wait for it.
"""

import logging
import os
import socket
import sqlite3
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock, Timeout

from hpsearch.errors import HpsearchError
from hpsearch.secrets import mask_uri

if TYPE_CHECKING:
    from mlflow.tracking.client import MlflowClient

T = TypeVar("T")

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
ACCEPT_S = 3
ANSWER_S = 5
"""Longest waits for a server to accept and to answer at the start: together within the 10 s of promise D1."""
REQUEST_S = 30
"""Longest wait for an answer later on."""
SCHEMA_S = 30
"""Longest wait for another first start that is just creating the schema (1 s on a usual disk)."""
PAUSES_S = (0.2, 1.0)
"""Pauses before a second and a third try of a call that failed for a reason that may pass."""
ENCODED = "in its user and password each of @ : / ? # [ ] % must be percent-encoded, as p%40ss for p@ss"
PASSING = ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED")
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # MLflow repeats failed requests by itself, `runs/create` among them, which then exists twice: we repeat, knowingly.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(ANSWER_S),
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class TrackingError(HpsearchError):
    """MLflow cannot be reached, or refused what it was given; the message names the store and the way out."""


def resolve_uri(uri: str | None, directory: Path) -> str:
    """Where to track: `uri`, or else `MLFLOW_TRACKING_URI`, or else the file `mlflow.db` in `directory`."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{directory.absolute() / 'mlflow.db'}"


def load(uri: str) -> None:
    """Imports what `connect` needs."""
    os.environ.update(SETTINGS)
    import_module("mlflow.tracking.client")
    if _scheme(uri) in DATABASES:
        import_module("mlflow.store.tracking.sqlalchemy_store")


def connect(uri: str) -> "MlflowClient":
    """A client of the store at `uri`, whose schema is created if it is a new database.

    Args:
        uri: A database (`sqlite:///path`, `postgresql://…`, `mysql://…`, `mssql://…`) or a server (`http://…`).

    Raises:
        TrackingError: The store cannot be used; within 10 s, and before anything is created in it.
    """
    os.environ.update(SETTINGS)
    path = check(uri)
    return _open(uri) if path is None else _open_locked(uri, path)


def check(uri: str) -> Path | None:
    """The file of a SQLite store, whose directory is created; None of any other store, which answers.

    For a caller who has much to do before he connects; MLflow is not imported.

    Raises:
        TrackingError: The store cannot be used; within 10 s, and before anything is created in it.
    """
    scheme = _scheme(uri)
    if scheme == "sqlite":
        return check_sqlite(uri)
    if scheme in DATABASES:
        _check_database(uri)
    elif scheme in ("http", "https"):
        _check_port(uri)
    else:
        raise refused(uri, f"it must begin with http://, https://, {'://, '.join(DATABASES)}://")
    return None


def check_sqlite(uri: str) -> Path:
    """The file of a SQLite store that can be written to; its directory is created.

    Raises:
        TrackingError: The path cannot be created or written to, or holds something else.
    """
    name = uri.removeprefix("sqlite:///")
    if name == uri or name in ("", ":memory:") or "?" in name:
        raise refused(uri, "it must name a file as sqlite:///path, without '?'")
    path = Path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        if path.exists():
            with path.open("r+b") as file:
                head = file.read(16)
            if head and head != b"SQLite format 3\0":
                raise refused(uri, f"{path} is not a SQLite database; move it away")
            with closing(sqlite3.connect(path, timeout=ANSWER_S)) as database:
                database.execute("SELECT count(*) FROM sqlite_master")
    except OSError as error:
        raise refused(uri, f"{error.strerror}: {error.filename or path.parent}") from error
    except sqlite3.Error as error:
        raise refused(uri, f"{path}: {error}") from error
    return path


def retried(call: Callable[[], T], uri: str) -> T:
    """The result of a call that may be repeated without harm, after at most three tries.

    Raises:
        TrackingError: The last try failed, or MLflow refused the request for good.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415  # see the top of this file

    for pause_s in (*PAUSES_S, None):
        try:
            return call()
        except MlflowException as error:
            if pause_s is None or error.error_code not in PASSING:
                raise TrackingError(f"MLflow at {mask_uri(uri)} refused a request: {_first_line(error)}") from error
            time.sleep(pause_s)
    raise AssertionError


def refused(uri: str, reason: str) -> TrackingError:
    """The error of a store that cannot be used."""
    return TrackingError(
        f"tracking.uri {mask_uri(uri)} cannot be used: {reason}. Start or repair it, or choose another store by "
        f"tracking.uri=… (or MLFLOW_TRACKING_URI), or another folder by tracking.directory=…"
    )


def _scheme(uri: str) -> str:
    scheme, mark, _ = uri.partition("://")
    return scheme.lower().partition("+")[0] if mark else ""


def _parts(uri: str) -> urllib.parse.SplitResult:
    """The parts of an address, the same ones for every reader: what ends a login or a host stands in neither."""
    try:
        parts = urllib.parse.urlsplit(uri)
        plain = parts.port != 0 and parts.netloc.count("@") <= 1
    except ValueError:
        plain = False
    if not plain or (_scheme(uri) in DATABASES and "@" in uri and "@" not in parts.netloc):
        raise refused(uri, ENCODED)  # what is wrong is not said: it may be a part of the password
    return parts


def _open_locked(uri: str, path: Path) -> "MlflowClient":
    load(uri)  # seconds that nobody should hold a lock for
    try:
        # MLflow's own schema creation races between processes.
        with FileLock(path.with_name(path.name + ".lock"), timeout=SCHEMA_S):
            return _open(uri)
    except Timeout as error:
        raise refused(uri, f"{error.lock_file} has been held by another process for {SCHEMA_S} s") from error


def _open(uri: str) -> "MlflowClient":
    import sqlalchemy.exc  # noqa: PLC0415  # see the top of this file
    from mlflow.exceptions import MlflowException  # noqa: PLC0415
    from mlflow.tracking.client import MlflowClient  # noqa: PLC0415

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters arrives as an exception
    try:
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError) as error:
        raise refused(uri, _first_line(error)) from error
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(REQUEST_S)
    return client


def _check_port(uri: str) -> None:
    parts = _parts(uri)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=ACCEPT_S):
            pass
    except (OSError, UnicodeError) as error:
        raise refused(uri, f"no server answers there ({error})") from error


def _check_database(uri: str) -> None:
    import sqlalchemy  # noqa: PLC0415  # see the top of this file

    parts = _parts(uri)
    if parts.hostname and parts.port:
        _check_port(uri)
    try:
        # MLflow tries ten times in 100 s where this fails at once.
        with sqlalchemy.create_engine(uri).connect():
            pass
    except ModuleNotFoundError as error:
        raise refused(uri, f"its driver is missing ({error.name}): install it with pip") from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise refused(uri, _first_line(error)) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
