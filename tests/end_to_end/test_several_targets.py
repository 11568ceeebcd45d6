"""Several numbers and labels of one table, whose rows have weights, as a person types them."""

import re

import numpy as np
import pandas as pd
import pytest

from tests.program import new_program

pytestmark = [pytest.mark.long, pytest.mark.slow]

OWN = ("data=csv", "data.path=own.csv", "data.weight=w", "training.epochs=15", "execution.workers=1")
NUMBERS = ("data.target=[price,rent]", "data.drop=[sold,old]", "loss=mse", "name=numbers")
LABELS = ("data.target=[sold,old]", "data.drop=[price,rent]", "data.task=multilabel", "loss=bce", "name=labels")


@pytest.fixture(scope="module")
def program(migrated, tmp_path_factory):
    made = new_program(tmp_path_factory.mktemp("targets") / "place", migrated)
    draw = np.random.default_rng(0)
    area, city = draw.uniform(30, 200, 300), draw.choice(["Bonn", "Ulm"], 300)
    price, rent = 3000 * area + draw.normal(0, 2e4, 300), 9 * area + draw.normal(0, 60, 300)
    table = pd.DataFrame({"area": area, "city": city, "price": price, "rent": rent, "w": draw.integers(0, 4, 300)})
    table = table.assign(
        sold=np.where(area + draw.normal(0, 20, 300) > 120, "yes", "no"), old=(city == "Ulm").astype(int)
    )
    table.round(2).to_csv(made.folder / "own.csv", index=False)
    yield made
    made.clean_up()


def test_numbers_are_predicted_together_and_each_has_its_test_score(program):
    screen = program.run(*OWN, *NUMBERS)
    assert "own, 2 targets: 240 development rows" in screen
    assert "price (standard deviation" in screen
    (run,) = program.runs("numbers", "search")
    assert {"report/mae:price", "report/r2:rent"} <= run.data.metrics.keys()
    final = program.run("+final=sweep", "final.sweep=numbers", "confirm.seeds=2")
    assert {"test/mae@price", "test/mae@rent", "test/r2@rent"} <= set(re.findall(r"test/\S+", final))


def test_labels_are_searched_compared_and_predicted(program):
    compared = ("search.choose.optimizer=[adam,sgd]", "search.compare=optimizer", "search.metric=label_macro_f1")
    screen = program.run(*OWN, *LABELS, *compared, "search.trials=2", "confirm.seeds=2", "search.tune=[optimizer]")
    assert re.search(r"sold is yes in \d+\.\d%, old is 1 in \d+\.\d% of the rows", screen)
    assert "logistic regression" in screen
    final = ("+final=sweep", "final.sweep=labels", "confirm.seeds=2")
    reopened = ("final.reopen.reason=other", "final.reopen.opening=2")
    tested = program.run(*final, *reopened)
    assert {"test/accuracy@sold", "test/f1@old", "test/hamming_loss"} <= set(re.findall(r"test/\S+", tested))
