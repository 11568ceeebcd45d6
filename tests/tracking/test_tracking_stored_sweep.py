"""A sweep that is looked up stays as it is."""

import pytest

from hpsearch.tracking.runs import Ending


def opened(tracker, identity="a"):
    return tracker.open_sweep("mnist", identity=identity, started_ms=1_700_000_000_000)


@pytest.mark.parametrize("ending", [*Ending])
def test_a_sweep_that_is_looked_up_keeps_its_ending(tracker, ending):
    sweep = opened(tracker)
    tracker.close_sweep(sweep, ending, ended_ms=1_700_000_005_000)
    found = tracker.find_sweep("mnist", "a")
    assert (found.run_id, found.experiment_id, found.resumed) == (sweep.run_id, sweep.experiment_id, True)
    run = tracker._store.run(sweep.run_id)
    assert (run.info.status, run.data.tags["status"]) == (ending, ending.lower())


def test_a_sweep_that_the_store_does_not_have_is_not_made_by_looking_it_up(tracker):
    assert tracker.find_sweep("mnist", "a") is None
    assert tracker._store.client.get_experiment_by_name("mnist") is None


def test_a_sweep_of_another_identity_is_not_found(tracker):
    opened(tracker, identity="a")
    assert tracker.find_sweep("mnist", "b") is None


def test_a_sweep_whose_experiment_was_deleted_is_not_found(tracker):
    sweep = opened(tracker)
    tracker._store.client.delete_experiment(sweep.experiment_id)
    assert tracker.find_sweep("mnist", "a") is None
