"""A refitted network on disk, and as a module that can be served."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load, save

from hpsearch.config import Config
from hpsearch.config.data import FolderData, OwnData, TableData
from hpsearch.data.dataset import ColumnKind, Development
from hpsearch.data.image_files import ImageFile
from hpsearch.data.image_folder import read_images
from hpsearch.data.preprocessing import Preprocessing, fit_preprocessing
from hpsearch.data.splits import refit_fold
from hpsearch.data.table import MISSING
from hpsearch.errors import BrokenFileError, HpsearchError
from hpsearch.jobs import RefitJob
from hpsearch.nn.export import Deployed, deploy
from hpsearch.nn.output_layer import output_count
from hpsearch.nn.source_digest import local_modules
from hpsearch.records import FitResult
from hpsearch.secrets import mask_secrets
from hpsearch.store.atomic_files import dump_checked_json, read_bytes, read_sealed, write_atomic

if TYPE_CHECKING:
    import pandas as pd

    from hpsearch.tracking.served_table import ServedTable

_IMAGES = 256
"""Number of images that are predicted at once."""


@dataclass(frozen=True, slots=True)
class Model:
    """A refitted network on disk: weights as safetensors, the rest as JSON.

    Attributes:
        folder: Its folder.
        config: Its configuration.
        weights: Weights by name.
        digest: SHA-256 of the weights file.
        stop_after: Number of epochs it was trained for.
    """

    folder: Path
    config: Config
    weights: dict[str, np.ndarray]
    digest: str
    stop_after: int


@dataclass(frozen=True, slots=True)
class Models:
    """The networks that one opening evaluates.

    Attributes:
        shipped: The network that ships.
        retrained: S more networks of its recipe, with fit seeds of their own.
    """

    shipped: Model
    retrained: tuple[Model, ...] = ()

    @property
    def digest(self) -> str:
        """Identifier of all weights in a claim: the shipped digest, and a joint one of the retrained networks."""
        if not self.retrained:
            return self.shipped.digest
        together = hashlib.sha256("/".join(model.digest for model in self.retrained).encode()).hexdigest()
        return f"{self.shipped.digest} and {len(self.retrained)} retrained {together}"


def save_model(folder: Path, job: RefitJob, result: FitResult) -> Model:
    """Write a refitted network; `model.json` comes last, so that it exists only with complete weights.

    Args:
        folder: Folder of the model, created if needed.
        job: The refit.
        result: Its result, with weights.

    Raises:
        HpsearchError: If the training diverged.
    """
    if result.state is None or result.failure is not None:
        # A mean over only those networks that converged would be biased.
        way_out = ": the recipe is not reliable, and has no mean; final.retrains=0 evaluates the refit alone"
        raise HpsearchError(
            f"{job.name} on all development rows failed: {result.failure}; nothing was opened"
            f"{way_out if job.retrain else ''}"
        )
    data = save(result.state)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "model.safetensors", data)
    digest = hashlib.sha256(data).hexdigest()
    config = mask_secrets(job.config.to_tree())
    body = {"weights_sha256": digest, "stop_after": job.stop_after, "config": config}
    write_atomic(folder / "model.json", dump_checked_json(body))
    return Model(folder, job.config, result.state, digest, job.stop_after)


def load_model(folder: Path, config: Config) -> Model | None:
    """Return the network that `save_model` wrote; None if there is none.

    Args:
        folder: Folder of the model.
        config: Its configuration; the stored copy has its secrets masked.

    Raises:
        BrokenFileError: If the weights are not those that were saved, or `model.json` is damaged.
    """
    way_out = f"delete {str(folder)!r}, and the same command refits"
    body = read_sealed(folder / "model.json", way_out)
    if body is None:
        return None
    weights = folder / "model.safetensors"
    data = read_bytes(weights) or b""
    digest = hashlib.sha256(data).hexdigest()
    if digest != body["weights_sha256"]:
        raise BrokenFileError(weights, "it is missing, or was changed", way_out)
    return Model(folder, config, load(data), digest, body["stop_after"])


def deployed(model: Model, development: Development, preprocessing: Preprocessing) -> Deployed:
    """Return the refitted network as a module that takes raw inputs, or the encoded ones of a table."""
    width = 0 if development.classes else development.targets.shape[1]
    outputs = output_count(model.config.loss, development.task, development.classes, width)
    shape = preprocessing.encode(development.inputs[:1]).shape[1:]
    return deploy(model.config, model.weights, shape, outputs, preprocessing)


def served_table(model: Model, development: Development, data: TableData) -> "ServedTable":
    """Return the refitted network with the preprocessing of its table, see `ServedTable`."""
    import torch  # noqa: PLC0415 - only here

    from hpsearch.tracking.served_table import ServedTable  # noqa: PLC0415 - loads MLflow

    preprocessing = refit_preprocessing(model, development)
    encoder = preprocessing.encoder
    assert encoder is not None, development.name
    columns, network = encoder.columns, deployed(model, development, preprocessing)
    example = torch.from_numpy(preprocessing.encode(development.inputs[:2]))
    program = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("rows")},))
    exported = io.BytesIO()
    torch.export.save(program, exported)
    words = MISSING if data.missing is None else data.missing
    return ServedTable(
        kinds={column.name: column.kind.value for column in columns},
        formats={column.name: column.format for column in columns if column.format},
        readings={column.name: column.reading for column in columns if column.reading is not None},
        categories={column.name: column.categories for column in columns if column.kind is ColumnKind.CATEGORY},
        missing=[word.strip().casefold() for word in words],
        transformer=encoder.transformer,
        dtype=encoder.dtype.name,
        network=exported.getvalue(),
        outputs=_names_of_outputs(model, development, data),
        classes=development.classes > 0,
        probabilities=_probabilities(model, development),
        labels=development.labels,
        own_modules=local_modules(path) if (path := model.config.own_sources.get("preprocess.import_path")) else (),
    )


def _names_of_outputs(model: Model, development: Development, data: OwnData) -> list[str]:
    names = list(development.class_names or data.targets)
    deviations = model.config.loss.kind == "gaussian_nll"
    return [*names, *(f"standard deviation of {name}" for name in names)] if deviations else names


def _probabilities(model: Model, development: Development) -> str | None:
    """Return what makes probabilities of the outputs, as `ServedTable` names it; None if they are none."""
    kinds = {"cross_entropy": "softmax", "focal": "softmax", "bce": "sigmoid"}
    return kinds.get(model.config.loss.kind) if development.classes else None


def predict_images(
    model: Model, development: Development, data: FolderData, files: Sequence[ImageFile]
) -> "pd.DataFrame":
    """Return a row of predictions for each image, as `ServedTable.predict` does; the index is the files' names.

    Raises:
        DataError: If a file is no image, or damaged.
    """
    import torch  # noqa: PLC0415 - only here

    from hpsearch.tracking.served_table import as_predictions  # noqa: PLC0415 - loads pandas

    network = deployed(model, development, refit_preprocessing(model, development))
    with torch.no_grad():
        parts = [
            network(torch.from_numpy(read_images(data, files[start : start + _IMAGES]).astype(np.float32)))
            for start in range(0, len(files), _IMAGES)
        ]
    return as_predictions(
        torch.cat(parts),
        [file.name for file in files],
        _names_of_outputs(model, development, data),
        classifies=development.classes > 0,
        probabilities=_probabilities(model, development),
        labels=development.labels,
    )


def refit_preprocessing(model: Model, development: Development) -> Preprocessing:
    """Return the preprocessing fitted to the rows that the network was refitted on."""
    config = model.config
    train = refit_fold(development, seed=config.seed, limit=config.data.limit).train
    return fit_preprocessing(development, train, config.preprocess_for_loss, always_encode=True)[0]
