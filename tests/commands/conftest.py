import shutil

import pytest

from hpsearch.tracking.tracker import Tracker


@pytest.fixture
def tracker(migrated, tmp_path):
    shutil.copy(migrated / "mlflow.db", tmp_path / "mlflow.db")
    with Tracker.connect(f"sqlite:///{tmp_path}/mlflow.db", tmp_path) as connected:
        yield connected
