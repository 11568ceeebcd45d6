"""What a sweep with cohorts, rungs or a pruner must satisfy before anything is written."""

import pytest

from hpsearch.config import ConfigError
from hpsearch.search.checks import check_cohorts
from hpsearch.search.space import Range, Space

NOTHING = Space({}, {})


@pytest.mark.parametrize(
    ("search", "epochs", "expected"),
    [
        ({"cohort": 4}, 9, r"search.cohort=4 has no effect: add search.pruner=halving or search=tpe, or drop it"),
        ({"rungs": [1]}, 9, r"search.rungs=\[1\] has no effect: add search.pruner=halving"),
        ({"kind": "tpe", "trials": 10, "rungs": [1]}, 9, r"search.rungs=\[1\] has no effect"),
        ({"pruner_options": {"a": 1}}, 9, r"search.pruner_options=\{'a': 1\} has no effect"),
        ({"kind": "tpe", "trials": 25}, 9, "must be whole cohorts of search.cohort=10, .*, got 25: take 20 or 30"),
        ({"pruner": "median", "trials": 3}, 9, "whole cohorts of search.cohort=10, .*, got 3: take 10"),
        ({"pruner": "median", "trials": 6, "cohort": 3}, 1, "rungs below training.epochs=1, got none"),
        (
            {"pruner": "halving", "trials": 10, "rungs": [2, 9]},
            9,
            r"below training.epochs=9, got search.rungs=\[2, 9\]",
        ),
        ({"pruner": "halving", "trials": 10, "pruner_options": {"eta": 2}}, 9, "eta is not an option of halving"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(search, epochs, expected, make_config):
    with pytest.raises(ConfigError, match=expected):
        check_cohorts(make_config(search=search, training={"epochs": epochs}), NOTHING)


@pytest.mark.parametrize(
    "search",
    [
        {"trials": 7},
        {"kind": "tpe", "trials": 20},
        {"kind": "qmc", "pruner": "median", "trials": 6, "cohort": 3, "rungs": [1, 8]},
        {"pruner": "halving", "trials": 10, "pruner_options": {"reduction_factor": 2}},
    ],
)
def test_what_fits_is_taken(search, make_config):
    check_cohorts(make_config(search=search, training={"epochs": 9}), NOTHING)


def test_epochs_that_vary_cannot_be_judged_at_rungs(make_config):
    epochs = Range(low=2, high=9, log=False, step=None, whole=True)
    space = Space({}, {"training.default": {"epochs": epochs}})
    config = make_config(search={"pruner": "halving", "trials": 10}, training={"epochs": 9})
    with pytest.raises(ConfigError, match=r"training\.epochs varies: give training\.epochs one value"):
        check_cohorts(config, space)
