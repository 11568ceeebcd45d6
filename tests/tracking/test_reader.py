"""A sweep that is looked up stays as it is."""

import pytest

from hpsearch.errors import TrackingError
from hpsearch.tracking.reader import names_in_file
from hpsearch.tracking.run_format import Ending, Role


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
    assert names_in_file(tracker.uri) == tracker.stored.names() == ["mnist"]


def test_a_sweep_that_the_store_does_not_have_is_not_made_by_looking_it_up(tracker):
    assert tracker.find_sweep("mnist", "a") is None
    assert names_in_file(tracker.uri) == []
    assert tracker._store.client.get_experiment_by_name("mnist") is None


def test_a_sweep_of_another_identity_is_not_found(tracker):
    opened(tracker, identity="a")
    assert tracker.find_sweep("mnist", "b") is None


def test_a_sweep_whose_experiment_was_deleted_is_not_found(tracker):
    sweep = opened(tracker)
    tracker._store.client.delete_experiment(sweep.experiment_id)
    assert tracker.find_sweep("mnist", "a") is None
    assert names_in_file(tracker.uri) == []


def rename(tracker, sweep, title):
    tracker._store.client.rename_experiment(sweep.experiment_id, title)


def test_a_sweep_whose_experiment_was_renamed_goes_on_there(tracker):
    sweep = opened(tracker)
    rename(tracker, sweep, "best of all")
    again = opened(tracker)
    assert (again.run_id, again.experiment_id, again.resumed) == (sweep.run_id, sweep.experiment_id, True)
    assert tracker.find_sweep("mnist", "a").run_id == sweep.run_id
    assert [found.run_id for found in tracker.stored.find("mnist")] == [sweep.run_id]
    assert opened(tracker, identity="b").experiment_id == sweep.experiment_id


def test_a_sweep_is_found_although_its_experiment_lost_its_tags(tracker):
    sweep = opened(tracker)
    tracker._store.client.delete_experiment_tag(sweep.experiment_id, "sweep")
    rename(tracker, sweep, "best of all")
    assert opened(tracker).run_id == sweep.run_id
    assert tracker.stored.names() == names_in_file(tracker.uri) == ["mnist"]


def test_a_sweep_does_not_move_into_the_experiment_of_another_that_took_its_name(tracker):
    other = tracker.open_sweep("digits", identity="a", started_ms=1)
    rename(tracker, other, "mnist")
    sweep = opened(tracker)
    assert sweep.experiment_id != other.experiment_id
    assert tracker._store.client.get_experiment(sweep.experiment_id).tags["sweep"] == "mnist"
    assert [found.run_id for found in tracker.stored.find("digits")] == [other.run_id]


def test_a_sweep_whose_run_was_deleted_is_refused_with_the_way_back(tracker):
    sweep = opened(tracker)
    tracker._store.client.delete_run(sweep.run_id)
    assert tracker.find_sweep("mnist", "a") is None
    with pytest.raises(TrackingError, match=f"the run of sweep 'mnist' was deleted .*restore --run-id {sweep.run_id}"):
        opened(tracker)


def test_runs_whose_tags_people_have_removed_or_changed_are_no_attempts(tracker):
    sweep = opened(tracker)
    runs = [tracker.start_attempt(sweep, "-", k, 1, started_ms=1 + k) for k in range(3)]
    tracker._store.client.delete_tag(runs[0], "trial")
    tracker._store.client.set_tag(runs[1], "role", "mine")
    assert [attempt.run_id for attempt in tracker.attempts(sweep)] == [runs[2]]
    assert [child.attempt.run_id for child in tracker.stored.children(sweep, Role.SEARCH)] == [runs[2]]


def test_what_only_mlflow_can_read_has_no_names(tmp_path):
    (tmp_path / "other.db").write_bytes(b"something else")
    assert names_in_file(f"sqlite:///{tmp_path}/other.db") is None
    assert names_in_file("http://127.0.0.1:1") is None
    assert names_in_file(f"sqlite:///{tmp_path}/nowhere.db") == []
