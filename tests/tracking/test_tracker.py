"""The tracker on a real database: what every tracker promises, and how that stands in MLflow."""

import json
import math

import numpy as np
import pytest

from hpsearch.data.dataset import Rows
from hpsearch.data.preprocessing import fit_preprocessing
from hpsearch.errors import TrackingError
from hpsearch.nn.export import deploy
from hpsearch.nn.models import build_network
from hpsearch.records import Status, Task
from hpsearch.tracking.client import Store
from hpsearch.tracking.run_format import Dataset, Ending, table_path
from hpsearch.tracking.tracker import Tracker
from tests.contracts.tracker import END, START, TrackerContract, opened, result
from tests.fakes import AnswerLost


class TestTracker(TrackerContract):
    pass


def client(tracker):
    return tracker._store.client


def test_a_sweep_is_an_experiment_with_a_parent_run(tracker):
    sweep = opened(tracker, description="# MNIST", tags={"fingerprint": "f"}, params={"data": "mnist"})
    experiment = client(tracker).get_experiment_by_name("mnist")
    parent = client(tracker).get_run(sweep.run_id)
    assert experiment.experiment_id == sweep.experiment_id
    assert experiment.tags["mlflow.note.content"] == "# MNIST"
    assert (parent.info.status, parent.info.start_time) == ("RUNNING", START)
    assert {"role": "parent", "sweep": "mnist", "fingerprint": "f", "status": "running"}.items() <= (
        parent.data.tags.items()
    )
    assert parent.data.params == {"data": "mnist"}


def test_an_experiment_that_another_process_made_after_the_look_for_it_is_found(tracker, monkeypatch):
    create, made = client(tracker).create_experiment, []

    def overtaken(*args, **kwargs):
        if not made:
            made.append(create(*args, **kwargs))
        return create(*args, **kwargs)

    monkeypatch.setattr(client(tracker), "create_experiment", overtaken)
    assert opened(tracker).experiment_id == made[0]


def test_a_sweep_that_is_opened_again_keeps_its_parent_and_runs_again(tracker):
    first = opened(tracker)
    tracker.close_sweep(first, Ending.KILLED, ended_ms=END)
    assert client(tracker).get_run(first.run_id).info.status == "KILLED"
    again = opened(tracker)
    assert (first.resumed, again.resumed, again.run_id) == (False, True, first.run_id)
    assert client(tracker).get_run(again.run_id).info.status == "RUNNING"
    assert client(tracker).get_run(again.run_id).data.tags["status"] == "running"


def test_a_sweep_brings_a_view_of_its_trials_by_score(tracker):
    sweep = opened(tracker, columns=["optimizer", "report/accuracy"])
    view = json.loads(client(tracker).get_experiment(sweep.experiment_id).tags["mlflow.sharedViewState.trials"])
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`score`", False)
    expected = ["metrics.`score`", "metrics.`score_se`", "params.`optimizer`", "metrics.`report/accuracy`"]
    assert view["selectedColumns"] == [*expected, "tags.`status`"]
    assert table_path(sweep.experiment_id).endswith("viewStateShareKey=trials")


def test_a_sweep_names_its_data_sets_with_their_digests_once(tracker):
    rows = Dataset("digits", "ab" * 32, "development", {"kind": "digits"}, {"rows": 1438})
    for _ in range(2):
        sweep = opened(tracker, datasets=[rows])
    (found,) = client(tracker).get_run(sweep.run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("digits", "ab" * 18)
    assert json.loads(found.dataset.profile) == {"rows": 1438}
    assert {tag.key: tag.value for tag in found.tags} == {"mlflow.data.context": "development"}


def test_a_sweep_is_described_anew_on_both_of_its_pages(tracker):
    sweep = opened(tracker, description="begun")
    tracker.describe_sweep(sweep, "ended")
    pages = [client(tracker).get_experiment(sweep.experiment_id), client(tracker).get_run(sweep.run_id).data]
    assert [page.tags["mlflow.note.content"] for page in pages] == ["ended", "ended"]


def test_an_attempt_carries_what_it_is_as_tags_and_params(tracker):
    sweep = opened(tracker)
    params = {"optimizer": "adam", "optimizer.adam.lr": 1e-3, "model.widths": [100, 50], "norm": True, "x": None}
    run_id = tracker.start_attempt(sweep, "adam", 7, 2, started_ms=START, params=params)
    run = client(tracker).get_run(run_id)
    expected = {
        "sweep": "mnist",
        "level": "adam",
        "trial": "7",
        "attempt": "2",
        "role": "search",
        "status": "running",
        "mlflow.parentRunId": sweep.run_id,
    }
    assert expected.items() <= run.data.tags.items()
    assert run.info.run_name == "adam · trial 7 · attempt 2"
    assert run.data.params == {
        "optimizer": "adam",
        "optimizer.adam.lr": "0.001",
        "model.widths": "[100, 50]",
        "norm": "true",
        "x": "null",
    }


def test_the_configuration_is_an_artifact_with_its_digest(tracker, folder):
    sweep = opened(tracker)
    run_id = tracker.start_attempt(sweep, "-", 0, 1, started_ms=START, config="seed: 0\n")
    stored = folder / "artifacts" / run_id / "artifacts" / "config.yaml"
    assert stored.read_text() == "seed: 0\n"
    # printf 'seed: 0\n' | sha256sum
    assert client(tracker).get_run(run_id).data.tags["config_sha256"] == (
        "6a5a163cfb9d8459f178db8f04e1c14b22f30c274c8d68e806c982e03e48bbe3"
    )


def test_curves_have_the_epoch_as_step_and_scores_stand_beside_them(tracker):
    run_id = tracker.start_attempt(opened(tracker), "-", 0, 1, started_ms=START)
    tracker.finish_attempt(run_id, result(), ended_ms=END)
    run = client(tracker).get_run(run_id)
    history = client(tracker).get_metric_history(run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(1, 0.5), (2, 0.25)]
    assert run.data.metrics == {
        "train/loss": 0.25,
        "val/accuracy": 0.97,
        "val/accuracy_best": 0.97,
        "report/accuracy": 0.96,
        "score": 0.97,
        "score_se": 0.002,
        "system/fit_s": 3.5,
    }


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        (Status.OK, "FINISHED"),
        (Status.STALLED, "FINISHED"),
        (Status.DIVERGED, "FAILED"),
        (Status.OOM, "FAILED"),
        (Status.ERROR, "FAILED"),
        (Status.INTERRUPTED, "KILLED"),
    ],
)
def test_each_status_has_its_ending(tracker, status, ending):
    run_id = tracker.start_attempt(opened(tracker), "-", 0, 1, started_ms=START)
    tracker.finish_attempt(run_id, result(status), ended_ms=END)
    run = client(tracker).get_run(run_id)
    assert (run.info.status, run.info.end_time, run.data.tags["status"]) == (ending, END, str(status))


def test_numbers_that_are_not_finite_are_left_out_and_the_failure_is_a_tag(tracker):
    run_id = tracker.start_attempt(opened(tracker), "-", 0, 1, started_ms=START)
    curves = {"train/loss": [0.5, math.nan, math.inf]}
    broken = result(
        Status.DIVERGED, failure="loss is nan in epoch 2", score=None, score_se=math.nan, curves=curves, summary={}
    )
    tracker.finish_attempt(run_id, broken, ended_ms=END)
    run = client(tracker).get_run(run_id)
    assert run.data.metrics == {"train/loss": 0.5, "system/fit_s": 3.5}
    assert run.data.tags["failure"] == "loss is nan in epoch 2"


def test_a_result_that_is_stored_again_adds_nothing(tracker):
    run_id = tracker.start_attempt(opened(tracker), "-", 0, 1, started_ms=START)
    for _ in range(2):
        tracker.finish_attempt(run_id, result(), ended_ms=END)
    assert len(client(tracker).get_metric_history(run_id, "train/loss")) == 2
    assert len(client(tracker).get_metric_history(run_id, "score")) == 1


def test_more_metrics_and_params_than_one_batch_holds_are_all_stored(tracker):
    params = {f"p{i}": i for i in range(230)}
    run_id = tracker.start_attempt(opened(tracker), "-", 0, 1, started_ms=START, params=params)
    long = result(curves={"train/loss": [float(i) for i in range(2100)]})
    tracker.finish_attempt(run_id, long, ended_ms=END)
    assert len(client(tracker).get_metric_history(run_id, "train/loss")) == 2100
    assert len(client(tracker).get_run(run_id).data.params) == 230


def test_a_run_whose_creation_was_answered_by_an_error_is_not_made_twice(tracker):
    sweep = opened(tracker)
    tracker._store.client = AnswerLost(client(tracker), "create_run")
    run_id = tracker.start_attempt(sweep, "-", 0, 1, started_ms=START)
    assert client(tracker).lost == 1
    assert [attempt.run_id for attempt in tracker.attempts(sweep)] == [run_id]


def test_more_attempts_than_one_page_are_all_found(tracker):
    tracker = Tracker(Store(client(tracker), tracker.uri, None, page=2))
    sweep = opened(tracker)
    for k in range(5):
        tracker.start_attempt(sweep, "-", k, 1, started_ms=START + k)
    assert [attempt.k for attempt in tracker.attempts(sweep)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "name",
    ["two\nlines", "../../etc/passwd", 'it\'s "quoted" `x` \\', "<script>alert(1)</script>", "🦆 päth", "x" * 10_000],
)
def test_a_hostile_name_is_stored_whole_and_shown_on_one_line(tracker, folder, name):
    sweep = opened(tracker, name=name)
    run_id = tracker.start_attempt(sweep, name, 0, 1, started_ms=START, params={name: name}, config="a: 1\n")
    tracker.finish_attempt(run_id, result(summary={f"fold/{name}": 1.0}), ended_ms=END)
    run = client(tracker).get_run(run_id)
    title = client(tracker).get_experiment(sweep.experiment_id)
    assert opened(tracker, name=name).run_id == sweep.run_id
    assert title.tags["sweep"] == name
    assert title.name.isprintable()
    assert len(title.name) <= 120
    assert "\n" not in run.info.run_name
    assert [attempt.run_id for attempt in tracker.attempts(sweep)] == [run_id]
    assert {path.name for path in folder.iterdir()} == {"mlflow.db", "artifacts"}
    assert {path.name for path in (folder / "artifacts").iterdir()} == {run_id}


def test_values_that_are_too_long_are_cut_visibly(tracker):
    run_id = tracker.start_attempt(
        opened(tracker), "-", 0, 1, started_ms=START, params={"p": "y" * 7000}, tags={"t": "z" * 9000}
    )
    data = client(tracker).get_run(run_id).data
    assert len(data.params["p"]) == 6000
    assert "7000 characters, sha256" in data.params["p"][-60:]
    assert "9000 characters, sha256" in data.tags["t"][-60:]


def test_artifacts_are_texts_and_files_in_folders(tracker, folder, tmp_path):
    sweep = opened(tracker)
    source = tmp_path / "drawn.bin"
    source.write_bytes(b"\x00\x01")
    tracker.log_artifacts(sweep.run_id, {"figures/curve.bin": source, "drawn.bin": source, "notes/päth.txt": "é"})
    root = folder / "artifacts" / sweep.run_id / "artifacts"
    assert (root / "figures/curve.bin").read_bytes() == b"\x00\x01"
    assert (root / "drawn.bin").read_bytes() == b"\x00\x01"
    assert (root / "notes/päth.txt").read_text(encoding="utf-8") == "é"


def test_a_deleted_experiment_is_refused_with_the_way_back(tracker):
    sweep = opened(tracker)
    client(tracker).delete_experiment(sweep.experiment_id)
    with pytest.raises(TrackingError, match=f"mlflow experiments restore --experiment-id {sweep.experiment_id}"):
        opened(tracker)


def test_another_value_of_a_known_param_is_a_named_error(tracker):
    opened(tracker, params={"seed": 0})
    with pytest.raises(TrackingError, match="Changing param values is not allowed"):
        opened(tracker, params={"seed": 1})


def test_samples_are_points_of_the_parent(tracker):
    sweep = opened(tracker)
    for step in (0, 1):
        tracker.log_metrics(sweep.run_id, {"system/cpu": 50.0 + step, "bad": math.nan}, step=step, at_ms=START + step)
    points = client(tracker).get_metric_history(sweep.run_id, "system/cpu")
    assert [(point.step, point.value, point.timestamp) for point in points] == [(0, 50.0, START), (1, 51.0, START + 1)]
    assert "bad" not in client(tracker).get_run(sweep.run_id).data.metrics


def test_the_environment_names_the_store_when_no_uri_is_given(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    with Tracker.connect(None, tmp_path / "elsewhere") as tracker:
        assert tracker.uri == f"sqlite:///{folder}/mlflow.db"
    assert not (tmp_path / "elsewhere").exists()


def test_the_default_store_is_a_file_in_the_directory(folder, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with Tracker.connect(None, folder) as tracker:
        assert tracker.uri == f"sqlite:///{folder}/mlflow.db"


@pytest.mark.filterwarnings("ignore:.*type hint:UserWarning")  # of pyfunc's own
@pytest.mark.parametrize(("offset", "dtype"), [(1.6e9, np.float64), (0, np.float32)])
def test_a_stored_model_takes_and_gives_numbers_as_wide_as_its_rows(tracker, make_config, monkeypatch, offset, dtype):
    import mlflow  # noqa: PLC0415 - takes a while

    steps = np.arange(40.0)[:, None]
    rows = Rows("toy", Task.REGRESSION, (offset + 3 * steps).astype(dtype), 1.7e9 + 7 * steps, 0)
    config = make_config(data="diabetes", loss="mse", model="linear")
    network = build_network(config, (1,), 1)
    state = {name: np.full(value.shape, value.ndim == 2, np.float32) for name, value in network.state_dict().items()}
    module = deploy(config, state, (1,), 1, fit_preprocessing(rows, np.arange(40), config.preprocess)[0])

    sweep = opened(tracker)
    address = tracker.log_model(sweep, sweep.run_id, module, rows.inputs)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)
    served = mlflow.pyfunc.load_model(address)
    # the identity on standardized numbers: what float32 would move by up to 64 is right
    np.testing.assert_allclose(served.predict(rows.inputs), rows.targets, atol=1e-3, rtol=0)
    taken, given = (
        schema.inputs[0].type for schema in (served.metadata.signature.inputs, served.metadata.signature.outputs)
    )
    assert (taken, given) == (dtype, np.float64)
