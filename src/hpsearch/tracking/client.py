"""Experiments and runs of an MLflow store: safe names, idempotent calls, batches within MLflow's limits."""

import getpass
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from hpsearch.errors import TrackingError
from hpsearch.records import Value
from hpsearch.secrets import mask_secrets
from hpsearch.tracking.connection import close, retried
from hpsearch.tracking.run_format import Ending
from hpsearch.tracking.sanitize import (
    METRICS_PER_BATCH,
    NOTE_LENGTH,
    PARAMS_PER_BATCH,
    TAG_LENGTH,
    batches,
    clip,
    digest,
    display_name,
    key_name,
    param_text,
    tag_texts,
)

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run
    from mlflow.tracking.client import MlflowClient

T = TypeVar("T")

KEY = "key"

SWEEP = "sweep"

ACTIVE_ONLY, DELETED_ONLY, ALL = 1, 2, 3
"""MLflow's `ViewType`, spelled out to avoid importing MLflow."""

NOTE = "mlflow.note.content"

PAGE = 500
"""Number of runs per request; a SQLite store reads this many with their metrics in a second."""


class Store:
    """The MLflow calls that hpsearch uses, each safe to repeat.

    Args:
        client: A client of the store.
        uri: Address of the store, for messages.
        artifact_root: Where new experiments keep artifacts; None: the server decides.
        page: Number of runs per request.
    """

    def __init__(self, client: "MlflowClient", uri: str, artifact_root: str | None, page: int = PAGE) -> None:
        self.client = client
        self.uri = uri
        self.artifact_root = artifact_root
        self._page_size = page
        self._places: dict[str, str] = {}  # run id to artifact location, for runs created here

    def experiment(self, name: str, description: str) -> str:
        """Return the id of the experiment for sweeps of a name, which is created if there is none.

        It is found by a tag, since users may rename experiments.

        Args:
            name: Name of the sweeps.
            description: Markdown for the page of a new experiment.

        Raises:
            TrackingError: The experiment was deleted in MLflow.
        """
        whole = clip(name, NOTE_LENGTH)
        tags = {
            SWEEP: whole,
            NOTE: clip(description, NOTE_LENGTH),
            "mlflow.experimentKind": "custom_model_development",  # otherwise the page asks for it
        }

        def find_or_create() -> Any:
            experiments = self.experiments()
            titles = {each.name: each for each in experiments}
            title = display_name(name)
            if titles.get(title) is not None and titles[title].tags.get(SWEEP, whole) != whole:
                title = f"{title} ~{digest(name)[:8]}"  # another sweep's experiment was renamed to this
            own = next((each for each in experiments if each.tags.get(SWEEP) == whole), titles.get(title))
            if own is not None:
                return own
            new_id = self.client.create_experiment(title, artifact_location=self.artifact_root, tags=tags)
            return self.client.get_experiment(new_id)

        experiment = self.call(find_or_create)
        self._require_active(experiment)
        if SWEEP not in experiment.tags:
            self.describe_experiment(experiment.experiment_id, {SWEEP: whole})
        return str(experiment.experiment_id)

    def parent(self, name: str, key: str) -> "Run | None":
        """Return the parent run of a sweep, in any experiment; None if there is none, or it was deleted in MLflow."""
        return self._parent(self.active(), name, key, ACTIVE_ONLY)

    def require_undeleted(self, name: str, key: str) -> None:
        """Refuse to recreate a run that was deleted in MLflow: its data would be split between two runs.

        Raises:
            TrackingError: The run was deleted; the message says how to restore it.
        """
        experiments = {each.experiment_id: each for each in self.experiments()}
        deleted = self._parent(list(experiments), name, key, DELETED_ONLY)
        if deleted is not None:
            self._require_active(experiments[deleted.info.experiment_id])
            raise TrackingError(
                f"the run of sweep {name!r} was deleted in MLflow: bring it back by "
                f"`mlflow runs restore --run-id {deleted.info.run_id}` with MLFLOW_TRACKING_URI set, or give another "
                "name="
            )

    def _parent(self, within: list[str], name: str, key: str, view: int) -> "Run | None":
        own = clip(name, TAG_LENGTH)  # if a user removed this tag, the key has to suffice
        runs = self.search(within, f"tags.{KEY} = '{key}'", view)
        return next((run for run in runs if run.data.tags.get(SWEEP, own) == own), None)

    def _require_active(self, experiment: "Experiment") -> None:
        if experiment.lifecycle_stage != "active":
            raise TrackingError(
                f"the experiment {experiment.name!r} was deleted in MLflow: bring it back by `mlflow experiments "
                f"restore --experiment-id {experiment.experiment_id}` with MLFLOW_TRACKING_URI set, or give another "
                "name="
            )

    def describe_experiment(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of an experiment."""
        for key, value in tags.items():
            self.call(self.client.set_experiment_tag, experiment_id, key_name(key), clip(value, NOTE_LENGTH))

    def find(self, experiment_id: str, key: str) -> str | None:
        """Return the id of the run with this key, or None."""
        run = next(self.search(experiment_id, f"tags.{KEY} = '{key}'"), None)
        return None if run is None else str(run.info.run_id)

    def run(self, run_id: str) -> "Run":
        """Return the run with this id."""
        return self.call(self.client.get_run, run_id)

    def experiments(self) -> "list[Experiment]":
        """Return all experiments, including deleted ones, oldest first."""
        return list(self.paged(self.client.search_experiments, ALL, order_by=["creation_time ASC"]))

    def active(self) -> list[str]:
        """Return the ids of all experiments that are not deleted."""
        return [str(each.experiment_id) for each in self.experiments() if each.lifecycle_stage == "active"]

    def search(self, within: str | Sequence[str], filter_string: str, view: int = ACTIVE_ONLY) -> Iterator["Run"]:
        """Yield the runs of one or several experiments that match, oldest first."""
        ids, order = [within] if isinstance(within, str) else list(within), ["attributes.start_time ASC"]
        return self.paged(self.client.search_runs, ids, filter_string, view, self._page_size, order)

    def paged(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Yield the results of a search of the client, page after page."""
        token: str | None = None
        while True:
            page = self.call(function, *args, page_token=token, **kwargs)
            yield from page
            token = page.token
            if not token:
                return

    def create(
        self, experiment_id: str, key: str, name: str, started_ms: int, tags: Mapping[str, str], *, search: bool
    ) -> str:
        """Return the id of the run with this key, which is created if there is none.

        Args:
            experiment_id: Its experiment.
            key: A digest that no other run has.
            name: Its name.
            started_ms: Start time, milliseconds since 1970.
            tags: Its tags.
            search: Whether it may exist already. After a failed attempt it is always searched for, since a server may
                have created it before its response was lost.
        """
        labels = tag_texts({**tags, KEY: key, "mlflow.user": _user(), "mlflow.source.name": "hpsearch"})
        tries = 0

        def find_or_create() -> str:
            nonlocal tries
            tries += 1
            existing = self.find(experiment_id, key) if search or tries > 1 else None
            if existing is not None:
                return existing
            info = self.client.create_run(experiment_id, started_ms, labels, display_name(name)).info
            self._places[info.run_id] = info.artifact_uri
            return str(info.run_id)

        return self.call(find_or_create)

    def log(
        self,
        run_id: str,
        *,
        points: Iterable[tuple[str, float, int]] = (),
        at_ms: int = 0,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, Value] | None = None,
    ) -> None:
        """Add metrics as (name, value, step), tags and params to a run, in as few calls as MLflow allows."""
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415  # see `connection`

        metrics = [Metric(name, value, at_ms, step) for name, value, step in points]
        labels = [RunTag(key, text) for key, text in tag_texts(tags or {}).items()]
        values = [Param(key_name(key), param_text(value)) for key, value in mask_secrets(dict(params or {})).items()]
        for rows in batches(values, PARAMS_PER_BATCH):
            self.call(self.client.log_batch, run_id, params=rows)
        head, rest = metrics[: METRICS_PER_BATCH - len(labels)], metrics[METRICS_PER_BATCH - len(labels) :]
        for batch in batches(rest, METRICS_PER_BATCH):
            self.call(self.client.log_batch, run_id, metrics=batch)
        if head or labels:
            self.call(self.client.log_batch, run_id, metrics=head, tags=labels)

    def reopen(self, run_id: str) -> None:
        """Set a run back to running."""
        self.call(self.client.update_run, run_id, "RUNNING")

    def end(self, run_id: str, ending: Ending, ended_ms: int) -> None:
        """End a run; MLflow keeps the time of the last call."""
        self.call(self.client.set_terminated, run_id, str(ending), ended_ms)

    def artifact(self, run_id: str, name: str, content: str | Path) -> None:
        """Store a text or a file with a run.

        Args:
            run_id: The run.
            name: Name of the artifact, which may contain folders.
            content: The text, or the path of a file.

        Raises:
            TrackingError: MLflow or the file system refused it.
        """
        path = PurePosixPath(name)
        folder = None if path.parent == PurePosixPath() else str(path.parent)
        log = self._artifacts(run_id)
        try:
            if isinstance(content, Path) and content.name == path.name:
                self.call(log, str(content), folder)
                return
            with tempfile.TemporaryDirectory() as directory:
                local = Path(directory) / path.name
                if isinstance(content, Path):
                    shutil.copyfile(content, local)
                else:
                    local.write_text(content, encoding="utf-8")
                self.call(log, str(local), folder)
        except OSError as error:
            raise TrackingError(f"artifact {name} of run {run_id} could not be stored: {error}") from error

    def read_artifact(self, run_id: str, name: str) -> bytes:
        """Return the content of an artifact of a run.

        Raises:
            TrackingError: It does not exist.
        """
        from mlflow.exceptions import MlflowException  # noqa: PLC0415  # see `connection`

        with tempfile.TemporaryDirectory() as folder:
            try:
                path = self.call(self.client.download_artifacts, run_id, name, folder)
                return Path(path).read_bytes()
            except (MlflowException, OSError) as error:
                raise TrackingError(f"run {run_id} has no {name}: {error}") from error

    def _artifacts(self, run_id: str) -> Callable[[str, str | None], None]:
        """Return the function that stores a file of a run; MLflow's client would fetch the run each time."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository  # noqa: PLC0415

        if run_id not in self._places:
            self._places[run_id] = self.run(run_id).info.artifact_uri
        repository = get_artifact_repository(self._places[run_id], tracking_uri=self.uri)
        log: Callable[[str, str | None], None] = repository.log_artifact
        return log

    def close(self) -> None:
        """Close the database connections; a server has none."""
        close(self.client)

    def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call the client, with retries where they may help, and return the result."""
        return retried(lambda: function(*args, **kwargs), self.uri)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        return "unknown"
