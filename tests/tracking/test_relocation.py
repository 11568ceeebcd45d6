"""A folder with its runs is moved, or copied: artifacts are read and written where it is now."""

import shutil

import pytest

from hpsearch.tracking.tracker import Tracker


def connect(folder, database=None):
    return Tracker.connect(f"sqlite:///{database or folder / 'mlflow.db'}", folder)


def opened(tracker):
    return tracker.open_sweep("mnist", identity="a", started_ms=1)


@pytest.fixture
def one(folder):
    """A folder `one` with a sweep, one trial of it, and an opening in its ledger."""
    place = folder / "one"
    place.mkdir()
    (folder / "mlflow.db").rename(place / "mlflow.db")
    with connect(place) as tracker:
        assert tracker.moved_from == []
        tracker.start_attempt(opened(tracker), "-", 0, 1, started_ms=2, config="seed: 0\n")
        tracker.ledger.grant("d" * 64, 1, claimant="ann", granted_at="now", purpose="first", nonce="1")
    return place


def goes_on(tracker, place):
    """The sweep reads what it has, and what it writes lies at the place; the runs that it has."""
    sweep = opened(tracker)
    old = tracker.attempts(sweep)[0].run_id
    assert sweep.resumed
    assert tracker.stored.artifact(old, "config.yaml") == b"seed: 0\n"
    new = tracker.start_attempt(sweep, "-", 1, 1, started_ms=3, config="seed: 1\n")
    for run_id in (old, new):
        tracker.log_artifacts(run_id, {"more.txt": "more"})
        assert (place / "artifacts" / run_id / "artifacts" / "more.txt").read_text() == "more"
    return old, new


def test_a_folder_that_was_moved_is_written_to_where_it_is_now(one):
    two = one.rename(one.with_name("two"))
    with connect(two) as tracker:
        assert tracker.moved_from == [str(one / "artifacts")]
        goes_on(tracker, two)
    assert not one.exists()
    with connect(two) as tracker:
        assert tracker.moved_from == []
        assert len(tracker.ledger.openings("d" * 64)) == 1


def test_a_copy_leaves_the_folder_alone_that_it_was_made_of(one):
    two = one.with_name("two")
    shutil.copytree(one, two)
    with connect(two) as tracker:
        _, new = goes_on(tracker, two)
    assert not (one / "artifacts" / new).exists()
    with connect(one) as tracker:
        assert tracker.moved_from == []


def test_artifacts_that_another_folder_keeps_in_the_same_store_stay_there(one):
    other = one.with_name("other")
    with connect(other, one / "mlflow.db") as tracker:
        assert tracker.moved_from == []
        run_id = tracker.open_sweep("digits", identity="b", started_ms=1).run_id
        tracker.log_artifacts(run_id, {"sweep.json": "{}"})
    with connect(one) as tracker:
        assert tracker.moved_from == []
        assert tracker.stored.artifact(run_id, "sweep.json") == b"{}"
    assert (other / "artifacts" / run_id).exists()
