"""A table as people have it, from the frame to served predictions; and what is learned where nothing can be."""

import io
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import hpsearch

pytestmark = pytest.mark.slow

N = 400


def people(seed: int = 0) -> pd.DataFrame:
    """Customers with missing cells, rare cities, identifiers, dates and notes; whether each has left."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "customer": 7_590_000_000 + np.arange(N),
            "age": draw.integers(18, 80, N).astype(float),
            "income": draw.lognormal(10, 1, N).round(2),
            "city": draw.choice(["Bonn", "Köln", "Ulm", "Aue"], N, p=[0.5, 0.3, 0.19, 0.01]),
            "since": pd.to_datetime("2020-01-01") + pd.to_timedelta(draw.integers(0, 1500, N), unit="D"),
            "note": [f"row {number}" for number in range(N)],
        }
    )
    signal = (frame["age"] - 50) / 10 + 2 * (frame["city"] == "Köln") - 0.5
    frame["left"] = np.where(signal + draw.normal(size=N) > 0, "Yes", "no")
    for name in ("age", "city", "since"):
        frame.loc[draw.random(N) < 0.1, name] = None
    return frame


OWN = """
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler


def decades(ages):
    return ages // 10


def make():
    age = make_pipeline(SimpleImputer(), FunctionTransformer(decades), StandardScaler())
    return make_column_transformer((age, ["age"]), (OneHotEncoder(handle_unknown="ignore"), ["city"]))
"""


@pytest.mark.filterwarnings("ignore:.*type hint:UserWarning", "ignore:Operation with range is deprecated")  # MLflow
def test_a_table_with_a_transformer_of_ones_own_is_served_without_its_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_decades.py").write_text(OWN)
    how = ["preprocess=custom", "preprocess.import_path=own_decades:make", "training.epochs=10"]
    sweep = hpsearch.sweep(*how, name="own", data=people(), target="left", trials=1)
    final = sweep.final("confirm.seeds=1")
    new = people(seed=1)
    here = final.predict(new)
    assert np.mean(here["prediction"].str.casefold() == new["left"].str.casefold()) > 0.7
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    new.to_csv(elsewhere / "new.csv", index=False)
    command = [sys.executable, "-W", "ignore", "-c", SERVER, f"sqlite:///{tmp_path}/mlruns/mlflow.db"]
    done = subprocess.run(
        [*command, final.model_uri, "new.csv"], capture_output=True, text=True, check=True, cwd=elsewhere
    )
    there = pd.read_csv(io.StringIO(done.stdout), index_col=0)
    np.testing.assert_allclose(there["probability of Yes"], here["probability of Yes"], atol=1e-6)


def test_baselines_stand_beside_networks_in_report_final_and_tracking_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = people().drop(columns=["customer", "note"])
    how = ["training.epochs=3", "confirm.seeds=2"]
    sweep = hpsearch.compare("optimizer", *how, options=["sgd", "adam"], name="a", data=frame, target="left", trials=1)
    assert list(sweep.baselines["baseline"]) == ["guessing", "logistic regression", "gradient boosting"]
    share = (frame["left"] == "no").mean()
    assert sweep.baselines["report/accuracy"][0] == pytest.approx(share, abs=0.15)
    final = sweep.final("confirm.seeds=2")
    assert set(final.baselines) == {"guess", "linear", "boosting"}
    assert final.baselines["linear"]["accuracy"][0] > final.baselines["guess"]["accuracy"][0]
    shutil.rmtree(tmp_path / "mlruns" / "sweeps")  # what the tracking store alone can tell
    command = [sys.executable, "-m", "hpsearch", "+report=sweep", "report.sweep=a", "report.directory=again"]
    subprocess.run(command, capture_output=True, check=True)
    assert "On the same report rows, by accuracy: " in next((tmp_path / "again").rglob("report.md")).read_text()


SERVER = """
import sys, pandas, mlflow
mlflow.set_tracking_uri(sys.argv[1])
print(mlflow.pyfunc.load_model(sys.argv[2]).predict(pandas.read_csv(sys.argv[3])).to_csv())
"""


@pytest.mark.filterwarnings("ignore:.*type hint:UserWarning", "ignore:Operation with range is deprecated")  # MLflow
def test_a_table_goes_from_the_frame_to_served_predictions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = people()
    how = ["evaluation=stratified_kfold", "training.epochs=10", "data.drop=[customer]"]
    sweep = hpsearch.sweep(*how, name="people", data=frame, target="left", choose={"preprocess": ["standard", "log"]})
    assert sweep.best.score > 0.75
    final = sweep.final("confirm.seeds=2")
    new = people(seed=1).assign(city=["Paris", *people(seed=1)["city"][1:]])
    here = final.predict(new)
    assert np.mean(here["prediction"].str.casefold() == new["left"].str.casefold()) > 0.75
    new.to_csv(tmp_path / "new.csv", index=False)
    command = [sys.executable, "-W", "ignore", "-c", SERVER, "sqlite:///mlruns/mlflow.db", final.model_uri, "new.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (tmp_path / "served.csv").write_text(done.stdout)
    there = pd.read_csv(tmp_path / "served.csv", index_col=0)
    assert list(there["prediction"]) == list(here["prediction"])
    np.testing.assert_allclose(there["probability of Yes"], here["probability of Yes"], atol=1e-6)


@pytest.mark.parametrize(
    "split", [["evaluation=kfold"], ["evaluation=kfold", "data.groups=customer"], ["data.time=since"]]
)
@pytest.mark.parametrize("categories", ["onehot", "target", "hash"])
def test_nothing_is_learned_where_labels_are_shuffled(tmp_path, monkeypatch, split, categories):
    monkeypatch.chdir(tmp_path)
    frame = people().assign(customer=np.arange(N) // 4).dropna(subset="since")
    frame["left"] = np.random.default_rng(2).permutation(frame["left"])
    word = [f"w{number}" for number in np.random.default_rng(3).integers(0, 60, len(frame))]
    how = ["training.epochs=10", f"preprocess.categories={categories}", "evaluation.replicates=1", *split]
    sweep = hpsearch.sweep(*how, name="shuffled", data=frame.assign(word=word), target="left", trials=1)
    scored = 30 if split == ["data.time=since"] else 300
    share = np.mean(frame["left"] == "Yes")
    assert sweep.trials["score"].iloc[0] < max(share, 1 - share) + 4 * 0.5 / np.sqrt(scored)
