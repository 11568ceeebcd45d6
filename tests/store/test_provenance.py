"""What a training was done with: told apart where a record could differ, and nowhere else."""

import shutil
from pathlib import Path

import numpy as np
import optuna
import pytest

import hpsearch
from hpsearch.store.provenance import Provenance, code_version, digest_of_source


@pytest.fixture
def package(tmp_path):
    """A copy of the source that may be changed."""
    return Path(shutil.copytree(Path(hpsearch.__file__).parent, tmp_path / "hpsearch"))


def test_a_copy_of_the_source_is_the_same_code(package):
    assert f"({digest_of_source(package)[:8]})" in code_version()


@pytest.mark.parametrize("name", ["engine/reference.py", "nn/losses.py", "seeding.py", "search/sampler.py"])
def test_a_change_where_numbers_are_made_is_other_code(package, name):
    before = digest_of_source(package)
    with (package / name).open("a") as source:
        source.write("\n")
    assert digest_of_source(package) != before


@pytest.mark.parametrize("name", ["report/page.py", "commands/sweep.py", "terminal/console.py", "tracking/client.py"])
def test_a_change_where_numbers_are_shown_or_kept_is_the_same_code(package, name):
    before = digest_of_source(package)
    with (package / name).open("a") as source:
        source.write("\n")
    assert digest_of_source(package) == before


def test_the_version_of_torch_is_told():
    import torch  # noqa: PLC0415 (the product reads it without this import)

    number = torch.__version__.partition("+")[0]  # what follows names the build for one kind of device
    assert f", torch {number}, numpy {np.__version__}, optuna {optuna.__version__}, " in code_version()


def test_what_is_written_down_is_read_again():
    made = Provenance.here("cuda")
    assert Provenance.read({"started_ms": 1, **made.tags}) == made


def test_what_was_not_written_down_is_not_known():
    assert Provenance.read({"device": "cpu"}) is None
