import shutil
from collections.abc import Iterator

import pytest

from hpsearch.tracking.mlflow import Tracker


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A folder whose database has MLflow's schema: creating one takes a second."""
    folder = tmp_path_factory.mktemp("migrated")
    Tracker.connect(f"sqlite:///{folder}/mlflow.db", folder).close()
    return folder


@pytest.fixture
def folder(migrated, tmp_path):
    shutil.copy(migrated / "mlflow.db", tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def tracker(folder) -> Iterator[Tracker]:
    with Tracker.connect(f"sqlite:///{folder}/mlflow.db", folder) as tracker:
        yield tracker
