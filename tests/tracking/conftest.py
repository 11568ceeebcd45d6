import shutil
from collections.abc import Iterator

import pytest

from hpsearch.tracking.tracker import Tracker


@pytest.fixture
def folder(migrated, tmp_path):
    shutil.copy(migrated / "mlflow.db", tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def tracker(folder) -> Iterator[Tracker]:
    with Tracker.connect(f"sqlite:///{folder}/mlflow.db", folder) as tracker:
        yield tracker
