"""Connection to MLflow: which store, whether it can be reached, a single schema creation, bounded waiting.

MLflow is imported inside functions: the import takes 1.2 s, and a command that is refused should not wait for it.
"""

import glob
import logging
import os
import sqlite3
import ssl
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPException
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import HTTPSHandler, build_opener

from filelock import FileLock, Timeout

from hpsearch.errors import TrackingError
from hpsearch.quoting import shell_quoted
from hpsearch.secrets import mask_uri

if TYPE_CHECKING:
    from mlflow.tracking.client import MlflowClient

T = TypeVar("T")

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

ANSWER_S = 5
"""Maximum wait for a server's first response, whatever delays it: within the 10 s of promise D1."""

REQUEST_S = 30
"""Maximum wait for a response of a server that has responded before."""

PROBE = "/api/2.0/mlflow/experiments/search"

MOMENT_S, SCHEMA_S = 2, 120
"""Wait for another process that is creating the schema: until a message is shown, and at most. It takes 1 s on a usual
disk, but many processes may share the cores."""

PAUSES_S = (0.2, 1.0)
"""Pauses before the second and third attempt of a call whose failure may be temporary."""

ENCODED = "in its user and password each of @ : / ? # [ ] % must be percent-encoded, as p%40ss for p@ss"

PASSING = (
    "TEMPORARILY_UNAVAILABLE",
    "INTERNAL_ERROR",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
    "RESOURCE_ALREADY_EXISTS",  # another process created it after this one had looked for it: the next look finds it
)

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # MLflow's own retries include `runs/create`, which would create a run twice; `retried` repeats safe calls only.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_S),
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def resolve_uri(uri: str | None, directory: Path) -> str:
    """Return where to track: `uri`, else `MLFLOW_TRACKING_URI`, else the file `mlflow.db` in `directory`."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{directory.absolute() / 'mlflow.db'}"


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite store; None for other stores."""
    return Path(uri.removeprefix("sqlite:///")) if _scheme(uri) == "sqlite" else None


def load(uri: str) -> None:
    """Import the modules that `connect` needs."""
    os.environ.update(SETTINGS)
    import_module("mlflow.tracking.client")
    if _scheme(uri) in DATABASES:
        import_module("mlflow.store.tracking.sqlalchemy_store")


def connect(uri: str) -> "MlflowClient":
    """Return a client of the store at `uri`; the schema of a new database is created.

    Args:
        uri: A database (`sqlite:///path`, `postgresql://…`, `mysql://…`, `mssql://…`) or a server (`http://…`).

    Raises:
        TrackingError: The store cannot be used. Raised within 10 s, before anything is created in it.
    """
    os.environ.update(SETTINGS)
    path = check(uri)
    return _open(uri) if path is None else _open_locked(uri, path)


def check(uri: str) -> Path | None:
    """Check that a store can be used, without creating anything or importing MLflow.

    For callers with much work to do before they connect.

    Args:
        uri: See `connect`.

    Returns:
        The file of a SQLite store, which exists or can be created; None for other stores, which respond.

    Raises:
        TrackingError: The store cannot be used. Raised within 10 s.
    """
    scheme = _scheme(uri)
    if scheme == "sqlite":
        return check_sqlite(uri)
    if scheme in DATABASES:
        _check_database(uri)
    elif scheme in ("http", "https"):
        _check_server(uri)
    else:
        raise refused(uri, f"it must begin with http://, https://, {'://, '.join(DATABASES)}://")
    return None


def check_sqlite(uri: str) -> Path:
    """Return the file of a SQLite store that can be written, once its directory exists.

    Raises:
        TrackingError: The path cannot be created or written, or holds something else or an unfinished database.
    """
    name = uri.removeprefix("sqlite:///")
    if name == uri or name in ("", ":memory:") or "?" in name:
        raise refused(uri, "it must name a file as sqlite:///path, without '?'")
    path = Path(name)
    try:
        with tempfile.TemporaryFile(dir=nearest_folder(path.parent)):
            pass
        if path.exists():
            with path.open("r+b") as file:
                head = file.read(16)
            if head and head != b"SQLite format 3\0":
                raise refused(uri, f"{path} is not a SQLite database; move it away")
            with closing(sqlite3.connect(path, timeout=ANSWER_S)) as database:
                tables = {str(name) for (name,) in database.execute("SELECT name FROM sqlite_master")}
                if halves := [name for name in tables if name.startswith("_alembic_tmp_")]:
                    runs = int(database.execute("SELECT count(*) FROM runs").fetchone()[0]) if "runs" in tables else 0
                    raise refused(uri, _unfinished(path, min(halves), runs))
    except OSError as error:
        raise refused(uri, f"{error.strerror}: {error.filename or path.parent}") from error
    except sqlite3.Error as error:
        raise refused(uri, f"{path}: {error}") from error
    return path


def nearest_folder(path: Path) -> Path:
    """Return the path itself, or its nearest ancestor that exists."""
    return next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))


def retried(call: Callable[[], T], uri: str) -> T:
    """Return the result of an idempotent call, after at most three attempts.

    Args:
        call: The call.
        uri: Address of the store, for the message.

    Raises:
        TrackingError: The last attempt failed, or MLflow refused the request permanently.
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
    """Return the error of a store that cannot be used."""
    return TrackingError(
        f"tracking.uri {mask_uri(uri)} cannot be used: {reason}. Start or repair it, or choose another store by "
        f"tracking.uri=… (or MLFLOW_TRACKING_URI), or another folder by tracking.directory=…"
    )


def _scheme(uri: str) -> str:
    scheme, mark, _ = uri.partition("://")
    return scheme.lower().partition("+")[0] if mark else ""


def _parts(uri: str) -> urllib.parse.SplitResult:
    """Split an address that every parser splits alike: user, password and host contain no delimiters."""
    try:
        parts = urllib.parse.urlsplit(uri)
        plain = parts.port != 0 and parts.netloc.count("@") <= 1
    except ValueError:
        plain = False
    if not plain or (_scheme(uri) in DATABASES and "@" in uri and "@" not in parts.netloc):
        raise refused(uri, ENCODED)  # without details, which may contain a part of the password
    return parts


def _open_locked(uri: str, path: Path) -> "MlflowClient":
    load(uri)  # takes seconds, so it is done before the lock is held
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _is_created(path):  # an existing database is complete, so no lock is needed
            # MLflow's own schema creation races between processes.
            with _acquired(FileLock(path.with_name(path.name + ".lock")), path):
                if not _is_created(path):
                    _create_schema(path)
        return _open(uri)
    except Timeout as error:
        raise refused(uri, f"{error.lock_file} has been held by another process for {SCHEMA_S} s") from error
    except OSError as error:
        raise refused(uri, f"{error.strerror}: {error.filename or path}") from error


def _is_created(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


@contextmanager
def _acquired(lock: FileLock, path: Path) -> Iterator[None]:
    """Hold the lock within the block; print a message if another process keeps it for longer than `MOMENT_S`."""
    try:
        lock.acquire(timeout=MOMENT_S)
    except Timeout:
        sys.stderr.write(f"hpsearch: waiting for another process that is just making {path}\n")
        sys.stderr.flush()
        lock.acquire(timeout=SCHEMA_S - MOMENT_S)
    try:
        yield
    finally:
        lock.release()


def _create_schema(path: Path) -> None:
    # Created under a temporary name, so that a full disk or a kill leaves no partial database.
    new = path.with_name(f"{path.name}.new")
    for left in path.parent.glob(f"{glob.escape(new.name)}*"):  # left by a killed process; we hold the lock
        left.unlink()
    client = _open(f"sqlite:///{new}")
    close(client)
    new.replace(path)


def _open(uri: str) -> "MlflowClient":
    import sqlalchemy.exc  # noqa: PLC0415  # see the top of this file
    from mlflow.exceptions import MlflowException  # noqa: PLC0415
    from mlflow.tracking.client import MlflowClient  # noqa: PLC0415

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # problems arrive as exceptions
    try:
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except (MlflowException, sqlalchemy.exc.SQLAlchemyError) as error:
        raise refused(uri, _first_line(error)) from error
    return client


def close(client: "MlflowClient") -> None:
    """Close a database's connections; a server has none."""
    store = client._tracking_client.store  # noqa: SLF001  # MLflow offers no public way
    if hasattr(store, "_dispose_engine"):
        store._dispose_engine()  # noqa: SLF001


def _check_server(uri: str) -> None:
    """Refuse a server that does not respond or is broken; authentication is left to MLflow."""
    parts = _parts(uri)
    place = parts.netloc.rpartition("@")[2]
    page = parts._replace(netloc=place, path=parts.path.rstrip("/") + PROBE, query="max_results=1", fragment="")
    try:
        status = _within(ANSWER_S, lambda: _status(page.geturl()))
    except (OSError, UnicodeError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise refused(uri, f"it cannot be reached ({reason or type(error).__name__})") from error
    if status == HTTPStatus.NOT_FOUND or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise refused(uri, f"what answers there is no MLflow server in working order (HTTP status {status})")


def _status(page: str) -> int:
    # No credentials are sent and no content is trusted, so any certificate will do; MLflow verifies it on login.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = build_opener(HTTPSHandler(context=context))
    try:
        with opener.open(page, timeout=ANSWER_S) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Return the result of a call that may hang, such as a name lookup; its thread is abandoned on timeout."""
    ended: Future[T] = Future()

    def run() -> None:
        try:
            ended.set_result(call())
        except Exception as error:  # noqa: BLE001  # raised again by `result`
            ended.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return ended.result(seconds)
    except TimeoutError as error:
        raise TimeoutError(f"no answer within {seconds:g} s") from error


def _check_database(uri: str) -> None:
    import sqlalchemy  # noqa: PLC0415  # see the top of this file

    _parts(uri)

    def log_in() -> None:
        # This fails at once where MLflow would retry ten times in 100 s.
        with sqlalchemy.create_engine(uri).connect():
            pass

    try:
        _within(ANSWER_S, log_in)
    except TimeoutError as error:
        raise refused(uri, f"it cannot be reached ({error})") from error
    except ModuleNotFoundError as error:
        raise refused(uri, f"its driver is missing ({error.name}): install it with pip") from error
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise refused(uri, _first_line(error)) from error


def _unfinished(path: Path, table: str, runs: int) -> str:
    if not runs:
        return f"{path} was never finished, as where the disk was full, and holds no runs: delete it and start again"
    return (
        f"an upgrade of {path} was cut short: copy it, then drop what was left (sqlite3 {shell_quoted(str(path))} "
        f"'DROP TABLE {table}') and run: mlflow db upgrade {shell_quoted(f'sqlite:///{path}')}"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
