"""`+data=check`: shows how data were understood, before anything is trained."""

from dataclasses import dataclass

import numpy as np

from hpsearch.compose.overrides import DATA_CHECK, Command
from hpsearch.config import Config
from hpsearch.data.check import (
    ColumnCheck,
    Duplicates,
    check_columns,
    count_duplicates,
    describe_targets,
    tell_data,
)
from hpsearch.data.datasets import find_source
from hpsearch.data.preprocessing import fit_preprocessing
from hpsearch.data.seal import load_development, seal
from hpsearch.scoring.evaluate import search_metric


@dataclass(frozen=True, slots=True)
class DataCheck:
    """How data were understood.

    Attributes:
        config: The configuration.
        name: Name of the data set.
        rows: Number of development rows, which everything else is about.
        sealed: Number of sealed rows; None if there is no test set.
        shape: Shape of the inputs of one row.
        targets: What is predicted.
        columns: The columns of a table; empty for images.
        features: Number of features that the columns become for a network.
        duplicates: Rows with the same inputs as another one.
        notes: What was recognized, one sentence each.
        warnings: What looks wrong, with the way out.
        command: The command that trains on these data.
    """

    config: Config
    name: str
    rows: int
    sealed: int | None
    shape: tuple[int, ...]
    targets: str
    columns: tuple[ColumnCheck, ...]
    features: int
    duplicates: Duplicates
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    command: str


def check_data(config: Config, command: Command) -> DataCheck:
    """Read and split the data of a configuration, and say how they were understood.

    Args:
        config: The configuration.
        command: The command as typed.

    Raises:
        DataError: If the data cannot be obtained, read or split.
        ConfigError: If `search.metric` or the preprocessing does not fit them.
    """
    source = find_source(config.data_for_loss)
    rows = load_development(source.data, source=source)
    sealed = seal(source.data, source=source, development=rows)
    search_metric(config, rows)
    features = fit_preprocessing(rows, np.arange(rows.n), config.preprocess_for_loss)[1]
    told = tell_data(rows, source.data, config.search.metric)
    rest = [override for override in command.overrides if override.strip() != DATA_CHECK]
    return DataCheck(
        config,
        rows.name,
        rows.n,
        None if sealed is None else sealed.size,
        rows.inputs.shape[1:],
        describe_targets(rows),
        check_columns(rows),
        int(np.prod(features.shape[1:])),
        count_duplicates(rows, 0 if sealed is None else sealed.duplicates),
        (*source.note, *told.get("notes", ())),
        tuple(told.get("warnings", ())),
        command.line(rest),
    )
