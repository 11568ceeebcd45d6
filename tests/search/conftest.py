import shutil

import pytest
from driver_processes import DriverServer


@pytest.fixture(scope="session")
def place(migrated, tmp_path_factory):
    """Makes a folder for a sweep, with a database that has its schema."""

    def make():
        folder = tmp_path_factory.mktemp("sweep")
        shutil.copy(migrated / "mlflow.db", folder / "mlflow.db")
        return folder

    return make


@pytest.fixture(scope="session")
def server():
    with DriverServer() as started:
        yield started
