"""The notebooks of `examples` run in an empty folder."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOUR = Path(__file__).parents[1] / "examples" / "tour.ipynb"


@pytest.mark.slow
def test_no_cell_of_the_tour_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))  # what a user has opened, elsewhere too
    (tmp_path / "empty").mkdir()
    tour = nbformat.read(TOUR, as_version=4)
    where = {"metadata": {"path": str(tmp_path / "empty")}}
    NotebookClient(tour, kernel_name="python3", timeout=180, resources=where).execute()
    cells = [cell for cell in tour.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
