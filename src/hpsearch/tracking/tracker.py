"""The tracker: a sweep is an MLflow experiment with a parent run, every attempt at a trial is a child run.

One process writes, from one thread. Every write takes its time from the caller and is idempotent: runs are looked up by
a key tag before they are created again, and MLflow drops a metric that already exists with the same key, value, step
and timestamp.
"""

import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from hpsearch.errors import TrackingError
from hpsearch.metrics import Metric
from hpsearch.records import Baseline, Status, TrialResult, Value
from hpsearch.secrets import mask_uri
from hpsearch.tracking.claim_ledger import SealLedger
from hpsearch.tracking.client import NOTE, Store
from hpsearch.tracking.connection import connect, resolve_uri, sqlite_file
from hpsearch.tracking.reader import BASELINES, LOOKS, PARENT, StoredSweeps
from hpsearch.tracking.relocation import follow_moved
from hpsearch.tracking.report_views import ReportViews
from hpsearch.tracking.run_format import (
    TABLE_VIEW,
    Attempt,
    Dataset,
    Ending,
    Role,
    SweepRun,
    attempt_of,
    finite_points,
    points,
    run_key,
    run_name,
    table_view,
)
from hpsearch.tracking.sanitize import digest

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from hpsearch.tracking.served_table import ServedTable

VIEW = f"mlflow.sharedViewState.{TABLE_VIEW}"

EXAMPLE_ROWS = 2
"""Rows of the example traced by the export; a single row would fix the batch size."""


def _requirement(package: str) -> str:
    return f"{package}=={version(package).partition('+')[0]}"


class Tracker:
    """The sweeps of one tracking store, and the ledger of its test sets; a context manager.

    Args:
        store: The store to write to.
        moved_from: Former locations of its artifacts, if its folder was moved since its last use.
    """

    def __init__(self, store: Store, moved_from: Sequence[str] = ()) -> None:
        self.moved_from = moved_from
        self.uri = mask_uri(store.uri)
        """Address of the store for display and records, with the password masked."""
        self.ledger = SealLedger(store)
        self.looks = ReportViews(store)
        self.stored = StoredSweeps(store)
        self._store = store

    @classmethod
    def connect(cls, uri: str | None, directory: Path) -> "Tracker":
        """Connect to the store at `uri`, else at `MLFLOW_TRACKING_URI`, else in `directory`.

        Artifacts lie under `directory` unless a server keeps them; those of a SQLite store are found again after the
        folder was moved.

        Args:
            uri: See `connection.connect`; None: the default.
            directory: Folder of the default store and of artifacts.

        Raises:
            TrackingError: The store cannot be used. Raised within 10 s, before anything is created in it.
        """
        address = resolve_uri(uri, directory)
        served = address.startswith(("http:", "https:"))
        root = None if served else directory.absolute() / "artifacts"
        client, database = connect(address), sqlite_file(address)
        moved_from = () if root is None or database is None else follow_moved(database, root)
        return cls(Store(client, address, None if root is None else str(root)), moved_from)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection to the store."""
        self._store.close()

    def open_sweep(  # noqa: PLR0913  # the description of a sweep has many fields
        self,
        name: str,
        *,
        identity: str,
        started_ms: int,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, Value] | None = None,
        columns: Sequence[str] = (),
        datasets: Sequence[Dataset] = (),
    ) -> SweepRun:
        """Return the sweep with its experiment and parent run, which are created, or found and set back to running.

        Args:
            name: Name of the sweep: any text.
            identity: Distinguishes sweeps of the same name in the same store. The fingerprint does not suffice on a
                shared server, where two users may run the same sweep.
            started_ms: Start time, milliseconds since 1970.
            description: Markdown for the pages of the experiment and of the parent run.
            tags: Facts about the sweep: fingerprint, commit, versions, machine.
            params: Its settings, flat; MLflow refuses another value for a param that it has stored.
            columns: Params and metrics shown beside the score in its table of trials, at `runs.table_path`.
            datasets: The data sets that its trials use.

        Raises:
            TrackingError: MLflow failed, or the sweep or the experiment of its name was deleted there.
        """
        store, key = self._store, run_key(identity, Role.PARENT)
        existing = store.parent(name, key)
        if existing is None:
            store.require_undeleted(name, key)
        experiment_id = str(existing.info.experiment_id) if existing else store.experiment(name, description)
        if columns:
            store.describe_experiment(experiment_id, {VIEW: table_view(columns)})
        labels = {**(tags or {}), "role": Role.PARENT, "sweep": name, "status": "running", NOTE: description}
        if existing is None:
            run_id = store.create(experiment_id, key, name, started_ms, labels, search=False)
        else:
            run_id = str(existing.info.run_id)
            store.reopen(run_id)
        store.log(run_id, params=params, tags=labels if existing else None)
        if datasets:
            store.call(store.client.log_inputs, run_id, [dataset.as_input() for dataset in datasets])
        return SweepRun(name, identity, experiment_id, run_id, resumed=existing is not None)

    def describe_sweep(self, sweep: SweepRun, description: str) -> None:
        """Replace the description on the pages of a sweep."""
        self._store.describe_experiment(sweep.experiment_id, {NOTE: description})
        self._store.log(sweep.run_id, tags={NOTE: description})

    def plan_looks(self, sweep: SweepRun, looks: Sequence[int]) -> None:
        """Record the numbers of fresh seeds after which the levels of a sweep are compared."""
        self._store.log(sweep.run_id, tags={LOOKS: json.dumps(list(looks))})

    def log_baselines(self, sweep: SweepRun, metric: Metric, baselines: Sequence[Baseline], *, at_ms: int) -> None:
        """Record what baselines get on the rows of a sweep, as `baseline/…` metrics of its run and for readers."""
        if not baselines:
            return
        values = {f"baseline/{each.kind}/val/{metric}": metric.score(each.score) for each in baselines}
        for each in baselines:
            values |= {f"baseline/{each.kind}/report/{name}": value for name, value in each.report.items()}
        self.log_metrics(sweep.run_id, values, step=0, at_ms=at_ms)
        self._store.log(sweep.run_id, tags={BASELINES: json.dumps([asdict(each) for each in baselines])})

    def find_sweep(self, name: str, identity: str) -> SweepRun | None:
        """Return the sweep without changing it; None if it is not in this store."""
        existing = self._store.parent(name, run_key(identity, Role.PARENT))
        if existing is None:
            return None
        return SweepRun(name, identity, str(existing.info.experiment_id), str(existing.info.run_id), resumed=True)

    def close_sweep(self, sweep: SweepRun, ending: Ending, *, ended_ms: int) -> None:
        """End the parent run; its `status` tag becomes `finished`, `failed` or `killed`."""
        self._store.log(sweep.run_id, tags={"status": ending.lower()})
        self._store.end(sweep.run_id, ending, ended_ms)

    def start_attempt(  # noqa: PLR0913  # the coordinates and the description of a run
        self,
        sweep: SweepRun,
        level: str,
        k: int,
        attempt: int,
        *,
        started_ms: int,
        role: Role = Role.SEARCH,
        part: str = "",
        params: Mapping[str, Value] | None = None,
        tags: Mapping[str, str] | None = None,
        config: str | None = None,
    ) -> str:
        """Create the run of an attempt, or return it: one per (sweep, role, level, k, part, attempt).

        Args:
            sweep: The sweep.
            level: Level of the trial.
            k: Number of the trial within the level.
            attempt: Number of the attempt, from 1.
            started_ms: Start time, milliseconds since 1970.
            role: Role of the run.
            part: Which of several runs of this role and trial: `seed 3`, `opening 1`.
            params: Every option and value of the trial, flat.
            tags: Further tags.
            config: The resolved configuration, stored as `config.yaml`; its SHA-256 becomes the tag `config_sha256`.

        Returns:
            The run id.
        """
        store, key = self._store, run_key(sweep.identity, role, level, k, part, attempt)
        labels = {
            **(tags or {}),
            "role": role,
            "sweep": sweep.name,
            "level": level,
            "trial": str(k),
            "attempt": str(attempt),
            "status": "running",
            PARENT: sweep.run_id,
        }
        labels |= {"part": part} if part else {}
        labels |= {"config_sha256": digest(config)} if config is not None else {}
        name = run_name(role, level, k, part, attempt)
        run_id = store.create(sweep.experiment_id, key, name, started_ms, labels, search=sweep.resumed)
        store.log(run_id, params=params)
        if config is not None:
            store.artifact(run_id, "config.yaml", config)
        return run_id

    def finish_attempt(
        self,
        run_id: str,
        result: TrialResult,
        *,
        ended_ms: int,
        artifacts: Mapping[str, str | Path] | None = None,
    ) -> None:
        """Store the curves, scores and status of an attempt and end its run; may be repeated.

        Args:
            run_id: The run of the attempt.
            result: The result. Numbers that are not finite are left out; `result.failure` becomes the tag `failure`, or
                `pruned` for a pruned trial.
            ended_ms: End time, milliseconds since 1970; must be the same when the same result is stored again.
            artifacts: Name to text or file.
        """
        self.log_artifacts(run_id, artifacts or {})
        reason = "pruned" if result.status is Status.PRUNED else "failure"
        tags = {"status": str(result.status)} | ({reason: result.failure} if result.failure else {})
        self._store.log(run_id, points=points(result), at_ms=ended_ms, tags=tags)
        self._store.end(run_id, Ending.of(result.status), ended_ms)

    def log_model(self, sweep: SweepRun, run_id: str, network: "torch.nn.Module", rows: np.ndarray) -> str:
        """Store a network with a run as an exported graph (`pt2`): no pickle, and loadable without hpsearch.

        MLflow's own `log_model` requires an active run in the process and finds the experiment by global state; here
        both are passed to the client.

        Args:
            sweep: The sweep that the run belongs to.
            run_id: The run.
            network: A module in evaluation mode, (B, …) to (B, …).
            rows: Shape (n, …) raw inputs, n >= 2. Float64 inputs are served as float64, all others as float32.

        Returns:
            The model's address, `models:/<id>`.
        """
        # Imported here because it takes two seconds and only a final needs it.
        import mlflow.pytorch  # noqa: PLC0415
        import torch  # noqa: PLC0415
        from mlflow.models import ModelSignature  # noqa: PLC0415
        from mlflow.types import Schema, TensorSpec  # noqa: PLC0415

        example = np.ascontiguousarray(rows[:EXAMPLE_ROWS], dtype=np.result_type(rows, np.float32))
        with torch.no_grad():
            outputs = network(torch.from_numpy(example)).numpy()
        inputs, predictions = (Schema([TensorSpec(each.dtype, (-1, *each.shape[1:]))]) for each in (example, outputs))
        save = partial(
            mlflow.pytorch.save_model,
            network,
            serialization_format="pt2",
            input_example=example,
            signature=ModelSignature(inputs, predictions),
            pip_requirements=[_requirement("torch"), "numpy"],
        )
        return self._log_saved(sweep, run_id, save)

    def log_table_model(self, sweep: SweepRun, run_id: str, model: "ServedTable", rows: "pd.DataFrame") -> str:
        """Store a network with the preprocessing of its table with a run, as a `pyfunc` model.

        Args:
            sweep: The sweep that the run belongs to.
            run_id: The run.
            model: Predicts rows of the table.
            rows: Rows of the table, at least one.

        Returns:
            The model's address, `models:/<id>`.
        """
        import cloudpickle  # noqa: PLC0415
        import mlflow.pyfunc  # noqa: PLC0415
        import pandas as pd  # noqa: PLC0415
        from mlflow.models import ModelSignature, infer_signature  # noqa: PLC0415
        from mlflow.types import ColSpec, Schema  # noqa: PLC0415
        from mlflow.types.schema import AnyType  # noqa: PLC0415

        class Served(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined, misc]  # local: pickled by value
            def __init__(self) -> None:
                self.table = model

            def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:  # noqa: ARG002
                return self.table.predict(model_input)

        example = rows[:EXAMPLE_ROWS]
        # any cell may be missing, MLflow takes no whole number for a double, and words may be numbers
        anything: Any = AnyType()  # type: ignore[no-untyped-call]
        inputs = Schema([ColSpec(anything, name, required=False) for name in model.kinds])
        ours = [sys.modules[module] for module in sorted(model.modules)]
        for module in ours:
            cloudpickle.register_pickle_by_value(module)
        try:
            with warnings.catch_warnings():
                # predictions are no inputs, which might lack cells
                warnings.filterwarnings("ignore", ".*Inferred schema contains integer column", UserWarning)
                outputs = infer_signature(example, model.predict(example)).outputs
            save = partial(
                mlflow.pyfunc.save_model,
                python_model=Served(),
                input_example=example,
                signature=ModelSignature(inputs, outputs),
                pip_requirements=[_requirement(name) for name in ("torch", "scikit-learn", "pandas", "numpy")],
            )
            return self._log_saved(sweep, run_id, save)
        finally:
            for module in ours:
                cloudpickle.unregister_pickle_by_value(module)

    def _log_saved(self, sweep: SweepRun, run_id: str, save: Callable[..., None]) -> str:
        from mlflow.entities import LoggedModelOutput  # noqa: PLC0415

        client = self._store.client
        model = client.create_logged_model(sweep.experiment_id, name="champion", source_run_id=run_id)
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "model")
            save(path=path)
            client.log_model_artifacts(model.model_id, path)
        client.finalize_logged_model(model.model_id, "READY")
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
        return f"models:/{model.model_id}"

    def attempts(self, sweep: SweepRun, *, running: bool = False) -> list[Attempt]:
        """Return the attempts of a sweep, oldest first; with `running`, only those that MLflow marks as running."""
        only = " and attributes.status = 'RUNNING'" if running else ""
        runs = self._store.search(sweep.experiment_id, f"tags.`{PARENT}` = '{sweep.run_id}'{only}")
        return [attempt for run in runs if (attempt := attempt_of(run)) is not None]

    def find_trial(self, run_id: str) -> Attempt:
        """Return the attempt that a run stands for.

        Raises:
            TrackingError: There is no such run, or it is not a trial of hpsearch.
        """
        attempt = attempt_of(self._store.run(run_id))
        if attempt is None:
            raise TrackingError(f"run {run_id} is not a trial of hpsearch: give the run id of a trial")
        return attempt

    def terminate(self, run_id: str, status: Status, *, ended_ms: int, failure: str | None = None) -> None:
        """End a run that has no result: its driver or worker died, or it was interrupted."""
        self._store.log(run_id, tags={"status": str(status)} | ({"failure": failure} if failure else {}))
        self._store.end(run_id, Ending.of(status), ended_ms)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], *, step: int, at_ms: int) -> None:
        """Add one point to each metric, such as a sample of `system/…` or the best score so far."""
        self._store.log(run_id, points=finite_points(metrics, step), at_ms=at_ms)

    def log_artifacts(self, run_id: str, artifacts: Mapping[str, str | Path]) -> None:
        """Store texts and files with a run, by name; a name may contain folders: `figures/curves.png`.

        Raises:
            TrackingError: MLflow or the file system refused one.
        """
        for name, content in artifacts.items():
            self._store.artifact(run_id, name, content)
