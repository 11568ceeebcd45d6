"""Trained networks in MLflow as exported graphs (`pt2`): no pickle, and loadable without hpsearch."""

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpsearch.tracking.run_format import SweepRun

if TYPE_CHECKING:
    import torch
    from mlflow import MlflowClient

EXAMPLE_ROWS = 2
"""Rows of the example traced by the export; a single row would fix the batch size."""


def log_model(
    client: "MlflowClient", sweep: SweepRun, run_id: str, network: "torch.nn.Module", rows: np.ndarray
) -> str:
    """Export a network and store it with a run.

    MLflow's own `log_model` requires an active run in the process and finds the experiment by global state; here both
    are passed to the client.

    Args:
        client: A client of the tracking store.
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
    from mlflow.entities import LoggedModelOutput  # noqa: PLC0415
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import Schema, TensorSpec  # noqa: PLC0415

    example = np.ascontiguousarray(rows[:EXAMPLE_ROWS], dtype=np.result_type(rows, np.float32))
    with torch.no_grad():
        outputs = network(torch.from_numpy(example)).numpy()
    taken, given = (Schema([TensorSpec(each.dtype, (-1, *each.shape[1:]))]) for each in (example, outputs))
    model = client.create_logged_model(sweep.experiment_id, name="champion", source_run_id=run_id)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model")
        needs = [f"torch=={version('torch').partition('+')[0]}", "numpy"]
        mlflow.pytorch.save_model(
            network,
            path,
            serialization_format="pt2",
            input_example=example,
            signature=ModelSignature(taken, given),
            pip_requirements=needs,
        )
        client.log_model_artifacts(model.model_id, path)
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    return f"models:/{model.model_id}"
