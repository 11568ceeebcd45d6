"""A network that is served with the preprocessing of its table."""

import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from hpsearch.config.data import ColumnChoice, CsvData, TaskChoice
from hpsearch.data.dataset import to_development
from hpsearch.data.table import read_table
from hpsearch.engine.device_data import to_device
from hpsearch.engine.reference import predict
from hpsearch.execution import run_job
from hpsearch.final.model import refit_preprocessing, save_model, served_table
from hpsearch.jobs import RefitJob
from tests.tracking.test_tracker import opened

DRAW = np.random.default_rng(0)
N = 80
FRAME = pd.DataFrame(
    {
        "age": np.where(DRAW.random(N) < 0.1, np.nan, DRAW.integers(18, 80, N)),
        "city": DRAW.choice(["Bonn", "Köln", "Ulm"], N),
        "since": pd.to_datetime("2024-01-01") + pd.to_timedelta(DRAW.integers(0, 900, N), unit="D"),
        "paid": [f"{value:.2f}" for value in DRAW.lognormal(3, 1, N)],
        "y": np.array(["low", "middle", "high"])[np.arange(N) % 3],
    }
)


@pytest.fixture(scope="module", params=["cross_entropy", "bce", "mse"])
def model(request, make_config, tmp_path_factory):
    """The options, rows and refitted network of a table: of classes, or of numbers where the loss is one of those."""
    folder = tmp_path_factory.mktemp("served")
    FRAME.to_csv(folder / "own.csv", index=False)
    regression = request.param == "mse"
    values = {"path": str(folder / "own.csv"), "target": "paid" if regression else "y", "test": 0.2, "limit": None}
    data = CsvData(kind="csv", delimiter=",", drop=[], task=TaskChoice.AUTO, **values, **CsvData.fingerprint_defaults)
    rows = to_development(read_table(data))
    config = make_config(
        data="csv", loss=request.param, preprocess={"kind": "robust", "target": "log" if regression else "standard"}
    )
    job = RefitJob(config, 2, None)
    result = run_job.run_job(run_job.WorkerState(to_device(rows)), job)
    return data, rows, save_model(folder / "model", job, result)


def expected(_, rows, model):
    """Predictions (n, C) of the reference engine."""
    seen = refit_preprocessing(model, rows)
    outputs = predict(model.config, model.weights, to_device(rows), seen).astype(np.float64)
    if seen.target is not None:
        return seen.target.restored(outputs)
    shares = np.exp(outputs) if model.config.loss.kind == "cross_entropy" else 1 / (1 + np.exp(-outputs))
    return shares / shares.sum(axis=1, keepdims=True) if model.config.loss.kind == "cross_entropy" else shares


def numbers(predictions):
    return predictions.drop(columns="prediction", errors="ignore").to_numpy()


@pytest.mark.parametrize("as_text", [False, True])
def test_rows_of_the_file_are_predicted_as_the_engine_predicts_them(model, as_text):
    data, rows, refitted = model
    given = pd.read_csv(data.path, dtype=str if as_text else None)
    predictions = served_table(refitted, rows, data).predict(given)
    np.testing.assert_allclose(numbers(predictions), expected(*model), rtol=1e-5, atol=1e-6)
    if "prediction" in predictions:
        assert predictions["prediction"].tolist() == [rows.class_names[i] for i in expected(*model).argmax(axis=1)]


def test_unknown_words_and_missing_cells_are_predicted(model):
    data, rows, refitted = model
    odd = pd.DataFrame({"age": [None, "?"], "city": ["Paris", None], "since": [None, "2031-01-01"], "paid": [3, None]})
    odd["y"] = ["low", "high"]
    assert np.isfinite(numbers(served_table(refitted, rows, data).predict(odd))).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="city"), "columns that the model needs are absent: city"),
        (lambda frame: frame.assign(age="old"), "column 'age' must hold numbers: "),
        (lambda frame: frame.assign(since="soon"), "column 'since' must hold dates: "),
    ],
)
def test_rows_that_do_not_fit_are_refused_with_the_column(model, change, message):
    data, rows, refitted = model
    with pytest.raises(ValueError, match=message):
        served_table(refitted, rows, data).predict(change(FRAME))


ODD = pd.DataFrame(
    {
        "Menge, kg": [f"{value:.1f}".replace(".", ",") for value in DRAW.uniform(0, 9, N)],
        "Preis": [f"{value:,.0f}".replace(",", ".") for value in DRAW.uniform(500, 9000, N)],
        "plz": DRAW.choice(["01067", "10115", "80331"], N),
        "pool": DRAW.choice(["None", "NA", "Ex"], N),
        "day": DRAW.choice(["2024-01-31 00:00:00+00", "9999-12-31 00:00:00+00"], N),
        "code": np.where(DRAW.random(N) < 0.2, "-999", DRAW.integers(1, 9, N).astype(str)),
        "y": np.arange(N) % 2,
    }
)
ODD_KEYS = {"missing": ["", "-999"], "columns": {"plz": ColumnChoice.CATEGORY}}


def test_several_targets_are_predicted_by_name_and_under_gaussian_nll_with_their_deviations(make_config, tmp_path):
    table = FRAME.assign(rent=np.linspace(300, 900, N)).drop(columns="y")
    table.to_csv(tmp_path / "own.csv", index=False)
    values = {"path": str(tmp_path / "own.csv"), "target": ["rent", "paid"], "test": 0.2, "limit": None}
    data = CsvData(kind="csv", delimiter=",", drop=[], task=TaskChoice.AUTO, **values, **CsvData.fingerprint_defaults)
    rows = to_development(read_table(data))
    config = make_config(data="csv", loss="gaussian_nll", preprocess={"kind": "standard", "categories": "target"})
    job = RefitJob(config, 2, None)
    refitted = save_model(tmp_path / "model", job, run_job.run_job(run_job.WorkerState(to_device(rows)), job))
    predictions = served_table(refitted, rows, data).predict(table)
    names = ["rent", "paid"]
    assert list(predictions) == [*names, *(f"standard deviation of {name}" for name in names)]
    seen = refit_preprocessing(refitted, rows)
    outputs = predict(config, refitted.weights, to_device(rows), seen).astype(np.float64)
    np.testing.assert_allclose(predictions[names], seen.target.restored(outputs[:, :2]), rtol=1e-4)
    deviations = np.exp(outputs[:, 2:] / 2) / seen.target.scale
    np.testing.assert_allclose(predictions.iloc[:, 2:], deviations, rtol=1e-4)


def test_labels_are_predicted_by_name_with_the_probabilities_of_their_second_values(make_config, tmp_path):
    table = FRAME.drop(columns="y").assign(gone=np.where(FRAME.age > 50, "yes", "no"), old=(FRAME.age > 60).astype(int))
    table.to_csv(tmp_path / "own.csv", index=False)
    values = {"path": str(tmp_path / "own.csv"), "target": ["gone", "old"], "test": 0.2, "limit": None}
    task = TaskChoice.MULTILABEL
    data = CsvData(kind="csv", delimiter=",", drop=[], task=task, **values, **CsvData.fingerprint_defaults)
    rows = to_development(read_table(data))
    config = make_config(data={"kind": "csv", "task": "multilabel", "target": ["gone", "old"]}, loss="bce")
    job = RefitJob(config, 2, None)
    refitted = save_model(tmp_path / "model", job, run_job.run_job(run_job.WorkerState(to_device(rows)), job))
    predictions = served_table(refitted, rows, data).predict(table)
    outputs = predict(config, refitted.weights, to_device(rows), refit_preprocessing(refitted, rows)).astype(float)
    assert list(predictions) == ["gone", "probability of gone yes", "old", "probability of old 1"]
    shares = predictions[["probability of gone yes", "probability of old 1"]]
    np.testing.assert_allclose(shares, 1 / (1 + np.exp(-outputs)), rtol=1e-4, atol=1e-6)
    assert predictions["gone"].tolist() == np.where(outputs[:, 0] > 0, "yes", "no").tolist()
    assert (predictions["old"].dtype, predictions["old"].tolist()) == (np.int64, (outputs[:, 1] > 0).tolist())


@pytest.fixture(scope="module")
def odd(make_config, tmp_path_factory):
    """A table with decimal commas, own missing words, leading zeros, and words that pandas takes for missing."""
    folder = tmp_path_factory.mktemp("odd")
    ODD.rename(columns={"Preis": " Preis"}).to_csv(folder / "own.csv", index=False, sep=";")
    values = {"path": str(folder / "own.csv"), "target": "y", "test": 0.2, "limit": None, "task": TaskChoice.AUTO}
    data = CsvData(kind="csv", delimiter=";", drop=[], **values, **CsvData.fingerprint_defaults | ODD_KEYS)
    rows = to_development(read_table(data))
    job = RefitJob(make_config(data="csv", loss="bce", optimizer={"lr": 0.1}), 5, None)
    result = run_job.run_job(run_job.WorkerState(to_device(rows)), job)
    return data, rows, save_model(folder / "model", job, result)


def test_text_is_read_as_the_file_was(odd):
    data, rows, refitted = odd
    assert [column.kind.value for column in rows.columns] == [
        *("number", "number", "category", "category", "date", "number")
    ]
    given = pd.read_csv(data.path, sep=";", dtype=str, keep_default_na=False)
    served = served_table(refitted, rows, data).predict(given)
    right = expected(*odd)[:, -1]
    np.testing.assert_allclose(served["probability of 1"], right, rtol=1e-5, atol=1e-6)
    assert served["prediction"].tolist() == [int(share > 0.5) for share in right]


def test_numbers_of_a_frame_are_taken_as_they_are(odd):
    data, rows, refitted = odd
    typed = ODD.assign(
        **{
            "Menge, kg": ODD["Menge, kg"].str.replace(",", ".").astype(float),
            "Preis": ODD["Preis"].str.replace(".", "").astype(int),
            "plz": ODD["plz"].astype(int),
            "day": pd.Series(ODD["day"].str[:10].to_numpy("datetime64[s]")),
            "code": ODD["code"].astype(int),
        }
    )
    served = served_table(refitted, rows, data).predict(typed)
    np.testing.assert_allclose(served["probability of 1"], expected(*odd)[:, -1], rtol=1e-5, atol=1e-6)


SERVER = """
import sys, pandas, mlflow
mlflow.set_tracking_uri(sys.argv[1])
predictions = mlflow.pyfunc.load_model(sys.argv[2]).predict(pandas.read_csv(sys.argv[3]))
assert not any(name.partition(".")[0] == "hpsearch" for name in sys.modules)
print(predictions.to_json(orient="values"))
"""


@pytest.mark.filterwarnings("ignore:.*type hint:UserWarning", "ignore:Operation with range is deprecated")  # MLflow
def test_a_server_without_hpsearch_predicts_the_same(model, tracker):
    data, rows, refitted = model
    served = served_table(refitted, rows, data)
    sweep = opened(tracker)
    address = tracker.log_table_model(sweep, sweep.run_id, served, FRAME)
    command = [sys.executable, "-W", "ignore", "-c", SERVER, tracker.uri, address, data.path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    there = pd.read_json(io.StringIO(done.stdout)).select_dtypes("number").to_numpy()
    np.testing.assert_allclose(there, numbers(served.predict(pd.read_csv(data.path))), atol=1e-6, rtol=1e-6)
