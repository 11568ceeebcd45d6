import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.tracking import environment
from hpsearch.tracking.environment import describe, dirty_diff, package_versions, requirements
from hpsearch.tracking.sanitize import clip, display_name, key_name, param_text
from hpsearch.tracking.system_metrics import SystemSampler
from tests.fakes import NoDriver, TwoGpus


def git(folder, *command):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *command], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("x = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_repository_is_named_by_its_commit(repository):
    tags = describe(repository, NoDriver())
    assert (tags["git_commit"], tags["git_dirty"]) == (git(repository, "rev-parse", "HEAD"), "false")
    assert dirty_diff(repository) is None


def test_what_is_changed_and_what_is_new_stands_in_the_diff(repository):
    (repository / "a.py").write_text("x = 2\ntoken = 'abc123'\n")
    (repository / "new").mkdir()
    (repository / "new" / "b.py").write_text("")
    diff = dirty_diff(repository)
    assert describe(repository, NoDriver())["git_dirty"] == "true"
    assert "-x = 1\n+x = 2" in diff
    assert "# untracked: new/" in diff
    assert "abc123" not in diff


def test_the_rows_of_data_stand_in_no_diff(repository):
    (repository / "test.CSV").write_text("1,2\n")
    git(repository, "add", ".")
    diff = dirty_diff(repository)
    assert diff == "# changed data: test.CSV\n"


def test_a_large_diff_is_cut_and_says_so(repository, monkeypatch):
    monkeypatch.setattr(environment, "DIFF_BYTES", 200)
    monkeypatch.setattr(environment, "MOST_NAMES", 2)
    (repository / "a.py").write_text("y = 3\n" * 1000)
    for name in "bcde":
        (repository / name).touch()
    diff = dirty_diff(repository)
    assert re.search(r"\n# cut here: 7,\d\d\d bytes in all\n# untracked: b\n# untracked: c\n# and 2 more\n$", diff)
    assert len(diff) < 300


def test_the_changes_of_the_working_folder_are_named_by_their_content_and_outputs_are_none(repository, monkeypatch):
    folder = repository / "sub"
    folder.mkdir()
    (folder / "mlruns").mkdir()
    (folder / "mlruns" / "x").touch()
    (folder / "c.py").touch()
    git(repository, "add", "sub/c.py")
    git(repository, "commit", "-qm", "second")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(environment.hpsearch, "__file__", str(repository / "a.py"))  # the same repository, not twice
    assert environment.uncommitted(["mlruns"]) == {}
    (repository / "a.py").write_text("x = 2\n")
    ((name, text),) = environment.uncommitted(["mlruns"]).items()
    assert name == f"code/working_folder-{hashlib.sha256(text.encode()).hexdigest()[:8]}.diff"
    assert "+x = 2" in text


def test_of_hpsearch_changes_are_kept_where_it_runs_from_a_checkout(repository, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    (repository / "a.py").write_text("x = 2\n")
    (repository / "venv.py").touch()
    monkeypatch.setattr(environment.hpsearch, "__file__", str(repository / "a.py"))
    (name,) = environment.uncommitted()
    assert name.startswith("code/hpsearch-")
    monkeypatch.setattr(environment.hpsearch, "__file__", str(repository / "venv.py"))
    assert environment.uncommitted() == {}


def test_a_program_that_a_repository_names_is_not_run(repository):
    git(repository, "config", "diff.external", f"touch {repository}/ran; true")
    git(repository, "config", "core.fsmonitor", f"touch {repository}/ran; true")
    (repository / "a.py").write_text("x = 2\n")
    describe(repository, NoDriver())
    assert "x = 2" in dirty_diff(repository)
    assert not (repository / "ran").exists()


def test_a_directory_without_git_has_no_commit(tmp_path):
    assert "git_commit" not in describe(tmp_path, NoDriver())
    assert dirty_diff(tmp_path) is None


def test_the_machine_and_the_packages_are_described_and_the_environment_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "hunter2")
    tags = describe(tmp_path, NoDriver())
    assert tags["python"] == platform.python_version()
    assert tags["cores"] == str(os.cpu_count())
    assert float(tags["memory_gib"]) > 0
    assert len(tags) < 10
    assert f"mlflow=={importlib.metadata.version('mlflow')}\n" in requirements()
    assert "gpu" not in tags
    assert "hunter2" not in str(tags)


def test_the_dependencies_of_the_package_are_versioned():
    assert {"torch", "optuna", "mlflow", "numpy"} <= set(package_versions())


def test_gpus_are_described_and_the_driver_is_let_go(tmp_path):
    nvml = TwoGpus()
    tags = describe(tmp_path, nvml)
    assert tags["gpu"] == "GPU 0 (80 GiB), GPU 1 (80 GiB)"
    assert tags["gpu_driver"] == "580.1"
    assert nvml.open == 0


def test_a_sample_holds_cpu_memory_and_the_gpus_that_answer():
    nvml = TwoGpus()
    with SystemSampler(nvml) as sampler:
        sample = sampler.sample()
    assert sample["system/gpu_0_utilization_percentage"] == 37
    assert sample["system/gpu_0_memory_usage_megabytes"] == 20 * 1024
    assert sample["system/gpu_0_memory_usage_percentage"] == 25
    assert 0 <= sample["system/cpu_utilization_percentage"] <= 100
    assert 0 < sample["system/system_memory_usage_percentage"] <= 100
    assert not any("gpu_1" in key for key in sample)
    assert nvml.open == 0


def test_a_sample_without_a_driver_holds_no_gpu():
    with SystemSampler(NoDriver()) as sampler:
        assert not any("gpu" in key for key in sampler.sample())


@given(st.text())
def test_a_display_name_is_one_line_that_mlflow_takes_and_shows(name):
    shown = display_name(name)
    assert shown.isprintable()
    assert 0 < len(shown) <= 120


@given(st.text(), st.text())
def test_different_names_are_shown_differently(one, other):
    assert (display_name(one) == display_name(other)) == (one == other)


@pytest.fixture(scope="module")
def validate():
    """Loaded before the clock of an example runs."""
    from mlflow.utils.validation import _validate_metric_name  # noqa: PLC0415

    return _validate_metric_name


@given(key=st.text())
def test_any_key_becomes_one_that_mlflow_takes(validate, key):
    safe = key_name(key)
    validate(safe)
    assert len(safe) <= 250


@pytest.mark.parametrize("key", ["val/accuracy", "fold/3/val/accuracy", "optimizer.adam.lr", "package/hydra-core"])
def test_a_usual_key_stays_as_it_is(key):
    assert key_name(key) == key


def test_the_at_of_a_metric_is_a_colon_which_mlflow_accepts():
    assert key_name("val/recall@fraud") == "val/recall:fraud"


@given(st.text(), st.integers(60, 100))
def test_a_clipped_text_fits(text, limit):
    assert len(clip(text, limit)) <= limit


@pytest.mark.parametrize(
    ("value", "text"),
    [("adam", "adam"), (True, "true"), (None, "null"), (1e-05, "1e-05"), ([10, 5], "[10, 5]"), (float("inf"), "inf")],
)
def test_values_are_written_as_on_the_command_line(value, text):
    assert param_text(value) == text
