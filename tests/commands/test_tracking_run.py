"""A parent run ends with its command, however that ends."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from hpsearch.commands.tracking_run import describe_sweep, running, stored
from hpsearch.config import ConfigError
from hpsearch.errors import HpsearchError, OutputClosedError
from hpsearch.execution.interrupts import StoppedError
from hpsearch.tracking.run_format import Ending
from tests.fakes import FakeTracker
from tests.specifications import fingerprinted, specification, stored_level

HOLDOUT = {"evaluation": {"kind": "holdout"}, "options": {"data": "digits"}, "data": {}}
SPECIFICATION = specification(asked=fingerprinted(config=HOLDOUT), device="cpu")
NAMED = SimpleNamespace(
    name="s", identity="f-1", store=SimpleNamespace(requested=lambda: 3), specification=SPECIFICATION
)


def test_the_parent_run_of_a_sweep_that_is_done_has_finished():
    tracker = FakeTracker()
    with running(tracker, NAMED, []):
        assert tracker.endings == [None]
    assert tracker.endings == [Ending.FINISHED]


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ValueError("math domain error"), Ending.FAILED),
        (HpsearchError("no"), Ending.FAILED),
        (StoppedError(15), Ending.KILLED),
        (OutputClosedError(), Ending.KILLED),
        (KeyboardInterrupt(), Ending.KILLED),
        (SystemExit(1), Ending.KILLED),
    ],
)
def test_the_parent_run_ends_whatever_is_raised(error, ending):
    tracker = FakeTracker()
    with pytest.raises(type(error)), running(tracker, NAMED, []):
        raise error
    assert tracker.endings == [ending]


def test_a_store_that_fails_does_not_hide_what_failed_first():
    with pytest.raises(ValueError, match="first"), running(FakeTracker(broken=True), NAMED, []):
        raise ValueError("first")


def test_a_final_leaves_the_parent_run_of_its_sweep_as_it_is():
    tracker = FakeTracker(known=True)
    with pytest.raises(ValueError, match="refit"), stored(tracker, NAMED) as run:
        raise ValueError("refit")
    assert (run.run_id, tracker.endings) == ("parent", [])


def test_a_final_makes_and_ends_the_parent_run_that_a_store_does_not_have():
    tracker = FakeTracker()
    with stored(tracker, NAMED) as run:
        assert (run.run_id, tracker.endings) == ("parent", [None])
    assert tracker.endings == [Ending.FINISHED]


def described(**frozen):
    """What MLflow says of a sweep called `a b`."""
    asked = fingerprinted(**{"config": HOLDOUT, **frozen})
    return describe_sweep(SimpleNamespace(specification=specification("a b", asked)))


def test_of_a_single_sweep_the_report_rows_are_what_to_quote():
    assert "`report/…` is what to quote" in described()


def test_of_a_comparison_fresh_seeds_are_what_to_quote_and_the_report_is_what_to_read():
    text = described(levels=[stored_level("adam"), stored_level("sgd")])
    assert "`report/…` is what to quote" not in text
    assert "not what the search found is to quote, but the retrainings on fresh seeds" in text
    assert "python -m hpsearch +report=sweep 'report.sweep=\"a b\"'" in text


def test_a_sweep_without_report_rows_does_not_name_any():
    text = described(config={"evaluation": {"kind": "kfold"}})
    assert "`report/…`" not in text
    assert "no report rows" in text


def test_the_run_of_a_sweep_has_the_tags_of_its_user_and_says_how_many_trials_it_is_to_have():
    tracker = FakeTracker()
    with running(tracker, NAMED, [], {"processes": "2"}, {"team": "vision"}):
        assert {"team": "vision", "processes": "2", "trials_requested": "3"}.items() <= tracker.tags.items()


@pytest.mark.parametrize("key", ["role", "data", "processes", "mlflow.runName"])
def test_a_tag_that_is_set_anyway_is_refused_to_its_user(key):
    tracker = FakeTracker()
    with (
        pytest.raises(
            ConfigError, match=rf"^tracking\.tags\.{key} is set by hpsearch or MLflow: give it another name$"
        ),
        running(tracker, NAMED, [], {"processes": "2"}, {key: "mine"}),
    ):
        pass
    assert tracker.endings == []


def test_a_description_has_the_words_of_its_user_first_then_the_result_and_the_command():
    own = replace(SPECIFICATION, description="Why.", overrides=["search.trials=3"])
    told = describe_sweep(SimpleNamespace(specification=own), "Trial 2 is the best.").split("\n\n")
    assert told[:2] == ["Why.", "**Result.** Trial 2 is the best."]
    assert told[-1].strip() == "python -m hpsearch search.trials=3"
