"""A table and a goal of one's own, as a person types them: metrics at a class and of one's own, losses of counts."""

import json

import numpy as np
import pytest

from tests.program import new_program

pytestmark = [pytest.mark.long, pytest.mark.slow]

CLAIMS = ("data=csv", "data.path=claims.csv", "data.target=y", "training.epochs=15", "execution.workers=1")
COUNTS = ("data=csv", "data.path=counts.csv", "data.target=y", "data.task=regression", "execution.workers=1")
COST = """import numpy as np


def cost(y_true, y_pred, miss=5.0):
    return np.mean((y_true != y_pred) * np.where(y_true == 0, miss, 1.0))
"""


@pytest.fixture(scope="module")
def program(migrated, tmp_path_factory):
    made = new_program(tmp_path_factory.mktemp("goals") / "place", migrated)
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 2))
    labels = np.where(x[:, 0] < -1, "fraud", np.where(x[:, 1] > 1, ">50K", "ok"))
    counts = draw.poisson(np.exp(0.5 + 0.8 * x[:, 0]))
    for name, targets in (("claims", labels), ("counts", counts)):
        lines = [f"{a:.4f},{b:.4f},{y}" for (a, b), y in zip(x, targets, strict=True)]
        (made.folder / f"{name}.csv").write_text("\n".join(["a,b,y", *lines]))
    (made.folder / "my_metrics.py").write_text(COST)
    yield made
    made.clean_up()


def test_a_metric_at_a_class_is_searched_by_logged_and_tested(program):
    program.run(*CLAIMS, 'search.metric="f1@>50K"', "loss.class_weight=balanced", "name=at")
    (run,) = program.runs("at", "search")
    assert any(name.startswith("val/f1:_50K-") for name in run.data.metrics)
    assert "test/f1@>50K" in program.run("+final=sweep", "final.sweep=at", "confirm.seeds=2")


def test_an_own_metric_is_searched_by_and_its_file_must_not_change_before_the_test_set_opens(program):
    own = ("search.metric=my_metrics:cost", "search.direction=minimize", "search.metric_options={miss: 3}")
    assert "-val/my_metrics:cost, shown as val/my_metrics:cost: lower is better" in program.run(
        *CLAIMS, *own, "name=own"
    )
    record = json.loads(program.records("own")[0])["body"]
    assert record["score"] == -record["curves"]["val/my_metrics:cost"][-1]
    (program.folder / "my_metrics.py").write_text(COST.replace("5.0", "4.0"))
    final = (
        "+final=sweep",
        "final.sweep=own",
        "confirm.seeds=2",
        "final.reopen.reason=other",
        "final.reopen.opening=2",
    )
    assert "the code of my_metrics:cost has changed since sweep 'own'" in program.run(*final, status=2)
    (program.folder / "my_metrics.py").write_text(COST)
    assert "test/my_metrics:cost" in program.run(*final)


def test_losses_of_numbers_are_compared_by_a_metric_of_counts(program):
    search = ("search.compare=loss", "search.choose.loss=[mse,poisson_nll]", "search.tune=[optimizer]", "name=losses")
    goal = ("search.metric=poisson_deviance", "search.trials=2", "training.epochs=20", "confirm.seeds=2")
    printed = program.run(*COUNTS, *search, *goal)
    assert "poisson_deviance on fresh seeds [95 %]" in printed
